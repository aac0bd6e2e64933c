/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_redis.h"


static ctl_exit_e ctl_redis_start(ctl_t *ctl);
static ctl_exit_e ctl_redis_connect(ctl_t *ctl, const char *master);
static ctl_exit_e ctl_redis_alone(ctl_t *ctl, ctl_node_t *node);
static ctl_node_t *ctl_redis_first(ctl_t *ctl, const char *master);
static ctl_node_t *ctl_redis_master(ctl_t *ctl, ctl_node_t *sentinel,
    const char *master, char *err, size_t size);
static bool ctl_redis_is_master(ctl_t *ctl, ctl_node_t *node);
static redisReply *ctl_redis_routed(ctl_t *ctl, cg_str_t key,
    const char *bytes, size_t len);
static redisReply *ctl_node_vcall(ctl_t *ctl, ctl_node_t *node,
    const char *fmt, va_list args);


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
    size_t  i, n;

    n = 0;

    for (i = 0; i < redis->n; i++) {
        n += redis->nodes[i]->master;
    }

    return n;
}


ctl_node_t *
ctl_redis_node(ctl_redis_t *redis, size_t i)
{
    size_t  n;

    for (n = 0; n < redis->n; n++) {
        if (redis->nodes[n]->master && i-- == 0) {
            return redis->nodes[n];
        }
    }

    return NULL;
}


ctl_node_t *
ctl_redis_of(ctl_redis_t *redis, cg_str_t key)
{
    return redis->cluster ? redis->slots[cg_slot(key)]
                          : redis->nodes[0];
}


redisReply *
ctl_ask(ctl_t *ctl, cg_str_t key, const char *fmt, ...)
{
    int          len;
    char        *bytes;
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    len = redisvFormatCommand(&bytes, fmt, args);
    va_end(args);

    if (len < 0) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    reply = ctl_redis_routed(ctl, key, bytes, (size_t) len);
    free(bytes);

    return reply;
}


redisReply *
ctl_ask_argv(ctl_t *ctl, cg_str_t key, int argc, const char **argv,
    const size_t *lens)
{
    char        *bytes;
    long long    len;
    redisReply  *reply;

    len = redisFormatCommandArgv(&bytes, argc, argv, lens);

    if (len < 0) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    reply = ctl_redis_routed(ctl, key, bytes, (size_t) len);
    free(bytes);

    return reply;
}


redisReply *
ctl_ask_node(ctl_t *ctl, ctl_node_t *node, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = ctl_node_vcall(ctl, node, fmt, args);
    va_end(args);

    return ctl_redis_checked(ctl, node, reply);
}


redisReply *
ctl_try_node(ctl_t *ctl, ctl_node_t *node, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = ctl_node_vcall(ctl, node, fmt, args);
    va_end(args);

    return reply;
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
        return ctl_redis_connect(ctl, topology + 9);
    }

    ctl->redis->cluster = strcmp(topology, "cluster") == 0;

    if (!ctl->redis->cluster && strcmp(topology, "single") != 0) {
        return ctl_fail(ctl, CTL_USAGE, "topology: \"%s\" is not \"single\", "
                        "\"cluster\" or \"sentinel MASTER\"", topology);
    }

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
 * The first server that answers, or the master that it names. The last
 * trouble is told if none does.
 */

static ctl_node_t *
ctl_redis_first(ctl_t *ctl, const char *master)
{
    char         err[512], *list, *address, *save;
    ctl_node_t  *node;

    list = strdup(ctl_setting(ctl, CTL_SERVER));
    if (list == NULL) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    node = NULL;
    snprintf(err, sizeof(err), "no server is set");

    for (address = strtok_r(list, ", ", &save);
         node == NULL && address != NULL;
         address = strtok_r(NULL, ", ", &save))
    {
        node = ctl_node_open(ctl, ctl->redis, address, err, sizeof(err));

        if (node != NULL && master != NULL) {
            node = ctl_redis_master(ctl, node, master, err, sizeof(err));
        }
    }

    free(list);

    if (node == NULL && err[0] != '\0') {
        ctl_fail(ctl, CTL_REDIS, "%s", err);
    }

    return node;
}


/* Closes the sentinel. What it says is believed when ROLE says so, too. */

static ctl_node_t *
ctl_redis_master(ctl_t *ctl, ctl_node_t *sentinel, const char *master,
    char *err, size_t size)
{
    char         address[300];
    ctl_node_t  *node;
    redisReply  *reply;

    node = NULL;
    reply = ctl_try_node(ctl, sentinel,
                         "SENTINEL get-master-addr-by-name %s", master);

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY
        && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        snprintf(address, sizeof(address),
                 strchr(reply->element[0]->str, ':') != NULL
                 ? "[%.255s]:%.8s" : "%.255s:%.8s", reply->element[0]->str,
                 reply->element[1]->str);
        node = ctl_node_open(ctl, ctl->redis, address, err, size);

    } else {
        snprintf(err, size, "the sentinel at %s knows no master \"%s\"",
                 sentinel->name, master);
    }

    if (reply != NULL) {
        freeReplyObject(reply);
    }

    if (node != NULL && !ctl_redis_is_master(ctl, node)) {
        snprintf(err, size, "Redis at %s is not the master, as the sentinel "
                 "at %s says", node->name, sentinel->name);
        ctl_node_close(node);
        node = NULL;
    }

    ctl_node_close(sentinel);

    return node;
}


static bool
ctl_redis_is_master(ctl_t *ctl, ctl_node_t *node)
{
    bool         is;
    redisReply  *reply;

    reply = ctl_try_node(ctl, node, "ROLE");

    is = reply != NULL && reply->type == REDIS_REPLY_ARRAY
         && reply->elements > 0
         && reply->element[0]->type == REDIS_REPLY_STRING
         && strcmp(reply->element[0]->str, "master") == 0;

    if (reply != NULL) {
        freeReplyObject(reply);
    }

    return is;
}


static redisReply *
ctl_redis_routed(ctl_t *ctl, cg_str_t key, const char *bytes, size_t len)
{
    ctl_node_t  *node;
    redisReply  *reply;

    if (ctl_redis_open(ctl) != CTL_OK) {
        return NULL;
    }

    node = ctl_redis_of(ctl->redis, key);
    reply = ctl_node_call(ctl, node, bytes, len);

    if (reply != NULL) {
        reply = ctl_cluster_follow(ctl, reply, node, bytes, len);
    }

    return ctl_redis_checked(ctl, node, reply);
}


redisReply *
ctl_redis_checked(ctl_t *ctl, const ctl_node_t *node, redisReply *reply)
{
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        ctl_fail(ctl, CTL_REDIS, "Redis at %s refuses: %s", node->name,
                 reply->str);
        freeReplyObject(reply);
        return NULL;
    }

    return reply;
}


static redisReply *
ctl_node_vcall(ctl_t *ctl, ctl_node_t *node, const char *fmt, va_list args)
{
    int          len;
    char        *bytes;
    redisReply  *reply;

    len = redisvFormatCommand(&bytes, fmt, args);

    if (len < 0) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    reply = ctl_node_call(ctl, node, bytes, (size_t) len);
    free(bytes);

    return reply;
}
