/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_cached.h"
#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_override.h"


typedef enum {
    NGX_HTTP_CONSENT_NEED_NOTHING = 0,
    NGX_HTTP_CONSENT_NEED_POLICIES,
    NGX_HTTP_CONSENT_NEED_RECORD
} ngx_http_consent_need_e;


/* A context, and the cleanup record by which the pool knows it. */

typedef struct {
    ngx_pool_cleanup_t      cleanup;
    ngx_http_consent_ctx_t  ctx;
} ngx_http_consent_kept_t;


static ngx_int_t ngx_http_consent_run(ngx_http_request_t *r,
    ngx_http_consent_loc_conf_t *lcf) __attribute__ ((noinline));
static ngx_http_consent_ctx_t *ngx_http_consent_create_ctx(
    ngx_http_request_t *r);
static void ngx_http_consent_cleanup(void *data);
static ngx_int_t ngx_http_consent_prepare(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_uint_t ngx_http_consent_stranger(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf);
static ngx_uint_t ngx_http_consent_at_hand(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf);
static ngx_http_consent_need_e ngx_http_consent_needs(
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_ask(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_need_e need);
static ngx_int_t ngx_http_consent_conclude(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_decide(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_act(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_complete(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/*
 * A request passes with NGX_DECLINED and never with NGX_OK. It waits for the
 * store with NGX_AGAIN, which the generic phase checker takes as "come back":
 * the whole handler then runs again and finds its context.
 */

ngx_int_t
ngx_http_consent_handler(ngx_http_request_t *r)
{
    ngx_http_consent_loc_conf_t  *lcf;
    ngx_http_consent_srv_conf_t  *scf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    if (lcf->mode == CG_MODE_OFF && !lcf->api && !lcf->qa) {
        scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

        /* a page of ours may stand where the gate is off */

        if (!ngx_http_consent_is_page(scf, &r->uri)
            && (r->valid_unparsed_uri || !ngx_http_consent_was_page(r)))
        {
            return NGX_DECLINED;
        }
    }

    return lcf->status ? NGX_DECLINED : ngx_http_consent_run(r, lcf);
}


/* Apart, so that where the gate is off next to nothing is done. */

static ngx_int_t
ngx_http_consent_run(ngx_http_request_t *r, ngx_http_consent_loc_conf_t *lcf)
{
    ngx_int_t                rc;
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_consent_gate_module);

    if (ctx == NULL) {
        ctx = ngx_http_consent_get_ctx(r);
    }

    if (ctx == NULL) {
        ctx = ngx_http_consent_create_ctx(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->waiting) {
        return NGX_AGAIN;
    }

    if (!ctx->gathered && ngx_http_consent_gather(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->override_moves) {
        rc = ngx_http_consent_move_override(r, ctx);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    rc = ngx_http_consent_prepare(r, ctx, lcf);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_conclude(r, ctx, lcf);
}


/*
 * The way of ngx_http_realip_get_module_ctx(): an internal redirect clears
 * r->ctx, the pool keeps its cleanups.
 */

ngx_http_consent_ctx_t *
ngx_http_consent_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_consent_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_consent_gate_module);

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_consent_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_consent_gate_module);
            return ctx;
        }
    }

    return NULL;
}


/* One allocation, in the place of the two of ngx_pool_cleanup_add(). */

static ngx_http_consent_ctx_t *
ngx_http_consent_create_ctx(ngx_http_request_t *r)
{
    ngx_http_consent_ctx_t   *ctx;
    ngx_http_consent_kept_t  *kept;

    kept = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_kept_t));
    if (kept == NULL) {
        return NULL;
    }

    ctx = &kept->ctx;

    ctx->request = r;
    ctx->mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    ctx->facts.record = &ctx->record;

    kept->cleanup.handler = ngx_http_consent_cleanup;
    kept->cleanup.data = ctx;
    kept->cleanup.next = r->pool->cleanup;
    r->pool->cleanup = &kept->cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_consent_gate_module);

    return ctx;
}


/*
 * The end of the request: it is counted once, by the decision that stood. If
 * the client is gone the reply, when it comes, is nobody's.
 */

static void
ngx_http_consent_cleanup(void *data)
{
    ngx_http_consent_ctx_t *ctx = data;

    ngx_http_consent_counters_t  *counters;

    ngx_http_consent_leave(ctx);

    if (!ctx->done) {
        return;
    }

    counters = ngx_http_consent_counters(ctx->mcf);

    ngx_http_consent_count(&counters->decisions[ctx->decision.outcome]
                                               [ctx->decision.reason]);

    if (ctx->mode == CG_MODE_REPORT) {
        ngx_http_consent_count(&counters->reported);
    }

    if (ctx->facts.lookup != CG_LOOKUP_NONE) {
        ngx_http_consent_count(&counters->cache[ctx->cache]);
    }
}


void
ngx_http_consent_forget(ngx_http_consent_ctx_t *ctx)
{
    ctx->looked_up = 0;
    ctx->stale = 0;
    ctx->pretending = 0;
    ctx->facts.lookup = CG_LOOKUP_NONE;
    ngx_str_null(&ctx->token);
}


/* Collects the facts. NGX_OK: go on to decide. */

static ngx_int_t
ngx_http_consent_prepare(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_int_t                      rc;
    ngx_http_consent_need_e        need;
    ngx_http_consent_main_conf_t  *mcf;

    ctx->mode = lcf->mode == NGX_HTTP_CONSENT_MODE_VARIABLE
                ? ngx_http_consent_mode(r, lcf) : lcf->mode;
    ctx->facts.error_page = (r->err_status >= NGX_HTTP_BAD_REQUEST);

    if (ctx->mode == CG_MODE_OFF && !ctx->facts.own) {
        return NGX_OK;
    }

    if (lcf->settings.gate_anonymizer) {
        (void) ngx_http_consent_anonymizer(r, ctx);
    }

    if (ngx_http_consent_stranger(ctx, lcf)
        || ngx_http_consent_at_hand(ctx, lcf))
    {
        return NGX_OK;
    }

    if (ngx_http_consent_classify(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (lcf->settings.purposes
        && ngx_http_consent_know_tcf(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    if (ctx->facts.subject == CG_SUBJECT_NONE
        && ngx_consent_store_down(mcf->client))
    {
        /* whoever is asked now could not answer */

        ctx->facts.lookup = CG_LOOKUP_FAILED;
        return NGX_OK;
    }

    need = ngx_http_consent_needs(ctx, mcf, lcf);

    if (need == NGX_HTTP_CONSENT_NEED_NOTHING) {
        return NGX_OK;
    }

    if (need == NGX_HTTP_CONSENT_NEED_RECORD ? !ctx->looked_up
                                             : !ctx->fetched)
    {
        rc = ngx_http_consent_ask(r, ctx, need);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ctx->account.len && ctx->has_visitor
           ? ngx_http_consent_adopt(r, ctx) : NGX_OK;
}


/*
 * Outside by address, nobody we know, and no purpose that could be refused:
 * the way most requests of most sites take, for which not even the class
 * matters.
 */

static ngx_uint_t
ngx_http_consent_stranger(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    cg_facts_t     *facts;
    cg_settings_t  *s;

    facts = &ctx->facts;
    s = &lcf->settings;

    return facts->subject == CG_SUBJECT_NONE
           && ctx->override == NULL
           && !facts->own
           && s->purposes == 0
           && facts->country != CG_CC_UNKNOWN
           && facts->country < CG_CC_ANONYMIZER
           && !(facts->anonymizer && s->gate_anonymizer)
           && !cg_territory_has(&s->territory, facts->country);
}


/*
 * Somebody we know, whose record is in the cache: most of these pass, and then
 * the class does not matter either (cg_decide_settled()).
 */

static ngx_uint_t
ngx_http_consent_at_hand(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    if (!ctx->tagged || ctx->classified || ctx->timed || ctx->override
        || ctx->facts.error_page || lcf->settings.purposes
        || (ctx->account.len && ctx->has_visitor))
    {
        return 0;
    }

    if (ctx->looked_up || ngx_http_consent_cached(ctx) == CG_TABLE_HIT) {
        return 1;
    }

    /* the class tells whether it is asked for */

    ngx_http_consent_forget(ctx);
    ctx->cache = NGX_HTTP_CONSENT_CACHE_BYPASS;

    return 0;
}


static ngx_http_consent_need_e
ngx_http_consent_needs(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_http_consent_loc_conf_t *lcf)
{
    cg_facts_t  *facts;

    facts = &ctx->facts;

    if (!facts->own
        && (facts->preflight || facts->exempt || facts->error_page))
    {
        return NGX_HTTP_CONSENT_NEED_NOTHING;
    }

    if (facts->subject != CG_SUBJECT_NONE
        && (facts->own || mcf->record_variables
            || cg_decide_needs_record(facts, &lcf->settings)))
    {
        return NGX_HTTP_CONSENT_NEED_RECORD;
    }

    return ngx_consent_store_policies_read(mcf->client)
           ? NGX_HTTP_CONSENT_NEED_NOTHING : NGX_HTTP_CONSENT_NEED_POLICIES;
}


static ngx_int_t
ngx_http_consent_ask(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_need_e need)
{
    ngx_int_t  rc;

    if (ctx->timed) {
        ctx->began = ngx_http_consent_clock();
    }

    rc = need == NGX_HTTP_CONSENT_NEED_RECORD
         ? ngx_http_consent_look_up(r, ctx)
         : ngx_http_consent_fetch_policies(r, ctx);

    return rc == NGX_AGAIN ? ngx_http_consent_wait(r, ctx) : rc;
}


/*
 * As ngx_http_limit_req_handler() does: meanwhile the client is watched, so
 * that one who leaves frees the request.
 */

ngx_int_t
ngx_http_consent_wait(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ctx->waiting = 1;

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {

        /* the request ends, and nobody may go on with it */

        ngx_http_consent_leave(ctx);
        ctx->waiting = 0;

        return NGX_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_AGAIN;
}


void
ngx_http_consent_wake(ngx_http_consent_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);

    ctx->waiting = 0;

    r->read_event_handler = ngx_http_block_reading;
}


void
ngx_http_consent_resume(ngx_http_consent_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_consent_wake(ctx);

    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_consent_conclude(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    cg_facts_t                    *facts;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ctx->mcf;
    facts = &ctx->facts;

    if (ngx_http_consent_complete(r, ctx) != NGX_OK
        || ngx_http_consent_decide(r, ctx, lcf) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (facts->own) {
        ngx_http_consent_suppose(ctx, lcf);
    }

    ctx->done = 1;

    if (lcf->settings.remember_days && ctx->mode == CG_MODE_ON
        && (facts->lookup == CG_LOOKUP_FOUND
            || facts->lookup == CG_LOOKUP_ABSENT)
        && ctx->decision.inside && ctx->decision.source == CG_SOURCE_ADDRESS
        && ctx->record.eea_day < ngx_time() / 86400)
    {
        ngx_http_consent_visited(r, ctx, lcf);
    }

    if (mcf->variables.nelts) {
        ngx_http_consent_flush_variables(r, mcf);
    }

    if (lcf->explain && ngx_http_consent_explain(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* who was sent here within nginx asks for the page by its own name */

    if (!ctx->page && !r->valid_unparsed_uri) {
        scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

        if (ngx_http_consent_is_page(scf, &r->uri)) {
            return ngx_http_consent_show_page(r, ctx);
        }
    }

    if (ctx->page) {
        return ngx_http_consent_show_page(r, ctx);
    }

    return ctx->decision.outcome == CG_PASS || ctx->mode == CG_MODE_REPORT
           ? NGX_DECLINED : ngx_http_consent_act(r, ctx);
}


/*
 * A request whose class is not known yet is taken for a navigation, which is
 * asked for most.
 */

static ngx_int_t
ngx_http_consent_decide(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    int64_t               now;
    const cg_policies_t  *policies;

    if (ctx->mode == CG_MODE_OFF && !ctx->facts.own) {
        ngx_memzero(&ctx->decision, sizeof(cg_decision_t));
        return NGX_OK;
    }

    now = ngx_http_consent_now(ctx);
    policies = ngx_consent_store_policies(ctx->mcf->client);

    cg_decide(&ctx->decision, &ctx->facts, &lcf->settings, policies, now);

    if (ctx->classified || cg_decide_settled(&ctx->decision)) {
        return NGX_OK;
    }

    if (ngx_http_consent_classify(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    cg_decide(&ctx->decision, &ctx->facts, &lcf->settings, policies, now);

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_act(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_action_e  action;

    action = cg_action(ctx->decision.outcome, ctx->facts.klass);

    return action == CG_ACTION_PASS ? NGX_DECLINED
                                    : ngx_http_consent_answer(r, ctx, action);
}


/* What stands in for a record: what is pretended, or a receipt. */

static ngx_int_t
ngx_http_consent_complete(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    if (ctx->began) {
        ctx->record_us = ngx_http_consent_clock() - ctx->began;
        ctx->began = 0;
    }

    if (ctx->override && ctx->override->pretends) {
        ngx_http_consent_pretend(ctx);
    }

    return ctx->facts.lookup == CG_LOOKUP_FAILED
           ? ngx_http_consent_read_receipt(r, ctx) : NGX_OK;
}
