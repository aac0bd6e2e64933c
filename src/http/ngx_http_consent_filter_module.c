/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


/*
 * A module of its own, for it has to stand elsewhere in nginx's list: before
 * ngx_http_headers_filter_module there, so that it runs after "expires" and
 * "add_header" have had their say. See ngx_module_order in ./config.
 */

static ngx_int_t ngx_http_consent_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_consent_header_filter(ngx_http_request_t *r);
static void ngx_http_consent_hide(ngx_http_request_t *r);
static ngx_uint_t ngx_http_consent_keeps(ngx_table_elt_t *h);


static ngx_http_module_t  ngx_http_consent_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_consent_filter_init,          /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_consent_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_consent_filter_module_ctx,   /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/* Where no override is allowed, nothing is filtered. */

static ngx_int_t
ngx_http_consent_filter_init(ngx_conf_t *cf)
{
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);

    if (mcf->overrides) {
        ngx_http_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter = ngx_http_consent_header_filter;
    }

    return NGX_OK;
}


/*
 * What was made for a tester says so, and is kept by nobody: neither by
 * nginx's own caches nor by those on the way. An upstream's word on that does
 * not count, so that a page that it wants cached for an hour is not.
 */

static ngx_int_t
ngx_http_consent_header_filter(ngx_http_request_t *r)
{
    u_char                   text[NGX_HTTP_CONSENT_OVERRIDE_TEXT];
    cg_out_t                 out;
    ngx_str_t                value;
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    if (ctx == NULL || ctx->override == NULL) {
        return ngx_http_next_header_filter(r);
    }

#if (NGX_HTTP_CACHE)

    /* it is read after the header has been sent; in subrequests too */

    if (r->upstream) {
        r->upstream->cacheable = 0;
    }

#endif

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ngx_http_consent_hide(r);

    ngx_str_set(&value, "no-store");

    if (ngx_http_consent_add_header(r, "Cache-Control", &value) == NULL) {
        return NGX_ERROR;
    }

    cg_out_init(&out, text, sizeof(text));
    ngx_http_consent_override_text(ctx, &out);

    value.len = cg_out_len(&out);
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value.data, text, value.len);

    if (ngx_http_consent_add_header(r, "Consent-Override", &value) == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static void
ngx_http_consent_hide(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && ngx_http_consent_keeps(&h[i])) {
                h[i].hash = 0;
            }
        }
    }
}


/*
 * Whether a header says how long something may be kept, to browsers or only
 * to a CDN (CDN-Cache-Control, RFC 9213; Surrogate-Control); or is ours, and
 * would be another's.
 */

static ngx_uint_t
ngx_http_consent_keeps(ngx_table_elt_t *h)
{
    ngx_uint_t  i;

    static ngx_str_t  suffix = ngx_string("Cache-Control");

    static ngx_str_t  names[] = {
        ngx_string("Expires"),
        ngx_string("Surrogate-Control"),
        ngx_string("X-Accel-Expires"),
        ngx_string("Consent-Override")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (h->key.len == names[i].len
            && ngx_strncasecmp(h->key.data, names[i].data, names[i].len) == 0)
        {
            return 1;
        }
    }

    return h->key.len >= suffix.len
           && ngx_strncasecmp(h->key.data + h->key.len - suffix.len,
                              suffix.data, suffix.len)
              == 0;
}
