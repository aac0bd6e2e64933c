/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_PLACE_H
#define CG_PLACE_H

#include "cg_decide.h"


/*
 * Hears what says that the visitor is inside, beginning with the address;
 * all of it if there is a trace.
 */
void cg_place_hear(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, int64_t now);


/* The record, if it was found. */

static inline const cg_record_t *
cg_found(const cg_facts_t *f)
{
    return f->lookup == CG_LOOKUP_FOUND ? f->record : NULL;
}


/* A1 and T1 stand in the place of a country, and are none. */

static inline cg_cc_t
cg_place_country(const cg_facts_t *f)
{
    return f->country >= CG_CC_ANONYMIZER ? CG_CC_UNKNOWN : f->country;
}


/* Of most visitors there is nothing but a country: only the address speaks. */

static inline bool
cg_place_is_plain(const cg_facts_t *f, const cg_settings_t *s)
{
    const cg_record_t  *record;

    record = cg_found(f);

    return f->country != CG_CC_UNKNOWN && f->country < CG_CC_ANONYMIZER
           && !f->anonymizer
           && (record == NULL
               || (record->residence == CG_CC_UNKNOWN
                   && (record->eea_day == 0 || s->remember_days == 0)));
}


/*
 * A part of the rule: where the visitor counts as being, and what says so. The
 * first source that says "inside" decides, and the address is the first.
 */

static inline void
cg_decide_place(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, int64_t now)
{
    cg_cc_t  cc;

    cc = cg_place_country(f);

    d->inside = cg_territory_has(&s->territory, cc);
    d->source = d->inside || cc != CG_CC_UNKNOWN ? CG_SOURCE_ADDRESS
                                                 : CG_SOURCE_UNKNOWN;

    if (t != NULL || !(d->inside || cg_place_is_plain(f, s))) {
        cg_place_hear(d, t, f, s, now);
    }

    if (f->overridden) {
        d->source = CG_SOURCE_OVERRIDE;
    }
}

#endif /* CG_PLACE_H */
