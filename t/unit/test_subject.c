/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_request.h"
#include "cg_subject.h"


#define KEY_A  "000102030405060708090a0b0c0d0e0f"
#define KEY_B  "101112131415161718191a1b1c1d1e1f"
#define KEY_C  "202122232425262728292a2b2c2d2e2f"
#define SIGN   "sign k1 " KEY_C "\n"


static cg_keys_t  keys;         /* subject A */
static cg_keys_t  rotated;      /* subject B, subject-previous A */
static cg_keys_t  later;        /* subject B */

static const uint8_t  visitor_id[CG_VISITOR_ID_LEN] = "0123456789abcdef";


static int
set_up(void **state)
{
    unsigned  line;

    (void) state;

    return cg_keys_parse(&keys, cg_str("subject " KEY_A "\n" SIGN), &line)
           != NULL
           || cg_keys_parse(&rotated, cg_str("subject " KEY_B "\n"
                            "subject-previous " KEY_A "\n" SIGN), &line)
              != NULL
           || cg_keys_parse(&later, cg_str("subject " KEY_B "\n" SIGN), &line)
              != NULL;
}


static int
tear_down(void **state)
{
    (void) state;

    cg_keys_free(&keys);
    cg_keys_free(&rotated);
    cg_keys_free(&later);

    return 0;
}


/* The message is spelled out here, so that a change of it does not pass. */

static void
test_the_message_of_a_pseudonym(void **state)
{
    uint8_t       mac[CG_HMAC_LEN];
    cg_str_t      message = cg_str("\x02\x00\x04shop\x00\x02" "42");
    cg_subject_t  s;

    (void) state;

    assert_true(cg_subject_derive(&s, &keys, CG_SUBJECT_ACCOUNT,
                                  cg_str("shop"), cg_str("42")));
    assert_true(cg_hmac(&keys.subject, &message, 1, mac));

    assert_int_equal(s.kind, CG_SUBJECT_ACCOUNT);
    assert_false(s.has_previous);
    assert_memory_equal(s.current.id, mac, CG_SUBJECT_ID_LEN);
    assert_memory_equal(s.current.check, mac + CG_SUBJECT_ID_LEN,
                        CG_SUBJECT_CHECK_LEN);
}


static void
test_no_two_subjects_share_a_pseudonym(void **state)
{
    size_t        i, j;
    cg_subject_t  s[16];

    static const struct {
        cg_subject_e  kind;
        cg_str_t      realm;
        cg_str_t      id;
    } who[] = {
        { CG_SUBJECT_ACCOUNT, { 1, (uint8_t *) "a" }, { 2, (uint8_t *) "bc" } },
        { CG_SUBJECT_ACCOUNT, { 2, (uint8_t *) "ab" }, { 1, (uint8_t *) "c" } },
        { CG_SUBJECT_ACCOUNT, { 3, (uint8_t *) "abc" }, { 0, NULL } },
        { CG_SUBJECT_ACCOUNT, { 0, NULL }, { 3, (uint8_t *) "abc" } },
        { CG_SUBJECT_ACCOUNT, { 0, NULL }, { 0, NULL } },
        { CG_SUBJECT_ACCOUNT, { 2, (uint8_t *) "ab" },
          { 2, (uint8_t *) "c\0" } },
        { CG_SUBJECT_ACCOUNT, { 2, (uint8_t *) "ab" }, { 1, (uint8_t *) "C" } },
        { CG_SUBJECT_TEST, { 1, (uint8_t *) "a" }, { 2, (uint8_t *) "bc" } },
        { CG_SUBJECT_VISITOR, { 1, (uint8_t *) "a" }, { 2, (uint8_t *) "bc" } },

        /* an account that is named as a visitor's bytes */
        { CG_SUBJECT_VISITOR, { 1, (uint8_t *) "a" }, { 16, visitor_id } },
        { CG_SUBJECT_ACCOUNT, { 1, (uint8_t *) "a" }, { 16, visitor_id } },
        { CG_SUBJECT_TEST, { 1, (uint8_t *) "a" }, { 16, visitor_id } },

        /* lengths inside the id that imitate those of the message */
        { CG_SUBJECT_ACCOUNT, { 1, (uint8_t *) "a" },
          { 4, (uint8_t *) "\0\2bc" } },
        { CG_SUBJECT_ACCOUNT, { 5, (uint8_t *) "a\0\2bc" }, { 0, NULL } },
    };

    (void) state;

    for (i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
        assert_true(cg_subject_derive(&s[i], &keys, who[i].kind, who[i].realm,
                                      who[i].id));

        for (j = 0; j < i; j++) {
            assert_memory_not_equal(s[i].current.id, s[j].current.id,
                                    CG_SUBJECT_ID_LEN);
        }
    }
}


static void
test_a_pseudonym_belongs_to_its_key(void **state)
{
    cg_subject_t  before, during, after;

    (void) state;

    assert_true(cg_subject_derive(&before, &keys, CG_SUBJECT_ACCOUNT,
                                  cg_str("shop"), cg_str("42")));
    assert_true(cg_subject_derive(&during, &rotated, CG_SUBJECT_ACCOUNT,
                                  cg_str("shop"), cg_str("42")));
    assert_true(cg_subject_derive(&after, &later, CG_SUBJECT_ACCOUNT,
                                  cg_str("shop"), cg_str("42")));

    assert_true(during.has_previous);
    assert_memory_equal(&during.previous, &before.current,
                        sizeof(cg_pseudonym_t));
    assert_memory_equal(&during.current, &after.current,
                        sizeof(cg_pseudonym_t));
    assert_memory_not_equal(before.current.id, after.current.id,
                            CG_SUBJECT_ID_LEN);
}


static void
test_long_ids(void **state)
{
    uint8_t       *id;
    cg_subject_t   a, b;

    (void) state;

    id = calloc(1, UINT16_MAX + 1);
    assert_non_null(id);

    assert_true(cg_subject_derive(&a, &keys, CG_SUBJECT_ACCOUNT, cg_str("r"),
                                  (cg_str_t) { UINT16_MAX - 1, id }));
    assert_true(cg_subject_derive(&b, &keys, CG_SUBJECT_ACCOUNT, cg_str("r"),
                                  (cg_str_t) { UINT16_MAX, id }));
    assert_memory_not_equal(a.current.id, b.current.id, CG_SUBJECT_ID_LEN);

    assert_true(cg_subject_derive(&a, &keys, CG_SUBJECT_ACCOUNT,
                                  (cg_str_t) { UINT16_MAX, id },
                                  cg_str("42")));

    assert_false(cg_subject_derive(&a, &keys, CG_SUBJECT_ACCOUNT, cg_str("r"),
                                   (cg_str_t) { UINT16_MAX + 1, id }));
    assert_false(cg_subject_derive(&a, &keys, CG_SUBJECT_ACCOUNT,
                                   (cg_str_t) { UINT16_MAX + 1, id },
                                   cg_str("42")));
    free(id);
}


static void
test_no_subject_has_no_pseudonym(void **state)
{
    cg_subject_t  s;

    (void) state;

    assert_false(cg_subject_derive(&s, &keys, CG_SUBJECT_NONE, cg_str("r"),
                                   cg_str("42")));
    assert_false(cg_subject_derive(&s, &keys, (cg_subject_e) 'c',
                                   cg_str("r"), cg_str("42")));
    assert_int_equal(s.kind, CG_SUBJECT_NONE);
}


static void
test_keys_of_the_store(void **state)
{
    size_t          n;
    uint8_t         key[CG_MAX_KEY];
    cg_pseudonym_t  p = { .id = "\x0a\x3f" };

    static const char  record[] = "gc:s:{0a3}Cj8AAAAAAAAAAAAAAAAAAA";

    (void) state;

    n = cg_subject_key(&p, cg_str("gc:"), 's', key);
    assert_int_equal(n, sizeof(record) - 1);
    assert_memory_equal(key, record, n);

    n = cg_subject_key(&p, cg_str("gc:"), 'a', key);
    assert_int_equal(n, 10);
    assert_memory_equal(key, "gc:a:{0a3}", n);

    n = cg_subject_key(&p, cg_str(""), 'a', key);
    assert_memory_equal(key, "a:{0a3}", n);
}


static void
test_the_bucket_is_the_first_12_bits(void **state)
{
    uint8_t         key[2][CG_MAX_KEY];
    cg_pseudonym_t  p = { .id = "\xff\xe0" };

    (void) state;

    cg_subject_key(&p, cg_str(""), 'a', key[0]);
    p.id[1] = 0xef;
    cg_subject_key(&p, cg_str(""), 'a', key[1]);
    assert_memory_equal(key[0], key[1], 7);

    p.id[1] = 0xf0;
    cg_subject_key(&p, cg_str(""), 'a', key[1]);
    assert_memory_equal(key[1], "a:{fff}", 7);
}


static void
test_the_longest_prefix_fits(void **state)
{
    uint8_t         key[CG_MAX_KEY], prefix[CG_MAX_PREFIX + 1];
    cg_pseudonym_t  p = { .id = "" };

    (void) state;

    memset(prefix, 'x', sizeof(prefix));

    assert_int_equal(cg_subject_key(&p, (cg_str_t) { CG_MAX_PREFIX, prefix },
                                    's', key), CG_MAX_KEY);
    assert_int_equal(cg_subject_key(&p,
                                    (cg_str_t) { CG_MAX_PREFIX + 1, prefix },
                                    's', key), 0);
}


static void
test_a_visitor_cookie_opens(void **state)
{
    uint8_t   text[CG_VISITOR_TEXT], id[CG_VISITOR_ID_LEN];
    cg_str_t  cookie = { CG_VISITOR_TEXT, text };

    (void) state;

    cg_visitor_seal(&keys, visitor_id, text);

    assert_true(cg_visitor_open(&keys, cookie, id));
    assert_memory_equal(id, visitor_id, CG_VISITOR_ID_LEN);
}


static void
test_a_visitor_cookie_outlives_one_rotation(void **state)
{
    uint8_t   text[CG_VISITOR_TEXT], id[CG_VISITOR_ID_LEN];
    cg_str_t  cookie = { CG_VISITOR_TEXT, text };

    (void) state;

    cg_visitor_seal(&keys, visitor_id, text);
    assert_true(cg_visitor_open(&rotated, cookie, id));
    assert_memory_equal(id, visitor_id, CG_VISITOR_ID_LEN);
    assert_false(cg_visitor_open(&later, cookie, id));

    cg_visitor_seal(&rotated, visitor_id, text);
    assert_true(cg_visitor_open(&later, cookie, id));
    assert_false(cg_visitor_open(&keys, cookie, id));
}


static void
test_no_other_byte_of_a_visitor_cookie_opens(void **state)
{
    int       c;
    size_t    i;
    uint8_t   text[CG_VISITOR_TEXT], good[CG_VISITOR_TEXT];
    uint8_t   id[CG_VISITOR_ID_LEN];
    cg_str_t  cookie = { CG_VISITOR_TEXT, text };

    (void) state;

    cg_visitor_seal(&keys, visitor_id, good);

    for (i = 0; i < CG_VISITOR_TEXT; i++) {
        for (c = 0; c < 256; c++) {
            memcpy(text, good, CG_VISITOR_TEXT);
            text[i] = (uint8_t) c;

            assert_int_equal(cg_visitor_open(&keys, cookie, id),
                             c == good[i]);
        }
    }
}


static void
test_a_visitor_cookie_has_one_length(void **state)
{
    size_t   len;
    uint8_t  text[CG_VISITOR_TEXT + 4], id[CG_VISITOR_ID_LEN];

    (void) state;

    memset(text, 'A', sizeof(text));
    cg_visitor_seal(&keys, visitor_id, text);

    for (len = 0; len <= sizeof(text); len++) {
        assert_int_equal(cg_visitor_open(&keys, (cg_str_t) { len, text }, id),
                         len == CG_VISITOR_TEXT);
    }
}


/* Without "subject-previous" its SipHash key is zeros, which all know. */

static void
test_the_absent_previous_key_opens_nothing(void **state)
{
    uint8_t    text[CG_VISITOR_TEXT], id[CG_VISITOR_ID_LEN];
    cg_keys_t  zeros = { .nsign = 0 };

    (void) state;

    cg_visitor_seal(&zeros, visitor_id, text);

    assert_false(cg_visitor_open(&keys, (cg_str_t) { CG_VISITOR_TEXT, text },
                                 id));
}


/* The same header, read cookie by cookie. */

static bool
find_visitor(const cg_keys_t *k, cg_str_t header, uint8_t id[16])
{
    size_t    next = 0;
    cg_str_t  value;

    while (cg_cookie_next(header, cg_str("consent"), &next, &value)) {
        if (cg_visitor_open(k, value, id)) {
            return true;
        }
    }

    return false;
}


/*
 * Headers of random pieces, cut off anywhere: a visitor is found in them if
 * one cookie after the other would have been tried.
 */

static void
test_a_visitor_is_found_among_cookies(void **state)
{
    size_t    len, n, found;
    uint8_t   text[CG_VISITOR_TEXT], old[CG_VISITOR_TEXT], id[16], good[16];
    uint8_t  *copy;
    char      header[512];
    bool      expected;
    uint32_t  x = 20180525;
    cg_str_t  piece;

    const cg_str_t  pieces[] = {
        { sizeof(text), text }, { sizeof(old), old }, { 31, text },
        cg_str("consent="), cg_str("consent="), cg_str("consent="),
        cg_str("consent"), cg_str("xconsent="), cg_str("consent-receipt="),
        cg_str("consen="), cg_str("a=b"), cg_str("="), cg_str(";"),
        cg_str("; "), cg_str(";"), cg_str(" "), cg_str("\t"), cg_str("x")
    };

    (void) state;

    cg_visitor_seal(&rotated, visitor_id, text);
    cg_visitor_seal(&keys, (const uint8_t *) "fedcba9876543210", old);
    found = 0;

    for (size_t i = 0; i < 200000; i++) {
        len = 0;

        for (n = 0; n < i % 12; n++) {
            x = x * 1664525 + 1013904223;
            piece = pieces[(x >> 16) % (sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(header + len, piece.data, piece.len);
            len += piece.len;
        }

        if (i % 5 == 0 && len != 0) {
            len -= (x >> 8) % len;
        }

        /* of its own size, so that a sanitizer sees its end */

        copy = len != 0 ? malloc(len) : NULL;

        if (copy != NULL) {
            memcpy(copy, header, len);
        }

        expected = find_visitor(&rotated, (cg_str_t) { len, copy }, good);

        assert_int_equal(cg_visitor_find(&rotated, (cg_str_t) { len, copy },
                                         cg_str("consent"), id),
                         expected);

        if (expected) {
            assert_memory_equal(id, good, sizeof(id));
            found++;
        }

        free(copy);
    }

    assert_in_range(found, 1000, 100000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_the_message_of_a_pseudonym),
        cmocka_unit_test(test_no_two_subjects_share_a_pseudonym),
        cmocka_unit_test(test_a_pseudonym_belongs_to_its_key),
        cmocka_unit_test(test_long_ids),
        cmocka_unit_test(test_no_subject_has_no_pseudonym),
        cmocka_unit_test(test_keys_of_the_store),
        cmocka_unit_test(test_the_bucket_is_the_first_12_bits),
        cmocka_unit_test(test_the_longest_prefix_fits),
        cmocka_unit_test(test_a_visitor_cookie_opens),
        cmocka_unit_test(test_a_visitor_cookie_outlives_one_rotation),
        cmocka_unit_test(test_no_other_byte_of_a_visitor_cookie_opens),
        cmocka_unit_test(test_a_visitor_cookie_has_one_length),
        cmocka_unit_test(test_a_visitor_is_found_among_cookies),
        cmocka_unit_test(test_the_absent_previous_key_opens_nothing),
    };

    return cmocka_run_group_tests_name("subject", tests, set_up, tear_down);
}
