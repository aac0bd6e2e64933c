/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/crypto.h>
#include <stdlib.h>

#include "ctl_redis.h"


#define CTL_MAX_PASSWORD  1024     /* bytes, as in the module */
#define CTL_READ_SIZE     65536    /* bytes */


static ctl_exit_e ctl_node_greet(ctl_t *ctl, ctl_node_t *node,
    ctl_node_e kind);
static ctl_exit_e ctl_node_auth(ctl_t *ctl, ctl_node_t *node,
    ctl_node_e kind);
static ctl_exit_e ctl_node_must(ctl_t *ctl, ctl_node_t *node,
    const char *what, redisReply *reply);


ctl_node_t *
ctl_node_open(ctl_t *ctl, ctl_redis_t *redis, const char *address,
    ctl_node_e kind)
{
    ctl_node_t  *node;

    node = calloc(1, sizeof(ctl_node_t));
    if (node == NULL) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    node->net.fd = -1;
    node->name = strdup(address);
    node->reader = redisReaderCreate();

    if (node->name == NULL || node->reader == NULL) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        ctl_node_close(node);
        return NULL;
    }

    if (!ctl_net_connect(ctl, &node->net, address,
                         kind == CTL_NODE_SENTINEL ? "26379" : "6379",
                         redis->tls))
    {
        ctl_fail(ctl, CTL_REDIS, "Redis at %s: %s", address,
                 node->net.error);
        ctl_node_close(node);
        return NULL;
    }

    if (ctl_node_greet(ctl, node, kind) != CTL_OK) {
        ctl_node_close(node);
        return NULL;
    }

    return node;
}


void
ctl_node_close(ctl_node_t *node)
{
    ctl_net_close(&node->net);

    if (node->reader != NULL) {
        redisReaderFree(node->reader);
    }

    free(node->name);
    free(node);
}


const char *
ctl_node_name(const ctl_node_t *node)
{
    return node->name;
}


ctl_exit_e
ctl_node_send(ctl_t *ctl, ctl_node_t *node, const char *bytes, size_t len)
{
    if (node->broken) {
        return ctl_fail(ctl, CTL_REDIS, "Redis at %s: the connection is lost",
                        node->name);
    }

    if (!ctl_net_write(&node->net, bytes, len)) {
        node->broken = true;
        return ctl_fail(ctl, CTL_REDIS, "Redis at %s: %s", node->name,
                        node->net.error);
    }

    return CTL_OK;
}


redisReply *
ctl_node_read(ctl_t *ctl, ctl_node_t *node)
{
    void         *reply;
    char          buf[CTL_READ_SIZE];
    size_t        n;
    const char   *err;

    for ( ;; ) {
        if (redisReaderGetReply(node->reader, &reply) != REDIS_OK) {
            err = node->reader->errstr;
            break;
        }

        if (reply != NULL) {
            node->got = 0;
            return reply;
        }

        if (node->got > CTL_MAX_REPLY) {
            err = "its reply is too large";
            break;
        }

        n = ctl_net_read(&node->net, buf, sizeof(buf));

        if (n == 0) {
            err = node->net.error;
            break;
        }

        node->got += n;
        redisReaderFeed(node->reader, buf, n);
    }

    node->broken = true;
    ctl_fail(ctl, CTL_REDIS, "Redis at %s: %s", node->name, err);

    return NULL;
}


redisReply *
ctl_node_call(ctl_t *ctl, ctl_node_t *node, const char *bytes, size_t len)
{
    if (ctl_node_send(ctl, node, bytes, len) != CTL_OK) {
        return NULL;
    }

    return ctl_node_read(ctl, node);
}


ctl_exit_e
ctl_node_format(ctl_t *ctl, char **bytes, size_t *len, const char *fmt,
    va_list args)
{
    int  n;

    n = redisvFormatCommand(bytes, fmt, args);

    if (n < 0) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    *len = (size_t) n;

    return CTL_OK;
}


ctl_exit_e
ctl_node_words(ctl_t *ctl, char **bytes, size_t *len, int argc,
    const char **argv, const size_t *lens)
{
    long long  n;

    n = redisFormatCommandArgv(bytes, argc, argv, lens);

    if (n < 0) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    *len = (size_t) n;

    return CTL_OK;
}


static ctl_exit_e
ctl_node_greet(ctl_t *ctl, ctl_node_t *node, ctl_node_e kind)
{
    const char  *database;
    redisReply  *reply;
    ctl_exit_e   rc;

    rc = ctl_node_auth(ctl, node, kind);
    if (rc != CTL_OK) {
        return rc;
    }

    database = ctl_setting(ctl, CTL_DATABASE);

    if (kind == CTL_NODE_DATA && strcmp(database, "0") != 0) {
        rc = ctl_node_must(ctl, node, "the database",
                           ctl_try_node(ctl, node, "SELECT %s", database));
        if (rc != CTL_OK) {
            return rc;
        }
    }

    /* a name in CLIENT LIST; whether it is allowed does not matter */

    reply = ctl_try_node(ctl, node, "CLIENT SETNAME consentctl");
    if (reply == NULL) {
        return ctl->failed;
    }

    if (reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "NOAUTH", 6) == 0)
    {
        rc = ctl_fail(ctl, CTL_REDIS, "%s at %s wants a password: set %s",
                      kind == CTL_NODE_SENTINEL ? "the sentinel" : "Redis",
                      node->name, kind == CTL_NODE_SENTINEL
                                  ? "sentinel_password_file"
                                  : "password_file");
    }

    freeReplyObject(reply);

    return rc;
}


static ctl_exit_e
ctl_node_auth(ctl_t *ctl, ctl_node_t *node, ctl_node_e kind)
{
    char        *text;
    size_t       len;
    const char  *path, *user;
    redisReply  *reply;
    ctl_exit_e   rc;

    path = ctl_setting(ctl, kind == CTL_NODE_SENTINEL
                            ? CTL_SENTINEL_PASSWORD_FILE : CTL_PASSWORD_FILE);
    user = ctl_setting(ctl, kind == CTL_NODE_SENTINEL
                            ? CTL_SENTINEL_USERNAME : CTL_USERNAME);

    if (path == NULL) {
        return CTL_OK;
    }

    rc = ctl_file_secret(ctl, path, CTL_MAX_PASSWORD, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }

    reply = user != NULL
            ? ctl_try_node(ctl, node, "AUTH %s %b", user, text, len)
            : ctl_try_node(ctl, node, "AUTH %b", text, len);

    OPENSSL_cleanse(text, len);
    free(text);

    return ctl_node_must(ctl, node, "the password", reply);
}


static ctl_exit_e
ctl_node_must(ctl_t *ctl, ctl_node_t *node, const char *what,
    redisReply *reply)
{
    ctl_exit_e  rc;

    if (reply == NULL) {
        return ctl->failed;
    }

    rc = reply->type == REDIS_REPLY_ERROR
         ? ctl_fail(ctl, CTL_REDIS, "Redis at %s refuses %s: %s", node->name,
                    what, reply->str)
         : CTL_OK;

    freeReplyObject(reply);

    return rc;
}
