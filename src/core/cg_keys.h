/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_KEYS_H
#define CG_KEYS_H

#include <openssl/evp.h>

#include "cg_str.h"


#define CG_HMAC_LEN       32     /* bytes, HMAC-SHA-256 (RFC 2104, FIPS 180) */
#define CG_MAX_KID        16     /* characters */
#define CG_MAX_SIGN_KEYS  8
#define CG_KEY_MIN        16     /* bytes of a key */
#define CG_KEY_MAX        64


/* A key ready for use: the context is made once and reset for each message. */

typedef struct {
    EVP_MAC_CTX  *ctx;
} cg_hmac_t;

/* Returns false when libcrypto fails. Free with cg_hmac_free. */
bool cg_hmac_init(cg_hmac_t *h, const uint8_t *key, size_t len);
void cg_hmac_free(cg_hmac_t *h);
/* The MAC of `n` parts one behind the other. False when libcrypto fails. */
bool cg_hmac(cg_hmac_t *h, const cg_str_t *parts, size_t n,
    uint8_t mac[CG_HMAC_LEN]);

/* SipHash-2-4 (Aumasson, Bernstein 2012) with a 64-bit and a 128-bit result. */
uint64_t cg_siphash64(const uint8_t key[16], const void *data, size_t len);
void cg_siphash128(const uint8_t key[16], const void *data, size_t len,
    uint8_t out[16]);

/* Compares in a time that does not depend on where they differ. */
bool cg_equal_ct(const uint8_t *a, const uint8_t *b, size_t len);


/* One type of token each; a key is derived for each, so none passes for
 * another. */

typedef enum {
    CG_TOKEN_FORM = 0,
    CG_TOKEN_GATED,         /* the gated subject, for the page */
    CG_TOKEN_RECEIPT,
    CG_TOKEN_LINK,
    CG_TOKEN_OVERRIDE,
    CG_TOKEN_EVENT,         /* the MAC over an event */
    CG_TOKEN_GIVEN,         /* what was accepted in this browser */
    CG_TOKEN_TYPES
} cg_token_e;

typedef struct {
    size_t     kid_len;
    uint8_t    kid[CG_MAX_KID];
    cg_hmac_t  derived[CG_TOKEN_TYPES];
} cg_sign_key_t;

typedef struct {
    cg_hmac_t      subject;
    cg_hmac_t      subject_previous;
    bool           has_previous;
    uint8_t        visitor[16];             /* SipHash key of visitor cookies */
    uint8_t        visitor_previous[16];
    uint8_t        tag[16];                 /* SipHash key of cache tags */
    size_t         nsign;
    cg_sign_key_t  sign[CG_MAX_SIGN_KEYS];  /* the first signs */
} cg_keys_t;

/*
 * Reads the text of a key file. Lines: "subject HEX", "subject-previous HEX"
 * (optional), "sign KID HEX" (one or more); '#' starts a comment; a KID is 1
 * to CG_MAX_KID letters, digits, '-' and '_'; a key CG_KEY_MIN to CG_KEY_MAX
 * bytes. `line` is set to the line of a mistake (from 1; 0: the whole file).
 * Returns NULL, or a static text that names the mistake and never the key.
 * What was made before a mistake is freed. On success free with
 * cg_keys_free.
 */
const char *cg_keys_parse(cg_keys_t *keys, cg_str_t text, unsigned *line);
void cg_keys_free(cg_keys_t *keys);

#endif /* CG_KEYS_H */
