/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_STATUS_H
#define NGX_HTTP_CONSENT_STATUS_H

#include "ngx_http_consent_counters.h"


/* Buckets of the cache that are looked at to tell how full it is. */

#define NGX_HTTP_CONSENT_SAMPLE  1024


typedef struct {
    ngx_http_request_t            *r;
    ngx_http_consent_main_conf_t  *mcf;
    ngx_http_consent_counters_t    sum;
    ngx_consent_store_status_t     store;
    cg_out_t                       out;
} ngx_http_consent_report_t;


/* The labels of counters, in the order of their enums. */

extern const char  *ngx_http_consent_cache_names[];
extern const char  *ngx_http_consent_lookup_names[];
extern const char  *ngx_http_consent_write_names[];


/* Write the whole answer to report->out. */

void ngx_http_consent_status_text(ngx_http_consent_report_t *report);
void ngx_http_consent_status_json(ngx_http_consent_report_t *report);

#endif /* NGX_HTTP_CONSENT_STATUS_H */
