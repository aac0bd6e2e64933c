/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_commands.h"
#include "ctl_output.h"
#include "ctl_proof.h"


/*
 * events export: the events before a date as JSON Lines, and a manifest that
 * says, signed, how far each bucket is in there. Only what has been exported
 * can be trimmed. Both files are there when all is in them, the manifest last.
 */

typedef struct {
    const char    *path;
    char          *manifest;            /* its path */
    ctl_output_t   events_out;
    ctl_output_t   manifest_out;
    EVP_MD_CTX    *md;
    uint64_t       before;              /* milliseconds since 1970 */
    uint64_t       events;
    uint64_t       bytes;
    ctl_ledger_t   ledger;
    json_t        *buckets;
    json_t        *faults;
} ctl_export_t;


static ctl_exit_e ctl_export_run(ctl_t *ctl, ctl_export_t *e);
static ctl_exit_e ctl_export_start(ctl_t *ctl, ctl_export_t *e);
static ctl_exit_e ctl_export_paths(ctl_t *ctl, ctl_export_t *e);
static ctl_exit_e ctl_export_before(ctl_t *ctl, uint64_t *before);
static ctl_exit_e ctl_export_bucket(ctl_t *ctl, ctl_export_t *e,
    unsigned bucket);
static ctl_exit_e ctl_export_event(ctl_t *ctl, ctl_export_t *e,
    unsigned bucket, const ctl_event_t *event);
static ctl_exit_e ctl_export_manifest(ctl_t *ctl, ctl_export_t *e);
static ctl_exit_e ctl_export_done(ctl_t *ctl, ctl_export_t *e);


const ctl_option_t  ctl_events_export_options[] = {

    { "output", "FILE",
      "where to; FILE.manifest goes beside it. Neither\n"
      "may exist" },

    { "before", "DATE",
      "events before 2020-01-01, or 2020-01-01T12:00:00Z;\n"
      "without it those older than proof" },

    { "all", NULL,
      "every event" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_events_export(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e    rc;
    ctl_export_t  e;

    (void) argc;
    (void) argv;

    memset(&e, 0, sizeof(e));
    e.buckets = json_object();
    e.faults = json_array();

    rc = ctl_export_run(ctl, &e);

    ctl_output_free(&e.manifest_out, rc == CTL_OK);
    ctl_output_free(&e.events_out, rc == CTL_OK);

    if (rc == CTL_OK) {
        rc = ctl_export_done(ctl, &e);
    }

    EVP_MD_CTX_free(e.md);
    ctl_ledger_close(&e.ledger);
    json_decref(e.buckets);
    json_decref(e.faults);
    free(e.manifest);

    return rc;
}


static ctl_exit_e
ctl_export_run(ctl_t *ctl, ctl_export_t *e)
{
    unsigned    bucket;
    ctl_exit_e  rc;

    rc = ctl_export_start(ctl, e);

    for (bucket = 0; rc == CTL_OK && bucket < CTL_BUCKETS; bucket++) {
        rc = ctl_export_bucket(ctl, e, bucket);
        ctl_progress(ctl, "buckets", bucket + 1, CTL_BUCKETS);
    }

    if (rc == CTL_OK) {
        rc = ctl_export_manifest(ctl, e);
    }

    if (rc == CTL_OK) {
        rc = ctl_output_close(ctl, &e->events_out);
    }

    return rc == CTL_OK ? ctl_output_close(ctl, &e->manifest_out) : rc;
}


static ctl_exit_e
ctl_export_start(ctl_t *ctl, ctl_export_t *e)
{
    ctl_exit_e  rc;

    if ((rc = ctl_export_paths(ctl, e)) != CTL_OK
        || (rc = ctl_export_before(ctl, &e->before)) != CTL_OK
        || (rc = ctl_ledger_open(ctl, &e->ledger, false)) != CTL_OK
        || (rc = ctl_redis_open(ctl)) != CTL_OK)
    {
        return rc;
    }

    e->md = EVP_MD_CTX_new();

    if (e->md == NULL || EVP_DigestInit_ex(e->md, EVP_sha256(), NULL) != 1) {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed");
    }

    rc = ctl_output_open(ctl, &e->events_out, e->path);

    return rc == CTL_OK
           ? ctl_output_open(ctl, &e->manifest_out, e->manifest) : rc;
}


/* The manifest has the name in JSON. */

static ctl_exit_e
ctl_export_paths(ctl_t *ctl, ctl_export_t *e)
{
    e->path = ctl_option(ctl, "output");

    if (e->path == NULL) {
        return ctl_fail(ctl, CTL_USAGE, "--output is missing");
    }

    if (e->path[0] == '\0'
        || !cg_utf8_printable((cg_str_t) { strlen(e->path),
                                           (const uint8_t *) e->path }))
    {
        return ctl_fail(ctl, CTL_USAGE, "--output: \"%s\" is no printable "
                        "UTF-8", e->path);
    }

    if (asprintf(&e->manifest, "%s.manifest", e->path) == -1) {
        e->manifest = NULL;
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_export_before(ctl_t *ctl, uint64_t *before)
{
    int64_t      seconds;
    const char  *date;

    date = ctl_option(ctl, "before");

    if (ctl_option(ctl, "all") != NULL) {
        *before = UINT64_MAX;
        return date == NULL
               ? CTL_OK
               : ctl_fail(ctl, CTL_USAGE, "--before or --all, not both");
    }

    if (date == NULL) {
        seconds = time(NULL) - ctl_setting_span(ctl, CTL_PROOF);

    } else if (!ctl_time_point(date, &seconds)) {
        return ctl_fail(ctl, CTL_USAGE, "--before: \"%s\" is not a date",
                        date);
    }

    *before = seconds > 0 ? (uint64_t) seconds * 1000 : 0;

    return CTL_OK;
}


static ctl_exit_e
ctl_export_bucket(ctl_t *ctl, ctl_export_t *e, unsigned bucket)
{
    char                first[CTL_AT], last[CTL_AT], name[8];
    size_t              i;
    ctl_exit_e          rc;
    ctl_bucket_t        b;
    ctl_finding_t       finding;
    const ctl_event_t  *end;

    rc = ctl_bucket_load(ctl, &b, bucket, ctl_at_start, ctl_at_end);

    if (rc == CTL_OK) {
        rc = ctl_check_bucket(ctl, &e->ledger, &b, NULL, &finding);
    }

    if (rc == CTL_OK && finding.fault != CTL_FAULT_NONE) {
        ctl_finding_say(ctl, &finding);
        json_array_append_new(e->faults, ctl_finding_json(&finding));
        b.n = 0;
    }

    for (i = 0; rc == CTL_OK && i < b.n; i++) {
        if (b.events[i].at.ms >= e->before) {
            break;
        }

        rc = ctl_export_event(ctl, e, bucket, &b.events[i]);
    }

    if (rc == CTL_OK && i > 0) {
        end = &b.events[i - 1];
        snprintf(name, sizeof(name), "%03x", bucket);
        json_object_set_new(e->buckets, name,
                            json_pack("{s:I, s:s, s:s, s:s%}",
                                      "events", (json_int_t) i,
                                      "first", ctl_at_text(b.events[0].at,
                                                           first),
                                      "last", ctl_at_text(end->at, last),
                                      "link", end->link.data, end->link.len));
    }

    ctl_bucket_free(&b);

    return rc;
}


static ctl_exit_e
ctl_export_event(ctl_t *ctl, ctl_export_t *e, unsigned bucket,
    const ctl_event_t *event)
{
    char        at[CTL_AT], name[8], *line;
    size_t      len;
    json_t     *value;
    ctl_exit_e  rc;

    snprintf(name, sizeof(name), "%03x", bucket);

    value = json_pack("{s:s, s:s, s:s%, s:s%, s:s%}", "bucket", name,
                      "entry", ctl_at_text(event->at, at),
                      "b", event->body.data, event->body.len,
                      "m", event->mac.data, event->mac.len,
                      "l", event->link.data, event->link.len);
    line = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);

    if (line == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "entry %s of bucket %s cannot be "
                        "written as JSON", at, name);
    }

    /* the end of the line takes the place of the NUL */

    len = strlen(line);
    line[len++] = '\n';

    rc = ctl_output_write(ctl, &e->events_out, line, len);

    if (rc == CTL_OK && EVP_DigestUpdate(e->md, line, len) != 1) {
        rc = ctl_fail(ctl, CTL_FAILED, "libcrypto failed");
    }

    free(line);
    e->events++;
    e->bytes += len;

    return rc;
}


static ctl_exit_e
ctl_export_manifest(ctl_t *ctl, ctl_export_t *e)
{
    char        *line;
    size_t       len;
    json_t      *body;
    uint8_t      hex[CTL_SHA256];
    const char  *slash;
    ctl_exit_e   rc;

    if (!ctl_sha256_hex(e->md, hex)) {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed");
    }

    slash = strrchr(e->path, '/');

    body = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s%, s:I, s:I, s:I, s:O}",
                     "v", CTL_SIGNED, "type", "export",
                     "time", (json_int_t) time(NULL),
                     "prefix", ctl_setting(ctl, CTL_PREFIX),
                     "file", slash != NULL ? slash + 1 : e->path,
                     "sha256", hex, sizeof(hex),
                     "bytes", (json_int_t) e->bytes,
                     "events", (json_int_t) e->events,
                     "before", e->before > INT64_MAX
                               ? (json_int_t) INT64_MAX
                               : (json_int_t) e->before,
                     "buckets", e->buckets);

    line = ctl_signed_line(ctl, body, &len);
    if (line == NULL) {
        return ctl->failed;
    }

    line[len++] = '\n';
    rc = ctl_output_write(ctl, &e->manifest_out, line, len);
    free(line);

    return rc;
}


static ctl_exit_e
ctl_export_done(ctl_t *ctl, ctl_export_t *e)
{
    size_t       n;
    ctl_exit_e   rc;

    n = json_array_size(e->faults);

    if (e->events == 0 && n == 0) {
        ctl_note(ctl, "no event is %s", e->before == UINT64_MAX
                 ? "there" : "as old as that");
    }

    ctl_say(ctl, "exported: %llu event%s of %zu bucket%s%s",
            (unsigned long long) e->events, ctl_s(e->events),
            json_object_size(e->buckets), ctl_s(json_object_size(e->buckets)),
            n > 0 ? ", not those of the buckets above" : "");
    ctl_say(ctl, "  file      %s", e->path);
    ctl_say(ctl, "  manifest  %s", e->manifest);

    rc = ctl_put(ctl, json_pack("{s:I, s:I, s:s, s:s, s:O}",
                                "events", (json_int_t) e->events,
                                "buckets",
                                (json_int_t) json_object_size(e->buckets),
                                "file", e->path, "manifest", e->manifest,
                                "faults", e->faults));

    return rc != CTL_OK ? rc : n == 0 ? CTL_OK : CTL_FOUND;
}
