/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static char *ngx_http_consent_geo_open(ngx_conf_t *cf,
    ngx_http_consent_geo_t **where,
    cg_geo_t *(*open)(const char *path, char *err));
static void ngx_http_consent_geo_cleanup(void *data);
static void ngx_http_consent_geo_timer(ngx_event_t *ev);


static void
ngx_http_consent_geo_cleanup(void *data)
{
    ngx_http_consent_geo_t *geo = data;

    if (geo->timer.timer_set) {
        ngx_del_timer(&geo->timer);
    }

    cg_geo_close(geo->db);
}


char *
ngx_http_consent_geoip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    return ngx_http_consent_geo_open(cf, &mcf->geo, cg_geo_open);
}


char *
ngx_http_consent_anonymizer_db(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    return ngx_http_consent_geo_open(cf, &mcf->anonymizers,
                                     cg_geo_open_anonymizers);
}


static char *
ngx_http_consent_geo_open(ngx_conf_t *cf, ngx_http_consent_geo_t **where,
    cg_geo_t *(*open)(const char *path, char *err))
{
    char                     error[CG_GEO_ERROR];
    ngx_str_t               *value, s;
    ngx_pool_cleanup_t      *cln;
    ngx_http_consent_geo_t  *geo;

    if (*where) {
        return "is duplicate";
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_consent_geo_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    geo = cln->data;
    ngx_memzero(geo, sizeof(ngx_http_consent_geo_t));

    value = cf->args->elts;
    geo->directive = (char *) value[0].data;
    geo->open = open;
    geo->path = value[1];
    geo->reload = 60000;

    if (cf->args->nelts == 3) {
        s.data = value[2].data + 7;
        s.len = value[2].len - ngx_min(value[2].len, 7);

        if (ngx_strncmp(value[2].data, "reload=", 7) != 0
            || (geo->reload = ngx_parse_time(&s, 0))
               == (ngx_msec_t) NGX_ERROR
            || geo->reload < 100)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\" "
                               "directive", &value[2], &value[0]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_conf_full_name(cf->cycle, &geo->path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    geo->db = open((char *) geo->path.data, error);

    if (geo->db == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": %s", &value[0],
                           error);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_consent_geo_cleanup;
    *where = geo;

    return ngx_http_consent_note(cf, NULL);
}


void
ngx_http_consent_geo_watch(ngx_http_consent_geo_t *geo, ngx_cycle_t *cycle)
{
    geo->timer.handler = ngx_http_consent_geo_timer;
    geo->timer.data = geo;
    geo->timer.log = cycle->log;
    geo->timer.cancelable = 1;

    ngx_add_timer(&geo->timer, geo->reload);
}


/*
 * Nothing holds a database over a turn of the event loop, so that the old one
 * may go as soon as the new one is good.
 */

static void
ngx_http_consent_geo_timer(ngx_event_t *ev)
{
    char                     error[CG_GEO_ERROR];
    cg_geo_t                *db;
    ngx_http_consent_geo_t  *geo;

    geo = ev->data;

    ngx_add_timer(ev, geo->reload);

    if (!cg_geo_changed(geo->db)) {
        return;
    }

    db = geo->open((char *) geo->path.data, error);

    if (db == NULL) {

        if (!geo->failed) {
            geo->failed = 1;
            ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                          "%s: %s; the old database is kept",
                          geo->directive, error);
        }

        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                  "%s: \"%V\" is replaced, built at %L",
                  geo->directive, &geo->path, cg_geo_epoch(db));

    cg_geo_close(geo->db);
    geo->db = db;
    geo->failed = 0;
}
