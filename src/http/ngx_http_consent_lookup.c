/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_cached.h"
#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_override.h"


/*
 * What is on record about a subject: out of the cache, or from the store.
 * Requests of a worker that miss the cache for the same subject share one
 * question to the store, a flight. It belongs to the worker and not to the
 * request that began it: whoever leaves, the others get their answer, and the
 * cache too.
 *
 * A flight may be joined only while the subject's generation stands still: a
 * request that came after a change must not get the answer from before it.
 */

#define NGX_HTTP_CONSENT_FLIGHTS  256       /* chains, a power of two */


typedef struct {
    ngx_queue_t                    queue;       /* of its chain, or free */
    ngx_queue_t                    waiters;     /* ngx_http_consent_ctx_t */
    ngx_http_consent_main_conf_t  *mcf;
    uint8_t                        tag[CG_TAG_LEN];
    cg_subject_t                   subject;
    uint32_t                       generation;
    uint32_t                       asked;       /* ms, of the cache */
    uint64_t                       start;       /* us */
    ngx_consent_call_t             call;
} ngx_http_consent_flight_t;

struct ngx_http_consent_flights_s {
    ngx_pool_t                    *pool;
    ngx_queue_t                    free;
    ngx_queue_t                    chains[NGX_HTTP_CONSENT_FLIGHTS];
};


static ngx_int_t ngx_http_consent_ask_directly(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf);
static ngx_http_consent_flight_t *ngx_http_consent_find_flight(
    ngx_http_consent_main_conf_t *mcf, ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_new_flight(ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_ctx_t *ctx);
static ngx_queue_t *ngx_http_consent_chain(ngx_http_consent_main_conf_t *mcf,
    const uint8_t tag[CG_TAG_LEN]);
static void ngx_http_consent_landed(ngx_consent_call_t *call);
static void ngx_http_consent_direct_answer(ngx_consent_call_t *call);
static void ngx_http_consent_learn(ngx_http_consent_ctx_t *ctx,
    const ngx_consent_call_t *call);
static void ngx_http_consent_resume_event(ngx_event_t *ev);


ngx_int_t
ngx_http_consent_flights_init(ngx_http_consent_main_conf_t *mcf,
    ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_http_consent_flights_t  *flights;

    flights = ngx_palloc(cycle->pool, sizeof(ngx_http_consent_flights_t));
    if (flights == NULL) {
        return NGX_ERROR;
    }

    flights->pool = cycle->pool;
    ngx_queue_init(&flights->free);

    for (i = 0; i < NGX_HTTP_CONSENT_FLIGHTS; i++) {
        ngx_queue_init(&flights->chains[i]);
    }

    mcf->flights = flights;

    return NGX_OK;
}


ngx_int_t
ngx_http_consent_look_up(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_flight_t     *flight;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    /*
     * an answer to a form needs the exact rev, which the cache has not; and
     * the tag does not tell the subjects of one tester apart
     */

    if (mcf->cache == NULL || ctx->facts.own
        || (ctx->override && ctx->override->salted))
    {
        return ngx_http_consent_ask_directly(r, ctx, mcf);
    }

    if (!ctx->tagged) {
        ngx_http_consent_expect(r, ctx);
    }

    if (ngx_http_consent_cached(ctx) == CG_TABLE_HIT) {
        return NGX_OK;
    }

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    flight = ngx_http_consent_find_flight(mcf, ctx);

    if (flight) {
        ngx_queue_insert_tail(&flight->waiters, &ctx->waiter);
        ctx->in_flight = 1;
        return NGX_AGAIN;
    }

    return ngx_http_consent_new_flight(mcf, ctx);
}


static ngx_int_t
ngx_http_consent_ask_directly(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf)
{
    ngx_consent_call_t  *call;

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    call = &ctx->call;
    call->done = ngx_http_consent_direct_answer;
    call->data = ctx;
    call->subject = &ctx->subject;

    ctx->asked = ngx_http_consent_clock();

    if (ngx_consent_store_lookup(mcf->client, call) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_http_consent_count_lookup(mcf, call->status, ctx->asked);
    ngx_http_consent_learn(ctx, call);

    return NGX_OK;
}


static void
ngx_http_consent_direct_answer(ngx_consent_call_t *call)
{
    ngx_http_consent_ctx_t  *ctx;

    ctx = call->data;

    if (call->subject) {
        ngx_http_consent_count_lookup(ctx->mcf, call->status, ctx->asked);
    }

    ngx_http_consent_learn(ctx, call);
    ngx_http_consent_resume(ctx);
}


ngx_int_t
ngx_http_consent_fetch_policies(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_consent_call_t            *call;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    call = &ctx->call;
    call->done = ngx_http_consent_direct_answer;
    call->data = ctx;
    call->subject = NULL;

    ctx->fetched = 1;

    return ngx_consent_store_fetch(mcf->client, call);
}


static ngx_queue_t *
ngx_http_consent_chain(ngx_http_consent_main_conf_t *mcf,
    const uint8_t tag[CG_TAG_LEN])
{
    return &mcf->flights->chains[tag[CG_TAG_LEN - 1]
                                 & (NGX_HTTP_CONSENT_FLIGHTS - 1)];
}


static ngx_http_consent_flight_t *
ngx_http_consent_find_flight(ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_queue_t                *q, *chain;
    ngx_http_consent_flight_t  *flight;

    chain = ngx_http_consent_chain(mcf, ctx->tag);

    for (q = ngx_queue_head(chain);
         q != ngx_queue_sentinel(chain);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_consent_flight_t, queue);

        if (ngx_memcmp(flight->tag, ctx->tag, CG_TAG_LEN) == 0
            && flight->generation
               == cg_table_generation(mcf->cache->table,
                                      &ctx->subject.current))
        {
            return flight;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_consent_new_flight(ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_queue_t                *q;
    ngx_http_consent_flight_t  *flight;

    if (!ngx_queue_empty(&mcf->flights->free)) {
        q = ngx_queue_head(&mcf->flights->free);
        ngx_queue_remove(q);
        flight = ngx_queue_data(q, ngx_http_consent_flight_t, queue);

    } else {
        flight = ngx_palloc(mcf->flights->pool,
                            sizeof(ngx_http_consent_flight_t));
        if (flight == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_memzero(flight, sizeof(ngx_http_consent_flight_t));
    ngx_queue_init(&flight->waiters);

    flight->mcf = mcf;
    flight->subject = ctx->subject;
    ngx_memcpy(flight->tag, ctx->tag, CG_TAG_LEN);

    flight->start = ngx_http_consent_clock();
    flight->asked = ngx_consent_cache_now();
    flight->generation = cg_table_generation(mcf->cache->table,
                                             &flight->subject.current);

    flight->call.done = ngx_http_consent_landed;
    flight->call.data = flight;
    flight->call.subject = &flight->subject;

    if (ngx_consent_store_lookup(mcf->client, &flight->call) != NGX_AGAIN) {
        ngx_http_consent_count_lookup(mcf, flight->call.status,
                                      flight->start);
        ngx_http_consent_learn(ctx, &flight->call);
        ngx_queue_insert_head(&mcf->flights->free, &flight->queue);
        return NGX_OK;
    }

    ngx_queue_insert_head(ngx_http_consent_chain(mcf, ctx->tag),
                          &flight->queue);
    ngx_queue_insert_tail(&flight->waiters, &ctx->waiter);
    ctx->in_flight = 1;

    return NGX_AGAIN;
}


/* Keeps the answer; all who waited are detached before the first goes on. */

static void
ngx_http_consent_landed(ngx_consent_call_t *call)
{
    ngx_queue_t                *q;
    ngx_consent_cache_t        *cache;
    ngx_http_consent_ctx_t     *ctx;
    ngx_http_consent_flight_t  *flight;

    flight = call->data;
    cache = flight->mcf->cache;

    ngx_http_consent_count_lookup(flight->mcf, call->status, flight->start);

    if (call->status == NGX_CONSENT_STORE_OK) {
        (void) cg_table_put(cache->table, flight->tag,
                            &flight->subject.current, flight->generation,
                            flight->asked, call->source, ngx_pid,
                            call->found == CG_RECORD_OK ? &call->record
                                                        : NULL);
    }

    while (!ngx_queue_empty(&flight->waiters)) {
        q = ngx_queue_head(&flight->waiters);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_consent_ctx_t, waiter);
        ctx->in_flight = 0;

        ngx_http_consent_learn(ctx, call);

        ctx->resume.handler = ngx_http_consent_resume_event;
        ctx->resume.data = ctx;
        ctx->resume.log = ctx->request->connection->log;

        ngx_post_event(&ctx->resume, &ngx_posted_events);
    }

    ngx_queue_remove(&flight->queue);
    ngx_queue_insert_head(&flight->mcf->flights->free, &flight->queue);
}


static void
ngx_http_consent_resume_event(ngx_event_t *ev)
{
    ngx_http_consent_resume(ev->data);
}


static void
ngx_http_consent_learn(ngx_http_consent_ctx_t *ctx,
    const ngx_consent_call_t *call)
{
    if (call->subject == NULL) {
        return;
    }

    ctx->looked_up = 1;

    if (call->status == NGX_CONSENT_STORE_OK) {
        ctx->record = call->record;
        ctx->previous = call->previous;
        ctx->facts.lookup = call->found == CG_RECORD_OK ? CG_LOOKUP_FOUND
                                                        : CG_LOOKUP_ABSENT;
        return;
    }

    if (ctx->stale) {
        ctx->cache = NGX_HTTP_CONSENT_CACHE_STALE;
        return;
    }

    ctx->facts.lookup = CG_LOOKUP_FAILED;
}


void
ngx_http_consent_leave(ngx_http_consent_ctx_t *ctx)
{
    ngx_consent_store_cancel(&ctx->call);
    ngx_http_consent_adopt_leave(ctx);

    if (ctx->walk) {
        ngx_consent_store_walk_cancel(ctx->walk);
        ctx->walk = NULL;
    }

    if (ctx->in_flight) {
        ngx_queue_remove(&ctx->waiter);
        ctx->in_flight = 0;
    }

    if (ctx->resume.posted) {
        ngx_delete_posted_event(&ctx->resume);
    }
}
