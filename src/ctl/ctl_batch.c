/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_redis.h"


static ctl_exit_e ctl_batch_keep(ctl_t *ctl, ctl_batch_t *batch,
    cg_str_t key, char *bytes, size_t len);
static ctl_exit_e ctl_batch_grow(ctl_t *ctl, ctl_batch_t *batch);
static ctl_exit_e ctl_batch_send(ctl_t *ctl, ctl_batch_t *batch);


ctl_exit_e
ctl_batch_add(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key, const char *fmt,
    ...)
{
    char        *bytes;
    size_t       len;
    va_list      args;
    ctl_exit_e   rc;

    va_start(args, fmt);
    rc = ctl_node_format(ctl, &bytes, &len, fmt, args);
    va_end(args);

    return rc == CTL_OK ? ctl_batch_keep(ctl, batch, key, bytes, len) : rc;
}


ctl_exit_e
ctl_batch_add_argv(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key, int argc,
    const char **argv, const size_t *lens)
{
    char        *bytes;
    size_t       len;
    ctl_exit_e   rc;

    rc = ctl_node_words(ctl, &bytes, &len, argc, argv, lens);

    return rc == CTL_OK ? ctl_batch_keep(ctl, batch, key, bytes, len) : rc;
}


/* Redirections come last, when no connection has a reply under way. */

ctl_exit_e
ctl_batch_run(ctl_t *ctl, ctl_batch_t *batch)
{
    size_t       i;
    ctl_call_t  *call;
    ctl_exit_e   rc;

    rc = ctl_batch_send(ctl, batch);

    for (i = 0; rc == CTL_OK && i < batch->n; i++) {
        call = &batch->calls[i];
        call->reply = ctl_node_read(ctl, call->node);
        rc = call->reply == NULL ? ctl->failed : CTL_OK;
    }

    for (i = 0; rc == CTL_OK && i < batch->n; i++) {
        call = &batch->calls[i];
        call->reply = ctl_cluster_follow(ctl, call->reply, call->node,
                                         call->bytes, call->len);

        if (!batch->errors) {
            call->reply = ctl_redis_checked(ctl, call->node, call->reply);
        }

        rc = call->reply == NULL ? ctl->failed : CTL_OK;
    }

    return rc;
}


void
ctl_batch_clear(ctl_batch_t *batch)
{
    size_t  i;

    for (i = 0; i < batch->n; i++) {
        free(batch->calls[i].bytes);

        if (batch->calls[i].reply != NULL) {
            freeReplyObject(batch->calls[i].reply);
        }
    }

    batch->n = 0;
}


void
ctl_batch_free(ctl_batch_t *batch)
{
    ctl_batch_clear(batch);
    free(batch->calls);
    batch->calls = NULL;
    batch->size = 0;
}


/* Takes `bytes`. */

static ctl_exit_e
ctl_batch_keep(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key, char *bytes,
    size_t len)
{
    ctl_call_t  *call;
    ctl_exit_e   rc;

    rc = ctl_batch_grow(ctl, batch);
    if (rc != CTL_OK) {
        free(bytes);
        return rc;
    }

    call = &batch->calls[batch->n++];
    call->bytes = bytes;
    call->len = len;
    call->node = ctl_redis_of(ctl->redis, key);
    call->reply = NULL;

    return CTL_OK;
}


/* Room for one more; and there must be somewhere to send it. */

static ctl_exit_e
ctl_batch_grow(ctl_t *ctl, ctl_batch_t *batch)
{
    size_t       size;
    ctl_call_t  *calls;
    ctl_exit_e   rc;

    rc = ctl_redis_open(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    if (batch->n < batch->size) {
        return CTL_OK;
    }

    size = batch->size != 0 ? batch->size * 2 : 64;
    calls = realloc(batch->calls, size * sizeof(ctl_call_t));

    if (calls == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    batch->calls = calls;
    batch->size = size;

    return CTL_OK;
}


/* One write for each node, so that they all work at once. */

static ctl_exit_e
ctl_batch_send(ctl_t *ctl, ctl_batch_t *batch)
{
    char        *bytes, *p;
    size_t       i, n, len;
    ctl_node_t  *node;
    ctl_exit_e   rc;

    len = 0;

    for (i = 0; i < batch->n; i++) {
        len += batch->calls[i].len;
    }

    bytes = malloc(len + 1);
    if (bytes == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = CTL_OK;

    for (n = 0; rc == CTL_OK && n < ctl->redis->n; n++) {
        node = ctl->redis->nodes[n];
        p = bytes;

        for (i = 0; i < batch->n; i++) {
            if (batch->calls[i].node == node) {
                memcpy(p, batch->calls[i].bytes, batch->calls[i].len);
                p += batch->calls[i].len;
            }
        }

        if (p > bytes) {
            rc = ctl_node_send(ctl, node, bytes, (size_t) (p - bytes));
        }
    }

    free(bytes);

    return rc;
}
