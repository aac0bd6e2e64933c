/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * The lease is one word, so that it changes hands by compare-and-set: the
 * process id (22 bits at most on Linux) above the expiry, ten bits that count
 * units of 256 ms. What seems to expire further ahead than a lease lasts is
 * long past: the ten bits go round every four minutes.
 */

#define NGX_CONSENT_LEASE_BITS   10
#define NGX_CONSENT_LEASE_MASK   ((1 << NGX_CONSENT_LEASE_BITS) - 1)
#define NGX_CONSENT_LEASE_SHIFT  8
#define NGX_CONSENT_LEASE_UNITS                                               \
    (NGX_CONSENT_FEED_LEASE >> NGX_CONSENT_LEASE_SHIFT)


static ngx_atomic_uint_t ngx_consent_lease_word(void);
static ngx_uint_t ngx_consent_lease_valid(ngx_atomic_uint_t word);


ngx_uint_t
ngx_consent_lease_take(ngx_consent_feed_t *feed)
{
    ngx_atomic_uint_t  old, word;

    old = feed->sh->lease;

    if (old && ngx_consent_lease_valid(old)) {
        return 0;
    }

    word = ngx_consent_lease_word();

    if (!ngx_atomic_cmp_set(&feed->sh->lease, old, word)) {
        return 0;
    }

    feed->lease = word;

    return 1;
}


/* Also when it has expired, as long as nobody else has taken it. */

ngx_uint_t
ngx_consent_lease_renew(ngx_consent_feed_t *feed)
{
    ngx_atomic_uint_t  word;

    word = ngx_consent_lease_word();

    if (feed->lease == 0
        || !ngx_atomic_cmp_set(&feed->sh->lease, feed->lease, word))
    {
        feed->lease = 0;
        return 0;
    }

    feed->lease = word;

    return 1;
}


void
ngx_consent_lease_give(ngx_consent_feed_t *feed)
{
    if (feed->lease) {
        (void) ngx_atomic_cmp_set(&feed->sh->lease, feed->lease, 0);
        feed->lease = 0;
    }
}


static ngx_atomic_uint_t
ngx_consent_lease_word(void)
{
    ngx_atomic_uint_t  units;

    units = (ngx_current_msec >> NGX_CONSENT_LEASE_SHIFT)
            + NGX_CONSENT_LEASE_UNITS;

    return (ngx_atomic_uint_t) ngx_pid << NGX_CONSENT_LEASE_BITS
           | (units & NGX_CONSENT_LEASE_MASK);
}


/* A worker that was killed is not waited for. */

static ngx_uint_t
ngx_consent_lease_valid(ngx_atomic_uint_t word)
{
    ngx_pid_t          pid;
    ngx_atomic_uint_t  left;

    left = (word - (ngx_current_msec >> NGX_CONSENT_LEASE_SHIFT))
           & NGX_CONSENT_LEASE_MASK;

    if (left == 0 || left > NGX_CONSENT_LEASE_UNITS) {
        return 0;
    }

    pid = (ngx_pid_t) (word >> NGX_CONSENT_LEASE_BITS);

    return kill(pid, 0) == 0 || ngx_errno != ESRCH;
}
