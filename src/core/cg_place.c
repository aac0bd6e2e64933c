/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_place.h"


#define CG_DAY  86400    /* seconds */


static cg_evidence_e cg_evidence(cg_source_e source, const cg_facts_t *f,
    const cg_settings_t *s, cg_cc_t cc, const cg_record_t *record,
    int64_t now);
static bool cg_remembered(const cg_record_t *record, const cg_settings_t *s,
    int64_t now);


/*
 * Who lives outside is outside, unless the address is inside: the law looks
 * at where the person is.
 */

void
cg_place_hear(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, int64_t now)
{
    bool                cancelled;
    cg_cc_t             cc;
    cg_source_e         source;
    cg_evidence_e       e;
    const cg_record_t  *record;

    cancelled = false;
    cc = cg_place_country(f);

    /*
     * under an override its country stands for that of the address, and
     * nothing that is known of the tester counts
     */

    record = f->overridden && !f->pretended ? NULL : cg_found(f);

    for (source = CG_SOURCE_ADDRESS; source <= CG_SOURCE_UNKNOWN; source++) {
        e = cg_evidence(source, f, s, cc, record, now);

        if (t != NULL) {
            t->evidence[source] = cancelled && e == CG_EVIDENCE_INSIDE
                                  ? CG_EVIDENCE_CANCELLED : (uint8_t) e;
        }

        if (d->inside || cancelled) {
            continue;
        }

        if (e == CG_EVIDENCE_INSIDE) {
            d->inside = true;
            d->source = (uint8_t) source;

        } else if (e == CG_EVIDENCE_OUTSIDE && source == CG_SOURCE_RESIDENCE) {
            cancelled = true;
        }

        if (t == NULL && (d->inside || cancelled)) {
            break;
        }
    }

    if (t != NULL) {
        t->source = cancelled ? CG_SOURCE_RESIDENCE : d->source;
    }
}


static cg_evidence_e
cg_evidence(cg_source_e source, const cg_facts_t *f, const cg_settings_t *s,
    cg_cc_t cc, const cg_record_t *record, int64_t now)
{
    switch (source) {

    case CG_SOURCE_ADDRESS:
        return cg_territory_has(&s->territory, cc) ? CG_EVIDENCE_INSIDE
               : cc == CG_CC_UNKNOWN ? CG_EVIDENCE_NONE : CG_EVIDENCE_OUTSIDE;

    case CG_SOURCE_RESIDENCE:
        return record == NULL || record->residence == CG_CC_UNKNOWN
               ? CG_EVIDENCE_NONE
               : cg_territory_has(&s->territory, record->residence)
                 ? CG_EVIDENCE_INSIDE : CG_EVIDENCE_OUTSIDE;

    case CG_SOURCE_HISTORY:
        return record != NULL && cg_remembered(record, s, now)
               ? CG_EVIDENCE_INSIDE : CG_EVIDENCE_NONE;

    case CG_SOURCE_ANONYMIZER:
        return !f->anonymizer && f->country < CG_CC_ANONYMIZER
               ? CG_EVIDENCE_NONE
               : s->gate_anonymizer ? CG_EVIDENCE_INSIDE : CG_EVIDENCE_PASS;

    default:    /* CG_SOURCE_UNKNOWN */
        return cc != CG_CC_UNKNOWN ? CG_EVIDENCE_NONE
               : s->gate_unknown ? CG_EVIDENCE_INSIDE : CG_EVIDENCE_PASS;
    }
}


/* A day in the future is a clock that was set back: still remembered. */

static bool
cg_remembered(const cg_record_t *record, const cg_settings_t *s, int64_t now)
{
    return s->remember_days != 0
           && record->eea_day != 0
           && now / CG_DAY - record->eea_day <= s->remember_days;
}
