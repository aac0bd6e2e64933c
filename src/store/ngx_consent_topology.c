/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * Sentinels tell which node is the master, any node of a cluster tells which
 * master has which slots. They are asked at the start, when a connection to a
 * master is to be made or has failed, when a node sends us elsewhere, when
 * another worker has learnt something, and every ten seconds. A worker that
 * has a feed asks a cluster each second, for the cache relies on it to notice
 * that slots have moved.
 */

static void ngx_consent_topology_timer(ngx_event_t *ev);
static void ngx_consent_topology_arm(ngx_consent_store_t *store);
static void ngx_consent_topology_ask(ngx_consent_store_t *store);
static ngx_msec_t ngx_consent_topology_next(ngx_consent_store_t *store);
static ngx_uint_t ngx_consent_topology_ask_node(ngx_consent_store_t *store);
static ngx_int_t ngx_consent_topology_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_topology_error(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_topology_sentinel(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply);
static void ngx_consent_topology_switch(ngx_consent_store_t *store,
    ngx_consent_node_t *node);


ngx_int_t
ngx_consent_topology_init(ngx_cycle_t *cycle, ngx_consent_store_t *store)
{
    ngx_consent_server_t    *server;
    ngx_consent_topology_t  *topology;

    topology = &store->topology;

    if (store->conf->topology == NGX_CONSENT_SINGLE) {
        server = store->conf->servers.elts;
        store->master = ngx_consent_node_server(store, &server[0]);

        return store->master ? NGX_OK : NGX_ERROR;
    }

    ngx_consent_scout_init(store);

    topology->timer.handler = ngx_consent_topology_timer;
    topology->timer.data = store;
    topology->timer.log = store->log;
    topology->timer.cancelable = 1;

    topology->wait = 1;
    topology->map = (uint32_t) store->zone->sh->map;
    topology->next = ngx_random();
    topology->due = ngx_current_msec;

    ngx_add_timer(&topology->timer, 1);

    return NGX_OK;
}


void
ngx_consent_topology_done(ngx_consent_store_t *store)
{
    if (store->conf->topology == NGX_CONSENT_SINGLE) {
        return;
    }

    if (store->topology.timer.timer_set) {
        ngx_del_timer(&store->topology.timer);
    }

    ngx_consent_scout_stop(store);
}


static void
ngx_consent_topology_timer(ngx_event_t *ev)
{
    ngx_consent_store_t     *store;
    ngx_consent_topology_t  *topology;

    store = ev->data;
    topology = &store->topology;

    if (!topology->asking) {
        ngx_consent_scout_stop(store);
    }

    topology->sweep = ngx_consent_node_sweep(store)
                      ? (ngx_current_msec + NGX_CONSENT_TOPOLOGY_SWEEP) | 1
                      : 0;

    if (!topology->asking && ngx_consent_past(topology->due)) {
        ngx_consent_topology_ask(store);
    }

    ngx_consent_topology_arm(store);
}


static void
ngx_consent_topology_arm(ngx_consent_store_t *store)
{
    ngx_msec_t               delay;
    ngx_consent_topology_t  *topology;

    topology = &store->topology;

    delay = NGX_CONSENT_TOPOLOGY_POLL;

    if (!topology->asking) {
        delay = ngx_consent_sooner(delay, topology->due);
    }

    if (topology->sweep) {
        delay = ngx_consent_sooner(delay, topology->sweep);
    }

    if (topology->timer.timer_set) {
        /* ngx_add_timer() takes a change below 300 ms for none */
        ngx_del_timer(&topology->timer);
    }

    ngx_add_timer(&topology->timer, delay);
}


void
ngx_consent_topology_doubt(ngx_consent_store_t *store, ngx_uint_t wait)
{
    ngx_msec_t               at;
    ngx_consent_topology_t  *topology;

    topology = &store->topology;

    if (store->conf->topology == NGX_CONSENT_SINGLE || store->closing) {
        return;
    }

    topology->wait |= wait;

    if (topology->asking) {
        topology->again = 1;
        return;
    }

    at = topology->asked + (wait ? NGX_CONSENT_PARKED
                                 : NGX_CONSENT_TOPOLOGY_QUIET);

    if (ngx_consent_past(at)) {
        at = ngx_current_msec;
    }

    if ((ngx_msec_int_t) (at - topology->due) < 0) {
        topology->due = at;
        ngx_consent_topology_arm(store);
    }
}


ngx_uint_t
ngx_consent_topology_first(ngx_consent_conn_t *conn, ngx_uint_t wait)
{
    ngx_consent_store_t  *store;

    store = conn->node->store;

    if (store->conf->topology != NGX_CONSENT_SENTINEL
        || conn->node != store->master)
    {
        return 0;
    }

    ngx_consent_topology_doubt(store, wait);

    return 1;
}


/* A cluster is asked now, sentinels before the next connection. */

void
ngx_consent_topology_failed(ngx_consent_store_t *store, ngx_uint_t attempt)
{
    if (attempt) {
        store->topology.wait = 0;
    }

    if (store->slots) {
        ngx_consent_topology_doubt(store, 0);
    }
}


static void
ngx_consent_topology_ask(ngx_consent_store_t *store)
{
    ngx_consent_topology_t  *topology;

    topology = &store->topology;

    topology->asking = 1;
    topology->again = 0;
    topology->asked = ngx_current_msec;
    topology->due = ngx_current_msec + ngx_consent_topology_next(store);

    if (!ngx_consent_topology_ask_node(store)) {
        ngx_consent_scout_start(store);
    }
}


static ngx_msec_t
ngx_consent_topology_next(ngx_consent_store_t *store)
{
    ngx_uint_t           i;
    ngx_msec_t           delay;
    ngx_consent_node_t  *node;

    delay = NGX_CONSENT_TOPOLOGY_POLL;

    for (i = 0; i < store->nnodes; i++) {
        node = store->nodes[i];

        if (node == NULL) {
            continue;
        }

        node->breaker->used = ngx_current_msec | 1;

        if (node->feed.lease && store->slots) {
            delay = NGX_CONSENT_TOPOLOGY_FEED;
        }
    }

    return delay - ngx_random() % (delay / 5);
}


/* A node of the cluster to which there is a connection. */

static ngx_uint_t
ngx_consent_topology_ask_node(ngx_consent_store_t *store)
{
    ngx_uint_t              i, start;
    ngx_consent_conn_t     *conn;
    ngx_consent_node_t     *node;
    ngx_consent_command_t  *cmd;

    static u_char  question[] = "*2" CRLF "$7" CRLF "CLUSTER" CRLF
                                "$5" CRLF "SLOTS" CRLF;

    if (store->slots == NULL) {
        return 0;
    }

    start = ngx_random();

    for (i = 0; i < store->nnodes; i++) {
        node = store->nodes[(start + i) % store->nnodes];

        if (node == NULL || node->breaker->open
            || node->conn.state != NGX_CONSENT_CONN_READY
            || node->conn.stalled)
        {
            continue;
        }

        conn = &node->conn;
        cmd = ngx_consent_command_new(conn, question, sizeof(question) - 1);

        if (cmd == NULL) {
            continue;
        }

        ngx_consent_command_stays(cmd);

        cmd->handler = ngx_consent_topology_reply;
        cmd->deadline = ngx_current_msec + NGX_CONSENT_SCOUT_PATIENCE;

        ngx_consent_command_send(cmd, NULL);

        return 1;
    }

    return 0;
}


static ngx_int_t
ngx_consent_topology_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_node_t  *node;

    node = cmd->conn->node;

    if (reply == NULL) {
        if (!node->store->closing && !ngx_exiting) {
            ngx_consent_scout_start(node->store);
        }

        return NGX_ERROR;
    }

    if (ngx_consent_topology_answer(node->store, node, reply) != NGX_OK) {
        /* told there; another node may know better */
        ngx_consent_scout_start(node->store);
    }

    return NGX_OK;
}


ngx_int_t
ngx_consent_topology_answer(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply)
{
    ngx_int_t                rc;
    ngx_uint_t               again;
    ngx_consent_topology_t  *topology;

    topology = &store->topology;

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_topology_error(store, asked, reply);
    }

    /* what comes of it may be in doubt at once */
    again = topology->again;
    topology->again = 0;

    rc = store->slots ? ngx_consent_cluster_apply(store, asked, reply)
                      : ngx_consent_topology_sentinel(store, asked, reply);

    if (rc != NGX_OK) {
        topology->again = again;
        return NGX_ERROR;
    }

    topology->asking = 0;
    topology->known = 1;
    topology->wait = 0;
    topology->told = 0;

    if (topology->again || (again && store->slots)) {
        ngx_consent_topology_doubt(store, 0);
    }

    ngx_consent_lobby_retry(store);

    /* closes the scout's connection, in which we may be */
    topology->sweep = ngx_current_msec | 1;
    ngx_consent_topology_arm(store);

    return NGX_OK;
}


static ngx_int_t
ngx_consent_topology_error(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply)
{
    size_t       len;
    cg_str_t     text;
    ngx_int_t    kind;
    const char  *advice;

    kind = ngx_consent_fault_kind(reply);

    if (kind != NGX_DECLINED) {
        return ngx_consent_fault_reply(&asked->conn, kind, reply);
    }

    if (ngx_consent_reply_error(reply, "NOPERM")) {
        return ngx_consent_fault_reply(&asked->conn, NGX_CONSENT_FAULT_GRANT,
                                       reply);
    }

    text = reply->items[0].str;
    len = ngx_min(text.len, 80);

    if (store->slots == NULL) {
        advice = "is it a sentinel? Check \"server\" in \"consent_store\"";

    } else {
        advice = "it is no node of a cluster: check \"topology\" in "
                 "\"consent_store\"";
    }

    return ngx_consent_fault(&asked->conn, NGX_CONSENT_FAULT_DENIED, 0,
                             "\"%*s\": %s", len, text.data, advice);
}


/* Better to try who was the master than nobody. */

void
ngx_consent_topology_unknown(ngx_consent_store_t *store)
{
    ngx_uint_t               level;
    ngx_consent_conn_t      *conn;
    ngx_consent_fault_t     *fault;
    ngx_consent_topology_t  *topology;

    topology = &store->topology;
    fault = &topology->scout.conn.fault;

    topology->asking = 0;
    topology->wait = 0;
    topology->due = ngx_current_msec + NGX_CONSENT_TOPOLOGY_RETRY / 2
                    + ngx_random() % NGX_CONSENT_TOPOLOGY_RETRY;

    level = topology->told ? NGX_LOG_INFO : NGX_LOG_ERR;
    topology->told = 1;

    ngx_log_error(level, store->log, fault->err,
                  "consent store: %s; the last, %V: %V",
                  store->slots ? "no node of the cluster tells its slots"
                               : "no sentinel tells the master",
                  &topology->scout.name, &fault->text);

    if (store->slots == NULL && store->master) {
        conn = &store->master->conn;

        if (conn->connection == NULL && !conn->retry) {
            ngx_consent_conn_resume(conn, 0);
        }

    } else if (!topology->known) {
        ngx_consent_queue_fail(&store->lobby.conn, NGX_CONSENT_STORE_DOWN);
    }

    ngx_consent_topology_arm(store);
}


static ngx_int_t
ngx_consent_topology_sentinel(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply)
{
    int                  rc;
    cg_str_t             host;
    uint16_t             port;
    ngx_consent_conn_t  *conn;
    ngx_consent_node_t  *node;

    conn = &asked->conn;
    rc = ngx_consent_master_parse(reply, &host, &port);

    if (rc == 0) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                                 "it has no master \"%V\": check "
                                 "\"topology\" in \"consent_store\"",
                                 &store->conf->master);
    }

    node = (rc > 0) ? ngx_consent_node_get(store, host, port, asked) : NULL;

    if (node == NULL) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                                 "not the address of a master");
    }

    if (node != store->master) {
        ngx_consent_topology_switch(store, node);
    }

    ngx_consent_topology_seen(store, ngx_crc32_short(node->name.data,
                                                     node->name.len));
    conn = &node->conn;

    if (conn->connection == NULL && !conn->retry) {
        ngx_consent_conn_resume(conn, store->topology.wait);
    }

    return NGX_OK;
}


static void
ngx_consent_topology_switch(ngx_consent_store_t *store,
    ngx_consent_node_t *node)
{
    ngx_consent_node_t  *old;

    old = store->master;
    store->master = node;

    if (old) {
        ngx_log_error(NGX_LOG_NOTICE, store->log, 0,
                      "consent store: the master of \"%V\" is %V, was %V",
                      &store->conf->master, &node->name, &old->name);

        ngx_consent_node_retire(old);
    }
}


void
ngx_consent_topology_seen(ngx_consent_store_t *store, uint32_t map)
{
    store->topology.map = map;
    store->zone->sh->map = map;
}
