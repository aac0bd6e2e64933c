/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/* When a connection is made, given up and made again. */

static void ngx_consent_conn_served(ngx_consent_conn_t *conn);
static void ngx_consent_conn_failed(ngx_consent_conn_t *conn);
static void ngx_consent_conn_watch(ngx_consent_conn_t *conn);
static ngx_uint_t ngx_consent_conn_revived(ngx_consent_conn_t *conn);
static void ngx_consent_conn_backoff(ngx_consent_conn_t *conn);
static void ngx_consent_conn_retry_in(ngx_consent_conn_t *conn,
    ngx_msec_t delay);
static void ngx_consent_conn_posted(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_overdue(ngx_consent_conn_t *conn,
    ngx_uint_t n);
static void ngx_consent_conn_retry(ngx_consent_conn_t *conn);
static void ngx_consent_conn_ping(ngx_consent_conn_t *conn);
static ngx_consent_command_t *ngx_consent_conn_pinging(
    ngx_consent_conn_t *conn);
static void ngx_consent_conn_probe(ngx_consent_conn_t *conn,
    ngx_consent_command_t *cmd, ngx_consent_reply_pt handler);
static ngx_int_t ngx_consent_conn_pong(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);


const ngx_consent_conn_role_t  ngx_consent_ask_role = {
    .name = "consent-gate",
    .stall = NGX_CONSENT_STALL,
    .ready = ngx_consent_conn_served,
    .failed = ngx_consent_conn_failed,
    .leave = ngx_consent_conn_leave,
    .breaker = 1,
    .data = 1,
    .movable = 1
};

/* The table of a cluster's slots is a long reply. */

const ngx_consent_conn_role_t  ngx_consent_member_role = {
    .name = "consent-gate",
    .stall = NGX_CONSENT_STALL,
    .elements = NGX_CONSENT_FEED_ELEMENTS,
    .size = NGX_CONSENT_FEED_SIZE,
    .ready = ngx_consent_conn_served,
    .failed = ngx_consent_conn_failed,
    .leave = ngx_consent_conn_leave,
    .breaker = 1,
    .data = 1,
    .movable = 1
};


/*
 * Whoever asks right after the start, or after a connection that was good has
 * closed, waits for the new one; while it is known to fail nobody waits.
 */

ngx_int_t
ngx_consent_conn_open(ngx_consent_conn_t *conn)
{
    if (conn->node->breaker->open) {
        ngx_consent_conn_watch(conn);
        return NGX_DECLINED;
    }

    if (conn->state == NGX_CONSENT_CONN_IDLE) {

        if (!ngx_consent_topology_first(conn, 1)) {
            ngx_consent_conn_connect(conn, 1);
        }

    } else if (conn->state == NGX_CONSENT_CONN_BACKOFF
               && ngx_consent_conn_revived(conn))
    {
        ngx_consent_conn_connect(conn, 1);
    }

    switch (conn->state) {

    case NGX_CONSENT_CONN_READY:
        return NGX_OK;

    case NGX_CONSENT_CONN_RESOLVING:
    case NGX_CONSENT_CONN_CONNECTING:
    case NGX_CONSENT_CONN_TLS:
    case NGX_CONSENT_CONN_HANDSHAKE:
        return conn->wait ? NGX_OK : NGX_DECLINED;

    default:
        return NGX_DECLINED;
    }
}


/* The breaker is open: this worker takes its turns in looking after it. */

static void
ngx_consent_conn_watch(ngx_consent_conn_t *conn)
{
    if (conn->retry) {
        return;
    }

    switch (conn->state) {

    case NGX_CONSENT_CONN_IDLE:
        ngx_consent_conn_backoff(conn);
        break;

    case NGX_CONSENT_CONN_READY:
        ngx_consent_conn_retry_in(conn, NGX_CONSENT_PROBE);
        break;
    }
}


/*
 * Another worker has found it well. That is worth a try, but not one for each
 * request: it may be this worker alone that is turned away.
 */

static ngx_uint_t
ngx_consent_conn_revived(ngx_consent_conn_t *conn)
{
    return conn->closings != conn->node->breaker->closings
           && ngx_consent_past(conn->tried + NGX_CONSENT_BACKOFF_MIN);
}


void
ngx_consent_conn_good(ngx_consent_conn_t *conn)
{
    conn->failures = 0;

    if (conn->role->breaker
        && (conn->node->breaker->failures || conn->node->breaker->open))
    {
        ngx_consent_breaker_good(conn->node);
    }
}


static void
ngx_consent_conn_served(ngx_consent_conn_t *conn)
{
    ngx_consent_breaker_good(conn->node);
    ngx_consent_policies_poll(conn->node->store);
    ngx_consent_feed_wake(&conn->node->feed);
}


void
ngx_consent_conn_leave(ngx_consent_conn_t *conn)
{
    ngx_consent_conn_close(conn, NGX_CONSENT_STORE_LOST);

    conn->state = NGX_CONSENT_CONN_IDLE;
}


/*
 * A connection that served and was closed by the other side is replaced at
 * once, the first time; nothing is lost when nothing was in flight.
 */

static void
ngx_consent_conn_failed(ngx_consent_conn_t *conn)
{
    ngx_uint_t  lost, quiet, counted, attempt;

    attempt = (conn->state != NGX_CONSENT_CONN_READY);
    lost = (conn->state == NGX_CONSENT_CONN_READY
            && conn->fault.kind == NGX_CONSENT_FAULT_LOST);
    quiet = (lost && conn->ncommands == 0);
    counted = (conn->fault.kind == NGX_CONSENT_FAULT_STALL
               && conn->stalled);

    ngx_consent_conn_close(conn, ngx_consent_conn_status(conn));

    if (conn->node->leaving) {
        conn->state = NGX_CONSENT_CONN_IDLE;
        return;
    }

    ngx_consent_topology_failed(conn->node->store, attempt);

    if (quiet) {
        ngx_log_error(NGX_LOG_INFO, conn->node->store->log, 0,
                      "consent store %V: connection closed",
                      &conn->node->name);

        conn->state = NGX_CONSENT_CONN_IDLE;
        return;
    }

    conn->failures++;

    /* its first silence was a failure: this is the same one */
    ngx_consent_breaker_fail(conn, counted ? 0 : 1);

    if (lost && conn->failures == 1) {
        conn->state = NGX_CONSENT_CONN_IDLE;
        ngx_consent_conn_retry_in(conn, 0);
        return;
    }

    ngx_consent_conn_backoff(conn);
}


ngx_consent_status_e
ngx_consent_conn_status(const ngx_consent_conn_t *conn)
{
    if (conn->state != NGX_CONSENT_CONN_READY) {
        return NGX_CONSENT_STORE_DOWN;
    }

    return conn->fault.kind == NGX_CONSENT_FAULT_PROTOCOL
           ? NGX_CONSENT_STORE_PROTOCOL
           : NGX_CONSENT_STORE_LOST;
}


/*
 * Doubling, with full jitter, so that workers do not come all at once. Short
 * enough at its longest that a Redis that is back serves within a second.
 */

static void
ngx_consent_conn_backoff(ngx_consent_conn_t *conn)
{
    ngx_msec_t  delay;

    if (ngx_exiting) {
        conn->state = NGX_CONSENT_CONN_IDLE;
        return;
    }

    conn->state = NGX_CONSENT_CONN_BACKOFF;
    conn->closings = conn->node->breaker->closings;

    if (conn->failures && ngx_consent_fault_lasting(conn->fault.kind)) {
        ngx_consent_conn_retry_in(conn, NGX_CONSENT_BACKOFF_DENIED);
        return;
    }

    if (conn->node->breaker->open) {
        ngx_consent_conn_retry_in(conn, NGX_CONSENT_PROBE);
        return;
    }

    delay = NGX_CONSENT_BACKOFF_MIN << ngx_min(conn->failures, 8);
    delay = ngx_min(delay, NGX_CONSENT_BACKOFF_MAX);

    ngx_consent_conn_retry_in(conn, 1 + ngx_random() % delay);
}


static void
ngx_consent_conn_retry_in(ngx_consent_conn_t *conn, ngx_msec_t delay)
{
    if (ngx_exiting) {
        return;
    }

    conn->retry = 1;
    conn->retry_at = ngx_current_msec + delay;

    ngx_consent_conn_wake(conn, conn->retry_at);
}


void
ngx_consent_conn_wake(ngx_consent_conn_t *conn, ngx_msec_t at)
{
    ngx_msec_int_t  timer;

    conn->timer.cancelable = (conn->live == 0);

    if (conn->timer.timer_set) {
        if ((ngx_msec_int_t) (at - conn->timer.timer.key) >= 0) {
            return;
        }

        /* ngx_add_timer() takes a change below 300 ms for none */
        ngx_del_timer(&conn->timer);
    }

    timer = (ngx_msec_int_t) (at - ngx_current_msec);

    ngx_add_timer(&conn->timer, (ngx_msec_t) ngx_max(timer, 0));
}


/*
 * One timer for all that a connection waits for. It is not moved when what it
 * was set for is done: it fires, finds nothing due, and is set anew.
 */

void
ngx_consent_conn_timer(ngx_event_t *ev)
{
    ngx_uint_t           n;
    ngx_msec_t           delay;
    ngx_consent_conn_t  *conn;

    conn = ev->data;

    ngx_consent_conn_posted(conn);

    delay = NGX_TIMER_INFINITE;
    n = ngx_consent_queue_expire(conn, &delay);

    if (ngx_consent_conn_overdue(conn, n) != NGX_OK) {
        ngx_consent_conn_fail(conn);
    }

    if (conn->retry && ngx_consent_past(conn->retry_at)) {
        ngx_consent_conn_retry(conn);
    }

    switch (conn->state) {

    case NGX_CONSENT_CONN_CONNECTING:
        delay = ngx_consent_sooner(delay, conn->turn);
        break;

    case NGX_CONSENT_CONN_RESOLVING:
    case NGX_CONSENT_CONN_TLS:
    case NGX_CONSENT_CONN_HANDSHAKE:
        delay = ngx_consent_sooner(delay, conn->until);
        break;

    case NGX_CONSENT_CONN_READY:
        if (conn->ncommands) {
            delay = ngx_consent_sooner(delay,
                                       conn->heard
                                       + ngx_consent_confirm_stall(conn));
        }

        break;
    }

    if (conn->retry) {
        delay = ngx_consent_sooner(delay, conn->retry_at);
    }

    if (delay != NGX_TIMER_INFINITE) {
        ngx_consent_conn_wake(conn, ngx_current_msec + delay);
    }
}


/* With accept_mutex timers come before the replies of the same turn. */

static void
ngx_consent_conn_posted(ngx_consent_conn_t *conn)
{
    ngx_event_t  *rev;

    if (conn->connection == NULL) {
        return;
    }

    rev = conn->connection->read;

    if (rev->posted) {
        ngx_delete_posted_event(rev);
        rev->handler(rev);
    }
}


/* NGX_ERROR: this connection has had its time. `n` commands just expired. */

static ngx_int_t
ngx_consent_conn_overdue(ngx_consent_conn_t *conn, ngx_uint_t n)
{
    ngx_msec_t  stall;

    switch (conn->state) {

    case NGX_CONSENT_CONN_RESOLVING:
        if (ngx_consent_past(conn->until)) {
            return ngx_consent_fault(conn, NGX_CONSENT_FAULT_RESOLVE, 0,
                                     "\"%V\" could not be resolved in time",
                                     &conn->node->host);
        }

        return NGX_OK;

    case NGX_CONSENT_CONN_CONNECTING:
        if (ngx_consent_past(conn->turn)) {
            (void) ngx_consent_fault(conn, NGX_CONSENT_FAULT_CONNECT, 0,
                                     "connect() timed out");
            return ngx_consent_conn_next(conn);
        }

        return NGX_OK;

    case NGX_CONSENT_CONN_TLS:
        if (ngx_consent_past(conn->until)) {
            return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                                     "no answer to the TLS handshake in time: "
                                     "the server is slow, or its port has no "
                                     "TLS");
        }

        return NGX_OK;

    case NGX_CONSENT_CONN_HANDSHAKE:
        if (ngx_consent_past(conn->until)) {
            return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                                     "no answer to the handshake in time");
        }

        return NGX_OK;
    }

    stall = ngx_consent_confirm_stall(conn);

    if (n && !conn->stalled && conn->role->breaker
        && stall == conn->role->stall)
    {
        (void) ngx_consent_fault(conn, NGX_CONSENT_FAULT_TIMEOUT, 0,
                                 "no reply in time to %ui of %ui commands",
                                 n, conn->ncommands);

        conn->stalled = 1;
        ngx_consent_breaker_fail(conn, 1);
    }

    if (conn->ncommands && ngx_consent_past(conn->heard + stall)) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_STALL, 0,
                                 "no reply for %M ms with %ui commands in "
                                 "flight", stall, conn->ncommands);
    }

    return NGX_OK;
}


/* The breaker open: one worker at a time goes and looks. */

static void
ngx_consent_conn_retry(ngx_consent_conn_t *conn)
{
    conn->retry = 0;

    if (ngx_exiting || conn->node->leaving) {
        if (conn->state == NGX_CONSENT_CONN_BACKOFF) {
            conn->state = NGX_CONSENT_CONN_IDLE;
        }

        return;
    }

    if (conn->state == NGX_CONSENT_CONN_READY
        || !ngx_consent_topology_first(conn, 0))
    {
        ngx_consent_conn_resume(conn, 0);
    }
}


void
ngx_consent_conn_resume(ngx_consent_conn_t *conn, ngx_uint_t wait)
{
    ngx_consent_breaker_t  *breaker;

    breaker = conn->node->breaker;

    if (breaker->open && !ngx_consent_breaker_claim(breaker,
                                                    NGX_CONSENT_PROBE))
    {
        ngx_consent_conn_retry_in(conn, NGX_CONSENT_PROBE / 2
                                        + ngx_random() % NGX_CONSENT_PROBE);
        return;
    }

    switch (conn->state) {

    case NGX_CONSENT_CONN_READY:
        if (breaker->open) {
            ngx_consent_conn_ping(conn);
        }

        break;

    case NGX_CONSENT_CONN_IDLE:
        ngx_consent_conn_connect(conn, 1);
        break;

    case NGX_CONSENT_CONN_BACKOFF:
        ngx_consent_conn_connect(conn, wait);
        break;
    }
}


/*
 * A node of a cluster is asked for a record, and before that for a PONG that
 * nobody waits for: should a reply have been lost on its way, each one is
 * taken for that of the command before, and two kinds in turn show it.
 */

static void
ngx_consent_conn_ping(ngx_consent_conn_t *conn)
{
    ngx_consent_command_t  *cmd;

    cmd = NULL;

    if (conn->node->store->slots) {
        ngx_consent_conn_probe(conn, ngx_consent_conn_pinging(conn), NULL);

        cmd = ngx_consent_lookup_probe(conn);
    }

    if (cmd == NULL) {
        cmd = ngx_consent_conn_pinging(conn);
    }

    ngx_consent_conn_probe(conn, cmd, ngx_consent_conn_pong);

    ngx_consent_conn_retry_in(conn, NGX_CONSENT_PROBE);
}


static ngx_consent_command_t *
ngx_consent_conn_pinging(ngx_consent_conn_t *conn)
{
    static u_char           ping[] = "*1" CRLF "$4" CRLF "PING" CRLF;
    ngx_consent_command_t  *cmd;

    cmd = ngx_consent_command_new(conn, ping, sizeof(ping) - 1);

    if (cmd) {
        cmd->type = NGX_CONSENT_SIMPLE;
    }

    return cmd;
}


static void
ngx_consent_conn_probe(ngx_consent_conn_t *conn, ngx_consent_command_t *cmd,
    ngx_consent_reply_pt handler)
{
    if (cmd == NULL) {
        return;
    }

    ngx_consent_command_stays(cmd);

    cmd->handler = handler;
    cmd->deadline = ngx_current_msec + conn->node->store->conf->timeout;

    ngx_consent_command_send(cmd, NULL);
}


/* An answer in time has closed the breaker already. */

static ngx_int_t
ngx_consent_conn_pong(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    if (reply == NULL) {
        return NGX_ERROR;
    }

    if (ngx_consent_reply_error(reply, "CLUSTERDOWN")) {
        return NGX_DECLINED;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR
        && ngx_consent_fault_kind(reply) != NGX_DECLINED)
    {
        return ngx_consent_refused(cmd, reply);
    }

    return NGX_OK;
}
