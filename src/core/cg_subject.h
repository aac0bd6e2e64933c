/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_SUBJECT_H
#define CG_SUBJECT_H

#include "cg_decide.h"
#include "cg_keys.h"


#define CG_SUBJECT_ID_LEN     16    /* bytes of the pseudonym */
#define CG_SUBJECT_CHECK_LEN  4     /* bytes of "k" */
#define CG_VISITOR_ID_LEN     16    /* random bytes of a visitor */
#define CG_VISITOR_LEN        24    /* with the MAC */
#define CG_VISITOR_TEXT       cg_base64url_len(CG_VISITOR_LEN)   /* 32 */
#define CG_MAX_PREFIX         32    /* of keys in the store */
#define CG_PSEUDONYM_LEN      cg_base64url_len(CG_SUBJECT_ID_LEN)  /* 22 */
/* prefix, "s:{0a3}", 22 characters */
#define CG_MAX_KEY            (CG_MAX_PREFIX + 7 + CG_PSEUDONYM_LEN)


/* A pseudonym: what the store knows of a subject. */

typedef struct {
    uint8_t  id[CG_SUBJECT_ID_LEN];
    uint8_t  check[CG_SUBJECT_CHECK_LEN];
} cg_pseudonym_t;

typedef struct {
    uint8_t         kind;             /* cg_subject_e */
    bool            has_previous;     /* under the key "subject-previous" */
    cg_pseudonym_t  current;
    cg_pseudonym_t  previous;
} cg_subject_t;

/*
 * HMAC-SHA-256 under the subject key over kind, realm and id, each with its
 * length, so that no two of them spell the same message. The first 16 bytes
 * are the pseudonym, the next four the check. `id` is an account's name as
 * bytes or the CG_VISITOR_ID_LEN bytes of a visitor. False: libcrypto failed,
 * no kind of subject, or a realm or an id longer than 65535 bytes.
 */
bool cg_subject_derive(cg_subject_t *s, cg_keys_t *keys, cg_subject_e kind,
    cg_str_t realm, cg_str_t id);

/* Whether two are the same one, by kind and current pseudonym; equal time. */
bool cg_subject_same(const cg_subject_t *a, const cg_subject_t *b);

/*
 * Writes the key of a record (what 's') or of a bucket of events ('a'):
 * "gc:s:{0a3}<22 characters>", "gc:a:{0a3}", where 0a3 are the first 12 bits
 * of the pseudonym. Returns the length; `key` holds CG_MAX_KEY bytes.
 */
size_t cg_subject_key(const cg_pseudonym_t *p, cg_str_t prefix, char what,
    uint8_t *key);
/* Writes the CG_PSEUDONYM_LEN characters of the pseudonym. */
void cg_subject_text(const cg_pseudonym_t *p, uint8_t *text);

/* The value of a visitor cookie for 16 random bytes: CG_VISITOR_TEXT. */
void cg_visitor_seal(const cg_keys_t *keys, const uint8_t id[16],
    uint8_t text[CG_VISITOR_TEXT]);
/*
 * Opens a visitor cookie: canonical base64url, and a 64-bit MAC (SipHash-2-4)
 * of the current or the previous key. Anything else is no cookie: false.
 */
bool cg_visitor_open(const cg_keys_t *keys, cg_str_t text, uint8_t id[16]);
/*
 * Opens the first cookie of this name in a Cookie header that can be opened:
 * cg_cookie_next() and cg_visitor_open() in one, for this is done at each
 * request.
 */
bool cg_visitor_find(const cg_keys_t *keys, cg_str_t header, cg_str_t name,
    uint8_t id[16]);

#endif /* CG_SUBJECT_H */
