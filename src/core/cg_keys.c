/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "cg_keys.h"


#define CG_KEY_WORDS  3         /* "sign KID HEX" is the longest line */


typedef struct {
    size_t    n;                /* may be above CG_KEY_WORDS: too many */
    cg_str_t  word[CG_KEY_WORDS];
} cg_key_line_t;

typedef const char *(*cg_key_line_pt)(cg_keys_t *keys,
    const cg_key_line_t *line);


static const char *cg_keys_line(cg_keys_t *keys, cg_str_t text);
static void cg_key_line_split(cg_key_line_t *line, cg_str_t text);
static const char *cg_key_subject(cg_keys_t *keys, const cg_key_line_t *line);
static const char *cg_key_previous(cg_keys_t *keys, const cg_key_line_t *line);
static const char *cg_key_sign(cg_keys_t *keys, const cg_key_line_t *line);
static const char *cg_key_kid(const cg_keys_t *keys, cg_str_t kid);
static const char *cg_key_load(cg_hmac_t *h, cg_str_t hex);
static bool cg_key_derive(cg_hmac_t *h, cg_str_t name,
    uint8_t derived[CG_HMAC_LEN]);
static bool cg_key_derive_siphash(cg_hmac_t *h, cg_str_t name,
    uint8_t key[16]);
static bool cg_key_derive_tokens(cg_sign_key_t *sign, cg_hmac_t *h);


static const struct {
    cg_str_t        name;
    cg_key_line_pt  handler;
} cg_key_lines[] = {
    { { 7, (const uint8_t *) "subject" }, cg_key_subject },
    { { 16, (const uint8_t *) "subject-previous" }, cg_key_previous },
    { { 4, (const uint8_t *) "sign" }, cg_key_sign },
};

/* In the order of cg_token_e. A name is part of the key: never change one. */

static const cg_str_t  cg_token_names[CG_TOKEN_TYPES] = {
    { 4, (const uint8_t *) "form" },
    { 5, (const uint8_t *) "gated" },
    { 7, (const uint8_t *) "receipt" },
    { 4, (const uint8_t *) "link" },
    { 8, (const uint8_t *) "override" },
    { 5, (const uint8_t *) "event" },
    { 5, (const uint8_t *) "given" },
};

static const char  cg_key_crypto_failed[] = "libcrypto failed";


bool
cg_hmac_init(cg_hmac_t *h, const uint8_t *key, size_t len)
{
    char         digest[] = "SHA256";
    EVP_MAC     *mac;
    OSSL_PARAM   params[2];

    h->ctx = NULL;

    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac == NULL) {
        return false;
    }

    h->ctx = EVP_MAC_CTX_new(mac);

    /* the context holds a reference of its own */

    EVP_MAC_free(mac);

    if (h->ctx == NULL) {
        return false;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 digest, 0);
    params[1] = OSSL_PARAM_construct_end();

    if (EVP_MAC_init(h->ctx, key, len, params) != 1) {
        cg_hmac_free(h);
        return false;
    }

    return true;
}


void
cg_hmac_free(cg_hmac_t *h)
{
    EVP_MAC_CTX_free(h->ctx);
    h->ctx = NULL;
}


bool
cg_hmac(cg_hmac_t *h, const cg_str_t *parts, size_t n,
    uint8_t mac[CG_HMAC_LEN])
{
    size_t  i, len;

    /* without a key it starts anew with the one it has (EVP_MAC_init(3)) */

    if (EVP_MAC_init(h->ctx, NULL, 0, NULL) != 1) {
        return false;
    }

    for (i = 0; i < n; i++) {
        if (parts[i].len != 0
            && EVP_MAC_update(h->ctx, parts[i].data, parts[i].len) != 1)
        {
            return false;
        }
    }

    return EVP_MAC_final(h->ctx, mac, &len, CG_HMAC_LEN) == 1
           && len == CG_HMAC_LEN;
}


bool
cg_equal_ct(const uint8_t *a, const uint8_t *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}


const char *
cg_keys_parse(cg_keys_t *keys, cg_str_t text, unsigned *line)
{
    cg_str_t        row;
    const char     *err;
    const uint8_t  *lf;

    memset(keys, 0, sizeof(cg_keys_t));
    *line = 0;

    while (text.len != 0) {
        ++*line;

        lf = memchr(text.data, '\n', text.len);
        row.data = text.data;
        row.len = lf != NULL ? (size_t) (lf - text.data) : text.len;

        err = cg_keys_line(keys, row);
        if (err != NULL) {
            goto failed;
        }

        row.len += lf != NULL;
        text.data += row.len;
        text.len -= row.len;
    }

    *line = 0;

    if (keys->subject.ctx == NULL) {
        err = "no \"subject\" key";
        goto failed;
    }

    if (keys->nsign == 0) {
        err = "no \"sign\" key";
        goto failed;
    }

    return NULL;

failed:

    cg_keys_free(keys);

    return err;
}


void
cg_keys_free(cg_keys_t *keys)
{
    size_t  i, type;

    cg_hmac_free(&keys->subject);
    cg_hmac_free(&keys->subject_previous);

    for (i = 0; i < CG_MAX_SIGN_KEYS; i++) {
        for (type = 0; type < CG_TOKEN_TYPES; type++) {
            cg_hmac_free(&keys->sign[i].derived[type]);
        }
    }

    OPENSSL_cleanse(keys, sizeof(cg_keys_t));
}


static const char *
cg_keys_line(cg_keys_t *keys, cg_str_t text)
{
    size_t          i;
    const uint8_t  *comment;
    cg_key_line_t   line;

    if (text.len != 0 && text.data[text.len - 1] == '\r') {
        text.len--;
    }

    comment = text.len != 0 ? memchr(text.data, '#', text.len) : NULL;

    if (comment != NULL) {
        text.len = (size_t) (comment - text.data);
    }

    cg_key_line_split(&line, text);

    if (line.n == 0) {
        return NULL;
    }

    for (i = 0; i < sizeof(cg_key_lines) / sizeof(cg_key_lines[0]); i++) {
        if (cg_str_eq(line.word[0], cg_key_lines[i].name)) {
            return cg_key_lines[i].handler(keys, &line);
        }
    }

    return "a line starts with \"subject\", \"subject-previous\" or \"sign\"";
}


static void
cg_key_line_split(cg_key_line_t *line, cg_str_t text)
{
    bool    space, within;
    size_t  i;

    line->n = 0;
    within = false;

    for (i = 0; i < text.len; i++) {
        space = text.data[i] == ' ' || text.data[i] == '\t';

        if (space) {
            within = false;
            continue;
        }

        if (!within) {
            within = true;

            if (++line->n > CG_KEY_WORDS) {
                return;
            }

            line->word[line->n - 1] = (cg_str_t) { 0, &text.data[i] };
        }

        line->word[line->n - 1].len++;
    }
}


static const char *
cg_key_subject(cg_keys_t *keys, const cg_key_line_t *line)
{
    const char  *err;

    if (keys->subject.ctx != NULL) {
        return "\"subject\" is given twice";
    }

    if (line->n != 2) {
        return "\"subject\" is followed by one key";
    }

    err = cg_key_load(&keys->subject, line->word[1]);
    if (err != NULL) {
        return err;
    }

    if (!cg_key_derive_siphash(&keys->subject, cg_str("visitor"),
                               keys->visitor)
        || !cg_key_derive_siphash(&keys->subject, cg_str("cache tag"),
                                  keys->tag))
    {
        return cg_key_crypto_failed;
    }

    return NULL;
}


static const char *
cg_key_previous(cg_keys_t *keys, const cg_key_line_t *line)
{
    const char  *err;

    if (keys->has_previous) {
        return "\"subject-previous\" is given twice";
    }

    if (line->n != 2) {
        return "\"subject-previous\" is followed by one key";
    }

    err = cg_key_load(&keys->subject_previous, line->word[1]);
    if (err != NULL) {
        return err;
    }

    if (!cg_key_derive_siphash(&keys->subject_previous, cg_str("visitor"),
                               keys->visitor_previous))
    {
        return cg_key_crypto_failed;
    }

    keys->has_previous = true;

    return NULL;
}


static const char *
cg_key_sign(cg_keys_t *keys, const cg_key_line_t *line)
{
    bool            ok;
    cg_hmac_t       h;
    const char     *err;
    cg_sign_key_t  *sign;

    if (line->n != 3) {
        return "\"sign\" is followed by a key id and one key";
    }

    err = cg_key_kid(keys, line->word[1]);
    if (err != NULL) {
        return err;
    }

    if (keys->nsign == CG_MAX_SIGN_KEYS) {
        return "more than 8 \"sign\" keys";
    }

    err = cg_key_load(&h, line->word[2]);
    if (err != NULL) {
        return err;
    }

    sign = &keys->sign[keys->nsign];
    sign->kid_len = line->word[1].len;
    memcpy(sign->kid, line->word[1].data, sign->kid_len);

    ok = cg_key_derive_tokens(sign, &h);
    cg_hmac_free(&h);

    if (!ok) {
        return cg_key_crypto_failed;
    }

    keys->nsign++;

    return NULL;
}


static const char *
cg_key_kid(const cg_keys_t *keys, cg_str_t kid)
{
    size_t   i;
    uint8_t  c, letter;

    if (kid.len > CG_MAX_KID) {
        return "a key id is longer than 16 characters";
    }

    for (i = 0; i < kid.len; i++) {
        c = kid.data[i];
        letter = c | 0x20;

        if ((letter < 'a' || letter > 'z') && (c < '0' || c > '9')
            && c != '-' && c != '_')
        {
            return "a key id has letters, digits, \"-\" and \"_\" only";
        }
    }

    for (i = 0; i < keys->nsign; i++) {
        if (keys->sign[i].kid_len == kid.len
            && memcmp(keys->sign[i].kid, kid.data, kid.len) == 0)
        {
            return "a key id is given twice";
        }
    }

    return NULL;
}


static const char *
cg_key_load(cg_hmac_t *h, cg_str_t hex)
{
    size_t       len;
    uint8_t      key[CG_KEY_MAX];
    const char  *err;

    h->ctx = NULL;
    len = hex.len / 2;

    if (hex.len % 2 != 0) {
        return "a key has an odd number of hexadecimal digits";
    }

    if (len < CG_KEY_MIN) {
        return "a key is shorter than 32 hexadecimal digits";
    }

    if (len > CG_KEY_MAX) {
        return "a key is longer than 128 hexadecimal digits";
    }

    err = NULL;

    if (!cg_parse_hex(hex, key, len)) {
        err = "a key is not hexadecimal";

    } else if (!cg_hmac_init(h, key, len)) {
        err = cg_key_crypto_failed;
    }

    OPENSSL_cleanse(key, sizeof(key));

    return err;
}


/*
 * No message that the same key signs as a subject starts with these words:
 * it starts with its kind, a byte below 4.
 */

static bool
cg_key_derive(cg_hmac_t *h, cg_str_t name, uint8_t derived[CG_HMAC_LEN])
{
    cg_str_t  parts[2];

    parts[0] = cg_str("consent-gate ");
    parts[1] = name;

    return cg_hmac(h, parts, 2, derived);
}


static bool
cg_key_derive_siphash(cg_hmac_t *h, cg_str_t name, uint8_t key[16])
{
    bool     ok;
    uint8_t  derived[CG_HMAC_LEN];

    ok = cg_key_derive(h, name, derived);

    if (ok) {
        memcpy(key, derived, 16);
    }

    OPENSSL_cleanse(derived, sizeof(derived));

    return ok;
}


static bool
cg_key_derive_tokens(cg_sign_key_t *sign, cg_hmac_t *h)
{
    bool     ok;
    size_t   type;
    uint8_t  derived[CG_HMAC_LEN];

    ok = true;

    for (type = 0; ok && type < CG_TOKEN_TYPES; type++) {
        ok = cg_key_derive(h, cg_token_names[type], derived)
             && cg_hmac_init(&sign->derived[type], derived, CG_HMAC_LEN);
    }

    OPENSSL_cleanse(derived, sizeof(derived));

    return ok;
}
