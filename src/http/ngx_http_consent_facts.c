/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_cached.h"
#include "ngx_http_consent_cookies.h"
#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_override.h"


static ngx_int_t ngx_http_consent_exempted(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_exempted_value(ngx_http_request_t *r,
    ngx_array_t *exempt) __attribute__ ((noinline));
static ngx_uint_t ngx_http_consent_exempted_path(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_who(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static void ngx_http_consent_read_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_foresee(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_place(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_told_country(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_complex_value_t *country)
    __attribute__ ((noinline));


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

    if (r->valid_unparsed_uri) {
        ctx->uri = r->uri;

    } else if (ngx_http_consent_client_uri(r, &ctx->uri) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->method = r->internal ? ngx_http_consent_client_method(r) : r->method;
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

    if ((lcf->override_allow || lcf->override_signed)
        && ngx_http_consent_overridden(r, ctx, lcf) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    if (ngx_http_consent_who(r, ctx, lcf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_consent_foresee(r, ctx);

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
    ngx_int_t  rc;

    if (ngx_http_consent_exempted_path(r, ctx, lcf)) {
        return NGX_OK;
    }

    if (lcf->exempt) {
        rc = ngx_http_consent_exempted_value(r, lcf->exempt);

        if (rc != NGX_DECLINED) {
            return rc;
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


static ngx_int_t
ngx_http_consent_exempted_value(ngx_http_request_t *r, ngx_array_t *exempt)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    cv = exempt->elts;

    for (i = 0; i < exempt->nelts; i++) {
        if (ngx_http_complex_value(r, &cv[i], &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_http_consent_truth(&value)) {
            return NGX_OK;
        }
    }

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
 * The account if there is one; on the way to an answer the account that was
 * gated; else the visitor of this browser. A tester is none of them.
 */

static ngx_int_t
ngx_http_consent_who(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_int_t  rc;

    if (lcf->subject) {
        if (ngx_http_complex_value(r, lcf->subject, &ctx->account) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ctx->account.len > NGX_HTTP_CONSENT_MAX_ACCOUNT) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "consent_subject: a value of %uz bytes is ignored",
                          ctx->account.len);
            ngx_str_null(&ctx->account);
        }
    }

    ngx_http_consent_read_visitor(r, ctx);

    if (ctx->account.len) {
        ctx->facts.subject = CG_SUBJECT_ACCOUNT;

    } else {
        rc = ctx->facts.own ? ngx_http_consent_read_gated(r, ctx)
                            : NGX_DECLINED;

        if (rc == NGX_OK) {
            ctx->facts.subject = ctx->subject.kind;
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }

        if (ctx->has_visitor) {
            ctx->facts.subject = CG_SUBJECT_VISITOR;
        }
    }

    if (ctx->facts.overridden && ctx->facts.subject != CG_SUBJECT_NONE) {
        ctx->facts.subject = CG_SUBJECT_TEST;
    }

    if (ctx->account.len && ctx->facts.own) {
        return ngx_http_consent_read_link(r, ctx);
    }

    return NGX_OK;
}


/* The first cookie of the visitor's name that is one of ours. */

static void
ngx_http_consent_read_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t                     name, *header;
    ngx_http_consent_cookies_t    cookies;
    ngx_http_consent_srv_conf_t  *scf;

    ngx_http_consent_first_cookies(r, &cookies);
    header = ngx_http_consent_next_cookies(&cookies);

    if (header == NULL) {
        return;
    }

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    name = ctx->override ? ctx->override->cookie
                         : ngx_http_consent_real_name(r, scf);

    do {
        if (cg_visitor_find(ctx->mcf->keys, ngx_http_consent_cstr(header),
                            ngx_http_consent_cstr(&name), ctx->visitor))
        {
            ctx->has_visitor = 1;
            return;
        }

        header = ngx_http_consent_next_cookies(&cookies);

    } while (header);
}


/*
 * Who is known will be looked up, more often than not: the cache may begin
 * while the country is looked up.
 */

static void
ngx_http_consent_foresee(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_facts_t  *facts;

    facts = &ctx->facts;

    if (facts->subject != CG_SUBJECT_NONE && ctx->mcf->cache
        && !(facts->own | facts->exempt | facts->preflight))
    {
        ngx_http_consent_expect(r, ctx);
    }
}


/* The country of the address, unless it is overridden. */

static ngx_int_t
ngx_http_consent_place(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_http_consent_geo_t  *geo;

    if (ctx->override && ctx->override->o.has_country) {
        return NGX_OK;
    }

    if (lcf->country) {
        return ngx_http_consent_told_country(r, ctx, lcf->country);
    }

    geo = ctx->mcf->geo;

    if (geo) {
        ctx->facts.country = cg_geo_country(geo->db, r->connection->sockaddr);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_told_country(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_complex_value_t *country)
{
    ngx_str_t  value;

    if (ngx_http_complex_value(r, country, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->facts.country = cg_country_parse(ngx_http_consent_cstr(&value));

    return NGX_OK;
}
