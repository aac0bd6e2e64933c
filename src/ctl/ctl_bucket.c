/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"


static ctl_exit_e ctl_bucket_page(ctl_t *ctl, ctl_bucket_t *b, ctl_at_t first,
    ctl_at_t last, size_t *n);
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

        if (b->n > 0) {
            first = b->events[b->n - 1].at;
            first.seq++;
        }
    } while (rc == CTL_OK && n == CTL_PAGE);

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

        if (b->n > 0) {
            first = b->events[b->n - 1].at;
            first.seq++;
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
    char      digits[4];
    uint8_t   bytes[2];

    if (sscanf(text, "{%3[0-9a-f]}", digits) != 1
        && (strlen(text) != 3 || sscanf(text, "%3[0-9a-f]", digits) != 1))
    {
        return -1;
    }

    if (strlen(digits) != 3) {
        return -1;
    }

    /* an even number of digits */

    return cg_parse_hex((cg_str_t) { 4, (const uint8_t *) (char[]) {
                            '0', digits[0], digits[1], digits[2] } }, bytes, 2)
           ? bytes[0] << 8 | bytes[1] : -1;
}


static ctl_exit_e
ctl_bucket_page(ctl_t *ctl, ctl_bucket_t *b, ctl_at_t first, ctl_at_t last,
    size_t *n)
{
    char         from[CTL_AT], to[CTL_AT];
    size_t       len;
    uint8_t      key[CG_MAX_KEY];
    redisReply  *reply;

    len = ctl_key_bucket(ctl, b->bucket, key);
    *n = 0;

    reply = ctl_ask(ctl, (cg_str_t) { len, key }, "XRANGE %b %s %s COUNT %d",
                    key, len, ctl_at_text(first, from), ctl_at_text(last, to),
                    CTL_PAGE);
    if (reply == NULL) {
        return ctl->failed;
    }

    *n = reply->elements;

    return ctl_bucket_keep(ctl, b, reply);
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
