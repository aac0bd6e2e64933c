/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


static ngx_uint_t ngx_http_consent_may_begin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* What a navigation elsewhere would meet: our pages tell of that. */

void
ngx_http_consent_suppose(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    cg_facts_t  facts;

    facts = ctx->facts;
    facts.own = 0;
    facts.error_page = 0;
    facts.preflight = 0;
    facts.klass = CG_CLASS_NAVIGATION;

    cg_decide(&ctx->would, &facts, &lcf->settings,
              ngx_consent_store_policies(ctx->mcf->client),
              ngx_http_consent_now(ctx));

    ctx->decision.source = ctx->would.source;
    ctx->decision.inside = ctx->would.inside;
}


/*
 * The page itself is served by whatever the location has. It is where a
 * visitor gets a cookie: the form token needs a subject.
 */

ngx_int_t
ngx_http_consent_show_page(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    if (ctx->page_headers) {
        return NGX_DECLINED;
    }

    ctx->page_headers = 1;

    if (ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_replace_visitor(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->facts.subject == CG_SUBJECT_NONE && ctx->mode != CG_MODE_REPORT
        && ngx_http_consent_may_begin(r, ctx)
        && ngx_http_consent_new_visitor(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/*
 * Whoever comes by a form of another site comes without cookies (SameSite=Lax),
 * and may have one, which a new one would take the place of. That this is the
 * page once more, and so a GET by now, does not matter.
 */

static ngx_uint_t
ngx_http_consent_may_begin(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    return (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           && ((ctx->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
               || ngx_http_consent_same_origin(r, ctx));
}
