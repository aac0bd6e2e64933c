/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"
#include "ctl_verify.h"


#define CTL_RECORDS  500     /* records that are asked for at once */


static size_t *ctl_verify_latest(const ctl_bucket_t *b, size_t *n);
static ctl_exit_e ctl_verify_ask(ctl_t *ctl, ctl_batch_t *batch,
    const ctl_bucket_t *b, const size_t *list, size_t n);
static ctl_exit_e ctl_verify_record(ctl_t *ctl, ctl_bucket_t *b, size_t i,
    const redisReply *reply, ctl_finding_t *finding);


ctl_exit_e
ctl_verify_records(ctl_t *ctl, ctl_bucket_t *b, ctl_finding_t *finding)
{
    size_t       i, j, n, *list;
    ctl_exit_e   rc;
    ctl_batch_t  batch;

    memset(&batch, 0, sizeof(batch));
    batch.errors = true;
    rc = CTL_OK;

    list = ctl_verify_latest(b, &n);
    if (list == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    for (i = 0; rc == CTL_OK && i < n; i += CTL_RECORDS) {
        ctl_batch_clear(&batch);
        rc = ctl_verify_ask(ctl, &batch, b, list + i,
                            n - i < CTL_RECORDS ? n - i : CTL_RECORDS);

        for (j = 0; rc == CTL_OK && j < batch.n; j++) {
            rc = ctl_verify_record(ctl, b, list[i + j], batch.calls[j].reply,
                                   finding);

            if (finding->fault != CTL_FAULT_NONE) {
                i = n;
                break;
            }
        }
    }

    ctl_batch_free(&batch);
    free(list);

    return rc;
}


/* The last event of each subject. */

static size_t *
ctl_verify_latest(const ctl_bucket_t *b, size_t *n)
{
    size_t  i, *list;

    list = malloc((b->n + 1) * sizeof(size_t));
    if (list == NULL) {
        return NULL;
    }

    for (i = 0; i < b->n; i++) {
        list[i] = i;
    }

    ctl_order(list, b->n, b->events, offsetof(ctl_event_t, subject));
    *n = 0;

    for (i = 0; i < b->n; i++) {
        if (i + 1 == b->n
            || memcmp(b->events[list[i]].subject,
                      b->events[list[i + 1]].subject, CG_SUBJECT_ID_LEN) != 0)
        {
            list[(*n)++] = list[i];
        }
    }

    return list;
}


static ctl_exit_e
ctl_verify_ask(ctl_t *ctl, ctl_batch_t *batch, const ctl_bucket_t *b,
    const size_t *list, size_t n)
{
    size_t          i, len;
    uint8_t         key[CG_MAX_KEY];
    ctl_exit_e      rc;
    cg_pseudonym_t  p;

    rc = CTL_OK;
    memset(&p, 0, sizeof(p));

    for (i = 0; rc == CTL_OK && i < n; i++) {
        memcpy(p.id, b->events[list[i]].subject, CG_SUBJECT_ID_LEN);
        len = ctl_key_record(ctl, &p, key);
        rc = ctl_batch_add(ctl, batch, (cg_str_t) { len, key }, "HGET %b ev",
                           key, len);
    }

    return rc == CTL_OK ? ctl_batch_run(ctl, batch) : rc;
}


static ctl_exit_e
ctl_verify_record(ctl_t *ctl, ctl_bucket_t *b, size_t i,
    const redisReply *reply, ctl_finding_t *finding)
{
    uint8_t     id[CG_EVENT_ID_LEN];
    cg_str_t    ev;
    ctl_exit_e  rc;

    if (ctl_reply_wrong_type(reply)) {
        ctl_finding_set(finding, CTL_FAULT_MALFORMED, &b->events[i],
                        "what is under the key of its subject's record is no "
                        "hash");
        return CTL_OK;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        return ctl_fail(ctl, CTL_REDIS, "Redis refuses: %s", reply->str);
    }

    ev = ctl_reply_str(reply);

    if (ev.len != 2 * sizeof(id) || !cg_parse_hex(ev, id, sizeof(id))
        || memcmp(id, b->events[i].id, sizeof(id)) == 0)
    {
        return CTL_OK;
    }

    /* written since the stream was read? */

    rc = ctl_bucket_more(ctl, b);

    if (rc == CTL_OK && ctl_chain_find(b, id) == NULL) {
        ctl_finding_set(finding, CTL_FAULT_MISSING, &b->events[i],
                        "its subject's record names a later event, %.*s, "
                        "which is gone", (int) ev.len, ev.data);
    }

    return rc;
}
