/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_uint_t ngx_consent_scout_candidates(ngx_consent_store_t *store);
static ngx_uint_t ngx_consent_scout_aim(ngx_consent_store_t *store,
    ngx_uint_t candidate);
static void ngx_consent_scout_next(ngx_consent_store_t *store);
static void ngx_consent_scout_ready(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_scout_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static void ngx_consent_scout_failed(ngx_consent_conn_t *conn);


#define NGX_CONSENT_SCOUT_WAIT  60000       /* ms; the stall comes first */


/*
 * A connection for one question: to a sentinel, or to a node of a cluster when
 * there is no other connection to one. Who does not answer in time is left for
 * the next one: the configured servers, and after them the nodes that we know.
 */

static const ngx_consent_conn_role_t  ngx_consent_sentinel_role = {
    .name = "consent-gate-scout",
    .stall = NGX_CONSENT_SCOUT_PATIENCE,
    .patience = NGX_CONSENT_SCOUT_PATIENCE,
    .ready = ngx_consent_scout_ready,
    .failed = ngx_consent_scout_failed,
    .leave = ngx_consent_conn_leave,
    .sentinel = 1
};

static const ngx_consent_conn_role_t  ngx_consent_scout_role = {
    .name = "consent-gate-scout",
    .stall = NGX_CONSENT_SCOUT_PATIENCE,
    .patience = NGX_CONSENT_SCOUT_PATIENCE,
    .elements = NGX_CONSENT_FEED_ELEMENTS,
    .size = NGX_CONSENT_FEED_SIZE,
    .ready = ngx_consent_scout_ready,
    .failed = ngx_consent_scout_failed,
    .leave = ngx_consent_conn_leave
};


void
ngx_consent_scout_init(ngx_consent_store_t *store)
{
    ngx_consent_node_t  *scout;

    scout = &store->topology.scout;
    scout->store = store;

    (void) ngx_consent_scout_aim(store, 0);

    ngx_consent_conn_init(&scout->conn, scout,
                          store->slots ? &ngx_consent_scout_role
                                       : &ngx_consent_sentinel_role);
}


void
ngx_consent_scout_start(ngx_consent_store_t *store)
{
    store->topology.tried = 0;

    ngx_consent_scout_next(store);
}


void
ngx_consent_scout_stop(ngx_consent_store_t *store)
{
    ngx_consent_conn_destroy(&store->topology.scout.conn);
}


static ngx_uint_t
ngx_consent_scout_candidates(ngx_consent_store_t *store)
{
    return store->conf->servers.nelts + (store->slots ? store->nnodes : 0);
}


/* False: it is the place of a node that is gone. */

static ngx_uint_t
ngx_consent_scout_aim(ngx_consent_store_t *store, ngx_uint_t candidate)
{
    ngx_array_t           *servers;
    ngx_consent_node_t    *scout, *node;
    ngx_consent_server_t  *server;

    scout = &store->topology.scout;
    servers = &store->conf->servers;

    if (candidate < servers->nelts) {
        server = servers->elts;
        scout->name = server[candidate].name;
        scout->addr = server[candidate].addr;
        scout->port = server[candidate].port;

        ngx_str_null(&scout->host);

        if (scout->addr.sockaddr == NULL) {
            scout->host = server[candidate].host;
        }

        return 1;
    }

    node = store->nodes[candidate - servers->nelts];

    if (node == NULL) {
        return 0;
    }

    scout->name = node->name;
    scout->addr = node->addr;
    scout->host = node->host;
    scout->port = node->port;

    return 1;
}


static void
ngx_consent_scout_next(ngx_consent_store_t *store)
{
    ngx_uint_t               n;
    ngx_consent_conn_t      *conn;
    ngx_consent_topology_t  *topology;

    topology = &store->topology;
    conn = &topology->scout.conn;

    /* what is known about TLS there is another server's */
    ngx_consent_scout_stop(store);

    n = ngx_consent_scout_candidates(store);

    while (topology->tried++ < n) {
        topology->next = (topology->next + 1) % n;

        if (ngx_consent_scout_aim(store, topology->next)) {
            conn->peer.sockaddr = topology->scout.addr.sockaddr;
            conn->peer.socklen = topology->scout.addr.socklen;

            ngx_consent_conn_connect(conn, 0);
            return;
        }
    }

    ngx_consent_topology_unknown(store);
}


static void
ngx_consent_scout_ready(ngx_consent_conn_t *conn)
{
    ngx_consent_buf_t       b;
    ngx_consent_store_t    *store;
    ngx_consent_command_t  *cmd;

    store = conn->node->store;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    if (store->slots) {
        ngx_consent_buf_array(&b, 2);
        ngx_consent_buf_word(&b, "CLUSTER");
        ngx_consent_buf_word(&b, "SLOTS");

    } else {
        ngx_consent_buf_array(&b, 3);
        ngx_consent_buf_word(&b, "SENTINEL");
        ngx_consent_buf_word(&b, "GET-MASTER-ADDR-BY-NAME");
        ngx_consent_buf_bulk(&b, store->conf->master.data,
                             store->conf->master.len);
    }

    cmd = ngx_consent_command_buf(conn, &b);

    if (cmd) {
        cmd->handler = ngx_consent_scout_reply;
        cmd->type = NGX_CONSENT_ANY;
        cmd->deadline = ngx_current_msec + NGX_CONSENT_SCOUT_WAIT;

        ngx_consent_command_send(cmd, NULL);
    }

    ngx_consent_conn_wake(conn, ngx_current_msec
                                + NGX_CONSENT_SCOUT_PATIENCE);
}


static ngx_int_t
ngx_consent_scout_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_node_t  *node;

    if (reply == NULL) {
        return NGX_ERROR;
    }

    node = cmd->conn->node;

    if (ngx_consent_topology_answer(node->store, node, reply) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the next time it is the same one */
    node->store->topology.next += ngx_consent_scout_candidates(node->store)
                                  - 1;
    return NGX_OK;
}


/* Not after the answer, when the connection is about to be closed. */

static void
ngx_consent_scout_failed(ngx_consent_conn_t *conn)
{
    ngx_consent_store_t  *store;

    store = conn->node->store;

    ngx_log_error(NGX_LOG_INFO, store->log, conn->fault.err,
                  "consent store %V: %V", &conn->node->name,
                  &conn->fault.text);

    ngx_consent_conn_leave(conn);

    if (store->topology.asking && !store->closing && !ngx_exiting) {
        ngx_consent_scout_next(store);
    }
}
