/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_LINK_H
#define CG_LINK_H

#include "cg_token.h"


#define CG_LINK_NONCE     16         /* random bytes */
#define CG_LINK_MAX_TTL   7776000    /* seconds that a link may live: 90 days */
/* prefix, "l:{0a3}", 22 characters */
#define CG_MAX_LINK_KEY \
    (CG_MAX_PREFIX + 7 + cg_base64url_len(CG_LINK_NONCE))


/*
 * What an email brings: whoever follows it may accept for the account it
 * names, once. `rev` is that of the record when the link was made, 0 if there
 * was none: a record that is gone since then was erased.
 */

typedef struct {
    int64_t       expires;           /* seconds since 1970 */
    uint32_t      rev;
    uint8_t       nonce[CG_LINK_NONCE];
    cg_subject_t  subject;           /* an account */
    size_t        realm_len;
    uint8_t       realm[CG_MAX_REALM];
} cg_link_t;

/* The order is that of the names. */

typedef enum {
    CG_LINK_OK = 0,
    CG_LINK_INVALID,        /* altered, cut off, or of a key that is gone */
    CG_LINK_EXPIRED,
    CG_LINK_REALM,          /* of another site */
    CG_LINK_ACCOUNT,        /* another account is signed in */
    CG_LINK_USED,
    CG_LINK_ERASED,         /* the record it was made for is gone */
    CG_LINK_STATES
} cg_link_e;

/* "link-expired" and so on: problem= of the page, and the type of a problem. */
cg_str_t cg_link_name(cg_link_e state);

/* Returns the length of the token, 0 on failure. CG_MAX_TOKEN bytes. */
size_t cg_link_seal(cg_keys_t *keys, const cg_link_t *t, uint8_t *text);
/*
 * What of a link can be told without the store: CG_LINK_OK, _INVALID,
 * _EXPIRED, _REALM. `t` is good with all of them but _INVALID.
 */
cg_link_e cg_link_open(cg_keys_t *keys, cg_link_t *t, cg_str_t text,
    cg_str_t realm, int64_t now);
/*
 * What the record says (NULL: there is none): CG_LINK_ERASED if it was erased
 * after the link was made, or withdrawn so that it says nothing, not even that
 * a purpose is refused; else CG_LINK_OK.
 */
cg_link_e cg_link_check(const cg_link_t *t, const cg_record_t *record);

/*
 * The key that is there once the link is used: "gc:l:{0a3}<nonce>", in the
 * slot of the record. Returns its length; CG_MAX_LINK_KEY bytes.
 */
size_t cg_link_key(const cg_link_t *t, cg_str_t prefix, uint8_t *key);

/* The payload behind the MAC, as in cg_token_internal.h. */
size_t cg_link_encode(const cg_link_t *t, uint8_t *payload);
bool cg_link_decode(cg_link_t *t, cg_str_t payload);

#endif /* CG_LINK_H */
