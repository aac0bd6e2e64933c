/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_receipt.h"
#include "cg_wire.h"


#define CG_RECEIPT_FORMAT  1


static size_t cg_receipt_seal_as(cg_keys_t *keys, cg_token_e type,
    const cg_receipt_t *t, uint8_t *text);
static bool cg_receipt_open_as(cg_keys_t *keys, cg_token_e type,
    cg_receipt_t *t, cg_str_t text, cg_str_t realm, int64_t now);
static bool cg_receipt_valid(const cg_receipt_t *t);
static bool cg_receipt_items_valid(const cg_receipt_item_t *items, size_t n,
    uint32_t max);
static void cg_put_items(cg_out_t *out, const cg_receipt_item_t *items,
    size_t n);
static size_t cg_get_items(cg_in_t *in, cg_receipt_item_t *items, size_t max);


size_t
cg_receipt_seal(cg_keys_t *keys, const cg_receipt_t *t, uint8_t *text)
{
    return cg_receipt_seal_as(keys, CG_TOKEN_RECEIPT, t, text);
}


bool
cg_receipt_open(cg_keys_t *keys, cg_receipt_t *t, cg_str_t text,
    cg_str_t realm, int64_t now)
{
    return cg_receipt_open_as(keys, CG_TOKEN_RECEIPT, t, text, realm, now);
}


size_t
cg_given_seal(cg_keys_t *keys, const cg_receipt_t *t, uint8_t *text)
{
    return cg_receipt_seal_as(keys, CG_TOKEN_GIVEN, t, text);
}


bool
cg_given_open(cg_keys_t *keys, cg_receipt_t *t, cg_str_t text,
    cg_str_t realm, int64_t now)
{
    return cg_receipt_open_as(keys, CG_TOKEN_GIVEN, t, text, realm, now);
}


static size_t
cg_receipt_seal_as(cg_keys_t *keys, cg_token_e type, const cg_receipt_t *t,
    uint8_t *text)
{
    size_t   n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_receipt_encode(t, payload);
    if (n == 0) {
        return 0;
    }

    return cg_token_seal(keys, type, (cg_str_t) { n, payload }, text);
}


static bool
cg_receipt_open_as(cg_keys_t *keys, cg_token_e type, cg_receipt_t *t,
    cg_str_t text, cg_str_t realm, int64_t now)
{
    int      n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_token_open(keys, type, text, payload);

    return n >= 0
           && cg_receipt_decode(t, (cg_str_t) { (size_t) n, payload })
           && cg_str_eq((cg_str_t) { t->realm_len, t->realm }, realm)
           && now < t->expires;
}


size_t
cg_receipt_encode(const cg_receipt_t *t, uint8_t *payload)
{
    cg_out_t  out;

    if (!cg_receipt_valid(t)) {
        return 0;
    }

    cg_out_init(&out, payload, CG_MAX_PAYLOAD);

    cg_put_uint(&out, CG_RECEIPT_FORMAT, 1);
    cg_put_uint(&out, (uint64_t) t->expires, 8);
    cg_put_uint(&out, t->subject.kind, 1);
    cg_put_pseudonym(&out, &t->subject.current);
    cg_put_text(&out, t->realm, t->realm_len);
    cg_put_uint(&out, t->age_state, 1);
    cg_put_uint(&out, t->age, 1);
    cg_put_uint(&out, t->residence, 2);
    cg_put_items(&out, t->docs, t->ndocs);
    cg_put_items(&out, t->purposes, t->npurposes);

    return out.overflow ? 0 : cg_out_len(&out);
}


bool
cg_receipt_decode(cg_receipt_t *t, cg_str_t payload)
{
    cg_in_t  in;

    memset(t, 0, sizeof(cg_receipt_t));

    cg_in_init(&in, payload);

    if (cg_get_uint(&in, 1) != CG_RECEIPT_FORMAT) {
        return false;
    }

    t->expires = cg_get_expires(&in);
    t->subject.kind = (uint8_t) cg_get_uint(&in, 1);
    cg_get_pseudonym(&in, &t->subject.current);
    t->realm_len = cg_get_text(&in, t->realm, CG_MAX_REALM);
    t->age_state = (uint8_t) cg_get_uint(&in, 1);
    t->age = (uint8_t) cg_get_uint(&in, 1);
    t->residence = (cg_cc_t) cg_get_uint(&in, 2);
    t->ndocs = cg_get_items(&in, t->docs, CG_MAX_DOCUMENTS);
    t->npurposes = cg_get_items(&in, t->purposes, CG_MAX_PURPOSES);

    return !in.bad && in.pos == in.end && cg_receipt_valid(t);
}


/* One check for both ways: what is not opened is not sealed either. */

static bool
cg_receipt_valid(const cg_receipt_t *t)
{
    return t->expires >= 0
           && cg_subject_valid(&t->subject)
           && t->realm_len <= CG_MAX_REALM
           && t->age_state <= CG_AGE_MINOR
           && t->age <= CG_MAX_AGE
           && t->residence < CG_CC_ANONYMIZER
           && t->ndocs <= CG_MAX_DOCUMENTS
           && t->npurposes <= CG_MAX_PURPOSES
           && cg_receipt_items_valid(t->docs, t->ndocs, CG_MAX_VERSION)
           && cg_receipt_items_valid(t->purposes, t->npurposes, 1);
}


static bool
cg_receipt_items_valid(const cg_receipt_item_t *items, size_t n, uint32_t max)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (items[i].name_len == 0 || items[i].name_len > CG_MAX_NAME
            || items[i].value > max)
        {
            return false;
        }
    }

    return true;
}


static void
cg_put_items(cg_out_t *out, const cg_receipt_item_t *items, size_t n)
{
    size_t  i;

    cg_put_uint(out, n, 1);

    for (i = 0; i < n; i++) {
        cg_put_text(out, items[i].name, items[i].name_len);
        cg_put_uint(out, items[i].value, 4);
    }
}


static size_t
cg_get_items(cg_in_t *in, cg_receipt_item_t *items, size_t max)
{
    size_t  i, n;

    n = cg_get_count(in, max);

    for (i = 0; i < n; i++) {
        items[i].name_len = (uint8_t) cg_get_text(in, items[i].name,
                                                  CG_MAX_NAME);
        items[i].value = (uint32_t) cg_get_uint(in, 4);
    }

    return n;
}
