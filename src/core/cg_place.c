/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_place.h"


#define CG_DAY  86400    /* seconds */


static void cg_place_hear(cg_decision_t *d, cg_trace_t *t,
    const cg_facts_t *f, const cg_settings_t *s, cg_cc_t cc, int64_t now);
static cg_evidence_e cg_evidence(cg_source_e source, const cg_facts_t *f,
    const cg_settings_t *s, cg_cc_t cc, const cg_record_t *record,
    int64_t now);
static bool cg_remembered(const cg_record_t *record, const cg_settings_t *s,
    int64_t now);
static inline bool cg_place_is_plain(const cg_facts_t *f,
    const cg_settings_t *s);


/*
 * Where the visitor counts as being, and what says so: the first source that
 * says "inside". The address is the first, and of most visitors there is no
 * other. With a trace all sources are heard.
 */

void
cg_decide_place(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, int64_t now)
{
    cg_cc_t  cc;

    cc = cg_place_country(f);

    d->inside = cg_territory_has(&s->territory, cc);
    d->source = d->inside || cc != CG_CC_UNKNOWN ? CG_SOURCE_ADDRESS
                                                 : CG_SOURCE_UNKNOWN;

    if (t != NULL || !(d->inside || cg_place_is_plain(f, s))) {
        cg_place_hear(d, t, f, s, cc, now);
    }

    if (f->overridden) {
        d->source = CG_SOURCE_OVERRIDE;
    }
}


/*
 * Who lives outside is outside, unless the address is inside: the law looks
 * at where the person is.
 */

static void
cg_place_hear(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, cg_cc_t cc, int64_t now)
{
    bool                cancelled;
    cg_source_e         source;
    cg_evidence_e       e;
    const cg_record_t  *record;

    cancelled = false;

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


/* A day in the future is a clock that was set back: still remembered. */

static bool
cg_remembered(const cg_record_t *record, const cg_settings_t *s, int64_t now)
{
    return s->remember_days != 0
           && record->eea_day != 0
           && now / CG_DAY - record->eea_day <= s->remember_days;
}
