/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_slot.h"


static uint16_t cg_crc16(const uint8_t *p, size_t len);
static bool cg_redirect_word(cg_str_t *text, const char *word);


uint16_t
cg_slot(cg_str_t key)
{
    const uint8_t  *open, *close, *end;

    end = key.data + key.len;
    open = key.len ? memchr(key.data, '{', key.len) : NULL;

    if (open) {
        open++;
        close = memchr(open, '}', (size_t) (end - open));

        if (close && close > open) {
            return cg_crc16(open, (size_t) (close - open)) % CG_SLOTS;
        }
    }

    return cg_crc16(key.data, key.len) % CG_SLOTS;
}


/* Polynomial 0x1021 from the highest bit on, no inversion: few bytes only. */

static uint16_t
cg_crc16(const uint8_t *p, size_t len)
{
    int       bit;
    size_t    i;
    uint32_t  crc;

    crc = 0;

    for (i = 0; i < len; i++) {
        crc ^= (uint32_t) p[i] << 8;

        for (bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        }
    }

    return (uint16_t) crc;
}


bool
cg_redirect_parse(cg_redirect_t *r, cg_str_t text)
{
    size_t    i, at;
    uint64_t  slot, port;
    cg_str_t  word;

    if (cg_redirect_word(&text, "MOVED ")) {
        r->ask = false;

    } else if (cg_redirect_word(&text, "ASK ")) {
        r->ask = true;

    } else {
        return false;
    }

    for (at = 0; at < text.len && text.data[at] != ' '; at++) { /* void */ }

    word = (cg_str_t) { at, text.data };

    if (at == text.len || !cg_parse_uint(word, CG_SLOTS - 1, &slot)) {
        return false;
    }

    text = (cg_str_t) { text.len - at - 1, text.data + at + 1 };

    /* the last colon: an IPv6 address has more of them */

    for (i = 0, at = text.len; i < text.len; i++) {
        if (text.data[i] == ':') {
            at = i;
        }
    }

    if (at == text.len) {
        return false;
    }

    r->host = (cg_str_t) { at, text.data };
    word = (cg_str_t) { text.len - at - 1, text.data + at + 1 };

    if (!cg_parse_uint(word, 65535, &port) || port == 0
        || (at && !cg_host_valid(r->host)))
    {
        return false;
    }

    r->slot = (uint16_t) slot;
    r->port = (uint16_t) port;

    return true;
}


static bool
cg_redirect_word(cg_str_t *text, const char *word)
{
    size_t  len;

    len = strlen(word);

    if (text->len < len || memcmp(text->data, word, len) != 0) {
        return false;
    }

    text->data += len;
    text->len -= len;

    return true;
}


bool
cg_host_valid(cg_str_t host)
{
    size_t   i;
    uint8_t  c;

    if (host.len == 0 || host.len > CG_MAX_HOST) {
        return false;
    }

    for (i = 0; i < host.len; i++) {
        c = host.data[i];

        if (!((c >= '0' && c <= '9')
              || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
              || c == '-' || c == '.' || c == '_' || c == ':'))
        {
            return false;
        }
    }

    return true;
}
