/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


ngx_int_t
ngx_consent_buf_reserve(ngx_consent_buf_t *b, size_t len)
{
    size_t   used, size;
    u_char  *start;

    if (b->failed) {
        return NGX_ERROR;
    }

    if (len <= (size_t) (b->end - b->last)) {
        return NGX_OK;
    }

    used = ngx_consent_buf_size(b);

    if (used + len <= (size_t) (b->end - b->start)) {
        ngx_memmove(b->start, b->pos, used);
        b->pos = b->start;
        b->last = b->start + used;
        return NGX_OK;
    }

    size = 2 * (b->end - b->start);

    if (size < used + len) {
        size = ngx_align(used + len, 1024);
    }

    start = ngx_alloc(size, ngx_cycle->log);
    if (start == NULL) {
        b->failed = 1;
        return NGX_ERROR;
    }

    if (b->start) {
        ngx_memcpy(start, b->pos, used);
        ngx_free(b->start);
    }

    b->start = start;
    b->pos = start;
    b->last = start + used;
    b->end = start + size;

    return NGX_OK;
}


void
ngx_consent_buf_add(ngx_consent_buf_t *b, const void *data, size_t len)
{
    if (len && ngx_consent_buf_reserve(b, len) == NGX_OK) {
        b->last = ngx_cpymem(b->last, data, len);
    }
}


static void
ngx_consent_buf_count(ngx_consent_buf_t *b, u_char type, size_t n)
{
    if (ngx_consent_buf_reserve(b, NGX_SIZE_T_LEN + 3) == NGX_OK) {
        b->last = ngx_sprintf(b->last, "%c%uz" CRLF, type, n);
    }
}


void
ngx_consent_buf_array(ngx_consent_buf_t *b, ngx_uint_t n)
{
    ngx_consent_buf_count(b, '*', n);
}


void
ngx_consent_buf_bulk(ngx_consent_buf_t *b, const void *data, size_t len)
{
    ngx_consent_buf_count(b, '$', len);
    ngx_consent_buf_add(b, data, len);
    ngx_consent_buf_add(b, CRLF, 2);
}


void
ngx_consent_buf_word(ngx_consent_buf_t *b, const char *word)
{
    ngx_consent_buf_bulk(b, word, ngx_strlen(word));
}


void
ngx_consent_buf_number(ngx_consent_buf_t *b, uint64_t n)
{
    u_char  *last, text[NGX_INT64_LEN];

    last = ngx_sprintf(text, "%uL", n);

    ngx_consent_buf_bulk(b, text, last - text);
}


void
ngx_consent_buf_hex(ngx_consent_buf_t *b, const uint8_t *data, size_t len)
{
    ngx_consent_buf_count(b, '$', 2 * len);

    if (ngx_consent_buf_reserve(b, 2 * len) == NGX_OK) {
        b->last = ngx_hex_dump(b->last, (u_char *) data, len);
    }

    ngx_consent_buf_add(b, CRLF, 2);
}


void
ngx_consent_buf_free(ngx_consent_buf_t *b)
{
    if (b->start) {
        ngx_free(b->start);
    }

    ngx_memzero(b, sizeof(ngx_consent_buf_t));
}
