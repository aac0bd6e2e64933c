/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_int_t ngx_consent_cluster_read(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply,
    uint8_t *slots);
static ngx_int_t ngx_consent_cluster_malformed(ngx_consent_node_t *asked,
    const char *what);
static void ngx_consent_cluster_take(ngx_consent_store_t *store,
    const uint8_t *slots);
static void ngx_consent_cluster_nodes(ngx_consent_store_t *store);
static void ngx_consent_cluster_moved(ngx_consent_node_t *node);
static uint32_t ngx_consent_cluster_map(ngx_consent_store_t *store);


/*
 * A table of slots, each the number of a node. Nothing of a reply is taken
 * before all of it has been read.
 */

ngx_int_t
ngx_consent_cluster_apply(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply)
{
    uint8_t  slots[CG_SLOTS];

    if (ngx_consent_cluster_read(store, asked, reply, slots) != NGX_OK) {
        /* nodes that were made for it go with the next one */
        return NGX_ERROR;
    }

    ngx_consent_cluster_take(store, slots);
    ngx_consent_cluster_nodes(store);

    ngx_consent_topology_seen(store, ngx_consent_cluster_map(store));

    return NGX_OK;
}


static ngx_int_t
ngx_consent_cluster_read(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply,
    uint8_t *slots)
{
    int                   rc;
    size_t                pos;
    ngx_uint_t            n;
    ngx_consent_node_t   *node;
    ngx_consent_range_t   range;

    ngx_memset(slots, NGX_CONSENT_NO_NODE, CG_SLOTS);

    for (pos = 0, n = 0; /* void */ ; n++) {
        rc = ngx_consent_slots_next(reply, &pos, &range);

        if (rc == 0) {
            break;
        }

        if (rc < 0) {
            return ngx_consent_cluster_malformed(asked, "malformed reply");
        }

        node = ngx_consent_node_get(store, range.host, range.port, asked);

        if (node == NULL) {
            return ngx_consent_cluster_malformed(asked,
                                        "a node that cannot be used in the "
                                        "reply");
        }

        ngx_memset(slots + range.first, (int) node->number,
                   range.last - range.first + 1);
    }

    if (n == 0) {
        return ngx_consent_cluster_malformed(asked, "no slots in the reply");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_consent_cluster_malformed(ngx_consent_node_t *asked, const char *what)
{
    return ngx_consent_fault(&asked->conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                             "%s to CLUSTER SLOTS", what);
}


static void
ngx_consent_cluster_take(ngx_consent_store_t *store, const uint8_t *slots)
{
    ngx_uint_t  slot, number;

    for (slot = 0; slot < CG_SLOTS; slot++) {
        number = store->slots[slot];

        if (slots[slot] == number) {
            continue;
        }

        if (number != NGX_CONSENT_NO_NODE) {
            store->nodes[number]->moved = 1;
        }

        store->slots[slot] = slots[slot];
    }
}


/* Those that came are connected, those that have nothing left may go. */

static void
ngx_consent_cluster_nodes(ngx_consent_store_t *store)
{
    ngx_uint_t           i, slot, counts[NGX_CONSENT_MAX_NODES];
    ngx_consent_node_t  *node;

    ngx_memzero(counts, sizeof(counts));

    for (slot = 0; slot < CG_SLOTS; slot++) {
        if (store->slots[slot] != NGX_CONSENT_NO_NODE) {
            counts[store->slots[slot]]++;
        }
    }

    for (i = 0; i < store->nnodes; i++) {
        node = store->nodes[i];

        if (node == NULL) {
            continue;
        }

        node->nslots = counts[i];

        ngx_consent_cluster_moved(node);

        if (node->nslots == 0
            && (node->stays == 0 || ngx_consent_past(node->stays)))
        {
            ngx_consent_node_retire(node);

        } else if (node->conn.state == NGX_CONSENT_CONN_IDLE) {
            (void) ngx_consent_conn_open(&node->conn);
        }
    }
}


/*
 * Its slots may have been written to elsewhere, and nobody may have heard of
 * it: what the cache has from this node is not relied on any more.
 */

static void
ngx_consent_cluster_moved(ngx_consent_node_t *node)
{
    if (node->moved && node->feed.lease && node->feed.up) {
        ngx_consent_feed_begin(&node->feed);
    }

    node->moved = 0;
}


/* The same for workers that know the same. */

static uint32_t
ngx_consent_cluster_map(ngx_consent_store_t *store)
{
    uint32_t             crc;
    ngx_uint_t           slot;
    ngx_atomic_uint_t    key;
    ngx_consent_node_t  *node;

    ngx_crc32_init(crc);

    for (slot = 0; slot < CG_SLOTS; slot++) {
        node = store->slots[slot] == NGX_CONSENT_NO_NODE
               ? NULL : store->nodes[store->slots[slot]];

        key = node ? node->breaker->key : 0;

        if (slot == 0 || store->slots[slot] != store->slots[slot - 1]) {
            ngx_crc32_update(&crc, (u_char *) &slot, sizeof(slot));
            ngx_crc32_update(&crc, (u_char *) &key, sizeof(key));
        }
    }

    ngx_crc32_final(crc);

    return crc;
}


void
ngx_consent_cluster_patch(ngx_consent_store_t *store, ngx_uint_t slot,
    ngx_consent_node_t *node)
{
    ngx_uint_t           number;
    ngx_consent_node_t  *old;

    number = store->slots[slot];
    old = number == NGX_CONSENT_NO_NODE ? NULL : store->nodes[number];

    if (old == node) {
        return;
    }

    store->slots[slot] = (uint8_t) node->number;
    node->nslots++;

    if (old) {
        old->nslots--;
        old->moved = 1;

        ngx_consent_cluster_moved(old);
    }
}
