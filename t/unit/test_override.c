/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../src/core/cg_override.h"


#define KEYS  "subject 000102030405060708090a0b0c0d0e0f\n"                    \
              "sign k1 101112131415161718191a1b1c1d1e1f\n"
#define NOON  1527249600    /* 2018-05-25T12:00:00Z */

#define S(s)  ((cg_str_t) { strlen(s), (const uint8_t *) (s) })
#define N(a)  (sizeof(a) / sizeof((a)[0]))


static const cg_str_t  realm = { 4, (const uint8_t *) "shop" };


static cg_keys_t
keys(const char *text)
{
    unsigned   line;
    cg_keys_t  k;

    assert_null(cg_keys_parse(&k, S(text), &line));

    return k;
}


static cg_override_t
override(void)
{
    cg_override_t  o;

    memset(&o, 0, sizeof(o));

    o.expires = 1000;
    memset(o.id, 9, sizeof(o.id));
    o.realm_len = realm.len;
    memcpy(o.realm, realm.data, realm.len);

    return o;
}


static const char *
word(cg_override_t *o, const char *name, const char *value)
{
    return cg_override_word(o, S(name), S(value));
}


static const char *
text(const cg_override_t *o)
{
    cg_out_t     out;
    static char  buf[CG_OVERRIDE_TEXT + 1];

    cg_out_init(&out, buf, CG_OVERRIDE_TEXT);
    cg_override_text(o, &out);
    assert_false(out.overflow);
    buf[cg_out_len(&out)] = '\0';

    return buf;
}


static void
words_are_read_and_written(void **state)
{
    size_t         i;
    char           expected[128];
    cg_override_t  o;

    static const struct {
        const char  *name, *value, *written;
    } rows[] = {
        { "country", "DE", "DE" },
        { "country", "de", "DE" },
        { "country", "UK", "GB" },
        { "country", "el", "GR" },
        { "country", "unknown", "unknown" },
        { "anonymizer", "vpn", "vpn" },
        { "anonymizer", "residential_proxy", "residential_proxy" },
        { "time", "+30d", "+30d" },
        { "time", "+14d", "+2w" },
        { "time", "-3600s", "-1h" },
        { "time", "+90s", "+90s" },
        { "time", "+0s", "+0w" },
        { "time", "2018-05-25", "2018-05-25T00:00:00Z" },
        { "time", "2018-05-25T12:00", "2018-05-25T12:00:00Z" },
        { "time", "2018-05-25T12:00:01Z", "2018-05-25T12:00:01Z" },
        { "time", "2024-02-29", "2024-02-29T00:00:00Z" },
        { "time", "1970-01-01", "1970-01-01T00:00:00Z" },
        { "time", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
        { "time", "1527249600", "2018-05-25T12:00:00Z" },
        { "record", "new", "new" },
        { "record", "no_age", "no_age" },
        { "residence", "us", "US" },
        { "history", "0", "0" },
        { "history", "200", "200" },
        { "label", "anna@qa-1.x_y", "anna@qa-1.x_y" }
    };

    (void) state;

    for (i = 0; i < N(rows); i++) {
        o = override();

        assert_null(word(&o, rows[i].name, rows[i].value));
        snprintf(expected, sizeof(expected), "%s=%s", rows[i].name,
                 rows[i].written);
        assert_string_equal(text(&o), expected);

        assert_null(word(&o, rows[i].name, ""));
        assert_string_equal(text(&o), "");
        assert_true(cg_override_empty(&o));
    }
}


static void
what_is_no_word_is_refused(void **state)
{
    size_t         i;
    cg_override_t  o, before;

    static const char  *rows[][2] = {
        { "country", "XX" }, { "country", "DEU" }, { "country", "D" },
        { "country", "A1" }, { "country", "DE " }, { "country", "Unknown" },
        { "anonymizer", "VPN" }, { "anonymizer", "none" },
        { "anonymizer", "vpn,tor" },
        { "time", "+" }, { "time", "-" }, { "time", "+d" }, { "time", "30d" },
        { "time", "+30" }, { "time", "+-30d" }, { "time", "+30y" },
        { "time", "+036d" }, { "time", "+36526d" },
        { "time", "+99999999999999999999s" },
        { "time", "253402300800" }, { "time", "2018-02-29" },
        { "time", "2018-13-01" }, { "time", "2018-00-10" },
        { "time", "2018-05-00" }, { "time", "2018-05-32" },
        { "time", "1969-12-31" }, { "time", "2018-05-25 12:00" },
        { "time", "2018-05-25T24:00" }, { "time", "2018-05-25T12:60" },
        { "time", "2018-05-25T12:00:60" }, { "time", "2018-05-25T12:00+02" },
        { "time", "2018-5-25" }, { "time", "tomorrow" },
        { "time", "2018-05-25T12:00:0Z" }, { "time", "Z" },
        { "record", "Accepted" }, { "record", "found" },
        { "residence", "unknown" }, { "residence", "T1" },
        { "history", "-1" }, { "history", "01" }, { "history", "36526" },
        { "label", "a b" }, { "label", "a;b" }, { "label", "\r\n" },
        { "label", "123456789012345678901234567890123" },
        { "contry", "DE" }, { "", "DE" }
    };

    (void) state;

    for (i = 0; i < N(rows); i++) {
        o = before = override();

        if (word(&o, rows[i][0], rows[i][1]) == NULL) {
            fail_msg("%s=%s is taken", rows[i][0], rows[i][1]);
        }

        assert_memory_equal(&o, &before, sizeof(o));
    }
}


static void
all_words_together(void **state)
{
    cg_override_t  o = override();

    (void) state;

    assert_null(word(&o, "label", "12345678901234567890123456789012"));
    assert_null(word(&o, "history", "36525"));
    assert_null(word(&o, "residence", "US"));
    assert_null(word(&o, "record", "declined"));
    assert_null(word(&o, "time", "2018-05-25T12:00:01Z"));
    assert_null(word(&o, "anonymizer", "residential_proxy"));
    assert_null(word(&o, "country", "unknown"));

    assert_string_equal(text(&o), "country=unknown; "
        "anonymizer=residential_proxy; time=2018-05-25T12:00:01Z; "
        "record=declined; residence=US; history=36525; "
        "label=12345678901234567890123456789012");
    assert_false(cg_override_empty(&o));
}


static void
every_day_is_itself(void **state)
{
    char           expected[64];
    int64_t        day;
    cg_override_t  o = override(), again = override();

    (void) state;

    for (day = 0; day < 60000; day += 1) {
        o.clock = CG_TIME_AT;
        o.time = day * 86400 + day % 86400;
        snprintf(expected, sizeof(expected), "%s", text(&o) + 5);

        assert_null(word(&again, "time", expected));
        assert_int_equal(again.time, o.time);
    }
}


static void
what_is_sealed_is_opened(void **state)
{
    size_t         n;
    uint8_t        token[CG_MAX_TOKEN];
    cg_keys_t      k = keys(KEYS);
    cg_str_t       t;
    cg_override_t  in = override(), out;

    (void) state;

    word(&in, "country", "DE");
    word(&in, "anonymizer", "tor");
    word(&in, "time", "-30d");
    word(&in, "record", "outdated");
    word(&in, "residence", "US");
    word(&in, "history", "10");
    word(&in, "label", "anna");

    n = cg_override_seal(&k, &in, token);
    t = (cg_str_t) { n, token };

    assert_true(n > 0);
    assert_true(cg_override_open(&k, &out, t, realm, 999));
    assert_memory_equal(&in, &out, sizeof(in));

    assert_false(cg_override_open(&k, &out, t, realm, 1000));
    assert_false(cg_override_open(&k, &out, t, cg_str("sho"), 999));
    assert_false(cg_override_open(&k, &out, t, cg_str("shops"), 999));
    assert_false(cg_override_open(&k, &out, t, cg_str(""), 999));
    assert_true(cg_override_open(&k, &out, t, realm,
                                 1000 - CG_OVERRIDE_MAX_TTL));
    assert_false(cg_override_open(&k, &out, t, realm,
                                  999 - CG_OVERRIDE_MAX_TTL));

    cg_keys_free(&k);
}


static void
every_byte_counts(void **state)
{
    size_t         i, n;
    unsigned       bit;
    uint8_t        token[CG_MAX_TOKEN + 1];
    cg_keys_t      k = keys(KEYS);
    cg_override_t  in = override(), out;

    (void) state;

    word(&in, "country", "DE");
    n = cg_override_seal(&k, &in, token);

    for (i = 0; i < n; i++) {
        for (bit = 0; bit < 8; bit++) {
            token[i] ^= (uint8_t) (1 << bit);
            assert_false(cg_override_open(&k, &out, (cg_str_t) { n, token },
                                          realm, 1));
            token[i] ^= (uint8_t) (1 << bit);
        }

        assert_false(cg_override_open(&k, &out, (cg_str_t) { i, token },
                                      realm, 1));
    }

    token[n] = 'A';
    assert_false(cg_override_open(&k, &out, (cg_str_t) { n + 1, token },
                                  realm, 1));

    cg_keys_free(&k);
}


static void
a_token_of_another_kind_or_key(void **state)
{
    size_t         n, m;
    uint8_t        token[CG_MAX_TOKEN], payload[CG_MAX_PAYLOAD];
    cg_keys_t      k = keys(KEYS);
    cg_keys_t      other = keys("subject 000102030405060708090a0b0c0d0e0f\n"
                                "sign k1 201112131415161718191a1b1c1d1e1f\n");
    cg_override_t  in = override(), out;

    (void) state;

    n = cg_override_seal(&other, &in, token);
    assert_false(cg_override_open(&k, &out, (cg_str_t) { n, token }, realm,
                                  1));

    m = cg_override_encode(&in, payload);
    n = cg_token_seal(&k, CG_TOKEN_LINK, (cg_str_t) { m, payload }, token);
    assert_false(cg_override_open(&k, &out, (cg_str_t) { n, token }, realm,
                                  1));

    cg_keys_free(&k);
    cg_keys_free(&other);
}


static void
what_is_out_of_range_is_not_sealed(void **state)
{
    uint8_t        payload[CG_MAX_PAYLOAD];
    cg_override_t  o;

    (void) state;

#define refused(change)                                                       \
    o = override();                                                           \
    change;                                                                   \
    assert_int_equal(cg_override_encode(&o, payload), 0)

    refused(o.expires = 0);
    refused(o.country = cg_cc("DE"));
    refused(o.has_country = true; o.country = CG_CC_COUNT);
    refused(o.anonymizer = CG_ANONYMIZERS);
    refused(o.clock = 3);
    refused(o.time = 1);
    refused(o.clock = CG_TIME_AT; o.time = -1);
    refused(o.clock = CG_TIME_AT; o.time = 253402300800);
    refused(o.clock = CG_TIME_OFFSET; o.time = 3155760001);
    refused(o.clock = CG_TIME_OFFSET; o.time = INT64_MIN);
    refused(o.pretend = CG_PRETENDS);
    refused(o.residence = CG_CC_TOR);
    refused(o.history = 1);
    refused(o.has_history = true; o.history = 36526);
    refused(o.realm_len = CG_MAX_REALM + 1);
    refused(o.label_len = 1);
    refused(o.label_len = CG_MAX_LABEL + 1);
}


static void
the_time_of_a_tester(void **state)
{
    cg_override_t  o = override();

    (void) state;

    assert_int_equal(cg_override_now(&o, NOON), NOON);
    word(&o, "time", "+1d");
    assert_int_equal(cg_override_now(&o, NOON), NOON + 86400);
    word(&o, "time", "-100w");
    assert_int_equal(cg_override_now(&o, 5), 0);
    word(&o, "time", "2018-05-25T12:00");
    assert_int_equal(cg_override_now(&o, 5), NOON);
}


static void
any_policies(cg_policies_t *p)
{
    memset(p, 0, sizeof(cg_policies_t));

    p->ndocs = 2;
    p->npurposes = 2;

    assert_null(cg_policy_parse(&p->docs[0], cg_str("version=9 required=7")));
    assert_null(cg_policy_parse(&p->docs[1], cg_str("version=3 required=3")));
}


/* Each state gives the decision that it is called after. */

static void
what_is_pretended_is_decided(void **state)
{
    size_t         i;
    cg_facts_t     f;
    cg_record_t    record;
    cg_override_t  o;
    cg_policies_t  p;
    cg_settings_t  s;
    cg_decision_t  d;

    static const struct {
        const char  *record;
        uint8_t      lookup, outcome, reason;
    } rows[] = {
        { "new", CG_LOOKUP_ABSENT, CG_PAGE, CG_REASON_MISSING },
        { "accepted", CG_LOOKUP_FOUND, CG_PASS, CG_REASON_ACCEPTED },
        { "notice", CG_LOOKUP_FOUND, CG_NOTICE, CG_REASON_NOTICE },
        { "outdated", CG_LOOKUP_FOUND, CG_PAGE, CG_REASON_OUTDATED },
        { "declined", CG_LOOKUP_FOUND, CG_PAGE, CG_REASON_DECLINED },
        { "refused", CG_LOOKUP_FOUND, CG_REFUSE, CG_REASON_PURPOSE },
        { "no_age", CG_LOOKUP_FOUND, CG_PAGE, CG_REASON_AGE_UNCONFIRMED },
        { "minor", CG_LOOKUP_FOUND, CG_AGE_PAGE, CG_REASON_UNDER_AGE },
        { "failed", CG_LOOKUP_FAILED, CG_UNAVAILABLE, CG_REASON_STORE_DOWN }
    };

    (void) state;

    any_policies(&p);

    memset(&s, 0, sizeof(s));
    s.mode = CG_MODE_ON;
    s.closed = true;
    s.ask_age = true;
    s.documents = 3;
    s.purposes = 1;
    cg_territory_eea(&s.territory);

    for (i = 0; i < N(rows); i++) {
        o = override();
        assert_false(cg_override_pretends(&o));
        assert_null(word(&o, "record", rows[i].record));
        assert_true(cg_override_pretends(&o));

        memset(&f, 0, sizeof(f));
        f.country = cg_cc("DE");
        f.record = &record;
        f.lookup = (uint8_t) cg_override_record(&o, &record, &p, NOON);
        assert_int_equal(f.lookup, rows[i].lookup);

        /* who is new has told no age either */

        s.ask_age = rows[i].lookup == CG_LOOKUP_FOUND;

        cg_decide(&d, &f, &s, &p, NOON);

        if (d.outcome != rows[i].outcome || d.reason != rows[i].reason) {
            fail_msg("%s: %s", rows[i].record,
                     (char *) cg_reason_name(d.reason).data);
        }
    }
}


static void
residence_and_history_are_pretended_too(void **state)
{
    cg_record_t    record;
    cg_override_t  o = override();
    cg_policies_t  p;

    (void) state;

    any_policies(&p);

    assert_int_equal(cg_override_record(&o, &record, &p, NOON),
                     CG_LOOKUP_NONE);

    word(&o, "residence", "US");
    assert_int_equal(cg_override_record(&o, &record, &p, NOON),
                     CG_LOOKUP_FOUND);
    assert_int_equal(record.residence, cg_cc("US"));
    assert_int_equal(record.accepted[0], 0);
    assert_int_equal(record.eea_day, 0);

    word(&o, "history", "10");
    word(&o, "record", "accepted");
    assert_int_equal(cg_override_record(&o, &record, &p, NOON),
                     CG_LOOKUP_FOUND);
    assert_int_equal(record.residence, cg_cc("US"));
    assert_int_equal(record.accepted[0], 9);
    assert_int_equal(record.eea_day, NOON / 86400 - 10);

    word(&o, "history", "36000");
    assert_int_equal(cg_override_record(&o, &record, &p, NOON),
                     CG_LOOKUP_FOUND);
    assert_int_equal(record.eea_day, 1);
}


static void
test_subjects_are_kept_apart(void **state)
{
    uint8_t        a[8], b[8];
    cg_keys_t      k = keys(KEYS);
    cg_override_t  o = override(), p = override();

    (void) state;

    assert_true(cg_override_salt(&o, &k, a));
    assert_true(cg_override_salt(&p, &k, b));
    assert_memory_equal(a, b, 8);

    p.id[0] ^= 1;
    assert_true(cg_override_salt(&p, &k, b));
    assert_memory_not_equal(a, b, 8);

    memset(o.id, 0, sizeof(o.id));
    word(&o, "country", "DE");
    assert_false(cg_override_salt(&o, &k, a));

    word(&o, "record", "accepted");
    assert_true(cg_override_salt(&o, &k, a));
    word(&o, "record", "outdated");
    assert_true(cg_override_salt(&o, &k, b));
    assert_memory_not_equal(a, b, 8);

    cg_keys_free(&k);
}


static void
how_long_a_token_lives(void **state)
{
    (void) state;

    assert_int_equal(cg_override_ttl(cg_str("1h")), 3600);
    assert_int_equal(cg_override_ttl(cg_str("30d")), CG_OVERRIDE_MAX_TTL);
    assert_int_equal(cg_override_ttl(cg_str("31d")), 0);
    assert_int_equal(cg_override_ttl(cg_str("0s")), 0);
    assert_int_equal(cg_override_ttl(cg_str("1")), 0);
    assert_int_equal(cg_override_ttl(cg_str("")), 0);
    assert_int_equal(cg_override_ttl(cg_str("-1h")), 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(words_are_read_and_written),
        cmocka_unit_test(what_is_no_word_is_refused),
        cmocka_unit_test(all_words_together),
        cmocka_unit_test(every_day_is_itself),
        cmocka_unit_test(what_is_sealed_is_opened),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(a_token_of_another_kind_or_key),
        cmocka_unit_test(what_is_out_of_range_is_not_sealed),
        cmocka_unit_test(the_time_of_a_tester),
        cmocka_unit_test(what_is_pretended_is_decided),
        cmocka_unit_test(residence_and_history_are_pretended_too),
        cmocka_unit_test(test_subjects_are_kept_apart),
        cmocka_unit_test(how_long_a_token_lives)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
