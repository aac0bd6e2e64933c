/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_CACHE_H
#define NGX_CONSENT_CACHE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "cg_table.h"


/* The shared zone around a cg_table_t, and the settings of consent_cache. */

typedef struct {
    ngx_shm_zone_t   *zone;
    ngx_uint_t        ndocs;
    cg_table_age_t    age;
    cg_table_t       *table;       /* in the zone, once it is there */
    uint8_t           key[16];     /* of tags, for this list of documents */
} ngx_consent_cache_t;


/*
 * Adds the zone. `tag` is the module. Before it is initialized the caller
 * sets `ndocs` and `key`. NGX_ERROR when out of memory or if the zone exists
 * with another size.
 */
ngx_int_t ngx_consent_cache_add_zone(ngx_conf_t *cf,
    ngx_consent_cache_t *cache, ngx_str_t *name, size_t size, void *tag);

/* The clock of the table. */
#define ngx_consent_cache_now()  ((uint32_t) ngx_current_msec)

#endif /* NGX_CONSENT_CACHE_H */
