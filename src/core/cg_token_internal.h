/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TOKEN_INTERNAL_H
#define CG_TOKEN_INTERNAL_H

#include "cg_token.h"


/*
 * The payloads of tokens, as they are behind the MAC: binary, big-endian,
 * lists and strings with their length in front, a byte for the format first.
 * Here for the tests and the fuzzer; the gate goes through cg_token.h.
 */

typedef struct {
    int64_t       expires;          /* seconds since 1970 */
    cg_subject_t  subject;
    size_t        realm_len;
    uint8_t       realm[CG_MAX_REALM];
} cg_gated_token_t;


/*
 * Write to CG_MAX_PAYLOAD bytes. Return the length, 0 when a value is out of
 * its range.
 */
size_t cg_form_token_encode(const cg_form_token_t *t, uint8_t *payload);
size_t cg_gated_encode(const cg_gated_token_t *t, uint8_t *payload);

/*
 * False for all that the encoder does not write: cut short, bytes behind the
 * end, a list too long, a value out of its range.
 */
bool cg_form_token_decode(cg_form_token_t *t, cg_str_t payload);
bool cg_gated_decode(cg_gated_token_t *t, cg_str_t payload);

#endif /* CG_TOKEN_INTERNAL_H */
