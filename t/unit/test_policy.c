/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_policy.h"


#define SHA  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


static cg_str_t
text(const char *s)
{
    return (cg_str_t) { strlen(s), (const uint8_t *) s };
}


static cg_policy_t
parse(const char *field)
{
    const char   *err;
    cg_policy_t   p;

    err = cg_policy_parse(&p, text(field));

    if (err != NULL) {
        fail_msg("%s: %s", field, err);
    }

    assert_true(p.known);

    return p;
}


static void
expect_text(const uint8_t *data, size_t len, const char *expected)
{
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(data, expected, len);
}


static void
test_a_field_in_the_words_of_the_directive(void **state)
{
    cg_policy_t  p;

    (void) state;

    p = parse("version=20180525 required=20180524 effective=1527206400 "
              "before=20160101 url=/legal/terms sha256=" SHA);

    assert_int_equal(p.version, 20180525);
    assert_int_equal(p.required, 20180524);
    assert_int_equal(p.before, 20160101);
    assert_int_equal(p.effective, 1527206400);
    assert_true(p.has_sha256);
    assert_int_equal(p.sha256[0], 0xe3);
    assert_int_equal(p.sha256[31], 0x55);
    expect_text(p.url, p.url_len, "/legal/terms");
    assert_int_equal(p.title_len, 0);
}


static void
test_what_is_not_said_follows_from_version(void **state)
{
    cg_policy_t  p;

    (void) state;

    p = parse("version=7");

    assert_int_equal(p.required, 7);
    assert_int_equal(p.before, 0);
    assert_int_equal(p.effective, 0);
    assert_false(p.has_sha256);
    assert_int_equal(p.url_len, 0);
}


static void
test_before_counts_until_effective(void **state)
{
    cg_policy_t  p;

    (void) state;

    p = parse("version=3 required=2 before=1 effective=1000");

    assert_int_equal(cg_policy_enforced(&p, 0), 1);
    assert_int_equal(cg_policy_enforced(&p, 999), 1);
    assert_int_equal(cg_policy_enforced(&p, 1000), 2);

    p.known = false;
    assert_int_equal(cg_policy_enforced(&p, 1000), 0);
}


static void
test_quotes_hold_spaces(void **state)
{
    cg_policy_t  p;

    (void) state;

    p = parse("  version=1   title=\"Terms of \\\"Use\\\" \\\\ x\"  ");
    expect_text(p.title, p.title_len, "Terms of \"Use\" \\ x");

    p = parse("\"title=Cookies Policy\" \"version=2\"");
    expect_text(p.title, p.title_len, "Cookies Policy");
    assert_int_equal(p.version, 2);

    p = parse("version=1 title=\"\"");
    assert_int_equal(p.title_len, 0);

    /* outside of quotes it is a character like others */
    p = parse("version=1 title=a\\b");
    expect_text(p.title, p.title_len, "a\\b");
}


static void
test_numbers_at_their_ends(void **state)
{
    cg_policy_t  p;

    (void) state;

    p = parse("version=4294967295 required=1 before=0 effective=253402300799");

    assert_int_equal(p.version, UINT32_MAX);
    assert_int_equal(p.required, 1);
    assert_true(p.effective == 253402300799);

    p = parse("version=1 required=1 before=1 effective=0");
    assert_int_equal(p.before, 1);
}


static void
test_urls_are_paths_or_http(void **state)
{
    static const char *const  good[] = {
        "/", "/a", "/a?b=c#d", "/a//b", "https://example.org/",
        "http://example.org", "/\xc3\xa4"
    };
    static const char *const  bad[] = {
        "", "//evil.example", "/\\evil.example", "legal/terms", "https://",
        "http://", "https:///x", "ftp://example.org", "javascript:alert(1)",
        "HTTPS", "/\x7f", "/\xff", "/a\tb"
    };
    char         word[64];
    cg_policy_t  p;

    (void) state;

    memset(&p, 0, sizeof(p));

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(word, sizeof(word), "url=%s", good[i]);
        assert_null(cg_policy_word(&p, text(word)));
        expect_text(p.url, p.url_len, good[i]);
    }

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(word, sizeof(word), "url=%s", bad[i]);
        if (cg_policy_word(&p, text(word)) == NULL) {
            fail_msg("\"%s\" is taken", word);
        }
    }
}


static void
test_texts_are_bounded(void **state)
{
    char         word[1024];
    cg_policy_t  p;

    (void) state;

    memset(&p, 0, sizeof(p));
    memset(word, 'x', sizeof(word));

    memcpy(word, "title=", 6);
    assert_null(cg_policy_word(&p, (cg_str_t) { 6 + CG_MAX_TITLE,
                                                (uint8_t *) word }));
    assert_int_equal(p.title_len, CG_MAX_TITLE);
    assert_non_null(cg_policy_word(&p, (cg_str_t) { 7 + CG_MAX_TITLE,
                                                    (uint8_t *) word }));

    memcpy(word, "url=/", 5);
    assert_null(cg_policy_word(&p, (cg_str_t) { 4 + CG_MAX_URL,
                                                (uint8_t *) word }));
    assert_int_equal(p.url_len, CG_MAX_URL);
    assert_non_null(cg_policy_word(&p, (cg_str_t) { 5 + CG_MAX_URL,
                                                    (uint8_t *) word }));
}


/* The message is for the log: it must name what is wrong. */

static void
test_mistakes_are_named(void **state)
{
    static const struct {
        const char  *field;
        const char  *err;
    } cases[] = {
        { "", "\"version\" is missing" },
        { "   ", "\"version\" is missing" },
        { "required=1", "\"version\" is missing" },
        { "version=0", "\"version\" is not a number from 1 to 4294967295" },
        { "version=4294967296",
          "\"version\" is not a number from 1 to 4294967295" },
        { "version=-1", "\"version\" is not a number from 1 to 4294967295" },
        { "version=01", "\"version\" is not a number from 1 to 4294967295" },
        { "version=", "\"version\" is not a number from 1 to 4294967295" },
        { "version=1 required=0",
          "\"required\" is not a number from 1 to 4294967295" },
        { "version=1 before=x",
          "\"before\" is not a number from 0 to 4294967295" },
        { "version=1 effective=253402300800",
          "\"effective\" is not a time in seconds since 1970" },
        { "version=1 effective=-1",
          "\"effective\" is not a time in seconds since 1970" },
        { "version=1 sha256=00", "\"sha256\" is not 64 hexadecimal digits" },
        { "version=1 title=\x01", "\"title\" is not printable UTF-8" },
        { "version=1 title=\xff", "\"title\" is not printable UTF-8" },
        { "version=1 url=x", "\"url\" is not a path or an http or https URL" },
        { "version=1 url=\x02", "\"url\" is not printable UTF-8" },
        { "version=1 required=2", "\"required\" is above \"version\"" },
        { "version=1 before=2", "\"before\" is above \"required\"" },
        { "version=3 required=1 before=2",
          "\"before\" is above \"required\"" },
        { "version=1 version=1", "a word is given twice" },
        { "version=1 url=/a title=x url=/b", "a word is given twice" },
        { "version=1 Title=x", "unknown word" },
        { "version=1 x", "unknown word" },
        { "version", "unknown word" },
        { "version1", "unknown word" },
        { "=1", "unknown word" },
        { "version=1\turl=/a",
          "\"version\" is not a number from 1 to 4294967295" },
        { "version=1 title=\"a", "a quote is not closed" },
        { "version=1 title=\"a\\", "a quote is not closed" },
        { "version=1 title=\"a\\\"", "a quote is not closed" },
        { "version=1 title=a\"b\"", "a quote inside a word" },
        { "version=1 title=\"a\"b", "text behind a closing quote" },
        { "version=1 \"\"=", "text behind a closing quote" },
        { "version=1 title=a=\"b\"", "a quote inside a word" },
        { "version=1 \"\" url=/a", "unknown word" }
    };
    const char  *err;
    cg_policy_t  p, before;

    (void) state;

    memset(&before, 0x5a, sizeof(before));
    p = before;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = cg_policy_parse(&p, text(cases[i].field));

        if (err == NULL) {
            fail_msg("\"%s\" is taken", cases[i].field);
        }

        assert_string_equal(err, cases[i].err);
        assert_memory_equal(&p, &before, sizeof(p));
    }
}


static void
test_long_fields_are_refused(void **state)
{
    char         field[CG_MAX_POLICY + 1];
    cg_policy_t  p;

    (void) state;

    memset(field, ' ', sizeof(field));
    memcpy(field, "version=1", 9);

    assert_null(cg_policy_parse(&p, (cg_str_t) { CG_MAX_POLICY,
                                                 (uint8_t *) field }));
    assert_string_equal(cg_policy_parse(&p, (cg_str_t) { CG_MAX_POLICY + 1,
                                                    (uint8_t *) field }),
                        "too long");

    memset(field, 'x', sizeof(field));
    assert_string_equal(cg_policy_parse(&p, (cg_str_t) { CG_MAX_POLICY,
                                                    (uint8_t *) field }),
                        "unknown word");
    assert_non_null(cg_policy_parse(&p, (cg_str_t) { 0, NULL }));
}


static void
test_names(void **state)
{
    static const char *const  good[] = {
        "a", "Z", "A", "z", "terms", "terms_of_use", "t0", "t9", "a_",
        "abcdefghijklmnopqrstuvwxyz012345"
    };
    static const char *const  bad[] = {
        "", "_a", "2a", "a-b", "a.b", "a b", "a=", "\xc3\xa4", "a\x01",
        "abcdefghijklmnopqrstuvwxyz0123456"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(cg_name_valid(text(good[i])));
    }

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(cg_name_valid(text(bad[i])));
    }

    assert_false(cg_name_valid((cg_str_t) { 2, (uint8_t *) "a\0" }));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_field_in_the_words_of_the_directive),
        cmocka_unit_test(test_what_is_not_said_follows_from_version),
        cmocka_unit_test(test_before_counts_until_effective),
        cmocka_unit_test(test_quotes_hold_spaces),
        cmocka_unit_test(test_numbers_at_their_ends),
        cmocka_unit_test(test_urls_are_paths_or_http),
        cmocka_unit_test(test_texts_are_bounded),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_long_fields_are_refused),
        cmocka_unit_test(test_names)
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
