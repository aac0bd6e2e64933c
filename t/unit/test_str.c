/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_str.h"


typedef void (*cg_write_pt)(cg_out_t *out, cg_str_t s);

/* Literals with NUL bytes in them are counted by sizeof. */

#define expect_text(write, in, expected)                                      \
    expect_written(write, cg_str(in), cg_str(expected))

static void
expect_written(cg_write_pt write, cg_str_t in, cg_str_t expected)
{
    uint8_t   buf[256];
    cg_out_t  out;

    cg_out_init(&out, buf, sizeof(buf));
    write(&out, in);

    assert_false(out.overflow);
    assert_int_equal(cg_out_len(&out), expected.len);
    assert_memory_equal(buf, expected.data, expected.len);
}


static void
test_out_counts_to_the_end_and_notes_the_rest(void **state)
{
    uint8_t   buf[5] = "....#";
    cg_out_t  out;

    (void) state;

    cg_out_init(&out, buf, 4);
    cg_out_str(&out, cg_str("abcd"));
    assert_false(out.overflow);

    cg_out_bytes(&out, NULL, 0);
    assert_false(out.overflow);

    cg_out_str(&out, cg_str("e"));
    assert_true(out.overflow);
    assert_int_equal(cg_out_len(&out), 4);
    assert_memory_equal(buf, "abcd#", 5);
}


static void
test_out_overflow_stays(void **state)
{
    uint8_t   buf[4];
    cg_out_t  out;

    (void) state;

    cg_out_init(&out, buf, 2);
    cg_out_str(&out, cg_str("abc"));
    cg_out_str(&out, cg_str(""));

    assert_true(out.overflow);
    assert_int_equal(cg_out_len(&out), 2);
}


static void
test_out_uint(void **state)
{
    size_t    i;
    uint8_t   buf[32];
    cg_out_t  out;

    static const struct {
        uint64_t     n;
        const char  *text;
    } cases[] = {
        { 0, "0" }, { 9, "9" }, { 10, "10" }, { 20180525, "20180525" },
        { UINT64_MAX, "18446744073709551615" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cg_out_init(&out, buf, sizeof(buf));
        cg_out_uint(&out, cases[i].n);
        assert_int_equal(cg_out_len(&out), strlen(cases[i].text));
        assert_memory_equal(buf, cases[i].text, cg_out_len(&out));
    }
}


static void
test_out_hex_is_lower_case(void **state)
{
    uint8_t   buf[8];
    cg_out_t  out;

    (void) state;

    cg_out_init(&out, buf, sizeof(buf));
    cg_out_hex(&out, (const uint8_t *) "\x00\xab\xff", 3);

    assert_int_equal(cg_out_len(&out), 6);
    assert_memory_equal(buf, "00abff", 6);
}


static void
test_json_escapes(void **state)
{
    (void) state;

    expect_text(cg_out_json, "", "\"\"");
    expect_text(cg_out_json, "plain", "\"plain\"");
    expect_text(cg_out_json, "a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    expect_text(cg_out_json, "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    expect_text(cg_out_json, "\0\x01\x1f\x7f",
                "\"\\u0000\\u0001\\u001f\x7f\"");
    expect_text(cg_out_json, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\xaa",
                "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\xaa\"");
}


#define REPLACED  "\xef\xbf\xbd"

static void
test_json_replaces_what_is_not_utf8(void **state)
{
    (void) state;

    expect_text(cg_out_json, "\x80", "\"" REPLACED "\"");
    expect_text(cg_out_json, "a\xff" "b", "\"a" REPLACED "b\"");

    /* overlong '/', a surrogate, above U+10FFFF, cut short */

    expect_text(cg_out_json, "\xc0\xaf", "\"" REPLACED REPLACED "\"");
    expect_text(cg_out_json, "\xed\xa0\x80",
                "\"" REPLACED REPLACED REPLACED "\"");
    expect_text(cg_out_json, "\xf4\x90\x80\x80",
                "\"" REPLACED REPLACED REPLACED REPLACED "\"");
    expect_text(cg_out_json, "\xe2\x82", "\"" REPLACED REPLACED "\"");

    /* a quote behind a lead byte must not be swallowed */

    expect_text(cg_out_json, "\xe2\"", "\"" REPLACED "\\\"\"");
}


static void
test_query_encodes_all_but_unreserved(void **state)
{
    (void) state;

    expect_text(cg_out_query, "AZaz09-._~/,", "AZaz09-._~/,");
    expect_text(cg_out_query, "a b?c=d&e#f", "a%20b%3Fc%3Dd%26e%23f");
    expect_text(cg_out_query, "%2f+", "%252f%2B");
    expect_text(cg_out_query, "\0\r\n\xff", "%00%0D%0A%FF");
}


static void
test_html_entities(void **state)
{
    (void) state;

    expect_text(cg_out_html, "<a href=\"x\" b='&'>",
                "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;");
    expect_text(cg_out_html, "\xc3\xa9", "\xc3\xa9");
}


static bool
is_uint(const char *s, uint64_t max, uint64_t expected)
{
    uint64_t  n;
    cg_str_t  text = { strlen(s), (const uint8_t *) s };

    return cg_parse_uint(text, max, &n) && n == expected;
}


static void
test_uint_is_read(void **state)
{
    (void) state;

    assert_true(is_uint("0", 0, 0));
    assert_true(is_uint("7", 7, 7));
    assert_true(is_uint("4294967295", UINT32_MAX, UINT32_MAX));
    assert_true(is_uint("18446744073709551615", UINT64_MAX, UINT64_MAX));
}


static void
test_uint_is_refused(void **state)
{
    size_t    i;
    uint64_t  n;

    static const char *const  bad[] = {
        "", "-", "-1", "+1", " 1", "1 ", "00", "01", "1a", "a", "0x1", "1.0",
        "4294967296", "99999999999999999999999",
    };

    (void) state;

    n = 42;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cg_str_t  s = { strlen(bad[i]), (const uint8_t *) bad[i] };

        assert_false(cg_parse_uint(s, UINT32_MAX, &n));
    }

    assert_false(cg_parse_uint(cg_str("18446744073709551616"), UINT64_MAX,
                               &n));
    assert_false(cg_parse_uint(cg_str("8"), 7, &n));
    assert_false(cg_parse_uint(cg_str("10"), 9, &n));
    assert_false(cg_parse_uint((cg_str_t) { 0, NULL }, 9, &n));
    assert_int_equal(n, 42);
}


static void
test_hex(void **state)
{
    uint8_t  out[3];

    (void) state;

    assert_true(cg_parse_hex(cg_str("00aBFf"), out, 3));
    assert_memory_equal(out, "\x00\xab\xff", 3);
    assert_true(cg_parse_hex(cg_str(""), out, 0));

    assert_false(cg_parse_hex(cg_str("00aBF"), out, 3));
    assert_false(cg_parse_hex(cg_str("00aBFf0"), out, 3));
    assert_false(cg_parse_hex(cg_str("00aBFf00"), out, 3));
    assert_false(cg_parse_hex(cg_str("00aBFg"), out, 3));
    assert_false(cg_parse_hex(cg_str("0x0000"), out, 3));
    assert_false(cg_parse_hex(cg_str(" 00000"), out, 3));
}


/* Characters next to the digits must not pass for digits by the case bit. */

static void
test_hex_takes_hexadecimal_digits_only(void **state)
{
    int      c;
    bool     digit;
    uint8_t  out, pair[2];

    (void) state;

    for (c = 0; c < 256; c++) {
        pair[0] = '0';
        pair[1] = (uint8_t) c;
        digit = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;

        assert_int_equal(cg_parse_hex((cg_str_t) { 2, pair }, &out, 1), digit);
    }
}


static void
test_utf8_printable(void **state)
{
    size_t  i;

    static const cg_str_t  bad[] = {
        { 1, (const uint8_t *) "\0" },       { 1, (const uint8_t *) "\n" },
        { 1, (const uint8_t *) "\x1f" },     { 1, (const uint8_t *) "\x7f" },
        { 1, (const uint8_t *) "\x80" },     { 1, (const uint8_t *) "\xc3" },
        { 2, (const uint8_t *) "\xc2\x85" },
        { 2, (const uint8_t *) "\xc1\x81" },
        { 3, (const uint8_t *) "\xe0\x80\xaf" },
        { 3, (const uint8_t *) "\xed\xbf\xbf" },
        { 4, (const uint8_t *) "\xf0\x80\x80\x80" },
        { 4, (const uint8_t *) "\xf5\x80\x80\x80" },
        { 3, (const uint8_t *) "\xf0\x9f\x8d" },
    };

    (void) state;

    assert_true(cg_utf8_printable((cg_str_t) { 0, NULL }));
    assert_true(cg_utf8_printable(cg_str(" Terms of Use ~")));
    assert_true(cg_utf8_printable(cg_str("\xc2\xa0\xdf\xbf\xe0\xa0\x80"
                                         "\xed\x9f\xbf\xee\x80\x80"
                                         "\xf0\x90\x80\x80"
                                         "\xf4\x8f\xbf\xbf")));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(cg_utf8_printable(bad[i]));
    }
}


/* RFC 4648, 10, without the padding */

static void
test_base64url_vectors(void **state)
{
    int      n;
    size_t   i, len;
    uint8_t  text[16], data[16];

    static const struct {
        const char  *data;
        const char  *text;
    } cases[] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "-_-_" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i].data);

        cg_base64url_encode((const uint8_t *) cases[i].data, len, text);
        assert_int_equal(cg_base64url_len(len), strlen(cases[i].text));
        assert_memory_equal(text, cases[i].text, cg_base64url_len(len));

        n = cg_base64url_decode((cg_str_t) { cg_base64url_len(len), text },
                                data);
        assert_int_equal(n, len);
        assert_memory_equal(data, cases[i].data, len);
    }
}


static void
test_base64url_refuses_foreign_characters(void **state)
{
    int      c;
    bool     known;
    uint8_t  text[4] = "AAAA", out[3];

    (void) state;

    for (c = 0; c < 256; c++) {
        text[2] = (uint8_t) c;
        known = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
                || (c >= '0' && c <= '9') || c == '-' || c == '_';

        assert_int_equal(cg_base64url_decode((cg_str_t) { 4, text }, out),
                         known ? 3 : -1);
    }
}


static void
test_base64url_has_one_spelling(void **state)
{
    uint8_t  out[8];

    (void) state;

    assert_int_equal(cg_base64url_decode(cg_str("A"), out), -1);
    assert_int_equal(cg_base64url_decode(cg_str("Zm9vA"), out), -1);
    assert_int_equal(cg_base64url_decode(cg_str("Zg=="), out), -1);
    assert_int_equal(cg_base64url_decode(cg_str("Zh"), out), -1);
    assert_int_equal(cg_base64url_decode(cg_str("Zm9"), out), -1);
    assert_int_equal(cg_base64url_decode(cg_str("Zm8"), out), 2);
    assert_int_equal(cg_base64url_decode((cg_str_t) { 0, NULL }, out), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_out_counts_to_the_end_and_notes_the_rest),
        cmocka_unit_test(test_out_overflow_stays),
        cmocka_unit_test(test_out_uint),
        cmocka_unit_test(test_out_hex_is_lower_case),
        cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_json_replaces_what_is_not_utf8),
        cmocka_unit_test(test_query_encodes_all_but_unreserved),
        cmocka_unit_test(test_html_entities),
        cmocka_unit_test(test_uint_is_read),
        cmocka_unit_test(test_uint_is_refused),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_takes_hexadecimal_digits_only),
        cmocka_unit_test(test_utf8_printable),
        cmocka_unit_test(test_base64url_vectors),
        cmocka_unit_test(test_base64url_refuses_foreign_characters),
        cmocka_unit_test(test_base64url_has_one_spelling),
    };

    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
