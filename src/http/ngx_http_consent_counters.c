/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


static ngx_int_t ngx_http_consent_counters_init(ngx_shm_zone_t *shm_zone,
    void *data);


const ngx_uint_t  ngx_http_consent_bounds[NGX_HTTP_CONSENT_BOUNDS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000
};


/* The size is part of the name: another layout is another zone. */

ngx_int_t
ngx_http_consent_counters_add(ngx_conf_t *cf,
    ngx_http_consent_main_conf_t *mcf)
{
    size_t           size;
    ngx_str_t        name;
    ngx_shm_zone_t  *zone;

    size = NGX_HTTP_CONSENT_SLOTS * sizeof(ngx_http_consent_counters_t);

    name.data = ngx_pnalloc(cf->pool, sizeof("consent_counters:")
                                      + NGX_SIZE_T_LEN);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    name.len = ngx_sprintf(name.data, "consent_counters:%uz", size)
               - name.data;

    zone = ngx_shared_memory_add(cf, &name, size + 8 * ngx_pagesize,
                                 &ngx_http_consent_gate_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_consent_counters_init;
    zone->data = mcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_counters_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_consent_main_conf_t *old = data;

    ngx_slab_pool_t               *pool;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = shm_zone->data;
    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        mcf->counters = old->counters;

    } else if (shm_zone->shm.exists) {
        mcf->counters = pool->data;

    } else {
        mcf->counters = ngx_slab_calloc(pool, NGX_HTTP_CONSENT_SLOTS
                                        * sizeof(ngx_http_consent_counters_t));
        pool->data = mcf->counters;
    }

    return mcf->counters ? NGX_OK : NGX_ERROR;
}


void
ngx_http_consent_counters_sum(ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_counters_t *sum)
{
    size_t         n, i, slot;
    ngx_atomic_t  *from, *to;

    ngx_memzero(sum, sizeof(ngx_http_consent_counters_t));

    /* all are counters, one behind the other, up to the gap */

    n = offsetof(ngx_http_consent_counters_t, line) / sizeof(ngx_atomic_t);
    to = (ngx_atomic_t *) sum;

    for (slot = 0; slot < NGX_HTTP_CONSENT_SLOTS; slot++) {
        from = (ngx_atomic_t *) &mcf->counters[slot];

        for (i = 0; i < n; i++) {
            to[i] += from[i];
        }
    }
}


uint64_t
ngx_http_consent_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


void
ngx_http_consent_count_lookup(ngx_http_consent_main_conf_t *mcf,
    ngx_consent_status_e status, uint64_t start)
{
    uint64_t                      us;
    ngx_uint_t                    i;
    ngx_http_consent_counters_t  *counters;

    counters = ngx_http_consent_counters(mcf);
    us = ngx_http_consent_clock() - start;

    for (i = 0; i < NGX_HTTP_CONSENT_BOUNDS; i++) {
        if (us <= ngx_http_consent_bounds[i]) {
            break;
        }
    }

    ngx_http_consent_count(&counters->lookups[status]);
    ngx_http_consent_count(&counters->latency[i]);
    (void) ngx_atomic_fetch_add(&counters->latency_sum, us);
}
