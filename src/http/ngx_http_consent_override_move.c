/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


static ngx_int_t ngx_http_consent_leave_address(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *uri);
static ngx_int_t ngx_http_consent_without_token(ngx_http_request_t *r,
    ngx_str_t *uri);


/*
 * A token that stays in the address ends up in histories, logs and the
 * Referer of whatever the page loads.
 */

ngx_int_t
ngx_http_consent_move_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_str_t                     uri;
    ngx_http_consent_loc_conf_t  *lcf;

    if (!ctx->override_moves || r->internal
        || !(ctx->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_consent_classify(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    if (ctx->facts.klass != CG_CLASS_NAVIGATION
        || ngx_http_consent_mode(r, lcf) == CG_MODE_REPORT)
    {
        return NGX_DECLINED;
    }

    rc = ngx_http_consent_without_token(r, &uri);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_finalize_request(r, ngx_http_consent_leave_address(r, ctx, &uri));

    return NGX_DONE;
}


static ngx_int_t
ngx_http_consent_leave_address(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *uri)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    ngx_str_set(&value, "no-referrer");

    if (ngx_http_consent_add_header(r, "Referrer-Policy", &value) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&value, "no-store");

    if (ngx_http_consent_add_header(r, "Cache-Control", &value) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ctx->override_token.len
         ? ngx_http_consent_send_override(r, &ctx->override_token,
                                          ctx->override->o.expires)
         : ngx_http_consent_clear_override(r);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_redirect(r, NGX_HTTP_MOVED_TEMPORARILY, uri);
}


/*
 * What the client asked for, but for the argument. NGX_DECLINED: nothing that
 * one could be sent back to ("//example.org/" is another site).
 */

static ngx_int_t
ngx_http_consent_without_token(ngx_http_request_t *r, ngx_str_t *uri)
{
    u_char  *p, *arg, *next, *last, *start;

    static ngx_str_t  name = ngx_string("consent_override=");

    last = r->unparsed_uri.data + r->unparsed_uri.len;
    arg = ngx_strlchr(r->unparsed_uri.data, last, '?');

    if (arg == NULL) {
        return NGX_DECLINED;
    }

    start = ngx_pnalloc(r->pool, r->unparsed_uri.len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(start, r->unparsed_uri.data, arg - r->unparsed_uri.data);
    uri->len = p - start;

    for (arg++; arg < last; arg = next + 1) {
        next = ngx_strlchr(arg, last, '&');

        if (next == NULL) {
            next = last;
        }

        if ((size_t) (next - arg) >= name.len
            && ngx_strncasecmp(arg, name.data, name.len) == 0)
        {
            continue;
        }

        *p = p == start + uri->len ? '?' : '&';
        p = ngx_cpymem(p + 1, arg, next - arg);
    }

    uri->data = start;
    uri->len = p - start;

    return cg_return_valid(ngx_http_consent_cstr(uri)) ? NGX_OK
                                                       : NGX_DECLINED;
}
