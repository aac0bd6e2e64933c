/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_PLACE_H
#define CG_PLACE_H

#include "cg_decide.h"


/* A part of the rule: see cg_decide(). Sets `inside` and `source`. */
void cg_decide_place(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
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

#endif /* CG_PLACE_H */
