/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The encodings of cg_str.h: what is decoded must encode to the same text
 * again, and what is written must be what it says it is.
 */

#include <stdlib.h>

#include "cg_str.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static uint8_t *
room(size_t size)
{
    uint8_t  *p;

    p = malloc(size + (size == 0));
    require(p != NULL);

    return p;
}


static void
fuzz_base64url(cg_str_t s)
{
    int       n;
    size_t    len;
    uint8_t  *raw, *text;

    /* of the exact sizes, for AddressSanitizer to watch their ends */

    raw = room(s.len * 3 / 4);
    text = room(s.len);

    n = cg_base64url_decode(s, raw);

    if (n >= 0) {
        len = cg_base64url_len((size_t) n);
        require(len == s.len);
        cg_base64url_encode(raw, (size_t) n, text);
        require(cg_str_eq((cg_str_t) { len, text }, s));
    }

    free(text);
    free(raw);
}


static void
fuzz_base64url_back(cg_str_t s)
{
    size_t    len;
    uint8_t  *raw, *text;

    len = cg_base64url_len(s.len);
    text = room(len);
    raw = room(s.len);

    cg_base64url_encode(s.data, s.len, text);
    require(cg_base64url_decode((cg_str_t) { len, text }, raw)
            == (int) s.len);
    require(cg_str_eq((cg_str_t) { s.len, raw }, s));

    free(raw);
    free(text);
}


static void
fuzz_json(cg_str_t s)
{
    size_t     i, escaped;
    uint8_t   *text;
    cg_out_t   out;

    text = room(s.len * 6 + 2);
    cg_out_init(&out, text, s.len * 6 + 2);
    cg_out_json(&out, s);

    /* six bytes for one is the most; it is UTF-8 with escapes, in quotes */

    require(!out.overflow && cg_out_len(&out) >= 2);
    require(text[0] == '"' && out.pos[-1] == '"');

    escaped = 0;

    for (i = 1; i < cg_out_len(&out) - 1; i++) {
        require(text[i] >= 0x20);
        require(text[i] != '"' || escaped);
        escaped = !escaped && text[i] == '\\';
    }

    require(!escaped);

    if (cg_utf8_printable(s) && s.len != 0
        && memchr(s.data, '"', s.len) == NULL
        && memchr(s.data, '\\', s.len) == NULL)
    {
        require(cg_str_eq((cg_str_t) { s.len, text + 1 }, s));
    }

    free(text);
}


static void
fuzz_cut_writers(cg_str_t s, size_t size)
{
    size_t     i;
    uint8_t   *text;
    cg_out_t   out;

    static void (*const  writers[])(cg_out_t *out, cg_str_t s) = {
        cg_out_str, cg_out_json, cg_out_query, cg_out_html,
    };

    text = room(size);

    for (i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
        cg_out_init(&out, text, size);
        writers[i](&out, s);
        require(cg_out_len(&out) <= size);
        require(!out.overflow || cg_out_len(&out) == size);
    }

    free(text);
}


static void
fuzz_hex(cg_str_t s)
{
    uint8_t   *raw, *text;
    cg_out_t   out;

    raw = room(s.len / 2);
    text = room(s.len);

    if (cg_parse_hex(s, raw, s.len / 2)) {
        cg_out_init(&out, text, s.len);
        cg_out_hex(&out, raw, s.len / 2);
        require(!out.overflow && cg_out_len(&out) == s.len);
    }

    free(text);
    free(raw);
}


static void
fuzz_uint(cg_str_t s)
{
    uint8_t   text[20];
    cg_out_t  out;
    uint64_t  n;

    if (cg_parse_uint(s, UINT64_MAX, &n)) {
        cg_out_init(&out, text, sizeof(text));
        cg_out_uint(&out, n);
        require(cg_str_eq((cg_str_t) { cg_out_len(&out), text }, s));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_str_t  s = { size, data };

    fuzz_base64url(s);
    fuzz_base64url_back(s);
    fuzz_json(s);
    fuzz_cut_writers(s, size != 0 ? data[0] : 0);
    fuzz_hex(s);
    fuzz_uint(s);

    return 0;
}
