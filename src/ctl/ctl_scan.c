/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_scan.h"


#define CTL_SCAN_COUNT   1000     /* keys of one SCAN, about */
#define CTL_SCAN_CURSOR  32       /* bytes */
#define CTL_MAX_FIELDS   64       /* of one HMGET */


typedef struct {
    size_t           nfields;
    const cg_str_t  *fields;
    ctl_record_pt    each;
    void            *data;
    ctl_rate_t       rate;
    ctl_batch_t      batch;
} ctl_scan_t;


static ctl_exit_e ctl_scan_node(ctl_t *ctl, ctl_scan_t *scan,
    ctl_node_t *node);
static ctl_exit_e ctl_scan_page(ctl_t *ctl, ctl_scan_t *scan,
    const redisReply *keys);
static size_t ctl_scan_pattern(ctl_t *ctl, char *pattern);


ctl_exit_e
ctl_rate_open(ctl_t *ctl, ctl_rate_t *rate)
{
    memset(rate, 0, sizeof(ctl_rate_t));
    clock_gettime(CLOCK_MONOTONIC, &rate->start);

    return ctl_option_uint(ctl, "rate", UINT32_MAX, &rate->max);
}


void
ctl_rate_wait(ctl_rate_t *rate, size_t n)
{
    uint64_t         ns;
    struct timespec  until;

    if (rate->max == 0) {
        return;
    }

    rate->done += n;
    ns = rate->done * 1000000000ull / rate->max;

    until.tv_sec = rate->start.tv_sec + (time_t) (ns / 1000000000);
    until.tv_nsec = rate->start.tv_nsec + (long) (ns % 1000000000);

    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}


ctl_exit_e
ctl_scan_records(ctl_t *ctl, size_t nfields, const cg_str_t *fields,
    ctl_record_pt each, void *data)
{
    size_t       i;
    ctl_node_t  *node;
    ctl_scan_t   scan;
    ctl_exit_e   rc;

    memset(&scan, 0, sizeof(scan));
    scan.nfields = nfields;
    scan.fields = fields;
    scan.each = each;
    scan.data = data;

    rc = ctl_rate_open(ctl, &scan.rate);

    if (rc == CTL_OK) {
        rc = ctl_redis_open(ctl);
    }

    for (i = 0; rc == CTL_OK && i < ctl_redis_nodes(ctl->redis); i++) {
        node = ctl_redis_node(ctl->redis, i);
        rc = node != NULL ? ctl_scan_node(ctl, &scan, node) : CTL_OK;
    }

    ctl_batch_free(&scan.batch);

    return rc;
}


ctl_exit_e
ctl_batch_hmget(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key, size_t nfields,
    const cg_str_t *fields)
{
    size_t       i, lens[CTL_MAX_FIELDS + 2];
    const char  *argv[CTL_MAX_FIELDS + 2];

    if (nfields > CTL_MAX_FIELDS) {
        return ctl_fail(ctl, CTL_FAILED, "too many fields");
    }

    argv[0] = "HMGET";
    lens[0] = 5;
    argv[1] = (const char *) key.data;
    lens[1] = key.len;

    for (i = 0; i < nfields; i++) {
        argv[i + 2] = (const char *) fields[i].data;
        lens[i + 2] = fields[i].len;
    }

    return ctl_batch_add_argv(ctl, batch, key, (int) nfields + 2, argv, lens);
}


static ctl_exit_e
ctl_scan_node(ctl_t *ctl, ctl_scan_t *scan, ctl_node_t *node)
{
    char         pattern[2 * CG_MAX_PREFIX + 4], cursor[CTL_SCAN_CURSOR];
    size_t       len;
    redisReply  *reply;
    ctl_exit_e   rc;

    len = ctl_scan_pattern(ctl, pattern);
    strcpy(cursor, "0");

    do {
        reply = ctl_ask_node(ctl, node, "SCAN %s MATCH %b COUNT %d TYPE hash",
                             cursor, pattern, len, CTL_SCAN_COUNT);
        if (reply == NULL) {
            return ctl->failed;
        }

        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
            || reply->element[0]->type != REDIS_REPLY_STRING
            || reply->element[1]->type != REDIS_REPLY_ARRAY)
        {
            freeReplyObject(reply);
            return ctl_fail(ctl, CTL_REDIS, "Redis at %s: SCAN cannot be "
                            "read", ctl_node_name(node));
        }

        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        rc = ctl_scan_page(ctl, scan, reply->element[1]);
        freeReplyObject(reply);
    } while (rc == CTL_OK && strcmp(cursor, "0") != 0);

    return rc;
}


static ctl_exit_e
ctl_scan_page(ctl_t *ctl, ctl_scan_t *scan, const redisReply *keys)
{
    size_t      i;
    ctl_exit_e  rc;

    ctl_batch_clear(&scan->batch);
    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < keys->elements; i++) {
        rc = ctl_batch_hmget(ctl, &scan->batch,
                             ctl_reply_str(keys->element[i]), scan->nfields,
                             scan->fields);
    }

    if (rc == CTL_OK && keys->elements > 0) {
        rc = ctl_batch_run(ctl, &scan->batch);
    }

    for (i = 0; rc == CTL_OK && i < keys->elements; i++) {
        if (scan->batch.calls[i].reply->type == REDIS_REPLY_ARRAY
            && scan->batch.calls[i].reply->elements == scan->nfields)
        {
            rc = scan->each(ctl, ctl_reply_str(keys->element[i]),
                            scan->batch.calls[i].reply, scan->data);
        }
    }

    ctl_rate_wait(&scan->rate, keys->elements);

    return rc == CTL_OK ? ctl_out_check(ctl) : rc;
}


/* PREFIX "s:*", where the prefix means what it says: Redis' globs. */

static size_t
ctl_scan_pattern(ctl_t *ctl, char *pattern)
{
    char        *p;
    const char  *prefix;

    p = pattern;

    for (prefix = ctl_setting(ctl, CTL_PREFIX); *prefix != '\0'; prefix++) {
        if (strchr("*?[]\\^", *prefix) != NULL) {
            *p++ = '\\';
        }

        *p++ = *prefix;
    }

    memcpy(p, "s:*", 3);

    return (size_t) (p + 3 - pattern);
}
