/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_post.h"


/*
 * The link of an email. GET changes nothing, so that a mail scanner may follow
 * it as often as it likes: the token moves from the URL, which nobody else is
 * to learn of, to the cookie of the gated subject, and the page is shown for
 * its account. An acceptance that comes with that cookie spends the link.
 */

static cg_link_e ngx_http_consent_link_open(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_str_t token, cg_link_t **link);
static void ngx_http_consent_link_spent(ngx_consent_call_t *call);
static void ngx_http_consent_link_record(ngx_consent_call_t *call);
static ngx_int_t ngx_http_consent_link_ask(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_link_look_up(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_link_end(ngx_http_consent_ctx_t *ctx,
    ngx_int_t rc);
static ngx_int_t ngx_http_consent_link_go(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_link_e state);


/* Content handler of GET and HEAD. */

ngx_int_t
ngx_http_consent_link(ngx_http_request_t *r, ngx_uint_t what)
{
    cg_link_e                     state;
    ngx_int_t                     rc;
    ngx_str_t                     token;
    ngx_http_consent_ctx_t       *ctx;
    ngx_http_consent_srv_conf_t  *scf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_consent_get_ctx(r);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (scf->page.len == 0) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (ngx_http_arg(r, (u_char *) "t", 1, &token) != NGX_OK) {
        token.len = 0;
    }

    ctx->secret = 1;
    ctx->link = NULL;
    state = ngx_http_consent_link_open(r, ctx, ngx_http_consent_cstr(&token),
                                       &ctx->link);

    if (state == CG_LINK_OK && ctx->account.len) {

        if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (!cg_subject_same(&ctx->subject, &ctx->link->subject)) {
            state = CG_LINK_ACCOUNT;
        }
    }

    if (state != CG_LINK_OK) {
        return ngx_http_consent_link_go(r, ctx, state);
    }

    rc = ngx_http_consent_link_ask(r, ctx);

    if (!ngx_http_consent_waits(ctx, rc)) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


/* What can be told without the store. NULL when out of memory. */

static cg_link_e
ngx_http_consent_link_open(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_str_t token, cg_link_t **link)
{
    cg_link_e                     state;
    cg_link_t                     t;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    state = cg_link_open(ctx->mcf->keys, &t, token,
                         ngx_http_consent_cstr(&scf->realm), ngx_time());

    if (state != CG_LINK_OK) {
        return state;
    }

    *link = ngx_palloc(r->pool, sizeof(cg_link_t));
    if (*link == NULL) {
        return CG_LINK_INVALID;
    }

    **link = t;

    return CG_LINK_OK;
}


/* The value of the cookie, in the place of a gated account. */

ngx_uint_t
ngx_http_consent_open_link(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    return ngx_http_consent_link_open(ctx->request, ctx, value, &ctx->link)
           == CG_LINK_OK;
}


/*
 * First whether it is spent, then what the record says. A store that does not
 * answer is the page's to tell; the write looks again.
 */

static ngx_int_t
ngx_http_consent_link_ask(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t  key;

    if (ngx_http_consent_link_key(r, ctx, &key) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->call.done = ngx_http_consent_link_spent;
    ctx->call.data = ctx;
    ctx->call.subject = &ctx->link->subject;

    if (ngx_consent_store_spent(ctx->mcf->client, &ctx->call, &key)
        == NGX_AGAIN)
    {
        return ngx_http_consent_wait(r, ctx) == NGX_AGAIN
               ? NGX_AGAIN : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_link_look_up(r, ctx);
}


static void
ngx_http_consent_link_spent(ngx_consent_call_t *call)
{
    ngx_int_t                rc;
    ngx_http_consent_ctx_t  *ctx;

    ctx = call->data;

    ngx_http_consent_wake(ctx);

    rc = ngx_http_consent_link_look_up(ctx->request, ctx);

    if (!ngx_http_consent_waits(ctx, rc)) {
        ngx_http_consent_link_end(ctx, rc);
    }
}


static ngx_int_t
ngx_http_consent_link_look_up(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    if (ctx->call.status != NGX_CONSENT_STORE_OK) {
        return ngx_http_consent_link_go(r, ctx, CG_LINK_OK);
    }

    if (ctx->call.spent) {
        return ngx_http_consent_link_go(r, ctx, CG_LINK_USED);
    }

    ctx->call.done = ngx_http_consent_link_record;

    if (ngx_consent_store_lookup(ctx->mcf->client, &ctx->call) == NGX_AGAIN) {
        return ngx_http_consent_wait(r, ctx) == NGX_AGAIN
               ? NGX_AGAIN : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_link_go(r, ctx, CG_LINK_OK);
}


static void
ngx_http_consent_link_record(ngx_consent_call_t *call)
{
    cg_link_e                state;
    ngx_http_consent_ctx_t  *ctx;

    ctx = call->data;
    state = CG_LINK_OK;

    ngx_http_consent_wake(ctx);

    if (call->status == NGX_CONSENT_STORE_OK) {
        state = cg_link_check(ctx->link, call->found == CG_RECORD_OK
                                         ? &call->record : NULL);
    }

    ngx_http_consent_link_end(ctx, ngx_http_consent_link_go(ctx->request, ctx,
                                                            state));
}


static void
ngx_http_consent_link_end(ngx_http_consent_ctx_t *ctx, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    ngx_http_finalize_request(ctx->request, rc);
    ngx_http_run_posted_requests(c);
}


/* To the page: either with the cookie, or with what is wrong. */

static ngx_int_t
ngx_http_consent_link_go(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_link_e state)
{
    time_t                        ttl;
    ngx_str_t                     token;
    ngx_http_consent_srv_conf_t  *scf;

    if (state != CG_LINK_OK) {
        return ngx_http_consent_link_refuse(r, state);
    }

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    ttl = ngx_min(NGX_HTTP_CONSENT_FORM_TTL,
                  (time_t) ctx->link->expires - ngx_time());

    if (ngx_http_arg(r, (u_char *) "t", 1, &token) != NGX_OK
        || ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_send_link(r, &token, ngx_max(ttl, 1)) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_redirect(r, NGX_HTTP_SEE_OTHER, &scf->page);
}


ngx_int_t
ngx_http_consent_link_refuse(ngx_http_request_t *r, cg_link_e state)
{
    ngx_str_t                     why, location;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    why = ngx_http_consent_nstr(cg_link_name(state));

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "consent gate: a link is refused: %V", &why);

    location.len = scf->page.len + sizeof("?problem=") - 1 + why.len;
    location.data = ngx_pnalloc(r->pool, location.len);

    if (location.data == NULL || ngx_http_consent_own_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(location.data, "%V?problem=%V", &scf->page, &why);

    return ngx_http_consent_redirect(r, NGX_HTTP_SEE_OTHER, &location);
}


ngx_int_t
ngx_http_consent_link_key(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_str_t *key)
{
    key->data = ngx_pnalloc(r->pool, CG_MAX_LINK_KEY);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = cg_link_key(ctx->link,
                           ngx_http_consent_cstr(&ctx->mcf->store->prefix),
                           key->data);

    return key->len ? NGX_OK : NGX_ERROR;
}


/* It opens one thing: to accept. What it shows is what that takes. */

ngx_uint_t
ngx_http_consent_only_link(ngx_http_consent_ctx_t *ctx)
{
    return ctx->link != NULL && ctx->account.len == 0;
}


ngx_http_consent_failure_e
ngx_http_consent_check_link(ngx_http_consent_ctx_t *ctx)
{
    if (ctx->link == NULL || ctx->facts.lookup == CG_LOOKUP_FAILED) {
        return NGX_HTTP_CONSENT_NO_FAILURE;
    }

    return cg_link_check(ctx->link, ngx_http_consent_record(ctx)) == CG_LINK_OK
           ? NGX_HTTP_CONSENT_NO_FAILURE : NGX_HTTP_CONSENT_LINK_ERASED;
}
