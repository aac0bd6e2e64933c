/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ngx_consent_reply.h"


#define require(x)  do { if (!(x)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Every byte of every string is there to be read, and the counts add up. */

static uint64_t
check_item(const ngx_consent_reply_t *reply, size_t *i, size_t depth)
{
    size_t                     n;
    uint64_t                   sum;
    const ngx_consent_item_t  *item;

    require(*i < reply->nitems);

    item = &reply->items[(*i)++];
    sum = item->type + 31 * (uint64_t) item->integer + 7 * item->count;

    if (item->type == NGX_CONSENT_ARRAY) {
        require(depth < NGX_CONSENT_REPLY_DEPTH);
        require(item->count <= NGX_CONSENT_REPLY_ELEMENTS);

        for (n = 0; n < item->count; n++) {
            sum = sum * 131 + check_item(reply, i, depth + 1);
        }

        return sum;
    }

    require(item->count == 0);

    if (item->type == NGX_CONSENT_NIL || item->type == NGX_CONSENT_INTEGER) {
        require(item->str.data == NULL);
        return sum;
    }

    require(item->str.data != NULL);
    require(item->str.len <= NGX_CONSENT_REPLY_SIZE);

    for (n = 0; n < item->str.len; n++) {
        sum = sum * 131 + item->str.data[n];
    }

    return sum;
}


static uint64_t
check_reply(const ngx_consent_reply_t *reply)
{
    size_t    i;
    uint64_t  sum;

    i = 0;
    sum = check_item(reply, &i, 0);

    require(i == reply->nitems);

    (void) ngx_consent_reply_flat(reply, reply->nitems - 1);
    (void) ngx_consent_reply_error(reply, "NOSCRIPT");

    return sum;
}


/* Reads all of it, `step` bytes at a time; a sum over what was read. */

static uint64_t
read_all(const uint8_t *data, size_t size, size_t step)
{
    int                    rc;
    size_t                 n;
    uint64_t               sum;
    ngx_consent_reply_t    reply;
    ngx_consent_reader_t  *reader;

    reader = ngx_consent_reader_create();
    require(reader != NULL);

    sum = 0;
    rc = 0;

    while (size && rc >= 0) {
        n = size < step ? size : step;

        require(ngx_consent_reader_feed(reader, data, n));
        data += n;
        size -= n;

        while ((rc = ngx_consent_reader_next(reader, &reply)) == 1) {
            sum = sum * 1009 + check_reply(&reply);
        }
    }

    if (rc < 0) {
        require(ngx_consent_reader_error(reader)[0] != '\0');
        require(ngx_consent_reader_next(reader, &reply) == -1);
        sum++;
    }

    ngx_consent_reader_free(reader);

    return sum;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t  whole;

    whole = read_all(data, size, size ? size : 1);

    require(read_all(data, size, 1) == whole);
    require(read_all(data, size, 7) == whole);

    return 0;
}
