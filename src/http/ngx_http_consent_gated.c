/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/*
 * The cookie that names a gated account, or holds the link of an email, on the
 * way to an answer.
 */

#define ngx_http_consent_gated_suffix  "-subject"


static ngx_uint_t ngx_http_consent_open_gated(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static ngx_uint_t ngx_http_consent_open_any(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static ngx_int_t ngx_http_consent_drop_gated(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


static ngx_uint_t
ngx_http_consent_open_gated(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request,
                                        ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(ctx->request,
                                       ngx_http_consent_gate_module);

    if (!cg_gated_open(mcf->keys, &ctx->subject, value,
                       ngx_http_consent_cstr(&scf->realm), ngx_time()))
    {
        if (!ngx_http_consent_open_link(ctx, value)) {
            return 0;
        }

        ctx->subject = ctx->link->subject;
    }

    if ((ctx->subject.kind == CG_SUBJECT_TEST) != ctx->facts.overridden) {
        ctx->link = NULL;
        return 0;
    }

    return 1;
}


ngx_int_t
ngx_http_consent_read_link(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_consent_read_other(r, ctx, ngx_http_consent_gated_suffix,
                                     ngx_http_consent_open_link);

    if (rc != NGX_OK) {
        return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!cg_subject_same(&ctx->subject, &ctx->link->subject)) {
        ctx->link = NULL;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_consent_send_link(ngx_http_request_t *r, ngx_str_t *token,
    time_t max_age)
{
    return ngx_http_consent_send_other(r, ngx_http_consent_gated_suffix, token,
                                       max_age);
}


ngx_int_t
ngx_http_consent_read_gated(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_consent_read_other(r, ctx, ngx_http_consent_gated_suffix,
                                     ngx_http_consent_open_gated);

    if (rc == NGX_OK) {
        ctx->derived = 1;
        ctx->gated = 1;
    }

    return rc;
}


/*
 * The page may stand outside of the authentication that the gated location
 * has; a visitor is known there by the visitor cookie anyway.
 */

ngx_int_t
ngx_http_consent_send_gated(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    size_t                         len;
    u_char                         text[CG_MAX_TOKEN];
    ngx_str_t                      value;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    if (ctx->account.len == 0) {
        return ctx->facts.klass == CG_CLASS_NAVIGATION
               ? ngx_http_consent_drop_gated(r, ctx) : NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    len = cg_gated_seal(mcf->keys, &ctx->subject,
                        ngx_http_consent_cstr(&scf->realm),
                        ngx_time() + NGX_HTTP_CONSENT_GATED_TTL, text);
    if (len == 0) {
        return NGX_ERROR;
    }

    value.data = text;
    value.len = len;

    return ngx_http_consent_send_other(r, ngx_http_consent_gated_suffix,
                                       &value, NGX_HTTP_CONSENT_GATED_TTL);
}


static ngx_uint_t
ngx_http_consent_open_any(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    return 1;
}


/*
 * This time it is not an account that is sent to the page: what is left of
 * one that was would answer in the visitor's place.
 */

static ngx_int_t
ngx_http_consent_drop_gated(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_consent_read_other(r, ctx, ngx_http_consent_gated_suffix,
                                     ngx_http_consent_open_any);

    if (rc != NGX_OK) {
        return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    return ngx_http_consent_clear_gated(r);
}


ngx_int_t
ngx_http_consent_clear_gated(ngx_http_request_t *r)
{
    ngx_str_t  value;

    ngx_str_null(&value);

    return ngx_http_consent_send_other(r, ngx_http_consent_gated_suffix,
                                       &value, 0);
}
