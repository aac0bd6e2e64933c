/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <unistd.h>

#include "ctl_redis.h"


#define CTL_TRYAGAIN_WAIT  50000    /* microseconds */
#define CTL_MAX_TRYAGAIN   100      /* 5 s in all */


static ctl_exit_e ctl_cluster_range(ctl_t *ctl, const redisReply *range,
    const ctl_node_t *from);
static ctl_node_t *ctl_cluster_at(ctl_t *ctl, cg_str_t host, unsigned port,
    const ctl_node_t *from);
static bool ctl_cluster_host(const redisReply *reply, cg_str_t *host);
static ctl_node_t *ctl_cluster_target(ctl_t *ctl, const redisReply *reply,
    const ctl_node_t *from);


ctl_node_t *
ctl_cluster_node(ctl_t *ctl, const char *address)
{
    size_t        i;
    ctl_node_t   *node;
    ctl_redis_t  *redis;

    redis = ctl->redis;

    for (i = 0; i < redis->n; i++) {
        if (strcmp(redis->nodes[i]->name, address) == 0) {
            return redis->nodes[i];
        }
    }

    if (redis->n == CTL_MAX_NODES) {
        ctl_fail(ctl, CTL_REDIS, "the cluster has more than %d nodes",
                 CTL_MAX_NODES);
        return NULL;
    }

    node = ctl_node_open(ctl, redis, address, CTL_NODE_DATA);

    if (node != NULL) {
        redis->nodes[redis->n++] = node;
    }

    return node;
}


ctl_exit_e
ctl_cluster_map(ctl_t *ctl, ctl_node_t *node)
{
    size_t       i;
    redisReply  *reply;
    ctl_exit_e   rc;

    reply = ctl_ask_node(ctl, node, "CLUSTER SLOTS");
    if (reply == NULL) {
        return ctl->failed;
    }

    rc = CTL_OK;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        rc = ctl_fail(ctl, CTL_REDIS, "Redis at %s has no cluster slots",
                      node->name);
    }

    for (i = 0; rc == CTL_OK && i < reply->elements; i++) {
        rc = ctl_cluster_range(ctl, reply->element[i], node);
    }

    freeReplyObject(reply);

    for (i = 0; rc == CTL_OK && i < CG_SLOTS; i++) {
        if (ctl->redis->slots[i] == NULL) {
            rc = ctl_fail(ctl, CTL_REDIS, "slot %zu of the cluster is "
                          "nobody's: see redis-cli --cluster check", i);
        }
    }

    return rc;
}


/* [first, last, [address, port, ...], replicas ...] */

static ctl_exit_e
ctl_cluster_range(ctl_t *ctl, const redisReply *range, const ctl_node_t *from)
{
    cg_str_t           host;
    long long          i;
    ctl_node_t        *node;
    const redisReply  *master;

    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3
        || range->element[0]->type != REDIS_REPLY_INTEGER
        || range->element[1]->type != REDIS_REPLY_INTEGER
        || range->element[0]->integer < 0
        || range->element[1]->integer >= CG_SLOTS
        || range->element[2]->type != REDIS_REPLY_ARRAY
        || range->element[2]->elements < 2
        || !ctl_cluster_host(range->element[2]->element[0], &host)
        || range->element[2]->element[1]->type != REDIS_REPLY_INTEGER
        || range->element[2]->element[1]->integer < 1
        || range->element[2]->element[1]->integer > 65535)
    {
        return ctl_fail(ctl, CTL_REDIS, "Redis at %s: CLUSTER SLOTS cannot be "
                        "read", from->name);
    }

    master = range->element[2];
    node = ctl_cluster_at(ctl, host, (unsigned) master->element[1]->integer,
                          from);
    if (node == NULL) {
        return ctl->failed;
    }

    node->master = true;

    for (i = range->element[0]->integer; i <= range->element[1]->integer; i++)
    {
        ctl->redis->slots[i] = node;
    }

    return CTL_OK;
}


/* Nothing, or "?": a node does not know its own address. */

static bool
ctl_cluster_host(const redisReply *reply, cg_str_t *host)
{
    *host = ctl_reply_str(reply);

    if (cg_str_eq(*host, cg_str("?"))) {
        host->len = 0;
    }

    return reply->type == REDIS_REPLY_NIL
           || (reply->type == REDIS_REPLY_STRING
               && (host->len == 0 || cg_host_valid(*host)));
}


/* Without a host it is that of who says so, at another port. */

static ctl_node_t *
ctl_cluster_at(ctl_t *ctl, cg_str_t host, unsigned port,
    const ctl_node_t *from)
{
    char  address[CTL_MAX_ADDRESS];

    if (host.len == 0 && !ctl_net_host(from->name, &host)) {
        return ctl_cluster_node(ctl, from->name);
    }

    ctl_net_address(address, sizeof(address), host, port);

    return ctl_cluster_node(ctl, address);
}


bool
ctl_cluster_redirected(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR
           && (strncmp(reply->str, "MOVED ", 6) == 0
               || strncmp(reply->str, "ASK ", 4) == 0
               || strncmp(reply->str, "TRYAGAIN", 8) == 0);
}


redisReply *
ctl_cluster_follow(ctl_t *ctl, redisReply *reply, const ctl_node_t *node,
    const char *bytes, size_t len)
{
    bool         ask;
    int          hops, waits;
    ctl_node_t  *to;

    to = (ctl_node_t *) node;
    hops = 0;
    waits = 0;

    while (ctl_cluster_redirected(reply)) {
        ask = reply->str[0] == 'A';

        if (reply->str[0] == 'T') {
            if (waits++ == CTL_MAX_TRYAGAIN) {
                return reply;
            }

            usleep(CTL_TRYAGAIN_WAIT);

        } else {
            if (hops++ == CTL_MAX_HOPS) {
                return reply;
            }

            to = ctl_cluster_target(ctl, reply, to);
        }

        freeReplyObject(reply);

        if (to == NULL) {
            return NULL;
        }

        if (ask) {
            reply = ctl_try_node(ctl, to, "ASKING");
            if (reply == NULL) {
                return NULL;
            }

            freeReplyObject(reply);
        }

        reply = ctl_node_call(ctl, to, bytes, len);
        if (reply == NULL) {
            return NULL;
        }
    }

    return reply;
}


/* MOVED is from now on, ASK this once. */

static ctl_node_t *
ctl_cluster_target(ctl_t *ctl, const redisReply *reply,
    const ctl_node_t *from)
{
    ctl_node_t    *node;
    cg_redirect_t  r;

    if (!cg_redirect_parse(&r, ctl_reply_str(reply))) {
        ctl_fail(ctl, CTL_REDIS, "Redis at %s says: %s", from->name,
                 reply->str);
        return NULL;
    }

    node = ctl_cluster_at(ctl, r.host, r.port, from);

    if (node != NULL && !r.ask) {
        node->master = true;
        ctl->redis->slots[r.slot] = node;
    }

    return node;
}
