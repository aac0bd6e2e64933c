/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_consent_conn_t *ngx_consent_route_master(
    ngx_consent_store_t *store);
static void ngx_consent_route_agree(ngx_consent_store_t *store);


/*
 * Keys of subjects have a hash tag of three hexadecimal digits: the slots of
 * all of them are known in advance.
 */

ngx_int_t
ngx_consent_route_init(ngx_cycle_t *cycle, ngx_consent_store_t *store)
{
    size_t      i;
    u_char      key[CG_MAX_PREFIX + 1], tag[sizeof("{000}")];
    ngx_str_t  *prefix;

    if (store->conf->topology != NGX_CONSENT_CLUSTER) {
        return NGX_OK;
    }

    store->slots = ngx_palloc(cycle->pool, CG_SLOTS);
    store->tags = ngx_palloc(cycle->pool,
                             NGX_CONSENT_TAGS * sizeof(uint16_t));

    if (store->slots == NULL || store->tags == NULL) {
        return NGX_ERROR;
    }

    ngx_memset(store->slots, NGX_CONSENT_NO_NODE, CG_SLOTS);

    for (i = 0; i < NGX_CONSENT_TAGS; i++) {
        (void) ngx_sprintf(tag, "{%03xi}", (ngx_int_t) i);
        store->tags[i] = cg_slot((cg_str_t) { sizeof(tag) - 1, tag });
    }

    prefix = &store->conf->prefix;

    ngx_memcpy(key, prefix->data, ngx_min(prefix->len, CG_MAX_PREFIX));
    key[prefix->len] = 'p';

    store->slot = cg_slot((cg_str_t) { prefix->len + 1, key });

    return NGX_OK;
}


ngx_consent_conn_t *
ngx_consent_route(ngx_consent_store_t *store, const cg_pseudonym_t *pseudonym)
{
    ngx_uint_t           tag;
    ngx_consent_conn_t  *conn;

    if (store->slots) {

        if (pseudonym == NULL) {
            return ngx_consent_route_slot(store, store->slot);
        }

        /* the first twelve bits (cg_subject_key) */
        tag = pseudonym->id[0] << 4 | pseudonym->id[1] >> 4;

        return ngx_consent_route_slot(store, store->tags[tag]);
    }

    if (store->conf->topology == NGX_CONSENT_SENTINEL) {
        return ngx_consent_route_master(store);
    }

    conn = &store->master->conn;

    return ngx_consent_conn_open(conn) == NGX_OK ? conn : NULL;
}


static ngx_consent_conn_t *
ngx_consent_route_master(ngx_consent_store_t *store)
{
    ngx_consent_conn_t  *conn;

    ngx_consent_route_agree(store);

    if (store->master) {
        conn = &store->master->conn;

        if (ngx_consent_conn_open(conn) == NGX_OK) {
            return conn;
        }
    }

    return store->topology.wait ? &store->lobby.conn : NULL;
}


ngx_consent_conn_t *
ngx_consent_route_slot(ngx_consent_store_t *store, ngx_uint_t slot)
{
    ngx_uint_t           number;
    ngx_consent_conn_t  *conn;

    ngx_consent_route_agree(store);

    number = store->slots[slot];

    if (number != NGX_CONSENT_NO_NODE) {
        conn = &store->nodes[number]->conn;

        return ngx_consent_conn_open(conn) == NGX_OK ? conn : NULL;
    }

    if (store->topology.known) {
        /* a slot that nobody serves */
        ngx_consent_topology_doubt(store, 0);
        return NULL;
    }

    return store->topology.wait ? &store->lobby.conn : NULL;
}


/* Another worker knows of a change. */

static void
ngx_consent_route_agree(ngx_consent_store_t *store)
{
    if (store->zone->sh->map != store->topology.map) {
        ngx_consent_topology_doubt(store, 0);
    }
}
