/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * The feed of a node: a connection on which the server tells of every key
 * that changes. One worker of all has it, under a lease in shared memory; the
 * others look now and then whether the lease is free. It is complete (`up`)
 * between the server's word that it tells us and the end of the connection.
 *
 * Connections of the feed leave the breaker alone: its PINGs are answered in
 * time by a server that is too slow for lookups. Before it connects the
 * worker's other connection must be there, which knows when to try and tells
 * what is wrong.
 */

static void ngx_consent_feed_timer(ngx_event_t *ev);
static ngx_uint_t ngx_consent_feed_hold(ngx_consent_feed_t *feed);
static void ngx_consent_feed_connect(ngx_consent_feed_t *feed);
static ngx_msec_t ngx_consent_feed_next(ngx_consent_feed_t *feed);
static void ngx_consent_feed_arm(ngx_consent_feed_t *feed, ngx_msec_t delay);
static void ngx_consent_feed_failed(ngx_consent_conn_t *conn);
static ngx_msec_t ngx_consent_feed_backoff(ngx_consent_feed_t *feed);
static void ngx_consent_feed_line(ngx_consent_feed_t *feed);
static void ngx_consent_feed_begun(ngx_consent_feed_t *feed);
static void ngx_consent_feed_leave(ngx_consent_conn_t *conn);
static void ngx_consent_feed_lost(ngx_consent_feed_t *feed);
static void ngx_consent_feed_close(ngx_consent_feed_t *feed);


static const ngx_consent_conn_role_t  ngx_consent_feed_role = {
    .name = "consent-gate-feed",
    .stall = NGX_CONSENT_FEED_STALL,
    .elements = NGX_CONSENT_FEED_ELEMENTS,
    .size = NGX_CONSENT_FEED_SIZE,
    .ready = ngx_consent_feed_subscribe,
    .message = ngx_consent_feed_message,
    .failed = ngx_consent_feed_failed,
    .leave = ngx_consent_feed_leave,
    .data = 1
};


void
ngx_consent_feed_start(ngx_consent_node_t *node)
{
    ngx_consent_feed_t    *feed;
    ngx_consent_shared_t  *sh;

    feed = &node->feed;
    sh = node->store->zone->sh;

    feed->node = node;
    feed->sh = &sh->feeds[node->breaker - sh->breakers];
    feed->new_until = ngx_current_msec + NGX_CONSENT_FEED_NEW;
    feed->retry_at = ngx_current_msec;

    ngx_consent_conn_init(&feed->conn, node, &ngx_consent_feed_role);

    feed->timer.handler = ngx_consent_feed_timer;
    feed->timer.data = feed;
    feed->timer.log = node->store->log;
    feed->timer.cancelable = 1;

    ngx_add_timer(&feed->timer, 1);
}


void
ngx_consent_feed_stop(ngx_consent_node_t *node)
{
    ngx_consent_feed_t  *feed;

    feed = &node->feed;

    ngx_consent_feed_leave(&feed->conn);
    ngx_consent_conn_destroy(&feed->conn);

    if (feed->timer.timer_set) {
        ngx_del_timer(&feed->timer);
    }
}


static void
ngx_consent_feed_timer(ngx_event_t *ev)
{
    ngx_consent_feed_t  *feed;

    feed = ev->data;

    if (ngx_exiting) {
        ngx_consent_feed_leave(&feed->conn);
        return;
    }

    if (ngx_consent_feed_hold(feed)) {

        ngx_consent_policies_refresh(feed->node->store);

        if (feed->up) {
            ngx_consent_feed_ping(feed);

        } else if (feed->conn.state == NGX_CONSENT_CONN_IDLE
                   && ngx_consent_past(feed->retry_at))
        {
            ngx_consent_feed_connect(feed);
        }
    }

    ngx_consent_feed_arm(feed, ngx_consent_feed_next(feed));
}


/*
 * Whether the lease is ours, and stays so. Whoever had it before may have
 * been killed and could not say that nobody listens.
 */

static ngx_uint_t
ngx_consent_feed_hold(ngx_consent_feed_t *feed)
{
    if (feed->lease) {

        if (ngx_consent_lease_renew(feed)) {
            return 1;
        }

        ngx_consent_feed_close(feed);
        return 0;
    }

    if (!ngx_consent_lease_take(feed)) {
        return 0;
    }

    ngx_consent_feed_lost(feed);

    feed->failures = 0;
    feed->retry_at = ngx_current_msec;

    return 1;
}


static void
ngx_consent_feed_connect(ngx_consent_feed_t *feed)
{
    ngx_consent_conn_t  *conn;

    conn = &feed->node->conn;

    if (ngx_consent_conn_open(conn) == NGX_OK
        && conn->state == NGX_CONSENT_CONN_READY)
    {
        ngx_consent_conn_connect(&feed->conn, 0);
    }
}


/*
 * After a reload the new workers are there before the old ones leave: so they
 * are in a hurry, for until one of them has the feed nothing is a hit.
 */

static ngx_msec_t
ngx_consent_feed_next(ngx_consent_feed_t *feed)
{
    if (feed->lease == 0) {
        if (!ngx_consent_past(feed->new_until)) {
            return NGX_CONSENT_FEED_HURRY / 2
                   + ngx_random() % NGX_CONSENT_FEED_HURRY;
        }

        return NGX_CONSENT_FEED_TICK * 3 / 4
               + ngx_random() % (NGX_CONSENT_FEED_TICK / 2);
    }

    if (feed->conn.state != NGX_CONSENT_CONN_IDLE) {
        return NGX_CONSENT_FEED_TICK;
    }

    if (ngx_consent_past(feed->retry_at)) {
        /* or when we are woken */
        return NGX_CONSENT_PROBE;
    }

    return ngx_consent_sooner(NGX_CONSENT_FEED_TICK, feed->retry_at);
}


static void
ngx_consent_feed_arm(ngx_consent_feed_t *feed, ngx_msec_t delay)
{
    /* ngx_add_timer() takes a change below 300 ms for none */

    if (feed->timer.timer_set) {
        ngx_del_timer(&feed->timer);
    }

    ngx_add_timer(&feed->timer, delay);
}


void
ngx_consent_feed_wake(ngx_consent_feed_t *feed)
{
    if (feed->lease == 0 || feed->conn.state != NGX_CONSENT_CONN_IDLE
        || ngx_exiting)
    {
        return;
    }

    if (ngx_consent_past(feed->retry_at - NGX_CONSENT_BACKOFF_MAX)) {
        /* whatever it waits for is over; a longer wait has other reasons */
        feed->retry_at = ngx_current_msec;
        ngx_consent_feed_arm(feed, 0);
    }
}


void
ngx_consent_feed_begin(ngx_consent_feed_t *feed)
{
    ngx_consent_feed_handler_t  *handler;

    /* what was asked for earlier in this turn of the loop is older */
    ngx_time_update();

    handler = feed->node->store->conf->feed;

    if (handler) {
        handler->begin(handler->data, feed->node->source);
    }

    feed->sh->heard = ngx_current_msec | 1;
    feed->sh->up = ngx_current_msec | 1;

    if (!feed->up) {
        ngx_consent_feed_begun(feed);
    }

    ngx_consent_policies_changed(feed->node->store);
}


/* Loud for the first time, and when the line before said that it is down. */

static void
ngx_consent_feed_begun(ngx_consent_feed_t *feed)
{
    ngx_uint_t  level;

    level = NGX_LOG_INFO;

    if (ngx_atomic_cmp_set(&feed->sh->told, 0, 1) || feed->told) {
        level = NGX_LOG_NOTICE;
    }

    feed->up = 1;
    feed->told = 0;
    feed->refused = 0;

    ngx_log_error(level, feed->node->store->log, 0,
                  "consent feed %V: up, changes are heard at once",
                  &feed->node->name);
}


ngx_int_t
ngx_consent_feed_alive(ngx_consent_feed_t *feed)
{
    ngx_consent_feed_handler_t  *handler;

    if (!ngx_consent_lease_renew(feed)) {
        return ngx_consent_fault(&feed->conn, NGX_CONSENT_FAULT_LOST, 0,
                                 "another worker has it");
    }

    if (!feed->up) {
        ngx_consent_feed_begin(feed);
        return NGX_OK;
    }

    feed->proven = 1;
    feed->failures = 0;
    feed->faults = 0;
    feed->sh->heard = ngx_current_msec | 1;

    handler = feed->node->store->conf->feed;

    if (handler) {
        handler->alive(handler->data, feed->node->source);
    }

    return NGX_OK;
}


static void
ngx_consent_feed_failed(ngx_consent_conn_t *conn)
{
    ngx_msec_t           delay;
    ngx_consent_feed_t  *feed;

    feed = &conn->node->feed;

    feed->failures++;
    delay = ngx_consent_feed_backoff(feed);

    if (feed->lease) {
        ngx_consent_feed_line(feed);
    }

    ngx_consent_feed_close(feed);

    if (ngx_exiting) {
        ngx_consent_lease_give(feed);
        return;
    }

    feed->retry_at = ngx_current_msec + delay;

    ngx_consent_feed_arm(feed, ngx_consent_feed_next(feed));
}


/*
 * A connection that was good is replaced at once, the first time. What does
 * not let us in, or does not know what we say, will not learn it soon.
 */

static ngx_msec_t
ngx_consent_feed_backoff(ngx_consent_feed_t *feed)
{
    ngx_msec_t           delay;
    ngx_consent_fault_e  kind;

    if (feed->refused) {
        return NGX_CONSENT_FEED_REFUSED;
    }

    if (feed->up && feed->proven) {
        return 0;
    }

    kind = feed->conn.fault.kind;

    if (kind == NGX_CONSENT_FAULT_PROTOCOL
        || ngx_consent_fault_lasting(kind))
    {
        return NGX_CONSENT_BACKOFF_DENIED;
    }

    delay = NGX_CONSENT_BACKOFF_MIN << ngx_min(feed->failures, 8);
    delay = ngx_min(delay, NGX_CONSENT_BACKOFF_MAX);

    return 1 + ngx_random() % delay;
}


/*
 * What keeps the node from answering at all is told by its breaker. A server
 * that takes the feed and drops it right away would fill the log.
 */

static void
ngx_consent_feed_line(ngx_consent_feed_t *feed)
{
    ngx_uint_t            bit, level;
    ngx_consent_fault_t  *fault;

    fault = &feed->conn.fault;

    if (feed->up) {
        level = feed->proven ? NGX_LOG_WARN : NGX_LOG_INFO;
        feed->told |= feed->proven;

        ngx_log_error(level, feed->node->store->log, fault->err,
                      "consent feed %V: lost: %V", &feed->node->name,
                      &fault->text);
        return;
    }

    bit = (ngx_uint_t) 1 << fault->kind;

    if (!feed->refused && (feed->faults & bit) == 0) {
        feed->faults |= bit;

        level = (fault->kind == NGX_CONSENT_FAULT_PROTOCOL) ? NGX_LOG_WARN
                                                            : NGX_LOG_INFO;

        ngx_log_error(level, feed->node->store->log, fault->err,
                      "consent feed %V: %V", &feed->node->name, &fault->text);
    }
}


/* The worker exits: another one may have it now. */

static void
ngx_consent_feed_leave(ngx_consent_conn_t *conn)
{
    ngx_consent_feed_t  *feed;

    feed = &conn->node->feed;

    ngx_consent_feed_close(feed);
    ngx_consent_lease_give(feed);
}


static void
ngx_consent_feed_close(ngx_consent_feed_t *feed)
{
    ngx_consent_conn_close(&feed->conn, NGX_CONSENT_STORE_LOST);

    feed->conn.state = NGX_CONSENT_CONN_IDLE;

    /* without the lease it is another worker's to say */

    if (feed->up && feed->lease) {
        ngx_consent_feed_lost(feed);
    }

    feed->up = 0;
    feed->proven = 0;
}


static void
ngx_consent_feed_lost(ngx_consent_feed_t *feed)
{
    ngx_consent_feed_handler_t  *handler;

    feed->sh->up = 0;

    handler = feed->node->store->conf->feed;

    if (handler) {
        handler->lost(handler->data, feed->node->source);
    }
}
