/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_COUNTERS_H
#define NGX_HTTP_CONSENT_COUNTERS_H

#include "ngx_http_consent_gate_module.h"


/*
 * Counters in shared memory, which a reload keeps. A worker counts in a slot
 * of its own, so that the cache line it writes to is hardly ever another
 * worker's; whoever reads adds the slots up. Workers of two cycles, and those
 * above the number of slots, share one: the additions are atomic.
 */

#define NGX_HTTP_CONSENT_SLOTS    32
#define NGX_HTTP_CONSENT_BOUNDS   11        /* of the histogram, and +Inf */

/* results of a write: ngx_consent_written_e, and one that is not known */

#define NGX_HTTP_CONSENT_WRITE_FAILED   (NGX_CONSENT_SPENT + 1)
#define NGX_HTTP_CONSENT_WRITE_RESULTS  (NGX_CONSENT_SPENT + 2)

#define NGX_HTTP_CONSENT_CACHE_RESULTS  (NGX_HTTP_CONSENT_CACHE_STALE + 1)
#define NGX_HTTP_CONSENT_STATUSES       (NGX_CONSENT_STORE_REFUSED + 1)

struct ngx_http_consent_counters_s {
    ngx_atomic_t  decisions[CG_OUTCOMES][CG_REASONS];
    ngx_atomic_t  reported;               /* of these, in report mode */
    ngx_atomic_t  cache[NGX_HTTP_CONSENT_CACHE_RESULTS];
    ngx_atomic_t  lookups[NGX_HTTP_CONSENT_STATUSES];
    ngx_atomic_t  latency[NGX_HTTP_CONSENT_BOUNDS + 1];
    ngx_atomic_t  latency_sum;            /* microseconds */
    ngx_atomic_t  writes[NGX_HTTP_CONSENT_WRITE_RESULTS];
    ngx_atomic_t  visits[NGX_HTTP_CONSENT_WRITE_RESULTS];
    ngx_atomic_t  merges[NGX_HTTP_CONSENT_WRITE_RESULTS];
    ngx_atomic_t  invalidations;          /* records, by the feed */
    ngx_atomic_t  overrides;              /* allowed */
    ngx_atomic_t  overrides_ignored;
    u_char        line[64];               /* between two slots */
};

/* Bounds of the latency histogram, in microseconds. */
extern const ngx_uint_t  ngx_http_consent_bounds[NGX_HTTP_CONSENT_BOUNDS];


/* Adds the zone. */
ngx_int_t ngx_http_consent_counters_add(ngx_conf_t *cf,
    ngx_http_consent_main_conf_t *mcf);
/* The sum over all workers. */
void ngx_http_consent_counters_sum(ngx_http_consent_main_conf_t *mcf,
    ngx_http_consent_counters_t *sum);
/* A question to the store took from `start` (ngx_http_consent_clock()). */
void ngx_http_consent_count_lookup(ngx_http_consent_main_conf_t *mcf,
    ngx_consent_status_e status, uint64_t start);
/* Microseconds of a monotonic clock, without a system call (vDSO). */
uint64_t ngx_http_consent_clock(void);

/* The slot of this worker. */

static ngx_inline ngx_http_consent_counters_t *
ngx_http_consent_counters(ngx_http_consent_main_conf_t *mcf)
{
    return &mcf->counters[ngx_worker % NGX_HTTP_CONSENT_SLOTS];
}

#define ngx_http_consent_count(counter)                                       \
    (void) ngx_atomic_fetch_add(counter, 1)

#endif /* NGX_HTTP_CONSENT_COUNTERS_H */
