/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_int_t ngx_consent_store_fields(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);
static void ngx_consent_store_field(ngx_consent_buf_t *b, const char *prefix,
    ngx_str_t *name);
static void ngx_consent_call_init(ngx_consent_store_t *store,
    ngx_consent_call_t *call, ngx_msec_t timeout);
static void ngx_consent_call_done(ngx_event_t *ev);


static const char  *ngx_consent_status_texts[] = {
    "ok",
    "down",
    "queue full",
    "timed out",
    "connection lost",
    "protocol error",
    "refused",
    "too few replicas have it"
};


const char *
ngx_consent_status_text(ngx_consent_status_e status)
{
    return ngx_consent_status_texts[status];
}


ngx_int_t
ngx_consent_store_init_conf(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    void *tag)
{
    if (ngx_consent_store_fields(cf, conf) != NGX_OK
        || ngx_consent_tls_init_conf(cf, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_consent_zone_add(cf, conf, tag);
}


/* The names of a record's fields, in the order of cg_record_parse(). */

static ngx_int_t
ngx_consent_store_fields(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    cg_str_t           name;
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    for (i = 0; i < CG_FIELD_DOCUMENTS; i++) {
        name = cg_field_name(i);
        ngx_consent_buf_bulk(&b, name.data, name.len);
    }

    for (i = 0; i < conf->ndocs; i++) {
        ngx_consent_store_field(&b, "d.", &conf->docs[i]);
    }

    for (i = 0; i < conf->npurposes; i++) {
        ngx_consent_store_field(&b, "p.", &conf->purposes[i]);
    }

    conf->nfields = CG_FIELD_DOCUMENTS + conf->ndocs + conf->npurposes;
    conf->fields.len = ngx_consent_buf_size(&b);
    conf->fields.data = ngx_pnalloc(cf->pool, conf->fields.len + 1);

    rc = (b.failed || conf->fields.data == NULL) ? NGX_ERROR : NGX_OK;

    if (rc == NGX_OK) {
        ngx_memcpy(conf->fields.data, b.pos, conf->fields.len);
    }

    ngx_consent_buf_free(&b);

    return rc;
}


static void
ngx_consent_store_field(ngx_consent_buf_t *b, const char *prefix,
    ngx_str_t *name)
{
    u_char  *last, field[2 + CG_MAX_NAME];

    last = ngx_cpymem(field, prefix, 2);
    last = ngx_cpymem(last, name->data, ngx_min(name->len, CG_MAX_NAME));

    ngx_consent_buf_bulk(b, field, last - field);
}


ngx_consent_store_t *
ngx_consent_store_create(ngx_cycle_t *cycle, ngx_consent_store_conf_t *conf)
{
    ngx_consent_store_t  *store;

    store = ngx_pcalloc(cycle->pool, sizeof(ngx_consent_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->conf = conf;
    store->log = cycle->log;
    store->zone = conf->zone->data;

    ngx_queue_init(&store->spare);
    ngx_queue_init(&store->leaving);

    ngx_consent_lobby_init(store);

    if (ngx_consent_lookup_init(cycle, store) != NGX_OK
        || ngx_consent_walk_init(cycle, store) != NGX_OK
        || ngx_consent_route_init(cycle, store) != NGX_OK
        || ngx_consent_topology_init(cycle, store) != NGX_OK)
    {
        return NULL;
    }

    ngx_consent_write_init(store);
    ngx_consent_touch_init(store);
    ngx_consent_policies_init(store);

    return store;
}


void
ngx_consent_store_destroy(ngx_consent_store_t *store)
{
    store->closing = 1;

    ngx_consent_policies_done(store);
    ngx_consent_walks_done(store);
    ngx_consent_topology_done(store);
    ngx_consent_nodes_destroy(store);
    ngx_consent_lobby_done(store);

    ngx_consent_queue_trim(store, 0);
}


ngx_consent_conn_t *
ngx_consent_call_start(ngx_consent_store_t *store, ngx_consent_call_t *call,
    ngx_msec_t timeout)
{
    ngx_consent_conn_t  *conn;

    ngx_consent_call_init(store, call, timeout);

    conn = ngx_consent_route(store, call->subject ? &call->subject->current
                                                  : NULL);

    call->status = conn ? NGX_CONSENT_STORE_FULL : NGX_CONSENT_STORE_DOWN;

    return conn;
}


ngx_consent_conn_t *
ngx_consent_call_write(ngx_consent_store_t *store, ngx_consent_call_t *call)
{
    ngx_consent_conn_t  *conn;

    ngx_consent_call_init(store, call, store->conf->write_timeout);

    conn = ngx_consent_writer_route(store, &call->subject->current);

    call->status = conn ? NGX_CONSENT_STORE_FULL : NGX_CONSENT_STORE_DOWN;

    return conn;
}


static void
ngx_consent_call_init(ngx_consent_store_t *store, ngx_consent_call_t *call,
    ngx_msec_t timeout)
{
    ngx_memzero(&call->event, sizeof(ngx_event_t));

    call->event.handler = ngx_consent_call_done;
    call->event.data = call;
    call->event.log = store->log;
    call->command = NULL;
    call->deadline = ngx_current_msec + timeout;
}


static void
ngx_consent_call_done(ngx_event_t *ev)
{
    ngx_consent_call_t  *call;

    call = ev->data;

    call->done(call);
}


void
ngx_consent_store_cancel(ngx_consent_call_t *call)
{
    if (call->command) {
        ngx_consent_command_forget(call->command);
    }

    if (call->event.posted) {
        ngx_delete_posted_event(&call->event);
    }
}


ngx_int_t
ngx_consent_refused(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    size_t                 len;
    cg_str_t               text;
    ngx_int_t              kind;
    ngx_str_t              more;
    ngx_consent_node_t    *node;
    ngx_consent_advice_t   advice;

    node = cmd->conn->node;
    kind = ngx_consent_fault_kind(reply);

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_REFUSED);

    if (kind != NGX_DECLINED) {
        return ngx_consent_fault_reply(cmd->conn, kind, reply);
    }

    if (ngx_consent_line(node->store, NGX_CONSENT_LINE_REFUSED, &more)) {
        text = reply->items[0].str;
        len = ngx_min(text.len, 160);

        ngx_consent_advice(node->store, reply, &advice);

        ngx_log_error(NGX_LOG_ERR, node->store->log, 0,
                      "consent store %V: refused: \"%*s\"%V%V",
                      &node->name, len, text.data, &advice.text, &more);
    }

    return NGX_OK;
}


ngx_int_t
ngx_consent_unexpected(ngx_consent_command_t *cmd)
{
    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_PROTOCOL);

    return ngx_consent_fault(cmd->conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                             "reply that does not fit the command");
}


ngx_uint_t
ngx_consent_line(ngx_consent_store_t *store, ngx_consent_line_e line,
    ngx_str_t *more)
{
    ngx_consent_line_t  *l;

    l = &store->lines[line];

    if (l->next && !ngx_consent_past(l->next)) {
        l->dropped++;
        return 0;
    }

    more->data = l->more;
    more->len = 0;

    if (l->dropped) {
        more->len = ngx_sprintf(l->more, " (%ui more before)", l->dropped)
                    - l->more;
    }

    l->dropped = 0;
    l->next = ngx_current_msec + NGX_CONSENT_QUIET;

    return 1;
}
