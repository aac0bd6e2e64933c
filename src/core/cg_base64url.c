/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <limits.h>

#include "cg_str.h"


static int cg_base64url_last(const uint8_t *q, size_t n, uint8_t *out);


/*
 * What is no character of base64url: the bits 6, 12, 18 and 24, so that one is
 * left above the 24 bits of four characters wherever among them it stands.
 */

#define XX  0x01041040

const uint32_t  cg_base64url_value[256] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, 63,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,

    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX
};

#undef XX


void
cg_base64url_encode(const uint8_t *data, size_t len, uint8_t *out)
{
    uint32_t           v;
    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_";

    for ( /* void */ ; len >= 3; len -= 3, data += 3) {
        v = (uint32_t) data[0] << 16 | (uint32_t) data[1] << 8 | data[2];

        *out++ = (uint8_t) alphabet[v >> 18];
        *out++ = (uint8_t) alphabet[v >> 12 & 0x3f];
        *out++ = (uint8_t) alphabet[v >> 6 & 0x3f];
        *out++ = (uint8_t) alphabet[v & 0x3f];
    }

    if (len == 0) {
        return;
    }

    v = (uint32_t) data[0] << 16 | (len == 2 ? (uint32_t) data[1] << 8 : 0);

    *out++ = (uint8_t) alphabet[v >> 18];
    *out++ = (uint8_t) alphabet[v >> 12 & 0x3f];

    if (len == 2) {
        *out = (uint8_t) alphabet[v >> 6 & 0x3f];
    }
}


int
cg_base64url_decode(cg_str_t s, uint8_t *out)
{
    int             n;
    size_t          left;
    uint8_t        *p;
    uint32_t        a, b;
    uint64_t        v;
    const uint8_t  *q;

    if (s.len > INT_MAX) {
        return -1;
    }

    p = out;
    q = s.data;

    /* eight characters are six bytes, from the highest of a word on */

    for (left = s.len; left >= 8; left -= 8) {
        a = cg_base64url_four(q);
        b = cg_base64url_four(q + 4);

        if ((a | b) >> 24) {
            return -1;
        }

        v = htobe64((uint64_t) a << 40 | (uint64_t) b << 16);
        memcpy(p, &v, 6);

        q += 8;
        p += 6;
    }

    n = cg_base64url_last(q, left, p);

    return n < 0 ? -1 : (int) (p - out) + n;
}


/* Fewer than eight characters: the number of bytes, or -1. */

static int
cg_base64url_last(const uint8_t *q, size_t n, uint8_t *out)
{
    uint32_t  v, bits;
    uint8_t  *p;

    p = out;
    v = 0;
    bits = 0;

    for ( /* void */ ; n > 0; n--) {
        if (cg_base64url_value[*q] >= 64) {
            return -1;
        }

        v = v << 6 | cg_base64url_value[*q++];
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *p++ = (uint8_t) (v >> bits);
            v &= (1u << bits) - 1;
        }
    }

    /*
     * one character alone makes no byte, and bits that no byte takes are a
     * second spelling of the same value
     */

    return bits >= 6 || v != 0 ? -1 : (int) (p - out);
}
