/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_cache.h"


static ngx_int_t ngx_consent_cache_init_zone(ngx_shm_zone_t *zone, void *data);


ngx_int_t
ngx_consent_cache_add_zone(ngx_conf_t *cf, ngx_consent_cache_t *cache,
    ngx_str_t *name, size_t size, void *tag)
{
    cache->zone = ngx_shared_memory_add(cf, name, size, tag);

    if (cache->zone == NULL) {
        return NGX_ERROR;
    }

    if (cache->zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"consent_cache\" directive is in "
                           "use", name);
        return NGX_ERROR;
    }

    cache->zone->init = ngx_consent_cache_init_zone;
    cache->zone->data = cache;

    return NGX_OK;
}


/*
 * A reload finds the table of the cycle before and goes on with it. Entries
 * have one size up to eight documents and another above: workers of the old
 * cycle still read the table, so it cannot change under them.
 */

static ngx_int_t
ngx_consent_cache_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_consent_cache_t *old = data;

    size_t                size;
    u_char               *p;
    ngx_slab_pool_t      *pool;
    ngx_consent_cache_t  *cache;

    cache = zone->data;
    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old || zone->shm.exists) {
        cache->table = old ? old->table : pool->data;

        if (!cg_table_adopt(cache->table, cache->ndocs)) {
            ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                          "zone \"%V\" of \"consent_cache\" was made for "
                          "another number of documents: give it another name",
                          &zone->shm.name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    size = pool->pfree * ngx_pagesize;
    p = ngx_slab_alloc(pool, size);

    cache->table = p ? cg_table_init(p, size, cache->ndocs) : NULL;

    if (cache->table == NULL) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "zone \"%V\" of \"consent_cache\" is too small",
                      &zone->shm.name);
        return NGX_ERROR;
    }

    pool->data = cache->table;

    return NGX_OK;
}
