/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_consent_command_t *ngx_consent_command_get(
    ngx_consent_store_t *store);
static ngx_int_t ngx_consent_command_keep(ngx_consent_command_t *cmd,
    const u_char *data, size_t len);
static ngx_int_t ngx_consent_command_asking(ngx_consent_command_t *cmd,
    ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_command_asked(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static void ngx_consent_command_free(ngx_consent_command_t *cmd);
static ngx_int_t ngx_consent_queue_answer(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static void ngx_consent_command_link(ngx_consent_command_t *cmd);


ngx_consent_command_t *
ngx_consent_command_new(ngx_consent_conn_t *conn, const u_char *data,
    size_t len)
{
    ngx_consent_command_t  *cmd;

    if (conn->ncommands >= NGX_CONSENT_QUEUE_MAX
        || ngx_consent_buf_size(&conn->out) + len > NGX_CONSENT_OUT_MAX
        || ngx_consent_buf_reserve(&conn->out, len) != NGX_OK)
    {
        return NULL;
    }

    cmd = ngx_consent_command_get(conn->node->store);
    if (cmd == NULL) {
        return NULL;
    }

    cmd->conn = conn;
    cmd->bytes = conn->out.last;
    cmd->len = len;
    cmd->type = NGX_CONSENT_ARRAY;

    if (!conn->role->movable
        || conn->node->store->conf->topology == NGX_CONSENT_SINGLE)
    {
        ngx_memcpy(cmd->bytes, data, len);

    } else if (ngx_consent_command_keep(cmd, data, len) != NGX_OK) {
        ngx_consent_command_release(cmd);
        return NULL;
    }

    return cmd;
}


ngx_consent_command_t *
ngx_consent_command_buf(ngx_consent_conn_t *conn, ngx_consent_buf_t *b)
{
    ngx_consent_command_t  *cmd;

    cmd = NULL;

    if (!b->failed) {
        cmd = ngx_consent_command_new(conn, b->pos, ngx_consent_buf_size(b));
    }

    ngx_consent_buf_free(b);

    return cmd;
}


static ngx_consent_command_t *
ngx_consent_command_get(ngx_consent_store_t *store)
{
    u_char                 *copy;
    size_t                  size;
    ngx_queue_t            *q;
    ngx_consent_command_t  *cmd;

    if (store->nspare == 0) {
        return ngx_calloc(sizeof(ngx_consent_command_t), store->log);
    }

    q = ngx_queue_head(&store->spare);
    ngx_queue_remove(q);
    store->nspare--;

    cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

    copy = cmd->copy;
    size = cmd->copy_size;

    ngx_memzero(cmd, sizeof(ngx_consent_command_t));

    cmd->copy = copy;
    cmd->copy_size = size;

    return cmd;
}


/* Its bytes stay with it, so that it can be sent elsewhere. */

static ngx_int_t
ngx_consent_command_keep(ngx_consent_command_t *cmd, const u_char *data,
    size_t len)
{
    if (cmd->copy_size < len) {

        if (cmd->copy) {
            ngx_free(cmd->copy);
        }

        cmd->copy_size = ngx_align(len, 256);
        cmd->copy = ngx_alloc(cmd->copy_size, cmd->conn->node->store->log);

        if (cmd->copy == NULL) {
            cmd->copy_size = 0;
            return NGX_ERROR;
        }
    }

    ngx_memcpy(cmd->copy, data, len);

    cmd->bytes = cmd->copy;
    cmd->kept = 1;

    return NGX_OK;
}


ngx_int_t
ngx_consent_command_move(ngx_consent_command_t *cmd, ngx_consent_conn_t *conn)
{
    if (conn->ncommands >= NGX_CONSENT_QUEUE_MAX
        || ngx_consent_buf_size(&conn->out) + cmd->len > NGX_CONSENT_OUT_MAX
        || (cmd->asking && ngx_consent_command_asking(cmd, conn) != NGX_OK)
        || ngx_consent_buf_reserve(&conn->out, cmd->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cmd->call) {
        conn->live++;

        if (--cmd->conn->live == 0) {
            cmd->conn->timer.cancelable = 1;
        }
    }

    cmd->conn = conn;

    ngx_consent_command_link(cmd);

    return NGX_OK;
}


/* It is about the next command, and has a reply of its own. */

static ngx_int_t
ngx_consent_command_asking(ngx_consent_command_t *cmd,
    ngx_consent_conn_t *conn)
{
    static u_char           asking[] = "*1" CRLF "$6" CRLF "ASKING" CRLF;
    ngx_consent_command_t  *ask;

    ask = ngx_consent_command_new(conn, asking, sizeof(asking) - 1);
    if (ask == NULL) {
        return NGX_ERROR;
    }

    ngx_consent_command_stays(ask);

    ask->handler = ngx_consent_command_asked;
    ask->type = NGX_CONSENT_SIMPLE;
    ask->deadline = cmd->deadline;

    ngx_consent_command_send(ask, NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_consent_command_asked(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    if (reply && reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    return NGX_OK;
}


void
ngx_consent_command_stays(ngx_consent_command_t *cmd)
{
    if (!cmd->kept) {
        return;
    }

    cmd->kept = 0;
    cmd->bytes = cmd->conn->out.last;

    ngx_memcpy(cmd->bytes, cmd->copy, cmd->len);
}


void
ngx_consent_command_send(ngx_consent_command_t *cmd, ngx_consent_call_t *call)
{
    if (call) {
        cmd->call = call;
        call->command = cmd;
        cmd->conn->live++;
    }

    ngx_consent_command_link(cmd);
}


void
ngx_consent_command_follow(ngx_consent_command_t *next,
    ngx_consent_command_t *cmd)
{
    if (next == NULL) {
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_FULL);
        return;
    }

    next->handler = cmd->handler;
    next->deadline = cmd->deadline;
    next->data = cmd->data;
    next->cleanup = cmd->cleanup;
    next->repeat = cmd->repeat;
    next->hops = cmd->hops;

    cmd->data = NULL;

    if (next->conn == cmd->conn) {
        next->asking = cmd->asking;
    }

    if (cmd->call) {
        next->call = cmd->call;
        next->call->command = next;
        next->conn->live++;

        cmd->call = NULL;
        cmd->conn->live--;
    }

    if (next->asking
        && ngx_consent_command_asking(next, next->conn) != NGX_OK)
    {
        /* it is told where to go, and goes there once more */
        next->asking = 0;
    }

    ngx_consent_command_link(next);
}


static void
ngx_consent_command_link(ngx_consent_command_t *cmd)
{
    ngx_consent_conn_t  *conn;

    conn = cmd->conn;

    if (!cmd->kept) {
        conn->out.last += cmd->len;
        cmd->bytes = NULL;

    } else if (conn != &conn->node->store->lobby.conn) {
        ngx_consent_buf_add(&conn->out, cmd->bytes, cmd->len);
    }

    if (conn->ncommands++ == 0) {
        conn->heard = ngx_current_msec;

        if (conn->connection && conn->role->breaker) {
            conn->connection->idle = 0;
        }
    }

    ngx_queue_insert_tail(&conn->commands, &cmd->queue);

    ngx_consent_conn_wake(conn, cmd->deadline);

    if (conn->state == NGX_CONSENT_CONN_READY && !conn->flush.posted) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }
}


void
ngx_consent_command_finish(ngx_consent_command_t *cmd,
    ngx_consent_status_e status)
{
    ngx_consent_call_t  *call;

    call = cmd->call;

    if (call) {
        ngx_consent_command_forget(cmd);

        call->status = status;

        ngx_post_event(&call->event, &ngx_posted_events);
    }
}


/*
 * The timer keeps a worker that exits from leaving as long as somebody waits,
 * and not for a reply that would be dropped.
 */

void
ngx_consent_command_forget(ngx_consent_command_t *cmd)
{
    cmd->call->command = NULL;
    cmd->call = NULL;

    if (--cmd->conn->live == 0) {
        cmd->conn->timer.cancelable = 1;
    }
}


/*
 * A reply in time is a sign of health, whatever it says; a late one is not.
 * That of a command that nobody waits for is looked at all the same: should
 * it not fit, neither will those after it.
 */

ngx_int_t
ngx_consent_queue_reply(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t               rc;
    ngx_queue_t            *q;
    ngx_consent_command_t  *cmd;

    if (ngx_queue_empty(&conn->commands)) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                                 "reply that nobody has asked for");
    }

    q = ngx_queue_head(&conn->commands);
    ngx_queue_remove(q);
    conn->ncommands--;

    cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        rc = ngx_consent_redirect(cmd, reply);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    rc = ngx_consent_queue_answer(cmd, reply);

    if (rc == NGX_DONE) {
        return NGX_OK;
    }

    ngx_consent_command_release(cmd);

    return rc;
}


static ngx_int_t
ngx_consent_queue_answer(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t  rc;

    if (cmd->type != NGX_CONSENT_ANY
        && reply->items[0].type != cmd->type
        && reply->items[0].type != NGX_CONSENT_ERROR)
    {
        ngx_consent_command_fail(cmd, NGX_CONSENT_STORE_PROTOCOL);
        return ngx_consent_unexpected(cmd);
    }

    if (cmd->handler == NULL) {
        return NGX_OK;
    }

    rc = cmd->handler(cmd, reply);

    if (rc == NGX_OK || rc == NGX_DONE) {
        ngx_consent_conn_good(cmd->conn);
    }

    return rc == NGX_DECLINED ? NGX_OK : rc;
}


ngx_uint_t
ngx_consent_queue_expire(ngx_consent_conn_t *conn, ngx_msec_t *delay)
{
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_consent_command_t  *cmd;

    n = 0;

    for (q = ngx_queue_head(&conn->commands);
         q != ngx_queue_sentinel(&conn->commands);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

        if (cmd->handler == NULL) {
            continue;
        }

        if (ngx_consent_past(cmd->deadline)) {
            ngx_consent_command_fail(cmd, NGX_CONSENT_STORE_TIMEOUT);
            n++;

        } else {
            *delay = ngx_consent_sooner(*delay, cmd->deadline);
        }
    }

    return n;
}


/*
 * Handlers of failures add no commands: there is no connection for them, and
 * the walk through the queue would not end.
 */

void
ngx_consent_command_fail(ngx_consent_command_t *cmd,
    ngx_consent_status_e status)
{
    ngx_consent_reply_pt  handler;

    handler = cmd->handler;

    cmd->handler = NULL;
    cmd->status = status;

    if (handler) {
        (void) handler(cmd, NULL);
    }
}


void
ngx_consent_queue_fail(ngx_consent_conn_t *conn, ngx_consent_status_e status)
{
    ngx_uint_t              sent, mend;
    ngx_queue_t            *q;
    ngx_consent_command_t  *cmd;

    sent = (conn->state == NGX_CONSENT_CONN_READY);
    mend = (status != NGX_CONSENT_STORE_PROTOCOL);

    while (!ngx_queue_empty(&conn->commands)) {
        q = ngx_queue_head(&conn->commands);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

        if (mend && ngx_consent_redirect_lost(cmd, sent)) {
            continue;
        }

        ngx_consent_command_fail(cmd, status);
        ngx_consent_command_release(cmd);
    }

    conn->ncommands = 0;

    ngx_consent_queue_trim(conn->node->store, NGX_CONSENT_SPARE_MAX);
}


void
ngx_consent_command_release(ngx_consent_command_t *cmd)
{
    ngx_consent_store_t  *store;

    if (cmd->data) {
        cmd->cleanup(cmd->data);
        cmd->data = NULL;
    }

    if (cmd->copy_size > NGX_CONSENT_KEEP_COPY) {
        ngx_free(cmd->copy);
        cmd->copy = NULL;
        cmd->copy_size = 0;
    }

    store = cmd->conn->node->store;

    ngx_queue_insert_head(&store->spare, &cmd->queue);
    store->nspare++;
}


void
ngx_consent_queue_trim(ngx_consent_store_t *store, ngx_uint_t keep)
{
    ngx_queue_t  *q;

    while (store->nspare > keep) {
        q = ngx_queue_head(&store->spare);
        ngx_queue_remove(q);
        store->nspare--;

        ngx_consent_command_free(ngx_queue_data(q, ngx_consent_command_t,
                                                queue));
    }
}


static void
ngx_consent_command_free(ngx_consent_command_t *cmd)
{
    if (cmd->copy) {
        ngx_free(cmd->copy);
    }

    ngx_free(cmd);
}
