/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * What is kept of one subject, read for the subject: the record, then the
 * bucket of its events from the newest to the oldest, a page at a time. On a
 * connection of its own, so that no lookup waits behind a page, and for one
 * subject at a time, so that Redis never does more than one page for a worker.
 * Others wait in a queue; the connection closes when there is nobody left.
 *
 * What was written under a previous key is read after what is under the
 * current one.
 */

#define NGX_CONSENT_WALKS      16       /* that wait */
#define NGX_CONSENT_WALK_TIME  10000    /* ms, from start to end */


static void ngx_consent_walk_next(ngx_event_t *ev);
static void ngx_consent_walk_begin(ngx_consent_walks_t *walks,
    ngx_consent_walk_t *walk);
static ngx_int_t ngx_consent_walk_aim(ngx_consent_walks_t *walks);
static void ngx_consent_walk_copy(ngx_str_t *to, const ngx_str_t *from,
    u_char *buf);
static void ngx_consent_walk_done(ngx_event_t *ev);
static void ngx_consent_walk_ready(ngx_consent_conn_t *conn);
static void ngx_consent_walk_failed(ngx_consent_conn_t *conn);
static void ngx_consent_walk_leave(ngx_consent_conn_t *conn);


static const ngx_consent_conn_role_t  ngx_consent_walk_role = {
    .name = "consent-gate-export",
    .stall = NGX_CONSENT_STALL,
    .ready = ngx_consent_walk_ready,
    .failed = ngx_consent_walk_failed,
    .leave = ngx_consent_walk_leave,
    .data = 1
};


ngx_int_t
ngx_consent_walk_init(ngx_cycle_t *cycle, ngx_consent_store_t *store)
{
    ngx_consent_walks_t  *walks;

    walks = ngx_pcalloc(cycle->pool, sizeof(ngx_consent_walks_t));
    if (walks == NULL) {
        return NGX_ERROR;
    }

    walks->store = store;
    walks->node.store = store;

    ngx_queue_init(&walks->queue);

    walks->next.handler = ngx_consent_walk_next;
    walks->next.data = walks;
    walks->next.log = store->log;

    store->walks = walks;

    return NGX_OK;
}


/* The askers are gone by now, or will not be told. */

void
ngx_consent_walks_done(ngx_consent_store_t *store)
{
    ngx_consent_walks_t  *walks;

    walks = store->walks;

    walks->active = NULL;

    if (walks->aimed) {
        ngx_consent_conn_destroy(&walks->node.conn);
    }

    if (walks->next.posted) {
        ngx_delete_posted_event(&walks->next);
    }
}


ngx_int_t
ngx_consent_store_walk(ngx_consent_store_t *store, ngx_consent_walk_t *walk)
{
    ngx_consent_walks_t  *walks;

    walks = store->walks;

    ngx_memzero(&walk->event, sizeof(ngx_event_t));

    walk->event.handler = ngx_consent_walk_done;
    walk->event.data = walk;
    walk->event.log = store->log;
    walk->walks = NULL;
    walk->deadline = ngx_current_msec + NGX_CONSENT_WALK_TIME;
    walk->whole = 0;

    if (walks->nqueue == NGX_CONSENT_WALKS) {
        walk->status = NGX_CONSENT_STORE_FULL;
        return NGX_OK;
    }

    walk->walks = walks;
    ngx_queue_insert_tail(&walks->queue, &walk->queue);
    walks->nqueue++;

    if (walks->active == NULL && !walks->next.posted) {
        ngx_post_event(&walks->next, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


void
ngx_consent_store_walk_cancel(ngx_consent_walk_t *walk)
{
    ngx_consent_walks_t  *walks;

    if (walk->event.posted) {
        ngx_delete_posted_event(&walk->event);
    }

    walks = walk->walks;
    walk->walks = NULL;

    if (walks == NULL) {
        return;
    }

    if (walks->active == walk) {

        /* what is under way for it cannot be taken back: begin anew */

        walks->active = NULL;
        ngx_consent_walk_leave(&walks->node.conn);

        if (!walks->next.posted) {
            ngx_post_event(&walks->next, &ngx_posted_events);
        }

        return;
    }

    ngx_queue_remove(&walk->queue);
    walks->nqueue--;
}


static void
ngx_consent_walk_next(ngx_event_t *ev)
{
    ngx_queue_t          *q;
    ngx_consent_walk_t   *walk;
    ngx_consent_walks_t  *walks;

    walks = ev->data;

    if (walks->active) {
        return;
    }

    if (ngx_queue_empty(&walks->queue)) {

        if (walks->aimed) {
            ngx_consent_walk_leave(&walks->node.conn);
        }

        return;
    }

    q = ngx_queue_head(&walks->queue);
    ngx_queue_remove(q);
    walks->nqueue--;

    walk = ngx_queue_data(q, ngx_consent_walk_t, queue);

    ngx_consent_walk_begin(walks, walk);
}


static void
ngx_consent_walk_begin(ngx_consent_walks_t *walks, ngx_consent_walk_t *walk)
{
    walks->active = walk;
    walks->previous = 0;

    if (ngx_consent_walk_aim(walks) != NGX_OK) {
        ngx_consent_walk_end(walks, NGX_CONSENT_STORE_DOWN);
        return;
    }

    /* a worker that exits waits for whoever waits */
    walks->node.conn.live++;

    ngx_consent_walk_ask_record(walks);
}


/*
 * The server is the one that a lookup would ask. What is known of it is
 * copied: it may go before our connection does.
 */

static ngx_int_t
ngx_consent_walk_aim(ngx_consent_walks_t *walks)
{
    ngx_consent_call_t   probe;
    ngx_consent_node_t  *node, *from;
    ngx_consent_conn_t  *conn;

    ngx_memzero(&probe, sizeof(ngx_consent_call_t));

    probe.subject = walks->active->subject;

    conn = ngx_consent_call_start(walks->store, &probe,
                                  walks->store->conf->timeout);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    node = &walks->node;
    from = conn->node;

    if (from->addr.sockaddr == NULL && from->host.len == 0) {
        /* nobody knows yet where the master is */
        return NGX_ERROR;
    }

    if (walks->aimed) {
        ngx_consent_conn_destroy(&node->conn);
    }

    ngx_memzero(node, sizeof(ngx_consent_node_t));

    node->store = walks->store;
    node->addr = from->addr;
    node->port = from->port;
    node->breaker = from->breaker;

    if (from->addr.sockaddr) {
        ngx_memcpy(&walks->sockaddr, from->addr.sockaddr,
                   from->addr.socklen);
        node->addr.sockaddr = &walks->sockaddr.sockaddr;
    }

    ngx_consent_walk_copy(&node->name, &from->name, walks->name);
    ngx_consent_walk_copy(&node->host, &from->host, walks->host);

    ngx_consent_conn_init(&node->conn, node, &ngx_consent_walk_role);
    walks->aimed = 1;

    ngx_consent_conn_connect(&node->conn, 1);

    if (node->conn.connection) {
        node->conn.connection->idle = 0;
    }

    return node->conn.state == NGX_CONSENT_CONN_IDLE ? NGX_ERROR : NGX_OK;
}


static void
ngx_consent_walk_copy(ngx_str_t *to, const ngx_str_t *from, u_char *buf)
{
    to->data = buf;
    to->len = ngx_min(from->len, NGX_CONSENT_HOST_LEN);

    if (to->len) {
        ngx_memcpy(buf, from->data, to->len);
    }
}


void
ngx_consent_walk_end(ngx_consent_walks_t *walks, ngx_consent_status_e status)
{
    ngx_consent_walk_t  *walk;

    walk = walks->active;

    if (walk == NULL) {
        return;
    }

    walks->active = NULL;

    walk->walks = NULL;
    walk->status = status;
    walk->whole &= (status == NGX_CONSENT_STORE_OK);

    ngx_post_event(&walk->event, &ngx_posted_events);

    if (!walks->next.posted) {
        ngx_post_event(&walks->next, &ngx_posted_events);
    }
}


static void
ngx_consent_walk_done(ngx_event_t *ev)
{
    ngx_consent_walk_t  *walk;

    walk = ev->data;

    walk->done(walk);
}


ngx_consent_walks_t *
ngx_consent_walks_of(ngx_consent_conn_t *conn)
{
    return (ngx_consent_walks_t *) ((u_char *) conn->node
                                    - offsetof(ngx_consent_walks_t, node));
}


/* The command that waits goes out by itself. */

static void
ngx_consent_walk_ready(ngx_consent_conn_t *conn)
{
    conn->connection->idle = 0;
}


static void
ngx_consent_walk_failed(ngx_consent_conn_t *conn)
{
    ngx_consent_walk_end(ngx_consent_walks_of(conn),
                         conn->state == NGX_CONSENT_CONN_READY
                         ? NGX_CONSENT_STORE_LOST : NGX_CONSENT_STORE_DOWN);

    ngx_log_error(NGX_LOG_WARN, conn->node->store->log, conn->fault.err,
                  "consent store %V: an export is cut short: %V",
                  &conn->node->name, &conn->fault.text);

    ngx_consent_walk_leave(conn);
}


static void
ngx_consent_walk_leave(ngx_consent_conn_t *conn)
{
    ngx_consent_walk_end(ngx_consent_walks_of(conn), NGX_CONSENT_STORE_LOST);

    ngx_consent_conn_close(conn, NGX_CONSENT_STORE_LOST);

    conn->state = NGX_CONSENT_CONN_IDLE;
    conn->live = 0;
    conn->timer.cancelable = 1;
}
