/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>

#include "cg_subject.h"


#define CG_SUBJECT_MAX_PART  UINT16_MAX     /* its length is two bytes */
#define CG_VISITOR_MAC_LEN   8


static bool cg_pseudonym_derive(cg_pseudonym_t *p, cg_hmac_t *h,
    const cg_str_t *parts, size_t n);
static uint64_t cg_visitor_mac(const uint8_t key[16], const uint8_t id[16]);


bool
cg_subject_derive(cg_subject_t *s, cg_keys_t *keys, cg_subject_e kind,
    cg_str_t realm, cg_str_t id)
{
    uint8_t   head[3], length[2];
    cg_str_t  parts[4];

    memset(s, 0, sizeof(cg_subject_t));

    /* a kind that is none of ours could spell the message of a derived key */

    if (kind < CG_SUBJECT_VISITOR || kind > CG_SUBJECT_TEST
        || realm.len > CG_SUBJECT_MAX_PART || id.len > CG_SUBJECT_MAX_PART)
    {
        return false;
    }

    head[0] = (uint8_t) kind;
    head[1] = (uint8_t) (realm.len >> 8);
    head[2] = (uint8_t) realm.len;
    length[0] = (uint8_t) (id.len >> 8);
    length[1] = (uint8_t) id.len;

    parts[0] = (cg_str_t) { sizeof(head), head };
    parts[1] = realm;
    parts[2] = (cg_str_t) { sizeof(length), length };
    parts[3] = id;

    if (!cg_pseudonym_derive(&s->current, &keys->subject, parts, 4)) {
        return false;
    }

    if (keys->has_previous
        && !cg_pseudonym_derive(&s->previous, &keys->subject_previous, parts,
                                4))
    {
        return false;
    }

    s->kind = (uint8_t) kind;
    s->has_previous = keys->has_previous;

    return true;
}


static bool
cg_pseudonym_derive(cg_pseudonym_t *p, cg_hmac_t *h, const cg_str_t *parts,
    size_t n)
{
    uint8_t  mac[CG_HMAC_LEN];

    if (!cg_hmac(h, parts, n, mac)) {
        return false;
    }

    memcpy(p->id, mac, CG_SUBJECT_ID_LEN);
    memcpy(p->check, mac + CG_SUBJECT_ID_LEN, CG_SUBJECT_CHECK_LEN);

    return true;
}


bool
cg_subject_same(const cg_subject_t *a, const cg_subject_t *b)
{
    return a->kind == b->kind
           && cg_equal_ct(a->current.id, b->current.id, CG_SUBJECT_ID_LEN);
}


size_t
cg_subject_key(const cg_pseudonym_t *p, cg_str_t prefix, char what,
    uint8_t *key)
{
    uint8_t   bucket[4], text[CG_PSEUDONYM_LEN];
    cg_out_t  out, hex;

    /* the hash tag of Redis Cluster: a record and its events in one slot */

    cg_out_init(&hex, bucket, sizeof(bucket));
    cg_out_hex(&hex, p->id, 2);

    cg_out_init(&out, key, CG_MAX_KEY);
    cg_out_str(&out, prefix);
    cg_out_bytes(&out, &what, 1);
    cg_out_bytes(&out, ":{", 2);
    cg_out_bytes(&out, bucket, 3);
    cg_out_bytes(&out, "}", 1);

    if (what == 's') {
        cg_subject_text(p, text);
        cg_out_bytes(&out, text, sizeof(text));
    }

    return out.overflow ? 0 : cg_out_len(&out);
}


void
cg_subject_text(const cg_pseudonym_t *p, uint8_t *text)
{
    cg_base64url_encode(p->id, CG_SUBJECT_ID_LEN, text);
}


void
cg_visitor_seal(const cg_keys_t *keys, const uint8_t id[16],
    uint8_t text[CG_VISITOR_TEXT])
{
    uint8_t   raw[CG_VISITOR_LEN];
    uint64_t  mac;

    mac = cg_visitor_mac(keys->visitor, id);

    memcpy(raw, id, CG_VISITOR_ID_LEN);
    memcpy(raw + CG_VISITOR_ID_LEN, &mac, CG_VISITOR_MAC_LEN);

    cg_base64url_encode(raw, sizeof(raw), text);
}


bool
cg_visitor_open(const cg_keys_t *keys, cg_str_t text, uint8_t id[16])
{
    bool      ok;
    uint8_t   raw[CG_VISITOR_LEN];
    uint64_t  mac;

    if (text.len != CG_VISITOR_TEXT
        || cg_base64url_decode(text, raw) != CG_VISITOR_LEN)
    {
        return false;
    }

    /* a word is compared at once: no time tells how much of it is right */

    memcpy(&mac, raw + CG_VISITOR_ID_LEN, CG_VISITOR_MAC_LEN);

    ok = cg_visitor_mac(keys->visitor, raw) == mac;

    if (!ok && keys->has_previous) {
        ok = cg_visitor_mac(keys->visitor_previous, raw) == mac;
    }

    if (!ok) {
        return false;
    }

    memcpy(id, raw, CG_VISITOR_ID_LEN);

    return true;
}


_Static_assert(CG_VISITOR_MAC_LEN == sizeof(uint64_t), "a word");


/* A word whose bytes in memory are those of the authors' own vectors. */

static uint64_t
cg_visitor_mac(const uint8_t key[16], const uint8_t id[16])
{
    return htole64(cg_siphash64(key, id, CG_VISITOR_ID_LEN));
}
