/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_token_internal.h"


#define KEY_A    "000102030405060708090a0b0c0d0e0f"
#define KEY_B    "101112131415161718191a1b1c1d1e1f"
#define KEY_C    "202122232425262728292a2b2c2d2e2f"
#define SUBJECT  "subject " KEY_A "\n"
#define EXPIRES  1800000000


static cg_keys_t  keys;

static const cg_str_t  realm = { 4, (const uint8_t *) "shop" };


static void
read_keys(cg_keys_t *k, cg_str_t text)
{
    unsigned  line;

    assert_null(cg_keys_parse(k, text, &line));
}


static int
set_up(void **state)
{
    (void) state;

    read_keys(&keys, cg_str(SUBJECT "sign k1 " KEY_B "\n"));

    return 0;
}


static int
tear_down(void **state)
{
    (void) state;

    cg_keys_free(&keys);

    return 0;
}


static void
make_shown(cg_shown_t *shown, const char *name, uint32_t version,
    bool has_sha256)
{
    shown->name_len = (uint8_t) strlen(name);
    memcpy(shown->name, name, shown->name_len);
    shown->version = version;
    shown->has_sha256 = has_sha256;

    if (has_sha256) {
        memset(shown->sha256, 0xab, sizeof(shown->sha256));
    }
}


static void
make_form(cg_form_token_t *t)
{
    memset(t, 0, sizeof(cg_form_token_t));

    t->expires = EXPIRES;
    t->rev = 0x01020304;
    t->country = cg_cc("DE");
    t->source = CG_SOURCE_HISTORY;
    t->reason = CG_REASON_OUTDATED;
    t->age = 16;
    t->realm_len = realm.len;
    memcpy(t->realm, realm.data, realm.len);
    t->locale_len = 5;
    memcpy(t->locale, "de-AT", 5);
    t->nshown = 2;
    make_shown(&t->shown[0], "terms", 20180525, true);
    make_shown(&t->shown[1], "privacy", UINT32_MAX, false);

    assert_true(cg_subject_derive(&t->subject, &keys, CG_SUBJECT_ACCOUNT,
                                  realm, cg_str("42")));
}


static cg_str_t
seal_form(cg_keys_t *k, const cg_form_token_t *t, uint8_t *text)
{
    size_t  n;

    n = cg_form_token_seal(k, t, text);
    assert_int_not_equal(n, 0);
    assert_true(n <= CG_MAX_TOKEN);

    return (cg_str_t) { n, text };
}


static bool
opens(cg_keys_t *k, cg_str_t text)
{
    cg_form_token_t  t;

    return cg_form_token_open(k, &t, text, realm, EXPIRES - 1);
}


static void
test_a_form_token_opens_as_it_was_sealed(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_form_token_t  t, back;

    (void) state;

    make_form(&t);
    token = seal_form(&keys, &t, text);
    memset(&back, 0xff, sizeof(back));

    assert_true(cg_form_token_open(&keys, &back, token, realm, EXPIRES - 1));

    assert_int_equal(back.expires, t.expires);
    assert_int_equal(back.rev, t.rev);
    assert_int_equal(back.subject.kind, CG_SUBJECT_ACCOUNT);
    assert_false(back.subject.has_previous);
    assert_memory_equal(&back.subject.current, &t.subject.current,
                        sizeof(cg_pseudonym_t));
    assert_int_equal(back.country, t.country);
    assert_int_equal(back.source, t.source);
    assert_int_equal(back.reason, t.reason);
    assert_int_equal(back.age, 16);
    assert_int_equal(back.locale_len, 5);
    assert_memory_equal(back.locale, "de-AT", 5);
    assert_int_equal(back.nshown, 2);
    assert_memory_equal(&back.shown, &t.shown, sizeof(t.shown));
}


static void
test_a_subject_keeps_its_previous_pseudonym(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_form_token_t  t, back;

    (void) state;

    make_form(&t);
    t.subject.has_previous = true;
    memset(&t.subject.previous, 0x5a, sizeof(cg_pseudonym_t));

    assert_true(cg_form_token_open(&keys, &back, seal_form(&keys, &t, text),
                                   realm, 0));
    assert_true(back.subject.has_previous);
    assert_memory_equal(&back.subject.previous, &t.subject.previous,
                        sizeof(cg_pseudonym_t));
}


static void
make_largest_form(cg_form_token_t *t)
{
    size_t  i;

    make_form(t);

    t->subject.has_previous = true;
    t->realm_len = CG_MAX_REALM;
    memset(t->realm, 'r', CG_MAX_REALM);
    t->locale_len = CG_MAX_LOCALE;
    memset(t->locale, 'l', CG_MAX_LOCALE);
    t->nshown = CG_MAX_DOCUMENTS;

    for (i = 0; i < CG_MAX_DOCUMENTS; i++) {
        make_shown(&t->shown[i], "terms", UINT32_MAX, true);
        t->shown[i].name_len = CG_MAX_NAME;
        memset(t->shown[i].name, 'a' + (int) i, CG_MAX_NAME);
    }
}


static void
test_the_largest_form_token_fits(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_keys_t        k;
    cg_form_token_t  t, back;

    (void) state;

    read_keys(&k, cg_str(SUBJECT "sign 1234567890123456 " KEY_B "\n"));
    make_largest_form(&t);
    token = seal_form(&k, &t, text);

    assert_true(cg_form_token_open(&k, &back, token,
                                   (cg_str_t) { t.realm_len, t.realm }, 0));
    assert_int_equal(back.nshown, CG_MAX_DOCUMENTS);
    assert_memory_equal(&back.shown, &t.shown, sizeof(t.shown));

    cg_keys_free(&k);
}


static void
test_every_byte_of_a_token_counts(void **state)
{
    int              c;
    size_t           i;
    uint8_t          text[CG_MAX_TOKEN], good;
    cg_str_t         token;
    cg_form_token_t  t;

    (void) state;

    make_form(&t);
    token = seal_form(&keys, &t, text);
    assert_true(opens(&keys, token));

    for (i = 0; i < token.len; i++) {
        good = text[i];

        for (c = 0; c < 256; c++) {
            text[i] = (uint8_t) c;
            assert_int_equal(opens(&keys, token), c == good);
        }

        text[i] = good;
    }
}


static void
test_a_token_cut_short_is_refused(void **state)
{
    size_t           len;
    uint8_t          text[CG_MAX_TOKEN], *copy;
    cg_str_t         token;
    cg_form_token_t  t;

    (void) state;

    make_form(&t);
    token = seal_form(&keys, &t, text);

    for (len = 0; len < token.len; len++) {

        /* in memory of its own, for AddressSanitizer to watch its end */

        copy = malloc(len + (len == 0));
        assert_non_null(copy);
        memcpy(copy, text, len);

        assert_false(opens(&keys, (cg_str_t) { len, copy }));

        free(copy);
    }

    assert_false(opens(&keys, (cg_str_t) { 0, NULL }));
}


static void
test_a_token_with_more_behind_it_is_refused(void **state)
{
    size_t           i;
    uint8_t          text[CG_MAX_TOKEN + 4];
    cg_str_t         token;
    cg_form_token_t  t;

    (void) state;

    make_form(&t);
    token = seal_form(&keys, &t, text);
    memset(text + token.len, 'A', 4);

    for (i = 1; i <= 4; i++) {
        assert_false(opens(&keys, (cg_str_t) { token.len + i, text }));
    }
}


static void
test_the_largest_payload(void **state)
{
    size_t    n;
    uint8_t   payload[CG_MAX_PAYLOAD + 1], back[CG_MAX_PAYLOAD];
    uint8_t   text[CG_MAX_TOKEN];
    cg_str_t  most = { CG_MAX_PAYLOAD, payload };

    (void) state;

    memset(payload, 0x5a, sizeof(payload));

    n = cg_token_seal(&keys, CG_TOKEN_RECEIPT, most, text);
    assert_int_not_equal(n, 0);
    assert_int_equal(cg_token_open(&keys, CG_TOKEN_RECEIPT,
                                   (cg_str_t) { n, text }, back),
                     CG_MAX_PAYLOAD);
    assert_memory_equal(back, payload, CG_MAX_PAYLOAD);

    most.len++;
    assert_int_equal(cg_token_seal(&keys, CG_TOKEN_RECEIPT, most, text), 0);
}


static void
test_a_token_too_large_is_refused(void **state)
{
    size_t    len;
    uint8_t   back[CG_MAX_PAYLOAD], *text;

    (void) state;

    for (len = CG_MAX_TOKEN - 20; len < CG_MAX_TOKEN + 20; len++) {
        text = malloc(len);
        assert_non_null(text);
        memset(text, 'A', len);
        memcpy(text, "k1.", 3);

        assert_int_equal(cg_token_open(&keys, CG_TOKEN_FORM,
                                       (cg_str_t) { len, text }, back), -1);
        free(text);
    }
}


static void
test_an_empty_payload_is_signed_too(void **state)
{
    size_t    n;
    uint8_t   text[CG_MAX_TOKEN], back[CG_MAX_PAYLOAD];
    cg_str_t  token;

    (void) state;

    n = cg_token_seal(&keys, CG_TOKEN_LINK, (cg_str_t) { 0, NULL }, text);
    token = (cg_str_t) { n, text };

    assert_int_equal(n, 3 + cg_base64url_len(CG_TOKEN_MAC));
    assert_int_equal(cg_token_open(&keys, CG_TOKEN_LINK, token, back), 0);
    assert_int_equal(cg_token_open(&keys, CG_TOKEN_FORM, token, back), -1);
}


static void
test_no_type_of_token_passes_for_another(void **state)
{
    int       i, j;
    size_t    n;
    uint8_t   text[CG_MAX_TOKEN], back[CG_MAX_PAYLOAD];

    (void) state;

    for (i = 0; i < CG_TOKEN_TYPES; i++) {
        n = cg_token_seal(&keys, (cg_token_e) i, cg_str("payload"), text);

        for (j = 0; j < CG_TOKEN_TYPES; j++) {
            assert_int_equal(cg_token_open(&keys, (cg_token_e) j,
                                           (cg_str_t) { n, text }, back),
                             i == j ? 7 : -1);
        }
    }
}


static void
test_a_gated_token_is_no_form_token(void **state)
{
    size_t           n;
    uint8_t          text[CG_MAX_TOKEN];
    cg_subject_t     s;
    cg_form_token_t  t;

    (void) state;

    make_form(&t);
    n = cg_gated_seal(&keys, &t.subject, realm, EXPIRES, text);
    assert_int_not_equal(n, 0);
    assert_false(opens(&keys, (cg_str_t) { n, text }));

    assert_false(cg_gated_open(&keys, &s, seal_form(&keys, &t, text), realm,
                               0));
}


static void
test_a_token_of_another_realm_is_refused(void **state)
{
    size_t           i;
    uint8_t          text[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_form_token_t  t;

    static const char *const  others[] = { "", "sho", "shop2", "Shop", "blog" };

    (void) state;

    make_form(&t);
    token = seal_form(&keys, &t, text);

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cg_str_t  other = { strlen(others[i]), (const uint8_t *) others[i] };

        assert_false(cg_form_token_open(&keys, &t, token, other, 0));
    }
}


static void
test_a_token_expires_at_its_second(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_form_token_t  t;

    (void) state;

    make_form(&t);
    token = seal_form(&keys, &t, text);

    assert_true(cg_form_token_open(&keys, &t, token, realm, EXPIRES - 1));
    assert_false(cg_form_token_open(&keys, &t, token, realm, EXPIRES));
    assert_false(cg_form_token_open(&keys, &t, token, realm, INT64_MAX));
}


static void
test_rotated_keys(void **state)
{
    uint8_t          text[CG_MAX_TOKEN], other[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_keys_t        both, after;
    cg_form_token_t  t;

    (void) state;

    read_keys(&both, cg_str(SUBJECT "sign k2 " KEY_C "\n"
                            "sign k1 " KEY_B "\n"));
    read_keys(&after, cg_str(SUBJECT "sign k2 " KEY_C "\n"));
    make_form(&t);

    token = seal_form(&keys, &t, text);
    assert_true(opens(&both, token));
    assert_false(opens(&after, token));

    token = seal_form(&both, &t, other);
    assert_memory_equal(other, "k2.", 3);
    assert_true(opens(&both, token));
    assert_true(opens(&after, token));
    assert_false(opens(&keys, token));

    cg_keys_free(&both);
    cg_keys_free(&after);
}


/* The first key again under another id: one token, one spelling. */

static void
test_a_token_is_bound_to_its_key_id(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_keys_t        twice;
    cg_form_token_t  t;

    (void) state;

    read_keys(&twice, cg_str(SUBJECT "sign k1 " KEY_B "\n"
                             "sign k2 " KEY_B "\n"));
    make_form(&t);
    token = seal_form(&twice, &t, text);
    assert_true(opens(&twice, token));

    text[1] = '2';
    assert_false(opens(&twice, token));

    cg_keys_free(&twice);
}


static void
test_a_key_of_the_same_id_is_another_key(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_keys_t        other;
    cg_form_token_t  t;

    (void) state;

    read_keys(&other, cg_str(SUBJECT "sign k1 " KEY_C "\n"));
    make_form(&t);

    assert_false(opens(&other, seal_form(&keys, &t, text)));

    cg_keys_free(&other);
}


/*
 * 17 bytes behind "k1." take 23 characters, the last of which has 2 bits to
 * spare: each of its other 3 spellings of the same bytes is refused.
 */

static void
test_a_token_has_one_spelling(void **state)
{
    size_t       i, n, value;
    uint8_t      text[CG_MAX_TOKEN + 1], back[CG_MAX_PAYLOAD];
    const char  *last;

    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_";

    (void) state;

    n = cg_token_seal(&keys, CG_TOKEN_LINK, cg_str("x"), text);
    assert_int_equal(n, 3 + 23);

    last = strchr(alphabet, text[n - 1]);
    assert_non_null(last);
    value = (size_t) (last - alphabet);
    assert_int_equal(value & 3, 0);

    for (i = 1; i < 4; i++) {
        text[n - 1] = (uint8_t) alphabet[value + i];
        assert_int_equal(cg_token_open(&keys, CG_TOKEN_LINK,
                                       (cg_str_t) { n, text }, back), -1);
    }

    text[n - 1] = (uint8_t) *last;
    assert_int_equal(cg_token_open(&keys, CG_TOKEN_LINK,
                                   (cg_str_t) { n, text }, back), 1);

    text[n] = '=';
    assert_int_equal(cg_token_open(&keys, CG_TOKEN_LINK,
                                   (cg_str_t) { n + 1, text }, back), -1);
}


static void
test_what_is_no_token_is_refused(void **state)
{
    size_t   i;
    uint8_t  back[CG_MAX_PAYLOAD];

    static const char *const  texts[] = {
        ".", "k1", "k1.", "k1..", ".AAAAAAAAAAAAAAAAAAAAAA", "k1.AAAA",
        "k1.AAAAAAAAAAAAAAAAAAAAAA", "k.AAAAAAAAAAAAAAAAAAAAAA",
        "k1 .AAAAAAAAAAAAAAAAAAAAAA", "k1.AAAAAAAAAAAAAAAAAAAAAA==",
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cg_str_t  text = { strlen(texts[i]), (const uint8_t *) texts[i] };

        assert_int_equal(cg_token_open(&keys, CG_TOKEN_FORM, text, back), -1);
    }
}


static void
test_values_out_of_range_are_not_sealed(void **state)
{
    uint8_t          text[CG_MAX_TOKEN];
    cg_form_token_t  t;

    (void) state;

#define refused(change)                                                       \
    make_form(&t);                                                            \
    change;                                                                   \
    assert_int_equal(cg_form_token_seal(&keys, &t, text), 0)

    refused(t.expires = INT64_MIN);
    refused(t.expires = -1);
    refused(t.subject.kind = CG_SUBJECT_NONE);
    refused(t.subject.kind = CG_SUBJECT_TEST + 1);
    refused(t.country = CG_CC_COUNT);
    refused(t.source = CG_SOURCES);
    refused(t.reason = CG_REASONS);
    refused(t.age = CG_MAX_AGE + 1);
    refused(t.realm_len = CG_MAX_REALM + 1);
    refused(t.locale_len = CG_MAX_LOCALE + 1);
    refused(t.nshown = CG_MAX_DOCUMENTS + 1);
    refused(t.shown[1].name_len = 0);
    refused(t.shown[1].name_len = CG_MAX_NAME + 1);
}


/* The places of values in the payload that make_form() leads to. */

enum {
    AT_FORMAT = 0,
    AT_EXPIRES = 1,
    AT_KIND = 13,
    AT_PREVIOUS = 34,
    AT_COUNTRY = 35,
    AT_SOURCE = 37,
    AT_REASON = 38,
    AT_AGE = 39,
    AT_REALM = 40,
    AT_LOCALE = 45,
    AT_SHOWN = 51,
    AT_NAME = 52,
    AT_SHA256 = 62
};

static void
test_payloads_with_bad_values_are_refused(void **state)
{
    size_t           i, n;
    uint8_t          payload[CG_MAX_PAYLOAD], good;
    cg_form_token_t  t;

    static const struct {
        size_t   at;
        uint8_t  good;
        uint8_t  bad;
    } cases[] = {
        { AT_FORMAT, 2, 0 }, { AT_FORMAT, 2, 1 }, { AT_EXPIRES, 0, 0x80 },
        { AT_KIND, 2, 0 }, { AT_KIND, 2, 4 }, { AT_PREVIOUS, 0, 2 },
        { AT_PREVIOUS, 0, 0xff }, { AT_COUNTRY, 0, 0x80 },
        { AT_SOURCE, CG_SOURCE_HISTORY, CG_SOURCES },
        { AT_REASON, CG_REASON_OUTDATED, CG_REASONS },
        { AT_AGE, 16, CG_MAX_AGE + 1 },
        { AT_REALM, 4, CG_MAX_REALM + 1 },
        { AT_LOCALE, 5, CG_MAX_LOCALE + 1 },
        { AT_SHOWN, 2, 1 }, { AT_SHOWN, 2, 3 },
        { AT_SHOWN, 2, CG_MAX_DOCUMENTS + 1 },
        { AT_NAME, 5, 0 }, { AT_NAME, 5, CG_MAX_NAME + 1 },
        { AT_SHA256, 1, 0 }, { AT_SHA256, 1, 2 },
    };

    (void) state;

    make_form(&t);
    n = cg_form_token_encode(&t, payload);
    assert_true(cg_form_token_decode(&t, (cg_str_t) { n, payload }));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        good = payload[cases[i].at];
        assert_int_equal(good, cases[i].good);

        payload[cases[i].at] = cases[i].bad;
        assert_false(cg_form_token_decode(&t, (cg_str_t) { n, payload }));
        payload[cases[i].at] = good;
    }
}


static void
test_payloads_of_another_length_are_refused(void **state)
{
    size_t            len, form, gated;
    uint8_t           payload[2][CG_MAX_PAYLOAD];
    cg_form_token_t   t;
    cg_gated_token_t  g;

    (void) state;

    memset(payload, 0, sizeof(payload));
    make_form(&t);
    form = cg_form_token_encode(&t, payload[0]);

    memset(&g, 0, sizeof(g));
    g.expires = EXPIRES;
    g.subject = t.subject;
    g.realm_len = 4;
    gated = cg_gated_encode(&g, payload[1]);

    for (len = 0; len <= form + 8; len++) {
        assert_int_equal(cg_form_token_decode(&t,
                                              (cg_str_t) { len, payload[0] }),
                         len == form);
        assert_int_equal(cg_gated_decode(&g, (cg_str_t) { len, payload[1] }),
                         len == gated);
    }
}


static void
test_a_gated_token_names_its_subject(void **state)
{
    size_t           n;
    uint8_t          text[CG_MAX_TOKEN];
    cg_str_t         token;
    cg_subject_t     s;
    cg_form_token_t  t;

    (void) state;

    make_form(&t);
    t.subject.has_previous = true;
    memset(&t.subject.previous, 0x5a, sizeof(cg_pseudonym_t));

    n = cg_gated_seal(&keys, &t.subject, realm, EXPIRES, text);
    token = (cg_str_t) { n, text };

    assert_true(cg_gated_open(&keys, &s, token, realm, EXPIRES - 1));
    assert_int_equal(s.kind, t.subject.kind);
    assert_memory_equal(&s.current, &t.subject.current,
                        sizeof(cg_pseudonym_t));
    assert_true(s.has_previous);
    assert_memory_equal(&s.previous, &t.subject.previous,
                        sizeof(cg_pseudonym_t));

    assert_false(cg_gated_open(&keys, &s, token, realm, EXPIRES));
    assert_false(cg_gated_open(&keys, &s, token, cg_str("blog"), 0));

    text[n / 2] ^= 1;
    assert_false(cg_gated_open(&keys, &s, token, realm, 0));
}


static void
test_a_gated_token_is_sealed_for_a_subject_and_a_realm(void **state)
{
    uint8_t          text[CG_MAX_TOKEN], name[CG_MAX_REALM + 1];
    cg_str_t         longer = { sizeof(name), name };
    cg_form_token_t  t;

    (void) state;

    memset(name, 'r', sizeof(name));
    make_form(&t);

    longer.len = CG_MAX_REALM;
    assert_int_not_equal(cg_gated_seal(&keys, &t.subject, longer, EXPIRES,
                                       text), 0);
    longer.len++;
    assert_int_equal(cg_gated_seal(&keys, &t.subject, longer, EXPIRES, text),
                     0);
    assert_int_equal(cg_gated_seal(&keys, &t.subject, realm, -1, text), 0);

    t.subject.kind = CG_SUBJECT_NONE;
    assert_int_equal(cg_gated_seal(&keys, &t.subject, realm, EXPIRES, text),
                     0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_form_token_opens_as_it_was_sealed),
        cmocka_unit_test(test_a_subject_keeps_its_previous_pseudonym),
        cmocka_unit_test(test_the_largest_form_token_fits),
        cmocka_unit_test(test_every_byte_of_a_token_counts),
        cmocka_unit_test(test_a_token_cut_short_is_refused),
        cmocka_unit_test(test_a_token_with_more_behind_it_is_refused),
        cmocka_unit_test(test_the_largest_payload),
        cmocka_unit_test(test_a_token_too_large_is_refused),
        cmocka_unit_test(test_an_empty_payload_is_signed_too),
        cmocka_unit_test(test_no_type_of_token_passes_for_another),
        cmocka_unit_test(test_a_gated_token_is_no_form_token),
        cmocka_unit_test(test_a_token_of_another_realm_is_refused),
        cmocka_unit_test(test_a_token_expires_at_its_second),
        cmocka_unit_test(test_rotated_keys),
        cmocka_unit_test(test_a_token_is_bound_to_its_key_id),
        cmocka_unit_test(test_a_key_of_the_same_id_is_another_key),
        cmocka_unit_test(test_a_token_has_one_spelling),
        cmocka_unit_test(test_what_is_no_token_is_refused),
        cmocka_unit_test(test_values_out_of_range_are_not_sealed),
        cmocka_unit_test(test_payloads_with_bad_values_are_refused),
        cmocka_unit_test(test_payloads_of_another_length_are_refused),
        cmocka_unit_test(test_a_gated_token_names_its_subject),
        cmocka_unit_test(
            test_a_gated_token_is_sealed_for_a_subject_and_a_realm),
    };

    return cmocka_run_group_tests_name("token", tests, set_up, tear_down);
}
