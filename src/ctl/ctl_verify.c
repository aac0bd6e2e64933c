/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_commands.h"
#include "ctl_proof.h"
#include "ctl_subject.h"


#define CTL_RECORDS  500     /* records that are asked for at once */


typedef struct {
    ctl_ledger_t   ledger;
    ctl_orphans_t  orphans;
    uint64_t       buckets;     /* that hold events */
    uint64_t       events;
    json_t        *faults;
} ctl_verify_t;


static ctl_exit_e ctl_verify_which(ctl_t *ctl, unsigned *first,
    unsigned *last, ctl_who_t *who, bool *subject);
static ctl_exit_e ctl_verify_bucket(ctl_t *ctl, ctl_verify_t *v,
    unsigned bucket);
static void ctl_verify_fault(ctl_t *ctl, ctl_verify_t *v,
    const ctl_finding_t *finding);
static void ctl_verify_marks(const ctl_ledger_t *ledger,
    const ctl_bucket_t *b, ctl_finding_t *finding);
static bool ctl_verify_mark(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    const ctl_mark_t *mark, ctl_finding_t *finding);
static ctl_exit_e ctl_verify_records(ctl_t *ctl, ctl_bucket_t *b,
    ctl_finding_t *finding);
static size_t *ctl_verify_latest(const ctl_bucket_t *b, size_t *n);
static ctl_exit_e ctl_verify_ask(ctl_t *ctl, ctl_batch_t *batch,
    const ctl_bucket_t *b, const size_t *list, size_t n);
static ctl_exit_e ctl_verify_record(ctl_t *ctl, ctl_bucket_t *b, size_t i,
    const redisReply *reply, ctl_finding_t *finding);
static ctl_exit_e ctl_verify_orphans(ctl_t *ctl, ctl_verify_t *v);
static void ctl_verify_lost(ctl_t *ctl, ctl_verify_t *v);
static ctl_exit_e ctl_verify_done(ctl_t *ctl, ctl_verify_t *v,
    const ctl_who_t *who, bool subject);
static int ctl_verify_cmp(const void *a, const void *b, void *events);
static int ctl_orphan_cmp(const void *a, const void *b);
static int ctl_orphan_cmp_place(const void *a, const void *b);


const ctl_option_t  ctl_verify_options[] = {

    { "bucket", "XXX",
      "one bucket: 000 to fff" },

    CTL_WHO_OPTIONS,

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_verify(ctl_t *ctl, int argc, char **argv)
{
    bool          subject;
    unsigned      bucket, first, last;
    ctl_who_t     who;
    ctl_exit_e    rc;
    ctl_verify_t  v;

    (void) argv;

    if (argc > 0) {
        return ctl_fail(ctl, CTL_USAGE, "verify takes options only");
    }

    memset(&v, 0, sizeof(v));

    rc = ctl_verify_which(ctl, &first, &last, &who, &subject);
    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_ledger_open(ctl, &v.ledger, false);

    if (rc == CTL_OK && v.ledger.file == NULL) {
        ctl_note(ctl, "no checkpoints in \"%s\": only what is in Redis is "
                 "compared", v.ledger.path);
    }

    v.faults = json_array();

    for (bucket = first; rc == CTL_OK && bucket <= last; bucket++) {
        rc = ctl_verify_bucket(ctl, &v, bucket);
        ctl_progress(ctl, "buckets", bucket - first + 1, last - first + 1);
    }

    if (rc == CTL_OK && v.orphans.n > 0) {
        rc = ctl_verify_orphans(ctl, &v);
    }

    rc = rc == CTL_OK ? ctl_verify_done(ctl, &v, &who, subject) : rc;

    json_decref(v.faults);
    free(v.orphans.list);
    ctl_ledger_close(&v.ledger);

    return rc;
}


ctl_exit_e
ctl_verify_loaded(ctl_t *ctl, const ctl_ledger_t *ledger,
    const ctl_bucket_t *b, ctl_orphans_t *orphans, ctl_finding_t *finding)
{
    cg_str_t           anchor;
    ctl_exit_e         rc;
    const ctl_mark_t  *trim;

    trim = b->n == 0 ? NULL : ctl_ledger_last(ledger, CTL_LEDGER_TRIM,
                                              b->bucket, b->events[0].at);

    anchor = trim == NULL ? (cg_str_t) { 0, NULL }
                          : (cg_str_t) { CTL_LINK, trim->link };

    rc = ctl_chain_check(ctl, b, anchor, trim != NULL, orphans, finding);

    if (rc == CTL_OK && finding->fault == CTL_FAULT_NONE) {
        ctl_verify_marks(ledger, b, finding);
    }

    return rc;
}


static ctl_exit_e
ctl_verify_which(ctl_t *ctl, unsigned *first, unsigned *last, ctl_who_t *who,
    bool *subject)
{
    int          bucket;
    const char  *text;
    ctl_exit_e   rc;

    text = ctl_option(ctl, "bucket");
    *first = *last = 0;
    *subject = ctl_option(ctl, "subject") != NULL
               || ctl_option(ctl, "visitor") != NULL
               || ctl_option(ctl, "pseudonym") != NULL;

    if (text != NULL && *subject) {
        return ctl_fail(ctl, CTL_USAGE, "a bucket or a subject, not both");
    }

    if (*subject) {
        rc = ctl_who(ctl, who);
        *first = *last = ctl_bucket_of(who->subject.current.id);
        return rc;
    }

    if (text == NULL) {
        *first = 0;
        *last = CTL_BUCKETS - 1;
        return CTL_OK;
    }

    bucket = ctl_bucket_parse(text);

    if (bucket == -1) {
        return ctl_fail(ctl, CTL_USAGE, "--bucket: \"%s\" is not 000 to fff",
                        text);
    }

    *first = *last = (unsigned) bucket;

    return CTL_OK;
}


static ctl_exit_e
ctl_verify_bucket(ctl_t *ctl, ctl_verify_t *v, unsigned bucket)
{
    size_t         orphans;
    ctl_exit_e     rc;
    ctl_bucket_t   b;
    ctl_finding_t  finding;

    orphans = v->orphans.n;

    rc = ctl_bucket_load(ctl, &b, bucket, ctl_at_start, ctl_at_end);

    if (rc == CTL_OK) {
        rc = ctl_verify_loaded(ctl, &v->ledger, &b, &v->orphans, &finding);
    }

    if (rc == CTL_OK && finding.fault == CTL_FAULT_NONE) {
        rc = ctl_verify_records(ctl, &b, &finding);
    }

    if (rc == CTL_OK) {
        v->buckets += b.n > 0;
        v->events += b.n;

        if (finding.fault != CTL_FAULT_NONE) {
            v->orphans.n = orphans;
            ctl_verify_fault(ctl, v, &finding);
        }
    }

    ctl_bucket_free(&b);

    return rc;
}


static void
ctl_verify_fault(ctl_t *ctl, ctl_verify_t *v, const ctl_finding_t *finding)
{
    ctl_finding_say(ctl, finding);
    json_array_append_new(v->faults, ctl_finding_json(finding));
}


/* What was signed once must still be there, or have been trimmed. */

static void
ctl_verify_marks(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    ctl_finding_t *finding)
{
    const ctl_mark_t  *mark;

    mark = ledger->latest[b->bucket] > 0
           ? &ledger->marks[ledger->latest[b->bucket] - 1] : NULL;

    for ( /* void */ ; mark != NULL; mark = ctl_ledger_before(ledger, mark)) {
        if (mark->what == CTL_LEDGER_CHECKPOINT
            && !ctl_verify_mark(ledger, b, mark, finding))
        {
            return;
        }
    }
}


static bool
ctl_verify_mark(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    const ctl_mark_t *mark, ctl_finding_t *finding)
{
    int                 cmp;
    char                at[CTL_AT];
    size_t              low, high, mid;
    const ctl_mark_t   *trim;
    const ctl_event_t  *event;

    low = 0;
    high = b->n;

    while (low < high) {
        mid = low + (high - low) / 2;
        event = &b->events[mid];
        cmp = ctl_at_cmp(event->at, mark->at);

        if (cmp == 0) {
            if (memcmp(event->link.data, mark->link, CTL_LINK) == 0) {
                return true;
            }

            ctl_finding_set(finding, CTL_FAULT_FORKED, event,
                            "a checkpoint has another link for it");
            return false;
        }

        if (cmp < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }

    trim = ctl_ledger_last(ledger, CTL_LEDGER_TRIM, b->bucket, ctl_at_end);

    if (trim != NULL && ctl_at_cmp(mark->at, trim->at) <= 0) {
        return true;
    }

    ctl_finding_set(finding, CTL_FAULT_MISSING, NULL,
                    "entry %s of a checkpoint is gone",
                    ctl_at_text(mark->at, at));

    return false;
}


/* A record names the last event of its subject: it must be there. */

static ctl_exit_e
ctl_verify_records(ctl_t *ctl, ctl_bucket_t *b, ctl_finding_t *finding)
{
    size_t       i, j, n, *list;
    ctl_exit_e   rc;
    ctl_batch_t  batch;

    memset(&batch, 0, sizeof(batch));
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

    qsort_r(list, b->n, sizeof(size_t), ctl_verify_cmp, b->events);
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


/* They are looked for everywhere; after a trim they may be with the rest. */

static ctl_exit_e
ctl_verify_orphans(ctl_t *ctl, ctl_verify_t *v)
{
    size_t         i;
    unsigned       bucket;
    ctl_exit_e     rc;
    ctl_bucket_t   b;
    ctl_orphan_t  *orphan, key;

    qsort(v->orphans.list, v->orphans.n, sizeof(ctl_orphan_t),
          ctl_orphan_cmp);
    rc = CTL_OK;

    for (bucket = 0; rc == CTL_OK && bucket < CTL_BUCKETS; bucket++) {
        rc = ctl_bucket_load(ctl, &b, bucket, ctl_at_start, ctl_at_end);

        for (i = 0; rc == CTL_OK && i < b.n; i++) {
            memcpy(key.prev, b.events[i].id, CG_EVENT_ID_LEN);
            orphan = bsearch(&key, v->orphans.list, v->orphans.n,
                             sizeof(ctl_orphan_t), ctl_orphan_cmp);

            if (orphan != NULL) {
                orphan->found = true;
            }
        }

        ctl_bucket_free(&b);
        ctl_progress(ctl, "buckets looked through for earlier events",
                     bucket + 1, CTL_BUCKETS);
    }

    if (rc == CTL_OK && v->ledger.trims == 0) {
        ctl_verify_lost(ctl, v);
    }

    return rc;
}


/* The first one of each bucket. */

static void
ctl_verify_lost(ctl_t *ctl, ctl_verify_t *v)
{
    int            bucket;
    size_t         i;
    ctl_orphan_t  *orphan;

    qsort(v->orphans.list, v->orphans.n, sizeof(ctl_orphan_t),
          ctl_orphan_cmp_place);
    bucket = -1;

    for (i = 0; i < v->orphans.n; i++) {
        orphan = &v->orphans.list[i];

        if (!orphan->found && (int) orphan->finding.bucket != bucket) {
            bucket = (int) orphan->finding.bucket;
            ctl_verify_fault(ctl, v, &orphan->finding);
        }
    }
}


static ctl_exit_e
ctl_verify_done(ctl_t *ctl, ctl_verify_t *v, const ctl_who_t *who,
    bool subject)
{
    size_t       n;
    json_t      *value;
    ctl_exit_e   rc;

    n = json_array_size(v->faults);

    ctl_say(ctl, "%llu events in %llu buckets, %zu lines of checkpoints: %s",
            (unsigned long long) v->events, (unsigned long long) v->buckets,
            v->ledger.n, n == 0 ? "no fault" : "see above");

    value = json_pack("{s:I, s:I, s:I, s:O}",
                      "events", (json_int_t) v->events,
                      "buckets", (json_int_t) v->buckets,
                      "checkpoints", (json_int_t) v->ledger.n,
                      "faults", v->faults);

    if (subject) {
        json_object_set_new(value, "subject",
                            ctl_pseudonym_json(&who->subject.current));
    }

    rc = ctl_put(ctl, value);

    return rc != CTL_OK ? rc : n == 0 ? CTL_OK : CTL_FOUND;
}


/* By subject, then in the order of the stream. */

static int
ctl_verify_cmp(const void *a, const void *b, void *events)
{
    int           cmp;
    size_t        i, j;
    ctl_event_t  *e;

    e = events;
    i = *(const size_t *) a;
    j = *(const size_t *) b;
    cmp = memcmp(e[i].subject, e[j].subject, CG_SUBJECT_ID_LEN);

    return cmp != 0 ? cmp : i < j ? -1 : i > j;
}


static int
ctl_orphan_cmp(const void *a, const void *b)
{
    const ctl_orphan_t  *x, *y;

    x = a;
    y = b;

    return memcmp(x->prev, y->prev, CG_EVENT_ID_LEN);
}


static int
ctl_orphan_cmp_place(const void *a, const void *b)
{
    const ctl_orphan_t  *x, *y;

    x = a;
    y = b;

    if (x->finding.bucket != y->finding.bucket) {
        return x->finding.bucket < y->finding.bucket ? -1 : 1;
    }

    return ctl_at_cmp(x->finding.at, y->finding.at);
}
