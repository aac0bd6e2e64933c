/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_int_t ngx_consent_lookup_ask(ngx_consent_conn_t *conn,
    const cg_pseudonym_t *pseudonym, ngx_consent_call_t *call,
    ngx_consent_command_t *cmd);
static ngx_int_t ngx_consent_lookup_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_lookup_found(ngx_consent_command_t *cmd,
    const cg_pseudonym_t *pseudonym, cg_record_e found);
static ngx_int_t ngx_consent_lookup_values(const ngx_consent_reply_t *reply,
    ngx_uint_t n, cg_str_t *values);
static ngx_int_t ngx_consent_lookup_error(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static const cg_pseudonym_t *ngx_consent_lookup_pseudonym(
    const ngx_consent_call_t *call);
static ngx_int_t ngx_consent_lookup_absent(ngx_consent_command_t *cmd);
static ngx_int_t ngx_consent_lookup_foreign(ngx_consent_command_t *cmd,
    const cg_pseudonym_t *pseudonym);
static void ngx_consent_lookup_line(ngx_consent_command_t *cmd,
    const cg_pseudonym_t *pseudonym, const char *what);


/* All lookups are one command but for the key, whose length is the same. */

ngx_int_t
ngx_consent_lookup_init(ngx_cycle_t *cycle, ngx_consent_store_t *store)
{
    size_t                     len;
    u_char                     key[CG_MAX_KEY];
    cg_str_t                   prefix;
    ngx_int_t                  rc;
    cg_pseudonym_t             nobody;
    ngx_consent_buf_t          b;
    ngx_consent_store_conf_t  *conf;

    conf = store->conf;

    prefix.len = conf->prefix.len;
    prefix.data = conf->prefix.data;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));
    ngx_memzero(&nobody, sizeof(cg_pseudonym_t));

    len = cg_subject_key(&nobody, prefix, 's', key);

    ngx_consent_buf_array(&b, 2 + conf->nfields);
    ngx_consent_buf_word(&b, "HMGET");
    ngx_consent_buf_bulk(&b, key, len);

    store->hmget_key = ngx_consent_buf_size(&b) - 2 - len;

    ngx_consent_buf_add(&b, conf->fields.data, conf->fields.len);

    store->hmget.len = ngx_consent_buf_size(&b);
    store->hmget.data = ngx_pnalloc(cycle->pool, store->hmget.len);

    rc = (b.failed || store->hmget.data == NULL) ? NGX_ERROR : NGX_OK;

    if (rc == NGX_OK) {
        ngx_memcpy(store->hmget.data, b.pos, store->hmget.len);
    }

    ngx_consent_buf_free(&b);

    return rc;
}


ngx_int_t
ngx_consent_store_lookup(ngx_consent_store_t *store, ngx_consent_call_t *call)
{
    ngx_consent_conn_t  *conn;

    call->found = CG_RECORD_ABSENT;
    call->previous = 0;

    conn = ngx_consent_call_start(store, call, store->conf->timeout);
    if (conn == NULL) {
        return NGX_OK;
    }

    return ngx_consent_lookup_ask(conn, &call->subject->current, call, NULL);
}


/* NGX_OK: the queue is full. */

static ngx_int_t
ngx_consent_lookup_ask(ngx_consent_conn_t *conn,
    const cg_pseudonym_t *pseudonym, ngx_consent_call_t *call,
    ngx_consent_command_t *cmd)
{
    cg_str_t                prefix;
    ngx_consent_store_t    *store;
    ngx_consent_command_t  *next;

    store = conn->node->store;

    next = ngx_consent_command_new(conn, store->hmget.data, store->hmget.len);
    if (next == NULL) {
        return NGX_OK;
    }

    prefix.len = store->conf->prefix.len;
    prefix.data = store->conf->prefix.data;

    (void) cg_subject_key(pseudonym, prefix, 's',
                          next->bytes + store->hmget_key);

    if (cmd) {
        ngx_consent_command_follow(next, cmd);
        return NGX_AGAIN;
    }

    next->handler = ngx_consent_lookup_reply;
    next->deadline = call->deadline;
    next->repeat = 1;

    ngx_consent_command_send(next, call);

    return NGX_AGAIN;
}


/*
 * PING is answered by a node whose cluster does not serve. The record of
 * nobody, in a slot of this node, is not.
 */

ngx_consent_command_t *
ngx_consent_lookup_probe(ngx_consent_conn_t *conn)
{
    cg_str_t                prefix;
    ngx_uint_t              tag;
    cg_pseudonym_t          nobody;
    ngx_consent_store_t    *store;
    ngx_consent_command_t  *cmd;

    store = conn->node->store;

    if (store->slots == NULL) {
        return NULL;
    }

    for (tag = 0; tag < NGX_CONSENT_TAGS; tag++) {
        if (store->slots[store->tags[tag]] == conn->node->number) {
            break;
        }
    }

    if (tag == NGX_CONSENT_TAGS) {
        return NULL;
    }

    ngx_memzero(&nobody, sizeof(cg_pseudonym_t));

    nobody.id[0] = (uint8_t) (tag >> 4);
    nobody.id[1] = (uint8_t) (tag << 4);

    cmd = ngx_consent_command_new(conn, store->hmget.data, store->hmget.len);

    if (cmd) {
        prefix.len = store->conf->prefix.len;
        prefix.data = store->conf->prefix.data;

        (void) cg_subject_key(&nobody, prefix, 's',
                              cmd->bytes + store->hmget_key);
    }

    return cmd;
}


static ngx_int_t
ngx_consent_lookup_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    cg_str_t                   values[CG_FIELD_DOCUMENTS + CG_MAX_DOCUMENTS
                                      + CG_MAX_PURPOSES];
    ngx_consent_call_t        *call;
    const cg_pseudonym_t      *pseudonym;
    ngx_consent_store_conf_t  *conf;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_lookup_error(cmd, reply);
    }

    conf = cmd->conn->node->store->conf;

    if (ngx_consent_lookup_values(reply, conf->nfields, values) != NGX_OK) {
        return ngx_consent_unexpected(cmd);
    }

    call = cmd->call;

    if (call == NULL) {
        return NGX_OK;
    }

    if (!call->previous) {
        /* a change comes under today's key, whichever this one is */
        call->source = cmd->conn->node->source;
    }

    pseudonym = ngx_consent_lookup_pseudonym(call);

    return ngx_consent_lookup_found(cmd, pseudonym,
                                    cg_record_parse(&call->record, values,
                                                    conf->ndocs,
                                                    conf->npurposes,
                                                    pseudonym->check));
}


static ngx_int_t
ngx_consent_lookup_found(ngx_consent_command_t *cmd,
    const cg_pseudonym_t *pseudonym, cg_record_e found)
{
    ngx_consent_call_t  *call;

    call = cmd->call;

    switch (found) {

    case CG_RECORD_OK:
        call->found = CG_RECORD_OK;
        break;

    case CG_RECORD_ABSENT:
        return ngx_consent_lookup_absent(cmd);

    case CG_RECORD_FOREIGN:
        return ngx_consent_lookup_foreign(cmd, pseudonym);

    default:
        ngx_consent_lookup_line(cmd, pseudonym,
                                "cannot be read, asking again");
        call->found = CG_RECORD_ABSENT;
        call->previous = 0;
    }

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
}


static ngx_int_t
ngx_consent_lookup_values(const ngx_consent_reply_t *reply, ngx_uint_t n,
    cg_str_t *values)
{
    ngx_uint_t                 i;
    const ngx_consent_item_t  *item;

    if (!ngx_consent_reply_flat(reply, n)) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        item = &reply->items[i + 1];

        if (item->type != NGX_CONSENT_STRING
            && item->type != NGX_CONSENT_NIL)
        {
            return NGX_ERROR;
        }

        values[i] = item->str;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_consent_lookup_error(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    if (cmd->call == NULL || !ngx_consent_reply_error(reply, "WRONGTYPE")) {
        return ngx_consent_refused(cmd, reply);
    }

    ngx_consent_lookup_line(cmd, ngx_consent_lookup_pseudonym(cmd->call),
                            "is not a hash");
    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_REFUSED);

    return NGX_OK;
}


static const cg_pseudonym_t *
ngx_consent_lookup_pseudonym(const ngx_consent_call_t *call)
{
    return call->previous ? &call->subject->previous : &call->subject->current;
}


/* Nothing under today's key: perhaps under yesterday's. */

static ngx_int_t
ngx_consent_lookup_absent(ngx_consent_command_t *cmd)
{
    ngx_consent_call_t  *call;
    ngx_consent_conn_t  *conn;

    call = cmd->call;

    if (call->subject->has_previous && !call->previous) {
        call->previous = 1;

        conn = ngx_consent_route(cmd->conn->node->store,
                                 &call->subject->previous);

        if (conn == NULL) {
            ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_DOWN);

        } else if (ngx_consent_lookup_ask(conn, &call->subject->previous,
                                          call, cmd)
                   != NGX_AGAIN)
        {
            ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_FULL);
        }

        return NGX_OK;
    }

    call->previous = 0;
    call->found = CG_RECORD_ABSENT;

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
}


/*
 * A record with the check of somebody else: either this is the answer to
 * another question, and so will the next ones be, or the record was written
 * to under a wrong key. The connection is closed for the first; the same
 * subject again means the second, and does not cost the others theirs.
 */

static ngx_int_t
ngx_consent_lookup_foreign(ngx_consent_command_t *cmd,
    const cg_pseudonym_t *pseudonym)
{
    ngx_consent_store_t  *store;

    store = cmd->conn->node->store;

    if (ngx_memcmp(store->foreign, pseudonym->id, CG_SUBJECT_ID_LEN) == 0) {
        ngx_consent_lookup_line(cmd, pseudonym, "is another subject's");
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_PROTOCOL);

        return NGX_OK;
    }

    ngx_memcpy(store->foreign, pseudonym->id, CG_SUBJECT_ID_LEN);

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_PROTOCOL);

    return ngx_consent_fault(cmd->conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                             "answer that is another subject's");
}


static void
ngx_consent_lookup_line(ngx_consent_command_t *cmd,
    const cg_pseudonym_t *pseudonym, const char *what)
{
    ngx_str_t            more;
    u_char               text[CG_PSEUDONYM_LEN];
    ngx_consent_node_t  *node;

    node = cmd->conn->node;

    if (!ngx_consent_line(node->store, NGX_CONSENT_LINE_RECORD, &more)) {
        return;
    }

    cg_subject_text(pseudonym, text);

    ngx_log_error(NGX_LOG_ERR, node->store->log, 0,
                  "consent store %V: the record of %*s %s%V",
                  &node->name, sizeof(text), text, what, &more);
}
