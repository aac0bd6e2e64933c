/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_SIPHASH_H
#define CG_SIPHASH_H

/*
 * SipHash-2-4: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input
 * PRF", INDOCRYPT 2012. The names v0 to v3 are the paper's. The 128-bit
 * variant is the one of the authors' reference implementation.
 */

#include <endian.h>

#include "cg_keys.h"


typedef struct {
    uint64_t  v0, v1, v2, v3;
} cg_sip_t;


static inline uint64_t
cg_sip_rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}


static inline uint64_t
cg_sip_load(const uint8_t *p)
{
    uint64_t  v;

    memcpy(&v, p, sizeof(v));

    return le64toh(v);
}


static inline void
cg_sip_store(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}


/* Figure 2.1 of the paper. */

static inline void
cg_sip_round(cg_sip_t *s)
{
    s->v0 += s->v1;
    s->v1 = cg_sip_rotate(s->v1, 13) ^ s->v0;
    s->v0 = cg_sip_rotate(s->v0, 32);

    s->v2 += s->v3;
    s->v3 = cg_sip_rotate(s->v3, 16) ^ s->v2;

    s->v0 += s->v3;
    s->v3 = cg_sip_rotate(s->v3, 21) ^ s->v0;

    s->v2 += s->v1;
    s->v1 = cg_sip_rotate(s->v1, 17) ^ s->v2;
    s->v2 = cg_sip_rotate(s->v2, 32);
}


static inline void
cg_sip_compress(cg_sip_t *s, uint64_t m)
{
    s->v3 ^= m;
    cg_sip_round(s);
    cg_sip_round(s);
    s->v0 ^= m;
}


static inline uint64_t
cg_sip_finish(cg_sip_t *s)
{
    cg_sip_round(s);
    cg_sip_round(s);
    cg_sip_round(s);
    cg_sip_round(s);

    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}


/* `s->v1` comes with what tells the two variants apart. */

static inline void
cg_sip_begin(cg_sip_t *s, const uint8_t key[16])
{
    uint64_t  k0, k1;

    k0 = cg_sip_load(key);
    k1 = cg_sip_load(key + 8);

    s->v0 = k0 ^ UINT64_C(0x736f6d6570736575);
    s->v1 ^= k1 ^ UINT64_C(0x646f72616e646f6d);
    s->v2 = k0 ^ UINT64_C(0x6c7967656e657261);
    s->v3 = k1 ^ UINT64_C(0x7465646279746573);
}


/* Of 16 bytes, as two words in the order of the paper. */

static inline uint64_t
cg_siphash64_pair(const uint8_t key[16], uint64_t m0, uint64_t m1)
{
    cg_sip_t  s;

    s.v1 = 0;
    cg_sip_begin(&s, key);

    cg_sip_compress(&s, m0);
    cg_sip_compress(&s, m1);
    cg_sip_compress(&s, UINT64_C(16) << 56);

    s.v2 ^= 0xff;

    return cg_sip_finish(&s);
}

#endif /* CG_SIPHASH_H */
