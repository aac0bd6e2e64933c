/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * Redis answers a write before any replica has it: with its master an answer
 * that was acknowledged would be gone. WAIT tells how many replicas have what
 * its connection has written so far, and holds that connection up until they
 * are enough or the time is over (redis.io/commands/wait).
 *
 * So there is one WAIT at a time for all writes whose scripts have answered,
 * and those that answer before WAIT does are covered by it too: Redis does
 * what comes over a connection in order, and these came before it. What is
 * written while Redis waits has its answer afterwards, and is for the next
 * one. However many write at once, two round trips do.
 *
 * When it falls short the write stays where it is. Whoever sends it again
 * learns whether it is on the replicas by then.
 */

static ngx_int_t ngx_consent_confirm_ask(ngx_consent_command_t *cmd);
static ngx_int_t ngx_consent_confirm_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_consent_status_e ngx_consent_confirm_result(
    ngx_consent_command_t *cmd, const ngx_consent_reply_t *reply);
static void ngx_consent_confirm_done(ngx_consent_writer_t *writer,
    ngx_consent_status_e status);


ngx_int_t
ngx_consent_confirm(ngx_consent_command_t *cmd)
{
    ngx_consent_writer_t  *writer;

    if (cmd->conn->node->store->conf->write_replicas == 0) {
        return NGX_DECLINED;
    }

    writer = &cmd->conn->node->writer;

    ngx_queue_insert_tail(&writer->written, &cmd->queue);

    if (writer->wait == NULL && ngx_consent_confirm_ask(cmd) != NGX_OK) {
        ngx_consent_confirm_done(writer, NGX_CONSENT_STORE_FULL);
    }

    return NGX_DONE;
}


/* For as long as the first of them has; the others have longer. */

static ngx_int_t
ngx_consent_confirm_ask(ngx_consent_command_t *cmd)
{
    ngx_msec_t                 timeout;
    ngx_consent_buf_t          b;
    ngx_consent_conn_t        *conn;
    ngx_consent_command_t     *wait;
    ngx_consent_store_conf_t  *conf;

    conn = cmd->conn;
    conf = conn->node->store->conf;

    /* to WAIT 0 is for ever */
    timeout = ngx_consent_sooner(conf->replicas_timeout, cmd->deadline);
    timeout = ngx_max(timeout, 1);

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 3);
    ngx_consent_buf_word(&b, "WAIT");
    ngx_consent_buf_number(&b, conf->write_replicas);
    ngx_consent_buf_number(&b, timeout);

    wait = ngx_consent_command_buf(conn, &b);

    if (wait == NULL) {
        return NGX_ERROR;
    }

    /* it is about this connection */
    ngx_consent_command_stays(wait);

    wait->write = 1;
    wait->handler = ngx_consent_confirm_reply;
    wait->type = NGX_CONSENT_INTEGER;
    wait->deadline = cmd->deadline;

    conn->node->writer.wait = wait;

    ngx_consent_command_send(wait, NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_consent_confirm_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t              rc;
    ngx_consent_status_e   status;
    ngx_consent_writer_t  *writer;

    writer = &cmd->conn->node->writer;
    writer->wait = NULL;

    if (reply == NULL) {
        ngx_consent_confirm_done(writer, cmd->status);
        return NGX_ERROR;
    }

    rc = NGX_OK;
    status = NGX_CONSENT_STORE_REFUSED;

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        rc = ngx_consent_refused(cmd, reply);

    } else {
        status = ngx_consent_confirm_result(cmd, reply);
    }

    ngx_consent_confirm_done(writer, status);

    return rc;
}


static ngx_consent_status_e
ngx_consent_confirm_result(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    int64_t               n;
    ngx_str_t             more;
    ngx_consent_node_t   *node;
    ngx_consent_store_t  *store;

    node = cmd->conn->node;
    store = node->store;
    n = reply->items[0].integer;

    if (n >= (int64_t) store->conf->write_replicas) {
        return NGX_CONSENT_STORE_OK;
    }

    if (ngx_consent_line(store, NGX_CONSENT_LINE_REPLICAS, &more)) {
        ngx_log_error(NGX_LOG_ERR, store->log, 0,
                      "consent store %V: answers are on %L replicas, and "
                      "\"write_replicas\" in \"consent_store\" wants %ui%V",
                      &node->name, n, store->conf->write_replicas, &more);
    }

    return NGX_CONSENT_STORE_UNCONFIRMED;
}


/* Those that are done may write again, which is for the next WAIT. */

static void
ngx_consent_confirm_done(ngx_consent_writer_t *writer,
    ngx_consent_status_e status)
{
    ngx_queue_t             done, *q;
    ngx_consent_command_t  *cmd;

    ngx_queue_init(&done);

    if (!ngx_queue_empty(&writer->written)) {
        ngx_queue_add(&done, &writer->written);
        ngx_queue_init(&writer->written);
    }

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_consent_command_t, queue);

        ngx_consent_write_done(cmd, status);
        ngx_consent_command_release(cmd);
    }
}


ngx_msec_t
ngx_consent_confirm_stall(const ngx_consent_conn_t *conn)
{
    ngx_msec_t  wait;

    wait = conn->role->waits ? conn->node->store->conf->replicas_timeout : 0;

    return conn->role->stall + wait;
}
