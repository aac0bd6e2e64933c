/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static void ngx_consent_command_release(ngx_consent_command_t *cmd);
static void ngx_consent_command_fail(ngx_consent_command_t *cmd,
    ngx_consent_status_e status);
static void ngx_consent_command_link(ngx_consent_command_t *cmd);


ngx_consent_command_t *
ngx_consent_command_new(ngx_consent_conn_t *conn, const u_char *data,
    size_t len)
{
    ngx_queue_t            *q;
    ngx_consent_store_t    *store;
    ngx_consent_command_t  *cmd;

    if (conn->ncommands >= NGX_CONSENT_QUEUE_MAX
        || ngx_consent_buf_size(&conn->out) + len > NGX_CONSENT_OUT_MAX
        || ngx_consent_buf_reserve(&conn->out, len) != NGX_OK)
    {
        return NULL;
    }

    store = conn->node->store;

    if (store->nspare) {
        q = ngx_queue_head(&store->spare);
        ngx_queue_remove(q);
        store->nspare--;

        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

    } else {
        cmd = ngx_alloc(sizeof(ngx_consent_command_t), store->log);
        if (cmd == NULL) {
            return NULL;
        }
    }

    ngx_memzero(cmd, sizeof(ngx_consent_command_t));

    cmd->conn = conn;
    cmd->bytes = conn->out.last;
    cmd->len = len;
    cmd->type = NGX_CONSENT_ARRAY;

    ngx_memcpy(cmd->bytes, data, len);

    return cmd;
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

    cmd->data = NULL;

    if (cmd->call) {
        next->call = cmd->call;
        next->call->command = next;
        cmd->call = NULL;
    }

    ngx_consent_command_link(next);
}


static void
ngx_consent_command_link(ngx_consent_command_t *cmd)
{
    ngx_consent_conn_t  *conn;

    conn = cmd->conn;

    conn->out.last += cmd->len;
    cmd->bytes = NULL;

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

    rc = NGX_OK;

    if (reply->items[0].type != cmd->type
        && reply->items[0].type != NGX_CONSENT_ERROR)
    {
        rc = ngx_consent_unexpected(cmd);

    } else if (cmd->handler) {
        rc = cmd->handler(cmd, reply);

        if (rc == NGX_OK) {
            ngx_consent_conn_good(conn);
        }
    }

    ngx_consent_command_release(cmd);

    return rc;
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

static void
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
    ngx_queue_t            *q;
    ngx_consent_command_t  *cmd;

    while (!ngx_queue_empty(&conn->commands)) {
        q = ngx_queue_head(&conn->commands);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

        ngx_consent_command_fail(cmd, status);
        ngx_consent_command_release(cmd);
    }

    conn->ncommands = 0;

    ngx_consent_queue_trim(conn->node->store, NGX_CONSENT_SPARE_MAX);
}


static void
ngx_consent_command_release(ngx_consent_command_t *cmd)
{
    ngx_consent_store_t  *store;

    if (cmd->data) {
        cmd->cleanup(cmd->data);
        cmd->data = NULL;
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

        ngx_free(ngx_queue_data(q, ngx_consent_command_t, queue));
    }
}
