/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


static ngx_int_t ngx_http_consent_exempted(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_uint_t ngx_http_consent_exempted_path(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_foresee(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


ngx_uint_t
ngx_http_consent_mode(ngx_http_request_t *r, ngx_http_consent_loc_conf_t *lcf)
{
    ngx_str_t  value;

    if (lcf->mode != NGX_HTTP_CONSENT_MODE_VARIABLE) {
        return lcf->mode;
    }

    if (ngx_http_complex_value(r, lcf->mode_value, &value) != NGX_OK) {
        return CG_MODE_ON;
    }

    if (value.len == 6 && ngx_strncmp(value.data, "report", 6) == 0) {
        return CG_MODE_REPORT;
    }

    if (ngx_http_consent_off(&value)) {
        return CG_MODE_OFF;
    }

    if ((value.len == 1 && value.data[0] == '1')
        || (value.len == 2 && ngx_strncmp(value.data, "on", 2) == 0))
    {
        return CG_MODE_ON;
    }

    /* a slip in a map must not open the gate */

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "consent_gate: \"%V\" is not \"on\", \"off\" or \"report\", "
                  "taken as \"on\"", &value);

    return CG_MODE_ON;
}


ngx_int_t
ngx_http_consent_gather(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_facts_t                   *facts;
    ngx_int_t                     rc;
    ngx_http_consent_loc_conf_t  *lcf;
    ngx_http_consent_srv_conf_t  *scf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    facts = &ctx->facts;

    if (ngx_http_consent_client_uri(r, &ctx->uri) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->method = ngx_http_consent_client_method(r);
    ctx->page = ngx_http_consent_is_page(scf, &ctx->uri)
                && !ngx_http_consent_ambiguous(r);

    facts->own = ctx->page || lcf->api || lcf->qa;
    ctx->timed = lcf->explain || lcf->qa;
    facts->preflight = (ctx->method == NGX_HTTP_OPTIONS);

    if (!facts->own) {
        rc = ngx_http_consent_exempted(r, ctx, lcf);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        facts->exempt = (rc == NGX_OK);
    }

    if (ngx_http_consent_overridden(r, ctx, lcf) == NGX_ERROR
        || ngx_http_consent_who(r, ctx, lcf) != NGX_OK
        || ngx_http_consent_foresee(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->timed) {
        ctx->place_us = ngx_http_consent_clock();
    }

    if (ngx_http_consent_place(r, ctx, lcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->timed) {
        ctx->place_us = ngx_http_consent_clock() - ctx->place_us;
    }

    ctx->gathered = 1;

    return NGX_OK;
}


/* A value is true unless it is empty or "0", as everywhere in nginx. */

ngx_uint_t
ngx_http_consent_truth(ngx_str_t *value)
{
    return value->len && (value->len != 1 || value->data[0] != '0');
}


ngx_uint_t
ngx_http_consent_off(ngx_str_t *value)
{
    return !ngx_http_consent_truth(value)
           || (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0);
}


static ngx_int_t
ngx_http_consent_exempted(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    if (ngx_http_consent_exempted_path(r, ctx, lcf)) {
        return NGX_OK;
    }

    if (lcf->exempt) {
        cv = lcf->exempt->elts;

        for (i = 0; i < lcf->exempt->nelts; i++) {
            if (ngx_http_complex_value(r, &cv[i], &value) != NGX_OK) {
                return NGX_ERROR;
            }

            if (ngx_http_consent_truth(&value)) {
                return NGX_OK;
            }
        }
    }

#if (NGX_PCRE)

    if (lcf->exempt_agent_regex && r->headers_in.user_agent
        && ngx_regex_exec(lcf->exempt_agent_regex,
                          &r->headers_in.user_agent->value, NULL, 0)
           >= 0)
    {
        return NGX_OK;
    }

#endif

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_consent_exempted_path(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf)
{
    static ngx_str_t  acme = ngx_string("/.well-known/acme-challenge/");

    /* RFC 8555, 8.3: a certificate must not depend on a consent */

    if (ctx->uri.len > acme.len
        && ngx_strncmp(ctx->uri.data, acme.data, acme.len) == 0)
    {
        return !ngx_http_consent_ambiguous(r);
    }

#if (NGX_PCRE)

    if (lcf->exempt_uri_regex
        && ngx_regex_exec(lcf->exempt_uri_regex, &ctx->uri, NULL, 0) >= 0)
    {
        return !ngx_http_consent_ambiguous(r);
    }

#endif

    return 0;
}


/*
 * Who is known will be looked up, more often than not: the cache may begin
 * while the country is looked up.
 */

static ngx_int_t
ngx_http_consent_foresee(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_facts_t  *facts;

    facts = &ctx->facts;

    if (facts->subject == CG_SUBJECT_NONE || facts->own || facts->exempt
        || facts->preflight)
    {
        return NGX_OK;
    }

    if (ngx_http_consent_classify(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (facts->klass != CG_CLASS_SUBRESOURCE) {
        ngx_http_consent_expect(r, ctx);
    }

    return NGX_OK;
}
