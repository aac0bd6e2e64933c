/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/core/cg_receipt.h"


#define KEYS  "subject 000102030405060708090a0b0c0d0e0f\n"                    \
              "sign k1 101112131415161718191a1b1c1d1e1f\n"


static const cg_str_t  realm = { 4, (const uint8_t *) "shop" };


static cg_keys_t
keys(void)
{
    unsigned   line;
    cg_keys_t  k;

    assert_null(cg_keys_parse(&k, cg_str(KEYS), &line));

    return k;
}


static void
item(cg_receipt_item_t *i, const char *name, uint32_t value)
{
    i->name_len = (uint8_t) strlen(name);
    memcpy(i->name, name, i->name_len);
    i->value = value;
}


static cg_receipt_t
receipt(void)
{
    cg_receipt_t  t;

    memset(&t, 0, sizeof(t));

    t.expires = 1000;
    t.subject.kind = CG_SUBJECT_ACCOUNT;
    memset(&t.subject.current, 7, sizeof(t.subject.current));
    t.realm_len = realm.len;
    memcpy(t.realm, realm.data, realm.len);
    t.age_state = CG_AGE_OK;
    t.age = 16;
    t.residence = cg_cc("DE");
    t.ndocs = 2;
    item(&t.docs[0], "terms", 20180525);
    item(&t.docs[1], "privacy", 0);
    t.npurposes = 1;
    item(&t.purposes[0], "analytics", 1);

    return t;
}


static void
what_is_sealed_is_opened(void **state)
{
    size_t        n;
    uint8_t       text[CG_MAX_TOKEN];
    cg_keys_t     k = keys();
    cg_receipt_t  in = receipt(), out;

    (void) state;

    n = cg_receipt_seal(&k, &in, text);

    assert_true(n > 0);
    assert_true(cg_receipt_open(&k, &out, (cg_str_t) { n, text }, realm, 999));
    assert_memory_equal(&in, &out, sizeof(in));

    assert_false(cg_receipt_open(&k, &out, (cg_str_t) { n, text }, realm,
                                 1000));
    assert_false(cg_receipt_open(&k, &out, (cg_str_t) { n, text },
                                 cg_str("other"), 999));

    cg_keys_free(&k);
}


static void
every_byte_counts(void **state)
{
    size_t        i, n;
    uint8_t       text[CG_MAX_TOKEN];
    cg_keys_t     k = keys();
    cg_receipt_t  in = receipt(), out;

    (void) state;

    n = cg_receipt_seal(&k, &in, text);

    for (i = 0; i < n; i++) {
        text[i] ^= 1;
        assert_false(cg_receipt_open(&k, &out, (cg_str_t) { n, text }, realm,
                                     1));
        text[i] ^= 1;

        assert_false(cg_receipt_open(&k, &out, (cg_str_t) { i, text }, realm,
                                     1));
    }

    cg_keys_free(&k);
}


static void
the_largest_fits(void **state)
{
    size_t        i;
    char          name[CG_MAX_NAME + 1];
    uint8_t       text[CG_MAX_TOKEN];
    cg_keys_t     k = keys();
    cg_receipt_t  in = receipt(), out;

    (void) state;

    memset(name, 'n', CG_MAX_NAME);
    name[CG_MAX_NAME] = '\0';

    in.ndocs = CG_MAX_DOCUMENTS;
    in.npurposes = CG_MAX_PURPOSES;
    in.realm_len = CG_MAX_REALM;
    in.age = CG_MAX_AGE;
    memset(in.realm, 'r', CG_MAX_REALM);

    for (i = 0; i < CG_MAX_DOCUMENTS; i++) {
        item(&in.docs[i], name, UINT32_MAX);
        item(&in.purposes[i], name, 1);
    }

    i = cg_receipt_seal(&k, &in, text);

    assert_true(i > 0);
    assert_true(cg_receipt_open(&k, &out, (cg_str_t) { i, text },
                                (cg_str_t) { in.realm_len, in.realm }, 1));

    cg_keys_free(&k);
}


static void
a_payload_is_read_whole_or_not_at_all(void **state)
{
    size_t        i, n;
    uint8_t       payload[CG_MAX_PAYLOAD];
    cg_receipt_t  in = receipt(), out;

    (void) state;

    n = cg_receipt_encode(&in, payload);

    assert_true(cg_receipt_decode(&out, (cg_str_t) { n, payload }));

    for (i = 0; i < n; i++) {
        assert_false(cg_receipt_decode(&out, (cg_str_t) { i, payload }));
    }

    payload[n] = 0;
    assert_false(cg_receipt_decode(&out, (cg_str_t) { n + 1, payload }));
}


static void
values_out_of_range_are_refused(void **state)
{
    uint8_t       payload[CG_MAX_PAYLOAD];
    cg_receipt_t  t;

    (void) state;

#define refused(change)                                                       \
    t = receipt();                                                            \
    change;                                                                   \
    assert_int_equal(cg_receipt_encode(&t, payload), 0)

    refused(t.expires = -1);
    refused(t.subject.kind = CG_SUBJECT_NONE);
    refused(t.realm_len = CG_MAX_REALM + 1);
    refused(t.age_state = CG_AGE_MINOR + 1);
    refused(t.age = CG_MAX_AGE + 1);
    refused(t.residence = CG_CC_ANONYMIZER);
    refused(t.residence = CG_CC_TOR);
    refused(t.ndocs = CG_MAX_DOCUMENTS + 1);
    refused(t.npurposes = CG_MAX_PURPOSES + 1);
    refused(t.docs[0].name_len = 0);
    refused(t.docs[0].name_len = CG_MAX_NAME + 1);
    refused(t.purposes[0].value = 2);
}


/* A receipt is no proof that the answer was given in this browser. */

static void
one_is_not_the_other(void **state)
{
    size_t        n;
    uint8_t       text[CG_MAX_TOKEN];
    cg_keys_t     k = keys();
    cg_receipt_t  t = receipt(), opened;

    (void) state;

    n = cg_given_seal(&k, &t, text);
    assert_true(n > 0);
    assert_true(cg_given_open(&k, &opened, (cg_str_t) { n, text }, realm,
                              999));
    assert_int_equal(opened.docs[0].value, 20180525);
    assert_false(cg_given_open(&k, &opened, (cg_str_t) { n, text }, realm,
                               1000));
    assert_false(cg_receipt_open(&k, &opened, (cg_str_t) { n, text }, realm,
                                 999));

    n = cg_receipt_seal(&k, &t, text);
    assert_false(cg_given_open(&k, &opened, (cg_str_t) { n, text }, realm,
                               999));
    cg_keys_free(&k);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(one_is_not_the_other),
        cmocka_unit_test(what_is_sealed_is_opened),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(the_largest_fits),
        cmocka_unit_test(a_payload_is_read_whole_or_not_at_all),
        cmocka_unit_test(values_out_of_range_are_refused)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
