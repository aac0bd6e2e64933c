/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_override.h"


typedef enum {
    NGX_HTTP_CONSENT_NEED_NOTHING = 0,
    NGX_HTTP_CONSENT_NEED_POLICIES,
    NGX_HTTP_CONSENT_NEED_RECORD
} ngx_http_consent_need_e;


static ngx_http_consent_ctx_t *ngx_http_consent_create_ctx(
    ngx_http_request_t *r);
static void ngx_http_consent_cleanup(void *data);
static ngx_int_t ngx_http_consent_prepare(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_uint_t ngx_http_consent_stranger(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf);
static ngx_http_consent_need_e ngx_http_consent_needs(
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_ask(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_need_e need);
static ngx_int_t ngx_http_consent_conclude(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_complete(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_suppose(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_http_consent_loc_conf_t *lcf);
static ngx_int_t ngx_http_consent_show_page(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/*
 * A request passes with NGX_DECLINED and never with NGX_OK. It waits for the
 * store with NGX_AGAIN, which the generic phase checker takes as "come back":
 * the whole handler then runs again and finds its context.
 */

ngx_int_t
ngx_http_consent_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_consent_ctx_t       *ctx;
    ngx_http_consent_loc_conf_t  *lcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    if (lcf->status) {
        return NGX_DECLINED;
    }

    if (lcf->mode == CG_MODE_OFF && !lcf->api && !lcf->qa
        && !ngx_http_consent_serves_page(r))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_consent_get_ctx(r);

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


static ngx_http_consent_ctx_t *
ngx_http_consent_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_consent_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_consent_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_consent_ctx_t));

    ctx->request = r;
    ctx->mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    ctx->facts.record = &ctx->record;

    cln->handler = ngx_http_consent_cleanup;
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

    ctx->mode = ngx_http_consent_mode(r, lcf);
    ctx->facts.error_page = (r->err_status >= NGX_HTTP_BAD_REQUEST);

    if (ctx->mode == CG_MODE_OFF && !ctx->facts.own) {
        return NGX_OK;
    }

    if (lcf->settings.gate_anonymizer) {
        (void) ngx_http_consent_anonymizer(r, ctx);
    }

    if (ngx_http_consent_stranger(ctx, lcf)) {
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

    if (!ctx->looked_up) {
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
    cg_action_e                    action;
    cg_facts_t                    *facts;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    facts = &ctx->facts;

    if (ngx_http_consent_complete(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->mode == CG_MODE_OFF && !facts->own) {
        ngx_memzero(&ctx->decision, sizeof(cg_decision_t));

    } else {
        cg_decide(&ctx->decision, facts, &lcf->settings,
                  ngx_consent_store_policies(mcf->client),
                  ngx_http_consent_now(ctx));
    }

    if (facts->own) {
        ngx_http_consent_suppose(ctx, mcf, lcf);
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

    ngx_http_consent_flush_variables(r, mcf);

    if (ngx_http_consent_explain(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* who was sent here within nginx asks for the page by its own name */

    if (ctx->page
        || (!r->valid_unparsed_uri
            && ngx_http_consent_is_page(scf, &r->uri)))
    {
        return ngx_http_consent_show_page(r, ctx);
    }

    action = cg_action(ctx->decision.outcome, facts->klass);

    if (action == CG_ACTION_PASS || ctx->mode == CG_MODE_REPORT) {
        return NGX_DECLINED;
    }

    return ngx_http_consent_answer(r, ctx, action);
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


/* What a navigation elsewhere would meet: our pages tell of that. */

static void
ngx_http_consent_suppose(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_http_consent_loc_conf_t *lcf)
{
    cg_facts_t  facts;

    facts = ctx->facts;
    facts.own = 0;
    facts.error_page = 0;
    facts.preflight = 0;
    facts.klass = CG_CLASS_NAVIGATION;

    cg_decide(&ctx->would, &facts, &lcf->settings,
              ngx_consent_store_policies(mcf->client),
              ngx_http_consent_now(ctx));

    ctx->decision.source = ctx->would.source;
    ctx->decision.inside = ctx->would.inside;
}


/*
 * The page itself is served by whatever the location has. It is where a
 * visitor gets a cookie: the form token needs a subject.
 */

static ngx_int_t
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
        && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        && ngx_http_consent_new_visitor(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}
