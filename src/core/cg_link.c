/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_link.h"
#include "cg_wire.h"


/* A change of the encoding takes a new number: old links are then invalid. */

#define CG_LINK_FORMAT  1


static bool cg_link_valid(const cg_link_t *t);


static const cg_str_t  cg_link_names[CG_LINK_STATES] = {
    cg_str(""),
    cg_str("link-invalid"),
    cg_str("link-expired"),
    cg_str("link-site"),
    cg_str("link-account"),
    cg_str("link-used"),
    cg_str("link-erased")
};


cg_str_t
cg_link_name(cg_link_e state)
{
    return state < CG_LINK_STATES ? cg_link_names[state] : cg_str("");
}


size_t
cg_link_seal(cg_keys_t *keys, const cg_link_t *t, uint8_t *text)
{
    size_t   n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_link_encode(t, payload);
    if (n == 0) {
        return 0;
    }

    return cg_token_seal(keys, CG_TOKEN_LINK, (cg_str_t) { n, payload }, text);
}


cg_link_e
cg_link_open(cg_keys_t *keys, cg_link_t *t, cg_str_t text, cg_str_t realm,
    int64_t now)
{
    int      n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_token_open(keys, CG_TOKEN_LINK, text, payload);

    if (n < 0 || !cg_link_decode(t, (cg_str_t) { (size_t) n, payload })) {
        return CG_LINK_INVALID;
    }

    if (!cg_str_eq((cg_str_t) { t->realm_len, t->realm }, realm)) {
        return CG_LINK_REALM;
    }

    return now < t->expires ? CG_LINK_OK : CG_LINK_EXPIRED;
}


/*
 * What a link does not do: bring back what its account has had erased. While
 * the tombstone stands it tells; later a record that was there and is not
 * any more does. A visit that is remembered is no answer.
 */

cg_link_e
cg_link_check(const cg_link_t *t, const cg_record_t *record)
{
    uint32_t  rev;

    rev = record != NULL ? record->rev : 0;

    return rev < t->rev || (rev > t->rev && !cg_record_says(record))
           ? CG_LINK_ERASED : CG_LINK_OK;
}


size_t
cg_link_key(const cg_link_t *t, cg_str_t prefix, uint8_t *key)
{
    size_t    len;
    uint8_t   nonce[cg_base64url_len(CG_LINK_NONCE)];
    cg_out_t  out;

    len = cg_subject_key(&t->subject.current, prefix, 'l', key);
    if (len == 0) {
        return 0;
    }

    cg_base64url_encode(t->nonce, CG_LINK_NONCE, nonce);

    cg_out_init(&out, key + len, CG_MAX_LINK_KEY - len);
    cg_out_bytes(&out, nonce, sizeof(nonce));

    return out.overflow ? 0 : len + cg_out_len(&out);
}


size_t
cg_link_encode(const cg_link_t *t, uint8_t *payload)
{
    cg_out_t  out;

    if (!cg_link_valid(t)) {
        return 0;
    }

    cg_out_init(&out, payload, CG_MAX_PAYLOAD);

    cg_put_uint(&out, CG_LINK_FORMAT, 1);
    cg_put_uint(&out, (uint64_t) t->expires, 8);
    cg_put_uint(&out, t->rev, 4);
    cg_out_bytes(&out, t->nonce, CG_LINK_NONCE);
    cg_put_subject(&out, &t->subject);
    cg_put_text(&out, t->realm, t->realm_len);

    return out.overflow ? 0 : cg_out_len(&out);
}


bool
cg_link_decode(cg_link_t *t, cg_str_t payload)
{
    cg_in_t  in;

    memset(t, 0, sizeof(cg_link_t));

    cg_in_init(&in, payload);

    if (cg_get_uint(&in, 1) != CG_LINK_FORMAT) {
        return false;
    }

    t->expires = cg_get_expires(&in);
    t->rev = (uint32_t) cg_get_uint(&in, 4);
    cg_get_bytes(&in, t->nonce, CG_LINK_NONCE);
    cg_get_subject(&in, &t->subject);
    t->realm_len = cg_get_text(&in, t->realm, CG_MAX_REALM);

    return !in.bad && in.pos == in.end && cg_link_valid(t);
}


/* One check for both ways: what is not opened is not sealed either. */

static bool
cg_link_valid(const cg_link_t *t)
{
    return t->expires > 0
           && t->subject.kind == CG_SUBJECT_ACCOUNT
           && t->realm_len <= CG_MAX_REALM;
}
