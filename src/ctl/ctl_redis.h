/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_REDIS_H
#define CTL_REDIS_H

#include "../core/cg_slot.h"
#include "ctl_net.h"


#define CTL_MAX_NODES    1024
#define CTL_MAX_HOPS     5          /* MOVED and ASK of one command */
#define CTL_MAX_REPLY    67108864   /* bytes of one reply */
#define CTL_MAX_ADDRESS  300        /* bytes of "HOST:PORT" */

/* Between ctl_redis.c, ctl_batch.c, ctl_node.c and ctl_cluster.c. */

struct ctl_node_s {
    char         *name;           /* the address it was reached by */
    ctl_net_t     net;
    redisReader  *reader;
    size_t        got;            /* bytes since the last whole reply */
    bool          broken;         /* a reply may be missing: no more use */
    bool          master;         /* has slots */
};

struct ctl_redis_s {
    SSL_CTX      *tls;
    bool          cluster;
    size_t        n;
    ctl_node_t   *nodes[CTL_MAX_NODES];
    ctl_node_t   *slots[CG_SLOTS];     /* NULL: nobody's */
};

/* Sentinels have users of their own, and no databases. */

typedef enum {
    CTL_NODE_DATA = 0,
    CTL_NODE_SENTINEL
} ctl_node_e;


/* ctl_redis.c: an error of Redis is reported, and makes it NULL. */
redisReply *ctl_redis_checked(ctl_t *ctl, const ctl_node_t *node,
    redisReply *reply);


/* ctl_node.c */

/* Connects, says who we are. NULL: reported. */
ctl_node_t *ctl_node_open(ctl_t *ctl, ctl_redis_t *redis, const char *address,
    ctl_node_e kind);
void ctl_node_close(ctl_node_t *node);
ctl_exit_e ctl_node_send(ctl_t *ctl, ctl_node_t *node, const char *bytes,
    size_t len);
/* The next reply; NULL: reported. */
redisReply *ctl_node_read(ctl_t *ctl, ctl_node_t *node);
/* Both. */
redisReply *ctl_node_call(ctl_t *ctl, ctl_node_t *node, const char *bytes,
    size_t len);
/*
 * A command in the protocol, which is the caller's to release; a failure is
 * reported.
 */
ctl_exit_e ctl_node_format(ctl_t *ctl, char **bytes, size_t *len,
    const char *fmt, va_list args);
ctl_exit_e ctl_node_words(ctl_t *ctl, char **bytes, size_t *len, int argc,
    const char **argv, const size_t *lens);


/* ctl_cluster.c */

/* The node of an address, connected if it is new. NULL: reported. */
ctl_node_t *ctl_cluster_node(ctl_t *ctl, const char *address);
/* Asks `node` for the map. */
ctl_exit_e ctl_cluster_map(ctl_t *ctl, ctl_node_t *node);
/* A reply that sends the command elsewhere: "MOVED", "ASK", "TRYAGAIN". */
bool ctl_cluster_redirected(const redisReply *reply);
/*
 * Follows it: `reply` is released, and replaced by that of whoever answers.
 * NULL: reported.
 */
redisReply *ctl_cluster_follow(ctl_t *ctl, redisReply *reply,
    const ctl_node_t *node, const char *bytes, size_t len);

#endif /* CTL_REDIS_H */
