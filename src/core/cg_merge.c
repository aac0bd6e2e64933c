/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_merge.h"


bool
cg_merge(cg_merge_t *m, const cg_record_t *account,
    const cg_record_t *visitor, const uint32_t given[CG_MAX_DOCUMENTS])
{
    cg_docs_t    bit;
    cg_record_t  none;

    memset(m, 0, sizeof(cg_merge_t));

    if (account == NULL) {
        memset(&none, 0, sizeof(cg_record_t));
        account = &none;
    }

    m->decline = (cg_docs_t) (visitor->declined & ~account->declined);
    m->refuse = (cg_purposes_t) (visitor->answered & ~visitor->granted
                                 & (account->granted | ~account->answered));

    if (visitor->age_state == CG_AGE_MINOR
        && account->age_state != CG_AGE_MINOR)
    {
        m->minor = visitor->age;
    }

    if (visitor->eea_day > account->eea_day) {
        m->eea_day = visitor->eea_day;
    }

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        bit = (cg_docs_t) (1u << i);

        if (given[i] > account->accepted[i]
            && given[i] <= visitor->accepted[i]
            && !((visitor->declined | account->declined) & bit))
        {
            m->accept |= bit;
            m->versions[i] = given[i];
        }
    }

    return m->accept || m->decline || m->refuse || m->minor || m->eea_day;
}


void
cg_merge_apply(const cg_merge_t *m, cg_record_t *account)
{
    cg_docs_t  bit;

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        bit = (cg_docs_t) (1u << i);

        if (m->accept & bit) {
            account->accepted[i] = m->versions[i];
        }

        if (m->decline & bit) {
            account->accepted[i] = 0;
        }
    }

    account->declined |= m->decline;
    account->granted &= (cg_purposes_t) ~m->refuse;
    account->answered |= m->refuse;

    if (m->minor) {
        account->age_state = CG_AGE_MINOR;
        account->age = m->minor;
    }

    if (m->eea_day) {
        account->eea_day = m->eea_day;
    }
}
