/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_consent_conn_t *ngx_consent_writer_open(ngx_consent_node_t *node);
static void ngx_consent_writer_ready(ngx_consent_conn_t *conn);
static void ngx_consent_writer_failed(ngx_consent_conn_t *conn);
static void ngx_consent_writer_demoted(ngx_consent_conn_t *conn);


/*
 * The breaker, the topology and attempts to come back are the affair of the
 * node's other connection. This one is closed when it fails, and made again by
 * the next write, if the other one is well.
 */

static const ngx_consent_conn_role_t  ngx_consent_writer_role = {
    .name = "consent-gate-write",
    .stall = NGX_CONSENT_STALL,
    .ready = ngx_consent_writer_ready,
    .failed = ngx_consent_writer_failed,
    .leave = ngx_consent_conn_leave,
    .breaker = 1,
    .scripts = 1,
    .data = 1,
    .movable = 1,
    .waits = 1
};


void
ngx_consent_writer_init(ngx_consent_node_t *node)
{
    ngx_consent_conn_init(&node->writer.conn, node, &ngx_consent_writer_role);

    ngx_queue_init(&node->writer.written);
}


void
ngx_consent_writer_destroy(ngx_consent_node_t *node)
{
    ngx_consent_conn_destroy(&node->writer.conn);
}


ngx_consent_conn_t *
ngx_consent_writer_route(ngx_consent_store_t *store,
    const cg_pseudonym_t *pseudonym)
{
    ngx_consent_conn_t  *conn;

    conn = ngx_consent_route(store, pseudonym);

    if (conn == NULL || conn == &store->lobby.conn) {
        return conn;
    }

    return ngx_consent_writer_open(conn->node);
}


ngx_consent_conn_t *
ngx_consent_writer_choose(ngx_consent_node_t *node,
    const ngx_consent_command_t *cmd)
{
    if (!cmd->write || node == &node->store->lobby) {
        return &node->conn;
    }

    return ngx_consent_writer_open(node);
}


static ngx_consent_conn_t *
ngx_consent_writer_open(ngx_consent_node_t *node)
{
    ngx_consent_conn_t  *conn;

    conn = &node->writer.conn;

    if (conn->state == NGX_CONSENT_CONN_IDLE) {
        ngx_consent_conn_connect(conn, 1);
    }

    return conn->state == NGX_CONSENT_CONN_IDLE ? NULL : conn;
}


/* What waits goes out by itself. */

static void
ngx_consent_writer_ready(ngx_consent_conn_t *conn)
{
    ngx_consent_breaker_good(conn->node);
}


/* When nothing was in flight nothing is lost: servers close what is idle. */

static void
ngx_consent_writer_failed(ngx_consent_conn_t *conn)
{
    ngx_uint_t            quiet, counted;
    ngx_consent_status_e  status;

    status = ngx_consent_conn_status(conn);

    quiet = (status == NGX_CONSENT_STORE_LOST && conn->ncommands == 0
             && conn->fault.kind == NGX_CONSENT_FAULT_LOST);

    counted = (conn->fault.kind == NGX_CONSENT_FAULT_STALL && conn->stalled);

    ngx_consent_conn_close(conn, status);

    conn->state = NGX_CONSENT_CONN_IDLE;

    if (conn->node->leaving) {
        return;
    }

    if (quiet) {
        ngx_log_error(NGX_LOG_INFO, conn->node->store->log, 0,
                      "consent store %V: connection for writes closed",
                      &conn->node->name);
        return;
    }

    ngx_consent_topology_doubt(conn->node->store, 0);

    if (conn->fault.kind == NGX_CONSENT_FAULT_ROLE
        && conn->node->conn.state == NGX_CONSENT_CONN_READY)
    {
        ngx_consent_writer_demoted(conn);
        return;
    }

    ngx_consent_breaker_fail(conn, counted ? 0 : 1);
}


/* Nor is it a master for the other connection, which has not noticed yet. */

static void
ngx_consent_writer_demoted(ngx_consent_conn_t *conn)
{
    ngx_consent_conn_t  *other;

    other = &conn->node->conn;

    (void) ngx_consent_fault(other, conn->fault.kind, 0, "%V",
                             &conn->fault.text);
    ngx_consent_conn_fail(other);
}
