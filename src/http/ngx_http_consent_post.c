/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_post.h"


static void ngx_http_consent_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_consent_process(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_record_change(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_written(ngx_consent_call_t *call);
static ngx_int_t ngx_http_consent_finish(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


ngx_int_t
ngx_http_consent_post(ngx_http_request_t *r, ngx_uint_t what)
{
    ngx_int_t                   rc;
    ngx_http_consent_ctx_t     *ctx;
    ngx_http_consent_change_t  *change;

    ctx = ngx_http_consent_get_ctx(r);

    change = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_change_t));
    if (change == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    change->what = what;
    change->post.back = cg_str("/");
    ctx->change = change;

    if (r->headers_in.content_length_n > NGX_HTTP_CONSENT_MAX_BODY) {
        (void) ngx_http_discard_request_body(r);

        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_BAD_SIZE);
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_consent_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_consent_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    rc = ngx_http_consent_process(r, ctx);

    if (!ngx_http_consent_waits(ctx, rc)) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_consent_process(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_http_consent_post_t       *post;
    ngx_http_consent_change_t     *change;
    ngx_http_consent_failure_e     failure;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    change = ctx->change;
    post = &change->post;

    rc = ngx_http_consent_parse_body(r, post);

    if (rc != NGX_OK) {
        return rc == NGX_HTTP_INTERNAL_SERVER_ERROR ? rc
               : ngx_http_consent_fail(r, ctx,
                     rc == NGX_HTTP_BAD_REQUEST ? NGX_HTTP_CONSENT_BAD_BODY
                     : rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE
                       ? NGX_HTTP_CONSENT_BAD_SIZE
                       : NGX_HTTP_CONSENT_BAD_TYPE);
    }

    change->method = ctx->link ? CG_METHOD_EMAIL
                     : post->json ? CG_METHOD_API : CG_METHOD_PAGE;

    if (!ngx_http_consent_same_origin(r, ctx)) {
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_CROSS_SITE);
    }

    if (ctx->mode == CG_MODE_REPORT) {
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_REPORTING);
    }

    if (!cg_form_token_open(mcf->keys, &change->token, post->token,
                            ngx_http_consent_cstr(&scf->realm), ngx_time()))
    {
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_BAD_TOKEN);
    }

    /* the token is good, yet nobody came with it: cookies do not come back */

    if (ctx->facts.subject == CG_SUBJECT_NONE) {
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_NO_COOKIE);
    }

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!cg_subject_same(&change->token.subject, &ctx->subject)) {
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_BAD_TOKEN);
    }

    failure = ngx_http_consent_check_link(ctx);

    if (failure == NGX_HTTP_CONSENT_NO_FAILURE) {
        failure = ngx_http_consent_check_change(r, ctx);
    }

    if (failure != NGX_HTTP_CONSENT_NO_FAILURE) {
        return ngx_http_consent_fail(r, ctx, failure);
    }

    /* what was to be an acceptance may say no more than an age */

    if (change->what != CG_EVENT_ACCEPT && ngx_http_consent_only_link(ctx)) {
        return ngx_http_consent_refuse(r, NGX_HTTP_CONSENT_LINK_ACCEPT);
    }

    if (ctx->facts.lookup == CG_LOOKUP_FAILED) {
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_NO_STORE);
    }

    return ngx_http_consent_record_change(r, ctx);
}


/*
 * A browser tells where a POST comes from: Sec-Fetch-Site over TLS, Origin
 * everywhere. A client that tells neither is no browser, and has the token.
 */

ngx_uint_t
ngx_http_consent_same_origin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_headers_t  *h;

    h = ngx_http_consent_headers(r, ctx);

    if (h == NULL) {
        return 0;
    }

    if (h->sec_fetch_site.len) {
        return h->sec_fetch_site.len == 11
               && ngx_strncmp(h->sec_fetch_site.data, "same-origin", 11) == 0;
    }

    if (h->origin.len) {
        return r->headers_in.host
               && cg_origin_matches(ngx_http_consent_cstr(&h->origin),
                        ngx_http_consent_cstr(&r->headers_in.host->value));
    }

    return 1;
}


static ngx_int_t
ngx_http_consent_record_change(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_change_t     *change;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    change = ctx->change;

    ngx_http_consent_fill_write(ctx);

    if (ctx->link && change->what == CG_EVENT_ACCEPT
        && ngx_http_consent_link_key(r, ctx, &change->write.link) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_consent_make_event(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->call.done = ngx_http_consent_written;
    ctx->call.data = ctx;
    ctx->call.subject = &ctx->subject;

    if (ngx_consent_store_write(mcf->client, &ctx->call, &change->write)
        == NGX_AGAIN)
    {
        return ngx_http_consent_wait(r, ctx) == NGX_AGAIN
               ? NGX_AGAIN : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_finish(r, ctx);
}


static void
ngx_http_consent_written(ngx_consent_call_t *call)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_consent_ctx_t  *ctx;

    ctx = call->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_consent_wake(ctx);

    ngx_http_finalize_request(r, ngx_http_consent_finish(r, ctx));

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_consent_finish(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_consent_call_t           *call;
    ngx_http_consent_counters_t  *counters;

    call = &ctx->call;
    counters = ngx_http_consent_counters(ctx->mcf);

    ngx_http_consent_count(&counters->writes[
                               call->status == NGX_CONSENT_STORE_OK
                               ? call->written
                               : NGX_HTTP_CONSENT_WRITE_FAILED]);

    /* what the cache has, or is about to be told, is from before the write */

    if (ctx->mcf->cache) {
        cg_table_forget(ctx->mcf->cache->table, &ctx->subject.current);
    }

    if (call->status != NGX_CONSENT_STORE_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "consent gate: an answer was not acknowledged: %s",
                      ngx_consent_status_text(call->status));

        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_NO_STORE);
    }

    switch (call->written) {

    case NGX_CONSENT_WRITTEN:
    case NGX_CONSENT_UNCHANGED:
    case NGX_CONSENT_REPEATED:
        return ngx_http_consent_done(r, ctx);

    case NGX_CONSENT_CONFLICT:
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_CHANGED);

    case NGX_CONSENT_SPENT:
        return ngx_http_consent_fail(r, ctx, NGX_HTTP_CONSENT_LINK_USED);

    default: /* NGX_CONSENT_FOREIGN */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}
