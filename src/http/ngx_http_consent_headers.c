/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static ngx_str_t *ngx_http_consent_header(ngx_http_consent_headers_t *headers,
    ngx_table_elt_t *h);


/* Where the value of a header belongs; NULL: it is none that we look at. */

static ngx_str_t *
ngx_http_consent_header(ngx_http_consent_headers_t *headers,
    ngx_table_elt_t *h)
{
    u_char  *name;

/* a comparison of a constant length, which the compiler needs no call for */

#define ngx_http_consent_is(s)  (ngx_memcmp(name, s, sizeof(s) - 1) == 0)

    name = h->lowcase_key;

    switch (h->key.len) {

    case sizeof("accept") - 1:
        return ngx_http_consent_is("accept") ? &headers->accept
               : ngx_http_consent_is("origin") ? &headers->origin : NULL;

    case sizeof("sec-gpc") - 1:
        return ngx_http_consent_is("sec-gpc") ? &headers->gpc : NULL;

    case sizeof("sec-fetch-mode") - 1:
        return ngx_http_consent_is("sec-fetch-mode") ? &headers->sec_fetch_mode
               : ngx_http_consent_is("sec-fetch-dest")
                 ? &headers->sec_fetch_dest
               : ngx_http_consent_is("sec-fetch-site")
                 ? &headers->sec_fetch_site
               : ngx_http_consent_is("x-consent-time")
                 ? &headers->override[NGX_HTTP_CONSENT_X_TIME] : NULL;

    case sizeof("accept-language") - 1:
        return ngx_http_consent_is("accept-language")
               ? &headers->accept_language : NULL;

    case sizeof("x-requested-with") - 1:
        return ngx_http_consent_is("x-requested-with")
               ? &headers->x_requested_with
               : ngx_http_consent_is("x-consent-record")
                 ? &headers->override[NGX_HTTP_CONSENT_X_RECORD] : NULL;

    case sizeof("x-consent-country") - 1:
        return ngx_http_consent_is("x-consent-country")
               ? &headers->override[NGX_HTTP_CONSENT_X_COUNTRY]
               : ngx_http_consent_is("x-consent-history")
                 ? &headers->override[NGX_HTTP_CONSENT_X_HISTORY] : NULL;

    case sizeof("x-consent-override") - 1:
        return ngx_http_consent_is("x-consent-override")
               ? &headers->override[NGX_HTTP_CONSENT_X_OVERRIDE] : NULL;

    case sizeof("x-consent-residence") - 1:
        return ngx_http_consent_is("x-consent-residence")
               ? &headers->override[NGX_HTTP_CONSENT_X_RESIDENCE] : NULL;

    case sizeof("x-consent-anonymizer") - 1:
        return ngx_http_consent_is("x-consent-anonymizer")
               ? &headers->override[NGX_HTTP_CONSENT_X_ANONYMIZER] : NULL;
    }

    return NULL;
}


ngx_http_consent_headers_t *
ngx_http_consent_headers(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (ctx->headers) {
        return ctx->headers;
    }

    ctx->headers = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_headers_t));
    if (ctx->headers == NULL) {
        return NULL;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            value = ngx_http_consent_header(ctx->headers, &h[i]);

            if (value) {
                *value = h[i].value;
            }
        }
    }

    return ctx->headers;
}


ngx_int_t
ngx_http_consent_classify(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_request_t                 rq;
    ngx_str_t                    host;
    ngx_http_consent_headers_t  *h;

    if (ctx->classified) {
        return NGX_OK;
    }

    h = ngx_http_consent_headers(r, ctx);
    if (h == NULL) {
        return NGX_ERROR;
    }

    rq.safe = (ctx->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) != 0;
    rq.websocket = r->headers_in.upgrade
                   && ngx_strcasestrn(r->headers_in.upgrade->value.data,
                                      "websocket", 9 - 1)
                      != NULL;
    rq.sec_fetch_mode = ngx_http_consent_cstr(&h->sec_fetch_mode);
    rq.sec_fetch_dest = ngx_http_consent_cstr(&h->sec_fetch_dest);
    rq.x_requested_with = ngx_http_consent_cstr(&h->x_requested_with);
    rq.accept = ngx_http_consent_cstr(&h->accept);
    rq.path = ngx_http_consent_cstr(&ctx->uri);

    ctx->facts.klass = cg_classify(&rq);

    ctx->facts.gpc = (h->gpc.len == 1 && h->gpc.data[0] == '1');

    if (h->sec_fetch_site.len) {
        ctx->facts.cross_site = (h->sec_fetch_site.len == 10
                                 && ngx_strncmp(h->sec_fetch_site.data,
                                                "cross-site", 10) == 0);

    } else if (h->origin.len && r->headers_in.host) {
        host = r->headers_in.host->value;
        ctx->facts.cross_site = !cg_origin_matches(
                                             ngx_http_consent_cstr(&h->origin),
                                             ngx_http_consent_cstr(&host));
    }

    ctx->classified = 1;

    return NGX_OK;
}


/* A stranger's headers are not walked unless somebody wants to know. */

ngx_uint_t
ngx_http_consent_gpc(ngx_http_consent_ctx_t *ctx)
{
    return ngx_http_consent_classify(ctx->request, ctx) == NGX_OK
           && ctx->facts.gpc;
}
