/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_pending.h"


/*
 * A batch of the list: ids, the replies to them, and where a previous subject
 * key is set, what is found under that.
 */

typedef struct {
    ctl_pending_t  *p;
    bool            summary;
    ctl_rate_t      rate;
    ctl_batch_t     batch;
    size_t          n;
    char           *ids[CTL_PENDING_BATCH];
    size_t          lens[CTL_PENDING_BATCH];
    cg_subject_t    subjects[CTL_PENDING_BATCH];
} ctl_pending_list_t;


static ctl_exit_e ctl_pending_read(ctl_t *ctl, ctl_pending_list_t *l,
    ctl_input_t *in);
static ctl_exit_e ctl_pending_add(ctl_t *ctl, ctl_pending_list_t *l,
    cg_str_t id);
static ctl_exit_e ctl_pending_ask(ctl_t *ctl, ctl_pending_list_t *l,
    const cg_pseudonym_t *pseudonym);
static ctl_exit_e ctl_pending_flush(ctl_t *ctl, ctl_pending_list_t *l);
static ctl_exit_e ctl_pending_one(ctl_t *ctl, ctl_pending_list_t *l, size_t i,
    const redisReply *values, const uint8_t *check);
static void ctl_pending_clear(ctl_pending_list_t *l);


ctl_exit_e
ctl_pending_list(ctl_t *ctl, ctl_pending_t *p)
{
    ctl_exit_e           rc;
    ctl_input_t          in;
    ctl_pending_list_t  *l;

    rc = ctl_keys_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    l = calloc(1, sizeof(ctl_pending_list_t));
    if (l == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    l->p = p;
    l->summary = ctl_option(ctl, "summary") != NULL;
    l->batch.errors = true;

    rc = ctl_rate_open(ctl, &l->rate);

    if (rc == CTL_OK) {
        rc = ctl_input_open(ctl, &in, stdin);

        if (rc == CTL_OK) {
            rc = ctl_pending_read(ctl, l, &in);
        }

        ctl_input_close(&in);
    }

    ctl_pending_clear(l);
    ctl_batch_free(&l->batch);
    free(l);

    return rc;
}


static ctl_exit_e
ctl_pending_read(ctl_t *ctl, ctl_pending_list_t *l, ctl_input_t *in)
{
    int         more;
    cg_str_t    id;
    ctl_exit_e  rc;

    for ( ;; ) {
        more = ctl_input_next(ctl, in, &id);

        if (more == -1) {
            return ctl->failed;
        }

        rc = more ? ctl_pending_add(ctl, l, id) : CTL_OK;

        if (rc == CTL_OK && (!more || l->n == CTL_PENDING_BATCH)) {
            rc = ctl_pending_flush(ctl, l);
        }

        if (rc != CTL_OK || !more) {
            return rc;
        }
    }
}


static ctl_exit_e
ctl_pending_add(ctl_t *ctl, ctl_pending_list_t *l, cg_str_t id)
{
    size_t         i;
    ctl_exit_e     rc;
    cg_subject_t  *subject;

    i = l->n;
    subject = &l->subjects[i];

    rc = ctl_who_account(ctl, id, subject);
    if (rc != CTL_OK) {
        return rc;
    }

    l->ids[i] = malloc(id.len);
    if (l->ids[i] == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    memcpy(l->ids[i], id.data, id.len);
    l->lens[i] = id.len;
    l->n++;

    rc = ctl_pending_ask(ctl, l, &subject->current);

    return rc == CTL_OK && subject->has_previous
           ? ctl_pending_ask(ctl, l, &subject->previous) : rc;
}


static ctl_exit_e
ctl_pending_ask(ctl_t *ctl, ctl_pending_list_t *l,
    const cg_pseudonym_t *pseudonym)
{
    size_t   len;
    uint8_t  key[CG_MAX_KEY];

    len = ctl_key_record(ctl, pseudonym, key);

    return ctl_batch_hmget(ctl, &l->batch, (cg_str_t) { len, key },
                           l->p->nfields, l->p->fields);
}


static ctl_exit_e
ctl_pending_flush(ctl_t *ctl, ctl_pending_list_t *l)
{
    size_t              i, call;
    ctl_exit_e          rc;
    const redisReply   *values, *previous;
    const cg_subject_t *s;

    rc = l->n > 0 ? ctl_batch_run(ctl, &l->batch) : CTL_OK;
    call = 0;

    for (i = 0; rc == CTL_OK && i < l->n; i++) {
        s = &l->subjects[i];
        values = l->batch.calls[call++].reply;
        previous = s->has_previous ? l->batch.calls[call++].reply : NULL;

        if (previous != NULL && !ctl_pending_found(values)) {
            rc = ctl_pending_one(ctl, l, i, previous, s->previous.check);

        } else {
            rc = ctl_pending_one(ctl, l, i, values, s->current.check);
        }
    }

    ctl_rate_wait(&l->rate, l->n);
    ctl_pending_clear(l);
    ctl_progress(ctl, "subjects", l->p->subjects, 0);

    return rc == CTL_OK ? ctl_out_check(ctl) : rc;
}


static ctl_exit_e
ctl_pending_one(ctl_t *ctl, ctl_pending_list_t *l, size_t i,
    const redisReply *values, const uint8_t *check)
{
    json_t     *line;
    cg_str_t    id;
    cg_docs_t   missing;

    if (values->type == REDIS_REPLY_ERROR && !ctl_reply_wrong_type(values)) {
        return ctl_fail(ctl, CTL_REDIS, "Redis refuses: %s", values->str);
    }

    missing = ctl_pending_count(l->p, values, check);

    if (missing == 0 || l->summary) {
        return CTL_OK;
    }

    id = (cg_str_t) { l->lens[i], (const uint8_t *) l->ids[i] };

    if (!ctl->json) {
        fwrite(id.data, 1, id.len, stdout);
        putchar('\n');
        return CTL_OK;
    }

    line = json_pack("{s:o, s:o, s:o}", "subject", ctl_json_str(id),
                     "pseudonym",
                     ctl_pseudonym_json(&l->subjects[i].current),
                     "missing", ctl_pending_names(l->p, missing));

    return ctl_put_line(ctl, line);
}


static void
ctl_pending_clear(ctl_pending_list_t *l)
{
    size_t  i;

    for (i = 0; i < l->n; i++) {
        free(l->ids[i]);
    }

    l->n = 0;
    ctl_batch_clear(&l->batch);
}
