/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_age.h"


#define NOW   1795579200    /* 2026-11-25 */
#define SLOVENIA  1674691200    /* 2023-01-26 00:00 UTC */
#define DENMARK   1704067200    /* 2024-01-01 00:00 UTC */

#define N(a)  (sizeof(a) / sizeof((a)[0]))


/* Once more than in the source: by age, as the sources list them. */

static const struct {
    uint8_t      years;
    const char  *states;
} rows[] = {
    { 13, "BE EE FI IS LV MT NO PT SE AX" },
    { 14, "AT BG CY ES IT LT" },
    { 15, "CZ DK FR GR SI GF GP MQ RE YT MF" },
    { 16, "DE HR HU IE LI LU NL PL RO SK" },
    { 16, "US GB CH EU ZZ" }
};


static bool
word(cg_ages_t *ages, const char *text)
{
    return cg_age_word(ages, (cg_str_t) { strlen(text),
                                          (const uint8_t *) text });
}


static void
test_the_age_of_every_state(void **state)
{
    size_t       i, n;
    const char  *p;

    (void) state;

    n = 0;

    for (i = 0; i < N(rows); i++) {
        for (p = rows[i].states; ; p += 3) {
            if (cg_age_min(NULL, cg_cc(p), NOW) != rows[i].years) {
                fail_msg("%.2s is not %d", p, rows[i].years);
            }

            n++;

            if (p[2] == '\0') {
                break;
            }
        }
    }

    /* 37 codes of the EEA, and some that are not */

    assert_int_equal(n, 37 + 5);

    assert_int_equal(cg_age_min(NULL, CG_CC_UNKNOWN, NOW), 16);
    assert_int_equal(cg_age_min(NULL, CG_CC_ANONYMIZER, NOW), 16);
    assert_int_equal(cg_age_min(NULL, CG_CC_TOR, NOW), 16);
}


static void
test_the_dates_from_which_an_age_holds(void **state)
{
    cg_cc_t  dk, si;

    (void) state;

    dk = cg_cc("DK");
    si = cg_cc("SI");

    assert_int_equal(cg_age_min(NULL, dk, 0), 13);
    assert_int_equal(cg_age_min(NULL, dk, DENMARK - 1), 13);
    assert_int_equal(cg_age_min(NULL, dk, DENMARK), 15);

    assert_int_equal(cg_age_min(NULL, si, 0), 16);
    assert_int_equal(cg_age_min(NULL, si, SLOVENIA - 1), 16);
    assert_int_equal(cg_age_min(NULL, si, SLOVENIA), 15);
    assert_int_equal(cg_age_min(NULL, si, DENMARK), 15);

    /* whatever the clock says, there is an age */

    assert_int_equal(cg_age_min(NULL, dk, INT64_MIN), 13);
    assert_int_equal(cg_age_min(NULL, cg_cc("DE"), INT64_MIN), 16);
}


static void
test_a_setting_overrides_the_law(void **state)
{
    cg_ages_t  ages;

    (void) state;

    memset(&ages, 0, sizeof(ages));

    assert_true(word(&ages, "FR=16"));
    assert_true(word(&ages, "EL=13"));
    assert_true(word(&ages, "uk=13"));
    assert_true(word(&ages, "RE=14"));
    assert_true(word(&ages, "*=18"));

    assert_int_equal(cg_age_min(&ages, cg_cc("FR"), NOW), 16);
    assert_int_equal(cg_age_min(&ages, cg_cc("GP"), NOW), 16);
    assert_int_equal(cg_age_min(&ages, cg_cc("RE"), NOW), 14);
    assert_int_equal(cg_age_min(&ages, cg_cc("GR"), NOW), 13);
    assert_int_equal(cg_age_min(&ages, cg_cc("GB"), NOW), 13);
    assert_int_equal(cg_age_min(&ages, cg_cc("DE"), NOW), 16);
    assert_int_equal(cg_age_min(&ages, cg_cc("US"), NOW), 18);
    assert_int_equal(cg_age_min(&ages, CG_CC_UNKNOWN, NOW), 18);

    assert_true(word(&ages, "FR=15"));
    assert_int_equal(cg_age_min(&ages, cg_cc("FR"), NOW), 15);
}


static void
test_what_is_no_age(void **state)
{
    size_t     i;
    cg_ages_t  ages, none;

    static const char *const  words[] = {
        "", "=", "DE", "DE=", "=16", "DE=0", "DE=100", "DE=-1", "DE=+16",
        "DE=016", "DE=16 ", " DE=16", "DE =16", "DE=1e1", "DEU=16", "D=16",
        "**=16", "A1=16", "T1=16", "ZZ=16", "XX=16", "DE==16", "DE=16=16",
        "*", "*=", "*=0", "DE=4294967312"
    };

    (void) state;

    memset(&ages, 0, sizeof(ages));
    memset(&none, 0, sizeof(none));

    for (i = 0; i < N(words); i++) {
        if (word(&ages, words[i])) {
            fail_msg("\"%s\" is taken", words[i]);
        }
    }

    assert_memory_equal(&ages, &none, sizeof(ages));
    assert_false(cg_age_word(&ages, (cg_str_t) { 0, NULL }));
}


static void
test_an_age_that_was_said(void **state)
{
    cg_record_t  rec;

    (void) state;

    memset(&rec, 0, sizeof(rec));

    assert_int_equal(cg_age_standing(NULL, 16), CG_AGE_NONE);
    assert_int_equal(cg_age_standing(&rec, 16), CG_AGE_NONE);

    rec.age_state = CG_AGE_OK;
    rec.age = 15;
    assert_int_equal(cg_age_standing(&rec, 13), CG_AGE_OK);
    assert_int_equal(cg_age_standing(&rec, 15), CG_AGE_OK);
    assert_int_equal(cg_age_standing(&rec, 16), CG_AGE_NONE);

    rec.age_state = CG_AGE_MINOR;
    assert_int_equal(cg_age_standing(&rec, 14), CG_AGE_NONE);
    assert_int_equal(cg_age_standing(&rec, 15), CG_AGE_MINOR);
    assert_int_equal(cg_age_standing(&rec, 16), CG_AGE_MINOR);
}


static void
test_an_age_in_the_record(void **state)
{
    uint8_t  text[CG_MAX_AGE_TEXT];

    (void) state;

    assert_int_equal(cg_age_text(CG_AGE_OK, 16, text), 5);
    assert_memory_equal(text, "ok:16", 5);
    assert_int_equal(cg_age_text(CG_AGE_MINOR, CG_MAX_AGE, text),
                     CG_MAX_AGE_TEXT);
    assert_memory_equal(text, "minor:99", 8);
    assert_int_equal(cg_age_text(CG_AGE_MINOR, 1, text), 7);

    assert_int_equal(cg_age_text(CG_AGE_NONE, 16, text), 0);
    assert_int_equal(cg_age_text(CG_AGE_MINOR + 1, 16, text), 0);
    assert_int_equal(cg_age_text(CG_AGE_OK, 0, text), 0);
    assert_int_equal(cg_age_text(CG_AGE_OK, CG_MAX_AGE + 1, text), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_the_age_of_every_state),
        cmocka_unit_test(test_the_dates_from_which_an_age_holds),
        cmocka_unit_test(test_a_setting_overrides_the_law),
        cmocka_unit_test(test_what_is_no_age),
        cmocka_unit_test(test_an_age_that_was_said),
        cmocka_unit_test(test_an_age_in_the_record),
    };

    return cmocka_run_group_tests_name("age", tests, NULL, NULL);
}
