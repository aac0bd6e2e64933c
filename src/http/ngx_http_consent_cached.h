/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_CACHED_H
#define NGX_HTTP_CONSENT_CACHED_H

#include "ngx_http_consent_gate_module.h"


/*
 * The subject is known, and its record will be asked for soon: the bucket is
 * brought near. Nobody outside can make two subjects meet in the table. Kind
 * and realm are in the key (ngx_http_consent_cache.c).
 */

static ngx_inline void
ngx_http_consent_expect(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    const uint8_t                *key;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    key = scf->tag_keys[ctx->facts.subject][ctx->account.len != 0];

    if (ctx->account.len) {
        cg_siphash128(key, ctx->account.data, ctx->account.len, ctx->tag);

    } else {
        cg_tag_visitor(key, ctx->visitor, ctx->tag);
    }

    ctx->tagged = 1;

    cg_table_prefetch(ctx->mcf->cache->table, ctx->tag);
}


/*
 * The record of a subject that was expected, as the cache has it. What is
 * stale is kept at hand: it is better than nothing if the store turns out not
 * to answer.
 */

static ngx_inline cg_table_e
ngx_http_consent_cached(ngx_http_consent_ctx_t *ctx)
{
    cg_table_e            verdict;
    ngx_consent_cache_t  *cache;

    cache = ctx->mcf->cache;

    verdict = cg_table_get(cache->table, ctx->tag, ngx_consent_cache_now(),
                           &cache->age, &ctx->record, &ctx->found);

    ctx->looked_up = (verdict == CG_TABLE_HIT);
    ctx->stale = (verdict == CG_TABLE_STALE);
    ctx->cache = verdict == CG_TABLE_HIT ? NGX_HTTP_CONSENT_CACHE_HIT
                                         : NGX_HTTP_CONSENT_CACHE_MISS;

    if (verdict != CG_TABLE_MISS) {
        ctx->facts.lookup = ctx->found ? CG_LOOKUP_FOUND : CG_LOOKUP_ABSENT;
    }

    return verdict;
}

#endif /* NGX_HTTP_CONSENT_CACHED_H */
