/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_str.h"


static size_t cg_utf8_length(const uint8_t *p, const uint8_t *end);
static void cg_out_json_char(cg_out_t *out, uint8_t c);
static bool cg_query_plain(uint8_t c);


/*
 * One more than the value of each hexadecimal digit; 0: none. A table, for
 * whether a digit is a letter is what a processor cannot foresee.
 */

static const uint8_t  cg_hex_digit[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5,
    ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};


void
cg_out_bytes(cg_out_t *out, const void *data, size_t len)
{
    size_t  room;

    room = (size_t) (out->end - out->pos);

    if (len > room) {
        out->overflow = true;
        len = room;
    }

    /* memcpy() of nothing may not be given NULL (C11, 7.24.1) */

    if (len != 0) {
        memcpy(out->pos, data, len);
        out->pos += len;
    }
}


void
cg_out_str(cg_out_t *out, cg_str_t s)
{
    cg_out_bytes(out, s.data, s.len);
}


void
cg_out_uint(cg_out_t *out, uint64_t n)
{
    uint8_t  text[20], *p;      /* 2^64 - 1 has 20 digits */

    p = text + sizeof(text);

    do {
        *--p = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n != 0);

    cg_out_bytes(out, p, (size_t) (text + sizeof(text) - p));
}


void
cg_out_hex(cg_out_t *out, const uint8_t *data, size_t len)
{
    size_t             i;
    uint8_t            pair[2];
    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        pair[0] = (uint8_t) digits[data[i] >> 4];
        pair[1] = (uint8_t) digits[data[i] & 0xf];
        cg_out_bytes(out, pair, 2);
    }
}


/*
 * The length of the well-formed UTF-8 sequence at `p`, 0 if there is none.
 * The bounds of the second byte keep out overlong forms, surrogates and what
 * is above U+10FFFF (Unicode, table 3-7; RFC 3629, 4).
 */

static size_t
cg_utf8_length(const uint8_t *p, const uint8_t *end)
{
    size_t   i, len;
    uint8_t  low, high;

    if (p[0] < 0x80) {
        return 1;
    }

    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }

    len = 2 + (p[0] >= 0xe0) + (p[0] >= 0xf0);

    if ((size_t) (end - p) < len) {
        return 0;
    }

    low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

    if (p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return len;
}


static void
cg_out_json_char(cg_out_t *out, uint8_t c)
{
    uint8_t            text[2];
    const char        *p;
    static const char  plain[] = "\"\\\b\f\n\r\t";
    static const char  letter[] = "\"\\bfnrt";

    p = memchr(plain, c, sizeof(plain) - 1);

    if (p != NULL) {
        text[0] = '\\';
        text[1] = (uint8_t) letter[p - plain];
        cg_out_bytes(out, text, 2);
        return;
    }

    cg_out_bytes(out, "\\u00", 4);
    cg_out_hex(out, &c, 1);
}


void
cg_out_json(cg_out_t *out, cg_str_t s)
{
    size_t          n;
    const uint8_t  *p, *run, *end;

    if (s.len == 0) {
        cg_out_bytes(out, "\"\"", 2);
        return;
    }

    end = s.data + s.len;

    cg_out_bytes(out, "\"", 1);

    /* what needs no escape is copied in runs */

    for (p = run = s.data; p != end; /* void */ ) {

        n = cg_utf8_length(p, end);

        if (n != 0 && *p >= 0x20 && *p != '"' && *p != '\\') {
            p += n;
            continue;
        }

        cg_out_bytes(out, run, (size_t) (p - run));

        if (n == 0) {
            cg_out_bytes(out, "\xef\xbf\xbd", 3);

        } else {
            cg_out_json_char(out, *p);
        }

        run = ++p;
    }

    cg_out_bytes(out, run, (size_t) (p - run));
    cg_out_bytes(out, "\"", 1);
}


static bool
cg_query_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'
           || c == '~' || c == '/' || c == ',';
}


void
cg_out_query(cg_out_t *out, cg_str_t s)
{
    size_t             i;
    uint8_t            text[3];
    static const char  digits[] = "0123456789ABCDEF";

    for (i = 0; i < s.len; i++) {

        if (cg_query_plain(s.data[i])) {
            cg_out_bytes(out, &s.data[i], 1);
            continue;
        }

        /* upper case is the normal form (RFC 3986, 2.1) */

        text[0] = '%';
        text[1] = (uint8_t) digits[s.data[i] >> 4];
        text[2] = (uint8_t) digits[s.data[i] & 0xf];
        cg_out_bytes(out, text, 3);
    }
}


void
cg_out_html(cg_out_t *out, cg_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {

        switch (s.data[i]) {

        case '&':
            cg_out_bytes(out, "&amp;", 5);
            break;

        case '<':
            cg_out_bytes(out, "&lt;", 4);
            break;

        case '>':
            cg_out_bytes(out, "&gt;", 4);
            break;

        case '"':
            cg_out_bytes(out, "&quot;", 6);
            break;

        case '\'':
            cg_out_bytes(out, "&#39;", 5);
            break;

        default:
            cg_out_bytes(out, &s.data[i], 1);
        }
    }
}


bool
cg_parse_uint(cg_str_t s, uint64_t max, uint64_t *n)
{
    size_t    i;
    uint64_t  value, digit;

    if (s.len == 0 || (s.len > 1 && s.data[0] == '0')) {
        return false;
    }

    value = 0;

    for (i = 0; i < s.len; i++) {

        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }

        digit = s.data[i] - '0';

        if (digit > max || value > (max - digit) / 10) {
            return false;
        }

        value = value * 10 + digit;
    }

    *n = value;

    return true;
}


bool
cg_parse_hex(cg_str_t s, uint8_t *out, size_t len)
{
    size_t   i;
    uint8_t  high, low;

    if (s.len % 2 != 0 || s.len / 2 != len) {
        return false;
    }

    for (i = 0; i < len; i++) {
        high = cg_hex_digit[s.data[2 * i]];
        low = cg_hex_digit[s.data[2 * i + 1]];

        if (high == 0 || low == 0) {
            return false;
        }

        out[i] = (uint8_t) ((high - 1) << 4 | (low - 1));
    }

    return true;
}


bool
cg_utf8_printable(cg_str_t s)
{
    size_t          n;
    const uint8_t  *p, *end;

    if (s.len == 0) {
        return true;
    }

    end = s.data + s.len;

    for (p = s.data; p != end; p += n) {

        n = cg_utf8_length(p, end);

        if (n == 0 || *p < 0x20 || *p == 0x7f) {
            return false;
        }

        /* U+0080 to U+009F are controls too, and some terminals obey them */

        if (p[0] == 0xc2 && p[1] < 0xa0) {
            return false;
        }
    }

    return true;
}
