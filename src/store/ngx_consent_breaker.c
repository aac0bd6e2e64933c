/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * A breaker for each node in shared memory. It counts what happens to
 * connections, not to calls: one stall that fails 64 of them is one failure.
 * The lines of a node that is away and back are written by one worker: who
 * changes the state writes the line.
 */

static ngx_consent_breaker_t *ngx_consent_breaker_reuse(
    ngx_consent_shared_t *sh, ngx_atomic_uint_t key);
static void ngx_consent_breaker_down(ngx_consent_conn_t *conn);
static void ngx_consent_breaker_line(ngx_consent_conn_t *conn,
    ngx_uint_t level);
static void ngx_consent_breaker_timeout(ngx_consent_conn_t *conn);


/* A node keeps its breaker over a reload, and under another number. */

ngx_consent_breaker_t *
ngx_consent_breaker_find(ngx_consent_shared_t *sh, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_atomic_uint_t       key;
    ngx_consent_breaker_t  *breaker;

    key = ngx_crc32_long(name->data, name->len);
    key += (key == 0);

    breaker = NULL;

    for (i = 0; i < NGX_CONSENT_ZONE_NODES; i++) {
        breaker = &sh->breakers[(key + i) % NGX_CONSENT_ZONE_NODES];

        if (breaker->key == key
            || ngx_atomic_cmp_set(&breaker->key, 0, key)
            || breaker->key == key)
        {
            break;
        }
    }

    if (i == NGX_CONSENT_ZONE_NODES) {
        breaker = ngx_consent_breaker_reuse(sh, key);
    }

    breaker->used = ngx_current_msec | 1;

    return breaker;
}


/*
 * Nodes came and went until the table was full. The place of one that nobody
 * has used for long; should there be none, better shared than none.
 */

static ngx_consent_breaker_t *
ngx_consent_breaker_reuse(ngx_consent_shared_t *sh, ngx_atomic_uint_t key)
{
    ngx_uint_t              i;
    ngx_atomic_uint_t       old;
    ngx_consent_breaker_t  *breaker;

    for (i = 0; i < NGX_CONSENT_ZONE_NODES; i++) {
        breaker = &sh->breakers[(key + i) % NGX_CONSENT_ZONE_NODES];
        old = breaker->key;

        if (!ngx_consent_past(breaker->used + NGX_CONSENT_ZONE_UNUSED)
            || !ngx_atomic_cmp_set(&breaker->key, old, key))
        {
            continue;
        }

        breaker->failures = 0;
        breaker->open = 0;
        breaker->probe = 0;
        breaker->down_since = 0;
        breaker->logged = 0;

        ngx_memzero(&sh->feeds[breaker - sh->breakers],
                    sizeof(ngx_consent_feed_shared_t));

        return breaker;
    }

    return &sh->breakers[key % NGX_CONSENT_ZONE_NODES];
}


/* The claim ends by itself: its worker may have been killed. */

ngx_uint_t
ngx_consent_breaker_claim(ngx_consent_breaker_t *breaker, ngx_msec_t length)
{
    ngx_atomic_uint_t  old;

    old = breaker->probe;

    if (old && !ngx_consent_past(old)) {
        return 0;
    }

    return ngx_atomic_cmp_set(&breaker->probe, old,
                              (ngx_current_msec + length) | 1);
}


void
ngx_consent_breaker_fail(ngx_consent_conn_t *conn, ngx_uint_t failures)
{
    ngx_uint_t              n;
    ngx_consent_node_t     *node;
    ngx_consent_breaker_t  *breaker;

    node = conn->node;
    breaker = node->breaker;

    n = ngx_atomic_fetch_add(&breaker->failures, failures) + failures;

    if (conn->fault.kind == NGX_CONSENT_FAULT_TIMEOUT) {
        ngx_consent_breaker_timeout(conn);

    } else {
        ngx_consent_breaker_down(conn);
    }

    if (ngx_consent_fault_lasting(conn->fault.kind)) {
        breaker->probe = (ngx_current_msec + NGX_CONSENT_BACKOFF_DENIED) | 1;
    }

    if (n >= NGX_CONSENT_BREAKER_LIMIT
        && ngx_atomic_cmp_set(&breaker->open, 0, 1))
    {
        (void) ngx_atomic_cmp_set(&breaker->down_since, 0,
                                  ngx_current_msec | 1);
        breaker->loud = 1;

        ngx_log_error(NGX_LOG_WARN, node->store->log, conn->fault.err,
                      "consent store %V: %ui failures in a row, not asked "
                      "until it is back; the last: %V",
                      &node->name, n, &conn->fault.text);
    }
}


/*
 * One line at the error level for each kind of fault as long as the node is
 * down, and none when it went down a moment ago: a server that takes every
 * connection and closes it again would fill the log.
 */

static void
ngx_consent_breaker_down(ngx_consent_conn_t *conn)
{
    ngx_atomic_uint_t       bit, old;
    ngx_consent_breaker_t  *breaker;

    breaker = conn->node->breaker;
    bit = (ngx_atomic_uint_t) 1 << conn->fault.kind;

    if (ngx_atomic_cmp_set(&breaker->down_since, 0, ngx_current_msec | 1)) {
        old = breaker->logged;

        breaker->loud = (old == 0
                         || ngx_consent_past(old + NGX_CONSENT_QUIET));
        breaker->faults = breaker->loud ? 0 : ~(ngx_atomic_uint_t) 0;
    }

    old = breaker->faults;

    if ((old & bit) == 0
        && ngx_atomic_cmp_set(&breaker->faults, old, old | bit))
    {
        breaker->logged = ngx_current_msec | 1;
        breaker->loud = 1;
        ngx_consent_breaker_line(conn, NGX_LOG_ERR);

    } else {
        ngx_consent_breaker_line(conn, NGX_LOG_INFO);
    }
}


static void
ngx_consent_breaker_line(ngx_consent_conn_t *conn, ngx_uint_t level)
{
    ngx_log_error(level, conn->node->store->log, conn->fault.err,
                  "consent store %V: %V", &conn->node->name,
                  &conn->fault.text);
}


static void
ngx_consent_breaker_timeout(ngx_consent_conn_t *conn)
{
    ngx_str_t  more;

    if (!conn->node->breaker->open
        && ngx_consent_line(conn->node->store, NGX_CONSENT_LINE_TIMEOUT,
                            &more))
    {
        ngx_consent_breaker_line(conn, NGX_LOG_WARN);

    } else {
        ngx_consent_breaker_line(conn, NGX_LOG_INFO);
    }
}


void
ngx_consent_breaker_good(ngx_consent_node_t *node)
{
    ngx_atomic_uint_t       since;
    ngx_consent_breaker_t  *breaker;

    breaker = node->breaker;

    if (breaker->failures == 0 && !breaker->open) {
        return;
    }

    breaker->failures = 0;
    breaker->open = 0;
    breaker->probe = 0;

    (void) ngx_atomic_fetch_add(&breaker->closings, 1);

    since = breaker->down_since;

    if (since && ngx_atomic_cmp_set(&breaker->down_since, since, 0)) {
        ngx_log_error((breaker->loud ? NGX_LOG_NOTICE : NGX_LOG_INFO),
                      node->store->log, 0,
                      "consent store %V: back after %M ms", &node->name,
                      (ngx_msec_t) (ngx_current_msec - since + 1));
    }
}
