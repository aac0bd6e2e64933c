/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <hiredis/hiredis.h>

#include "ngx_consent_reply.h"


struct ngx_consent_reader_s {
    redisReader         *redis;
    const char          *error;         /* of ours; NULL: look at hiredis */

    size_t               max_elements;
    size_t               max_items;
    size_t               max_size;

    /* the reply that is being read, or was read last */
    ngx_consent_item_t  *items;
    size_t               nitems;
    size_t               items_size;
    uint8_t             *bytes;         /* of its strings, one behind another */
    size_t               nbytes;
    size_t               bytes_size;
};

/* hiredis 1.0 widened the count and added the types of RESP3. */

#if HIREDIS_MAJOR >= 1
typedef size_t  ngx_consent_count_t;
#else
typedef int     ngx_consent_count_t;
#endif


static void *ngx_consent_reply_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_consent_reply_array(const redisReadTask *task,
    ngx_consent_count_t elements);
static void *ngx_consent_reply_integer(const redisReadTask *task,
    long long value);
#if HIREDIS_MAJOR >= 1
static void *ngx_consent_reply_double(const redisReadTask *task, double value,
    char *str, size_t len);
static void *ngx_consent_reply_bool(const redisReadTask *task, int value);
#endif
static void *ngx_consent_reply_nil(const redisReadTask *task);
static void ngx_consent_reply_release(void *object);
static ngx_consent_item_t *ngx_consent_reply_item(const redisReadTask *task);
static void *ngx_consent_reply_object(const redisReadTask *task);
static bool ngx_consent_reply_room(ngx_consent_reader_t *reader, size_t len);
static void ngx_consent_reply_resolve(ngx_consent_reader_t *reader);


static redisReplyObjectFunctions  ngx_consent_reply_functions = {
    .createString = ngx_consent_reply_string,
    .createArray = ngx_consent_reply_array,
    .createInteger = ngx_consent_reply_integer,
#if HIREDIS_MAJOR >= 1
    .createDouble = ngx_consent_reply_double,
    .createBool = ngx_consent_reply_bool,
#endif
    .createNil = ngx_consent_reply_nil,
    .freeObject = ngx_consent_reply_release
};


ngx_consent_reader_t *
ngx_consent_reader_create(void)
{
    ngx_consent_reader_t  *reader;

    reader = calloc(1, sizeof(ngx_consent_reader_t));
    if (reader == NULL) {
        return NULL;
    }

    reader->redis = redisReaderCreateWithFunctions(
                                                &ngx_consent_reply_functions);
    if (reader->redis == NULL) {
        free(reader);
        return NULL;
    }

    reader->redis->privdata = reader;

    reader->max_elements = NGX_CONSENT_REPLY_ELEMENTS;
    reader->max_items = NGX_CONSENT_REPLY_ITEMS;
    reader->max_size = NGX_CONSENT_REPLY_SIZE;

    return reader;
}


void
ngx_consent_reader_limit(ngx_consent_reader_t *reader, size_t elements,
    size_t size)
{
    reader->max_elements = elements;
    reader->max_items = elements + NGX_CONSENT_REPLY_ELEMENTS;
    reader->max_size = size;
}


void
ngx_consent_reader_free(ngx_consent_reader_t *reader)
{
    redisReaderFree(reader->redis);

    free(reader->items);
    free(reader->bytes);
    free(reader);
}


bool
ngx_consent_reader_feed(ngx_consent_reader_t *reader, const void *data,
    size_t len)
{
    return reader->error == NULL
           && redisReaderFeed(reader->redis, data, len) == REDIS_OK;
}


int
ngx_consent_reader_next(ngx_consent_reader_t *reader,
    ngx_consent_reply_t *reply)
{
    void         *object;
    redisReader  *redis;

    redis = reader->redis;

    if (reader->error || redis->err) {
        return -1;
    }

    object = NULL;

    if (redisReaderGetReply(redis, &object) != REDIS_OK) {
        return -1;
    }

    if (object) {
        ngx_consent_reply_resolve(reader);

        reply->nitems = reader->nitems;
        reply->items = reader->items;

        return 1;
    }

    /* hiredis keeps a string that is not whole, however long it will be */

    if (redis->len - redis->pos > reader->max_size) {
        reader->error = "reply too large";
        return -1;
    }

    return 0;
}


const char *
ngx_consent_reader_error(const ngx_consent_reader_t *reader)
{
    return reader->error ? reader->error : reader->redis->errstr;
}


bool
ngx_consent_reply_flat(const ngx_consent_reply_t *reply, size_t n)
{
    return reply->items[0].type == NGX_CONSENT_ARRAY
           && reply->items[0].count == n
           && reply->nitems == n + 1;
}


bool
ngx_consent_reply_error(const ngx_consent_reply_t *reply, const char *word)
{
    size_t    len;
    cg_str_t  text;

    if (reply->items[0].type != NGX_CONSENT_ERROR) {
        return false;
    }

    len = strlen(word);
    text = reply->items[0].str;

    return text.len >= len
           && memcmp(text.data, word, len) == 0
           && (text.len == len || text.data[len] == ' ');
}


static void *
ngx_consent_reply_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_consent_item_t    *item;
    ngx_consent_reader_t  *reader;

    reader = task->privdata;

    item = ngx_consent_reply_item(task);

    if (item == NULL || !ngx_consent_reply_room(reader, len)) {
        return NULL;
    }

    switch (task->type) {

    case REDIS_REPLY_STATUS:
        item->type = NGX_CONSENT_SIMPLE;
        break;

    case REDIS_REPLY_ERROR:
        item->type = NGX_CONSENT_ERROR;
        break;

    case REDIS_REPLY_STRING:
        item->type = NGX_CONSENT_STRING;
        break;

    default:
        reader->error = "reply of an unknown type";
        return NULL;
    }

    if (len) {
        memcpy(reader->bytes + reader->nbytes, str, len);
    }

    item->str.len = len;
    reader->nbytes += len;

    return ngx_consent_reply_object(task);
}


static void *
ngx_consent_reply_array(const redisReadTask *task,
    ngx_consent_count_t elements)
{
    size_t                 depth;
    const redisReadTask   *parent;
    ngx_consent_item_t    *item;
    ngx_consent_reader_t  *reader;

    reader = task->privdata;

    depth = 1;

    for (parent = task->parent; parent; parent = parent->parent) {
        depth++;
    }

    if (task->type != REDIS_REPLY_ARRAY
        || depth > NGX_CONSENT_REPLY_DEPTH
        || (size_t) elements > reader->max_elements)
    {
        reader->error = "reply of too many or too deep elements";
        return NULL;
    }

    item = ngx_consent_reply_item(task);
    if (item == NULL) {
        return NULL;
    }

    item->type = NGX_CONSENT_ARRAY;
    item->count = (size_t) elements;

    return ngx_consent_reply_object(task);
}


static void *
ngx_consent_reply_integer(const redisReadTask *task, long long value)
{
    ngx_consent_item_t  *item;

    item = ngx_consent_reply_item(task);
    if (item == NULL) {
        return NULL;
    }

    item->type = NGX_CONSENT_INTEGER;
    item->integer = value;

    return ngx_consent_reply_object(task);
}


#if HIREDIS_MAJOR >= 1

/* RESP3, which is never asked for. */

static void *
ngx_consent_reply_double(const redisReadTask *task, double value, char *str,
    size_t len)
{
    (void) value;
    (void) str;
    (void) len;

    ((ngx_consent_reader_t *) task->privdata)->error =
                                                  "reply of an unknown type";
    return NULL;
}


static void *
ngx_consent_reply_bool(const redisReadTask *task, int value)
{
    return ngx_consent_reply_double(task, value, NULL, 0);
}

#endif


static void *
ngx_consent_reply_nil(const redisReadTask *task)
{
    if (ngx_consent_reply_item(task) == NULL) {
        return NULL;
    }

    return ngx_consent_reply_object(task);
}


static void
ngx_consent_reply_release(void *object)
{
    (void) object;
}


/* The first item of a reply starts it anew. */

static ngx_consent_item_t *
ngx_consent_reply_item(const redisReadTask *task)
{
    size_t                 size;
    ngx_consent_item_t    *items;
    ngx_consent_reader_t  *reader;

    reader = task->privdata;

    if (task->parent == NULL) {
        reader->nitems = 0;
        reader->nbytes = 0;
    }

    if (reader->nitems == reader->max_items) {
        reader->error = "reply of too many elements";
        return NULL;
    }

    if (reader->nitems == reader->items_size) {
        size = reader->items_size ? 2 * reader->items_size : 64;

        items = realloc(reader->items, size * sizeof(ngx_consent_item_t));
        if (items == NULL) {
            return NULL;
        }

        reader->items = items;
        reader->items_size = size;
    }

    items = &reader->items[reader->nitems++];

    memset(items, 0, sizeof(ngx_consent_item_t));

    return items;
}


/* hiredis only passes it on: anything but NULL will do. */

static void *
ngx_consent_reply_object(const redisReadTask *task)
{
    return task->privdata;
}


static bool
ngx_consent_reply_room(ngx_consent_reader_t *reader, size_t len)
{
    size_t    size;
    uint8_t  *bytes;

    if (len > reader->max_size - reader->nbytes) {
        reader->error = "reply too large";
        return false;
    }

    if (reader->bytes && len <= reader->bytes_size - reader->nbytes) {
        return true;
    }

    size = reader->bytes_size ? reader->bytes_size : 1024;

    while (size < reader->nbytes + len) {
        size *= 2;
    }

    bytes = realloc(reader->bytes, size);
    if (bytes == NULL) {
        return false;
    }

    reader->bytes = bytes;
    reader->bytes_size = size;

    return true;
}


/* Strings moved while their memory grew: only now are they where they stay. */

static void
ngx_consent_reply_resolve(ngx_consent_reader_t *reader)
{
    size_t               i;
    uint8_t             *pos;
    ngx_consent_item_t  *item;

    pos = reader->bytes;

    for (i = 0; i < reader->nitems; i++) {
        item = &reader->items[i];

        switch (item->type) {

        case NGX_CONSENT_STRING:
        case NGX_CONSENT_SIMPLE:
        case NGX_CONSENT_ERROR:
            item->str.data = pos;
            pos += item->str.len;
            break;
        }
    }
}
