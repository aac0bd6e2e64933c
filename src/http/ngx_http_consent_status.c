/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_status.h"


/*
 * The state of the gate, out of shared memory. One table of metrics gives the
 * Prometheus text (exposition format 0.0.4); JSON has the same numbers under
 * the names without prefix and unit.
 */

#define NGX_HTTP_CONSENT_STATUS_SIZE  131072    /* bytes of an answer */


static ngx_int_t ngx_http_consent_status_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_consent_wants_json(ngx_http_request_t *r,
    ngx_uint_t format);


const char  *ngx_http_consent_cache_names[] = {
    "bypass", "hit", "miss", "stale"
};

const char  *ngx_http_consent_lookup_names[] = {
    "ok", "down", "full", "timeout", "lost", "protocol", "refused"
};

const char  *ngx_http_consent_write_names[] = {
    "written", "unchanged", "repeated", "conflict", "foreign",
    "spent", "failed"
};


char *
ngx_http_consent_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->status) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->status = NGX_HTTP_CONSENT_STATUS_AUTO;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "json") == 0) {
            lcf->status = NGX_HTTP_CONSENT_STATUS_JSON;

        } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
            lcf->status = NGX_HTTP_CONSENT_STATUS_PROMETHEUS;

        } else {
            return ngx_http_consent_invalid(cf, &value[1]);
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_consent_status_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_consent_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_str_t                     body;
    const char                   *type;
    ngx_http_consent_report_t    *report;
    ngx_http_consent_loc_conf_t  *lcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    report = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_report_t));
    body.data = ngx_palloc(r->pool, NGX_HTTP_CONSENT_STATUS_SIZE);

    if (report == NULL || body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    report->r = r;
    report->mcf = ngx_http_get_module_main_conf(r,
                                                ngx_http_consent_gate_module);
    cg_out_init(&report->out, body.data, NGX_HTTP_CONSENT_STATUS_SIZE);

    ngx_http_consent_counters_sum(report->mcf, &report->sum);
    ngx_consent_store_status(report->mcf->client, &report->store);

    if (ngx_http_consent_wants_json(r, lcf->status)) {
        type = "application/json";
        ngx_http_consent_status_json(report);

    } else {
        type = "text/plain; version=0.0.4; charset=utf-8";
        ngx_http_consent_status_text(report);
    }

    body.len = cg_out_len(&report->out);

    if (report->out.overflow || ngx_http_consent_own_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_send(r, NGX_HTTP_OK, type, &body);
}


/* Prometheus asks for text/plain or OpenMetrics by name; others get JSON. */

static ngx_uint_t
ngx_http_consent_wants_json(ngx_http_request_t *r, ngx_uint_t format)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (format != NGX_HTTP_CONSENT_STATUS_AUTO) {
        return format == NGX_HTTP_CONSENT_STATUS_JSON;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == 6
                && ngx_strncmp(h[i].lowcase_key, "accept", 6) == 0)
            {
                return ngx_strstr(h[i].value.data, "text/plain") == NULL
                       && ngx_strstr(h[i].value.data, "openmetrics") == NULL;
            }
        }
    }

    return 1;
}
