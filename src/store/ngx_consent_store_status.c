/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/* From shared memory alone: every worker says the same. */

void
ngx_consent_store_status(ngx_consent_store_t *store,
    ngx_consent_store_status_t *status)
{
    ngx_atomic_uint_t           up, heard;
    ngx_consent_node_t         *node;
    ngx_consent_shared_t       *sh;
    ngx_consent_feed_shared_t  *feed;

    node = &store->nodes[0];
    sh = store->zone->sh;
    feed = node->feed.sh;

    status->open = (node->breaker->open != 0);
    status->failures = node->breaker->failures;

    up = feed->up;
    heard = feed->heard;

    status->feed_heard = -1;
    status->feed_up = 0;

    if (heard) {
        /* `heard` was made odd */
        status->feed_heard = (ngx_msec_int_t) (ngx_current_msec + 1 - heard);
        status->feed_heard = ngx_max(status->feed_heard, 0);

        status->feed_up = (up != 0
                           && status->feed_heard < NGX_CONSENT_FEED_SILENCE);
    }

    status->policies_read = (sh->read != 0);

    ngx_shmtx_lock(&store->zone->shpool->mutex);

    status->epoch = sh->slots[sh->generation & 1].epoch;

    ngx_shmtx_unlock(&store->zone->shpool->mutex);
}


bool
ngx_consent_store_down(ngx_consent_store_t *store)
{
    ngx_uint_t  i;

    for (i = 0; i < store->nnodes; i++) {
        if (store->nodes[i].breaker->open) {
            return true;
        }
    }

    return false;
}
