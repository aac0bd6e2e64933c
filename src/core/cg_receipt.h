/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_RECEIPT_H
#define CG_RECEIPT_H

#include "cg_token.h"


/*
 * What a visitor has answered, signed, in a cookie: it stands in for the
 * record while the store does not answer. Documents and purposes go by name,
 * for their numbers change with the configuration.
 */

typedef struct {
    uint8_t   name_len;
    uint8_t   name[CG_MAX_NAME];
    uint32_t  value;            /* version, 0: declined; purpose: 0 or 1 */
} cg_receipt_item_t;

typedef struct {
    int64_t            expires;     /* seconds since 1970 */
    cg_subject_t       subject;     /* only kind and current pseudonym */
    size_t             realm_len;
    uint8_t            realm[CG_MAX_REALM];
    uint8_t            age_state;   /* cg_age_e */
    uint8_t            age;         /* years */
    cg_cc_t            residence;
    size_t             ndocs;
    cg_receipt_item_t  docs[CG_MAX_DOCUMENTS];
    size_t             npurposes;
    cg_receipt_item_t  purposes[CG_MAX_PURPOSES];
} cg_receipt_t;

/* Returns the length of the token, 0 on failure. CG_MAX_TOKEN bytes. */
size_t cg_receipt_seal(cg_keys_t *keys, const cg_receipt_t *t, uint8_t *text);
/*
 * True if MAC and form are good, it is of `realm` and has not expired at
 * `now`. The caller compares the subject.
 */
bool cg_receipt_open(cg_keys_t *keys, cg_receipt_t *t, cg_str_t text,
    cg_str_t realm, int64_t now);

/*
 * The same in another cookie, under a key of its own: only the documents that
 * were accepted with one answer, in this browser, and for as long as that
 * matters.
 */
size_t cg_given_seal(cg_keys_t *keys, const cg_receipt_t *t, uint8_t *text);
bool cg_given_open(cg_keys_t *keys, cg_receipt_t *t, cg_str_t text,
    cg_str_t realm, int64_t now);

/* The payload behind the MAC, as in cg_token_internal.h. */
size_t cg_receipt_encode(const cg_receipt_t *t, uint8_t *payload);
bool cg_receipt_decode(cg_receipt_t *t, cg_str_t payload);

#endif /* CG_RECEIPT_H */
