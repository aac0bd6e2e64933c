/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What is told about a decision is what was decided: whatever the facts, the
 * trace and the decision agree.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../src/core/cg_explain.h"


#define NOW  1527249600
#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define R(reason)  (1u << CG_REASON_ ## reason)


/* What may have been decided by the one who is said to have decided. */

static const uint32_t  reasons[CG_STEPS + 1] = {
    [CG_STEP_FREE] = R(OFF) | R(SUBREQUEST) | R(PREFLIGHT) | R(ERROR_PAGE)
                     | R(OWN) | R(EXEMPT),
    [CG_STEP_PLACE] = R(OUTSIDE) | R(UNKNOWN_COUNTRY),
    [CG_STEP_SUBRESOURCE] = R(ACCEPTED) | R(RECEIPT),
    [CG_STEP_STORE] = R(STORE_DOWN) | R(RECEIPT),
    [CG_STEP_AGE] = R(UNDER_AGE) | R(AGE_UNCONFIRMED),
    [CG_STEP_DOCUMENTS] = R(MISSING) | R(OUTDATED) | R(DECLINED),
    [CG_STEP_CROSS_SITE] = R(CROSS_SITE),
    [CG_STEP_NOTICE] = R(NOTICE) | R(RECEIPT),
    [CG_STEP_PURPOSES] = R(PURPOSE),
    [CG_STEPS] = R(ACCEPTED)
};


static uint32_t
next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;

    return *x >> 3;
}


static cg_cc_t
any_place(uint32_t *x)
{
    static const char  places[][3] = { "DE", "IS", "US", "GB" };

    switch (next(x) % 6) {

    case 0:
        return CG_CC_UNKNOWN;

    case 1:
        return next(x) % 2 ? CG_CC_TOR : CG_CC_ANONYMIZER;

    default:
        return cg_cc(places[next(x) % N(places)]);
    }
}


static void
any_record(cg_record_t *rec, uint32_t *x)
{
    cg_cc_t  home;

    memset(rec, 0, sizeof(*rec));

    for (size_t i = 0; i < 3; i++) {
        rec->accepted[i] = next(x) % 4;
    }

    home = any_place(x);

    rec->declined = next(x) % 4 == 0 ? next(x) & 7 : 0;
    rec->answered = next(x) & 7;
    rec->granted = next(x) & rec->answered;
    rec->age_state = next(x) % 3;
    rec->age = 13 + next(x) % 5;
    rec->residence = next(x) % 2 && home < CG_CC_ANONYMIZER ? home : 0;
    rec->eea_day = next(x) % 2 * (NOW / 86400 - next(x) % 300);
}


static void
any_facts(cg_facts_t *f, uint32_t *x, const cg_record_t *record,
    const cg_record_t *receipt)
{
    memset(f, 0, sizeof(*f));

    f->klass = next(x) % CG_CLASSES;
    f->subject = next(x) % 3;
    f->lookup = next(x) % 4;
    f->country = any_place(x);
    f->overridden = next(x) % 4 == 0;
    f->pretended = f->overridden && next(x) % 2;
    f->anonymizer = next(x) % 4 == 0;
    f->subrequest = next(x) % 32 == 0;
    f->preflight = next(x) % 32 == 0;
    f->error_page = next(x) % 32 == 0;
    f->own = next(x) % 32 == 0;
    f->exempt = next(x) % 32 == 0;
    f->cross_site = next(x) % 2;
    f->gpc = next(x) % 4 == 0;
    f->record = f->lookup == CG_LOOKUP_FOUND ? record : NULL;
    f->receipt = next(x) % 2 ? receipt : NULL;
}


static void
any_site(cg_settings_t *s, cg_policies_t *p, uint32_t *x)
{
    memset(s, 0, sizeof(*s));
    memset(p, 0, sizeof(*p));

    s->mode = next(x) % 16 != 0;
    s->closed = next(x) % 2;
    s->gate_unknown = next(x) % 2;
    s->gate_anonymizer = next(x) % 2;
    s->ask_age = next(x) % 2;
    s->remember_days = next(x) % 2 * 180;
    s->documents = next(x) & 7;
    s->purposes = next(x) % 2 ? next(x) & 7 : 0;
    cg_territory_eea(&s->territory);

    if (next(x) % 4 == 0) {
        (void) cg_territory_word(&s->territory, cg_str("all"));
    }

    p->ndocs = 3;
    p->npurposes = 3;
    p->gpc_deny = next(x) & 7;
    p->necessary = next(x) % 4 == 0;

    for (size_t i = 0; i < 3 && next(x) % 8; i++) {
        p->docs[i].known = true;
        p->docs[i].version = 3;
        p->docs[i].required = 2;
        p->docs[i].before = next(x) % 3;
        p->docs[i].effective = NOW - 1 + next(x) % 3;
    }
}


static void
expect_agreement(const cg_decision_t *d, const cg_trace_t *t,
    const cg_facts_t *f)
{
    bool     is_free;
    size_t   i;
    uint8_t  last;

    assert_true(t->decided <= CG_STEPS);
    assert_true(reasons[t->decided] >> d->reason & 1);

    /* the last "yes" decides; without one there was nothing to object to */

    last = CG_STEPS;

    for (i = 0; i < CG_STEPS; i++) {
        if (t->answers[i] == CG_ANSWER_YES) {
            last = (uint8_t) i;
        }
    }

    assert_int_equal(t->decided, last);

    /* and whoever is sent away was asked nothing any more */

    if (d->outcome != CG_PASS && d->outcome != CG_NOTICE) {
        for (i = t->decided + 1u; i < CG_STEPS; i++) {
            assert_int_not_equal(t->answers[i], CG_ANSWER_YES);
        }
    }

    is_free = d->reason <= CG_REASON_EXEMPT;

    assert_int_equal(t->answers[CG_STEP_FREE],
                     is_free ? CG_ANSWER_YES : CG_ANSWER_NO);
    assert_int_equal(t->answers[CG_STEP_PLACE],
                     is_free ? CG_ANSWER_NOT_ASKED
                     : d->inside ? CG_ANSWER_NO : CG_ANSWER_YES);
    assert_int_equal(t->answers[CG_STEP_SUBRESOURCE] != CG_ANSWER_NOT_ASKED,
                     d->inside && !is_free);

    /* inside is who is so by the source that counts */

    assert_int_equal(d->inside,
                     t->evidence[t->source] == CG_EVIDENCE_INSIDE);
    assert_int_equal(d->source == CG_SOURCE_OVERRIDE, f->overridden);

    if (d->inside) {
        assert_true(f->overridden || t->source == d->source);

        for (i = 0; i < t->source; i++) {
            assert_int_not_equal(t->evidence[i], CG_EVIDENCE_INSIDE);
        }

    } else {
        for (i = 0; i < CG_SOURCES; i++) {
            assert_int_not_equal(t->evidence[i], CG_EVIDENCE_INSIDE);
        }
    }
}


static void
expect_json(const cg_trace_t *t)
{
    size_t    i, n;
    json_t   *steps, *evidence, *item;
    uint8_t   text[CG_EXPLAIN_STEPS];
    cg_out_t  out;

    cg_out_init(&out, text, sizeof(text));
    cg_explain_steps(t, &out);
    assert_false(out.overflow);

    steps = json_loadb((char *) text, cg_out_len(&out), 0, NULL);
    assert_int_equal(json_array_size(steps), CG_STEPS);
    n = 0;

    json_array_foreach(steps, i, item) {
        if (json_is_true(json_object_get(item, "decides"))) {
            n++;
            assert_string_equal(json_string_value(json_object_get(item,
                                                                  "answer")),
                                "yes");
        }
    }

    assert_int_equal(n, t->decided < CG_STEPS);
    json_decref(steps);

    cg_out_init(&out, text, CG_EXPLAIN_EVIDENCE);
    cg_explain_evidence(t, &out);
    assert_false(out.overflow);

    evidence = json_loadb((char *) text, cg_out_len(&out), 0, NULL);
    assert_int_equal(json_array_size(evidence), CG_SOURCE_OVERRIDE);
    json_decref(evidence);
}


static void
trace_and_decision_agree(void **state)
{
    uint32_t       x = 20180525, seen[CG_STEPS + 1] = { 0 };
    cg_facts_t     f;
    cg_trace_t     t;
    cg_record_t    record, receipt;
    cg_decision_t  d, plain;
    cg_policies_t  p;
    cg_settings_t  s;

    (void) state;

    for (size_t i = 0; i < 300000; i++) {
        any_record(&record, &x);
        any_record(&receipt, &x);
        any_facts(&f, &x, &record, &receipt);
        any_site(&s, &p, &x);

        cg_decide_traced(&d, &t, &f, &s, &p, NOW);
        cg_decide(&plain, &f, &s, &p, NOW);

        assert_memory_equal(&d, &plain, sizeof(d));
        expect_agreement(&d, &t, &f);

        if (i % 97 == 0) {
            expect_json(&t);
        }

        seen[t.decided]++;
    }

    /* and all of them came up */

    for (size_t i = 0; i <= CG_STEPS; i++) {
        assert_true(seen[i] > 100);
    }
}


/*
 * What is decided before the class, and what comes with it out of the headers,
 * is known is what would have been decided after.
 */

static void
what_is_settled_is_so_for_every_class(void **state)
{
    size_t         settled = 0;
    uint32_t       x = 20180525;
    cg_facts_t     f, early;
    cg_record_t    record, receipt;
    cg_decision_t  d, first;
    cg_policies_t  p;
    cg_settings_t  s;

    (void) state;

    for (size_t i = 0; i < 300000; i++) {
        any_record(&record, &x);
        any_record(&receipt, &x);
        any_facts(&f, &x, &record, &receipt);
        any_site(&s, &p, &x);
        s.purposes = 0;

        early = f;
        early.klass = CG_CLASS_NAVIGATION;
        early.cross_site = false;
        early.gpc = false;
        early.tcf = 0;

        cg_decide(&first, &early, &s, &p, NOW);

        if (!cg_decide_settled(&first)) {
            continue;
        }

        settled++;

        for (f.klass = 0; f.klass < CG_CLASSES; f.klass++) {
            cg_decide(&d, &f, &s, &p, NOW);
            assert_memory_equal(&d, &first, sizeof(d));
        }
    }

    assert_true(settled > 100000);
}


static void
every_token_has_a_name(void **state)
{
    unsigned  i;

    (void) state;

    for (i = 0; i < CG_STEPS; i++) {
        assert_true(cg_step_name(i).len > 0);
        assert_true(cg_step_question(i).len > 0);
    }

    for (i = 0; i < CG_EVIDENCES; i++) {
        assert_true(cg_evidence_name(i).len > 0);
    }

    for (i = 0; i <= CG_ACTION_PROBLEM_UNAVAILABLE; i++) {
        assert_true(cg_action_name(i).len > 0);
        assert_true(cg_action_text(i).len > 0);
    }

    assert_int_equal(cg_step_name(CG_STEPS).len, 0);
    assert_int_equal(cg_evidence_name(CG_EVIDENCES).len, 0);
    assert_int_equal(cg_action_name(i).len, 0);
    assert_int_equal(cg_lookup_name(CG_LOOKUP_FAILED + 1).len, 0);
    assert_int_equal(cg_mode_name(CG_MODE_REPORT + 1).len, 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trace_and_decision_agree),
        cmocka_unit_test(what_is_settled_is_so_for_every_class),
        cmocka_unit_test(every_token_has_a_name)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
