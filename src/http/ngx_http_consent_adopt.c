/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_adopt.h"
#include "ngx_http_consent_lately.h"


/*
 * A browser that holds a visitor's cookie is seen with an account: what the
 * visitor has said goes over to the account, by the rule of cg_merge(). Four
 * steps, each a question to Redis, for the two records may lie in two slots:
 * read the visitor's, read the account's, write to the account, leave a
 * tombstone of the visitor's. The request waits for them, so that it is
 * decided by what comes of it; most of the time the first tells that there is
 * nothing to do, and a worker asks that once an hour.
 *
 * What has been seen to goes by a keyed hash of the visitor, the account, and
 * the receipt cookie: with a new answer of the visitor comes a new receipt.
 *
 * If anything goes wrong the account has what it had before. It is tried again
 * by a later request; what was written is the same event then. So a merge may
 * end between any two steps: it does when it has taken the time of one write,
 * be it that Redis is slow, or that the account changes all the while.
 */

#define NGX_HTTP_CONSENT_ADOPT_TIME   3600      /* seconds it is seen to */
#define NGX_HTTP_CONSENT_ADOPT_RETRY  60        /* after a failure */
#define NGX_HTTP_CONSENT_ADOPT_TRIES  3         /* the record moves meanwhile */

struct ngx_http_consent_adoptions_s {
    ngx_http_consent_lately_t  lately;          /* value: a tombstone is left */
};


static ngx_int_t ngx_http_consent_adopt_begin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_key(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, uint8_t key[16]);
static ngx_int_t ngx_http_consent_adopt_go_on(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_read(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_adopt_e step);
static ngx_int_t ngx_http_consent_adopt_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_account(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_uint_t ngx_http_consent_adopt_late(ngx_http_consent_adopt_t *adopt);
static void ngx_http_consent_adopt_fill(ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_written(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_bury(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_write(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_buried(ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_end(ngx_http_consent_ctx_t *ctx,
    time_t seconds, ngx_uint_t spent);
static ngx_int_t ngx_http_consent_adopt_failed(ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_adopt_asked(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_int_t rc);
static void ngx_http_consent_adopt_done(ngx_consent_call_t *call);


ngx_int_t
ngx_http_consent_adoptions_init(ngx_http_consent_main_conf_t *mcf,
    ngx_cycle_t *cycle)
{
    mcf->adoptions = ngx_pcalloc(cycle->pool,
                                 sizeof(ngx_http_consent_adoptions_t));

    return mcf->adoptions ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_consent_adopt(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    if (ctx->adopted || ctx->mode != CG_MODE_ON || ctx->facts.overridden
        || ctx->facts.subject != CG_SUBJECT_ACCOUNT
        || ctx->facts.lookup == CG_LOOKUP_NONE
        || ctx->facts.lookup == CG_LOOKUP_FAILED
        || ctx->cache == NGX_HTTP_CONSENT_CACHE_STALE)
    {
        return NGX_OK;
    }

    return ctx->adopt ? ngx_http_consent_adopt_go_on(r, ctx)
                      : ngx_http_consent_adopt_begin(r, ctx);
}


void
ngx_http_consent_adopt_leave(ngx_http_consent_ctx_t *ctx)
{
    if (ctx->adopt) {
        ngx_consent_store_cancel(&ctx->adopt->call);
    }
}


static ngx_int_t
ngx_http_consent_adopt_begin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    uint8_t                       key[16];
    ngx_http_consent_late_t      *late;
    ngx_http_consent_adopt_t     *adopt;
    ngx_http_consent_srv_conf_t  *scf;

    if (ngx_http_consent_adopt_key(r, ctx, key) != NGX_OK) {
        return NGX_ERROR;
    }

    late = ngx_http_consent_seen(&ctx->mcf->adoptions->lately, key);

    if (late) {
        ctx->adopted = 1;
        ctx->spent = late->value;
        return NGX_OK;
    }

    adopt = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_adopt_t));
    if (adopt == NULL) {
        return NGX_ERROR;
    }

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    ngx_memcpy(adopt->key, key, sizeof(key));
    adopt->until = ngx_current_msec + ctx->mcf->store->write_timeout;

    if (!cg_subject_derive(&adopt->visitor, ctx->mcf->keys, CG_SUBJECT_VISITOR,
                           ngx_http_consent_cstr(&scf->realm),
                           (cg_str_t) { CG_VISITOR_ID_LEN, ctx->visitor })
        || ngx_http_consent_derive(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->adopt = adopt;

    return ngx_http_consent_adopt_read(r, ctx, NGX_HTTP_CONSENT_ADOPT_VISITOR);
}


static ngx_int_t
ngx_http_consent_adopt_key(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    uint8_t key[16])
{
    u_char                       *p, *message;
    ngx_str_t                    *receipt;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (ngx_http_consent_receipt_text(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    receipt = &ctx->receipt_text;

    message = ngx_pnalloc(r->pool, CG_VISITOR_ID_LEN + 3 + scf->realm.len
                                   + ctx->account.len + receipt->len);
    if (message == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(message, ctx->visitor, CG_VISITOR_ID_LEN);
    *p++ = (u_char) scf->realm.len;
    *p++ = (u_char) (ctx->account.len >> 8);
    *p++ = (u_char) ctx->account.len;
    p = ngx_cpymem(p, scf->realm.data, scf->realm.len);
    p = ngx_cpymem(p, ctx->account.data, ctx->account.len);

    if (receipt->len) {
        p = ngx_cpymem(p, receipt->data, receipt->len);
    }

    cg_siphash128(ctx->mcf->keys->tag, message, p - message, key);

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_adopt_go_on(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    if (ctx->adopt->call.status != NGX_CONSENT_STORE_OK) {
        return ngx_http_consent_adopt_failed(ctx);
    }

    switch (ctx->adopt->step) {

    case NGX_HTTP_CONSENT_ADOPT_VISITOR:
        return ngx_http_consent_adopt_visitor(r, ctx);

    case NGX_HTTP_CONSENT_ADOPT_ACCOUNT:
        return ngx_http_consent_adopt_account(r, ctx);

    case NGX_HTTP_CONSENT_ADOPT_WRITE:
        return ngx_http_consent_adopt_written(r, ctx);

    default: /* NGX_HTTP_CONSENT_ADOPT_TOMBSTONE */
        return ngx_http_consent_adopt_buried(ctx);
    }
}


static ngx_int_t
ngx_http_consent_adopt_read(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_adopt_e step)
{
    ngx_consent_call_t  *call;

    if (ngx_http_consent_adopt_late(ctx->adopt)) {
        return ngx_http_consent_adopt_failed(ctx);
    }

    ctx->adopt->step = step;

    call = &ctx->adopt->call;
    call->done = ngx_http_consent_adopt_done;
    call->data = ctx;
    call->subject = step == NGX_HTTP_CONSENT_ADOPT_VISITOR
                    ? &ctx->adopt->visitor : &ctx->subject;

    return ngx_http_consent_adopt_asked(r, ctx,
                           ngx_consent_store_lookup(ctx->mcf->client, call));
}


/* Whether the merge has taken its time; ngx_current_msec comes round. */

static ngx_uint_t
ngx_http_consent_adopt_late(ngx_http_consent_adopt_t *adopt)
{
    if ((ngx_msec_int_t) (ngx_current_msec - adopt->until) < 0) {
        return 0;
    }

    adopt->call.status = NGX_CONSENT_STORE_TIMEOUT;

    return 1;
}


static ngx_int_t
ngx_http_consent_adopt_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;

    if (adopt->call.found != CG_RECORD_OK) {
        return ngx_http_consent_adopt_end(ctx, NGX_HTTP_CONSENT_ADOPT_TIME, 0);
    }

    adopt->said = adopt->call.record;
    adopt->said_previous = adopt->call.previous;

    if (!cg_record_says(&adopt->said) && adopt->said.eea_day == 0) {

        /* there is a tombstone already */

        return ngx_http_consent_adopt_end(ctx, NGX_HTTP_CONSENT_ADOPT_TIME, 1);
    }

    if (ngx_http_consent_read_given(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_consent_adopt_read(r, ctx, NGX_HTTP_CONSENT_ADOPT_ACCOUNT);
}


static ngx_int_t
ngx_http_consent_adopt_account(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;

    adopt->has_account = (adopt->call.found == CG_RECORD_OK);
    adopt->account_previous = adopt->call.previous;
    adopt->account = adopt->call.record;

    if (!adopt->has_account) {
        ngx_memzero(&adopt->account, sizeof(cg_record_t));
    }

    if (!cg_merge(&adopt->merge, &adopt->account, &adopt->said, adopt->given))
    {
        return ngx_http_consent_adopt_bury(r, ctx);
    }

    adopt->step = NGX_HTTP_CONSENT_ADOPT_WRITE;

    ngx_http_consent_adopt_fill(ctx);

    return ngx_http_consent_adopt_write(r, ctx);
}


static void
ngx_http_consent_adopt_fill(ngx_http_consent_ctx_t *ctx)
{
    cg_merge_t                *merge;
    ngx_consent_write_t       *write;
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;
    merge = &adopt->merge;
    write = &adopt->write;

    ngx_memzero(write, sizeof(ngx_consent_write_t));

    write->what = NGX_CONSENT_WRITE_SET;
    write->subject = &ctx->subject;
    write->moved = adopt->account_previous ? &adopt->account : NULL;
    write->rev = adopt->account.rev;
    write->event = adopt->event;
    write->accept = merge->accept;
    ngx_memcpy(write->versions, merge->versions, sizeof(merge->versions));
    write->decline = merge->decline;
    write->answered = merge->refuse;
    write->eea_day = merge->eea_day;

    if (merge->minor) {
        write->age_state = CG_AGE_MINOR;
        write->age = merge->minor;
    }
}


static ngx_int_t
ngx_http_consent_adopt_written(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;

    ngx_http_consent_count(&ngx_http_consent_counters(ctx->mcf)
                                                 ->merges[adopt->call.written]);

    if (ctx->mcf->cache) {
        cg_table_forget(ctx->mcf->cache->table, &ctx->subject.current);
    }

    if (adopt->call.written == NGX_CONSENT_CONFLICT
        && ++adopt->tries < NGX_HTTP_CONSENT_ADOPT_TRIES)
    {
        return ngx_http_consent_adopt_read(r, ctx,
                                           NGX_HTTP_CONSENT_ADOPT_ACCOUNT);
    }

    if (adopt->call.written == NGX_CONSENT_CONFLICT
        || adopt->call.written == NGX_CONSENT_FOREIGN)
    {
        return ngx_http_consent_adopt_end(ctx, NGX_HTTP_CONSENT_ADOPT_RETRY,
                                          0);
    }

    /* this request is decided by what the account has now */

    cg_merge_apply(&adopt->merge, &adopt->account);
    adopt->account.rev = adopt->call.rev;
    ngx_memcpy(adopt->account.event, adopt->event, CG_EVENT_ID_LEN);

    ctx->record = adopt->account;
    ctx->previous = 0;
    ctx->facts.lookup = CG_LOOKUP_FOUND;
    ngx_str_null(&ctx->token);

    return ngx_http_consent_adopt_bury(r, ctx);
}


/* The visitor's record goes, so that no other account takes it over too. */

static ngx_int_t
ngx_http_consent_adopt_bury(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_consent_write_t       *write;
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;
    adopt->step = NGX_HTTP_CONSENT_ADOPT_TOMBSTONE;

    write = &adopt->write;
    ngx_memzero(write, sizeof(ngx_consent_write_t));

    write->what = NGX_CONSENT_WRITE_ERASE;
    write->ttl = NGX_HTTP_CONSENT_TOMBSTONE_TTL;
    write->subject = &adopt->visitor;
    write->moved = adopt->said_previous ? &adopt->said : NULL;
    write->rev = adopt->said.rev;
    write->event = adopt->event;

    return ngx_http_consent_adopt_write(r, ctx);
}


static ngx_int_t
ngx_http_consent_adopt_write(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;

    if (ngx_http_consent_adopt_late(adopt)) {
        return ngx_http_consent_adopt_failed(ctx);
    }

    if (ngx_http_consent_adopt_event(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    adopt->call.subject = adopt->write.subject;

    return ngx_http_consent_adopt_asked(r, ctx,
                     ngx_consent_store_write(ctx->mcf->client, &adopt->call,
                                             &adopt->write));
}


static ngx_int_t
ngx_http_consent_adopt_buried(ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;

    if (ctx->mcf->cache) {
        cg_table_forget(ctx->mcf->cache->table, &adopt->visitor.current);
    }

    /* a conflict: the visitor has just said something more */

    return adopt->call.written == NGX_CONSENT_CONFLICT
           ? ngx_http_consent_adopt_end(ctx, 0, 0)
           : ngx_http_consent_adopt_end(ctx, NGX_HTTP_CONSENT_ADOPT_TIME, 1);
}


static ngx_int_t
ngx_http_consent_adopt_end(ngx_http_consent_ctx_t *ctx, time_t seconds,
    ngx_uint_t spent)
{
    ngx_http_consent_see(&ctx->mcf->adoptions->lately, ctx->adopt->key,
                         ngx_time() + seconds, spent);

    ctx->adopted = 1;
    ctx->spent = spent;

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_adopt_failed(ngx_http_consent_ctx_t *ctx)
{
    const char  *why;

    why = ngx_consent_status_text(ctx->adopt->call.status);

    if (ctx->adopt->step == NGX_HTTP_CONSENT_ADOPT_TOMBSTONE) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "consent gate: what an account has taken over is still "
                      "on record of the visitor: %s", why);

    } else {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "consent gate: what a visitor has said was not added to "
                      "an account: %s", why);
    }

    ngx_http_consent_count(&ngx_http_consent_counters(ctx->mcf)
                                      ->merges[NGX_HTTP_CONSENT_WRITE_FAILED]);

    return ngx_http_consent_adopt_end(ctx, NGX_HTTP_CONSENT_ADOPT_RETRY, 0);
}


/* A question was asked: waits, or goes on with what is known at once. */

static ngx_int_t
ngx_http_consent_adopt_asked(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_AGAIN) {
        return ngx_http_consent_wait(r, ctx);
    }

    /* it is never answered at once but with a failure */

    return ngx_http_consent_adopt_failed(ctx);
}


static void
ngx_http_consent_adopt_done(ngx_consent_call_t *call)
{
    ngx_http_consent_resume(call->data);
}
