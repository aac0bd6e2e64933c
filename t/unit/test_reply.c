/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ngx_consent_reply.h"


static ngx_consent_reader_t  *reader;
static ngx_consent_reply_t    reply;


static int
setup(void **state)
{
    (void) state;

    reader = ngx_consent_reader_create();

    return reader == NULL;
}


static int
teardown(void **state)
{
    (void) state;

    ngx_consent_reader_free(reader);

    return 0;
}


static void
feed(const char *text)
{
    assert_true(ngx_consent_reader_feed(reader, text, strlen(text)));
}


static void
expect_reply(const char *text)
{
    feed(text);
    assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
}


static void
expect_error(const char *text, const char *error)
{
    feed(text);
    assert_int_equal(ngx_consent_reader_next(reader, &reply), -1);
    assert_non_null(strstr(ngx_consent_reader_error(reader), error));

    assert_int_equal(ngx_consent_reader_next(reader, &reply), -1);
}


static void
expect_text(size_t i, ngx_consent_type_e type, cg_str_t str)
{
    assert_true(i < reply.nitems);
    assert_int_equal(reply.items[i].type, type);
    assert_non_null(reply.items[i].str.data);
    assert_true(cg_str_eq(reply.items[i].str, str));
}


static void
test_every_type_is_read(void **state)
{
    (void) state;

    expect_reply("+OK\r\n");
    expect_text(0, NGX_CONSENT_SIMPLE, cg_str("OK"));

    expect_reply("$4\r\na\r\nb\r\n");
    expect_text(0, NGX_CONSENT_STRING, cg_str("a\r\nb"));

    expect_reply("$0\r\n\r\n");
    expect_text(0, NGX_CONSENT_STRING, cg_str(""));

    expect_reply(":-42\r\n");
    assert_int_equal(reply.items[0].type, NGX_CONSENT_INTEGER);
    assert_int_equal(reply.items[0].integer, -42);

    expect_reply("$-1\r\n");
    assert_int_equal(reply.items[0].type, NGX_CONSENT_NIL);
    assert_null(reply.items[0].str.data);

    expect_reply("*-1\r\n");
    assert_int_equal(reply.items[0].type, NGX_CONSENT_NIL);

    expect_reply("*0\r\n");
    assert_true(ngx_consent_reply_flat(&reply, 0));
}


static void
test_an_array_comes_before_its_elements(void **state)
{
    (void) state;

    expect_reply("*3\r\n$6\r\nmaster\r\n:7\r\n*2\r\n+a\r\n$-1\r\n");

    assert_int_equal(reply.nitems, 6);
    assert_int_equal(reply.items[0].count, 3);
    expect_text(1, NGX_CONSENT_STRING, cg_str("master"));
    assert_int_equal(reply.items[2].integer, 7);
    assert_int_equal(reply.items[3].count, 2);
    expect_text(4, NGX_CONSENT_SIMPLE, cg_str("a"));
    assert_int_equal(reply.items[5].type, NGX_CONSENT_NIL);

    assert_false(ngx_consent_reply_flat(&reply, 3));
}


static void
test_a_flat_array_has_as_many_elements_as_asked(void **state)
{
    (void) state;

    expect_reply("*2\r\n$1\r\na\r\n$-1\r\n");

    assert_true(ngx_consent_reply_flat(&reply, 2));
    assert_false(ngx_consent_reply_flat(&reply, 1));
    assert_false(ngx_consent_reply_flat(&reply, 3));

    expect_reply("+OK\r\n");
    assert_false(ngx_consent_reply_flat(&reply, 0));
}


static void
test_bytes_may_come_one_by_one(void **state)
{
    size_t       i;
    const char  *text = "*3\r\n$2\r\nab\r\n:12\r\n-ERR no\r\n";

    (void) state;

    for (i = 0; i < strlen(text); i++) {
        assert_int_equal(ngx_consent_reader_next(reader, &reply), 0);
        assert_true(ngx_consent_reader_feed(reader, text + i, 1));
    }

    assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
    expect_text(1, NGX_CONSENT_STRING, cg_str("ab"));
    assert_int_equal(reply.items[2].integer, 12);
    expect_text(3, NGX_CONSENT_ERROR, cg_str("ERR no"));

    assert_int_equal(ngx_consent_reader_next(reader, &reply), 0);
}


static void
test_replies_may_come_many_at_once(void **state)
{
    int  i;

    (void) state;

    for (i = 0; i < 5000; i++) {
        feed("*2\r\n$3\r\nabc\r\n$-1\r\n:1\r\n");
    }

    for (i = 0; i < 5000; i++) {
        assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
        assert_true(ngx_consent_reply_flat(&reply, 2));
        expect_text(1, NGX_CONSENT_STRING, cg_str("abc"));

        assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
        assert_int_equal(reply.items[0].type, NGX_CONSENT_INTEGER);
    }

    assert_int_equal(ngx_consent_reader_next(reader, &reply), 0);
}


static void
test_strings_stay_where_they_are_while_memory_grows(void **state)
{
    int   i;
    char  text[32];

    (void) state;

    feed("*1024\r\n");

    for (i = 0; i < NGX_CONSENT_REPLY_ELEMENTS; i++) {
        snprintf(text, sizeof(text), "$8\r\nitem%04d\r\n", i);
        feed(text);
    }

    assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
    assert_true(ngx_consent_reply_flat(&reply, NGX_CONSENT_REPLY_ELEMENTS));

    for (i = 0; i < NGX_CONSENT_REPLY_ELEMENTS; i++) {
        snprintf(text, sizeof(text), "item%04d", i);
        assert_memory_equal(reply.items[i + 1].str.data, text, 8);
    }
}


static void
test_errors_are_told_by_their_first_word(void **state)
{
    (void) state;

    expect_reply("-NOSCRIPT No matching script\r\n");
    assert_true(ngx_consent_reply_error(&reply, "NOSCRIPT"));
    assert_false(ngx_consent_reply_error(&reply, "NO"));
    assert_false(ngx_consent_reply_error(&reply, "NOSCRIPTS"));

    expect_reply("-LOADING\r\n");
    assert_true(ngx_consent_reply_error(&reply, "LOADING"));

    expect_reply("+LOADING\r\n");
    assert_false(ngx_consent_reply_error(&reply, "LOADING"));
}


static void
test_garbage_is_refused_for_good(void **state)
{
    (void) state;

    expect_error("HTTP/1.1 400 Bad Request\r\n", "reply type byte");
}


static void
test_bad_lengths_are_refused(void **state)
{
    (void) state;

    expect_error("$-7\r\n", "out of range");
}


static void
test_four_arrays_in_each_other_are_read(void **state)
{
    (void) state;

    expect_reply("*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
    assert_int_equal(reply.nitems, 5);
}


static void
test_five_arrays_in_each_other_are_refused(void **state)
{
    (void) state;

    expect_error("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "too deep");
}


static void
test_too_many_elements_are_refused_before_they_come(void **state)
{
    (void) state;

    expect_error("*1025\r\n", "too many");
}


static void
test_too_many_elements_in_all_are_refused(void **state)
{
    int  i, j, rc;

    (void) state;

    feed("*8\r\n");
    rc = 0;

    for (i = 0; i < 8 && rc == 0; i++) {
        feed("*1000\r\n");

        for (j = 0; j < 1000 && rc == 0; j++) {
            feed(":1\r\n");
        }

        rc = ngx_consent_reader_next(reader, &reply);
    }

    assert_int_equal(rc, -1);
    assert_non_null(strstr(ngx_consent_reader_error(reader), "too many"));
}


/* However long the string says that it is. */

static void
test_a_reply_too_large_is_refused_while_it_comes(void **state)
{
    int     rc;
    char    some[4096];
    size_t  n;

    (void) state;

    memset(some, 'x', sizeof(some));
    feed("$99999999999\r\n");

    n = 0;

    do {
        assert_true(ngx_consent_reader_feed(reader, some, sizeof(some)));
        n += sizeof(some);
        rc = ngx_consent_reader_next(reader, &reply);
    } while (rc == 0);

    assert_int_equal(rc, -1);
    assert_true(n <= NGX_CONSENT_REPLY_SIZE + sizeof(some));
    assert_non_null(strstr(ngx_consent_reader_error(reader), "too large"));
}


static void
test_many_strings_are_too_large_together(void **state)
{
    int   i, rc;
    char  some[8192];

    (void) state;

    memset(some, 'x', sizeof(some));
    memcpy(some, "$8183\r\n", 7);
    memcpy(some + 7 + 8183, "\r\n", 2);

    feed("*100\r\n");
    rc = 0;

    for (i = 0; i < 100 && rc == 0; i++) {
        assert_true(ngx_consent_reader_feed(reader, some, 8192));
        rc = ngx_consent_reader_next(reader, &reply);
    }

    assert_int_equal(rc, -1);
    assert_non_null(strstr(ngx_consent_reader_error(reader), "too large"));
}


/* The feed's messages name many keys. */

static void
test_other_limits_may_be_set(void **state)
{
    int  i;

    (void) state;

    ngx_consent_reader_limit(reader, 65536, 4 * 1024 * 1024);

    feed("*65536\r\n");

    for (i = 0; i < 65536; i++) {
        assert_int_equal(ngx_consent_reader_next(reader, &reply), 0);
        feed("$8\r\n12345678\r\n");
    }

    assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
    assert_true(ngx_consent_reply_flat(&reply, 65536));

    expect_error("*65537\r\n", "too many");
}


#define reply_test(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        reply_test(test_every_type_is_read),
        reply_test(test_an_array_comes_before_its_elements),
        reply_test(test_a_flat_array_has_as_many_elements_as_asked),
        reply_test(test_bytes_may_come_one_by_one),
        reply_test(test_replies_may_come_many_at_once),
        reply_test(test_strings_stay_where_they_are_while_memory_grows),
        reply_test(test_errors_are_told_by_their_first_word),
        reply_test(test_garbage_is_refused_for_good),
        reply_test(test_bad_lengths_are_refused),
        reply_test(test_four_arrays_in_each_other_are_read),
        reply_test(test_five_arrays_in_each_other_are_refused),
        reply_test(test_too_many_elements_are_refused_before_they_come),
        reply_test(test_too_many_elements_in_all_are_refused),
        reply_test(test_a_reply_too_large_is_refused_while_it_comes),
        reply_test(test_many_strings_are_too_large_together),
        reply_test(test_other_limits_may_be_set),
    };

    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
