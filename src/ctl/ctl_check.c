/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_proof.h"


/* A bucket as it was loaded, against its chain and the file of checkpoints. */

static void ctl_check_gone(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    ctl_finding_t *finding);
static void ctl_check_cut(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    ctl_finding_t *finding);
static void ctl_check_marks(const ctl_ledger_t *ledger,
    const ctl_bucket_t *b, ctl_finding_t *finding);
static bool ctl_check_mark(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    const ctl_mark_t *mark, ctl_finding_t *finding);


ctl_exit_e
ctl_check_bucket(ctl_t *ctl, const ctl_ledger_t *ledger,
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

    if (rc != CTL_OK) {
        return rc;
    }

    if (b->n == 0) {
        ctl_check_gone(ledger, b, finding);
    }

    if (finding->fault == CTL_FAULT_TRUNCATED) {
        ctl_check_cut(ledger, b, finding);
    }

    if (finding->fault == CTL_FAULT_NONE) {
        ctl_check_marks(ledger, b, finding);
    }

    return CTL_OK;
}


/* A trim leaves the last event: where there was one, there are events. */

static void
ctl_check_gone(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    ctl_finding_t *finding)
{
    if (b->wrong_type) {
        ctl_finding_set(finding, CTL_FAULT_MALFORMED, NULL,
                        "what is under its key is no stream");

    } else if (ctl_ledger_last(ledger, CTL_LEDGER_TRIM, b->bucket, ctl_at_end)
               != NULL)
    {
        ctl_finding_set(finding, CTL_FAULT_MISSING, NULL,
                        "all events are gone, and a trim leaves the last one");
    }
}


/* The file has a trim that did not come to its end. */

static void
ctl_check_cut(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    ctl_finding_t *finding)
{
    char               at[CTL_AT];
    const ctl_mark_t  *trim;

    trim = ctl_ledger_last(ledger, CTL_LEDGER_TRIM, b->bucket, ctl_at_end);

    if (trim != NULL && ctl_at_cmp(b->events[0].at, trim->at) <= 0) {
        ctl_finding_set(finding, CTL_FAULT_TRUNCATED, &b->events[0],
                        "a trim up to %s was cut off: run it again",
                        ctl_at_text(trim->at, at));
    }
}


/* What was signed once must still be there, or have been trimmed. */

static void
ctl_check_marks(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
    ctl_finding_t *finding)
{
    const ctl_mark_t  *mark;

    mark = ledger->latest[b->bucket] > 0
           ? &ledger->marks[ledger->latest[b->bucket] - 1] : NULL;

    for ( /* void */ ; mark != NULL; mark = ctl_ledger_before(ledger, mark)) {
        if (mark->what == CTL_LEDGER_CHECKPOINT
            && !ctl_check_mark(ledger, b, mark, finding))
        {
            return;
        }
    }
}


static bool
ctl_check_mark(const ctl_ledger_t *ledger, const ctl_bucket_t *b,
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
