/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"
#include "ctl_verify.h"


static void ctl_orphan_found(ctl_orphans_t *orphans,
    const uint8_t id[CG_EVENT_ID_LEN]);
static void ctl_verify_lost(ctl_t *ctl, ctl_verify_t *v);
static int ctl_orphan_cmp(const void *a, const void *b);
static int ctl_orphan_cmp_place(const void *a, const void *b);


/* They are looked for everywhere; after a trim they may be with the rest. */

ctl_exit_e
ctl_verify_orphans(ctl_t *ctl, ctl_verify_t *v)
{
    size_t         i;
    unsigned       bucket;
    ctl_exit_e     rc;
    ctl_bucket_t   b;

    qsort(v->orphans.list, v->orphans.n, sizeof(ctl_orphan_t),
          ctl_orphan_cmp);
    rc = CTL_OK;

    for (bucket = 0; rc == CTL_OK && bucket < CTL_BUCKETS; bucket++) {
        rc = ctl_bucket_load(ctl, &b, bucket, ctl_at_start, ctl_at_end);

        for (i = 0; rc == CTL_OK && i < b.n; i++) {
            ctl_orphan_found(&v->orphans, b.events[i].id);
        }

        ctl_bucket_free(&b);
        ctl_progress(ctl, "buckets looked through for earlier events",
                     bucket + 1, CTL_BUCKETS);
    }

    if (rc == CTL_OK && v->ledger.trims == 0) {
        ctl_verify_lost(ctl, v);
    }

    return rc;
}


/* Several may name the same one. */

static void
ctl_orphan_found(ctl_orphans_t *orphans, const uint8_t id[CG_EVENT_ID_LEN])
{
    ctl_orphan_t  *orphan, key, *end;

    memcpy(key.prev, id, CG_EVENT_ID_LEN);
    end = orphans->list + orphans->n;

    orphan = bsearch(&key, orphans->list, orphans->n, sizeof(ctl_orphan_t),
                     ctl_orphan_cmp);
    if (orphan == NULL) {
        return;
    }

    while (orphan > orphans->list && ctl_orphan_cmp(orphan - 1, &key) == 0) {
        orphan--;
    }

    for ( /* void */ ; orphan < end && ctl_orphan_cmp(orphan, &key) == 0;
          orphan++)
    {
        orphan->found = true;
    }
}


/* The first one of each bucket. */

static void
ctl_verify_lost(ctl_t *ctl, ctl_verify_t *v)
{
    int            bucket;
    size_t         i;
    ctl_orphan_t  *orphan;

    qsort(v->orphans.list, v->orphans.n, sizeof(ctl_orphan_t),
          ctl_orphan_cmp_place);
    bucket = -1;

    for (i = 0; i < v->orphans.n; i++) {
        orphan = &v->orphans.list[i];

        if (!orphan->found && (int) orphan->finding.bucket != bucket) {
            bucket = (int) orphan->finding.bucket;
            ctl_verify_fault(ctl, v, &orphan->finding);
        }
    }
}


static int
ctl_orphan_cmp(const void *a, const void *b)
{
    const ctl_orphan_t  *x, *y;

    x = a;
    y = b;

    return memcmp(x->prev, y->prev, CG_EVENT_ID_LEN);
}


static int
ctl_orphan_cmp_place(const void *a, const void *b)
{
    const ctl_orphan_t  *x, *y;

    x = a;
    y = b;

    if (x->finding.bucket != y->finding.bucket) {
        return x->finding.bucket < y->finding.bucket ? -1 : 1;
    }

    return ctl_at_cmp(x->finding.at, y->finding.at);
}
