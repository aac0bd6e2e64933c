/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "cg_export.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define S(s)  { sizeof(s) - 1, (const uint8_t *) (s) }


/* The object that is made of some pairs, in no more than it said it takes. */

static json_t *
record_of(const cg_str_t *pairs, size_t n)
{
    size_t         size;
    uint8_t       *buf;
    json_t        *root;
    cg_out_t       out;
    json_error_t   error;

    size = cg_export_record_size(pairs, n);
    buf = malloc(size);
    assert_non_null(buf);

    cg_out_init(&out, buf, size);
    cg_export_record(&out, pairs, n);
    assert_false(out.overflow);

    root = json_loadb((char *) buf, cg_out_len(&out), JSON_REJECT_DUPLICATES,
                      &error);

    if (root == NULL) {
        fail_msg("%s: %.*s", error.text, (int) cg_out_len(&out), (char *) buf);
    }

    free(buf);

    return root;
}


static void
test_a_record(void **state)
{
    json_t  *root, *list;

    static const cg_str_t  pairs[] = {
        S("d.terms"), S("20180525"), S("k"), S("0a1b2c3d"),
        S("d.cookies"), S("-"), S("p.analytics"), S("1"),
        S("p.support"), S("0"), S("rev"), S("4294967295"),
        S("ev"), S("000102030405060708090a0b0c0d0e0f"), S("age"), S("ok:16"),
        S("res"), S("DE"), S("eea"), S("20000")
    };

    (void) state;

    root = record_of(pairs, N(pairs) / 2);

    list = json_object_get(root, "documents");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(list, 0), "name")), "terms");
    assert_int_equal(json_integer_value(json_object_get(
                         json_array_get(list, 0), "version")), 20180525);
    assert_true(json_is_true(json_object_get(json_array_get(list, 1),
                                             "declined")));
    assert_null(json_object_get(json_array_get(list, 1), "version"));

    assert_true(json_is_true(json_object_get(
                    json_object_get(root, "purposes"), "analytics")));
    assert_true(json_is_false(json_object_get(
                    json_object_get(root, "purposes"), "support")));
    assert_string_equal(json_string_value(json_object_get(root, "age")),
                        "ok:16");
    assert_string_equal(json_string_value(json_object_get(root, "residence")),
                        "DE");
    assert_int_equal(json_integer_value(json_object_get(root, "eea_day")),
                     20000);
    assert_int_equal(json_integer_value(json_object_get(root, "rev")),
                     UINT32_MAX);
    assert_string_equal(json_string_value(json_object_get(root, "check")),
                        "0a1b2c3d");
    assert_int_equal(json_object_size(json_object_get(root, "other")), 0);

    json_decref(root);
}


static void
test_an_empty_record(void **state)
{
    json_t  *root;

    (void) state;

    root = record_of(NULL, 0);

    assert_int_equal(json_object_size(root), 9);
    assert_true(json_is_null(json_object_get(root, "rev")));
    assert_true(json_is_null(json_object_get(root, "age")));
    assert_int_equal(json_array_size(json_object_get(root, "documents")), 0);

    json_decref(root);
}


/* What is not as it should be is told as it is. */

static void
test_what_is_not_understood(void **state)
{
    size_t       i;
    json_t      *root, *other;

    static const cg_str_t  pairs[][2] = {
        { S("d.terms"), S("0") }, { S("d.terms"), S("01") },
        { S("d.terms"), S("4294967296") }, { S("d.terms"), S("") },
        { S("d.terms"), S("1,\"x\":2") }, { S("p.a"), S("2") },
        { S("p.a"), S("true") }, { S("rev"), S("-1") },
        { S("rev"), S("1e9") }, { S("eea"), S("x") },
        { S("ev"), S("00") }, { S("k"), S("0a1b2c3") },
        { S("d."), S("1") }, { S("x.y"), S("1") }, { S(""), S("") },
        { S("new"), S("a\"\\\n\x01\xff") }, { S("\"}"), S("{") }
    };

    (void) state;

    for (i = 0; i < N(pairs); i++) {
        root = record_of(pairs[i], 1);
        other = json_object_get(root, "other");

        if (json_object_size(other) != 1) {
            fail_msg("%.*s is understood", (int) pairs[i][0].len,
                     (const char *) pairs[i][0].data);
        }

        json_decref(root);
    }
}


static void
test_a_subject(void **state)
{
    size_t          i;
    uint8_t         buf[128];
    cg_out_t        out;
    cg_pseudonym_t  p;

    static const char *const  kinds[] = { "visitor", "account", "test" };

    (void) state;

    memset(&p, 0, sizeof(p));

    cg_out_init(&out, buf, sizeof(buf));
    cg_export_subject(&out, CG_SUBJECT_NONE, &p);
    assert_int_equal(cg_out_len(&out), 4);
    assert_memory_equal(buf, "null", 4);

    for (i = 0; i < N(kinds); i++) {
        cg_out_init(&out, buf, sizeof(buf) - 1);
        cg_export_subject(&out, CG_SUBJECT_VISITOR + i, &p);
        *out.pos = '\0';
        assert_non_null(strstr((char *) buf, kinds[i]));
        assert_non_null(strstr((char *) buf,
                               "\"pseudonym\":\"AAAAAAAAAAAAAAAAAAAAAA\"}"));
    }
}


static void
test_a_body_that_may_be_a_subjects(void **state)
{
    size_t          i;
    cg_pseudonym_t  p;

    static const struct {
        bool      may;
        cg_str_t  body;
    } rows[] = {
        { true, S("AAAAAAAAAAAAAAAAAAAAAA") },
        { true, S("{\"subject\":\"AAAAAAAAAAAAAAAAAAAAAA\"}") },
        { true, S("AAAABAAAAAAAAAAAAAAAAAAAAAA") },
        { true, S("xAAAAAAAAAAAAAAAAAAAAAA") },
        { false, S("") },
        { false, S("AAAAAAAAAAAAAAAAAAAAA") },
        { false, S("AAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAA") },
        { false, S("{\"subject\":\"AAAAAAAAAAAAAAAAAAAAAB\"}") },
        { false, S("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") }
    };

    (void) state;

    memset(&p, 0, sizeof(p));

    for (i = 0; i < N(rows); i++) {
        assert_int_equal(cg_export_may_be(rows[i].body, &p), rows[i].may);
    }

    assert_false(cg_export_may_be((cg_str_t) { 0, NULL }, &p));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_record),
        cmocka_unit_test(test_an_empty_record),
        cmocka_unit_test(test_what_is_not_understood),
        cmocka_unit_test(test_a_subject),
        cmocka_unit_test(test_a_body_that_may_be_a_subjects),
    };

    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
