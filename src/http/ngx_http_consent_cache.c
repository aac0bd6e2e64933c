/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


#define NGX_HTTP_CONSENT_CACHE_MIN      (8 * ngx_pagesize)
#define NGX_HTTP_CONSENT_FEED_SILENCE   3000      /* ms */

/*
 * A worker may read its clock some milliseconds before another one does: what
 * was asked for so shortly after the feed began is not taken as covered.
 */

#define NGX_HTTP_CONSENT_FEED_MARGIN    10        /* ms */


static char *ngx_http_consent_cache_zone(ngx_conf_t *cf,
    ngx_consent_cache_t *cache, ngx_str_t *param);
static char *ngx_http_consent_cache_time(ngx_conf_t *cf, ngx_str_t *param,
    size_t skip, uint32_t *ms);
static void ngx_http_consent_feed_forget(void *data, const cg_pseudonym_t *p);
static void ngx_http_consent_feed_begin(void *data, uint8_t source);
static void ngx_http_consent_feed_alive(void *data, uint8_t source);
static void ngx_http_consent_feed_lost(void *data, uint8_t source);


char *
ngx_http_consent_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    char                 *rv;
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_consent_cache_t  *cache;

    if (mcf->cache) {
        return "is duplicate";
    }

    cache = ngx_pcalloc(cf->pool, sizeof(ngx_consent_cache_t));
    if (cache == NULL) {
        return NGX_CONF_ERROR;
    }

    cache->age.ttl = 60000;
    cache->age.stale = 300000;
    cache->age.silence = NGX_HTTP_CONSENT_FEED_SILENCE;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0) {
            rv = ngx_http_consent_cache_zone(cf, cache, &value[i]);

        } else if (ngx_strncmp(value[i].data, "ttl=", 4) == 0) {
            rv = ngx_http_consent_cache_time(cf, &value[i], 4,
                                             &cache->age.ttl);

        } else if (ngx_strncmp(value[i].data, "stale=", 6) == 0) {
            rv = ngx_http_consent_cache_time(cf, &value[i], 6,
                                             &cache->age.stale);

        } else {
            rv = ngx_http_consent_invalid(cf, &value[i]);
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (cache->zone == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"zone=name:size\" in \"consent_cache\" "
                           "directive");
        return NGX_CONF_ERROR;
    }

    mcf->cache = cache;

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_cache_zone(ngx_conf_t *cf, ngx_consent_cache_t *cache,
    ngx_str_t *param)
{
    u_char     *p;
    ssize_t     size;
    ngx_str_t   name, s;

    name.data = param->data + 5;

    p = (u_char *) ngx_strchr(name.data, ':');

    if (p == NULL || p == name.data || cache->zone) {
        return ngx_http_consent_invalid(cf, param);
    }

    name.len = p - name.data;

    s.data = p + 1;
    s.len = param->data + param->len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR) {
        return ngx_http_consent_invalid(cf, param);
    }

    if (size < (ssize_t) NGX_HTTP_CONSENT_CACHE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in \"consent_cache\" directive is too "
                           "small: at least %uzk", param,
                           (size_t) NGX_HTTP_CONSENT_CACHE_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    return ngx_consent_cache_add_zone(cf, cache, &name, size,
                                      &ngx_http_consent_gate_module)
           == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_consent_cache_time(ngx_conf_t *cf, ngx_str_t *param, size_t skip,
    uint32_t *ms)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.data = param->data + skip;
    s.len = param->len - skip;

    n = ngx_parse_time(&s, 0);

    /* times of entries are kept modulo 49 days */

    if (n == NGX_ERROR || n > 7 * 86400 * 1000) {
        return ngx_http_consent_invalid(cf, param);
    }

    *ms = (uint32_t) n;

    return NGX_CONF_OK;
}


/*
 * Entries number documents and purposes as this configuration does, and hold
 * what this store said: any other configuration gets other tags, and does not
 * find them.
 */

ngx_int_t
ngx_http_consent_cache_init(ngx_conf_t *cf, ngx_http_consent_main_conf_t *mcf)
{
    u_char                      *p, *start;
    size_t                       len;
    ngx_uint_t                   i;
    ngx_consent_server_t        *server;
    ngx_consent_feed_handler_t  *feed;

    server = mcf->store->servers.elts;
    len = mcf->store->prefix.len + mcf->store->master.len + server[0].name.len
          + 2 * NGX_INT_T_LEN + 8;

    for (i = 0; i < mcf->ndocs; i++) {
        len += mcf->docs[i].name.len + 1;
    }

    for (i = 0; i < mcf->npurposes; i++) {
        len += mcf->purposes[i].name.len + 1;
    }

    start = ngx_pnalloc(cf->temp_pool, len);
    feed = ngx_palloc(cf->pool, sizeof(ngx_consent_feed_handler_t));

    if (start == NULL || feed == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(start, "%ui %V %V %ui %V ", mcf->store->topology,
                    &mcf->store->master, &server[0].name,
                    mcf->store->database, &mcf->store->prefix);

    for (i = 0; i < mcf->ndocs; i++) {
        p = ngx_sprintf(p, "%V,", &mcf->docs[i].name);
    }

    *p++ = ';';

    for (i = 0; i < mcf->npurposes; i++) {
        p = ngx_sprintf(p, "%V,", &mcf->purposes[i].name);
    }

    cg_siphash128(mcf->keys->tag, start, p - start, mcf->cache->key);

    mcf->cache->ndocs = mcf->ndocs;

    feed->forget = ngx_http_consent_feed_forget;
    feed->begin = ngx_http_consent_feed_begin;
    feed->alive = ngx_http_consent_feed_alive;
    feed->lost = ngx_http_consent_feed_lost;
    feed->data = mcf;

    mcf->store->feed = feed;

    return NGX_OK;
}


/*
 * A key for each kind of subject and realm leaves only the id to be hashed at
 * a request. One kind has two sorts of ids: those of testers.
 */

void
ngx_http_consent_cache_keys(ngx_consent_cache_t *cache,
    ngx_http_consent_srv_conf_t *scf)
{
    u_char      message[2 + CG_MAX_REALM];
    ngx_uint_t  kind, account;

    ngx_memcpy(message + 2, scf->realm.data, scf->realm.len);

    for (kind = 0; kind <= CG_SUBJECT_TEST; kind++) {
        for (account = 0; account < 2; account++) {
            message[0] = (u_char) kind;
            message[1] = account ? 'a' : 'v';

            cg_siphash128(cache->key, message, 2 + scf->realm.len,
                          scf->tag_keys[kind][account]);
        }
    }
}


static void
ngx_http_consent_feed_forget(void *data, const cg_pseudonym_t *p)
{
    ngx_http_consent_main_conf_t *mcf = data;

    cg_table_forget(mcf->cache->table, p);

    ngx_http_consent_count(&ngx_http_consent_counters(mcf)->invalidations);
}


static void
ngx_http_consent_feed_begin(void *data, uint8_t source)
{
    ngx_http_consent_main_conf_t *mcf = data;

    cg_table_since(mcf->cache->table, source, ngx_consent_cache_now()
                                      + NGX_HTTP_CONSENT_FEED_MARGIN);
}


static void
ngx_http_consent_feed_alive(void *data, uint8_t source)
{
    ngx_http_consent_main_conf_t *mcf = data;

    cg_table_alive(mcf->cache->table, source, ngx_consent_cache_now());
}


static void
ngx_http_consent_feed_lost(void *data, uint8_t source)
{
    ngx_http_consent_main_conf_t *mcf = data;

    cg_table_deaf(mcf->cache->table, source);
}
