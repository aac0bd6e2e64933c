/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_lately.h"


/*
 * Visits from the EEA, which are remembered in the record: once a day and
 * subject, some time after the request, which does not wait. Those of a while
 * leave together. What a worker has sent it does not send again; what another
 * one has sent it finds in the record, and Redis changes nothing for the same
 * day.
 */

#define NGX_HTTP_CONSENT_VISIT_DELAY  200       /* ms, from the first visit */
#define NGX_HTTP_CONSENT_VISITS_MAX   4096      /* under way */
#define NGX_HTTP_CONSENT_VISIT_RETRY  60        /* seconds, after a failure */
#define NGX_HTTP_CONSENT_DAY          86400

typedef struct {
    ngx_queue_t                    queue;       /* waiting, or sent */
    ngx_http_consent_main_conf_t  *mcf;
    ngx_consent_call_t             call;
    ngx_consent_touch_t            touch;
    cg_subject_t                   subject;
    uint8_t                        key[16];     /* in `lately` */
} ngx_http_consent_visit_t;

struct ngx_http_consent_visits_s {
    ngx_queue_t                    waiting;
    ngx_queue_t                    sent;
    ngx_uint_t                     n;           /* in both */
    ngx_event_t                    timer;
    ngx_http_consent_lately_t      lately;
};


static ngx_uint_t ngx_http_consent_visit_counts(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf);
static void ngx_http_consent_visits_flush(ngx_event_t *ev);
static void ngx_http_consent_visit_send(ngx_http_consent_visit_t *visit);
static void ngx_http_consent_visit_done(ngx_consent_call_t *call);


ngx_int_t
ngx_http_consent_visits_init(ngx_http_consent_main_conf_t *mcf,
    ngx_cycle_t *cycle)
{
    ngx_http_consent_visits_t  *visits;

    visits = ngx_pcalloc(cycle->pool, sizeof(ngx_http_consent_visits_t));
    if (visits == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&visits->waiting);
    ngx_queue_init(&visits->sent);

    visits->timer.handler = ngx_http_consent_visits_flush;
    visits->timer.data = visits;
    visits->timer.log = cycle->log;
    visits->timer.cancelable = 1;

    mcf->visits = visits;

    return NGX_OK;
}


void
ngx_http_consent_visits_done(ngx_http_consent_main_conf_t *mcf)
{
    ngx_queue_t                *q;
    ngx_http_consent_visit_t   *visit;
    ngx_http_consent_visits_t  *visits;

    visits = mcf->visits;

    if (visits == NULL) {
        return;
    }

    if (visits->timer.timer_set) {
        ngx_del_timer(&visits->timer);
    }

    ngx_queue_add(&visits->waiting, &visits->sent);

    while (!ngx_queue_empty(&visits->waiting)) {
        q = ngx_queue_head(&visits->waiting);
        ngx_queue_remove(q);

        visit = ngx_queue_data(q, ngx_http_consent_visit_t, queue);

        ngx_consent_store_cancel(&visit->call);
        ngx_free(visit);
    }

    mcf->visits = NULL;
}


void
ngx_http_consent_visited(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_http_consent_visit_t   *visit;
    ngx_http_consent_visits_t  *visits;

    visits = ctx->mcf->visits;

    if (visits == NULL || !ngx_http_consent_visit_counts(ctx, lcf)
        || ngx_http_consent_derive(r, ctx) != NGX_OK
        || ngx_http_consent_seen(&visits->lately, ctx->subject.current.id)
        || visits->n >= NGX_HTTP_CONSENT_VISITS_MAX)
    {
        return;
    }

    visit = ngx_calloc(sizeof(ngx_http_consent_visit_t), r->connection->log);
    if (visit == NULL) {
        return;
    }

    visit->mcf = ctx->mcf;
    visit->subject = ctx->subject;
    ngx_memcpy(visit->key, ctx->subject.current.id, sizeof(visit->key));

    visit->touch.subject = &visit->subject;
    visit->touch.day = (uint32_t) (ngx_time() / NGX_HTTP_CONSENT_DAY);
    visit->touch.account = (ctx->facts.subject == CG_SUBJECT_ACCOUNT);
    visit->touch.create = visit->touch.account
                          && ctx->facts.lookup == CG_LOOKUP_ABSENT;

    ngx_http_consent_see(&visits->lately, visit->key,
                         ngx_time() + NGX_HTTP_CONSENT_VISIT_RETRY, 0);

    ngx_queue_insert_tail(&visits->waiting, &visit->queue);
    visits->n++;

    if (!visits->timer.timer_set) {
        ngx_add_timer(&visits->timer, NGX_HTTP_CONSENT_VISIT_DELAY);
    }
}


/*
 * By the address, and in the EEA itself: the territory of a location may be
 * more, but the day is for all of them.
 */

static ngx_uint_t
ngx_http_consent_visit_counts(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    cg_facts_t  *facts;

    facts = &ctx->facts;

    if (ngx_http_consent_only_link(ctx)) {

        /* a mail scanner may have followed it, from wherever that is */

        return 0;
    }

    if (facts->subject == CG_SUBJECT_VISITOR) {
        if (facts->lookup != CG_LOOKUP_FOUND || !cg_record_says(&ctx->record))
        {
            return 0;
        }

    } else if (facts->subject != CG_SUBJECT_ACCOUNT) {
        return 0;
    }

    return ctx->cache != NGX_HTTP_CONSENT_CACHE_STALE
           && cg_country_in_eea(facts->country)
           && cg_territory_has(&lcf->settings.territory, facts->country);
}


static void
ngx_http_consent_visits_flush(ngx_event_t *ev)
{
    ngx_queue_t                *q;
    ngx_http_consent_visit_t   *visit;
    ngx_http_consent_visits_t  *visits;

    visits = ev->data;

    while (!ngx_queue_empty(&visits->waiting)) {
        q = ngx_queue_head(&visits->waiting);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&visits->sent, q);

        visit = ngx_queue_data(q, ngx_http_consent_visit_t, queue);

        ngx_http_consent_visit_send(visit);
    }
}


static void
ngx_http_consent_visit_send(ngx_http_consent_visit_t *visit)
{
    visit->call.done = ngx_http_consent_visit_done;
    visit->call.data = visit;
    visit->call.subject = &visit->subject;

    if (ngx_consent_store_touch(visit->mcf->client, &visit->call,
                                &visit->touch)
        != NGX_AGAIN)
    {
        ngx_http_consent_visit_done(&visit->call);
    }
}


static void
ngx_http_consent_visit_done(ngx_consent_call_t *call)
{
    time_t                         until;
    ngx_uint_t                     result;
    ngx_http_consent_visit_t      *visit;
    ngx_http_consent_main_conf_t  *mcf;

    visit = call->data;
    mcf = visit->mcf;

    result = call->status == NGX_CONSENT_STORE_OK
             ? call->written : NGX_HTTP_CONSENT_WRITE_FAILED;

    if (result == NGX_CONSENT_CONFLICT && visit->subject.has_previous
        && !visit->touch.create)
    {
        /* the record may still be where the key of before has put it */

        visit->subject.current = visit->subject.previous;
        visit->subject.has_previous = 0;

        ngx_http_consent_visit_send(visit);

        return;
    }

    ngx_http_consent_count(&ngx_http_consent_counters(mcf)->visits[result]);

    if (mcf->cache && result == NGX_CONSENT_WRITTEN) {
        cg_table_forget(mcf->cache->table, &visit->subject.current);
    }

    until = result == NGX_HTTP_CONSENT_WRITE_FAILED
            || result == NGX_CONSENT_CONFLICT
            ? ngx_time() + NGX_HTTP_CONSENT_VISIT_RETRY
            : (time_t) (visit->touch.day + 1) * NGX_HTTP_CONSENT_DAY;

    ngx_http_consent_see(&mcf->visits->lately, visit->key, until, 0);

    ngx_queue_remove(&visit->queue);
    mcf->visits->n--;
    ngx_free(visit);
}
