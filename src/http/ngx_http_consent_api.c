/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_post.h"


/* `what` is for the handler: the kind of change, of those that make one. */

typedef struct {
    ngx_str_t    name;
    ngx_uint_t   methods;
    ngx_str_t    allow;
    ngx_int_t  (*handler)(ngx_http_request_t *r, ngx_uint_t what);
    ngx_uint_t   what;
} ngx_http_consent_route_t;


static ngx_int_t ngx_http_consent_api_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_consent_api_method(ngx_http_request_t *r,
    ngx_http_consent_route_t *route);
static ngx_uint_t ngx_http_consent_api_allowed(ngx_http_request_t *r,
    ngx_http_consent_route_t *route);
static ngx_int_t ngx_http_consent_state(ngx_http_request_t *r,
    ngx_uint_t what);
static void ngx_http_consent_state_documents(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const cg_policies_t *policies,
    cg_out_t *out);
static void ngx_http_consent_state_age(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_out_t *out);
static void ngx_http_consent_state_names(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_docs_t missing, cg_out_t *out);


#define NGX_HTTP_CONSENT_READS                                                \
    NGX_HTTP_GET|NGX_HTTP_HEAD, ngx_string("GET, HEAD, OPTIONS")

#define NGX_HTTP_CONSENT_CHANGES                                              \
    NGX_HTTP_POST, ngx_string("POST, OPTIONS"), ngx_http_consent_post


static ngx_http_consent_route_t  ngx_http_consent_routes[] = {

    { ngx_string("state"), NGX_HTTP_CONSENT_READS, ngx_http_consent_state, 0 },

    { ngx_string("link"), NGX_HTTP_CONSENT_READS, ngx_http_consent_link, 0 },

    { ngx_string("export"), NGX_HTTP_CONSENT_READS, ngx_http_consent_export, 0 },

    { ngx_string("accept"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_ACCEPT },

    { ngx_string("decline"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_DECLINE },

    { ngx_string("withdraw"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_WITHDRAW },

    { ngx_string("purposes"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_PURPOSES },

    { ngx_string("residence"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_RESIDENCE },

    { ngx_string("age"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_AGE },

    { ngx_string("erase"), NGX_HTTP_CONSENT_CHANGES, CG_EVENT_ERASE },

    { ngx_null_string, 0, ngx_null_string, NULL, 0 }
};


char *
ngx_http_consent_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->api) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

#if (NGX_PCRE)
    if (clcf->regex) {
        return "needs a location by prefix, not by regular expression";
    }
#endif

    if (clcf->exact_match || clcf->named || clcf->noname
        || clcf->name.len == 0)
    {
        return "needs a location by prefix";
    }

    lcf->api = 1;
    clcf->handler = ngx_http_consent_api_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_consent_api_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  name;
    ngx_http_consent_route_t  *route;
    ngx_http_core_loc_conf_t  *clcf;

    /* a subrequest has no facts of its own, nor a body */

    if (r != r->main || ngx_http_consent_get_ctx(r) == NULL) {
        return NGX_HTTP_FORBIDDEN;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    name.data = r->uri.data + ngx_min(clcf->name.len, r->uri.len);
    name.len = r->uri.len - (name.data - r->uri.data);

    if (name.len && name.data[0] == '/') {
        name.data++;
        name.len--;
    }

    for (route = ngx_http_consent_routes; route->name.len; route++) {
        if (route->name.len == name.len
            && ngx_memcmp(route->name.data, name.data, name.len) == 0)
        {
            return ngx_http_consent_api_method(r, route);
        }
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_consent_api_problem(r, NGX_HTTP_NOT_FOUND, "not-found",
                                        "No such resource",
                                        "The API has nothing by this name.",
                                        0);
}


static ngx_int_t
ngx_http_consent_api_method(ngx_http_request_t *r,
    ngx_http_consent_route_t *route)
{
    ngx_int_t  rc;
    ngx_str_t  empty;

    if ((r->method & route->methods) && ngx_http_consent_api_allowed(r, route))
    {
        return route->handler(r, route->what);
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (r->method & route->methods) {
        return ngx_http_consent_refuse(r, NGX_HTTP_CONSENT_LINK_ACCEPT);
    }

    if (ngx_http_consent_add_header(r, "Allow", &route->allow) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        ngx_str_null(&empty);

        if (ngx_http_consent_own_headers(r) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_consent_send(r, NGX_HTTP_NO_CONTENT, "", &empty);
    }

    return ngx_http_consent_api_problem(r, NGX_HTTP_NOT_ALLOWED,
                                        "method-not-allowed",
                                        "Method not allowed",
                                        "See the Allow header.", 0);
}


/* Who is known by the link of an email may see what is open, and accept. */

static ngx_uint_t
ngx_http_consent_api_allowed(ngx_http_request_t *r,
    ngx_http_consent_route_t *route)
{
    return !ngx_http_consent_only_link(ngx_http_consent_get_ctx(r))
           || route->handler == ngx_http_consent_state
           || route->handler == ngx_http_consent_link
           || (route->handler == ngx_http_consent_post
               && route->what == CG_EVENT_ACCEPT);
}


ngx_int_t
ngx_http_consent_api_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, const char *title, const char *detail, cg_docs_t missing)
{
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    if (ngx_http_consent_own_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_problem(r, ctx, status, type, title, detail,
                                    cg_reason_name(ctx->decision.reason),
                                    missing);
}


/*
 * What the gate would do with this client's navigation to a location that has
 * the settings of this one, and a token to answer with.
 */

static ngx_int_t
ngx_http_consent_state(ngx_http_request_t *r, ngx_uint_t what)
{
    size_t                         n, size;
    uint8_t                        code[2];
    cg_out_t                       out;
    ngx_int_t                      rc;
    ngx_str_t                      body;
    cg_decision_t                 *d;
    const cg_policies_t           *policies;
    ngx_http_consent_ctx_t        *ctx;
    ngx_http_consent_main_conf_t  *mcf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_consent_get_ctx(r);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    d = &ctx->would;

    if (ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_replace_visitor(r, ctx) != NGX_OK
        || (ctx->facts.subject == CG_SUBJECT_NONE
            && ctx->mode != CG_MODE_REPORT
            && ngx_http_consent_new_visitor(r, ctx) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    policies = ngx_consent_store_policies(mcf->client);

    size = 1024 + CG_MAX_TOKEN + mcf->ndocs * (6 * CG_MAX_URL + 512)
           + mcf->npurposes * 64;

    body.data = ngx_pnalloc(r->pool, size);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = cg_country_code(ctx->facts.country, code);

    cg_out_init(&out, body.data, size);
    cg_out_str(&out, cg_str("{\"decision\":"));
    cg_out_json(&out, cg_outcome_name(d->outcome));
    cg_out_str(&out, cg_str(",\"reason\":"));
    cg_out_json(&out, cg_reason_name(d->reason));
    cg_out_str(&out, cg_str(",\"country\":"));
    cg_out_json(&out, (cg_str_t) { n, code });
    cg_out_str(&out, cg_str(",\"source\":"));
    cg_out_json(&out, cg_source_name(d->source));

    ngx_http_consent_state_documents(r, ctx, policies, &out);
    ngx_http_consent_state_names(r, ctx, d->missing, &out);

    cg_out_str(&out, cg_str("}\n"));

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = cg_out_len(&out);

    return ngx_http_consent_send(r, NGX_HTTP_OK, "application/json", &body);
}


static void
ngx_http_consent_state_documents(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const cg_policies_t *policies, cg_out_t *out)
{
    ngx_uint_t                     i, n;
    const cg_policy_t             *p;
    const cg_record_t             *record;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    record = ngx_http_consent_record(ctx);

    cg_out_str(out, cg_str(",\"documents\":["));

    for (i = 0, n = 0; i < mcf->ndocs; i++) {
        p = &policies->docs[i];

        if (!p->known) {
            continue;
        }

        cg_out_str(out, n++ ? cg_str(",{\"name\":") : cg_str("{\"name\":"));
        cg_out_json(out, ngx_http_consent_cstr(&mcf->docs[i].name));
        cg_out_str(out, cg_str(",\"kind\":"));
        cg_out_json(out, mcf->docs[i].acknowledge ? cg_str("acknowledge")
                                                  : cg_str("accept"));
        cg_out_str(out, cg_str(",\"version\":"));
        cg_out_uint(out, p->version);
        cg_out_str(out, cg_str(",\"required\":"));
        cg_out_uint(out, p->required);
        cg_out_str(out, cg_str(",\"effective\":"));
        cg_out_uint(out, (uint64_t) p->effective);
        cg_out_str(out, cg_str(",\"accepted\":"));

        if (record && record->accepted[i]) {
            cg_out_uint(out, record->accepted[i]);

        } else {
            cg_out_str(out, cg_str("null"));
        }

        cg_out_str(out, record && (record->declined & (1 << i))
                        ? cg_str(",\"declined\":true")
                        : cg_str(",\"declined\":false"));
        cg_out_str(out, cg_str(",\"url\":"));
        cg_out_json(out, (cg_str_t) { p->url_len, p->url });
        cg_out_str(out, cg_str(",\"sha256\":\""));

        if (p->has_sha256) {
            cg_out_hex(out, p->sha256, 32);
        }

        cg_out_str(out, cg_str("\"}"));
    }

    cg_out_str(out, cg_str("]"));
}


static void
ngx_http_consent_state_names(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_docs_t missing, cg_out_t *out)
{
    ngx_str_t                      token;
    ngx_uint_t                     i;
    cg_purposes_t                  granted;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    granted = ngx_http_consent_granted(r, ctx);

    cg_out_str(out, cg_str(",\"missing\":"));
    ngx_http_consent_doc_json(mcf, missing, out);
    cg_out_str(out, cg_str(",\"purposes\":{"));

    for (i = 0; i < mcf->npurposes; i++) {
        cg_out_str(out, i ? cg_str(",") : cg_str(""));
        cg_out_json(out, ngx_http_consent_cstr(&mcf->purposes[i].name));
        cg_out_str(out, granted & (1 << i) ? cg_str(":true")
                                           : cg_str(":false"));
    }

    cg_out_str(out, ngx_http_consent_gpc(ctx) ? cg_str("},\"gpc\":true")
                                              : cg_str("},\"gpc\":false"));

    ngx_http_consent_state_age(r, ctx, out);

    cg_out_str(out, cg_str(",\"token\":"));

    if (ngx_http_consent_form_token(r, ctx, &token)
        == NGX_OK)
    {
        cg_out_json(out, ngx_http_consent_cstr(&token));

    } else {
        cg_out_str(out, cg_str("null"));
    }
}


/* The age asked for, what is known of it, and the declared residence. */

static void
ngx_http_consent_state_age(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_out_t *out)
{
    size_t              n;
    uint8_t             years, code[2];
    const cg_record_t  *record;

    years = ngx_http_consent_min_age(r, ctx);

    cg_out_str(out, cg_str(",\"age\":"));

    if (years) {
        cg_out_str(out, cg_str("{\"asked\":"));
        cg_out_uint(out, years);
        cg_out_str(out, cg_str(",\"state\":"));
        cg_out_json(out, ngx_http_consent_age_state(r, ctx));
        cg_out_str(out, cg_str("}"));

    } else {
        cg_out_str(out, cg_str("null"));
    }

    record = ngx_http_consent_only_link(ctx) ? NULL
                                             : ngx_http_consent_answers(ctx);
    n = record ? cg_country_code(record->residence, code) : 0;

    cg_out_str(out, cg_str(",\"residence\":"));

    if (n) {
        cg_out_json(out, (cg_str_t) { n, code });

    } else {
        cg_out_str(out, cg_str("null"));
    }
}
