/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_redis.h"


static redisReply *ctl_ask_routed(ctl_t *ctl, cg_str_t key, char *bytes,
    size_t len);
static redisReply *ctl_ask_format(ctl_t *ctl, cg_str_t key, const char *fmt,
    va_list args);
static redisReply *ctl_node_ask(ctl_t *ctl, ctl_node_t *node, const char *fmt,
    va_list args);


redisReply *
ctl_ask(ctl_t *ctl, cg_str_t key, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = ctl_ask_format(ctl, key, fmt, args);
    va_end(args);

    return ctl_redis_told(ctl, key, reply);
}


redisReply *
ctl_try(ctl_t *ctl, cg_str_t key, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = ctl_ask_format(ctl, key, fmt, args);
    va_end(args);

    return reply;
}


redisReply *
ctl_ask_argv(ctl_t *ctl, cg_str_t key, int argc, const char **argv,
    const size_t *lens)
{
    char    *bytes;
    size_t   len;

    if (ctl_node_words(ctl, &bytes, &len, argc, argv, lens) != CTL_OK) {
        return NULL;
    }

    return ctl_redis_told(ctl, key, ctl_ask_routed(ctl, key, bytes, len));
}


redisReply *
ctl_ask_node(ctl_t *ctl, ctl_node_t *node, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = ctl_node_ask(ctl, node, fmt, args);
    va_end(args);

    return ctl_redis_checked(ctl, node, reply);
}


redisReply *
ctl_try_node(ctl_t *ctl, ctl_node_t *node, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = ctl_node_ask(ctl, node, fmt, args);
    va_end(args);

    return reply;
}


redisReply *
ctl_redis_told(ctl_t *ctl, cg_str_t key, redisReply *reply)
{
    return reply != NULL
           ? ctl_redis_checked(ctl, ctl_redis_of(ctl->redis, key), reply)
           : NULL;
}


redisReply *
ctl_expect(ctl_t *ctl, redisReply *reply, int type, const char *what)
{
    if (reply == NULL || reply->type == type) {
        return reply;
    }

    freeReplyObject(reply);
    ctl_fail(ctl, CTL_REDIS, "the reply of Redis to %s cannot be read", what);

    return NULL;
}


redisReply *
ctl_expect_hash(ctl_t *ctl, redisReply *reply)
{
    bool    good;
    size_t  i;

    if (reply == NULL) {
        return NULL;
    }

    good = reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 0;

    for (i = 0; good && i < reply->elements; i++) {
        good = reply->element[i]->type == REDIS_REPLY_STRING;
    }

    /* a type that no reply has: it is reported and released */

    return good ? reply : ctl_expect(ctl, reply, -1, "HGETALL");
}


bool
ctl_reply_wrong_type(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR
           && strncmp(reply->str, "WRONGTYPE", 9) == 0;
}


/* Takes `bytes`. An error of Redis is a reply here. */

static redisReply *
ctl_ask_routed(ctl_t *ctl, cg_str_t key, char *bytes, size_t len)
{
    ctl_node_t  *node;
    redisReply  *reply;

    reply = NULL;

    if (ctl_redis_open(ctl) == CTL_OK) {
        node = ctl_redis_of(ctl->redis, key);
        reply = ctl_node_call(ctl, node, bytes, len);

        if (reply != NULL) {
            reply = ctl_cluster_follow(ctl, reply, node, bytes, len);
        }
    }

    free(bytes);

    return reply;
}


static redisReply *
ctl_ask_format(ctl_t *ctl, cg_str_t key, const char *fmt, va_list args)
{
    char    *bytes;
    size_t   len;

    return ctl_node_format(ctl, &bytes, &len, fmt, args) == CTL_OK
           ? ctl_ask_routed(ctl, key, bytes, len) : NULL;
}


static redisReply *
ctl_node_ask(ctl_t *ctl, ctl_node_t *node, const char *fmt, va_list args)
{
    char        *bytes;
    size_t       len;
    redisReply  *reply;

    if (ctl_node_format(ctl, &bytes, &len, fmt, args) != CTL_OK) {
        return NULL;
    }

    reply = ctl_node_call(ctl, node, bytes, len);

    /* it may have been a password */

    OPENSSL_cleanse(bytes, len);
    free(bytes);

    return reply;
}
