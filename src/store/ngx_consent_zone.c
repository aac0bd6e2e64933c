/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_int_t ngx_consent_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static uint32_t ngx_consent_zone_hash(ngx_consent_store_conf_t *conf);


/*
 * The name of the zone tells its contents: another layout, another server,
 * prefix or database is another zone, so that the workers of an old
 * configuration, which still read and write theirs, are never in the way of
 * the new ones.
 */

ngx_int_t
ngx_consent_zone_add(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    void *tag)
{
    uint32_t             hash;
    ngx_str_t            name;
    ngx_consent_zone_t  *zone;

    name.len = sizeof("consent_store:00000000") - 1;
    name.data = ngx_pnalloc(cf->pool, name.len);
    zone = ngx_pcalloc(cf->pool, sizeof(ngx_consent_zone_t));

    if (name.data == NULL || zone == NULL) {
        return NGX_ERROR;
    }

    hash = ngx_consent_zone_hash(conf);

    (void) ngx_sprintf(name.data, "consent_store:%08xD", hash);

    conf->sources = (uint8_t) hash;

    conf->zone = ngx_shared_memory_add(cf, &name, NGX_CONSENT_ZONE_SIZE, tag);
    if (conf->zone == NULL) {
        return NGX_ERROR;
    }

    conf->zone->init = ngx_consent_zone_init;
    conf->zone->data = zone;

    return NGX_OK;
}


static uint32_t
ngx_consent_zone_hash(ngx_consent_store_conf_t *conf)
{
    size_t                 layout[2];
    uint32_t               crc;
    ngx_uint_t             i;
    ngx_consent_server_t  *server;

    layout[0] = NGX_CONSENT_ZONE_LAYOUT;
    layout[1] = sizeof(ngx_consent_shared_t);

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, (u_char *) layout, sizeof(layout));
    ngx_crc32_update(&crc, (u_char *) &conf->database, sizeof(ngx_uint_t));
    ngx_crc32_update(&crc, (u_char *) &conf->topology, sizeof(ngx_uint_t));
    ngx_crc32_update(&crc, conf->prefix.data, conf->prefix.len);
    ngx_crc32_update(&crc, conf->master.data, conf->master.len);

    server = conf->servers.elts;

    for (i = 0; i < conf->servers.nelts; i++) {
        ngx_crc32_update(&crc, server[i].name.data, server[i].name.len + 1);
    }

    ngx_crc32_final(crc);

    return crc;
}


static ngx_int_t
ngx_consent_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_consent_zone_t  *old = data;

    ngx_consent_zone_t  *zone;

    zone = shm_zone->data;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        zone->sh = old->sh;

    } else if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

    } else {
        zone->sh = ngx_slab_calloc(zone->shpool,
                                   sizeof(ngx_consent_shared_t));
        if (zone->sh == NULL) {
            return NGX_ERROR;
        }

        zone->sh->layout = NGX_CONSENT_ZONE_LAYOUT;
        zone->shpool->data = zone->sh;
    }

    if (zone->sh->layout != NGX_CONSENT_ZONE_LAYOUT) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is of another version of the module: "
                      "restart nginx", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    return NGX_OK;
}
