/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_cookies.h"
#include "ngx_http_consent_override.h"

#include <openssl/rand.h>


#define NGX_HTTP_CONSENT_SESSION  (-1)      /* a cookie without Max-Age */

static ngx_str_t ngx_http_consent_cookie_name(ngx_http_request_t *r,
    ngx_http_consent_srv_conf_t *scf);
static ngx_int_t ngx_http_consent_other_name(ngx_http_request_t *r,
    const char *suffix, ngx_str_t *name);
static ngx_int_t ngx_http_consent_random_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_send_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, time_t max_age);


ngx_uint_t
ngx_http_consent_secure(ngx_http_request_t *r,
    ngx_http_consent_srv_conf_t *scf)
{
    if (scf->cookie_secure != NGX_HTTP_CONSENT_SECURE_AUTO) {
        return scf->cookie_secure == NGX_HTTP_CONSENT_SECURE_ON;
    }

#if (NGX_HTTP_SSL)
    return r->connection->ssl != NULL;
#else
    return 0;
#endif
}


/* A tester has cookies apart: those of the same browser are a visitor's. */

static ngx_str_t
ngx_http_consent_cookie_name(ngx_http_request_t *r,
    ngx_http_consent_srv_conf_t *scf)
{
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    return ctx && ctx->override ? ctx->override->cookie
                                : ngx_http_consent_real_name(r, scf);
}


/*
 * The prefixes make browsers refuse the cookie from anyone but this host
 * over TLS (RFC 6265bis, 4.1.3): nobody plants one from a sibling domain.
 */

ngx_str_t
ngx_http_consent_real_name(ngx_http_request_t *r,
    ngx_http_consent_srv_conf_t *scf)
{
    static ngx_str_t  host = ngx_string("__Host-consent");
    static ngx_str_t  secure = ngx_string("__Secure-consent");
    static ngx_str_t  plain = ngx_string("consent");

    if (scf->cookie.len) {
        return scf->cookie;
    }

    if (!ngx_http_consent_secure(r, scf)) {
        return plain;
    }

    return scf->cookie_domain.len ? secure : host;
}


ngx_uint_t
ngx_http_consent_host_cookies(ngx_http_request_t *r)
{
    ngx_str_t                     name;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    name = ngx_http_consent_cookie_name(r, scf);

    return name.len > 7 && ngx_strncmp(name.data, "__Host-", 7) == 0;
}


ngx_int_t
ngx_http_consent_find_cookie(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *name,
    ngx_http_consent_open_pt open)
{
    size_t                       next;
    cg_str_t                     value;
    ngx_str_t                   *header;
    ngx_http_consent_cookies_t   cookies;

    ngx_http_consent_first_cookies(r, &cookies);

    while ((header = ngx_http_consent_next_cookies(&cookies)) != NULL) {
        next = 0;

        while (cg_cookie_next(ngx_http_consent_cstr(header),
                              ngx_http_consent_cstr(name), &next, &value))
        {
            if (open(ctx, value)) {
                return NGX_OK;
            }
        }
    }

    return NGX_DECLINED;
}


/* Our other cookies are named after the visitor's: "consent-receipt". */

static ngx_int_t
ngx_http_consent_other_name(ngx_http_request_t *r, const char *suffix,
    ngx_str_t *name)
{
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    return ngx_http_consent_suffixed(r, ngx_http_consent_cookie_name(r, scf),
                                     suffix, name);
}


ngx_int_t
ngx_http_consent_suffixed(ngx_http_request_t *r, ngx_str_t base,
    const char *suffix, ngx_str_t *name)
{
    size_t  len;

    len = ngx_strlen(suffix);

    name->len = base.len + len;
    name->data = ngx_pnalloc(r->pool, name->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(name->data, base.data, base.len), suffix, len);

    return NGX_OK;
}


ngx_int_t
ngx_http_consent_read_other(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const char *suffix,
    ngx_http_consent_open_pt open)
{
    ngx_str_t  name;

    /* most who come for the first time: not even a name is made */

#if (nginx_version >= 1023000)
    if (r->headers_in.cookie == NULL) {
#else
    if (r->headers_in.cookies.nelts == 0) {
#endif
        return NGX_DECLINED;
    }

    if (ngx_http_consent_other_name(r, suffix, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_consent_find_cookie(r, ctx, &name, open);
}


ngx_int_t
ngx_http_consent_send_other(ngx_http_request_t *r, const char *suffix,
    ngx_str_t *value, time_t max_age)
{
    ngx_str_t  name;

    if (ngx_http_consent_other_name(r, suffix, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_consent_set_cookie(r, &name, value, max_age);
}


ngx_int_t
ngx_http_consent_set_cookie(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value, time_t max_age)
{
    u_char                       *p;
    ngx_str_t                     line;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    line.data = ngx_pnalloc(r->pool, name->len + value->len
                            + scf->cookie_domain.len + NGX_TIME_T_LEN
                            + sizeof("=; Path=/; HttpOnly; SameSite=Lax"
                                     "; Secure; Domain=; Max-Age="));
    if (line.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(line.data, "%V=%V; Path=/; HttpOnly; SameSite=Lax", name,
                    value);

    if (ngx_http_consent_secure(r, scf)) {
        p = ngx_cpymem(p, "; Secure", sizeof("; Secure") - 1);
    }

    if (scf->cookie_domain.len) {
        p = ngx_sprintf(p, "; Domain=%V", &scf->cookie_domain);
    }

    if (max_age != NGX_HTTP_CONSENT_SESSION) {
        p = ngx_sprintf(p, "; Max-Age=%T", max_age);
    }

    line.len = p - line.data;

    return ngx_http_consent_add_header(r, "Set-Cookie", &line) ? NGX_OK
                                                               : NGX_ERROR;
}


static ngx_int_t
ngx_http_consent_send_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, time_t max_age)
{
    u_char                         text[CG_VISITOR_TEXT];
    ngx_str_t                      name, value;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    cg_visitor_seal(mcf->keys, ctx->visitor, text);

    name = ngx_http_consent_cookie_name(r, scf);
    value.data = text;
    value.len = CG_VISITOR_TEXT;

    return ngx_http_consent_set_cookie(r, &name, &value, max_age);
}


static ngx_int_t
ngx_http_consent_random_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    if (RAND_bytes(ctx->visitor, CG_VISITOR_ID_LEN) == 1) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "consent gate: RAND_bytes() failed");

    return NGX_ERROR;
}


ngx_int_t
ngx_http_consent_new_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    if (ngx_http_consent_random_visitor(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->has_visitor = 1;
    ctx->facts.subject = ctx->facts.overridden ? CG_SUBJECT_TEST
                                               : CG_SUBJECT_VISITOR;

    return ngx_http_consent_send_visitor(r, ctx, NGX_HTTP_CONSENT_SESSION);
}


/*
 * The one that this browser had has given what it said to an account. Whoever
 * uses it next without one begins anew.
 */

ngx_int_t
ngx_http_consent_replace_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    if (!ctx->spent) {
        return NGX_OK;
    }

    ctx->spent = 0;

    return ngx_http_consent_random_visitor(r, ctx) == NGX_OK
           ? ngx_http_consent_send_visitor(r, ctx, NGX_HTTP_CONSENT_SESSION)
           : NGX_ERROR;
}


time_t
ngx_http_consent_cookie_life(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    return ctx->override ? ngx_min(NGX_HTTP_CONSENT_TEST_TTL,
                                   scf->cookie_max_age)
                         : scf->cookie_max_age;
}


ngx_int_t
ngx_http_consent_keep_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    if (!ctx->has_visitor || ctx->account.len || ctx->gated) {
        return NGX_OK;
    }

    return ngx_http_consent_send_visitor(r, ctx,
                                         ngx_http_consent_cookie_life(r, ctx));
}


ngx_int_t
ngx_http_consent_clear_visitor(ngx_http_request_t *r)
{
    ngx_str_t                     name, value;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    name = ngx_http_consent_cookie_name(r, scf);
    ngx_str_null(&value);

    return ngx_http_consent_set_cookie(r, &name, &value, 0);
}
