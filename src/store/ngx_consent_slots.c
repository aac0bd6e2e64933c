/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_slots.h"


static bool ngx_consent_slots_master(const ngx_consent_reply_t *reply,
    size_t at, ngx_consent_range_t *range);
static bool ngx_consent_slots_address(const ngx_consent_reply_t *reply,
    size_t at, cg_str_t *host);
static size_t ngx_consent_slots_skip(const ngx_consent_reply_t *reply,
    size_t at);
static bool ngx_consent_slots_number(const ngx_consent_item_t *item,
    int64_t min, int64_t max, uint16_t *n);


/*
 * A range is [first, last, master, replica...], a node [host, port, id,
 * [name, value...]]; before Redis 7 without the last.
 */

int
ngx_consent_slots_next(const ngx_consent_reply_t *reply, size_t *pos,
    ngx_consent_range_t *range)
{
    size_t                     at;
    const ngx_consent_item_t  *item;

    item = reply->items;

    if (item[0].type != NGX_CONSENT_ARRAY) {
        return -1;
    }

    at = *pos ? *pos : 1;

    if (at == reply->nitems) {
        return 0;
    }

    if (item[at].type != NGX_CONSENT_ARRAY
        || item[at].count < 3
        || at + 3 >= reply->nitems
        || !ngx_consent_slots_number(&item[at + 1], 0, CG_SLOTS - 1,
                                     &range->first)
        || !ngx_consent_slots_number(&item[at + 2], range->first,
                                     CG_SLOTS - 1, &range->last)
        || !ngx_consent_slots_master(reply, at + 3, range))
    {
        return -1;
    }

    *pos = ngx_consent_slots_skip(reply, at);

    return 1;
}


/*
 * No host, or an empty one, is that of whoever was asked. "?" is a node that
 * should have told its name and has not: its address is beside it.
 */

static bool
ngx_consent_slots_master(const ngx_consent_reply_t *reply, size_t at,
    ngx_consent_range_t *range)
{
    const ngx_consent_item_t  *item;

    item = &reply->items[at];

    if (item[0].type != NGX_CONSENT_ARRAY
        || item[0].count < 2
        || at + 2 >= reply->nitems
        || (item[1].type != NGX_CONSENT_STRING
            && item[1].type != NGX_CONSENT_NIL)
        || !ngx_consent_slots_number(&item[2], 1, 65535, &range->port))
    {
        return false;
    }

    range->host = item[1].str;

    if (item[1].type == NGX_CONSENT_NIL || range->host.len == 0) {
        range->host = cg_str("");
        return true;
    }

    if (cg_str_eq(range->host, cg_str("?"))) {
        return item[0].count >= 4
               && ngx_consent_slots_address(reply, at + 4, &range->host);
    }

    return cg_host_valid(range->host);
}


/* "ip" of the names and values of a node. */

static bool
ngx_consent_slots_address(const ngx_consent_reply_t *reply, size_t at,
    cg_str_t *host)
{
    size_t                     i, n;
    const ngx_consent_item_t  *item;

    if (at >= reply->nitems || reply->items[at].type != NGX_CONSENT_ARRAY) {
        return false;
    }

    n = reply->items[at].count;
    item = &reply->items[at + 1];

    for (i = 0; i + 1 < n && at + 2 + i < reply->nitems; i += 2) {
        if (item[i].type == NGX_CONSENT_STRING
            && item[i + 1].type == NGX_CONSENT_STRING
            && cg_str_eq(item[i].str, cg_str("ip")))
        {
            *host = item[i + 1].str;
            return cg_host_valid(*host);
        }
    }

    return false;
}


/* Where the item at `at` and all that is in it end. */

static size_t
ngx_consent_slots_skip(const ngx_consent_reply_t *reply, size_t at)
{
    size_t  left;

    for (left = 1; left && at < reply->nitems; left--, at++) {
        if (reply->items[at].type == NGX_CONSENT_ARRAY) {
            left += reply->items[at].count;
        }
    }

    return at;
}


static bool
ngx_consent_slots_number(const ngx_consent_item_t *item, int64_t min,
    int64_t max, uint16_t *n)
{
    if (item->type != NGX_CONSENT_INTEGER
        || item->integer < min || item->integer > max)
    {
        return false;
    }

    *n = (uint16_t) item->integer;

    return true;
}


int
ngx_consent_master_parse(const ngx_consent_reply_t *reply, cg_str_t *host,
    uint16_t *port)
{
    uint64_t                   n;
    const ngx_consent_item_t  *item;

    item = reply->items;

    if (item[0].type == NGX_CONSENT_NIL) {
        return 0;
    }

    if (!ngx_consent_reply_flat(reply, 2)
        || item[1].type != NGX_CONSENT_STRING
        || item[2].type != NGX_CONSENT_STRING
        || !cg_host_valid(item[1].str)
        || !cg_parse_uint(item[2].str, 65535, &n)
        || n == 0)
    {
        return -1;
    }

    *host = item[1].str;
    *port = (uint16_t) n;

    return 1;
}
