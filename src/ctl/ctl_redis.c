/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "../core/cg_grant.h"
#include "ctl_redis.h"


static ctl_exit_e ctl_redis_start(ctl_t *ctl);
static ctl_exit_e ctl_redis_connect(ctl_t *ctl, const char *master);
static ctl_exit_e ctl_redis_alone(ctl_t *ctl, ctl_node_t *node);
static ctl_node_t *ctl_redis_first(ctl_t *ctl, const char *master);
static ctl_node_t *ctl_redis_try(ctl_t *ctl, const char *address,
    const char *master);
static ctl_node_t *ctl_redis_master(ctl_t *ctl, ctl_node_t *sentinel,
    const char *master);
static bool ctl_redis_address(const redisReply *reply, char *address);
static void ctl_redis_advice(const redisReply *error, char *advice,
    size_t size);
static bool ctl_redis_is_master(ctl_t *ctl, ctl_node_t *node);


ctl_exit_e
ctl_redis_open(ctl_t *ctl)
{
    ctl_exit_e  rc;

    if (ctl->redis != NULL) {
        return CTL_OK;
    }

    ctl->redis = calloc(1, sizeof(ctl_redis_t));
    if (ctl->redis == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = ctl_redis_start(ctl);

    if (rc != CTL_OK) {
        ctl_redis_close(ctl->redis);
        ctl->redis = NULL;
    }

    return rc;
}


void
ctl_redis_close(ctl_redis_t *redis)
{
    size_t  i;

    for (i = 0; i < redis->n; i++) {
        ctl_node_close(redis->nodes[i]);
    }

    SSL_CTX_free(redis->tls);
    free(redis);
}


size_t
ctl_redis_nodes(const ctl_redis_t *redis)
{
    return redis->n;
}


ctl_node_t *
ctl_redis_node(ctl_redis_t *redis, size_t i)
{
    return redis->nodes[i]->master ? redis->nodes[i] : NULL;
}


ctl_node_t *
ctl_redis_of(ctl_redis_t *redis, cg_str_t key)
{
    return redis->cluster ? redis->slots[cg_slot(key)]
                          : redis->nodes[0];
}


static ctl_exit_e
ctl_redis_start(ctl_t *ctl)
{
    const char  *topology;
    ctl_exit_e   rc;

    topology = ctl_setting(ctl, CTL_TOPOLOGY);

    rc = ctl_net_tls(ctl, &ctl->redis->tls);
    if (rc != CTL_OK) {
        return rc;
    }

    if (strncmp(topology, "sentinel ", 9) == 0) {
        topology += 9;
        return ctl_redis_connect(ctl, topology + strspn(topology, " \t"));
    }

    ctl->redis->cluster = strcmp(topology, "cluster") == 0;

    return ctl_redis_connect(ctl, NULL);
}


static ctl_exit_e
ctl_redis_connect(ctl_t *ctl, const char *master)
{
    ctl_node_t   *node;
    ctl_redis_t  *redis;

    redis = ctl->redis;

    node = ctl_redis_first(ctl, master);
    if (node == NULL) {
        return ctl->failed;
    }

    redis->nodes[redis->n++] = node;

    if (redis->cluster) {
        return ctl_cluster_map(ctl, node);
    }

    node->master = true;

    return ctl_redis_alone(ctl, node);
}


/*
 * One node of a cluster would answer for its own part, and numbers would be
 * wrong without a word. Who may not say HELLO is not asked.
 */

static ctl_exit_e
ctl_redis_alone(ctl_t *ctl, ctl_node_t *node)
{
    bool         cluster;
    size_t       i;
    redisReply  *reply;

    reply = ctl_try_node(ctl, node, "HELLO 2");
    if (reply == NULL) {
        return ctl->failed;
    }

    cluster = false;

    for (i = 0; i + 1 < reply->elements; i += 2) {

        if (cg_str_eq(ctl_reply_str(reply->element[i]), cg_str("mode"))) {
            cluster = cg_str_eq(ctl_reply_str(reply->element[i + 1]),
                                cg_str("cluster"));
        }
    }

    freeReplyObject(reply);

    return cluster
           ? ctl_fail(ctl, CTL_USAGE, "Redis at %s is a node of a cluster: set "
                      "topology to cluster", node->name)
           : CTL_OK;
}


/*
 * The first server that answers, or the master that it names. What is wrong
 * with each is told if none does. A mistake of ours is the same with all.
 */

static ctl_node_t *
ctl_redis_first(ctl_t *ctl, const char *master)
{
    char        *list, *address, *save;
    ctl_held_t   held;
    ctl_node_t  *node;

    list = strdup(ctl_setting(ctl, CTL_SERVER));
    if (list == NULL) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    node = NULL;
    held.len = 0;
    ctl->held = &held;
    ctl->failed = CTL_REDIS;

    for (address = strtok_r(list, ", ", &save);
         node == NULL && address != NULL && ctl->failed == CTL_REDIS;
         address = strtok_r(NULL, ", ", &save))
    {
        node = ctl_redis_try(ctl, address, master);
    }

    free(list);
    ctl->held = NULL;

    if (node == NULL && held.len == 0) {
        ctl_fail(ctl, CTL_USAGE, "no server is set");

    } else if (node == NULL) {
        ctl_fail(ctl, ctl->failed, "%s", held.text);
    }

    return node;
}


static ctl_node_t *
ctl_redis_try(ctl_t *ctl, const char *address, const char *master)
{
    ctl_node_t  *node, *sentinel;

    if (master == NULL) {
        return ctl_node_open(ctl, ctl->redis, address, CTL_NODE_DATA);
    }

    sentinel = ctl_node_open(ctl, ctl->redis, address, CTL_NODE_SENTINEL);
    if (sentinel == NULL) {
        return NULL;
    }

    node = ctl_redis_master(ctl, sentinel, master);
    ctl_node_close(sentinel);

    return node;
}


/* What a sentinel says is believed when ROLE says so, too. */

static ctl_node_t *
ctl_redis_master(ctl_t *ctl, ctl_node_t *sentinel, const char *master)
{
    bool         named;
    char         address[CTL_MAX_ADDRESS];
    ctl_node_t  *node;
    redisReply  *reply;

    reply = ctl_ask_node(ctl, sentinel,
                         "SENTINEL get-master-addr-by-name %s", master);
    if (reply == NULL) {
        return NULL;
    }

    named = ctl_redis_address(reply, address);
    freeReplyObject(reply);

    if (!named) {
        ctl_fail(ctl, CTL_REDIS, "the sentinel at %s knows no master \"%s\"",
                 sentinel->name, master);
        return NULL;
    }

    node = ctl_node_open(ctl, ctl->redis, address, CTL_NODE_DATA);

    if (node != NULL && !ctl_redis_is_master(ctl, node)) {
        ctl_fail(ctl, CTL_REDIS, "Redis at %s is not the master that the "
                 "sentinel at %s takes it for", node->name, sentinel->name);
        ctl_node_close(node);
        return NULL;
    }

    return node;
}


/* [address, port] as "HOST:PORT"; `address` holds CTL_MAX_ADDRESS bytes. */

static bool
ctl_redis_address(const redisReply *reply, char *address)
{
    uint64_t  port;
    cg_str_t  host;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return false;
    }

    host = ctl_reply_str(reply->element[0]);

    if (!cg_host_valid(host)
        || !cg_parse_uint(ctl_reply_str(reply->element[1]), 65535, &port))
    {
        return false;
    }

    ctl_net_address(address, CTL_MAX_ADDRESS, host, (unsigned) port);

    return true;
}


static bool
ctl_redis_is_master(ctl_t *ctl, ctl_node_t *node)
{
    bool         is;
    redisReply  *reply;

    reply = ctl_try_node(ctl, node, "ROLE");

    is = reply != NULL && reply->type == REDIS_REPLY_ARRAY
         && reply->elements > 0
         && cg_str_eq(ctl_reply_str(reply->element[0]), cg_str("master"));

    if (reply != NULL) {
        freeReplyObject(reply);
    }

    return is;
}


redisReply *
ctl_redis_checked(ctl_t *ctl, const ctl_node_t *node, redisReply *reply)
{
    char  advice[80];

    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        ctl_redis_advice(reply, advice, sizeof(advice));
        ctl_fail(ctl, CTL_REDIS, "Redis at %s refuses: %s%s", node->name,
                 reply->str, advice);
        freeReplyObject(reply);
        return NULL;
    }

    return reply;
}


/* What the user is not permitted: the rule that grants it. */

static void
ctl_redis_advice(const redisReply *error, char *advice, size_t size)
{
    cg_str_t  command;

    switch (cg_grant_parse(ctl_reply_str(error), &command)) {

    case CG_GRANT_NONE:
        advice[0] = '\0';
        break;

    case CG_GRANT_COMMAND:
        snprintf(advice, size, ": allow this user +%.*s", (int) command.len,
                 (const char *) command.data);
        break;

    default:
        snprintf(advice, size, ": give this user the rules of "
                 "consentctl.acl");
        break;
    }
}
