/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_commands.h"
#include "ctl_verify.h"


static ctl_exit_e ctl_verify_which(ctl_t *ctl, ctl_verify_t *v);
static ctl_exit_e ctl_verify_run(ctl_t *ctl, ctl_verify_t *v);
static ctl_exit_e ctl_verify_bucket(ctl_t *ctl, ctl_verify_t *v,
    unsigned bucket);
static ctl_exit_e ctl_verify_done(ctl_t *ctl, ctl_verify_t *v);


const ctl_option_t  ctl_verify_options[] = {

    { "bucket", "XXX",
      "one bucket: 000 to fff" },

    CTL_WHO_OPTIONS,

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_verify(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e    rc;
    ctl_verify_t  v;

    (void) argc;
    (void) argv;

    memset(&v, 0, sizeof(v));
    v.faults = json_array();

    if ((rc = ctl_verify_which(ctl, &v)) == CTL_OK
        && (rc = ctl_ledger_open(ctl, &v.ledger, false)) == CTL_OK
        && (rc = ctl_verify_run(ctl, &v)) == CTL_OK)
    {
        rc = ctl_verify_done(ctl, &v);
    }

    json_decref(v.faults);
    free(v.orphans.list);
    ctl_ledger_close(&v.ledger);

    return rc;
}


void
ctl_verify_fault(ctl_t *ctl, ctl_verify_t *v, const ctl_finding_t *finding)
{
    ctl_finding_say(ctl, finding);
    json_array_append_new(v->faults, ctl_finding_json(finding));
}


/* A record that has not moved yet has its events under the previous key. */

static ctl_exit_e
ctl_verify_which(ctl_t *ctl, ctl_verify_t *v)
{
    int          bucket;
    const char  *text;
    ctl_exit_e   rc;

    text = ctl_option(ctl, "bucket");
    v->previous = -1;
    v->last = CTL_BUCKETS - 1;
    v->subject = ctl_option(ctl, "subject") != NULL
                 || ctl_option(ctl, "visitor") != NULL
                 || ctl_option(ctl, "pseudonym") != NULL;

    if (text != NULL && v->subject) {
        return ctl_fail(ctl, CTL_USAGE, "a bucket or a subject, not both");
    }

    if (v->subject) {
        rc = ctl_who(ctl, &v->who);
        v->first = v->last = ctl_bucket_of(v->who.subject.current.id);

        if (v->who.subject.has_previous) {
            bucket = (int) ctl_bucket_of(v->who.subject.previous.id);
            v->previous = bucket != (int) v->first ? bucket : -1;
        }

        return rc;
    }

    if (text != NULL) {
        bucket = ctl_bucket_parse(text);

        if (bucket == -1) {
            return ctl_fail(ctl, CTL_USAGE, "--bucket: \"%s\" is not 000 to "
                            "fff", text);
        }

        v->first = v->last = (unsigned) bucket;
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_verify_run(ctl_t *ctl, ctl_verify_t *v)
{
    unsigned    bucket;
    ctl_exit_e  rc;

    if (v->ledger.file == NULL) {
        ctl_note(ctl, "no checkpoints in \"%s\": only what is in Redis is "
                 "compared", v->ledger.path);
    }

    rc = CTL_OK;

    for (bucket = v->first; rc == CTL_OK && bucket <= v->last; bucket++) {
        rc = ctl_verify_bucket(ctl, v, bucket);
        ctl_progress(ctl, "buckets", bucket - v->first + 1,
                     v->last - v->first + 1);
    }

    if (rc == CTL_OK && v->previous != -1) {
        rc = ctl_verify_bucket(ctl, v, (unsigned) v->previous);
    }

    return rc == CTL_OK && v->orphans.n > 0 ? ctl_verify_orphans(ctl, v) : rc;
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
        rc = ctl_check_bucket(ctl, &v->ledger, &b, &v->orphans, &finding);
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


static ctl_exit_e
ctl_verify_done(ctl_t *ctl, ctl_verify_t *v)
{
    size_t       n;
    json_t      *value;
    ctl_exit_e   rc;

    n = json_array_size(v->faults);

    ctl_say(ctl, "%llu event%s in %llu bucket%s, %zu line%s of checkpoints: "
            "%s", (unsigned long long) v->events, ctl_s(v->events),
            (unsigned long long) v->buckets, ctl_s(v->buckets), v->ledger.n,
            ctl_s(v->ledger.n), n == 0 ? "no fault"
                                : n == 1 ? "the fault above"
                                : "the faults above");

    value = json_pack("{s:I, s:I, s:I, s:O}",
                      "events", (json_int_t) v->events,
                      "buckets", (json_int_t) v->buckets,
                      "checkpoints", (json_int_t) v->ledger.n,
                      "faults", v->faults);

    if (v->subject) {
        json_object_set_new(value, "subject",
                            ctl_pseudonym_json(&v->who.subject.current));
    }

    rc = ctl_put(ctl, value);

    return rc != CTL_OK ? rc : n == 0 ? CTL_OK : CTL_FOUND;
}
