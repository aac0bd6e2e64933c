/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_int_t ngx_consent_redirect_moved(ngx_consent_command_t *cmd,
    const cg_redirect_t *redirect);
static ngx_int_t ngx_consent_redirect_down(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_redirect_close(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply, ngx_consent_fault_e kind);
static void ngx_consent_redirect_too_often(ngx_consent_command_t *cmd,
    const cg_redirect_t *redirect);
static ngx_uint_t ngx_consent_redirect_readonly(
    const ngx_consent_reply_t *reply);
static void ngx_consent_redirect_fail(ngx_consent_command_t *cmd,
    ngx_consent_status_e status);
static void ngx_consent_lobby_park(ngx_consent_command_t *cmd,
    ngx_msec_t delay);
static void ngx_consent_lobby_timer(ngx_event_t *ev);
static void ngx_consent_lobby_try(ngx_consent_command_t *cmd);
static ngx_consent_conn_t *ngx_consent_lobby_route(
    ngx_consent_command_t *cmd);
static ngx_uint_t ngx_consent_lobby_key(ngx_consent_command_t *cmd,
    cg_str_t *key);
static ngx_uint_t ngx_consent_lobby_word(u_char **pos, u_char *last,
    cg_str_t *word);


/*
 * The lobby is where commands are that no node can be sent now, until there is
 * one or their time has come: a connection that never connects, so that they
 * are in a queue like all others.
 */

static const ngx_consent_conn_role_t  ngx_consent_lobby_role = {
    .name = "lobby",
    .movable = 1
};


void
ngx_consent_lobby_init(ngx_consent_store_t *store)
{
    ngx_consent_conn_t  *conn;

    ngx_str_set(&store->lobby.name, "(no node)");
    store->lobby.store = store;

    conn = &store->lobby.conn;
    conn->node = &store->lobby;
    conn->role = &ngx_consent_lobby_role;

    ngx_queue_init(&conn->commands);

    conn->timer.handler = ngx_consent_lobby_timer;
    conn->timer.data = conn;
    conn->timer.log = store->log;
    conn->timer.cancelable = 1;
}


void
ngx_consent_lobby_done(ngx_consent_store_t *store)
{
    ngx_consent_conn_destroy(&store->lobby.conn);
}


ngx_int_t
ngx_consent_redirect(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    cg_redirect_t  redirect;

    if (!cmd->kept || cmd->handler == NULL) {
        return NGX_DECLINED;
    }

    if (cg_redirect_parse(&redirect, reply->items[0].str)) {
        return cmd->conn->node->store->slots
               ? ngx_consent_redirect_moved(cmd, &redirect)
               : NGX_DECLINED;
    }

    if (ngx_consent_reply_error(reply, "TRYAGAIN")) {
        ngx_consent_lobby_park(cmd, NGX_CONSENT_PARKED);
        return NGX_OK;
    }

    if (ngx_consent_reply_error(reply, "CLUSTERDOWN")) {
        return ngx_consent_redirect_down(cmd, reply);
    }

    if (ngx_consent_reply_error(reply, "LOADING")
        || ngx_consent_reply_error(reply, "MASTERDOWN"))
    {
        return ngx_consent_redirect_close(cmd, reply,
                                          NGX_CONSENT_FAULT_LOADING);
    }

    if (ngx_consent_redirect_readonly(reply)) {
        return ngx_consent_redirect_close(cmd, reply,
                                          NGX_CONSENT_FAULT_ROLE);
    }

    return NGX_DECLINED;
}


/*
 * MOVED is for good, ASK for once. A node that has been left and does not know
 * it yet, and the one that has come: it ends after a few hops.
 */

static ngx_int_t
ngx_consent_redirect_moved(ngx_consent_command_t *cmd,
    const cg_redirect_t *redirect)
{
    ngx_consent_conn_t   *conn;
    ngx_consent_node_t   *node;
    ngx_consent_store_t  *store;

    conn = cmd->conn;
    store = conn->node->store;

    ngx_consent_conn_good(conn);

    if (!redirect->ask) {
        ngx_consent_topology_doubt(store, 0);
    }

    if (++cmd->hops > NGX_CONSENT_MAX_HOPS) {
        ngx_consent_redirect_too_often(cmd, redirect);
        ngx_consent_redirect_fail(cmd, NGX_CONSENT_STORE_REFUSED);
        return NGX_OK;
    }

    node = ngx_consent_node_get(store, redirect->host, redirect->port,
                                conn->node);
    if (node == NULL) {
        ngx_consent_lobby_park(cmd, NGX_CONSENT_PARKED);
        return NGX_OK;
    }

    node->stays = (ngx_current_msec + NGX_CONSENT_GUEST) | 1;
    cmd->asking = redirect->ask;

    if (!redirect->ask) {
        ngx_consent_cluster_patch(store, redirect->slot, node);
    }

    conn = NULL;

    if (ngx_consent_conn_open(&node->conn) == NGX_OK) {
        conn = ngx_consent_writer_choose(node, cmd);
    }

    if (conn == NULL || ngx_consent_command_move(cmd, conn) != NGX_OK) {
        ngx_consent_lobby_park(cmd, NGX_CONSENT_PARKED);
    }

    return NGX_OK;
}


static void
ngx_consent_redirect_too_often(ngx_consent_command_t *cmd,
    const cg_redirect_t *redirect)
{
    ngx_str_t            more;
    ngx_consent_node_t  *node;

    node = cmd->conn->node;

    if (ngx_consent_line(node->store, NGX_CONSENT_LINE_TOPOLOGY, &more)) {
        ngx_log_error(NGX_LOG_ERR, node->store->log, 0,
                      "consent store %V: sent elsewhere more than %d times "
                      "for slot %d, at last to %*s:%d%V: the nodes of the "
                      "cluster do not agree",
                      &node->name, NGX_CONSENT_MAX_HOPS, (int) redirect->slot,
                      redirect->host.len, redirect->host.data,
                      (int) redirect->port, &more);
    }
}


/* A failure of the node, as far as we are concerned. */

static ngx_int_t
ngx_consent_redirect_down(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_conn_t  *conn;

    conn = cmd->conn;

    (void) ngx_consent_fault_reply(conn, NGX_CONSENT_FAULT_CLUSTER, reply);

    ngx_consent_breaker_fail(conn, 1);
    ngx_consent_topology_doubt(conn->node->store, 0);

    ngx_consent_redirect_fail(cmd, NGX_CONSENT_STORE_DOWN);

    return NGX_OK;
}


/* The node is none to talk to: what it has refused is told to another. */

static ngx_int_t
ngx_consent_redirect_close(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply, ngx_consent_fault_e kind)
{
    ngx_consent_conn_t  *conn;

    conn = cmd->conn;

    ngx_consent_lobby_park(cmd, NGX_CONSENT_PARKED);
    ngx_consent_topology_doubt(conn->node->store, 0);

    if (kind == NGX_CONSENT_FAULT_ROLE) {
        return ngx_consent_fault(conn, kind, 0, "no master any more");
    }

    return ngx_consent_fault_reply(conn, kind, reply);
}


/* In a script Redis 6 has it behind words of its own. */

static ngx_uint_t
ngx_consent_redirect_readonly(const ngx_consent_reply_t *reply)
{
    cg_str_t  text;

    text = reply->items[0].str;

    return ngx_consent_reply_error(reply, "READONLY")
           || (ngx_consent_reply_error(reply, "ERR")
               && ngx_strlcasestrn((u_char *) text.data,
                                   (u_char *) text.data + text.len,
                                   (u_char *) "-readonly ", 9));
}


static void
ngx_consent_redirect_fail(ngx_consent_command_t *cmd,
    ngx_consent_status_e status)
{
    ngx_consent_command_fail(cmd, status);
    ngx_consent_command_release(cmd);
}


/* Nobody waits, and nothing would come of it: that can go. */

ngx_uint_t
ngx_consent_redirect_lost(ngx_consent_command_t *cmd, ngx_uint_t sent)
{
    ngx_consent_store_t  *store;

    store = cmd->conn->node->store;

    if (!cmd->kept || cmd->handler == NULL || (sent && !cmd->repeat)
        || (cmd->call == NULL && cmd->data == NULL)
        || cmd->conn == &store->lobby.conn
        || store->closing || ngx_exiting
        || ngx_consent_past(cmd->deadline))
    {
        return 0;
    }

    ngx_consent_lobby_park(cmd, 0);

    return 1;
}


static void
ngx_consent_lobby_park(ngx_consent_command_t *cmd, ngx_msec_t delay)
{
    ngx_consent_conn_t  *lobby;

    lobby = &cmd->conn->node->store->lobby.conn;

    cmd->asking = 0;
    cmd->retry_at = ngx_current_msec + delay;

    if (ngx_consent_command_move(cmd, lobby) != NGX_OK) {
        ngx_consent_redirect_fail(cmd, NGX_CONSENT_STORE_FULL);
        return;
    }

    ngx_consent_conn_wake(lobby, cmd->retry_at);
}


void
ngx_consent_lobby_retry(ngx_consent_store_t *store)
{
    ngx_queue_t             *q;
    ngx_consent_conn_t      *lobby;
    ngx_consent_command_t   *cmd;

    lobby = &store->lobby.conn;

    for (q = ngx_queue_head(&lobby->commands);
         q != ngx_queue_sentinel(&lobby->commands);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);
        cmd->retry_at = ngx_current_msec;
    }

    if (lobby->ncommands) {
        ngx_consent_conn_wake(lobby, ngx_current_msec);
    }
}


static void
ngx_consent_lobby_timer(ngx_event_t *ev)
{
    ngx_uint_t              i, n;
    ngx_msec_t              delay;
    ngx_queue_t            *q;
    ngx_consent_conn_t     *lobby;
    ngx_consent_command_t  *cmd;

    lobby = ev->data;
    delay = NGX_TIMER_INFINITE;

    (void) ngx_consent_queue_expire(lobby, &delay);

    /* each of them once: those that come back stand at the end */

    n = lobby->ncommands;

    for (i = 0; i < n; i++) {
        q = ngx_queue_head(&lobby->commands);
        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

        ngx_queue_remove(q);
        lobby->ncommands--;

        if (cmd->handler == NULL) {
            ngx_consent_command_release(cmd);

        } else {
            ngx_consent_lobby_try(cmd);
        }
    }

    for (q = ngx_queue_head(&lobby->commands);
         q != ngx_queue_sentinel(&lobby->commands);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);
        delay = ngx_consent_sooner(delay, cmd->retry_at);
    }

    if (lobby->ncommands) {
        ngx_consent_conn_wake(lobby, ngx_current_msec + ngx_max(delay, 1));
    }
}


static void
ngx_consent_lobby_try(ngx_consent_command_t *cmd)
{
    ngx_consent_conn_t  *conn, *lobby;

    lobby = cmd->conn;

    if (ngx_consent_past(cmd->retry_at)) {
        conn = ngx_consent_lobby_route(cmd);

        if (conn && conn != lobby
            && ngx_consent_command_move(cmd, conn) == NGX_OK)
        {
            return;
        }

        cmd->retry_at = ngx_current_msec + NGX_CONSENT_PARKED;
    }

    ngx_queue_insert_tail(&lobby->commands, &cmd->queue);
    lobby->ncommands++;
}


static ngx_consent_conn_t *
ngx_consent_lobby_route(ngx_consent_command_t *cmd)
{
    cg_str_t              key;
    ngx_consent_conn_t   *conn;
    ngx_consent_store_t  *store;

    store = cmd->conn->node->store;

    if (store->slots == NULL) {
        conn = ngx_consent_route(store, NULL);

    } else {
        conn = ngx_consent_lobby_key(cmd, &key)
               ? ngx_consent_route_slot(store, cg_slot(key)) : NULL;
    }

    return conn ? ngx_consent_writer_choose(conn->node, cmd) : NULL;
}


/* The first key of a command that we have written ourselves. */

static ngx_uint_t
ngx_consent_lobby_key(ngx_consent_command_t *cmd, cg_str_t *key)
{
    u_char      *pos, *last;
    cg_str_t     name;
    ngx_uint_t   skip;

    last = cmd->bytes + cmd->len;
    pos = ngx_strlchr(cmd->bytes, last, LF);

    if (pos == NULL) {
        return 0;
    }

    pos++;

    if (!ngx_consent_lobby_word(&pos, last, &name)) {
        return 0;
    }

    /* EVALSHA, EVAL: the script and the number of keys come before */
    skip = (name.len >= 4 && ngx_strncmp(name.data, "EVAL", 4) == 0) ? 2 : 0;

    do {
        if (!ngx_consent_lobby_word(&pos, last, key)) {
            return 0;
        }
    } while (skip--);

    return 1;
}


static ngx_uint_t
ngx_consent_lobby_word(u_char **pos, u_char *last, cg_str_t *word)
{
    u_char     *end;
    ngx_int_t   len;

    end = ngx_strlchr(*pos, last, CR);

    if (end == NULL || **pos != '$') {
        return 0;
    }

    len = ngx_atoi(*pos + 1, end - *pos - 1);

    if (len == NGX_ERROR || len > last - end - 4) {
        return 0;
    }

    word->data = end + 2;
    word->len = len;

    *pos = end + 2 + len + 2;

    return 1;
}
