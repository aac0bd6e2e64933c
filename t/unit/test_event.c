/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "cg_event.h"


#define KEY_A  "000102030405060708090a0b0c0d0e0f"
#define KEY_B  "101112131415161718191a1b1c1d1e1f"
#define KEY_C  "202122232425262728292a2b2c2d2e2f"


static cg_keys_t   keys;
static cg_shown_t  docs[CG_MAX_DOCUMENTS];
static cg_str_t    purposes[CG_MAX_PURPOSES];


static int
set_up(void **state)
{
    unsigned  line;

    (void) state;

    return cg_keys_parse(&keys, cg_str("subject " KEY_A "\n"
                                       "sign 2026-01 " KEY_B "\n"
                                       "sign k1 " KEY_C "\n"), &line)
           != NULL;
}


static int
tear_down(void **state)
{
    (void) state;

    cg_keys_free(&keys);

    return 0;
}


static void
make_event(cg_event_t *e)
{
    memset(e, 0, sizeof(cg_event_t));
    memset(docs, 0, sizeof(docs));

    docs[0].name_len = 5;
    memcpy(docs[0].name, "terms", 5);
    docs[0].version = 20180525;
    docs[0].has_sha256 = true;
    memset(docs[0].sha256, 0xab, 32);

    docs[1].name_len = 7;
    memcpy(docs[1].name, "privacy", 7);
    docs[1].version = 7;

    docs[2].name_len = 7;
    memcpy(docs[2].name, "cookies", 7);
    docs[2].version = UINT32_MAX;

    purposes[0] = cg_str("analytics");
    purposes[1] = cg_str("support");
    purposes[2] = cg_str("hosting");

    memset(e->id, 0x11, CG_EVENT_ID_LEN);
    e->time = 1527206400123;
    e->what = CG_EVENT_ACCEPT;
    e->method = CG_METHOD_PAGE;
    e->kind = CG_SUBJECT_ACCOUNT;
    e->realm = cg_str("shop");
    e->ndocs = 3;
    e->docs = docs;
    e->chosen = 0x5;
    e->npurposes = 3;
    e->purposes = purposes;
    e->answered = 0x3;
    e->granted = 0x2;
    e->locale = cg_str("de-AT");
    e->country = cg_cc("DE");
    e->source = CG_SOURCE_ADDRESS;
    e->reason = CG_REASON_MISSING;
    e->gate = cg_str("1.0.0");
}


static json_t *
parse(const uint8_t *body, size_t n)
{
    json_t        *root;
    json_error_t   error;

    assert_int_not_equal(n, 0);

    root = json_loadb((const char *) body, n,
                      JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (root == NULL) {
        fail_msg("%s: %.*s", error.text, (int) n, (const char *) body);
    }

    return root;
}


static json_t *
body_of(const cg_event_t *e)
{
    size_t   n;
    uint8_t  body[CG_MAX_EVENT];

    n = cg_event_body(e, &keys, body);

    return parse(body, n);
}


static const char *
text_at(const json_t *root, const char *key)
{
    const char  *text;

    text = json_string_value(json_object_get(root, key));
    assert_non_null(text);

    return text;
}


/* These bytes are signed: the order and the spelling may not drift. */

static void
test_the_bytes_of_a_body(void **state)
{
    size_t      n;
    uint8_t     body[CG_MAX_EVENT];
    cg_event_t  e;

    static const char  expected[] =
        "{\"v\":1,\"id\":\"11111111111111111111111111111111\","
        "\"time\":1527206400123,\"what\":\"accept\",\"realm\":\"shop\","
        "\"kind\":\"account\",\"subject\":\"AAAAAAAAAAAAAAAAAAAAAA\","
        "\"docs\":[{\"name\":\"terms\",\"version\":20180525,\"sha256\":\""
        "abababababababababababababababababababababababababababababababab"
        "\"},{\"name\":\"cookies\",\"version\":4294967295}],"
        "\"purposes\":{\"analytics\":0,\"support\":1},\"locale\":\"de-AT\","
        "\"method\":\"page\",\"country\":\"DE\",\"source\":\"address\","
        "\"reason\":\"missing\",\"gate\":\"1.0.0\",\"kid\":\"2026-01\","
        "\"prev\":\"\"}";

    (void) state;

    make_event(&e);
    n = cg_event_body(&e, &keys, body);

    assert_int_equal(n, sizeof(expected) - 1);
    assert_memory_equal(body, expected, n);
}


static void
test_a_body_is_json(void **state)
{
    json_t      *root, *list, *doc, *map;
    cg_event_t   e;

    (void) state;

    make_event(&e);
    root = body_of(&e);

    assert_int_equal(json_object_size(root), 17);
    assert_int_equal(json_integer_value(json_object_get(root, "v")), 1);
    assert_int_equal(json_integer_value(json_object_get(root, "time")),
                     e.time);

    list = json_object_get(root, "docs");
    assert_int_equal(json_array_size(list), 2);
    doc = json_array_get(list, 1);
    assert_string_equal(text_at(doc, "name"), "cookies");
    assert_null(json_object_get(doc, "sha256"));
    assert_int_equal(json_integer_value(json_object_get(doc, "version")),
                     UINT32_MAX);

    map = json_object_get(root, "purposes");
    assert_int_equal(json_object_size(map), 2);
    assert_int_equal(json_integer_value(json_object_get(map, "support")), 1);

    json_decref(root);
}


static void
test_a_body_without_lists_country_or_locale(void **state)
{
    json_t      *root;
    cg_event_t   e;

    (void) state;

    make_event(&e);
    e.ndocs = 0;
    e.docs = NULL;
    e.npurposes = 0;
    e.purposes = NULL;
    e.country = CG_CC_UNKNOWN;
    e.locale = (cg_str_t) { 0, NULL };
    root = body_of(&e);

    assert_int_equal(json_array_size(json_object_get(root, "docs")), 0);
    assert_int_equal(json_object_size(json_object_get(root, "purposes")), 0);
    assert_string_equal(text_at(root, "country"), "");
    assert_string_equal(text_at(root, "locale"), "");

    json_decref(root);
}


static void
test_a_body_links_to_the_event_before(void **state)
{
    json_t      *root;
    cg_event_t   e;

    (void) state;

    make_event(&e);
    e.previous[15] = 0x2a;
    root = body_of(&e);

    assert_string_equal(text_at(root, "prev"),
                        "0000000000000000000000000000002a");
    json_decref(root);
}


/* What is only there when there is something to say. */

static void
test_a_body_tells_residence_age_and_gpc(void **state)
{
    json_t      *root;
    cg_event_t   e;

    (void) state;

    make_event(&e);
    e.what = CG_EVENT_AGE;
    e.age_state = CG_AGE_MINOR;
    e.age = 16;
    e.gpc = true;
    root = body_of(&e);
    assert_string_equal(text_at(root, "age"), "minor:16");
    assert_int_equal(json_integer_value(json_object_get(root, "gpc")), 1);
    assert_null(json_object_get(root, "residence"));
    json_decref(root);

    e.what = CG_EVENT_RESIDENCE;
    e.residence = cg_cc("IS");
    root = body_of(&e);
    assert_string_equal(text_at(root, "residence"), "IS");
    json_decref(root);

    e.residence = CG_CC_UNKNOWN;
    root = body_of(&e);
    assert_string_equal(text_at(root, "residence"), "");
    json_decref(root);
}


static void
test_a_body_tells_what_was_merged(void **state)
{
    json_t      *root, *declined;
    cg_event_t   e;

    (void) state;

    make_event(&e);
    e.what = CG_EVENT_MERGE;
    e.chosen = 3;
    e.declined = 2 | 4;             /* of what is not chosen nothing is told */
    e.merged[0] = 0xab;
    root = body_of(&e);

    declined = json_object_get(root, "declined");
    assert_int_equal(json_array_size(declined), 1);
    assert_string_equal(json_string_value(json_array_get(declined, 0)),
                        json_string_value(json_object_get(json_array_get(
                            json_object_get(root, "docs"), 1), "name")));
    assert_string_equal(text_at(root, "merged"),
                        "ab000000000000000000000000000000");
    json_decref(root);

    make_event(&e);
    root = body_of(&e);
    assert_null(json_object_get(root, "declined"));
    assert_null(json_object_get(root, "merged"));
    json_decref(root);
}


static void
test_a_body_is_json_for_any_bytes(void **state)
{
    int          c;
    uint8_t      text[3];
    json_t      *root;
    cg_str_t     s = { 3, text };
    cg_event_t   e;

    (void) state;

    for (c = 0; c < 256; c++) {
        make_event(&e);
        text[0] = text[1] = text[2] = (uint8_t) c;
        e.realm = s;
        e.locale = s;
        e.gate = s;
        memset(docs[0].name, c, 3);

        /* valid, but not for jansson: a NUL in the key of an object */

        if (c != 0) {
            purposes[0] = s;
        }

        root = body_of(&e);
        assert_int_equal(json_object_size(root), 17);
        json_decref(root);
    }
}


static void
test_a_body_is_one_line(void **state)
{
    size_t      n;
    uint8_t     body[CG_MAX_EVENT];
    cg_event_t  e;

    (void) state;

    make_event(&e);
    e.realm = cg_str("a\nb\r\"}\n{");
    n = cg_event_body(&e, &keys, body);

    assert_null(memchr(body, '\n', n));
    assert_null(memchr(body, '\r', n));
}


static void
test_the_largest_event_of_valid_names_fits(void **state)
{
    size_t       i;
    uint8_t      name[CG_MAX_NAME], realm[CG_MAX_REALM];
    json_t      *root;
    cg_event_t   e;

    (void) state;

    make_event(&e);
    memset(name, 'n', sizeof(name));
    memset(realm, 'r', sizeof(realm));

    for (i = 0; i < CG_MAX_DOCUMENTS; i++) {
        docs[i] = docs[0];
        docs[i].name_len = CG_MAX_NAME;
        memset(docs[i].name, 'd', CG_MAX_NAME);
        docs[i].version = UINT32_MAX;
    }

    /* names differ, for an object with the same key twice is refused */

    for (i = 0; i < CG_MAX_PURPOSES; i++) {
        purposes[i] = (cg_str_t) { CG_MAX_NAME - i, name };
    }

    e.realm = (cg_str_t) { sizeof(realm), realm };
    e.ndocs = CG_MAX_DOCUMENTS;
    e.chosen = 0xffff;
    e.declined = 0xffff;
    e.merged[0] = 1;
    e.npurposes = CG_MAX_PURPOSES;
    e.answered = 0xffff;
    e.time = INT64_MAX;
    e.previous[0] = 1;

    root = body_of(&e);
    assert_int_equal(json_array_size(json_object_get(root, "docs")),
                     CG_MAX_DOCUMENTS);
    assert_int_equal(json_object_size(json_object_get(root, "purposes")),
                     CG_MAX_PURPOSES);
    json_decref(root);
}


static void
test_what_does_not_fit_is_no_body(void **state)
{
    uint8_t     body[CG_MAX_EVENT], gate[CG_MAX_EVENT];
    cg_event_t  e;

    (void) state;

    make_event(&e);
    memset(gate, 'g', sizeof(gate));
    e.gate = (cg_str_t) { sizeof(gate), gate };

    assert_int_equal(cg_event_body(&e, &keys, body), 0);
}


static void
test_values_out_of_range_are_no_body(void **state)
{
    uint8_t     body[CG_MAX_EVENT];
    cg_event_t  e;

    (void) state;

#define refused(change)                                                       \
    make_event(&e);                                                           \
    change;                                                                   \
    assert_int_equal(cg_event_body(&e, &keys, body), 0)

    refused(e.time = -1);
    refused(e.what = CG_EVENTS);
    refused(e.method = CG_METHODS);
    refused(e.kind = CG_SUBJECT_NONE);
    refused(e.kind = CG_SUBJECT_TEST + 1);
    refused(e.country = CG_CC_COUNT);
    refused(e.source = CG_SOURCES);
    refused(e.reason = CG_REASONS);
    refused(e.ndocs = CG_MAX_DOCUMENTS + 1);
    refused(e.npurposes = CG_MAX_PURPOSES + 1);
    refused(docs[1].name_len = CG_MAX_NAME + 1);
    refused(e.residence = CG_CC_ANONYMIZER);
    refused(e.age_state = CG_AGE_MINOR + 1);
    refused(e.age_state = CG_AGE_OK);
    refused(e.age_state = CG_AGE_OK; e.age = CG_MAX_AGE + 1);
}


static void
test_names(void **state)
{
    size_t    i;
    cg_str_t  name;

    static const char *const  events[CG_EVENTS] = {
        "accept", "decline", "withdraw", "purposes", "residence", "age",
        "erase", "merge", "link",
    };
    static const char *const  methods[CG_METHODS] = {
        "page", "api", "email", "ctl", "login",
    };

    (void) state;

    for (i = 0; i < CG_EVENTS; i++) {
        name = cg_event_name((cg_event_e) i);
        assert_int_equal(name.len, strlen(events[i]));
        assert_memory_equal(name.data, events[i], name.len);
    }

    for (i = 0; i < CG_METHODS; i++) {
        name = cg_method_name((cg_method_e) i);
        assert_int_equal(name.len, strlen(methods[i]));
        assert_memory_equal(name.data, methods[i], name.len);
    }

    assert_int_equal(cg_event_name(CG_EVENTS).len, 0);
    assert_int_equal(cg_method_name(CG_METHODS).len, 0);
}


static void
test_a_body_is_signed_by_the_first_key(void **state)
{
    uint8_t    raw[CG_HMAC_LEN], again[CG_HMAC_LEN], mac[64];
    cg_str_t   body = cg_str("{\"v\":1}");

    (void) state;

    assert_true(cg_event_sign(&keys, body, mac));
    assert_true(cg_parse_hex((cg_str_t) { 64, mac }, raw, CG_HMAC_LEN));

    assert_true(cg_hmac(&keys.sign[0].derived[CG_TOKEN_EVENT], &body, 1,
                        again));
    assert_memory_equal(raw, again, CG_HMAC_LEN);

    body.len--;
    assert_true(cg_event_sign(&keys, body, mac));
    assert_true(cg_parse_hex((cg_str_t) { 64, mac }, raw, CG_HMAC_LEN));
    assert_memory_not_equal(raw, again, CG_HMAC_LEN);
}


static bool
id_of(uint8_t id[CG_EVENT_ID_LEN], cg_str_t token, cg_event_e what,
    cg_docs_t chosen, cg_purposes_t granted)
{
    cg_choice_t  choice;

    memset(&choice, 0, sizeof(cg_choice_t));

    choice.what = what;
    choice.chosen = chosen;
    choice.granted = granted;

    return cg_event_id(id, token, &choice);
}


/*
 * SHA-256 of 00000003 "abc" 00 0005 0002 0000 00, computed by another
 * program.
 */

static void
test_the_id_of_an_event(void **state)
{
    uint8_t  id[CG_EVENT_ID_LEN], good[CG_EVENT_ID_LEN];

    (void) state;

    assert_true(cg_parse_hex(cg_str("2b850134031a24c93ee9e03074de352d"), good,
                             CG_EVENT_ID_LEN));
    assert_true(id_of(id, cg_str("abc"), CG_EVENT_ACCEPT, 5, 2));
    assert_memory_equal(id, good, CG_EVENT_ID_LEN);
}


static void
test_what_differs_is_another_event(void **state)
{
    size_t       i, j;
    uint8_t      id[12][CG_EVENT_ID_LEN];
    cg_choice_t  choice;

    (void) state;

    assert_true(id_of(id[0], cg_str("abc"), CG_EVENT_ACCEPT, 5, 2));
    assert_true(id_of(id[1], cg_str("abd"), CG_EVENT_ACCEPT, 5, 2));
    assert_true(id_of(id[2], cg_str("abc"), CG_EVENT_DECLINE, 5, 2));
    assert_true(id_of(id[3], cg_str("abc"), CG_EVENT_ACCEPT, 4, 2));
    assert_true(id_of(id[4], cg_str("abc"), CG_EVENT_ACCEPT, 5, 3));
    assert_true(id_of(id[5], cg_str("abc"), CG_EVENT_ACCEPT, 2, 5));
    assert_true(id_of(id[6], cg_str("abc\0"), CG_EVENT_ACCEPT, 5, 2));
    assert_true(id_of(id[7], (cg_str_t) { 0, NULL }, CG_EVENT_ACCEPT, 5, 2));

    memset(&choice, 0, sizeof(cg_choice_t));
    choice.chosen = 5;
    choice.granted = 2;
    choice.residence = cg_cc("DE");
    assert_true(cg_event_id(id[8], cg_str("abc"), &choice));
    choice.residence = cg_cc("FR");
    assert_true(cg_event_id(id[9], cg_str("abc"), &choice));
    choice.age_state = CG_AGE_OK;
    assert_true(cg_event_id(id[10], cg_str("abc"), &choice));
    choice.age_state = CG_AGE_MINOR;
    assert_true(cg_event_id(id[11], cg_str("abc"), &choice));

    for (i = 0; i < 12; i++) {
        for (j = 0; j < i; j++) {
            assert_memory_not_equal(id[i], id[j], CG_EVENT_ID_LEN);
        }
    }
}


static void
test_the_largest_token_has_an_id(void **state)
{
    uint8_t  id[CG_EVENT_ID_LEN], token[CG_MAX_TOKEN + 1];

    (void) state;

    memset(token, 'A', sizeof(token));

    assert_true(id_of(id, (cg_str_t) { CG_MAX_TOKEN, token },
                      CG_EVENT_ACCEPT, 0, 0));
    assert_false(id_of(id, (cg_str_t) { CG_MAX_TOKEN + 1, token },
                       CG_EVENT_ACCEPT, 0, 0));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_the_bytes_of_a_body),
        cmocka_unit_test(test_a_body_is_json),
        cmocka_unit_test(test_a_body_without_lists_country_or_locale),
        cmocka_unit_test(test_a_body_links_to_the_event_before),
        cmocka_unit_test(test_a_body_tells_residence_age_and_gpc),
        cmocka_unit_test(test_a_body_tells_what_was_merged),
        cmocka_unit_test(test_a_body_is_json_for_any_bytes),
        cmocka_unit_test(test_a_body_is_one_line),
        cmocka_unit_test(test_the_largest_event_of_valid_names_fits),
        cmocka_unit_test(test_what_does_not_fit_is_no_body),
        cmocka_unit_test(test_values_out_of_range_are_no_body),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_body_is_signed_by_the_first_key),
        cmocka_unit_test(test_the_id_of_an_event),
        cmocka_unit_test(test_what_differs_is_another_event),
        cmocka_unit_test(test_the_largest_token_has_an_id),
    };

    return cmocka_run_group_tests_name("event", tests, set_up, tear_down);
}
