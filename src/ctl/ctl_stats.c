/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_commands.h"
#include "ctl_scan.h"


#define CTL_STATS_BATCH  256     /* buckets that are asked for at once */


/* What is in Redis, in numbers. */

typedef struct {
    ctl_policies_t  policies;
    uint64_t        records;
    uint64_t        current[CG_MAX_DOCUMENTS];      /* have `version` */
    uint64_t        older[CG_MAX_DOCUMENTS];
    uint64_t        declined[CG_MAX_DOCUMENTS];
    uint64_t        events;
    uint64_t        buckets;
} ctl_stats_t;


static ctl_exit_e ctl_stats_records(ctl_t *ctl, ctl_stats_t *s);
static ctl_exit_e ctl_stats_record(ctl_t *ctl, cg_str_t key,
    const redisReply *values, void *data);
static ctl_exit_e ctl_stats_events(ctl_t *ctl, ctl_stats_t *s);
static ctl_exit_e ctl_stats_put(ctl_t *ctl, const ctl_stats_t *s);


const ctl_option_t  ctl_stats_options[] = {

    CTL_RATE_OPTION,

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_stats(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e   rc;
    ctl_stats_t  s;

    (void) argc;
    (void) argv;

    memset(&s, 0, sizeof(s));

    if ((rc = ctl_policies_load(ctl, &s.policies, true)) != CTL_OK
        || (rc = ctl_stats_records(ctl, &s)) != CTL_OK
        || (rc = ctl_stats_events(ctl, &s)) != CTL_OK)
    {
        return rc;
    }

    return ctl_stats_put(ctl, &s);
}


static ctl_exit_e
ctl_stats_records(ctl_t *ctl, ctl_stats_t *s)
{
    char      names[CG_MAX_DOCUMENTS][CG_MAX_NAME + 3];
    size_t    i;
    cg_str_t  fields[1 + CG_MAX_DOCUMENTS];

    fields[0] = cg_field_name(CG_FIELD_REV);

    for (i = 0; i < s->policies.n; i++) {
        fields[i + 1].len = (size_t) snprintf(names[i], sizeof(names[i]),
                                              "d.%s", s->policies.names[i]);
        fields[i + 1].data = (const uint8_t *) names[i];
    }

    return ctl_scan_records(ctl, s->policies.n + 1, fields, ctl_stats_record,
                            s);
}


static ctl_exit_e
ctl_stats_record(ctl_t *ctl, cg_str_t key, const redisReply *values,
    void *data)
{
    size_t        i;
    uint64_t      version;
    cg_str_t      value;
    ctl_stats_t  *s;

    (void) key;

    s = data;
    s->records++;

    for (i = 0; i < s->policies.n; i++) {
        value = ctl_reply_str(values->element[i + 1]);

        if (cg_str_eq(value, cg_str("-"))) {
            s->declined[i]++;

        } else if (cg_parse_uint(value, CG_MAX_VERSION, &version)) {

            if (version >= s->policies.policies.docs[i].version) {
                s->current[i]++;
            } else {
                s->older[i]++;
            }
        }
    }

    ctl_progress(ctl, "records", s->records, 0);

    return CTL_OK;
}


static ctl_exit_e
ctl_stats_events(ctl_t *ctl, ctl_stats_t *s)
{
    size_t       i, len;
    uint8_t      key[CG_MAX_KEY];
    unsigned     bucket;
    ctl_exit_e   rc;
    redisReply  *reply;
    ctl_batch_t  batch;

    memset(&batch, 0, sizeof(batch));
    rc = CTL_OK;

    for (bucket = 0; rc == CTL_OK && bucket < CTL_BUCKETS; /* void */ ) {
        ctl_batch_clear(&batch);

        for (i = 0; rc == CTL_OK && i < CTL_STATS_BATCH; i++) {
            len = ctl_key_bucket(ctl, bucket++, key);
            rc = ctl_batch_add(ctl, &batch, (cg_str_t) { len, key },
                               "XLEN %b", key, len);
        }

        rc = rc == CTL_OK ? ctl_batch_run(ctl, &batch) : rc;

        for (i = 0; rc == CTL_OK && i < batch.n; i++) {
            reply = batch.calls[i].reply;

            if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0) {
                rc = ctl_fail(ctl, CTL_REDIS, "the reply of Redis to XLEN "
                              "cannot be read");
                break;
            }

            s->events += (uint64_t) reply->integer;
            s->buckets += reply->integer > 0;
        }
    }

    ctl_batch_free(&batch);

    return rc;
}


static ctl_exit_e
ctl_stats_put(ctl_t *ctl, const ctl_stats_t *s)
{
    size_t   i;
    json_t  *documents;

    documents = json_object();

    ctl_say(ctl, "%llu record%s, %llu event%s in %llu bucket%s",
            (unsigned long long) s->records, ctl_s(s->records),
            (unsigned long long) s->events, ctl_s(s->events),
            (unsigned long long) s->buckets, ctl_s(s->buckets));

    for (i = 0; i < s->policies.n; i++) {
        ctl_say(ctl, "  %-16s %llu have version %u, %llu an older one, %llu "
                "have declined", s->policies.names[i],
                (unsigned long long) s->current[i],
                s->policies.policies.docs[i].version,
                (unsigned long long) s->older[i],
                (unsigned long long) s->declined[i]);
        json_object_set_new(documents, s->policies.names[i],
                            json_pack("{s:I, s:I, s:I, s:I}",
                                      "version", (json_int_t)
                                      s->policies.policies.docs[i].version,
                                      "current", (json_int_t) s->current[i],
                                      "older", (json_int_t) s->older[i],
                                      "declined",
                                      (json_int_t) s->declined[i]));
    }

    return ctl_put(ctl, json_pack("{s:I, s:I, s:I, s:o}",
                                  "records", (json_int_t) s->records,
                                  "events", (json_int_t) s->events,
                                  "buckets", (json_int_t) s->buckets,
                                  "documents", documents));
}
