/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl_commands.h"
#include "ctl_proof.h"


#define CTL_MAX_MANIFEST  16777216   /* bytes */
#define CTL_TRIM_CHUNK    500        /* entries of one XDEL */
#define CTL_TRIM_READ     65536      /* bytes */


/* How far a bucket of the manifest is to be trimmed. */

typedef struct {
    bool      trim;             /* there is something to do */
    ctl_at_t  to;               /* the last entry that goes */
} ctl_trim_plan_t;

typedef struct {
    ctl_manifest_t    manifest;
    ctl_trim_plan_t   plans[CTL_BUCKETS];       /* as its buckets */
    ctl_ledger_t      ledger;
    size_t            nmarks;
    ctl_mark_t        marks[CTL_BUCKETS];       /* to be signed */
    uint64_t          planned;
    uint64_t          trimmed;
    uint64_t          buckets;
} ctl_trim_t;


static ctl_exit_e ctl_trim_run(ctl_t *ctl, ctl_trim_t *t);
static ctl_exit_e ctl_trim_manifest(ctl_t *ctl, ctl_trim_t *t,
    const char *path);
static ctl_exit_e ctl_trim_file(ctl_t *ctl, ctl_trim_t *t, const char *path);
static ctl_exit_e ctl_trim_digest(ctl_t *ctl, const char *path,
    uint8_t hex[CTL_SHA256]);
static bool ctl_trim_hash(int fd, EVP_MD_CTX *md);
static ctl_exit_e ctl_trim_buckets(ctl_t *ctl, ctl_trim_t *t);
static ctl_exit_e ctl_trim_plan(ctl_t *ctl, ctl_trim_t *t, size_t i);
static ctl_exit_e ctl_trim_check(ctl_t *ctl, ctl_trim_t *t, size_t i,
    const ctl_bucket_t *b);
static ctl_exit_e ctl_trim_bucket(ctl_t *ctl, ctl_trim_t *t, unsigned bucket,
    ctl_at_t to);
static ctl_exit_e ctl_trim_delete(ctl_t *ctl, ctl_trim_t *t, unsigned bucket,
    const ctl_event_t *events, size_t n);


const ctl_option_t  ctl_events_trim_options[] = {

    { "manifest", "FILE",
      "what events export wrote beside its file, which\n"
      "must be there, too" },

    { "dry-run", NULL,
      "say what would go, and change nothing" },

    { "yes", NULL,
      "do not ask" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_events_trim(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e   rc;
    ctl_trim_t  *t;

    (void) argc;
    (void) argv;

    t = calloc(1, sizeof(ctl_trim_t));
    if (t == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = ctl_trim_run(ctl, t);

    ctl_manifest_free(&t->manifest);
    ctl_ledger_close(&t->ledger);
    free(t);

    return rc;
}


static ctl_exit_e
ctl_trim_run(ctl_t *ctl, ctl_trim_t *t)
{
    bool         dry;
    char         question[100];
    size_t       i;
    const char  *path;
    ctl_exit_e   rc;

    path = ctl_option(ctl, "manifest");
    dry = ctl_option(ctl, "dry-run") != NULL;

    if (path == NULL) {
        return ctl_fail(ctl, CTL_USAGE, "--manifest is missing");
    }

    rc = ctl_ledger_open(ctl, &t->ledger, !dry);

    if (rc == CTL_OK) {
        rc = ctl_trim_manifest(ctl, t, path);
    }

    for (i = 0; rc == CTL_OK && i < t->manifest.n; i++) {
        rc = ctl_trim_plan(ctl, t, i);
        ctl_progress(ctl, "buckets checked", i + 1, t->manifest.n);
    }

    if (rc == CTL_OK && !dry && t->planned > 0) {
        snprintf(question, sizeof(question),
                 "Delete %llu event%s of %llu bucket%s from Redis?",
                 (unsigned long long) t->planned, ctl_s(t->planned),
                 (unsigned long long) t->buckets, ctl_s(t->buckets));
        rc = ctl_confirm(ctl, question);
    }

    if (rc == CTL_OK && !dry) {
        rc = ctl_trim_buckets(ctl, t);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_say(ctl, "%s: %llu event%s of %llu bucket%s; the last one of each "
            "stays", dry ? "would be trimmed" : "trimmed",
            (unsigned long long) (dry ? t->planned : t->trimmed),
            ctl_s(dry ? t->planned : t->trimmed),
            (unsigned long long) t->buckets, ctl_s(t->buckets));

    return ctl_put(ctl, json_pack("{s:b, s:I, s:I}", "dry_run", (int) dry,
                                  dry ? "would_trim" : "trimmed",
                                  (json_int_t) (dry ? t->planned
                                                    : t->trimmed),
                                  "buckets", (json_int_t) t->buckets));
}


static ctl_exit_e
ctl_trim_manifest(ctl_t *ctl, ctl_trim_t *t, const char *path)
{
    char        *text;
    size_t       len;
    const char  *err;
    ctl_exit_e   rc;

    rc = ctl_file_read(ctl, path, CTL_MAX_MANIFEST, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    err = ctl_manifest_read(ctl, &t->manifest, text, len);
    free(text);

    if (err != NULL) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\": %s", path, err);
    }

    if (strcmp(t->manifest.prefix, ctl_setting(ctl, CTL_PREFIX)) != 0) {
        return ctl_fail(ctl, CTL_REFUSED, "\"%s\" is of the prefix \"%s\"",
                        path, t->manifest.prefix);
    }

    if (t->manifest.before / 1000
        > time(NULL) - ctl_setting_span(ctl, CTL_PROOF))
    {
        return ctl_fail(ctl, CTL_REFUSED, "\"%s\" has events younger than "
                        "proof (%s): export those before that", path,
                        ctl_setting(ctl, CTL_PROOF));
    }

    return ctl_trim_file(ctl, t, path);
}


/* The file that the manifest speaks of must be there, and be the same. */

static ctl_exit_e
ctl_trim_file(ctl_t *ctl, ctl_trim_t *t, const char *path)
{
    char        *copy, *file;
    uint8_t      hex[CTL_SHA256];
    ctl_exit_e   rc;

    copy = strdup(path);

    if (copy == NULL
        || asprintf(&file, "%s/%s", dirname(copy), t->manifest.file) == -1)
    {
        free(copy);
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = ctl_trim_digest(ctl, file, hex);

    if (rc == CTL_OK && memcmp(t->manifest.sha256, hex, sizeof(hex)) != 0) {
        rc = ctl_fail(ctl, CTL_REFUSED, "\"%s\" is not what was exported",
                      file);
    }

    free(copy);
    free(file);

    return rc;
}


/* It will be the only copy: it may have been brought here just now. */

static ctl_exit_e
ctl_trim_digest(ctl_t *ctl, const char *path, uint8_t hex[CTL_SHA256])
{
    int          fd;
    bool         ok;
    EVP_MD_CTX  *md;

    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1) {
        return ctl_fail(ctl, CTL_FILE, "cannot open \"%s\": %s", path,
                        strerror(errno));
    }

    md = EVP_MD_CTX_new();

    ok = md != NULL
         && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1
         && ctl_trim_hash(fd, md)
         && ctl_sha256_hex(md, hex)
         && (fsync(fd) == 0 || errno == EINVAL);

    EVP_MD_CTX_free(md);
    close(fd);

    return ok ? CTL_OK
              : ctl_fail(ctl, CTL_FILE, "cannot read \"%s\"", path);
}


static bool
ctl_trim_hash(int fd, EVP_MD_CTX *md)
{
    char     buf[CTL_TRIM_READ];
    ssize_t  n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        if (EVP_DigestUpdate(md, buf, (size_t) n) != 1) {
            return false;
        }
    }

    return n == 0;
}


/*
 * The last entry of a bucket stays, even if it has been exported: the link of
 * the next event is made of it. A trim that was cut off is finished first,
 * which needs no look at what it had checked.
 */

static ctl_exit_e
ctl_trim_plan(ctl_t *ctl, ctl_trim_t *t, size_t i)
{
    bool                   begun;
    size_t                 n;
    ctl_at_t               last;
    ctl_exit_e             rc;
    ctl_bucket_t           b;
    const ctl_mark_t      *trim;
    const ctl_exported_t  *e;

    e = &t->manifest.buckets[i];

    rc = ctl_bucket_load(ctl, &b, e->bucket, ctl_at_start, ctl_at_end);

    trim = ctl_ledger_last(&t->ledger, CTL_LEDGER_TRIM, e->bucket,
                           ctl_at_end);
    begun = trim != NULL && b.n > 0
            && ctl_at_cmp(b.events[0].at, trim->at) <= 0;
    last = begun ? trim->at : e->last;

    for (n = 0; n < b.n && ctl_at_cmp(b.events[n].at, last) <= 0; n++) {
        /* void */
    }

    n -= n > 0 && n == b.n;

    if (rc == CTL_OK && n > 0) {
        t->plans[i].trim = true;
        t->plans[i].to = b.events[n - 1].at;
        t->planned += n;
        t->buckets++;

        rc = begun ? CTL_OK : ctl_trim_check(ctl, t, i, &b);
    }

    ctl_bucket_free(&b);

    return rc;
}


/*
 * The events are those that were exported: they lead to the same link. What is
 * to be signed is kept: it is on disk before the first one is deleted.
 */

static ctl_exit_e
ctl_trim_check(ctl_t *ctl, ctl_trim_t *t, size_t i, const ctl_bucket_t *b)
{
    size_t                 n;
    ctl_mark_t             mark;
    ctl_exit_e             rc;
    ctl_finding_t          finding;
    const ctl_event_t     *event;
    const ctl_exported_t  *e;

    rc = ctl_check_bucket(ctl, &t->ledger, b, NULL, &finding);
    if (rc != CTL_OK) {
        return rc;
    }

    if (finding.fault != CTL_FAULT_NONE) {
        ctl_finding_say(ctl, &finding);
        return ctl_fail(ctl, CTL_REFUSED, "bucket %03x has a fault (%s): "
                        "nothing is trimmed", b->bucket,
                        ctl_fault_name(finding.fault));
    }

    memset(&mark, 0, sizeof(mark));
    e = &t->manifest.buckets[i];

    for (n = 0; n < b->n; n++) {
        event = &b->events[n];

        if (ctl_at_cmp(event->at, t->plans[i].to) == 0) {
            memcpy(mark.link, event->link.data, CTL_LINK);
        }

        if (ctl_at_cmp(event->at, e->last) == 0
            && memcmp(event->link.data, e->link, CTL_LINK) == 0)
        {
            break;
        }
    }

    if (n == b->n) {
        return ctl_fail(ctl, CTL_REFUSED, "bucket %03x is not as it was "
                        "exported: nothing is trimmed", b->bucket);
    }

    mark.what = CTL_LEDGER_TRIM;
    mark.bucket = (uint16_t) b->bucket;
    mark.at = t->plans[i].to;

    t->marks[t->nmarks++] = mark;

    return CTL_OK;
}


static ctl_exit_e
ctl_trim_buckets(ctl_t *ctl, ctl_trim_t *t)
{
    size_t      i;
    ctl_exit_e  rc;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < t->nmarks; i++) {
        rc = ctl_ledger_add(ctl, &t->ledger, &t->marks[i]);
    }

    if (rc == CTL_OK) {
        rc = ctl_ledger_flush(ctl, &t->ledger);
    }

    for (i = 0; rc == CTL_OK && i < t->manifest.n; i++) {
        rc = t->plans[i].trim
             ? ctl_trim_bucket(ctl, t, t->manifest.buckets[i].bucket,
                               t->plans[i].to)
             : CTL_OK;
        ctl_progress(ctl, "events trimmed", t->trimmed, t->planned);
    }

    return rc;
}


/* Oldest first, so that a trim that was cut off can be run again. */

static ctl_exit_e
ctl_trim_bucket(ctl_t *ctl, ctl_trim_t *t, unsigned bucket, ctl_at_t to)
{
    size_t        i, n;
    ctl_exit_e    rc;
    ctl_bucket_t  b;

    rc = ctl_bucket_load(ctl, &b, bucket, ctl_at_start, to);

    for (i = 0; rc == CTL_OK && i < b.n; i += n) {
        n = b.n - i < CTL_TRIM_CHUNK ? b.n - i : CTL_TRIM_CHUNK;
        rc = ctl_trim_delete(ctl, t, bucket, &b.events[i], n);
    }

    ctl_bucket_free(&b);

    return rc;
}


/* By their ids, not by XTRIM: nothing goes that has not been exported. */

static ctl_exit_e
ctl_trim_delete(ctl_t *ctl, ctl_trim_t *t, unsigned bucket,
    const ctl_event_t *events, size_t n)
{
    char         ids[CTL_TRIM_CHUNK][CTL_AT];
    size_t       i, lens[CTL_TRIM_CHUNK + 2];
    uint8_t      key[CG_MAX_KEY];
    const char  *argv[CTL_TRIM_CHUNK + 2];
    redisReply  *reply;

    argv[0] = "XDEL";
    lens[0] = 4;
    argv[1] = (const char *) key;
    lens[1] = ctl_key_bucket(ctl, bucket, key);

    for (i = 0; i < n; i++) {
        argv[i + 2] = ctl_at_text(events[i].at, ids[i]);
        lens[i + 2] = strlen(ids[i]);
    }

    reply = ctl_expect(ctl, ctl_ask_argv(ctl, (cg_str_t) { lens[1], key },
                                         (int) n + 2, argv, lens),
                       REDIS_REPLY_INTEGER, "XDEL");
    if (reply == NULL) {
        return ctl->failed;
    }

    t->trimmed += (uint64_t) reply->integer;
    freeReplyObject(reply);

    return CTL_OK;
}
