/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ngx_consent_slots.h"


static ngx_consent_reader_t  *reader;
static ngx_consent_reply_t    reply;
static ngx_consent_range_t    range;


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
given(const char *text)
{
    assert_true(ngx_consent_reader_feed(reader, text, strlen(text)));
    assert_int_equal(ngx_consent_reader_next(reader, &reply), 1);
}


static uint16_t
slot_of(const char *key)
{
    return cg_slot((cg_str_t) { strlen(key), (const uint8_t *) key });
}


static bool
parse(const char *text, cg_redirect_t *r)
{
    return cg_redirect_parse(r, (cg_str_t) { strlen(text),
                                             (const uint8_t *) text });
}


static void
expect_host(cg_str_t host, const char *want)
{
    assert_int_equal(host.len, strlen(want));
    assert_memory_equal(host.data, want, host.len);
}


/* By CLUSTER KEYSLOT of Redis 7.0.15; the first is in its specification. */

static void
slots_are_those_of_redis(void **state)
{
    (void) state;

    assert_int_equal(slot_of("123456789"), 0x31c3);
    assert_int_equal(slot_of(""), 0);
    assert_int_equal(slot_of("foo"), 12182);
    assert_int_equal(slot_of("gc:p"), 7693);
    assert_int_equal(slot_of("{foo}bar"), slot_of("foo"));
    assert_int_equal(slot_of("a{foo}bar{zap}"), slot_of("foo"));
    assert_int_equal(slot_of("gc:s:{0a3}abc"), slot_of("gc:a:{0a3}"));
    assert_int_equal(slot_of("gc:s:{0a3}abc"), slot_of("0a3"));

    /* no tag: the whole key */
    assert_int_equal(slot_of("foo{}{bar}"), 8363);
    assert_int_equal(slot_of("{foo"), 13308);
    assert_int_equal(slot_of("foo}{"), 8134);
}


static void
redirections_are_read(void **state)
{
    cg_redirect_t  r;

    (void) state;

    assert_true(parse("MOVED 3999 127.0.0.1:6381", &r));
    assert_false(r.ask);
    assert_int_equal(r.slot, 3999);
    assert_int_equal(r.port, 6381);
    expect_host(r.host, "127.0.0.1");

    assert_true(parse("ASK 0 redis-1.internal:1", &r));
    assert_true(r.ask);
    assert_int_equal(r.slot, 0);
    assert_int_equal(r.port, 1);
    expect_host(r.host, "redis-1.internal");

    assert_true(parse("MOVED 16383 fd00::1:65535", &r));
    assert_int_equal(r.slot, 16383);
    assert_int_equal(r.port, 65535);
    expect_host(r.host, "fd00::1");

    assert_true(parse("MOVED 5 :6379", &r));
    assert_int_equal(r.host.len, 0);
}


static void
what_is_no_redirection_is_none(void **state)
{
    size_t         i;
    cg_redirect_t  r;

    static const char  *texts[] = {
        "", "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 1 a",
        "MOVED 1 a:", "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 a:-1",
        "MOVED 1 a:1x", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED 01 a:1",
        "MOVED x a:1", "MOVED 1  a:1", "MOVED 1 a b:1", "MOVED 1 a\n:1",
        "MOVED 1 ?:1", "MOVED 1 /tmp/x:1", "moved 1 a:1", "ASKED 1 a:1",
        "MOVEDX 1 a:1", "ERR MOVED 1 a:1", "TRYAGAIN 1 a:1"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (parse(texts[i], &r)) {
            fail_msg("taken: \"%s\"", texts[i]);
        }
    }
}


static void
hosts_have_a_form(void **state)
{
    char  name[CG_MAX_HOST + 2];

    (void) state;

    memset(name, 'a', sizeof(name));

    assert_true(cg_host_valid((cg_str_t) { CG_MAX_HOST, (uint8_t *) name }));
    assert_false(cg_host_valid((cg_str_t) { CG_MAX_HOST + 1,
                                            (uint8_t *) name }));
    assert_true(cg_host_valid(cg_str("Redis_1.example-host")));
    assert_true(cg_host_valid(cg_str("::1")));
    assert_false(cg_host_valid(cg_str("")));
    assert_false(cg_host_valid(cg_str("a b")));
    assert_false(cg_host_valid(cg_str("a\0b")));
    assert_false(cg_host_valid(cg_str("[::1]")));
    assert_false(cg_host_valid(cg_str("\xc3\xa4")));
}


/* As Redis 7 writes it, with a replica, names, and none of them. */

static void
ranges_come_one_by_one(void **state)
{
    size_t  pos = 0;

    (void) state;

    given("*3\r\n"
          "*4\r\n:0\r\n:5460\r\n"
          "*4\r\n$9\r\n127.0.0.1\r\n:7001\r\n$2\r\naa\r\n*0\r\n"
          "*4\r\n$9\r\n127.0.0.1\r\n:7004\r\n$2\r\nbb\r\n"
              "*2\r\n$8\r\nhostname\r\n$1\r\nx\r\n"
          "*3\r\n:5461\r\n:5461\r\n*3\r\n$0\r\n\r\n:7002\r\n$2\r\ncc\r\n"
          "*3\r\n:5462\r\n:16383\r\n*2\r\n$-1\r\n:7003\r\n");

    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 1);
    assert_int_equal(range.first, 0);
    assert_int_equal(range.last, 5460);
    assert_int_equal(range.port, 7001);
    expect_host(range.host, "127.0.0.1");

    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 1);
    assert_int_equal(range.first, 5461);
    assert_int_equal(range.last, 5461);
    assert_int_equal(range.port, 7002);
    assert_int_equal(range.host.len, 0);

    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 1);
    assert_int_equal(range.last, 16383);
    assert_int_equal(range.port, 7003);
    assert_int_equal(range.host.len, 0);

    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 0);
    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 0);
}


static void
the_address_of_a_node_is_beside_it(void **state)
{
    size_t  pos = 0;

    (void) state;

    given("*1\r\n*3\r\n:0\r\n:1\r\n*4\r\n$1\r\n?\r\n:7001\r\n$2\r\naa\r\n"
          "*4\r\n$1\r\nx\r\n$1\r\ny\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n");

    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 1);
    expect_host(range.host, "10.0.0.1");

    pos = 0;
    given("*1\r\n*3\r\n:0\r\n:1\r\n*4\r\n$1\r\n?\r\n:7001\r\n$2\r\naa\r\n"
          "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), -1);

    pos = 0;
    given("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n?\r\n:7001\r\n");
    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), -1);
}


static void
what_is_no_table_of_slots_is_refused(void **state)
{
    size_t  i, pos;

    static const char  *texts[] = {
        "+OK\r\n",
        "$-1\r\n",
        ":1\r\n",
        "*1\r\n+OK\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n+x\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na b\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        given(texts[i]);

        pos = 0;

        if (ngx_consent_slots_next(&reply, &pos, &range) != -1) {
            fail_msg("taken: \"%s\"", texts[i]);
        }
    }

    given("*0\r\n");
    pos = 0;
    assert_int_equal(ngx_consent_slots_next(&reply, &pos, &range), 0);
}


static void
a_sentinel_tells_the_master(void **state)
{
    size_t    i;
    cg_str_t  host;
    uint16_t  port;

    static const char  *texts[] = {
        "+OK\r\n", "*0\r\n", "*1\r\n$1\r\na\r\n",
        "*2\r\n$1\r\na\r\n$1\r\n0\r\n", "*2\r\n$1\r\na\r\n$1\r\nx\r\n",
        "*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
        "*2\r\n$1\r\n?\r\n$1\r\n1\r\n", "*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
        "*2\r\n*0\r\n$1\r\n1\r\n", "*3\r\n$1\r\na\r\n$1\r\n1\r\n+x\r\n"
    };

    (void) state;

    given("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n");
    assert_int_equal(ngx_consent_master_parse(&reply, &host, &port), 1);
    assert_int_equal(port, 6379);
    expect_host(host, "127.0.0.1");

    given("*-1\r\n");
    assert_int_equal(ngx_consent_master_parse(&reply, &host, &port), 0);

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        given(texts[i]);

        if (ngx_consent_master_parse(&reply, &host, &port) != -1) {
            fail_msg("taken: \"%s\"", texts[i]);
        }
    }
}


#define reply_test(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(redirections_are_read),
        cmocka_unit_test(what_is_no_redirection_is_none),
        cmocka_unit_test(hosts_have_a_form),
        reply_test(ranges_come_one_by_one),
        reply_test(the_address_of_a_node_is_beside_it),
        reply_test(what_is_no_table_of_slots_is_refused),
        reply_test(a_sentinel_tells_the_master),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
