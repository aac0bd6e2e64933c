/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_link.h"


#define SUBJECT  "subject 000102030405060708090a0b0c0d0e0f\n"
#define KEY_1    "sign k1 101112131415161718191a1b1c1d1e1f\n"
#define KEY_2    "sign k2 202122232425262728292a2b2c2d2e2f\n"
#define EXPIRES  1800000000


static cg_keys_t  keys;

static const cg_str_t  realm = { 4, (const uint8_t *) "shop" };


static int
set_up(void **state)
{
    unsigned  line;

    (void) state;

    return cg_keys_parse(&keys, cg_str(SUBJECT KEY_1), &line) != NULL;
}


static int
tear_down(void **state)
{
    (void) state;

    cg_keys_free(&keys);

    return 0;
}


static void
make_link(cg_link_t *t)
{
    memset(t, 0, sizeof(cg_link_t));

    t->expires = EXPIRES;
    t->rev = 0x01020304;
    memset(t->nonce, 0xa5, sizeof(t->nonce));
    t->realm_len = realm.len;
    memcpy(t->realm, realm.data, realm.len);

    assert_true(cg_subject_derive(&t->subject, &keys, CG_SUBJECT_ACCOUNT,
                                  realm, cg_str("anna")));
}


static cg_str_t
seal(uint8_t *text)
{
    size_t     n;
    cg_link_t  t;

    make_link(&t);
    n = cg_link_seal(&keys, &t, text);

    assert_int_not_equal(n, 0);
    assert_true(n <= CG_MAX_TOKEN);

    return (cg_str_t) { n, text };
}


static cg_link_e
state_of(cg_keys_t *k, cg_str_t text)
{
    cg_link_t  t;

    return cg_link_open(k, &t, text, realm, EXPIRES - 1);
}


static void
test_a_link_opens_as_it_was_sealed(void **state)
{
    uint8_t    text[CG_MAX_TOKEN];
    cg_str_t   token;
    cg_link_t  t, back;

    (void) state;

    make_link(&t);
    token = seal(text);
    memset(&back, 0xff, sizeof(back));

    assert_int_equal(cg_link_open(&keys, &back, token, realm, EXPIRES - 1),
                     CG_LINK_OK);
    assert_int_equal(back.expires, EXPIRES);
    assert_int_equal(back.rev, 0x01020304);
    assert_memory_equal(back.nonce, t.nonce, CG_LINK_NONCE);
    assert_true(cg_subject_same(&back.subject, &t.subject));
    assert_int_equal(back.realm_len, 4);
}


static void
test_every_byte_of_a_link_counts(void **state)
{
    uint8_t   text[CG_MAX_TOKEN];
    cg_str_t  token;

    (void) state;

    token = seal(text);

    for (size_t i = 0; i < token.len; i++) {
        text[i] ^= 1;
        assert_int_equal(state_of(&keys, token), CG_LINK_INVALID);
        text[i] ^= 1;
        assert_int_equal(state_of(&keys, (cg_str_t) { i, text }),
                         CG_LINK_INVALID);
    }

    assert_int_equal(state_of(&keys, token), CG_LINK_OK);
}


static void
test_what_is_wrong_with_a_link(void **state)
{
    uint8_t    text[CG_MAX_TOKEN], other[CG_MAX_TOKEN];
    cg_str_t   token;
    cg_link_t  t;
    size_t     n;

    (void) state;

    token = seal(text);

    assert_int_equal(cg_link_open(&keys, &t, token, realm, EXPIRES),
                     CG_LINK_EXPIRED);
    assert_int_equal(cg_link_open(&keys, &t, token, cg_str("blog"), 0),
                     CG_LINK_REALM);
    assert_int_equal(cg_link_open(&keys, &t, token, cg_str(""), 0),
                     CG_LINK_REALM);
    assert_int_equal(state_of(&keys, cg_str("")), CG_LINK_INVALID);

    /* no other type of token passes for it */

    n = cg_gated_seal(&keys, &t.subject, realm, EXPIRES, other);
    assert_int_equal(state_of(&keys, (cg_str_t) { n, other }),
                     CG_LINK_INVALID);
    assert_false(cg_gated_open(&keys, &t.subject, token, realm, 0));
}


static void
test_keys_come_and_go(void **state)
{
    uint8_t    text[CG_MAX_TOKEN];
    cg_str_t   token;
    unsigned   line;
    cg_keys_t  k;

    (void) state;

    token = seal(text);

    assert_null(cg_keys_parse(&k, cg_str(SUBJECT KEY_2 KEY_1), &line));
    assert_int_equal(state_of(&k, token), CG_LINK_OK);
    cg_keys_free(&k);

    assert_null(cg_keys_parse(&k, cg_str(SUBJECT KEY_2), &line));
    assert_int_equal(state_of(&k, token), CG_LINK_INVALID);
    cg_keys_free(&k);
}


static void
test_what_the_record_says(void **state)
{
    cg_link_t    old, fresh;
    cg_record_t  none, tomb, accepted, refused, declined, seen;

    (void) state;

    make_link(&old);
    old.rev = 3;
    make_link(&fresh);
    fresh.rev = 0;

    memset(&none, 0, sizeof(none));
    tomb = accepted = refused = declined = seen = none;
    tomb.rev = accepted.rev = refused.rev = declined.rev = 4;
    accepted.accepted[15] = 1;
    refused.answered = 1;
    declined.declined = 1;
    seen.eea_day = 1;

    assert_int_equal(cg_link_check(&fresh, NULL), CG_LINK_OK);
    assert_int_equal(cg_link_check(&old, NULL), CG_LINK_ERASED);
    assert_int_equal(cg_link_check(&fresh, &tomb), CG_LINK_ERASED);
    assert_int_equal(cg_link_check(&old, &tomb), CG_LINK_ERASED);
    assert_int_equal(cg_link_check(&fresh, &none), CG_LINK_OK);
    assert_int_equal(cg_link_check(&old, &accepted), CG_LINK_OK);
    assert_int_equal(cg_link_check(&old, &refused), CG_LINK_OK);
    assert_int_equal(cg_link_check(&old, &declined), CG_LINK_OK);

    /* a visit is no answer, before and after the erasure */

    assert_int_equal(cg_link_check(&fresh, &seen), CG_LINK_OK);
    assert_int_equal(cg_link_check(&old, &seen), CG_LINK_ERASED);
    tomb.eea_day = 1;
    assert_int_equal(cg_link_check(&fresh, &tomb), CG_LINK_ERASED);

    /* made after the erasure */

    old.rev = 4;
    assert_int_equal(cg_link_check(&old, &tomb), CG_LINK_OK);
}


static void
test_the_key_is_in_the_slot_of_the_record(void **state)
{
    size_t     n, m;
    uint8_t    key[CG_MAX_LINK_KEY], record[CG_MAX_KEY];
    cg_link_t  t;
    char       longest[CG_MAX_PREFIX];

    (void) state;

    make_link(&t);

    n = cg_link_key(&t, cg_str("gc:"), key);
    m = cg_subject_key(&t.subject.current, cg_str("gc:"), 's', record);

    assert_int_equal(n, m);
    assert_memory_equal(key, "gc:l:{", 6);
    assert_memory_equal(key + 6, record + 6, 4);
    assert_memory_equal(key + 10, "paWlpaWlpaWlpaWlpaWlpQ", 22);

    memset(longest, 'x', sizeof(longest));
    n = cg_link_key(&t, (cg_str_t) { sizeof(longest), (uint8_t *) longest },
                    key);
    assert_int_equal(n, CG_MAX_LINK_KEY);
}


static void
test_values_out_of_range(void **state)
{
    uint8_t    text[CG_MAX_TOKEN], payload[CG_MAX_PAYLOAD + 1];
    size_t     n;
    cg_link_t  t;

    (void) state;

    make_link(&t);
    t.expires = 0;
    assert_int_equal(cg_link_seal(&keys, &t, text), 0);

    make_link(&t);
    t.subject.kind = CG_SUBJECT_VISITOR;
    assert_int_equal(cg_link_seal(&keys, &t, text), 0);

    make_link(&t);
    t.realm_len = CG_MAX_REALM + 1;
    assert_int_equal(cg_link_seal(&keys, &t, text), 0);

    make_link(&t);
    n = cg_link_encode(&t, payload);
    assert_true(cg_link_decode(&t, (cg_str_t) { n, payload }));

    for (size_t len = 0; len < n; len++) {
        assert_false(cg_link_decode(&t, (cg_str_t) { len, payload }));
    }

    payload[n] = 0;
    assert_false(cg_link_decode(&t, (cg_str_t) { n + 1, payload }));
    payload[0]++;
    assert_false(cg_link_decode(&t, (cg_str_t) { n, payload }));
}


static void
test_names(void **state)
{
    (void) state;

    assert_int_equal(cg_link_name(CG_LINK_OK).len, 0);
    assert_true(cg_str_eq(cg_link_name(CG_LINK_EXPIRED),
                          cg_str("link-expired")));
    assert_true(cg_str_eq(cg_link_name(CG_LINK_ERASED),
                          cg_str("link-erased")));
    assert_int_equal(cg_link_name(CG_LINK_STATES).len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_link_opens_as_it_was_sealed),
        cmocka_unit_test(test_every_byte_of_a_link_counts),
        cmocka_unit_test(test_what_is_wrong_with_a_link),
        cmocka_unit_test(test_keys_come_and_go),
        cmocka_unit_test(test_what_the_record_says),
        cmocka_unit_test(test_the_key_is_in_the_slot_of_the_record),
        cmocka_unit_test(test_values_out_of_range),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("link", tests, set_up, tear_down);
}
