/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_token_internal.h"
#include "cg_wire.h"


/* A change of the encoding takes a new number: old tokens are then refused. */

#define CG_FORM_FORMAT   2
#define CG_GATED_FORMAT  1

#define CG_TOKEN_RAW     (CG_MAX_PAYLOAD + CG_TOKEN_MAC)


static bool cg_token_mac(cg_sign_key_t *key, cg_token_e type, cg_str_t payload,
    uint8_t mac[CG_HMAC_LEN]);
static cg_sign_key_t *cg_token_key(cg_keys_t *keys, cg_str_t kid);

static bool cg_form_token_valid(const cg_form_token_t *t);
static bool cg_gated_valid(const cg_gated_token_t *t);
static void cg_put_shown(cg_out_t *out, const cg_shown_t *shown);
static void cg_get_shown(cg_in_t *in, cg_shown_t *shown);


size_t
cg_token_seal(cg_keys_t *keys, cg_token_e type, cg_str_t payload,
    uint8_t *text)
{
    size_t          len;
    uint8_t         raw[CG_MAX_PAYLOAD + CG_HMAC_LEN];
    cg_sign_key_t  *key;

    if (payload.len > CG_MAX_PAYLOAD || keys->nsign == 0) {
        return 0;
    }

    key = &keys->sign[0];

    if (payload.len != 0) {
        memcpy(raw, payload.data, payload.len);
    }

    /* half of the MAC is kept: RFC 2104, 5 */

    if (!cg_token_mac(key, type, payload, raw + payload.len)) {
        return 0;
    }

    memcpy(text, key->kid, key->kid_len);
    text[key->kid_len] = '.';

    len = payload.len + CG_TOKEN_MAC;
    cg_base64url_encode(raw, len, text + key->kid_len + 1);

    return key->kid_len + 1 + cg_base64url_len(len);
}


int
cg_token_open(cg_keys_t *keys, cg_token_e type, cg_str_t text,
    uint8_t *payload)
{
    int             n;
    uint8_t         raw[CG_TOKEN_RAW], mac[CG_HMAC_LEN];
    cg_str_t        kid, body;
    cg_sign_key_t  *key;
    const uint8_t  *dot;

    if (text.len == 0 || text.len > CG_MAX_TOKEN) {
        return -1;
    }

    dot = memchr(text.data, '.', text.len);
    if (dot == NULL) {
        return -1;
    }

    kid = (cg_str_t) { (size_t) (dot - text.data), text.data };
    body = (cg_str_t) { text.len - kid.len - 1, dot + 1 };

    key = cg_token_key(keys, kid);

    if (key == NULL || body.len > cg_base64url_len(CG_TOKEN_RAW)) {
        return -1;
    }

    n = cg_base64url_decode(body, raw) - CG_TOKEN_MAC;

    if (n < 0
        || !cg_token_mac(key, type, (cg_str_t) { (size_t) n, raw }, mac)
        || !cg_equal_ct(mac, raw + n, CG_TOKEN_MAC))
    {
        return -1;
    }

    memcpy(payload, raw, (size_t) n);

    return n;
}


/*
 * The key's id is part of the message, or a key that a file lists under two
 * ids would give a token two spellings.
 */

static bool
cg_token_mac(cg_sign_key_t *key, cg_token_e type, cg_str_t payload,
    uint8_t mac[CG_HMAC_LEN])
{
    cg_str_t  parts[3];

    parts[0] = (cg_str_t) { key->kid_len, key->kid };
    parts[1] = cg_str(".");
    parts[2] = payload;

    return cg_hmac(&key->derived[type], parts, 3, mac);
}


static cg_sign_key_t *
cg_token_key(cg_keys_t *keys, cg_str_t kid)
{
    size_t  i;

    for (i = 0; i < keys->nsign; i++) {
        if (cg_str_eq(kid, (cg_str_t) { keys->sign[i].kid_len,
                                        keys->sign[i].kid }))
        {
            return &keys->sign[i];
        }
    }

    return NULL;
}


size_t
cg_form_token_seal(cg_keys_t *keys, const cg_form_token_t *t, uint8_t *text)
{
    size_t   n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_form_token_encode(t, payload);
    if (n == 0) {
        return 0;
    }

    return cg_token_seal(keys, CG_TOKEN_FORM, (cg_str_t) { n, payload }, text);
}


bool
cg_form_token_open(cg_keys_t *keys, cg_form_token_t *t, cg_str_t text,
    cg_str_t realm, int64_t now)
{
    int      n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_token_open(keys, CG_TOKEN_FORM, text, payload);

    return n >= 0
           && cg_form_token_decode(t, (cg_str_t) { (size_t) n, payload })
           && cg_str_eq((cg_str_t) { t->realm_len, t->realm }, realm)
           && now < t->expires;
}


size_t
cg_gated_seal(cg_keys_t *keys, const cg_subject_t *subject, cg_str_t realm,
    int64_t expires, uint8_t *text)
{
    size_t            n;
    uint8_t           payload[CG_MAX_PAYLOAD];
    cg_gated_token_t  t;

    if (realm.len > CG_MAX_REALM) {
        return 0;
    }

    t.expires = expires;
    t.subject = *subject;
    t.realm_len = realm.len;

    if (realm.len != 0) {
        memcpy(t.realm, realm.data, realm.len);
    }

    n = cg_gated_encode(&t, payload);
    if (n == 0) {
        return 0;
    }

    return cg_token_seal(keys, CG_TOKEN_GATED, (cg_str_t) { n, payload }, text);
}


bool
cg_gated_open(cg_keys_t *keys, cg_subject_t *subject, cg_str_t text,
    cg_str_t realm, int64_t now)
{
    int               n;
    uint8_t           payload[CG_MAX_PAYLOAD];
    cg_gated_token_t  t;

    n = cg_token_open(keys, CG_TOKEN_GATED, text, payload);

    if (n < 0
        || !cg_gated_decode(&t, (cg_str_t) { (size_t) n, payload })
        || !cg_str_eq((cg_str_t) { t.realm_len, t.realm }, realm)
        || now >= t.expires)
    {
        return false;
    }

    *subject = t.subject;

    return true;
}


size_t
cg_form_token_encode(const cg_form_token_t *t, uint8_t *payload)
{
    size_t    i;
    cg_out_t  out;

    if (!cg_form_token_valid(t)) {
        return 0;
    }

    cg_out_init(&out, payload, CG_MAX_PAYLOAD);

    cg_put_uint(&out, CG_FORM_FORMAT, 1);
    cg_put_uint(&out, (uint64_t) t->expires, 8);
    cg_put_uint(&out, t->rev, 4);
    cg_put_subject(&out, &t->subject);
    cg_put_uint(&out, t->country, 2);
    cg_put_uint(&out, t->source, 1);
    cg_put_uint(&out, t->reason, 1);
    cg_put_uint(&out, t->age, 1);
    cg_put_text(&out, t->realm, t->realm_len);
    cg_put_text(&out, t->locale, t->locale_len);
    cg_put_uint(&out, t->nshown, 1);

    for (i = 0; i < t->nshown; i++) {
        cg_put_shown(&out, &t->shown[i]);
    }

    return out.overflow ? 0 : cg_out_len(&out);
}


bool
cg_form_token_decode(cg_form_token_t *t, cg_str_t payload)
{
    size_t   i;
    cg_in_t  in;

    memset(t, 0, sizeof(cg_form_token_t));

    cg_in_init(&in, payload);

    if (cg_get_uint(&in, 1) != CG_FORM_FORMAT) {
        return false;
    }

    t->expires = cg_get_expires(&in);
    t->rev = (uint32_t) cg_get_uint(&in, 4);
    cg_get_subject(&in, &t->subject);
    t->country = (cg_cc_t) cg_get_uint(&in, 2);
    t->source = (uint8_t) cg_get_uint(&in, 1);
    t->reason = (uint8_t) cg_get_uint(&in, 1);
    t->age = (uint8_t) cg_get_uint(&in, 1);
    t->realm_len = cg_get_text(&in, t->realm, CG_MAX_REALM);
    t->locale_len = cg_get_text(&in, t->locale, CG_MAX_LOCALE);
    t->nshown = cg_get_count(&in, CG_MAX_DOCUMENTS);

    for (i = 0; i < t->nshown; i++) {
        cg_get_shown(&in, &t->shown[i]);
    }

    return !in.bad && in.pos == in.end && cg_form_token_valid(t);
}


size_t
cg_gated_encode(const cg_gated_token_t *t, uint8_t *payload)
{
    cg_out_t  out;

    if (!cg_gated_valid(t)) {
        return 0;
    }

    cg_out_init(&out, payload, CG_MAX_PAYLOAD);

    cg_put_uint(&out, CG_GATED_FORMAT, 1);
    cg_put_uint(&out, (uint64_t) t->expires, 8);
    cg_put_subject(&out, &t->subject);
    cg_put_text(&out, t->realm, t->realm_len);

    return out.overflow ? 0 : cg_out_len(&out);
}


bool
cg_gated_decode(cg_gated_token_t *t, cg_str_t payload)
{
    cg_in_t  in;

    memset(t, 0, sizeof(cg_gated_token_t));

    cg_in_init(&in, payload);

    if (cg_get_uint(&in, 1) != CG_GATED_FORMAT) {
        return false;
    }

    t->expires = cg_get_expires(&in);
    cg_get_subject(&in, &t->subject);
    t->realm_len = cg_get_text(&in, t->realm, CG_MAX_REALM);

    return !in.bad && in.pos == in.end && cg_gated_valid(t);
}


/* One check for both ways: what is not opened is not sealed either. */

static bool
cg_form_token_valid(const cg_form_token_t *t)
{
    size_t  i;

    if (t->expires < 0
        || !cg_subject_valid(&t->subject)
        || t->country >= CG_CC_COUNT
        || t->source >= CG_SOURCES
        || t->reason >= CG_REASONS
        || t->age > CG_MAX_AGE
        || t->realm_len > CG_MAX_REALM
        || t->locale_len > CG_MAX_LOCALE
        || t->nshown > CG_MAX_DOCUMENTS)
    {
        return false;
    }

    for (i = 0; i < t->nshown; i++) {
        if (t->shown[i].name_len == 0 || t->shown[i].name_len > CG_MAX_NAME) {
            return false;
        }
    }

    return true;
}


static bool
cg_gated_valid(const cg_gated_token_t *t)
{
    return t->expires >= 0
           && cg_subject_valid(&t->subject)
           && t->realm_len <= CG_MAX_REALM;
}


static void
cg_put_shown(cg_out_t *out, const cg_shown_t *shown)
{
    cg_put_text(out, shown->name, shown->name_len);
    cg_put_uint(out, shown->version, 4);
    cg_put_uint(out, shown->has_sha256, 1);

    if (shown->has_sha256) {
        cg_out_bytes(out, shown->sha256, sizeof(shown->sha256));
    }
}


static void
cg_get_shown(cg_in_t *in, cg_shown_t *shown)
{
    shown->name_len = (uint8_t) cg_get_text(in, shown->name, CG_MAX_NAME);
    shown->version = (uint32_t) cg_get_uint(in, 4);
    shown->has_sha256 = cg_get_bool(in);

    if (shown->has_sha256) {
        cg_get_bytes(in, shown->sha256, sizeof(shown->sha256));
    }
}
