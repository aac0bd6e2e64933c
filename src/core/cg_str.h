/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_STR_H
#define CG_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>


/* A counted byte string. Points at memory that somebody else owns. */

typedef struct {
    size_t          len;
    const uint8_t  *data;
} cg_str_t;

#define cg_str(s)  ((cg_str_t) { sizeof(s) - 1, (const uint8_t *) (s) })

static inline bool
cg_str_eq(cg_str_t a, cg_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


/*
 * Defines a function that gives the name of each value of an enum, out of a
 * table in its order; what has none there is "".
 */
#define cg_define_name(function, type, names)                                 \
    cg_str_t                                                                  \
    function(type value)                                                      \
    {                                                                         \
        return (size_t) value < sizeof(names) / sizeof(names[0])              \
               ? names[value] : cg_str("");                                   \
    }


/*
 * A bounded writer. Bytes past the end are dropped and noted: after a run of
 * writes one look at `overflow` tells whether the text is whole.
 */

typedef struct {
    uint8_t  *start;
    uint8_t  *pos;
    uint8_t  *end;
    bool      overflow;
} cg_out_t;

/* Starts a writer over `size` bytes at `buf`, which the caller owns. */
static inline void
cg_out_init(cg_out_t *out, void *buf, size_t size)
{
    out->start = out->pos = buf;
    out->end = out->start + size;
    out->overflow = false;
}

static inline size_t
cg_out_len(const cg_out_t *out)
{
    return (size_t) (out->pos - out->start);
}

/* Appends raw bytes. */
void cg_out_bytes(cg_out_t *out, const void *data, size_t len);
/* Appends a string. */
void cg_out_str(cg_out_t *out, cg_str_t s);
/* Appends an unsigned number in decimal. */
void cg_out_uint(cg_out_t *out, uint64_t n);
/* Appends bytes as lower-case hexadecimal. */
void cg_out_hex(cg_out_t *out, const uint8_t *data, size_t len);
/*
 * Appends a JSON string with its quotes (RFC 8259, 7). Bytes that are not
 * UTF-8 become U+FFFD.
 */
void cg_out_json(cg_out_t *out, cg_str_t s);
/*
 * Appends text percent-encoded for a query value (RFC 3986, 3.4): everything
 * but unreserved characters, '/' and ',' is encoded.
 */
void cg_out_query(cg_out_t *out, cg_str_t s);
/* Appends text with & < > " ' as HTML entities. */
void cg_out_html(cg_out_t *out, cg_str_t s);

/*
 * Reads an unsigned decimal number without sign, space or leading zeros
 * ("0" alone is fine). Returns false when it is anything else or above `max`.
 */
bool cg_parse_uint(cg_str_t s, uint64_t max, uint64_t *n);
/* Reads exactly 2 * `len` hexadecimal digits, of either case. */
bool cg_parse_hex(cg_str_t s, uint8_t *out, size_t len);
/*
 * True if `s` is well-formed UTF-8 (RFC 3629) without control characters:
 * U+0000 to U+001F, U+007F to U+009F.
 */
bool cg_utf8_printable(cg_str_t s);

/* base64url without padding (RFC 4648, 5): cg_base64url.c. */
#define cg_base64url_len(n)  (((n) * 4 + 2) / 3)

/* The value of each character (RFC 4648, table 2); 64 or more: it is none. */
extern const uint32_t  cg_base64url_value[256];

/* Of four characters, as 24 bits: above them is something if one is none. */
static inline uint32_t
cg_base64url_four(const uint8_t *q)
{
    uint32_t  v;

    v = cg_base64url_value[q[0]];
    v = v << 6 | cg_base64url_value[q[1]];
    v = v << 6 | cg_base64url_value[q[2]];
    v = v << 6 | cg_base64url_value[q[3]];

    return v;
}

/* Writes cg_base64url_len(len) characters to `out`. */
void cg_base64url_encode(const uint8_t *data, size_t len, uint8_t *out);
/*
 * Decodes canonically: no padding, no foreign characters, no stray bits in
 * the last one, so that a value has one spelling only. Returns the number of
 * bytes, or -1. `out` holds at least s.len * 3 / 4 bytes.
 */
int cg_base64url_decode(cg_str_t s, uint8_t *out);

#endif /* CG_STR_H */
