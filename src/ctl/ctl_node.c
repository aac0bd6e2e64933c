/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/crypto.h>
#include <stdlib.h>

#include "ctl_redis.h"


#define CTL_MAX_PASSWORD  1024     /* bytes, as in the module */
#define CTL_READ_SIZE     65536    /* bytes */


static ctl_exit_e ctl_node_greet(ctl_t *ctl, ctl_node_t *node);
static ctl_exit_e ctl_node_auth(ctl_t *ctl, ctl_node_t *node);
static ctl_exit_e ctl_node_must(ctl_t *ctl, ctl_node_t *node,
    const char *what, const char *fmt, ...);


ctl_node_t *
ctl_node_open(ctl_t *ctl, ctl_redis_t *redis, const char *address, char *err,
    size_t size)
{
    ctl_node_t  *node;

    node = calloc(1, sizeof(ctl_node_t));

    if (node == NULL || (node->name = strdup(address)) == NULL
        || (node->reader = redisReaderCreate()) == NULL)
    {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        goto failed;
    }

    if (!ctl_net_connect(ctl, &node->net, address, redis->tls)) {

        if (err != NULL) {
            snprintf(err, size, "Redis at %s: %s", address, node->net.error);

        } else {
            ctl_fail(ctl, CTL_REDIS, "Redis at %s: %s", address,
                     node->net.error);
        }

        goto failed;
    }

    if (ctl_node_greet(ctl, node) != CTL_OK) {
        if (err != NULL) {
            err[0] = '\0';
        }

        ctl_node_close(node);
        return NULL;
    }

    return node;

failed:

    if (node != NULL) {
        node->net.fd = -1;
        ctl_node_close(node);
    }

    return NULL;
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
            return reply;
        }

        n = ctl_net_read(&node->net, buf, sizeof(buf));

        if (n == 0) {
            err = node->net.error;
            break;
        }

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


static ctl_exit_e
ctl_node_greet(ctl_t *ctl, ctl_node_t *node)
{
    const char  *database;
    redisReply  *reply;
    ctl_exit_e   rc;

    rc = ctl_node_auth(ctl, node);
    if (rc != CTL_OK) {
        return rc;
    }

    database = ctl_setting(ctl, CTL_DATABASE);

    if (strcmp(database, "0") != 0) {
        rc = ctl_node_must(ctl, node, "the database", "SELECT %s", database);
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
        rc = ctl_fail(ctl, CTL_REDIS, "Redis at %s wants a password: set "
                      "password_file", node->name);
    }

    freeReplyObject(reply);

    return rc;
}


static ctl_exit_e
ctl_node_auth(ctl_t *ctl, ctl_node_t *node)
{
    char        *text;
    size_t       len;
    const char  *path, *user;
    ctl_exit_e   rc;

    path = ctl_setting(ctl, CTL_PASSWORD_FILE);
    user = ctl_setting(ctl, CTL_USERNAME);

    if (path == NULL) {
        return user == NULL
               ? CTL_OK
               : ctl_fail(ctl, CTL_USAGE, "username needs password_file");
    }

    rc = ctl_file_secret(ctl, path, CTL_MAX_PASSWORD, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }

    rc = user != NULL
         ? ctl_node_must(ctl, node, "the password", "AUTH %s %b", user, text,
                         len)
         : ctl_node_must(ctl, node, "the password", "AUTH %b", text, len);

    OPENSSL_cleanse(text, len);
    free(text);

    return rc;
}


static ctl_exit_e
ctl_node_must(ctl_t *ctl, ctl_node_t *node, const char *what, const char *fmt,
    ...)
{
    int          len;
    char        *bytes;
    va_list      args;
    redisReply  *reply;
    ctl_exit_e   rc;

    va_start(args, fmt);
    len = redisvFormatCommand(&bytes, fmt, args);
    va_end(args);

    if (len < 0) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    reply = ctl_node_call(ctl, node, bytes, (size_t) len);
    OPENSSL_cleanse(bytes, (size_t) len);
    free(bytes);

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
