/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_post.h"


typedef struct {
    ngx_uint_t   status;
    const char  *type;           /* of the problem, and problem= of the page */
    const char  *title;
    const char  *detail;
} ngx_http_consent_failure_t;

/* In the order of ngx_http_consent_failure_e. */

static const ngx_http_consent_failure_t  ngx_http_consent_failures[] = {

    { 0, NULL, NULL, NULL },

    { 400, "malformed", "The request is malformed",
      "The body is not a form or JSON as documented." },

    { 413, "too-large", "The request is too large",
      "An answer fits in 32 kilobytes." },

    { 415, "media-type", "Media type not supported",
      "Send application/x-www-form-urlencoded or application/json." },

    { 403, "cross-site", "The request comes from another site",
      "An answer is taken from a page of this site only." },

    { 403, "report", "Nothing is recorded here",
      "The gate only reports for now: no answer is taken." },

    { 403, "cookies", "Cookies are off",
      "The answer cannot be kept without a cookie." },

    { 403, "expired", "The form has expired",
      "The token is not valid for this visitor now: get a new one." },

    { 409, "changed", "The policies or the record have changed",
      "What was shown is not what is in force: read it again." },

    { 422, "unticked", "A required document is not accepted",
      "Each document in \\\"missing\\\" must be part of the answer." },

    { 422, "not-shown", "An answer to what was not shown",
      "A document or purpose is not one that this token was made for." },

    { 422, "age", "The age is not confirmed",
      "Say \\\"yes\\\" or \\\"no\\\" to the age that the form asks for." },

    { 403, "under-age", "The visitor is under age",
      "A parent or guardian has to answer." },

    { 422, "country", "Not a country",
      "Send two letters of ISO 3166-1, or nothing." },

    { 410, "link-used", "The link has been used",
      "A link of an email is good for one acceptance." },

    { 410, "link-erased", "The link is no longer good",
      "The record that it was made for has been erased or withdrawn." },

    { 403, "link-accept", "The link only lets you accept",
      "For anything else sign in." },

    { 503, "unavailable", "The answer could not be recorded",
      "The record of consents does not answer at the moment: send it again." },

    { 429, "busy", "Too many at a time",
      "Other copies are being made: ask again in a moment." }
};


static ngx_int_t ngx_http_consent_renew_cookies(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_send_result(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_see_other(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_str_t *ngx_http_consent_page_of(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_fail_link(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_failure_e failure);
static ngx_int_t ngx_http_consent_page_again(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *page,
    const ngx_http_consent_failure_t *f);


ngx_int_t
ngx_http_consent_done(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_apply(ctx->change, &ctx->record);

    if (ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_renew_cookies(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ctx->change->post.json ? ngx_http_consent_send_result(r, ctx)
                                  : ngx_http_consent_see_other(r, ctx);
}


/*
 * A browser whose visitor is erased is nobody's any more: it comes back as a
 * new one. An account remains one, with a receipt that says nothing.
 */

static ngx_int_t
ngx_http_consent_renew_cookies(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_change_t  *change;

    change = ctx->change;

    if (change->what == CG_EVENT_ERASE
        && ctx->subject.kind == CG_SUBJECT_VISITOR)
    {
        return ngx_http_consent_clear_visitor(r) == NGX_OK
               && ngx_http_consent_clear_given(r, ctx) == NGX_OK
               ? ngx_http_consent_clear_receipt(r) : NGX_ERROR;
    }

    if ((ctx->gated || ctx->link) && change->what == CG_EVENT_ACCEPT
        && ngx_http_consent_clear_gated(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_consent_replace_visitor(r, ctx) != NGX_OK
        || ngx_http_consent_keep_visitor(r, ctx) != NGX_OK
        || ngx_http_consent_send_receipt(r, ctx, &ctx->record) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_consent_send_given(r, ctx, &change->write);
}


/*
 * The age that was said: with "minor" it is all that was recorded. What is
 * erased, what is not, and for how many seconds.
 */

static ngx_int_t
ngx_http_consent_send_result(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    u_char     *p, *last;
    size_t      n;
    uint8_t     age[CG_MAX_AGE_TEXT];
    ngx_str_t   body;

    static const char  *results[] = { "written", "unchanged", "repeated" };

    body.data = ngx_pnalloc(r->pool, 256);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = body.data + 256;

    p = ngx_slprintf(body.data, last, "{\"result\":\"%s\",\"rev\":%uD",
                     results[ctx->call.written], ctx->call.rev);

    n = cg_age_text(ctx->change->write.age_state, ctx->change->write.age, age);

    if (n) {
        p = ngx_slprintf(p, last, ",\"age\":\"%*s\"", n, age);
    }

    if (ctx->change->what == CG_EVENT_ERASE) {
        p = ngx_slprintf(p, last, ",\"erased\":[\"record\"],"
                         "\"kept\":[\"events\"],\"kept_for\":%T",
                         ctx->mcf->store->proof);
    }

    p = ngx_slprintf(p, last, "}\n");
    body.len = p - body.data;

    return ngx_http_consent_send(r, NGX_HTTP_OK, "application/json", &body);
}


/* 303: whatever the method was, the next one is GET (RFC 9110, 15.4.4). */

static ngx_int_t
ngx_http_consent_see_other(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t                     location, args, *page;
    ngx_http_consent_change_t    *change;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);
    change = ctx->change;

    location = ngx_http_consent_nstr(change->post.back);

    page = change->what == CG_EVENT_DECLINE ? &scf->page
           : change->write.age_state == CG_AGE_MINOR ? &scf->age_page : NULL;

    if (page == NULL && ngx_http_consent_only_link(ctx)) {

        /* this browser may be somebody else's: it is not let in for that */

        ngx_str_set(&args, "done=link");

        if (ngx_http_consent_page_uri(r, &scf->page, &args, &location)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (page && page->len) {

        if (ngx_http_consent_page_args(r, ctx, change->post.back,
                                       change->shown, NULL, &args)
            != NGX_OK
            || ngx_http_consent_page_uri(r, page, &args, &location)
               != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_consent_redirect(r, NGX_HTTP_SEE_OTHER, &location);
}


ngx_int_t
ngx_http_consent_fail(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_failure_e failure)
{
    ngx_str_t                         *page;
    const ngx_http_consent_failure_t  *f;

    f = &ngx_http_consent_failures[failure];

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "consent gate: an answer is refused: %s", f->type);

    if (f->status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_consent_retry_after(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (failure == NGX_HTTP_CONSENT_LINK_USED
        || failure == NGX_HTTP_CONSENT_LINK_ERASED)
    {
        return ngx_http_consent_fail_link(r, ctx, failure);
    }

    page = ngx_http_consent_page_of(r, ctx);

    if (page->len && !ctx->change->post.json
        && failure >= NGX_HTTP_CONSENT_CROSS_SITE)
    {
        return ngx_http_consent_page_again(r, ctx, page, f);
    }

    return ngx_http_consent_api_problem(r, f->status, f->type, f->title,
                                        f->detail,
                                        failure == NGX_HTTP_CONSENT_UNTICKED
                                        ? ctx->change->shown
                                          & ~ctx->change->post.documents
                                        : ctx->decision.missing);
}


ngx_int_t
ngx_http_consent_refuse(ngx_http_request_t *r,
    ngx_http_consent_failure_e failure)
{
    const ngx_http_consent_failure_t  *f;

    f = &ngx_http_consent_failures[failure];

    if (failure >= NGX_HTTP_CONSENT_NO_STORE
        && ngx_http_consent_retry_after(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_api_problem(r, f->status, f->type, f->title,
                                        f->detail, 0);
}


/* The page whose form it was, as far as one can tell. */

static ngx_str_t *
ngx_http_consent_page_of(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    switch (ctx->change->what) {

    case CG_EVENT_WITHDRAW:
    case CG_EVENT_PURPOSES:
    case CG_EVENT_RESIDENCE:
    case CG_EVENT_ERASE:
        return scf->choices_page.len ? &scf->choices_page : &scf->page;

    default:
        return ctx->would.outcome == CG_AGE_PAGE && scf->age_page.len
               ? &scf->age_page : &scf->page;
    }
}


/* The cookie is of no use any more: the page is not that of its account. */

static ngx_int_t
ngx_http_consent_fail_link(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_failure_e failure)
{
    const ngx_http_consent_failure_t  *f;

    if (ngx_http_consent_clear_gated(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ctx->change->post.json) {
        return ngx_http_consent_link_refuse(r,
                                    failure == NGX_HTTP_CONSENT_LINK_USED
                                    ? CG_LINK_USED : CG_LINK_ERASED);
    }

    f = &ngx_http_consent_failures[failure];

    return ngx_http_consent_api_problem(r, f->status, f->type, f->title,
                                        f->detail, 0);
}


/*
 * The page once more, with the status of the failure, as an error page: it
 * reads problem= and shows what is in force now.
 */

static ngx_int_t
ngx_http_consent_page_again(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *page,
    const ngx_http_consent_failure_t *f)
{
    ngx_str_t                   args;
    ngx_http_consent_change_t  *change;

    change = ctx->change;

    if (ngx_http_consent_page_args(r, ctx, change->post.back, change->shown,
                                   f->type, &args)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_consent_forget(ctx);

    r->err_status = f->status;
    r->method = NGX_HTTP_GET;
    ngx_str_set(&r->method_name, "GET");

    return ngx_http_internal_redirect(r, page, &args);
}
