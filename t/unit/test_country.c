/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_country.h"


/* Written out again on purpose: the Union's list of states, then the rest. */

static const char  eu_states[] =
    "BE BG CZ DK DE EE IE GR ES FR HR IT CY LV LT LU HU MT NL AT PL PT RO SI "
    "SK FI SE";
static const char  efta_states[] = "NO IS LI";
static const char  own_code[] = "AX GF GP MQ RE YT MF";

static const char  outside[] =
    "GB CH GL FO BL PM WF NC PF AW CW SX BQ SJ IM JE GG GI MC SM VA AD XK AP "
    "US UK EL TF AN CN RU TR UA RS BA ME MK AL MD";


static cg_str_t
text(const char *s)
{
    return (cg_str_t) { strlen(s), (const uint8_t *) s };
}


/* Asserts that each code of the list is in the territory or not. */

static size_t
each(const cg_territory_t *t, const char *list, bool in)
{
    size_t  n;

    for (n = 0; *list != '\0'; list += list[2] == ' ' ? 3 : 2, n++) {
        if (cg_territory_has(t, cg_cc(list)) != in) {
            fail_msg("%.2s should be %s", list, in ? "inside" : "outside");
        }
    }

    return n;
}


static size_t
count(const cg_territory_t *t)
{
    size_t  n = 0;

    for (cg_cc_t cc = 0; cc < CG_CC_COUNT; cc++) {
        n += cg_territory_has(t, cc);
    }

    return n;
}


static cg_territory_t
territory(const char *words)
{
    size_t          len;
    cg_territory_t  t;

    cg_territory_eea(&t);

    for ( ; *words != '\0'; words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        assert_true(cg_territory_word(&t, (cg_str_t) { len,
                                           (const uint8_t *) words }));
    }

    return t;
}


static void
test_eea_is_37_codes_and_eu(void **state)
{
    cg_territory_t  t;

    (void) state;

    cg_territory_eea(&t);

    assert_int_equal(each(&t, eu_states, true), 27);
    assert_int_equal(each(&t, efta_states, true), 3);
    assert_int_equal(each(&t, own_code, true), 7);
    assert_int_equal(each(&t, "EU", true), 1);
    assert_int_equal(count(&t), 38);
    assert_false(t.all);
}


static void
test_eea_ends_where_the_union_does(void **state)
{
    cg_territory_t  t;

    (void) state;

    cg_territory_eea(&t);
    each(&t, outside, false);

    assert_false(cg_territory_has(&t, CG_CC_UNKNOWN));
    assert_false(cg_territory_has(&t, CG_CC_ANONYMIZER));
    assert_false(cg_territory_has(&t, CG_CC_TOR));
}


static void
test_codes_are_read_in_either_case(void **state)
{
    (void) state;

    assert_int_equal(cg_cc("AA"), 1);
    assert_int_equal(cg_cc("ZZ"), 676);
    assert_int_equal(cg_country_parse(cg_str("DE")), cg_cc("DE"));
    assert_int_equal(cg_country_parse(cg_str("de")), cg_cc("DE"));
    assert_int_equal(cg_country_parse(cg_str("dE")), cg_cc("DE"));
    assert_int_equal(cg_country_parse(cg_str("az")), cg_cc("AZ"));
    assert_int_equal(cg_country_parse(cg_str("za")), cg_cc("ZA"));
    assert_int_equal(cg_country_parse(cg_str("EU")), cg_cc("EU"));
    assert_int_equal(cg_country_parse(cg_str("XK")), cg_cc("XK"));
    assert_int_equal(cg_country_parse(cg_str("A1")), CG_CC_ANONYMIZER);
    assert_int_equal(cg_country_parse(cg_str("t1")), CG_CC_TOR);
}


static void
test_what_is_no_country_is_unknown(void **state)
{
    static const char *const  codes[] = {
        "", "D", "DEU", "??", "--", "XX", "xx", "ZZ", "AA", "QM", "QZ", "XA",
        "XZ", "A2", "O1", "1A", "D ", " D", "Germany", "\xc3\x84", "[[", "@A",
        "`a", "{z"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (cg_country_parse(text(codes[i])) != CG_CC_UNKNOWN) {
            fail_msg("\"%s\" is a country", codes[i]);
        }
        assert_int_equal(cg_country_setting(text(codes[i])), CG_CC_UNKNOWN);
    }

    assert_int_equal(cg_country_parse((cg_str_t) { 0, NULL }), CG_CC_UNKNOWN);
    assert_int_equal(cg_country_parse((cg_str_t) { 2, (uint8_t *) "D\0" }),
                     CG_CC_UNKNOWN);
}


static void
test_settings_know_what_people_write(void **state)
{
    (void) state;

    assert_int_equal(cg_country_setting(cg_str("UK")), cg_cc("GB"));
    assert_int_equal(cg_country_setting(cg_str("uk")), cg_cc("GB"));
    assert_int_equal(cg_country_setting(cg_str("EL")), cg_cc("GR"));
    assert_int_equal(cg_country_setting(cg_str("is")), cg_cc("IS"));
    assert_int_equal(cg_country_setting(cg_str("A1")), CG_CC_UNKNOWN);
    assert_int_equal(cg_country_setting(cg_str("T1")), CG_CC_UNKNOWN);

    /* a database does not: what it writes is ISO 3166-1 */
    assert_int_equal(cg_country_parse(cg_str("UK")), cg_cc("UK"));
}


static void
test_every_code_is_written_as_it_is_read(void **state)
{
    uint8_t   code[2];
    cg_cc_t   read;
    size_t    n;

    (void) state;

    n = 0;

    for (cg_cc_t cc = 1; cc < CG_CC_COUNT; cc++) {
        assert_int_equal(cg_country_code(cc, code), 2);

        read = cg_country_parse((cg_str_t) { 2, code });
        assert_true(read == cc || read == CG_CC_UNKNOWN);
        n += read == cc;
    }

    /* all but AA, QM to QZ, XA to XZ without XK, ZZ */
    assert_int_equal(n, 678 - 1 - 14 - 25 - 1);

    assert_int_equal(cg_country_code(CG_CC_UNKNOWN, code), 0);
    assert_int_equal(cg_country_code(CG_CC_COUNT, code), 0);
    assert_int_equal(cg_country_code(UINT16_MAX, code), 0);
}


static void
test_words_add_and_remove(void **state)
{
    cg_territory_t  t;

    (void) state;

    t = territory("eea +UK +ch -IS -el");
    each(&t, "GB CH", true);
    each(&t, "IS GR UK EL", false);
    assert_int_equal(count(&t), 38);

    t = territory("+CH");
    each(&t, "CH DE", true);

    t = territory("-EU");
    each(&t, "EU", false);
    assert_int_equal(count(&t), 37);
}


static void
test_all_is_everywhere_but_what_is_taken_out(void **state)
{
    cg_territory_t  t;

    (void) state;

    t = territory("all -US");

    assert_true(t.all);
    each(&t, "US", false);
    each(&t, eu_states, true);
    each(&t, "GB CH AQ", true);
    assert_true(cg_territory_has(&t, CG_CC_UNKNOWN));
    assert_true(cg_territory_has(&t, CG_CC_ANONYMIZER));
    assert_true(cg_territory_has(&t, CG_CC_TOR));
}


static void
test_words_that_are_none_are_refused(void **state)
{
    static const char *const  words[] = {
        "", "+", "-", "EEA", "eu", "DE", "+DEU", "+XX", "+A1", "-T1", "+ DE",
        "*DE", "eea,", "none", "+D", "++D"
    };
    cg_territory_t  t, eea;

    (void) state;

    cg_territory_eea(&eea);
    t = eea;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (cg_territory_word(&t, text(words[i]))) {
            fail_msg("\"%s\" is taken", words[i]);
        }
    }

    assert_memory_equal(t.bits, eea.bits, sizeof(t.bits));
    assert_false(cg_territory_word(&t, (cg_str_t) { 0, NULL }));
}


static void
test_eea_and_all_come_first(void **state)
{
    cg_territory_t  t;

    (void) state;

    t = territory("+CH");
    assert_false(cg_territory_word(&t, cg_str("eea")));
    assert_false(cg_territory_word(&t, cg_str("all")));
    each(&t, "CH", true);

    t = territory("all");
    assert_false(cg_territory_word(&t, cg_str("eea")));

    memset(&t, 0, sizeof(t));
    assert_true(cg_territory_word(&t, cg_str("eea")));
    assert_int_equal(count(&t), 38);
}


static void
test_what_is_in_the_eea(void **state)
{
    size_t          n = 0;
    cg_territory_t  eea;

    (void) state;

    cg_territory_eea(&eea);

    for (cg_cc_t cc = 0; cc < CG_CC_COUNT; cc++) {
        assert_int_equal(cg_country_in_eea(cc), cg_territory_has(&eea, cc));
        n += cg_country_in_eea(cc);
    }

    assert_int_equal(n, 38);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_eea_is_37_codes_and_eu),
        cmocka_unit_test(test_eea_ends_where_the_union_does),
        cmocka_unit_test(test_codes_are_read_in_either_case),
        cmocka_unit_test(test_what_is_no_country_is_unknown),
        cmocka_unit_test(test_settings_know_what_people_write),
        cmocka_unit_test(test_every_code_is_written_as_it_is_read),
        cmocka_unit_test(test_words_add_and_remove),
        cmocka_unit_test(test_all_is_everywhere_but_what_is_taken_out),
        cmocka_unit_test(test_words_that_are_none_are_refused),
        cmocka_unit_test(test_eea_and_all_come_first),
        cmocka_unit_test(test_what_is_in_the_eea)
    };

    return cmocka_run_group_tests_name("country", tests, NULL, NULL);
}
