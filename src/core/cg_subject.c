/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_cookie.h"
#include "cg_siphash.h"
#include "cg_subject.h"


#define CG_SUBJECT_MAX_PART  UINT16_MAX     /* its length is two bytes */
#define CG_VISITOR_MAC_LEN   8


static bool cg_pseudonym_derive(cg_pseudonym_t *p, cg_hmac_t *h,
    const cg_str_t *parts, size_t n);
static inline bool cg_visitor_check(const cg_keys_t *keys,
    const uint8_t *text, uint8_t id[16]);


#define cg_swap(word)  __builtin_bswap64(word)


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
    uint8_t  raw[CG_VISITOR_LEN];

    memcpy(raw, id, CG_VISITOR_ID_LEN);

    /* in the order of bytes of the authors' own vectors */

    cg_sip_store(raw + CG_VISITOR_ID_LEN,
                 cg_siphash64(keys->visitor, id, CG_VISITOR_ID_LEN));

    cg_base64url_encode(raw, sizeof(raw), text);
}


bool
cg_visitor_open(const cg_keys_t *keys, cg_str_t text, uint8_t id[16])
{
    return text.len == CG_VISITOR_TEXT
           && cg_visitor_check(keys, text.data, id);
}


bool
cg_visitor_find(const cg_keys_t *keys, cg_str_t header, cg_str_t name,
    uint8_t id[16])
{
    const uint8_t  *p, *end, *text;

    if (header.len == 0) {
        return false;
    }

    p = header.data;
    end = p + header.len;

    while (p != end) {
        text = cg_cookie_value(p, end, name);

        if (text != NULL) {
            p = text;

            /* no character of a value is one that may follow it */

            if (end - p >= CG_VISITOR_TEXT
                && cg_cookie_ends(p + CG_VISITOR_TEXT, end)
                && cg_visitor_check(keys, p, id))
            {
                return true;
            }
        }

        p = memchr(p, ';', (size_t) (end - p));

        if (p == NULL) {
            return false;
        }

        p++;
    }

    return false;
}


/* The 32 characters are read as words, in which all of the rest happens. */

static inline bool
cg_visitor_check(const cg_keys_t *keys, const uint8_t *text, uint8_t id[16])
{
    uint32_t  a, b, c, d, e, f, g, h;
    uint64_t  m0, m1, mac;

    a = cg_base64url_four(text);
    b = cg_base64url_four(text + 4);
    c = cg_base64url_four(text + 8);
    d = cg_base64url_four(text + 12);
    e = cg_base64url_four(text + 16);
    f = cg_base64url_four(text + 20);
    g = cg_base64url_four(text + 24);
    h = cg_base64url_four(text + 28);

    if ((a | b | c | d | e | f | g | h) >> 24) {
        return false;
    }

    /* from the highest byte on, as text is; SipHash begins with the lowest */

    m0 = cg_swap((uint64_t) a << 40 | (uint64_t) b << 16 | c >> 8);
    m1 = cg_swap((uint64_t) c << 56 | (uint64_t) d << 32 | (uint64_t) e << 8
                 | f >> 16);
    mac = cg_swap((uint64_t) f << 48 | (uint64_t) g << 24 | h);

    /* a word is compared at once: no time tells how much of it is right */

    if (cg_siphash64_pair(keys->visitor, m0, m1) != mac
        && !(keys->has_previous
             && cg_siphash64_pair(keys->visitor_previous, m0, m1) == mac))
    {
        return false;
    }

    cg_sip_store(id, m0);
    cg_sip_store(id + 8, m1);

    return true;
}


_Static_assert(CG_VISITOR_TEXT == 32 && CG_VISITOR_MAC_LEN == 8, "as above");
