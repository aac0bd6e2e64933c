/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_place.h"


#define cg_always_inline  inline __attribute__ ((always_inline))
#define cg_noinline       __attribute__ ((noinline))


static cg_noinline void cg_decide_rest(cg_decision_t *d, const cg_facts_t *f,
    const cg_settings_t *s, const cg_policies_t *p, int64_t now);
static cg_always_inline void cg_decide_all(cg_decision_t *d, cg_trace_t *t,
    const cg_facts_t *f, const cg_settings_t *s, const cg_policies_t *p,
    int64_t now);
static inline bool cg_decide_is_accepted(const cg_facts_t *f,
    const cg_settings_t *s, const cg_policies_t *p);
static inline bool cg_decide_is_free(const cg_facts_t *f,
    const cg_settings_t *s);
static inline bool cg_decide_free(const cg_facts_t *f, const cg_settings_t *s,
    cg_reason_e *reason);
static cg_always_inline void cg_decide_outside(cg_decision_t *d, cg_trace_t *t,
    const cg_facts_t *f, const cg_settings_t *s, const cg_policies_t *p);
static cg_always_inline void cg_decide_inside(cg_decision_t *d, cg_trace_t *t,
    const cg_facts_t *f, const cg_settings_t *s, const cg_policies_t *p,
    int64_t now);
static cg_always_inline void cg_decide_consent(cg_decision_t *d, cg_trace_t *t,
    const cg_facts_t *f, const cg_record_t *record, const cg_settings_t *s,
    const cg_policies_t *p, int64_t now);
static inline void cg_documents_standing(const cg_record_t *record,
    const cg_policies_t *policies, cg_docs_t wanted, int64_t now,
    cg_docs_t *missing, cg_docs_t *behind);
static cg_age_e cg_decide_age(const cg_facts_t *f, const cg_record_t *record,
    const cg_settings_t *s, int64_t now);
static inline void cg_decide_purposes(cg_decision_t *d, const cg_facts_t *f,
    const cg_record_t *record, const cg_settings_t *s,
    const cg_policies_t *p);
static cg_purposes_t cg_granted(const cg_facts_t *f,
    const cg_record_t *record, const cg_policies_t *p);
static inline void cg_end(cg_decision_t *d, cg_outcome_e outcome,
    cg_reason_e reason);
static inline void cg_note(cg_trace_t *t, cg_step_e step, bool yes);
static inline const cg_record_t *cg_answers(const cg_facts_t *f);
static inline bool cg_store_failed(const cg_facts_t *f,
    const cg_policies_t *p);
static cg_reason_e cg_missing_reason(const cg_record_t *record,
    cg_docs_t missing);


/*
 * One rule, of which the compiler makes two: at a request nobody asks for a
 * trace, and nothing is spent on one. What most of the world meets, and most
 * who come again, comes first, and apart from the rest.
 */

void
cg_decide(cg_decision_t *d, const cg_facts_t *facts,
    const cg_settings_t *settings, const cg_policies_t *policies, int64_t now)
{
    bool         inside;
    cg_reason_e  reason;

    inside = cg_territory_has(&settings->territory, cg_place_country(facts));

    if (inside ? cg_decide_is_accepted(facts, settings, policies)
               : cg_place_is_plain(facts, settings))
    {
        reason = inside ? CG_REASON_ACCEPTED : CG_REASON_OUTSIDE;

        if (settings->purposes == 0 && !cg_decide_is_free(facts, settings)) {
            memset(d, 0, sizeof(cg_decision_t));

            d->inside = inside;
            d->source = facts->overridden ? CG_SOURCE_OVERRIDE
                                          : CG_SOURCE_ADDRESS;
            cg_end(d, CG_PASS, reason);

            return;
        }
    }

    cg_decide_rest(d, facts, settings, policies, now);
}


/* Whether the newest version is accepted of each document that is wanted. */

static inline bool
cg_decide_is_accepted(const cg_facts_t *f, const cg_settings_t *s,
    const cg_policies_t *p)
{
    bool                any;
    const cg_record_t  *record;
    const cg_policy_t  *doc;

    record = cg_found(f);

    if (record == NULL || record->age_state == CG_AGE_MINOR || s->ask_age
        || (record->declined & s->documents))
    {
        return false;
    }

    any = false;

    for (size_t i = 0; i < p->ndocs; i++) {
        if (!(s->documents >> i & 1)) {
            continue;
        }

        doc = &p->docs[i];

        if (record->accepted[i] < doc->version || !doc->known) {
            return false;
        }

        any = true;
    }

    return any;
}


static cg_noinline void
cg_decide_rest(cg_decision_t *d, const cg_facts_t *f, const cg_settings_t *s,
    const cg_policies_t *p, int64_t now)
{
    memset(d, 0, sizeof(cg_decision_t));

    cg_decide_place(d, NULL, f, s, now);

    cg_decide_all(d, NULL, f, s, p, now);
}


void
cg_decide_traced(cg_decision_t *d, cg_trace_t *trace, const cg_facts_t *facts,
    const cg_settings_t *settings, const cg_policies_t *policies, int64_t now)
{
    memset(d, 0, sizeof(cg_decision_t));
    memset(trace, 0, sizeof(cg_trace_t));

    trace->decided = CG_STEPS;

    cg_decide_place(d, trace, facts, settings, now);

    cg_decide_all(d, trace, facts, settings, policies, now);
}


static cg_always_inline void
cg_decide_all(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, const cg_policies_t *p, int64_t now)
{
    bool         is_free;
    cg_reason_e  reason;

    is_free = cg_decide_free(f, s, &reason);
    cg_note(t, CG_STEP_FREE, is_free);

    if (is_free) {
        cg_end(d, CG_PASS, reason);

    } else if (d->inside) {
        cg_decide_inside(d, t, f, s, p, now);

    } else {
        cg_decide_outside(d, t, f, s, p);
    }
}


bool
cg_decide_needs_record(const cg_facts_t *facts, const cg_settings_t *settings)
{
    cg_reason_e  reason;

    if (facts->subject == CG_SUBJECT_NONE
        || cg_decide_free(facts, settings, &reason))
    {
        return false;
    }

    /* from outside too: residence and history may put the subject inside */

    return facts->klass != CG_CLASS_SUBRESOURCE || settings->purposes != 0;
}


cg_docs_t
cg_documents_missing(const cg_record_t *record, const cg_policies_t *policies,
    cg_docs_t wanted, int64_t now)
{
    cg_docs_t  missing, behind;

    cg_documents_standing(record, policies, wanted, now, &missing, &behind);

    return missing;
}


cg_docs_t
cg_documents_behind(const cg_record_t *record, const cg_policies_t *policies,
    cg_docs_t wanted)
{
    cg_docs_t  missing, behind;

    cg_documents_standing(record, policies, wanted, 0, &missing, &behind);

    return behind;
}


/*
 * What is enforced, and what will be, is at most `version`: only below that
 * one has to look further.
 */

static inline void
cg_documents_standing(const cg_record_t *record, const cg_policies_t *policies,
    cg_docs_t wanted, int64_t now, cg_docs_t *missing, cg_docs_t *behind)
{
    uint32_t            accepted;
    cg_docs_t           bit, declined;
    const uint32_t     *versions;
    const cg_policy_t  *doc;

    static const uint32_t  never[CG_MAX_DOCUMENTS];

    versions = record != NULL ? record->accepted : never;
    declined = record != NULL ? record->declined : 0;

    *missing = 0;
    *behind = 0;

    for (size_t i = 0; i < policies->ndocs; i++) {
        doc = &policies->docs[i];
        bit = (cg_docs_t) (1u << i);
        accepted = declined & bit ? 0 : versions[i];

        if (!(wanted & bit) || accepted >= doc->version || !doc->known) {
            continue;
        }

        *behind |= bit;

        if (accepted < cg_policy_enforced(doc, now)) {
            *missing |= bit;
        }
    }
}


cg_purposes_t
cg_purposes_granted(const cg_facts_t *facts, const cg_policies_t *policies)
{
    return cg_granted(facts, cg_answers(facts), policies);
}


static inline bool
cg_decide_is_free(const cg_facts_t *f, const cg_settings_t *s)
{
    return (f->subrequest | f->preflight | f->error_page | f->own | f->exempt)
           || s->mode == CG_MODE_OFF;
}


/* Step 1. */

static inline bool
cg_decide_free(const cg_facts_t *f, const cg_settings_t *s,
    cg_reason_e *reason)
{
    if (!cg_decide_is_free(f, s)) {
        return false;
    }

    if (s->mode == CG_MODE_OFF) {
        *reason = CG_REASON_OFF;

    } else if (f->subrequest) {
        *reason = CG_REASON_SUBREQUEST;

    } else if (f->preflight) {
        *reason = CG_REASON_PREFLIGHT;

    } else if (f->error_page) {
        *reason = CG_REASON_ERROR_PAGE;

    } else if (f->own) {
        *reason = CG_REASON_OWN;

    } else {
        *reason = CG_REASON_EXEMPT;
    }

    return true;
}


/*
 * Step 2. Nobody is asked here, but who has said no, in the record or by
 * Global Privacy Control, has said it for everywhere.
 */

static cg_always_inline void
cg_decide_outside(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, const cg_policies_t *p)
{
    cg_purposes_t       said;
    const cg_record_t  *record;

    record = cg_answers(f);

    said = record != NULL ? record->answered : 0;

    if (f->gpc) {
        said |= p->gpc_deny;
    }

    cg_end(d, CG_PASS, cg_place_country(f) == CG_CC_UNKNOWN
                       ? CG_REASON_UNKNOWN_COUNTRY : CG_REASON_OUTSIDE);
    cg_note(t, CG_STEP_PLACE, true);

    cg_decide_purposes(d, f, record, s, p);

    d->refused &= said;
    cg_note(t, CG_STEP_PURPOSES, d->refused != 0);

    if (d->refused != 0) {
        cg_end(d, CG_REFUSE, CG_REASON_PURPOSE);
    }
}


/* Steps 3 to 9. */

static cg_always_inline void
cg_decide_inside(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_settings_t *s, const cg_policies_t *p, int64_t now)
{
    bool                failed, cross;
    const cg_record_t  *record;

    failed = cg_store_failed(f, p);
    record = failed ? f->receipt : cg_found(f);

    cg_end(d, CG_PASS, CG_REASON_ACCEPTED);
    cg_note(t, CG_STEP_PLACE, false);
    cg_note(t, CG_STEP_SUBRESOURCE, f->klass == CG_CLASS_SUBRESOURCE);

    if (f->klass == CG_CLASS_SUBRESOURCE) {
        /* what it belongs to has been asked */

    } else if (failed && record == NULL) {
        cg_note(t, CG_STEP_STORE, true);

        if (s->closed) {
            cg_end(d, CG_UNAVAILABLE, CG_REASON_STORE_DOWN);
            return;
        }

        cg_end(d, CG_PASS, CG_REASON_STORE_DOWN);

    } else {
        cg_note(t, CG_STEP_STORE, failed);
        cg_decide_consent(d, t, f, record, s, p, now);
    }

    if (d->outcome == CG_PAGE || d->outcome == CG_AGE_PAGE) {

        /* SameSite kept the cookies back: an answer of SAML, a payment */

        cross = f->cross_site && f->klass == CG_CLASS_UNSAFE
                && f->subject == CG_SUBJECT_NONE;
        cg_note(t, CG_STEP_CROSS_SITE, cross);

        if (!cross) {
            return;
        }

        cg_end(d, CG_PASS, CG_REASON_CROSS_SITE);

    } else if (failed && record != NULL) {
        d->reason = CG_REASON_RECEIPT;
    }

    cg_decide_purposes(d, f, record, s, p);
    cg_note(t, CG_STEP_PURPOSES, d->refused != 0);

    if (d->refused != 0) {
        cg_end(d, CG_REFUSE, CG_REASON_PURPOSE);
    }
}


/* Steps 5 to 7. */

static cg_always_inline void
cg_decide_consent(cg_decision_t *d, cg_trace_t *t, const cg_facts_t *f,
    const cg_record_t *record, const cg_settings_t *s, const cg_policies_t *p,
    int64_t now)
{
    cg_age_e   age;
    cg_docs_t  behind;

    cg_documents_standing(record, p, s->documents, now, &d->missing, &behind);

    age = cg_decide_age(f, record, s, now);
    cg_note(t, CG_STEP_AGE, age != CG_AGE_OK);

    if (age == CG_AGE_MINOR) {
        cg_end(d, CG_AGE_PAGE, CG_REASON_UNDER_AGE);
        return;
    }

    if (age == CG_AGE_NONE) {
        cg_end(d, CG_PAGE, CG_REASON_AGE_UNCONFIRMED);
        return;
    }

    cg_note(t, CG_STEP_DOCUMENTS, d->missing != 0);

    if (d->missing != 0) {
        cg_end(d, CG_PAGE, cg_missing_reason(record, d->missing));
        return;
    }

    d->behind = behind;
    cg_note(t, CG_STEP_NOTICE, d->behind != 0);

    if (d->behind != 0) {
        cg_end(d, CG_NOTICE, CG_REASON_NOTICE);
    }
}


/* Who has said to be a child is one, asked for here or not. */

static cg_age_e
cg_decide_age(const cg_facts_t *f, const cg_record_t *record,
    const cg_settings_t *s, int64_t now)
{
    if (s->ask_age) {
        return cg_age_standing(record, cg_min_age(f, s->ages, now));
    }

    return record != NULL && record->age_state == CG_AGE_MINOR ? CG_AGE_MINOR
                                                               : CG_AGE_OK;
}


/* Step 8 finds what is refused; the caller knows whether it matters. */

static inline void
cg_decide_purposes(cg_decision_t *d, const cg_facts_t *f,
    const cg_record_t *record, const cg_settings_t *s, const cg_policies_t *p)
{
    if (s->purposes != 0) {
        d->refused = s->purposes & (cg_purposes_t) ~cg_granted(f, record, p);
    }
}


static cg_purposes_t
cg_granted(const cg_facts_t *f, const cg_record_t *record,
    const cg_policies_t *p)
{
    cg_purposes_t  tcf;

    if (record == NULL
        && f->subject != CG_SUBJECT_NONE && f->lookup != CG_LOOKUP_ABSENT)
    {
        /* not read: there may be a refusal in it */

        return p->necessary;
    }

    /* a child's consent is none (GDPR, art. 8(1)) */

    if (record != NULL && record->age_state == CG_AGE_MINOR) {
        return p->necessary;
    }

    tcf = f->tcf;

    if (f->gpc) {
        tcf &= (cg_purposes_t) ~p->gpc_deny;
    }

    if (record != NULL) {
        tcf &= (cg_purposes_t) ~record->answered;
        tcf |= record->granted;
    }

    return p->necessary | tcf;
}


static inline void
cg_end(cg_decision_t *d, cg_outcome_e outcome, cg_reason_e reason)
{
    d->outcome = (uint8_t) outcome;
    d->reason = (uint8_t) reason;
}


/* The last question that was answered with yes has decided. */

static inline void
cg_note(cg_trace_t *t, cg_step_e step, bool yes)
{
    if (t == NULL) {
        return;
    }

    t->answers[step] = yes ? CG_ANSWER_YES : CG_ANSWER_NO;

    if (yes) {
        t->decided = (uint8_t) step;
    }
}


/* What the subject has answered: the record, or what stands in for it. */

static inline const cg_record_t *
cg_answers(const cg_facts_t *f)
{
    return f->lookup == CG_LOOKUP_FAILED ? f->receipt : cg_found(f);
}


/* A site whose policies are not known cannot tell what is accepted. */

static inline bool
cg_store_failed(const cg_facts_t *f, const cg_policies_t *p)
{
    if (f->lookup == CG_LOOKUP_FAILED) {
        return true;
    }

    for (size_t i = 0; i < p->ndocs; i++) {
        if (p->docs[i].known) {
            return false;
        }
    }

    return p->ndocs > 0;
}


static cg_reason_e
cg_missing_reason(const cg_record_t *record, cg_docs_t missing)
{
    if (record == NULL) {
        return CG_REASON_MISSING;
    }

    if (missing & record->declined) {
        return CG_REASON_DECLINED;
    }

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        if ((missing >> i & 1) && record->accepted[i] == 0) {
            return CG_REASON_MISSING;
        }
    }

    return CG_REASON_OUTDATED;
}
