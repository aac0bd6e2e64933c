/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What consentctl reads, apart from Redis and files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctl_net.h"
#include "ctl_proof.h"
#include "ctl_record.h"


static cg_str_t
text(const char *s)
{
    return (cg_str_t) { strlen(s), (const uint8_t *) s };
}


static void
test_spans(void **state)
{
    size_t   i;
    int64_t  seconds;

    static const struct {
        const char  *text;
        int64_t      seconds;       /* -1: it is none */
    } spans[] = {
        { "0", 0 }, { "90", 90 }, { "90s", 90 }, { "15m", 900 },
        { "1h", 3600 }, { "180d", 15552000 }, { "2w", 1209600 },
        { "13M", 33696000 }, { "6y", 189216000 }, { "68y", 2144448000 },
        { "2147483647", 2147483647 }, { "2147483648", -1 }, { "69y", -1 },
        { "", -1 }, { "s", -1 }, { "-1", -1 }, { "+1", -1 }, { " 1", -1 },
        { "1 d", -1 }, { "1D", -1 }, { "1d1h", -1 }, { "1.5h", -1 },
        { "99999999999999999999", -1 }, { "50ms", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        seconds = -1;
        assert_int_equal(ctl_time_span(spans[i].text, &seconds),
                         spans[i].seconds != -1);

        if (spans[i].seconds != -1) {
            assert_int_equal(seconds, spans[i].seconds);
        }
    }
}


static void
test_moments(void **state)
{
    char     back[32];
    size_t   i;
    int64_t  seconds;

    static const char *const  none[] = {
        "", "20260101", "999999999", "253402300800", "-1", "2026", "2026-13-01",
        "2026-02-29", "2026-04-31", "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z", "2026-01-01T12:00:00", "2026-01-01 ",
        " 2026-01-01", "1969-12-31", "2026-01-01T12:00:00+01:00", "tomorrow"
    };

    (void) state;

    assert_true(ctl_time_point("2026-01-01", &seconds));
    assert_int_equal(seconds, 1767225600);
    assert_string_equal(ctl_time_text(seconds, back), "2026-01-01T00:00:00Z");
    assert_true(ctl_time_point("2024-02-29T12:30Z", &seconds));
    assert_int_equal(seconds, 1709209800);
    assert_true(ctl_time_point("2026-01-01T00:00:01Z", &seconds));
    assert_int_equal(seconds, 1767225601);
    assert_true(ctl_time_point("1767225600", &seconds));
    assert_int_equal(seconds, 1767225600);
    assert_true(ctl_time_point("253402300799", &seconds));
    assert_string_equal(ctl_time_text(seconds, back), "9999-12-31T23:59:59Z");
    assert_string_equal(ctl_time_text(INT64_MAX, back), "?");

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(ctl_time_point(none[i], &seconds));
    }
}


static void
test_buckets(void **state)
{
    size_t  i;

    static const char *const  none[] = {
        "", "0", "0a", "0a33", "xyz", "{0a3", "0a3}", "{0a3}x", "{0a}", "{}",
        "{0a33}", " 0a3", "-a3"
    };

    (void) state;

    assert_int_equal(ctl_bucket_parse("000"), 0);
    assert_int_equal(ctl_bucket_parse("0a3"), 0x0a3);
    assert_int_equal(ctl_bucket_parse("{fff}"), 0xfff);

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(ctl_bucket_parse(none[i]), -1);
    }
}


static void
test_entries(void **state)
{
    char      back[CTL_AT];
    size_t    i;
    ctl_at_t  at, next;

    static const char *const  none[] = {
        "", "-", "1", "1-", "-1", "1-1-1", "01-1", "1-01", "a-1", "1-a",
        "18446744073709551616-0", "0-18446744073709551616"
    };

    (void) state;

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(ctl_at_parse(text(none[i]), &at));
    }

    assert_true(ctl_at_parse(text("5-6"), &at));
    assert_true(ctl_at_next(at, &next));
    assert_string_equal(ctl_at_text(next, back), "5-7");

    assert_true(ctl_at_parse(text("5-18446744073709551615"), &at));
    assert_true(ctl_at_next(at, &next));
    assert_string_equal(ctl_at_text(next, back), "6-0");
    assert_true(ctl_at_cmp(at, next) < 0);

    assert_false(ctl_at_next(ctl_at_end, &next));
}


/* Of several with one id the first in the stream is found. */

static void
test_order(void **state)
{
    size_t       i, list[6];
    ctl_event_t  events[6];

    static const uint8_t  ids[] = { 5, 3, 5, 1, 3, 9 };

    (void) state;
    memset(events, 0, sizeof(events));

    for (i = 0; i < 6; i++) {
        events[i].prev[15] = ids[i];
        list[i] = i;
    }

    ctl_order(list, 6, events, offsetof(ctl_event_t, prev));

    for (i = 0; i < 6; i++) {
        assert_int_equal(ctl_order_find(list, 6, events,
                                        offsetof(ctl_event_t, prev),
                                        events[i].prev),
                         i == 2 ? 0 : i == 4 ? 1 : i);
    }

    events[0].prev[0] = 1;
    assert_true(ctl_order_find(list, 0, events, offsetof(ctl_event_t, prev),
                               events[0].prev)
                == (size_t) -1);
    assert_true(ctl_order_find(list, 6, events, offsetof(ctl_event_t, id),
                               events[0].prev)
                == (size_t) -1);
}


static void
test_addresses(void **state)
{
    char      address[64];
    cg_str_t  host;

    (void) state;

    ctl_net_address(address, sizeof(address), text("::1"), 6379);
    assert_string_equal(address, "[::1]:6379");
    assert_true(ctl_net_host(address, &host));
    assert_true(cg_str_eq(host, text("::1")));

    ctl_net_address(address, sizeof(address), text("redis.test"), 1);
    assert_string_equal(address, "redis.test:1");
    assert_true(ctl_net_host(address, &host));
    assert_true(cg_str_eq(host, text("redis.test")));

    assert_true(ctl_net_host("redis.test", &host));
    assert_true(cg_str_eq(host, text("redis.test")));
    assert_false(ctl_net_host("unix:/run/redis.sock", &host));
}


static void
test_words(void **state)
{
    char    words[CTL_MAX_WORDS];
    size_t  i;

    static const char *const  fields[][3] = {
        { "d.terms", "20260101", "accepted in this version" },
        { "d.terms", "-", "declined" },
        { "d.terms", "x", "cannot be read" },
        { "p.ads", "1", "granted" },
        { "p.ads", "0", "refused" },
        { "p.ads", "2", "cannot be read" },
        { "age", "ok:16", "said to be at least 16" },
        { "age", "minor:13", "said to be younger than 13" },
        { "age", "", "cannot be read" },
        { "age", "ok", "cannot be read" },
        { "age", "minor:999999999999", "cannot be read" },
        { "eea", "20000", "last seen in the EEA on 2024-10-04" },
        { "eea", "x", "cannot be read" },
        { "rev", "1", "times written" },
        { "", "", "" }, { "d.", "1", "" }, { "x", "1", "" }
    };

    (void) state;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        assert_string_equal(ctl_field_words(text(fields[i][0]),
                                            text(fields[i][1]), words),
                            fields[i][2]);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
