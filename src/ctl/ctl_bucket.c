/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"


static ctl_exit_e ctl_bucket_page(ctl_t *ctl, ctl_bucket_t *b, ctl_at_t first,
    ctl_at_t last, size_t *n);
static bool ctl_bucket_ordered(const redisReply *reply, ctl_at_t first);
static ctl_exit_e ctl_bucket_keep(ctl_t *ctl, ctl_bucket_t *b,
    redisReply *reply);


ctl_exit_e
ctl_bucket_load(ctl_t *ctl, ctl_bucket_t *b, unsigned bucket, ctl_at_t first,
    ctl_at_t last)
{
    size_t      n;
    ctl_exit_e  rc;

    memset(b, 0, sizeof(ctl_bucket_t));
    b->bucket = bucket;

    do {
        rc = ctl_bucket_page(ctl, b, first, last, &n);
    } while (rc == CTL_OK && n == CTL_PAGE
             && ctl_at_next(b->events[b->n - 1].at, &first));

    return rc;
}


ctl_exit_e
ctl_bucket_more(ctl_t *ctl, ctl_bucket_t *b)
{
    size_t      n;
    ctl_at_t    first;
    ctl_exit_e  rc;

    do {
        first = ctl_at_start;

        if (b->n > 0 && !ctl_at_next(b->events[b->n - 1].at, &first)) {
            return CTL_OK;
        }

        rc = ctl_bucket_page(ctl, b, first, ctl_at_end, &n);
    } while (rc == CTL_OK && n == CTL_PAGE);

    return rc;
}


void
ctl_bucket_free(ctl_bucket_t *b)
{
    size_t  i;

    for (i = 0; i < b->nreplies; i++) {
        freeReplyObject(b->replies[i]);
    }

    free(b->replies);
    free(b->events);
    memset(b, 0, sizeof(ctl_bucket_t));
}


int
ctl_bucket_parse(const char *text)
{
    char      digits[5];
    size_t    len;
    uint8_t   bytes[2];

    len = strlen(text);

    if (len == 5 && text[0] == '{' && text[4] == '}') {
        text++;
        len = 3;
    }

    if (len != 3) {
        return -1;
    }

    /* an even number of digits */

    snprintf(digits, sizeof(digits), "0%.3s", text);

    return cg_parse_hex((cg_str_t) { 4, (const uint8_t *) digits }, bytes, 2)
           ? bytes[0] << 8 | bytes[1] : -1;
}


/* Something else under its key is noted: no events are there. */

static ctl_exit_e
ctl_bucket_page(ctl_t *ctl, ctl_bucket_t *b, ctl_at_t first, ctl_at_t last,
    size_t *n)
{
    char         from[CTL_AT], to[CTL_AT];
    size_t       len;
    uint8_t      key[CG_MAX_KEY];
    cg_str_t     name;
    redisReply  *reply;

    len = ctl_key_bucket(ctl, b->bucket, key);
    name = (cg_str_t) { len, key };
    *n = 0;

    reply = ctl_try(ctl, name, "XRANGE %b %s %s COUNT %d", key, len,
                    ctl_at_text(first, from), ctl_at_text(last, to), CTL_PAGE);

    if (reply != NULL && ctl_reply_wrong_type(reply)) {
        b->wrong_type = true;
        freeReplyObject(reply);
        return CTL_OK;
    }

    reply = ctl_expect(ctl, ctl_redis_told(ctl, name, reply),
                       REDIS_REPLY_ARRAY, "XRANGE");
    if (reply == NULL) {
        return ctl->failed;
    }

    if (!ctl_bucket_ordered(reply, first)) {
        freeReplyObject(reply);
        return ctl_fail(ctl, CTL_REDIS, "the reply of Redis to XRANGE cannot "
                        "be read: its entries are in no order");
    }

    *n = reply->elements;

    return ctl_bucket_keep(ctl, b, reply);
}


/* From `first` on, and each one later: what is asked for next is new. */

static bool
ctl_bucket_ordered(const redisReply *reply, ctl_at_t first)
{
    bool               more;
    size_t             i;
    ctl_at_t           at;
    const redisReply  *entry;

    more = true;

    for (i = 0; i < reply->elements; i++) {
        entry = reply->element[i];

        if (!more
            || entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
            || !ctl_at_parse(ctl_reply_str(entry->element[0]), &at)
            || ctl_at_cmp(at, first) < 0)
        {
            return false;
        }

        more = ctl_at_next(at, &first);
    }

    return true;
}


/* The events point into the reply, which the bucket owns from now on. */

static ctl_exit_e
ctl_bucket_keep(ctl_t *ctl, ctl_bucket_t *b, redisReply *reply)
{
    size_t         i, size;
    redisReply   **replies;
    ctl_event_t   *events;

    replies = realloc(b->replies, (b->nreplies + 1) * sizeof(redisReply *));

    if (replies == NULL) {
        freeReplyObject(reply);
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    b->replies = replies;
    b->replies[b->nreplies++] = reply;

    if (b->n + reply->elements > b->size) {
        size = (b->n + reply->elements) * 2;
        events = realloc(b->events, size * sizeof(ctl_event_t));

        if (events == NULL) {
            return ctl_fail(ctl, CTL_FAILED, "out of memory");
        }

        b->events = events;
        b->size = size;
    }

    for (i = 0; i < reply->elements; i++) {
        ctl_event_read(ctl, &b->events[b->n++], b->bucket, reply->element[i]);
    }

    return CTL_OK;
}
