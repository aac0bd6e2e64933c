/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * idle -> resolving -> connecting -> tls -> handshake -> ready, where the
 * second and the fourth may be left out; a failure leads to backoff and from
 * there to the second again (ngx_consent_retry.c). All I/O goes through the
 * functions of the connection, so that TLS can take their place. What finds a
 * fault notes it and returns NGX_ERROR; the event handlers alone call
 * ngx_consent_conn_fail(), which closes.
 */

static ngx_int_t ngx_consent_conn_peer(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_socket(ngx_consent_conn_t *conn);

static ngx_int_t ngx_consent_conn_connected(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_begin(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_tls(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_advance(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_handshake(ngx_consent_conn_t *conn);
static void ngx_consent_conn_ready(ngx_consent_conn_t *conn);
static void ngx_consent_conn_read(ngx_event_t *rev);
static void ngx_consent_conn_write(ngx_event_t *wev);
static void ngx_consent_conn_flush(ngx_event_t *ev);
static ngx_int_t ngx_consent_conn_receive(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_eof(ngx_consent_conn_t *conn, ssize_t n);
static ngx_int_t ngx_consent_conn_replies(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_conn_reply(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_conn_send(ngx_consent_conn_t *conn);
static void ngx_consent_conn_settle(ngx_consent_conn_t *conn);


void
ngx_consent_conn_init(ngx_consent_conn_t *conn, ngx_consent_node_t *node,
    const ngx_consent_conn_role_t *role)
{
    conn->node = node;
    conn->role = role;

    ngx_queue_init(&conn->commands);

    conn->timer.handler = ngx_consent_conn_timer;
    conn->timer.data = conn;
    conn->timer.log = node->store->log;
    conn->timer.cancelable = 1;

    conn->flush.handler = ngx_consent_conn_flush;
    conn->flush.data = conn;
    conn->flush.log = node->store->log;

    conn->peer.sockaddr = node->addr.sockaddr;
    conn->peer.socklen = node->addr.socklen;
    conn->peer.so_keepalive = (node->addr.sockaddr == NULL
                               || node->addr.sockaddr->sa_family != AF_UNIX);
    conn->peer.name = &node->name;
    conn->peer.get = ngx_event_get_peer;
    conn->peer.log = &conn->log;
    conn->peer.log_error = NGX_ERROR_INFO;
}


void
ngx_consent_conn_destroy(ngx_consent_conn_t *conn)
{
    ngx_consent_conn_close(conn, NGX_CONSENT_STORE_DOWN);

    conn->state = NGX_CONSENT_CONN_IDLE;

    ngx_consent_tls_done(conn);
    ngx_consent_resolve_done(conn);

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }
}


void
ngx_consent_conn_connect(ngx_consent_conn_t *conn, ngx_uint_t wait)
{
    conn->wait = wait;
    conn->retry = 0;
    conn->tried = ngx_current_msec;
    conn->until = ngx_current_msec
                  + (conn->role->patience
                     ? conn->role->patience
                     : conn->node->store->conf->connect_timeout);

    if (conn->node->host.len == 0) {
        ngx_consent_conn_dial(conn);
        return;
    }

    conn->state = NGX_CONSENT_CONN_RESOLVING;

    ngx_consent_conn_wake(conn, conn->until);

    if (ngx_consent_resolve_start(conn) != NGX_OK) {
        ngx_consent_conn_fail(conn);
    }
}


void
ngx_consent_conn_dial(ngx_consent_conn_t *conn)
{
    if (ngx_consent_conn_peer(conn) != NGX_OK) {
        ngx_consent_conn_fail(conn);
    }
}


ngx_int_t
ngx_consent_conn_next(ngx_consent_conn_t *conn)
{
    if (!ngx_consent_resolve_next(conn)) {
        return NGX_ERROR;
    }

    ngx_close_connection(conn->connection);
    conn->connection = NULL;

    return ngx_consent_conn_peer(conn);
}


/* A host may have an address that nobody listens on, and another one. */

static ngx_int_t
ngx_consent_conn_peer(ngx_consent_conn_t *conn)
{
    ngx_int_t  rc;

    do {
        rc = ngx_consent_conn_socket(conn);

    } while (rc == NGX_DECLINED && ngx_consent_resolve_next(conn));

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


/* NGX_DECLINED: not this address. */

static ngx_int_t
ngx_consent_conn_socket(ngx_consent_conn_t *conn)
{
    ngx_int_t          rc;
    ngx_log_t         *log;
    ngx_connection_t  *c;

    log = conn->node->store->log;

    conn->state = NGX_CONSENT_CONN_CONNECTING;

    /*
     * nginx would log each failed connect(), at the crit level for a unix
     * socket that is not there; the breaker does it once
     */

    conn->log = *log;
    conn->log.log_level = ngx_min(log->log_level, NGX_LOG_ALERT);

    ngx_set_socket_errno(0);

    rc = ngx_event_connect_peer(&conn->peer);

    conn->log.log_level = log->log_level;

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        (void) ngx_consent_fault(conn, NGX_CONSENT_FAULT_CONNECT,
                                 ngx_socket_errno, "connect() failed");
        return NGX_DECLINED;
    }

    c = conn->peer.connection;

    conn->connection = c;
    conn->log.connection = c->number;

    c->data = conn;
    c->log = &conn->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_consent_conn_read;
    c->write->handler = ngx_consent_conn_write;
    c->idle = (conn->ncommands == 0);

    /* each of its addresses has a part of the time that is left */

    conn->turn = conn->until;

    if (!ngx_consent_past(conn->until)) {
        conn->turn = ngx_current_msec + (conn->until - ngx_current_msec)
                     / (1 + ngx_consent_resolve_left(conn));
    }

    ngx_consent_conn_wake(conn, conn->turn);

    return rc == NGX_OK ? ngx_consent_conn_begin(conn) : NGX_OK;
}


/* An event before our own handshake. */

static ngx_int_t
ngx_consent_conn_advance(ngx_consent_conn_t *conn)
{
    switch (conn->state) {

    case NGX_CONSENT_CONN_CONNECTING:
        return ngx_consent_conn_connected(conn);

    case NGX_CONSENT_CONN_TLS:
        return ngx_consent_conn_tls(conn);

    default:
        return NGX_OK;
    }
}


/* An event while connecting: see what came out of it. */

static ngx_int_t
ngx_consent_conn_connected(ngx_consent_conn_t *conn)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *c;

    c = conn->connection;
    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        (void) ngx_consent_fault(conn, NGX_CONSENT_FAULT_CONNECT, err,
                                 "connect() failed");

        return ngx_consent_conn_next(conn);
    }

    return ngx_consent_conn_begin(conn);
}


static ngx_int_t
ngx_consent_conn_begin(ngx_consent_conn_t *conn)
{
    if (ngx_tcp_nodelay(conn->connection) != NGX_OK) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                                 "setsockopt() failed");
    }

    if (conn->node->store->conf->ssl == NULL) {
        return ngx_consent_conn_handshake(conn);
    }

    conn->state = NGX_CONSENT_CONN_TLS;

    if (ngx_consent_tls_start(conn) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_consent_conn_tls(conn);
}


static ngx_int_t
ngx_consent_conn_tls(ngx_consent_conn_t *conn)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    rc = ngx_consent_tls_handshake(conn);

    if (rc == NGX_AGAIN) {
        c = conn->connection;

        c->read->handler = ngx_consent_conn_read;
        c->write->handler = ngx_consent_conn_write;

        return NGX_OK;
    }

    return rc == NGX_OK ? ngx_consent_conn_handshake(conn) : NGX_ERROR;
}


static ngx_int_t
ngx_consent_conn_handshake(ngx_consent_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->connection;

    conn->state = NGX_CONSENT_CONN_HANDSHAKE;

    conn->reader = ngx_consent_reader_create();
    conn->in = ngx_calloc(NGX_CONSENT_READ_SIZE, c->log);

    if (conn->reader == NULL || conn->in == NULL
        || ngx_consent_handshake_start(conn) != NGX_OK)
    {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                                 "no memory for a connection");
    }

    if (conn->role->elements) {
        ngx_consent_reader_limit(conn->reader, conn->role->elements,
                                 conn->role->size);
    }

    return ngx_consent_conn_send(conn);
}


/* What waited goes out at the end of this turn. */

static void
ngx_consent_conn_ready(ngx_consent_conn_t *conn)
{
    conn->state = NGX_CONSENT_CONN_READY;
    conn->heard = ngx_current_msec;
    conn->stalled = 0;

    ngx_consent_buf_free(&conn->hello);

    conn->role->ready(conn);

    if (conn->ncommands && !conn->flush.posted) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }
}


static void
ngx_consent_conn_read(ngx_event_t *rev)
{
    ngx_connection_t    *c;
    ngx_consent_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close) {
        conn->role->leave(conn);
        return;
    }

    if (ngx_consent_conn_advance(conn) != NGX_OK) {
        ngx_consent_conn_fail(conn);
        return;
    }

    if (conn->state < NGX_CONSENT_CONN_HANDSHAKE) {
        return;
    }

    if (ngx_consent_conn_receive(conn) != NGX_OK) {
        ngx_consent_conn_fail(conn);
        return;
    }

    ngx_consent_conn_settle(conn);
}


static void
ngx_consent_conn_write(ngx_event_t *wev)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_consent_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    rc = ngx_consent_conn_advance(conn);

    if (rc == NGX_OK && conn->state >= NGX_CONSENT_CONN_HANDSHAKE) {
        rc = ngx_consent_conn_send(conn);
    }

    if (rc != NGX_OK) {
        ngx_consent_conn_fail(conn);
    }
}


static void
ngx_consent_conn_flush(ngx_event_t *ev)
{
    ngx_consent_conn_t  *conn;

    conn = ev->data;

    if (conn->state == NGX_CONSENT_CONN_READY
        && ngx_consent_conn_send(conn) != NGX_OK)
    {
        ngx_consent_conn_fail(conn);
    }
}


static ngx_int_t
ngx_consent_conn_receive(ngx_consent_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = conn->connection;

    for ( ;; ) {
        n = c->recv(c, conn->in, NGX_CONSENT_READ_SIZE);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            return ngx_consent_conn_eof(conn, n);
        }

        if (!ngx_consent_reader_feed(conn->reader, conn->in, n)) {
            return ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                                     "%s",
                                     ngx_consent_reader_error(conn->reader));
        }

        if (ngx_consent_conn_replies(conn) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_LOST, 0,
                                 "cannot wait for replies");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_consent_conn_eof(ngx_consent_conn_t *conn, ssize_t n)
{
    ngx_err_t  err;

    err = (n == NGX_ERROR) ? ngx_socket_errno : 0;

    if (conn->state != NGX_CONSENT_CONN_READY) {

        if (ngx_consent_tls_fault(conn)) {
            return NGX_ERROR;
        }

        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, err,
                                 "connection closed during the handshake%s",
                                 conn->nanswered || conn->node->store->conf->ssl
                                 ? "" : ": if this is a TLS port, set "
                                        "\"tls on\" in \"consent_store\"");
    }

    return ngx_consent_fault(conn, NGX_CONSENT_FAULT_LOST, err,
                             "connection closed with %ui commands in flight",
                             conn->ncommands);
}


static ngx_int_t
ngx_consent_conn_replies(ngx_consent_conn_t *conn)
{
    int                  rc;
    ngx_consent_reply_t  reply;

    for ( ;; ) {
        rc = ngx_consent_reader_next(conn->reader, &reply);

        if (rc == 0) {
            return NGX_OK;
        }

        if (rc < 0) {
            return ngx_consent_fault_protocol(conn);
        }

        if (ngx_consent_conn_reply(conn, &reply) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_consent_conn_reply(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t  rc;

    if (conn->state == NGX_CONSENT_CONN_READY) {
        conn->heard = ngx_current_msec;
        conn->stalled = 0;

        rc = conn->role->message ? conn->role->message(conn, reply)
                                 : NGX_DECLINED;

        return rc == NGX_DECLINED ? ngx_consent_queue_reply(conn, reply) : rc;
    }

    rc = ngx_consent_handshake_reply(conn, reply);

    if (rc == NGX_OK) {
        ngx_consent_conn_ready(conn);
    }

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_consent_conn_send(ngx_consent_conn_t *conn)
{
    ssize_t             n;
    ngx_connection_t   *c;
    ngx_consent_buf_t  *b;

    c = conn->connection;
    b = (conn->state == NGX_CONSENT_CONN_READY) ? &conn->out : &conn->hello;

    while (b->pos < b->last && c->write->ready) {
        n = c->send(c, b->pos, ngx_consent_buf_size(b));

        if (n == NGX_ERROR && conn->state == NGX_CONSENT_CONN_HANDSHAKE) {
            /* read why it was closed */
            break;
        }

        if (n == NGX_ERROR) {
            return ngx_consent_conn_eof(conn, n);
        }

        if (n <= 0) {
            break;
        }

        b->pos += n;
    }

    if (b->pos == b->last) {
        b->pos = b->start;
        b->last = b->start;

        if (b->end - b->start > NGX_CONSENT_KEEP_BUFFER) {
            ngx_consent_buf_free(b);
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_LOST, 0,
                                 "cannot wait to send");
    }

    return NGX_OK;
}


/* After replies: a worker that exits may go, or the socket would hold it. */

static void
ngx_consent_conn_settle(ngx_consent_conn_t *conn)
{
    if (conn->ncommands) {
        return;
    }

    conn->connection->idle = 1;

    if (ngx_exiting) {
        conn->role->leave(conn);
    }
}


void
ngx_consent_conn_close(ngx_consent_conn_t *conn, ngx_consent_status_e status)
{
    ngx_consent_resolve_cancel(conn);

    if (conn->connection) {
        ngx_consent_tls_close(conn);
        ngx_close_connection(conn->connection);
        conn->connection = NULL;
    }

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->reader) {
        ngx_consent_reader_free(conn->reader);
        conn->reader = NULL;
    }

    if (conn->in) {
        ngx_free(conn->in);
        conn->in = NULL;
    }

    ngx_consent_buf_free(&conn->hello);
    ngx_consent_buf_free(&conn->out);

    conn->retry = 0;
    conn->stalled = 0;

    ngx_consent_queue_fail(conn, status);
}
