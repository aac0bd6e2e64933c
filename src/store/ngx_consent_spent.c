/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * Whether the link of an email is spent: its key is a hash that the write has
 * left (ngx_consent_script.h).
 */

static ngx_int_t ngx_consent_spent_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);


ngx_int_t
ngx_consent_store_spent(ngx_consent_store_t *store, ngx_consent_call_t *call,
    const ngx_str_t *key)
{
    ngx_consent_buf_t       b;
    ngx_consent_conn_t     *conn;
    ngx_consent_command_t  *cmd;

    call->spent = 0;

    conn = ngx_consent_call_start(store, call, store->conf->timeout);
    if (conn == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 3);
    ngx_consent_buf_word(&b, "HMGET");
    ngx_consent_buf_bulk(&b, key->data, key->len);
    ngx_consent_buf_word(&b, "ev");

    cmd = ngx_consent_command_buf(conn, &b);

    if (cmd == NULL) {
        return NGX_OK;
    }

    cmd->handler = ngx_consent_spent_reply;
    cmd->deadline = call->deadline;
    cmd->repeat = 1;

    ngx_consent_command_send(cmd, call);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_consent_spent_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    if (!ngx_consent_reply_flat(reply, 1)) {
        return ngx_consent_unexpected(cmd);
    }

    if (cmd->call) {
        cmd->call->spent = (reply->items[1].type != NGX_CONSENT_NIL);
    }

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
}
