/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "cg_keys.h"


#define KEY_A  "000102030405060708090a0b0c0d0e0f"
#define KEY_B  "101112131415161718191a1b1c1d1e1f"
#define KEY_C  "202122232425262728292a2b2c2d2e2f"
#define GOOD   "subject " KEY_A "\nsign k1 " KEY_B "\n"


static size_t
unhex(const char *hex, uint8_t *out)
{
    cg_str_t  s = { strlen(hex), (const uint8_t *) hex };

    assert_true(cg_parse_hex(s, out, s.len / 2));

    return s.len / 2;
}


static cg_str_t
text_of(const char *s)
{
    return (cg_str_t) { strlen(s), (const uint8_t *) s };
}


/* RFC 4231, 4.2 to 4.8; case 5 is cut to 128 bits there. */

static const struct {
    const char  *key;
    size_t       key_repeat;
    const char  *data;
    size_t       data_repeat;
    const char  *mac;
} hmac_cases[] = {
    { "0b", 20, "4869205468657265", 1,
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "4a656665", 1,
      "7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { "aa", 20, "dd", 50,
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { "0102030405060708090a0b0c0d0e0f10111213141516171819", 1, "cd", 50,
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { "0c", 20, "546573742057697468205472756e636174696f6e", 1,
      "a3b6167473100ee06e0c796c2955552b" },
    { "aa", 131,
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65"
      "204b6579202d2048617368204b6579204669727374", 1,
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
};

static size_t
repeat(const char *hex, size_t n, uint8_t *out)
{
    size_t  i, len;

    len = unhex(hex, out);

    for (i = 1; i < n; i++) {
        memcpy(out + i * len, out, len);
    }

    return n * len;
}


static void
test_hmac_vectors_of_rfc_4231(void **state)
{
    size_t     i, len, expected;
    uint8_t    key[256], data[256], mac[CG_HMAC_LEN], good[CG_HMAC_LEN];
    cg_str_t   part;
    cg_hmac_t  h;

    (void) state;

    for (i = 0; i < sizeof(hmac_cases) / sizeof(hmac_cases[0]); i++) {
        len = repeat(hmac_cases[i].key, hmac_cases[i].key_repeat, key);
        assert_true(cg_hmac_init(&h, key, len));

        part.len = repeat(hmac_cases[i].data, hmac_cases[i].data_repeat, data);
        part.data = data;
        assert_true(cg_hmac(&h, &part, 1, mac));

        expected = unhex(hmac_cases[i].mac, good);
        assert_memory_equal(mac, good, expected);

        cg_hmac_free(&h);
    }
}


static void
test_hmac_starts_anew_each_time(void **state)
{
    uint8_t    first[CG_HMAC_LEN], again[CG_HMAC_LEN], other[CG_HMAC_LEN];
    cg_str_t   parts[3] = { cg_str("a"), { 0, NULL }, cg_str("bc") };
    cg_str_t   whole = cg_str("abc");
    cg_hmac_t  h;

    (void) state;

    assert_true(cg_hmac_init(&h, (const uint8_t *) "0123456789abcdef", 16));

    assert_true(cg_hmac(&h, &whole, 1, first));
    assert_true(cg_hmac(&h, parts, 1, other));
    assert_true(cg_hmac(&h, parts, 3, again));

    assert_memory_equal(first, again, CG_HMAC_LEN);
    assert_memory_not_equal(first, other, CG_HMAC_LEN);

    cg_hmac_free(&h);
    cg_hmac_free(&h);
}


static void
test_equal_ct(void **state)
{
    (void) state;

    assert_true(cg_equal_ct((const uint8_t *) "abc", (const uint8_t *) "abd",
                            2));
    assert_false(cg_equal_ct((const uint8_t *) "abc", (const uint8_t *) "abd",
                             3));
    assert_true(cg_equal_ct((const uint8_t *) "a", (const uint8_t *) "b", 0));
}


/* Appendix A of the paper, and the vectors that its authors publish. */

static const struct {
    size_t       len;
    const char  *hash64;
    const char  *hash128;
} siphash_cases[] = {
    { 0, "310e0edd47db6f72", "a3817f04ba25a8e66df67214c7550293" },
    { 1, "fd67dc93c539f874", "da87c1d86b99af44347659119b22fc45" },
    { 7, "37d1018bf50002ab", "a1f1ebbed8dbc153c0b84aa61ff08239" },
    { 8, "6224939a79f5f593", "3b62a9ba6258f5610f83e264f31497b4" },
    { 9, "b0e4a90bdf82009e", "264499060ad9baabc47f8b02bb6d71ed" },
    { 15, "e545be4961ca29a1", "5493e99933b0a8117e08ec0f97cfc3d9" },
    { 16, "db9bc2577fcc2a3f", "6ee2a4ca67b054bbfd3315bf85230577" },
    { 63, "724506eb4c328a95", "5150d1772f50834a503e069a973fbd7c" },
};

static void
counted_bytes(uint8_t *data, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        data[i] = (uint8_t) i;
    }
}


static void
siphash64_bytes(const uint8_t *key, const uint8_t *data, size_t len,
    uint8_t out[8])
{
    size_t    i;
    uint64_t  hash;

    hash = cg_siphash64(key, data, len);

    for (i = 0; i < 8; i++) {
        out[i] = (uint8_t) (hash >> 8 * i);
    }
}


static void
test_siphash_vectors(void **state)
{
    size_t   i;
    uint8_t  key[16], data[64], out[16], good[16];

    (void) state;

    counted_bytes(key, 16);
    counted_bytes(data, 64);

    assert_true(cg_siphash64(key, data, 15) == UINT64_C(0xa129ca6149be45e5));

    for (i = 0; i < sizeof(siphash_cases) / sizeof(siphash_cases[0]); i++) {
        siphash64_bytes(key, data, siphash_cases[i].len, out);
        unhex(siphash_cases[i].hash64, good);
        assert_memory_equal(out, good, 8);

        cg_siphash128(key, data, siphash_cases[i].len, out);
        unhex(siphash_cases[i].hash128, good);
        assert_memory_equal(out, good, 16);
    }
}


static void
libcrypto_siphash(const uint8_t *key, const uint8_t *data, size_t len,
    size_t size, uint8_t *out)
{
    size_t        n;
    EVP_MAC      *mac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *ctx;

    params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
    params[1] = OSSL_PARAM_construct_end();

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    ctx = EVP_MAC_CTX_new(mac);
    assert_non_null(ctx);

    assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &n, size), 1);
    assert_int_equal(n, size);

    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}


static void
test_siphash_is_what_libcrypto_computes(void **state)
{
    size_t   len;
    uint8_t  key[16], data[301], out[16], good[16];

    (void) state;

    counted_bytes(key, 16);
    counted_bytes(data, sizeof(data));

    /* from an odd address: loads may not assume alignment */

    for (len = 0; len < 300; len++) {
        siphash64_bytes(key, data + 1, len, out);
        libcrypto_siphash(key, data + 1, len, 8, good);
        assert_memory_equal(out, good, 8);

        cg_siphash128(key, data + 1, len, out);
        libcrypto_siphash(key, data + 1, len, 16, good);
        assert_memory_equal(out, good, 16);
    }
}


static void
test_key_file_is_read(void **state)
{
    unsigned   line;
    cg_keys_t  keys;

    (void) state;

    assert_null(cg_keys_parse(&keys, cg_str(
        "# keys of the gate\r\n"
        "\r\n"
        "subject " KEY_A "  # of subjects\r\n"
        "\tsubject-previous\t" KEY_B "\n"
        "   \n"
        "sign 2026-01_A " KEY_C "\n"
        "sign k1 " KEY_B), &line));

    assert_int_equal(line, 0);
    assert_true(keys.has_previous);
    assert_int_equal(keys.nsign, 2);
    assert_int_equal(keys.sign[0].kid_len, 9);
    assert_memory_equal(keys.sign[0].kid, "2026-01_A", 9);
    assert_memory_equal(keys.sign[1].kid, "k1", 2);
    assert_memory_not_equal(keys.visitor, keys.visitor_previous, 16);
    assert_memory_not_equal(keys.visitor, keys.tag, 16);

    cg_keys_free(&keys);
    assert_null(keys.subject.ctx);
    assert_int_equal(keys.nsign, 0);
}


/* What another program must compute to make or to check our tokens. */

static void
test_derived_keys(void **state)
{
    size_t       i;
    uint8_t      key[16], derived[CG_HMAC_LEN], mac[CG_HMAC_LEN];
    uint8_t      good[CG_HMAC_LEN];
    unsigned     line;
    cg_str_t     label, message = cg_str("message");
    cg_keys_t    keys;
    cg_hmac_t    subject, sign, token;

    static const char *const  labels[CG_TOKEN_TYPES] = {
        "consent-gate form", "consent-gate gated", "consent-gate receipt",
        "consent-gate link", "consent-gate override", "consent-gate event",
        "consent-gate given",
    };

    (void) state;

    assert_null(cg_keys_parse(&keys, cg_str(GOOD), &line));

    unhex(KEY_A, key);
    assert_true(cg_hmac_init(&subject, key, 16));
    label = cg_str("consent-gate visitor");
    assert_true(cg_hmac(&subject, &label, 1, derived));
    assert_memory_equal(keys.visitor, derived, 16);
    label = cg_str("consent-gate cache tag");
    assert_true(cg_hmac(&subject, &label, 1, derived));
    assert_memory_equal(keys.tag, derived, 16);

    unhex(KEY_B, key);
    assert_true(cg_hmac_init(&sign, key, 16));

    for (i = 0; i < CG_TOKEN_TYPES; i++) {
        label = text_of(labels[i]);
        assert_true(cg_hmac(&sign, &label, 1, derived));
        assert_true(cg_hmac_init(&token, derived, CG_HMAC_LEN));
        assert_true(cg_hmac(&token, &message, 1, good));
        assert_true(cg_hmac(&keys.sign[0].derived[i], &message, 1, mac));
        assert_memory_equal(mac, good, CG_HMAC_LEN);
        cg_hmac_free(&token);
    }

    cg_hmac_free(&subject);
    cg_hmac_free(&sign);
    cg_keys_free(&keys);
}


#define X32   "00112233445566778899aabbccddeeff"
#define X128  X32 X32 X32 X32

static void
test_keys_of_16_to_64_bytes(void **state)
{
    unsigned   line;
    cg_keys_t  keys;

    (void) state;

    assert_null(cg_keys_parse(&keys, cg_str("subject " X32 "\n"
                                            "sign a " X128 "\n"), &line));
    cg_keys_free(&keys);
}


static void
test_mistakes_in_a_key_file(void **state)
{
    size_t       i;
    unsigned     line;
    cg_keys_t    keys;
    const char  *err;

    static const struct {
        const char  *text;
        unsigned     line;
        const char  *what;
    } cases[] = {
        { "", 0, "no \"subject\"" },
        { "# nothing\n\n", 0, "no \"subject\"" },
        { "sign k1 " KEY_A "\n", 0, "no \"subject\"" },
        { "subject " KEY_A "\n", 0, "no \"sign\"" },
        { "subject " KEY_A "\nsubject-previous " KEY_B "\n", 0,
          "no \"sign\"" },
        { GOOD "subject " KEY_C "\n", 3, "\"subject\" is given twice" },
        { "subject-previous " KEY_A "\nsubject-previous " KEY_A "\n" GOOD, 2,
          "\"subject-previous\" is given twice" },
        { GOOD "\n# rotated\nsign k1 " KEY_C "\n", 5, "id is given twice" },
        { GOOD "encrypt " KEY_C "\n", 3, "a line starts with" },
        { GOOD "Subject " KEY_C "\n", 3, "a line starts with" },
        { "\xef\xbb\xbf" GOOD, 1, "a line starts with" },
        { KEY_A "\n" GOOD, 1, "a line starts with" },
        { "subject\n", 1, "followed by one key" },
        { "subject " KEY_A " " KEY_B "\n", 1, "followed by one key" },
        { "subject-previous\n", 1, "followed by one key" },
        { "sign " KEY_A "\n", 1, "followed by a key id" },
        { "sign k1 " KEY_A " x\n", 1, "followed by a key id" },
        { "sign k1 a b c d e f " KEY_A "\n", 1, "followed by a key id" },
        { "sign 12345678901234567 " KEY_A "\n", 1, "longer than 16" },
        { "sign k.1 " KEY_A "\n", 1, "letters, digits" },
        { "sign k\xc3\xa9 " KEY_A "\n", 1, "letters, digits" },
        { "sign k\r " KEY_A "\n", 1, "letters, digits" },
        { "sign k1 " KEY_A "0\n", 1, "odd number" },
        { "sign k1 00\n", 1, "shorter than 32" },
        { "sign k1 " X128 "00\n", 1, "longer than 128" },
        { "sign k1 000102030405060708090a0b0c0d0e0g\n", 1,
          "not hexadecimal" },
        { "subject 0x0102030405060708090a0b0c0d0e0f\n", 1,
          "not hexadecimal" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = cg_keys_parse(&keys, text_of(cases[i].text), &line);

        assert_non_null(err);
        assert_non_null(strstr(err, cases[i].what));
        assert_int_equal(line, cases[i].line);
        assert_null(keys.subject.ctx);
        assert_null(keys.sign[0].derived[0].ctx);
    }
}


static void
test_eight_signing_keys_at_most(void **state)
{
    char       text[1024];
    size_t     i, len;
    unsigned   line;
    cg_keys_t  keys;

    (void) state;

    len = (size_t) sprintf(text, "subject " KEY_A "\n");

    for (i = 0; i < CG_MAX_SIGN_KEYS; i++) {
        len += (size_t) sprintf(text + len, "sign k%zu " KEY_B "\n", i);
    }

    assert_null(cg_keys_parse(&keys, text_of(text), &line));
    assert_int_equal(keys.nsign, CG_MAX_SIGN_KEYS);
    cg_keys_free(&keys);

    sprintf(text + len, "sign k8 " KEY_B "\n");

    assert_non_null(cg_keys_parse(&keys, text_of(text), &line));
    assert_int_equal(line, CG_MAX_SIGN_KEYS + 2);
}


static void
test_nothing_of_a_key_stays_behind(void **state)
{
    size_t     i;
    unsigned   line;
    cg_keys_t  keys;

    (void) state;

    assert_null(cg_keys_parse(&keys, cg_str(GOOD), &line));
    cg_keys_free(&keys);

    for (i = 0; i < sizeof(keys); i++) {
        assert_int_equal(((uint8_t *) &keys)[i], 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_hmac_vectors_of_rfc_4231),
        cmocka_unit_test(test_hmac_starts_anew_each_time),
        cmocka_unit_test(test_equal_ct),
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_siphash_is_what_libcrypto_computes),
        cmocka_unit_test(test_key_file_is_read),
        cmocka_unit_test(test_derived_keys),
        cmocka_unit_test(test_keys_of_16_to_64_bytes),
        cmocka_unit_test(test_mistakes_in_a_key_file),
        cmocka_unit_test(test_eight_signing_keys_at_most),
        cmocka_unit_test(test_nothing_of_a_key_stays_behind),
    };

    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
