/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


static ngx_uint_t ngx_http_consent_client_method(ngx_http_request_t *r);
static ngx_uint_t ngx_http_consent_uri_is(ngx_str_t *page, ngx_str_t *uri);
static ngx_uint_t ngx_http_consent_truth(ngx_str_t *value);
static ngx_int_t ngx_http_consent_exempted(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_overridden(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_place(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_who(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_foresee(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_str_t *ngx_http_consent_header(ngx_http_consent_headers_t *headers,
    ngx_table_elt_t *h);


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


ngx_uint_t
ngx_http_consent_is_page(ngx_http_consent_srv_conf_t *scf, ngx_str_t *uri)
{
    return ngx_http_consent_uri_is(&scf->page, uri)
           || ngx_http_consent_uri_is(&scf->age_page, uri);
}


/*
 * With a slash behind it too: nginx redirects to it when the page is a
 * directory, and to send that back here would never end.
 */

static ngx_uint_t
ngx_http_consent_uri_is(ngx_str_t *page, ngx_str_t *uri)
{
    if (page->len == 0 || uri->len < page->len
        || ngx_memcmp(uri->data, page->data, page->len) != 0)
    {
        return 0;
    }

    return uri->len == page->len
           || (uri->len == page->len + 1 && uri->data[page->len] == '/');
}


/* For a location that is not gated: whether it serves our page. */

ngx_uint_t
ngx_http_consent_serves_page(ngx_http_request_t *r)
{
    ngx_str_t                     uri;
    ngx_http_consent_ctx_t       *ctx;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (scf->page.len == 0 && scf->age_page.len == 0) {
        return 0;
    }

    if (ngx_http_consent_is_page(scf, &r->uri)) {
        return 1;
    }

    if (r->valid_unparsed_uri) {
        return 0;
    }

    ctx = ngx_http_consent_get_ctx(r);

    if (ctx) {
        return ctx->page;
    }

    return ngx_http_consent_client_uri(r, &uri) == NGX_OK
           && ngx_http_consent_is_page(scf, &uri);
}


/*
 * r->uri is the client's as long as valid_unparsed_uri says so; a rewrite or
 * an internal redirect clears it. Then the request line is parsed again, as
 * ngx_http_process_request_uri() does.
 */

ngx_int_t
ngx_http_consent_client_uri(ngx_http_request_t *r, ngx_str_t *uri)
{
    ngx_http_request_t        *scratch;
    ngx_http_core_srv_conf_t  *cscf;

    if (r->valid_unparsed_uri) {
        *uri = r->uri;
        return NGX_OK;
    }

    scratch = ngx_pcalloc(r->pool, sizeof(ngx_http_request_t));
    if (scratch == NULL) {
        return NGX_ERROR;
    }

    scratch->connection = r->connection;
    scratch->pool = r->pool;
    scratch->uri_start = ngx_pnalloc(r->pool, r->unparsed_uri.len + 1);
    scratch->uri.data = ngx_pnalloc(r->pool, r->unparsed_uri.len + 2);

    if (scratch->uri_start == NULL || scratch->uri.data == NULL) {
        return NGX_ERROR;
    }

    /* the parser looks at one byte behind the end */

    ngx_memcpy(scratch->uri_start, r->unparsed_uri.data, r->unparsed_uri.len);
    scratch->uri_end = scratch->uri_start + r->unparsed_uri.len;
    *scratch->uri_end = ' ';

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (r->unparsed_uri.len == 0 || r->unparsed_uri.data[0] != '/'
        || ngx_http_parse_complex_uri(scratch, cscf->merge_slashes) != NGX_OK)
    {
        ngx_str_set(uri, "/");
        return NGX_OK;
    }

    *uri = scratch->uri;

    return NGX_OK;
}


/*
 * error_page makes a GET of any other method; the request line keeps what the
 * client has sent.
 */

static ngx_uint_t
ngx_http_consent_client_method(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t   name;
        ngx_uint_t  method;
    } methods[] = {
        { ngx_string("GET "), NGX_HTTP_GET },
        { ngx_string("HEAD "), NGX_HTTP_HEAD },
        { ngx_string("OPTIONS "), NGX_HTTP_OPTIONS }
    };

    if (!r->internal) {
        return r->method;
    }

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (r->request_line.len > methods[i].name.len
            && ngx_strncmp(r->request_line.data, methods[i].name.data,
                           methods[i].name.len)
               == 0)
        {
            return methods[i].method;
        }
    }

    return NGX_HTTP_UNKNOWN;
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
    ctx->page = ngx_http_consent_is_page(scf, &ctx->uri);

    facts->own = ctx->page || lcf->api;
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
        || ngx_http_consent_foresee(r, ctx) != NGX_OK
        || ngx_http_consent_place(r, ctx, lcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->gathered = 1;

    return NGX_OK;
}


/* A value is true unless it is empty or "0", as everywhere in nginx. */

static ngx_uint_t
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

    static ngx_str_t  acme = ngx_string("/.well-known/acme-challenge/");

    /* RFC 8555, 8.3: a certificate must not depend on a consent */

    if (ctx->uri.len > acme.len
        && ngx_strncmp(ctx->uri.data, acme.data, acme.len) == 0)
    {
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

    if (lcf->exempt_uri_regex
        && ngx_regex_exec(lcf->exempt_uri_regex, &ctx->uri, NULL, 0) >= 0)
    {
        return NGX_OK;
    }

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


/*
 * The country that a tester asks for. Who is not allowed to gets what
 * everyone gets.
 */

static ngx_int_t
ngx_http_consent_overridden(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    cg_cc_t                       country;
    ngx_str_t                     value;
    ngx_http_consent_headers_t   *headers;
    ngx_http_consent_counters_t  *counters;

    if (lcf->override_allow == NULL) {
        return NGX_DECLINED;
    }

    headers = ngx_http_consent_headers(r, ctx);
    if (headers == NULL) {
        return NGX_ERROR;
    }

    if (headers->override_country.len == 0) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, lcf->override_allow, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    counters = ngx_http_consent_counters(ctx->mcf);

    if (!ngx_http_consent_truth(&value)) {
        ngx_http_consent_count(&counters->overrides_ignored);
        return NGX_DECLINED;
    }

    country = cg_country_setting(
                       ngx_http_consent_cstr(&headers->override_country));

    if (country == CG_CC_UNKNOWN) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "consent_override: \"%V\" is not a country",
                      &headers->override_country);
        return NGX_DECLINED;
    }

    ngx_http_consent_count(&counters->overrides);

    ctx->facts.country = country;
    ctx->facts.overridden = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_place(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_str_t                      value;
    ngx_http_consent_main_conf_t  *mcf;

    if (ctx->facts.overridden) {
        return NGX_OK;
    }

    if (lcf->country) {
        if (ngx_http_complex_value(r, lcf->country, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->facts.country = cg_country_parse(ngx_http_consent_cstr(&value));

        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    if (mcf->geo) {
        ctx->facts.country = cg_geo_country(mcf->geo->db,
                                            r->connection->sockaddr);
    }

    return NGX_OK;
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

    rc = ngx_http_consent_read_visitor(r, ctx);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (ctx->account.len) {
        ctx->facts.subject = CG_SUBJECT_ACCOUNT;

    } else if (ctx->facts.own
               && ngx_http_consent_read_gated(r, ctx) == NGX_OK)
    {
        ctx->facts.subject = ctx->subject.kind;
        return NGX_OK;

    } else if (ctx->has_visitor) {
        ctx->facts.subject = CG_SUBJECT_VISITOR;
    }

    if (ctx->facts.overridden && ctx->facts.subject != CG_SUBJECT_NONE) {
        ctx->facts.subject = CG_SUBJECT_TEST;
    }

    return NGX_OK;
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


ngx_int_t
ngx_http_consent_derive(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    u_char                        *p;
    cg_str_t                       id, realm;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    if (ctx->derived) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    realm = ngx_http_consent_cstr(&scf->realm);

    if (ctx->account.len) {
        id = ngx_http_consent_cstr(&ctx->account);

    } else {
        id.data = ctx->visitor;
        id.len = CG_VISITOR_ID_LEN;
    }

    if (ctx->facts.subject == CG_SUBJECT_TEST) {

        /* one kind for two sorts of ids: the first byte tells them apart */

        p = ngx_pnalloc(r->pool, id.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        *p = ctx->account.len ? 'a' : 'v';
        ngx_memcpy(p + 1, id.data, id.len);
        id.data = p;
        id.len++;
    }

    if (!cg_subject_derive(&ctx->subject, mcf->keys, ctx->facts.subject, realm,
                           id))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "consent gate: libcrypto failed to make a pseudonym");
        return NGX_ERROR;
    }

    ctx->derived = 1;

    return NGX_OK;
}


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
                 ? &headers->sec_fetch_site : NULL;

    case sizeof("accept-language") - 1:
        return ngx_http_consent_is("accept-language")
               ? &headers->accept_language : NULL;

    case sizeof("x-requested-with") - 1:
        return ngx_http_consent_is("x-requested-with")
               ? &headers->x_requested_with : NULL;

    case sizeof("x-consent-country") - 1:
        return ngx_http_consent_is("x-consent-country")
               ? &headers->override_country : NULL;
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
