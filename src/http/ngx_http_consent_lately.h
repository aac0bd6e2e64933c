/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_LATELY_H
#define NGX_HTTP_CONSENT_LATELY_H

#include "ngx_http_consent_gate_module.h"


/*
 * What a worker has seen to lately, and need not again for some time: a table
 * of a fixed size. Two keys that meet in it push each other out, and are then
 * seen to once more; nothing may depend on it but work.
 */

#define NGX_HTTP_CONSENT_LATELY  4096       /* places, a power of two */

typedef struct {
    uint8_t   key[16];
    uint32_t  until;            /* seconds since 1970; 0: free */
    uint32_t  value;
} ngx_http_consent_late_t;

typedef struct {
    ngx_http_consent_late_t  places[NGX_HTTP_CONSENT_LATELY];
} ngx_http_consent_lately_t;


/* Keys are of a pseudonym or a hash: their bytes are random. */

static ngx_inline ngx_http_consent_late_t *
ngx_http_consent_place_of(ngx_http_consent_lately_t *lately,
    const uint8_t key[16])
{
    return &lately->places[(key[0] | (ngx_uint_t) key[1] << 8)
                           & (NGX_HTTP_CONSENT_LATELY - 1)];
}


/* Whether `key` was seen to, and still counts as that. */

static ngx_inline ngx_http_consent_late_t *
ngx_http_consent_seen(ngx_http_consent_lately_t *lately, const uint8_t key[16])
{
    ngx_http_consent_late_t  *late;

    late = ngx_http_consent_place_of(lately, key);

    return (time_t) late->until > ngx_time()
           && ngx_memcmp(late->key, key, 16) == 0
           ? late : NULL;
}


/* Until `until` it is, with a value for whoever asks. */

static ngx_inline void
ngx_http_consent_see(ngx_http_consent_lately_t *lately, const uint8_t key[16],
    time_t until, uint32_t value)
{
    ngx_http_consent_late_t  *late;

    late = ngx_http_consent_place_of(lately, key);

    ngx_memcpy(late->key, key, 16);
    late->until = (uint32_t) until;
    late->value = value;
}

#endif /* NGX_HTTP_CONSENT_LATELY_H */
