/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TOKEN_H
#define CG_TOKEN_H

#include "cg_request.h"
#include "cg_subject.h"


#define CG_MAX_REALM    64                        /* bytes */
#define CG_TOKEN_MAC    16                        /* bytes */
#define CG_MAX_PAYLOAD  1600                      /* bytes */
#define CG_MAX_TOKEN \
    (CG_MAX_KID + 1 + cg_base64url_len(CG_MAX_PAYLOAD + CG_TOKEN_MAC))

#define CG_FORM_TTL     7200        /* seconds a form may stay open */
/* the tombstone of what is erased outlives every form, and the gates whose
 * clocks go wrong */
#define CG_TOMBSTONE_TTL  (CG_FORM_TTL + 600)


/*
 * Signs `payload` with the first key: "KID.base64url(payload MAC)", where the
 * MAC is over "KID." and the payload. Returns the length of the text, 0 on
 * failure. `text` holds CG_MAX_TOKEN bytes.
 */
size_t cg_token_seal(cg_keys_t *keys, cg_token_e type, cg_str_t payload,
    uint8_t *text);
/*
 * Checks the MAC with the key that KID names. Returns the length of the
 * payload written to `payload` (CG_MAX_PAYLOAD bytes), or -1.
 */
int cg_token_open(cg_keys_t *keys, cg_token_e type, cg_str_t text,
    uint8_t *payload);


typedef struct {
    uint8_t   name_len;
    uint8_t   name[CG_MAX_NAME];
    uint32_t  version;
    bool      has_sha256;
    uint8_t   sha256[32];
} cg_shown_t;

/* What the form of the page is signed for. */

typedef struct {
    int64_t       expires;          /* seconds since 1970 */
    uint32_t      rev;              /* of the record that was seen */
    cg_subject_t  subject;
    cg_cc_t       country;
    uint8_t       source;           /* cg_source_e */
    uint8_t       reason;           /* cg_reason_e */
    uint8_t       age;              /* years, as asked for; 0: not asked */
    size_t        realm_len;
    uint8_t       realm[CG_MAX_REALM];
    size_t        locale_len;
    uint8_t       locale[CG_MAX_LOCALE];
    size_t        nshown;
    cg_shown_t    shown[CG_MAX_DOCUMENTS];
} cg_form_token_t;

/*
 * Returns the length of the token, 0 on failure: libcrypto, no subject, or a
 * value out of its range.
 */
size_t cg_form_token_seal(cg_keys_t *keys, const cg_form_token_t *t,
    uint8_t *text);
/*
 * Opens a form token: true if its MAC and form are good, its realm is `realm`
 * and it has not expired at `now`.
 */
bool cg_form_token_open(cg_keys_t *keys, cg_form_token_t *t, cg_str_t text,
    cg_str_t realm, int64_t now);

/* The cookie that carries a gated subject to the page (CG_TOKEN_GATED). */
size_t cg_gated_seal(cg_keys_t *keys, const cg_subject_t *subject,
    cg_str_t realm, int64_t expires, uint8_t *text);
bool cg_gated_open(cg_keys_t *keys, cg_subject_t *subject, cg_str_t text,
    cg_str_t realm, int64_t now);

#endif /* CG_TOKEN_H */
