/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_commands.h"
#include "ctl_proof.h"


typedef struct {
    ctl_ledger_t   ledger;
    uint64_t       written;
    uint64_t       unchanged;
    json_t        *faults;
} ctl_checkpoint_t;


static ctl_exit_e ctl_checkpoint_bucket(ctl_t *ctl, ctl_checkpoint_t *c,
    unsigned bucket);
static ctl_exit_e ctl_checkpoint_check(ctl_t *ctl, ctl_checkpoint_t *c,
    ctl_bucket_t *b, const ctl_mark_t *from, ctl_finding_t *finding);
static const ctl_mark_t *ctl_checkpoint_from(const ctl_ledger_t *ledger,
    unsigned bucket);


const ctl_option_t  ctl_checkpoint_options[] = {

    { "all", NULL,
      "sign buckets again that have not changed" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_checkpoint(ctl_t *ctl, int argc, char **argv)
{
    size_t             n;
    unsigned           bucket;
    ctl_exit_e         rc, put;
    ctl_checkpoint_t   c;

    (void) argc;
    (void) argv;

    memset(&c, 0, sizeof(c));
    c.faults = json_array();

    rc = ctl_ledger_open(ctl, &c.ledger, true);

    for (bucket = 0; rc == CTL_OK && bucket < CTL_BUCKETS; bucket++) {
        rc = ctl_checkpoint_bucket(ctl, &c, bucket);
        ctl_progress(ctl, "buckets", bucket + 1, CTL_BUCKETS);
    }

    if (rc == CTL_OK) {
        rc = ctl_ledger_flush(ctl, &c.ledger);
    }

    if (rc == CTL_OK) {
        n = json_array_size(c.faults);

        ctl_say(ctl, "%llu bucket%s signed, %llu unchanged, %zu with a fault",
                (unsigned long long) c.written, ctl_s(c.written),
                (unsigned long long) c.unchanged, n);
        put = ctl_put(ctl, json_pack("{s:I, s:I, s:O, s:s}",
                                     "signed", (json_int_t) c.written,
                                     "unchanged", (json_int_t) c.unchanged,
                                     "faults", c.faults,
                                     "file", c.ledger.path));
        rc = put != CTL_OK ? put : n == 0 ? CTL_OK : CTL_FOUND;
    }

    json_decref(c.faults);
    ctl_ledger_close(&c.ledger);

    return rc;
}


/*
 * What is signed has been checked: all that came since the last time, and
 * that it follows from what was signed then.
 */

static ctl_exit_e
ctl_checkpoint_bucket(ctl_t *ctl, ctl_checkpoint_t *c, unsigned bucket)
{
    ctl_mark_t         mark;
    ctl_exit_e         rc;
    ctl_bucket_t       b;
    ctl_finding_t      finding;
    const ctl_event_t *last;
    const ctl_mark_t  *from;

    from = ctl_checkpoint_from(&c->ledger, bucket);

    rc = ctl_bucket_load(ctl, &b, bucket,
                         from != NULL ? from->at : ctl_at_start, ctl_at_end);

    if (rc == CTL_OK) {
        rc = ctl_checkpoint_check(ctl, c, &b, from, &finding);
    }

    if (rc != CTL_OK) {
        ctl_bucket_free(&b);
        return rc;
    }

    last = b.n > 0 ? &b.events[b.n - 1] : NULL;

    if (finding.fault != CTL_FAULT_NONE) {
        ctl_finding_say(ctl, &finding);
        json_array_append_new(c->faults, ctl_finding_json(&finding));

    } else if (last != NULL
               && (from == NULL || ctl_at_cmp(from->at, last->at) < 0
                   || ctl_option(ctl, "all") != NULL))
    {
        memset(&mark, 0, sizeof(mark));
        mark.what = CTL_LEDGER_CHECKPOINT;
        mark.bucket = (uint16_t) bucket;
        mark.at = last->at;
        memcpy(mark.link, last->link.data, CTL_LINK);

        c->written++;
        rc = ctl_ledger_add(ctl, &c->ledger, &mark);

    } else {
        c->unchanged += last != NULL;
    }

    ctl_bucket_free(&b);

    return rc;
}


static ctl_exit_e
ctl_checkpoint_check(ctl_t *ctl, ctl_checkpoint_t *c, ctl_bucket_t *b,
    const ctl_mark_t *from, ctl_finding_t *finding)
{
    char          at[CTL_AT];
    ctl_exit_e    rc;
    ctl_bucket_t  rest;

    if (from == NULL || b->n == 0) {
        return ctl_check_bucket(ctl, &c->ledger, b, NULL, finding);
    }

    memset(finding, 0, sizeof(ctl_finding_t));
    finding->bucket = b->bucket;

    if (from->what == CTL_LEDGER_CHECKPOINT) {

        if (ctl_at_cmp(b->events[0].at, from->at) != 0) {
            ctl_finding_set(finding, CTL_FAULT_MISSING, NULL,
                            "entry %s of the last checkpoint is gone",
                            ctl_at_text(from->at, at));
            return CTL_OK;
        }

        if (b->events[0].link.len != CTL_LINK
            || memcmp(b->events[0].link.data, from->link, CTL_LINK) != 0)
        {
            ctl_finding_set(finding, CTL_FAULT_FORKED, &b->events[0],
                            "the last checkpoint has another link for it");
            return CTL_OK;
        }
    }

    /* the entry of a trim is gone, or about to go */

    rest = *b;

    if (rest.n > 0 && ctl_at_cmp(rest.events[0].at, from->at) == 0) {
        rest.events++;
        rest.n--;
    }

    rc = ctl_chain_check(ctl, &rest, (cg_str_t) { CTL_LINK, from->link },
                         true, NULL, finding);

    if (rc == CTL_OK && finding->fault == CTL_FAULT_TRUNCATED
        && from->what == CTL_LEDGER_CHECKPOINT)
    {
        ctl_finding_set(finding, CTL_FAULT_MISSING, &rest.events[0],
                        "what it follows, after the last checkpoint, is gone");
    }

    return rc;
}


/* The later one of the last checkpoint and the last trim. */

static const ctl_mark_t *
ctl_checkpoint_from(const ctl_ledger_t *ledger, unsigned bucket)
{
    const ctl_mark_t  *checkpoint, *trim;

    checkpoint = ctl_ledger_last(ledger, CTL_LEDGER_CHECKPOINT, bucket,
                                 ctl_at_end);
    trim = ctl_ledger_last(ledger, CTL_LEDGER_TRIM, bucket, ctl_at_end);

    if (checkpoint == NULL
        || (trim != NULL && ctl_at_cmp(trim->at, checkpoint->at) >= 0))
    {
        return trim;
    }

    return checkpoint;
}
