/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_request.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define NAVIGATION   CG_CLASS_NAVIGATION
#define UNSAFE       CG_CLASS_UNSAFE
#define API          CG_CLASS_API
#define SUBRESOURCE  CG_CLASS_SUBRESOURCE

#define CHROME_PAGE   "text/html,application/xhtml+xml,application/xml;q=0.9," \
                      "image/avif,image/webp,*/*;q=0.8"
#define CHROME_IMAGE  "image/avif,image/webp,image/apng,*/*;q=0.8"


static cg_str_t
text(const char *s)
{
    return s != NULL ? (cg_str_t) { strlen(s), (const uint8_t *) s }
                     : (cg_str_t) { 0, NULL };
}


/* An absent header is NULL. */

typedef struct {
    cg_class_e   klass;
    bool         unsafe;
    bool         websocket;
    const char  *mode;
    const char  *dest;
    const char  *accept;
    const char  *path;
    const char  *requested_with;
} case_t;


static const case_t  fetch_cases[] = {
    { NAVIGATION, false, false, "navigate", "document", CHROME_PAGE, "/", 0 },
    { NAVIGATION, false, false, "navigate", NULL, NULL, "/", 0 },
    { NAVIGATION, false, false, "navigate", "empty", "*/*", "/", 0 },
    { NAVIGATION, false, false, "navigate", "document", "*/*", "/a.png", 0 },
    { UNSAFE, true, false, "navigate", "document", CHROME_PAGE, "/", 0 },
    { UNSAFE, true, false, "navigate", NULL, CHROME_PAGE, "/", 0 },

    /* an image or a video in a tab of its own is a document */
    { NAVIGATION, false, false, "navigate", "document", CHROME_PAGE,
      "/photo.jpg", 0 },

    { API, false, false, "navigate", "iframe", CHROME_PAGE, "/", 0 },
    { API, false, false, "navigate", "frame", CHROME_PAGE, "/", 0 },
    { API, false, false, "navigate", "fencedframe", CHROME_PAGE, "/", 0 },
    { API, false, false, "navigate", "embed", CHROME_PAGE, "/", 0 },
    { API, false, false, "navigate", "object", CHROME_PAGE, "/", 0 },
    { API, true, false, "navigate", "iframe", CHROME_PAGE, "/", 0 },
    { API, false, false, "nested-navigate", "iframe", CHROME_PAGE, "/", 0 },
    { API, false, false, "nested-navigate", "object", CHROME_PAGE, "/", 0 },
    { API, false, false, "nested-navigate", NULL, CHROME_PAGE, "/", 0 },
    { API, false, false, "websocket", "websocket", NULL, "/", 0 },
    { API, false, false, "websocket", "empty", NULL, "/", 0 },
    { API, false, false, "websocket", "script", NULL, "/", 0 },

    { API, false, false, "cors", "empty", "*/*", "/", 0 },
    { API, true, false, "cors", "empty", "*/*", "/api", 0 },
    { API, false, false, "cors", "empty", CHROME_PAGE, "/page", 0 },
    { API, false, false, "same-origin", "empty", "*/*", "/app.js", 0 },
    { API, true, false, "no-cors", "empty", "*/*", "/beacon", 0 },
    { API, false, false, "cors", "json", "*/*", "/data.json", 0 },
    { API, true, false, "no-cors", "report", "*/*", "/csp", 0 },
    { API, false, false, "cors", NULL, "*/*", "/", 0 },
    { API, false, false, "x-future", "x-future", CHROME_PAGE, "/", 0 },

    { SUBRESOURCE, false, false, "no-cors", "script", "*/*", "/app", 0 },
    { SUBRESOURCE, false, false, "no-cors", "style", "text/css", "/a", 0 },
    { SUBRESOURCE, false, false, "no-cors", "image", CHROME_IMAGE, "/a", 0 },
    { SUBRESOURCE, false, false, "cors", "font", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "no-cors", "audio", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "no-cors", "video", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "cors", "track", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "cors", "manifest", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "same-origin", "worker", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "same-origin", "sharedworker", "*/*", "/",
      0 },
    { SUBRESOURCE, false, false, "same-origin", "serviceworker", "*/*", "/",
      0 },
    { SUBRESOURCE, false, false, "cors", "audioworklet", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "cors", "paintworklet", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "same-origin", "xslt", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "no-cors", "embed", "*/*", "/a", 0 },
    { SUBRESOURCE, false, false, "no-cors", "object", "*/*", "/a", 0 }
};


static const case_t  plain_cases[] = {
    { NAVIGATION, false, false, NULL, NULL, CHROME_PAGE, "/", 0 },
    { NAVIGATION, false, false, NULL, NULL, "text/html", "/a.png", 0 },
    { NAVIGATION, false, false, NULL, NULL, "TEXT/HTML;q=0.5", "/", 0 },
    { NAVIGATION, false, false, NULL, NULL, "image/gif, text/html ;q=1", "/",
      0 },
    { NAVIGATION, false, false, NULL, NULL, "application/xhtml+xml", "/", 0 },
    { UNSAFE, true, false, NULL, NULL, CHROME_PAGE, "/form", 0 },
    { UNSAFE, true, false, NULL, NULL, "text/html", "/form.css", 0 },

    /* a dest without a mode says nothing */
    { NAVIGATION, false, false, NULL, "script", "text/html", "/", 0 },

    { API, false, false, NULL, NULL, CHROME_PAGE, "/", "XMLHttpRequest" },
    { API, false, false, NULL, NULL, CHROME_PAGE, "/", "xmlhttprequest" },
    { API, true, false, NULL, NULL, CHROME_PAGE, "/", "XMLHttpRequest" },
    { NAVIGATION, false, false, NULL, NULL, CHROME_PAGE, "/",
      "com.example.app" },

    { SUBRESOURCE, false, false, NULL, NULL, CHROME_IMAGE, "/a", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, "text/css,*/*;q=0.1", "/a", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, "font/woff2", "/a", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, "audio/webm,*/*", "/a", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, " Video/MP4", "/a", 0 },

    { SUBRESOURCE, false, false, NULL, NULL, "*/*", "/app.js", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, NULL, "/a/b.c/app.JS", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, "", "/x.woff2", 0 },
    { SUBRESOURCE, false, false, NULL, NULL, "*/*", "/jquery.min.map", 0 },
    { API, true, false, NULL, NULL, "*/*", "/app.js", 0 },
    { API, false, false, NULL, NULL, "*/*", "/app.js/more", 0 },
    { API, false, false, NULL, NULL, "*/*", "/app.jsx", 0 },
    { API, false, false, NULL, NULL, "*/*", "/appjs", 0 },
    { API, false, false, NULL, NULL, "*/*", "/a.", 0 },
    { API, false, false, NULL, NULL, "*/*", "/a.html", 0 },
    { API, false, false, NULL, NULL, "*/*", "/v1.json", 0 },
    { API, false, false, NULL, NULL, "application/json", "/", 0 },
    { API, false, false, NULL, NULL, "text/htmlx", "/", 0 },
    { API, false, false, NULL, NULL, "application/json, image/png", "/", 0 },
    { API, false, false, NULL, NULL, "text/event-stream", "/", 0 },
    { API, false, false, NULL, NULL, ", ,", "/", 0 },
    { API, false, false, NULL, NULL, NULL, NULL, 0 },
    { API, true, false, NULL, NULL, NULL, "/webhook", 0 },

    { API, false, true, NULL, NULL, CHROME_PAGE, "/", 0 },
    { API, false, true, "navigate", "document", CHROME_PAGE, "/", 0 }
};


static void
expect_classes(const case_t *cases, size_t n)
{
    cg_str_t      got;
    cg_request_t  rq;

    for (size_t i = 0; i < n; i++) {
        rq.safe = !cases[i].unsafe;
        rq.websocket = cases[i].websocket;
        rq.sec_fetch_mode = text(cases[i].mode);
        rq.sec_fetch_dest = text(cases[i].dest);
        rq.x_requested_with = text(cases[i].requested_with);
        rq.accept = text(cases[i].accept);
        rq.path = text(cases[i].path);

        if (cg_classify(&rq) != cases[i].klass) {
            got = cg_class_name(cg_classify(&rq));
            fail_msg("case %zu is %.*s", i, (int) got.len, got.data);
        }
    }
}


static void
test_fetch_metadata_classifies(void **state)
{
    (void) state;

    expect_classes(fetch_cases, N(fetch_cases));
}


static void
test_without_it_the_table_does(void **state)
{
    (void) state;

    expect_classes(plain_cases, N(plain_cases));
}


static void
test_every_static_extension(void **state)
{
    static const char *const  paths[] = {
        "/.css", "/a.js", "/a.mjs", "/a.map", "/a.png", "/a.jpg", "/a.jpeg",
        "/a.gif", "/a.svg", "/a.webp", "/a.avif", "/favicon.ico", "/a.woff",
        "/a.woff2", "/a.ttf", "/a.otf", "/a.eot", "/a.mp4", "/a.webm",
        "/a.mp3", "/a.ogg", "/a.wav", "/a.vtt", "/a.wasm"
    };
    cg_request_t  rq;

    (void) state;

    memset(&rq, 0, sizeof(rq));
    rq.safe = true;

    for (size_t i = 0; i < N(paths); i++) {
        rq.path = text(paths[i]);
        assert_int_equal(cg_classify(&rq), SUBRESOURCE);
    }
}


static void
test_paths_to_go_back_to(void **state)
{
    static const char *const  good[] = {
        "/", "/a", "/a/b/", "/a?b=c", "/?", "/a?u=http://x//y\\z",
        "/a?u=%2f%2fevil%5c", "/%C3%A4", "/a%20b", "/100%25", "/a%2fb",
        "/a?100%", "/a?%zz", "/a?%250a", "/~u/;p=1/@x:y", "/a/?/", "/%3f",
        "/%2525252f", "/%25252f%25252f"
    };
    static const char *const  bad[] = {
        "", "a", "?a", "http://x/", "//", "//evil", "/a//b", "/a//", "/\\evil",
        "/a\\b", "\\evil", "/a b", "/a\tb", "/a\nb", "/a\r", "/\x7f", "/\x1f",
        "/\xc3\xa4", "/a#b", "/a?b#c", "#", "/a?b c", "/a?\n", "/a?\xff",
        "/%2fevil", "/%2Fevil", "%2f/", "/a%2f/b", "/a/%2fb", "/a%2f%2fb",
        "/%5cevil", "/%5Cevil", "/%00", "/%0a", "/%0D", "/%1f", "/%7f",
        "/%252fevil", "/%25%32%66evil", "/%255cevil", "/a%252f%252fb",
        "/%250a", "/%2500", "/a%2f%252fb", "/%25%35%63", "/%257f",
        "/%", "/%2", "/%zz", "/%2g", "/a%2%35c", "/a%?b",
        "/a?%00", "/a?%0a", "/a?b%0D%0Ax", "/a?%7F", "/a?%1f",
        "/a?\x7f"
    };

    (void) state;

    for (size_t i = 0; i < N(good); i++) {
        if (!cg_return_valid(text(good[i]))) {
            fail_msg("\"%s\" is refused", good[i]);
        }
    }

    for (size_t i = 0; i < N(bad); i++) {
        if (cg_return_valid(text(bad[i]))) {
            fail_msg("\"%s\" is taken", bad[i]);
        }
    }

    assert_false(cg_return_valid((cg_str_t) { 0, NULL }));
    assert_false(cg_return_valid((cg_str_t) { 2, (uint8_t *) "/\0" }));
}


static void
test_a_return_is_2_kb_at_most(void **state)
{
    uint8_t  path[CG_MAX_RETURN + 1];

    (void) state;

    memset(path, 'a', sizeof(path));
    path[0] = '/';

    assert_true(cg_return_valid((cg_str_t) { CG_MAX_RETURN, path }));
    assert_false(cg_return_valid((cg_str_t) { CG_MAX_RETURN + 1, path }));
}


/* Every value of the cookie, '|' between them. */

static void
expect_cookies(const char *header, const char *name, const char *expected)
{
    char      buf[256];
    size_t    next = 0, len = 0;
    cg_str_t  value;

    while (cg_cookie_next(text(header), text(name), &next, &value)) {
        assert_true(len + value.len + 2 < sizeof(buf));
        memcpy(buf + len, value.data, value.len);
        len += value.len;
        buf[len++] = '|';
    }

    buf[len] = '\0';
    assert_string_equal(buf, expected);
    assert_false(cg_cookie_next(text(header), text(name), &next, &value));
}


static void
test_cookies_are_found_by_their_whole_name(void **state)
{
    (void) state;

    expect_cookies("a=1", "a", "1|");
    expect_cookies("a=1; b=2; c=3", "b", "2|");
    expect_cookies("a=1; b=2; c=3", "c", "3|");
    expect_cookies("a=1;b=2;c=3", "b", "2|");
    expect_cookies("xa=1; a=2; ax=3", "a", "2|");
    expect_cookies("x=a=1; a=2", "a", "2|");
    expect_cookies("a=b=c; d", "a", "b=c|");
    expect_cookies("__Host-consent=x; consent=y", "consent", "y|");
    expect_cookies("A=1", "a", "");
}


static void
test_a_cookie_may_come_twice(void **state)
{
    (void) state;

    expect_cookies("a=1; b=x; a=2; a=", "a", "1|2||");
    expect_cookies("a=1;a=2;a=3", "a", "1|2|3|");
}


static void
test_odd_cookie_headers(void **state)
{
    (void) state;

    expect_cookies("", "a", "");
    expect_cookies(NULL, "a", "");
    expect_cookies(";", "a", "");
    expect_cookies(" ;; ; ", "a", "");
    expect_cookies("a", "a", "");
    expect_cookies("a; a=1", "a", "1|");
    expect_cookies("a =  1 2  ; b", "a", "1 2|");
    expect_cookies("\ta=\t1\t", "a", "1|");
    expect_cookies("a=\"1\"", "a", "\"1\"|");
    expect_cookies("=1; a=2", "a", "2|");
}


static void
expect_locale(const char *header, const char *expected)
{
    size_t   len;
    uint8_t  locale[CG_MAX_LOCALE];

    len = cg_locale(text(header), locale);

    if (len != strlen(expected) || memcmp(locale, expected, len) != 0) {
        fail_msg("\"%s\" is \"%.*s\"", header != NULL ? header : "",
                 (int) len, locale);
    }
}


static void
test_the_language_that_weighs_most(void **state)
{
    (void) state;

    expect_locale("de", "de");
    expect_locale("de-DE,de;q=0.9,en;q=0.8", "de-DE");
    expect_locale("en;q=0.5, fr;q=0.9, de;q=0.1", "fr");
    expect_locale("en;q=0.5, fr ; q=0.500, de;q=0.501", "de");
    expect_locale("en;q=0.8, fr;q=0.8", "en");
    expect_locale("en;Q=0.1,fr;q=1", "fr");
    expect_locale("en;q=0,fr;q=0.001", "fr");
    expect_locale("DE-at", "de-at");
    expect_locale("zh-Hant-TW", "zh-Hant-TW");
    expect_locale("*;q=1, is;q=0.5", "is");
    expect_locale("de;q=1.000", "de");
    expect_locale("es-419", "es-419");
    expect_locale("de-1901", "de-1901");
}


static void
test_no_language(void **state)
{
    (void) state;

    expect_locale(NULL, "");
    expect_locale("", "");
    expect_locale("*", "");
    expect_locale(" , ,", "");
    expect_locale("de;q=0", "");
    expect_locale("de;q=0.000", "");
    expect_locale("d\xc3\xa9", "");
    expect_locale("<script>", "");
    expect_locale("de-", "");
    expect_locale("-de", "");
    expect_locale("de--at", "");
    expect_locale("4de", "");
    expect_locale("abcdefghi", "");
    expect_locale("de-abcdefghi", "");
}


static void
test_what_cannot_be_read_is_passed_over(void **state)
{
    (void) state;

    expect_locale("de;q=2,en;q=0.1", "en");
    expect_locale("de;q=1.001,en;q=0.1", "en");
    expect_locale("de;q=,en;q=0.1", "en");
    expect_locale("de;q=x,en;q=0.1", "en");
    expect_locale("de;q=0.1234,en;q=0.1", "en");
    expect_locale("de;q=-1,en;q=0.1", "en");
    expect_locale("de;q=1x,en;q=0.1", "en");
    expect_locale("de;q=0.x,en;q=0.1", "en");
    expect_locale("de;q=0.1:,en;q=0.1", "en");
    expect_locale("de;x=1,en;q=0.1", "en");
    expect_locale("de;,en;q=0.1", "en");
    expect_locale("de_DE,en;q=0.1", "en");
}


static void
test_a_long_tag_loses_its_end(void **state)
{
    (void) state;

    expect_locale("de-CH-1996-abcde", "de-CH-1996-abcde");
    expect_locale("de-CH-1996-abcdef", "de-CH-1996");
    expect_locale("abcdefgh-ijklmnop", "abcdefgh");
}


/* "name=value" of each pair, '|' between them; '!' when it is malformed. */

static void
expect_form(const char *in, const char *expected)
{
    int        rc;
    char       buf[256], out[256];
    size_t     len = 0;
    cg_str_t   name, value;
    cg_form_t  form;

    strcpy(buf, in);
    form.pos = (uint8_t *) buf;
    form.end = form.pos + strlen(in);

    while ((rc = cg_form_next(&form, &name, &value)) == 1) {
        memcpy(out + len, name.data, name.len);
        len += name.len;
        out[len++] = '=';
        memcpy(out + len, value.data, value.len);
        len += value.len;
        out[len++] = '|';
    }

    if (rc == -1) {
        out[len++] = '!';
    }

    out[len] = '\0';
    assert_string_equal(out, expected);
    assert_int_equal(cg_form_next(&form, &name, &value), 0);
}


static void
test_forms_are_decoded(void **state)
{
    (void) state;

    expect_form("", "");
    expect_form("a=1", "a=1|");
    expect_form("a=1&b=2", "a=1|b=2|");
    expect_form("document=terms&document=privacy",
                "document=terms|document=privacy|");
    expect_form("return=%2Fa%3Fb%3Dc&x=1+2%2B3", "return=/a?b=c|x=1 2+3|");
    expect_form("a=b=c", "a=b=c|");
    expect_form("%61%3d=1", "a==1|");
    expect_form("a", "a=|");
    expect_form("a=", "a=|");
    expect_form("=b", "=b|");
    expect_form("&&a=1&&&b=2&&", "a=1|b=2|");
    expect_form("a=%c3%A4%0a%26", "a=\xc3\xa4\n&|");
    expect_form("a=%2561", "a=%61|");
}


static void
test_malformed_forms_end(void **state)
{
    cg_str_t   name, value;
    uint8_t    nul[] = "a=\0";
    cg_form_t  form = { nul, nul + 3 };

    (void) state;

    expect_form("a=%", "!");
    expect_form("a=%4", "!");
    expect_form("a=%4&b=2", "!");
    expect_form("a=1&b=%zz&c=3", "a=1|!");
    expect_form("%=1", "!");
    expect_form("a=%00", "!");
    expect_form("%00=1&b=2", "!");

    assert_int_equal(cg_form_next(&form, &name, &value), -1);

    form = (cg_form_t) { NULL, NULL };
    assert_int_equal(cg_form_next(&form, &name, &value), 0);
}


static void
test_origins_match_hosts(void **state)
{
    static const struct {
        const char  *origin;
        const char  *host;
        bool         matches;
    } cases[] = {
        { "https://example.org", "example.org", true },
        { "http://example.org", "example.org", true },
        { "https://example.org:8443", "example.org:8443", true },
        { "https://EXAMPLE.org", "example.ORG", true },
        { "https://az.example", "AZ.example", true },
        { "HTTPS://example.org", "example.org", true },
        { "https://example.org", "example.org:443", true },
        { "https://example.org:443", "example.org", true },
        { "http://example.org", "example.org:80", true },
        { "http://example.org:80", "example.org", true },
        { "https://[2001:db8::1]:8443", "[2001:db8::1]:8443", true },
        { "https://[2001:db8::1]", "[2001:DB8::1]", true },
        { "http://localhost:8080", "localhost:8080", true },

        { "https://example.org:8443", "example.org", false },
        { "https://example.org", "example.org:8443", false },
        { "https://example.org", "example.org:80", false },
        { "http://example.org", "example.org:443", false },
        { "https://example.org.evil.example", "example.org", false },
        { "https://evil-example.org", "example.org", false },
        { "https://example.org", "www.example.org", false },
        { "https://www.example.org", "example.org", false },
        { "https://example.org/", "example.org", false },
        { "https://example.org?", "example.org", false },
        { "https://example.org#", "example.org", false },
        { "https://evil@example.org", "example.org", false },
        { "https://example.org:443x", "example.org", false },
        { "https://example.org:0", "example.org", false },
        { "https://example.org:", "example.org", false },
        { "https://example.org:65536", "example.org", false },
        { "https://example.org:0443", "example.org", false },
        { "https://example.org https://x", "example.org", false },
        { "https://a b", "a b", false },
        { "https://a/b", "a/b", false },
        { "https://a@b", "a@b", false },
        { "https://[2001:db8::1", "[2001:db8::1", false },
        { "https://", "", false },
        { "https://:443", ":443", false },
        { "null", "null", false },
        { "ftp://example.org", "example.org", false },
        { "example.org", "example.org", false },
        { "//example.org", "example.org", false },
        { "", "", false },
        { NULL, "example.org", false },
        { "https://example.org", NULL, false },
        { "https://example.org", "", false }
    };

    (void) state;

    for (size_t i = 0; i < N(cases); i++) {
        if (cg_origin_matches(text(cases[i].origin), text(cases[i].host))
            != cases[i].matches)
        {
            fail_msg("case %zu: %s", i, cases[i].origin);
        }
    }
}


static void
test_lists_lose_their_empty_elements(void **state)
{
    cg_str_t  list = cg_str(" a\t,, b c ,,"), element;

    (void) state;

    assert_true(cg_list_next(&list, &element));
    assert_true(cg_str_eq(element, cg_str("a")));
    assert_true(cg_list_next(&list, &element));
    assert_true(cg_str_eq(element, cg_str("b c")));
    assert_false(cg_list_next(&list, &element));
    assert_false(cg_list_next(&list, &element));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fetch_metadata_classifies),
        cmocka_unit_test(test_without_it_the_table_does),
        cmocka_unit_test(test_every_static_extension),
        cmocka_unit_test(test_paths_to_go_back_to),
        cmocka_unit_test(test_a_return_is_2_kb_at_most),
        cmocka_unit_test(test_cookies_are_found_by_their_whole_name),
        cmocka_unit_test(test_a_cookie_may_come_twice),
        cmocka_unit_test(test_odd_cookie_headers),
        cmocka_unit_test(test_the_language_that_weighs_most),
        cmocka_unit_test(test_no_language),
        cmocka_unit_test(test_what_cannot_be_read_is_passed_over),
        cmocka_unit_test(test_a_long_tag_loses_its_end),
        cmocka_unit_test(test_forms_are_decoded),
        cmocka_unit_test(test_malformed_forms_end),
        cmocka_unit_test(test_origins_match_hosts),
        cmocka_unit_test(test_lists_lose_their_empty_elements)
    };

    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
