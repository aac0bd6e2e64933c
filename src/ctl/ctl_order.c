/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"


_Static_assert(CG_EVENT_ID_LEN == CG_SUBJECT_ID_LEN, "ids of one length");


typedef struct {
    const ctl_event_t  *events;
    size_t              member;
} ctl_order_t;


static const uint8_t *ctl_order_of(const ctl_event_t *event, size_t member);
static int ctl_order_cmp(const void *a, const void *b, void *data);


void
ctl_order(size_t *list, size_t n, const ctl_event_t *events, size_t member)
{
    ctl_order_t  order;

    order.events = events;
    order.member = member;

    qsort_r(list, n, sizeof(size_t), ctl_order_cmp, &order);
}


size_t
ctl_order_find(const size_t *list, size_t n, const ctl_event_t *events,
    size_t member, const uint8_t id[CG_EVENT_ID_LEN])
{
    size_t  low, high, mid;

    low = 0;
    high = n;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (memcmp(ctl_order_of(&events[list[mid]], member), id,
                   CG_EVENT_ID_LEN) < 0)
        {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return low < n && memcmp(ctl_order_of(&events[list[low]], member), id,
                             CG_EVENT_ID_LEN) == 0
           ? list[low] : (size_t) -1;
}


static const uint8_t *
ctl_order_of(const ctl_event_t *event, size_t member)
{
    return (const uint8_t *) event + member;
}


/* What has the same id stays in the order of the stream. */

static int
ctl_order_cmp(const void *a, const void *b, void *data)
{
    int           cmp;
    size_t        i, j;
    ctl_order_t  *order;

    order = data;
    i = *(const size_t *) a;
    j = *(const size_t *) b;

    cmp = memcmp(ctl_order_of(&order->events[i], order->member),
                 ctl_order_of(&order->events[j], order->member),
                 CG_EVENT_ID_LEN);

    return cmp != 0 ? cmp : i < j ? -1 : i > j;
}
