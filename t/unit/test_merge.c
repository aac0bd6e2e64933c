/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_merge.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

static const uint32_t  nothing[CG_MAX_DOCUMENTS];


static void
test_what_limits_goes_over_always(void **state)
{
    cg_merge_t   m;
    cg_record_t  visitor = { .declined = 1, .answered = 3, .granted = 2,
                             .age_state = CG_AGE_MINOR, .age = 16,
                             .eea_day = 20000 };
    cg_record_t  account = { .accepted = { 7, 8 }, .answered = 3,
                             .granted = 3, .age_state = CG_AGE_OK, .age = 16,
                             .eea_day = 19000, .rev = 5 };

    (void) state;

    assert_true(cg_merge(&m, &account, &visitor, nothing));
    assert_int_equal(m.accept, 0);
    assert_int_equal(m.decline, 1);
    assert_int_equal(m.refuse, 1);
    assert_int_equal(m.minor, 16);
    assert_int_equal(m.eea_day, 20000);

    cg_merge_apply(&m, &account);
    assert_int_equal(account.accepted[0], 0);
    assert_int_equal(account.accepted[1], 8);
    assert_int_equal(account.declined, 1);
    assert_int_equal(account.answered, 3);
    assert_int_equal(account.granted, 2);
    assert_int_equal(account.age_state, CG_AGE_MINOR);
    assert_int_equal(account.age, 16);
    assert_int_equal(account.eea_day, 20000);
    assert_int_equal(account.rev, 5);

    /* what is there need not be taken over again */

    assert_false(cg_merge(&m, &account, &visitor, nothing));
}


static void
test_an_account_without_a_record(void **state)
{
    cg_merge_t   m;
    cg_record_t  visitor = { .accepted = { 3 }, .answered = 1, .eea_day = 9 };
    uint32_t     given[CG_MAX_DOCUMENTS] = { 3 };

    (void) state;

    assert_true(cg_merge(&m, NULL, &visitor, given));
    assert_int_equal(m.accept, 1);
    assert_int_equal(m.versions[0], 3);
    assert_int_equal(m.refuse, 1);
    assert_int_equal(m.eea_day, 9);
}


static void
test_what_permits_does_not(void **state)
{
    cg_merge_t   m;
    cg_record_t  visitor = { .accepted = { 3, 4 }, .answered = 3,
                             .granted = 3, .age_state = CG_AGE_OK, .age = 16,
                             .residence = cg_cc("US") };
    cg_record_t  account = { .eea_day = 20000 };

    (void) state;

    assert_false(cg_merge(&m, NULL, &visitor, nothing));
    assert_false(cg_merge(&m, &account, &visitor, nothing));
}


/* Given in this browser, still on record, and more than the account has. */

static void
test_acceptances(void **state)
{
    static const struct {
        uint32_t  given, visitor, account;
        bool      visitor_no, account_no;
        uint32_t  taken;
    } cases[] = {
        { 5, 5, 0, false, false, 5 },
        { 5, 5, 4, false, false, 5 },
        { 5, 7, 0, false, false, 5 },       /* what was given is enough */
        { 5, 5, 5, false, false, 0 },
        { 5, 5, 6, false, false, 0 },
        { 5, 4, 0, false, false, 0 },
        { 5, 0, 0, false, false, 0 },       /* taken back since */
        { 5, 0, 0, true, false, 0 },
        { 5, 5, 0, true, false, 0 },
        { 5, 5, 0, false, true, 0 },        /* the account has said no */
        { 0, 5, 0, false, false, 0 }
    };
    cg_merge_t   m;
    cg_record_t  visitor, account;
    uint32_t     given[CG_MAX_DOCUMENTS];

    (void) state;

    for (size_t i = 0; i < N(cases); i++) {
        memset(&visitor, 0, sizeof(visitor));
        memset(&account, 0, sizeof(account));
        memset(given, 0, sizeof(given));

        given[15] = cases[i].given;
        visitor.accepted[15] = cases[i].visitor;
        account.accepted[15] = cases[i].account;
        visitor.declined = cases[i].visitor_no ? 0x8000 : 0;
        account.declined = cases[i].account_no ? 0x8000 : 0;

        (void) cg_merge(&m, &account, &visitor, given);

        assert_int_equal(m.accept, cases[i].taken ? 0x8000 : 0);
        assert_int_equal(m.versions[15], cases[i].taken);

        cg_merge_apply(&m, &account);
        assert_int_equal(account.accepted[15],
                         m.decline ? 0 : cases[i].taken ? cases[i].taken
                                                        : cases[i].account);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_what_limits_goes_over_always),
        cmocka_unit_test(test_an_account_without_a_record),
        cmocka_unit_test(test_what_permits_does_not),
        cmocka_unit_test(test_acceptances)
    };

    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
