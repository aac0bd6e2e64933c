/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static void ngx_consent_status_node(ngx_consent_node_t *node,
    ngx_consent_node_status_t *status);


static const char  *ngx_consent_topology_names[] = {
    "single",
    "sentinel",
    "cluster"
};


/*
 * From shared memory, so that every worker says the same, but for the list of
 * nodes, which is the worker's own.
 */

void
ngx_consent_store_status(ngx_consent_store_t *store,
    ngx_consent_store_status_t *status)
{
    ngx_uint_t                  i;
    ngx_consent_shared_t       *sh;
    ngx_consent_node_status_t   node;

    sh = store->zone->sh;

    ngx_memzero(status, sizeof(ngx_consent_store_status_t));

    status->topology = ngx_consent_topology_names[store->conf->topology];
    status->open = ngx_consent_store_down(store);
    status->feed_up = 1;
    status->feed_heard = -1;

    for (i = 0; ngx_consent_store_node_status(store, i, &node); i++) {
        status->failures = ngx_max(status->failures, node.failures);
        status->feed_up = status->feed_up && node.feed_up;
        status->feed_heard = ngx_max(status->feed_heard, node.feed_heard);
    }

    status->nnodes = i;
    status->feed_up = status->feed_up && i;
    status->policies_read = (sh->read != 0);

    ngx_shmtx_lock(&store->zone->shpool->mutex);

    status->epoch = sh->slots[sh->generation & 1].epoch;

    ngx_shmtx_unlock(&store->zone->shpool->mutex);
}


bool
ngx_consent_store_node_status(ngx_consent_store_t *store, ngx_uint_t i,
    ngx_consent_node_status_t *status)
{
    ngx_uint_t  n;

    for (n = 0; n < store->nnodes; n++) {
        if (store->nodes[n] && i-- == 0) {
            ngx_consent_status_node(store->nodes[n], status);
            return true;
        }
    }

    return false;
}


static void
ngx_consent_status_node(ngx_consent_node_t *node,
    ngx_consent_node_status_t *status)
{
    ngx_atomic_uint_t           up, heard;
    ngx_consent_feed_shared_t  *feed;

    feed = node->feed.sh;

    status->name = node->name;
    status->open = (node->breaker->open != 0);
    status->failures = node->breaker->failures;
    status->slots = node->nslots;
    status->feed_heard = -1;
    status->feed_up = 0;

    up = feed->up;
    heard = feed->heard;

    if (heard) {
        /* `heard` was made odd */
        status->feed_heard = (ngx_msec_int_t) (ngx_current_msec + 1 - heard);
        status->feed_heard = ngx_max(status->feed_heard, 0);

        status->feed_up = (up != 0
                           && status->feed_heard < NGX_CONSENT_FEED_SILENCE);
    }
}


/* Some subjects may still be served while the nodes of others are away. */

bool
ngx_consent_store_down(ngx_consent_store_t *store)
{
    ngx_uint_t  i;

    for (i = 0; i < store->nnodes; i++) {
        if (store->nodes[i] && !store->nodes[i]->breaker->open) {
            return false;
        }
    }

    return !store->topology.wait;
}
