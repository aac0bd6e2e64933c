/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_siphash.h"


static void cg_sip_absorb(cg_sip_t *s, const uint8_t *data, size_t len);


uint64_t
cg_siphash64(const uint8_t key[16], const void *data, size_t len)
{
    cg_sip_t  s;

    s.v1 = 0;
    cg_sip_begin(&s, key);
    cg_sip_absorb(&s, data, len);
    s.v2 ^= 0xff;

    return cg_sip_finish(&s);
}


void
cg_siphash128(const uint8_t key[16], const void *data, size_t len,
    uint8_t out[16])
{
    cg_sip_t  s;

    s.v1 = 0xee;
    cg_sip_begin(&s, key);
    cg_sip_absorb(&s, data, len);
    s.v2 ^= 0xee;

    cg_sip_store(out, cg_sip_finish(&s));

    s.v1 ^= 0xdd;
    cg_sip_store(out + 8, cg_sip_finish(&s));
}


static void
cg_sip_absorb(cg_sip_t *s, const uint8_t *data, size_t len)
{
    size_t    i, rest;
    uint64_t  last;

    rest = len % 8;

    for (i = 0; i != len - rest; i += 8) {
        cg_sip_compress(s, cg_sip_load(data + i));
    }

    /* the last word ends with the length modulo 256 */

    last = (uint64_t) len << 56;

    while (rest-- > 0) {
        last |= (uint64_t) data[i + rest] << 8 * rest;
    }

    cg_sip_compress(s, last);
}
