/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "ctl_commands.h"
#include "ctl_proof.h"


#define CTL_MAX_MANIFEST  16777216   /* bytes */
#define CTL_TRIM_CHUNK    500        /* entries of one XDEL */


/* A bucket of the manifest, and how far it is to be trimmed. */

typedef struct {
    unsigned  bucket;
    uint64_t  events;
    ctl_at_t  last;
    char      link[CTL_LINK];
    bool      trim;             /* there is something to do */
    ctl_at_t  to;               /* the last entry that goes */
} ctl_trim_bucket_t;

typedef struct {
    json_t             *manifest;
    ctl_ledger_t        ledger;
    size_t              n;
    ctl_trim_bucket_t   list[CTL_BUCKETS];
    size_t              nmarks;
    ctl_mark_t          marks[CTL_BUCKETS];     /* to be signed */
    uint64_t            planned;
    uint64_t            trimmed;
    uint64_t            buckets;
} ctl_trim_t;


static ctl_exit_e ctl_trim_run(ctl_t *ctl, ctl_trim_t *t);
static ctl_exit_e ctl_trim_manifest(ctl_t *ctl, ctl_trim_t *t,
    const char *path);
static ctl_exit_e ctl_trim_file(ctl_t *ctl, ctl_trim_t *t, const char *path);
static ctl_exit_e ctl_trim_digest(ctl_t *ctl, const char *path, uint8_t *hex);
static ctl_exit_e ctl_trim_buckets(ctl_t *ctl, ctl_trim_t *t);
static ctl_exit_e ctl_trim_plan(ctl_t *ctl, ctl_trim_t *t,
    ctl_trim_bucket_t *tb);
static ctl_exit_e ctl_trim_check(ctl_t *ctl, ctl_trim_t *t,
    ctl_trim_bucket_t *tb, const ctl_bucket_t *b);
static ctl_exit_e ctl_trim_bucket(ctl_t *ctl, ctl_trim_t *t,
    const ctl_trim_bucket_t *tb);
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

    (void) argv;

    if (argc > 0) {
        return ctl_fail(ctl, CTL_USAGE, "events trim takes options only");
    }

    t = calloc(1, sizeof(ctl_trim_t));
    if (t == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = ctl_trim_run(ctl, t);

    json_decref(t->manifest);
    ctl_ledger_close(&t->ledger);
    free(t);

    return rc;
}


static ctl_exit_e
ctl_trim_run(ctl_t *ctl, ctl_trim_t *t)
{
    bool         dry;
    char         question[80];
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

    for (i = 0; rc == CTL_OK && i < t->n; i++) {
        rc = ctl_trim_plan(ctl, t, &t->list[i]);
        ctl_progress(ctl, "buckets checked", i + 1, t->n);
    }

    if (rc == CTL_OK && !dry && t->planned > 0) {
        snprintf(question, sizeof(question),
                 "Delete %llu events of %llu buckets from Redis?",
                 (unsigned long long) t->planned,
                 (unsigned long long) t->buckets);
        rc = ctl_confirm(ctl, question);
    }

    if (rc == CTL_OK && !dry) {
        rc = ctl_trim_buckets(ctl, t);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_say(ctl, "%llu events of %llu buckets %s",
            (unsigned long long) (dry ? t->planned : t->trimmed),
            (unsigned long long) t->buckets, dry ? "would go" : "are trimmed");

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
    json_t      *buckets, *value;
    const char  *err, *name, *type, *prefix, *last, *link;
    json_int_t   before, events;
    ctl_exit_e   rc;

    rc = ctl_file_read(ctl, path, CTL_MAX_MANIFEST, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    t->manifest = ctl_signed_read(ctl, text, len, &err);
    free(text);

    if (t->manifest == NULL) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\": %s", path, err);
    }

    if (json_unpack(t->manifest, "{s:s, s:s, s:I, s:o}", "type", &type,
                    "prefix", &prefix, "before", &before, "buckets", &buckets)
        != 0
        || strcmp(type, "export") != 0)
    {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is no manifest", path);
    }

    if (strcmp(prefix, ctl_setting(ctl, CTL_PREFIX)) != 0) {
        return ctl_fail(ctl, CTL_REFUSED, "\"%s\" is of the prefix \"%s\"",
                        path, prefix);
    }

    if (before / 1000 > time(NULL) - ctl_setting_span(ctl, CTL_PROOF)) {
        return ctl_fail(ctl, CTL_REFUSED, "\"%s\" has events younger than "
                        "proof (%s): export those before that", path,
                        ctl_setting(ctl, CTL_PROOF));
    }

    json_object_foreach(buckets, name, value) {
        ctl_trim_bucket_t  *tb = &t->list[t->n];
        int                 bucket = ctl_bucket_parse(name);

        if (bucket == -1 || t->n == CTL_BUCKETS
            || json_unpack(value, "{s:I, s:s, s:s}", "events", &events,
                           "last", &last, "link", &link) != 0
            || !ctl_json_at(value, "last", &tb->last)
            || strlen(link) != CTL_LINK)
        {
            return ctl_fail(ctl, CTL_FILE, "\"%s\" is no manifest", path);
        }

        tb->bucket = (unsigned) bucket;
        tb->events = (uint64_t) events;
        memcpy(tb->link, link, CTL_LINK);
        t->n++;
    }

    return ctl_trim_file(ctl, t, path);
}


/* The file that the manifest speaks of must be there, and be the same. */

static ctl_exit_e
ctl_trim_file(ctl_t *ctl, ctl_trim_t *t, const char *path)
{
    char        *copy, file[8192];
    uint8_t      hex[64];
    const char  *name, *sha256;
    ctl_exit_e   rc;

    if (json_unpack(t->manifest, "{s:s, s:s}", "file", &name, "sha256",
                    &sha256) != 0
        || strchr(name, '/') != NULL)
    {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is no manifest", path);
    }

    copy = strdup(path);
    if (copy == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    snprintf(file, sizeof(file), "%s/%s", dirname(copy), name);
    free(copy);

    rc = ctl_trim_digest(ctl, file, hex);
    if (rc != CTL_OK) {
        return rc;
    }

    if (strlen(sha256) != sizeof(hex) || memcmp(sha256, hex, sizeof(hex)) != 0)
    {
        return ctl_fail(ctl, CTL_REFUSED, "\"%s\" is not what was exported",
                        file);
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_trim_digest(ctl_t *ctl, const char *path, uint8_t *hex)
{
    FILE        *f;
    bool         ok;
    char         buf[65536];
    size_t       n;
    uint8_t      digest[EVP_MAX_MD_SIZE];
    cg_out_t     out;
    EVP_MD_CTX  *md;

    f = fopen(path, "re");
    if (f == NULL) {
        return ctl_fail(ctl, CTL_FILE, "cannot open \"%s\": %s", path,
                        strerror(errno));
    }

    md = EVP_MD_CTX_new();
    ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

    while (ok && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
        ok = EVP_DigestUpdate(md, buf, n) == 1;
    }

    ok = ok && !ferror(f) && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);
    fclose(f);

    if (!ok) {
        return ctl_fail(ctl, CTL_FILE, "cannot read \"%s\"", path);
    }

    cg_out_init(&out, hex, 64);
    cg_out_hex(&out, digest, 32);

    return CTL_OK;
}


/*
 * The last entry of a bucket stays, even if it has been exported: the link of
 * the next event is made of it. A trim that was cut off is finished first,
 * which needs no look at what it had checked.
 */

static ctl_exit_e
ctl_trim_plan(ctl_t *ctl, ctl_trim_t *t, ctl_trim_bucket_t *tb)
{
    bool               begun;
    size_t             n;
    ctl_at_t           last;
    ctl_exit_e         rc;
    ctl_bucket_t       b;
    const ctl_mark_t  *trim;

    rc = ctl_bucket_load(ctl, &b, tb->bucket, ctl_at_start, ctl_at_end);

    trim = ctl_ledger_last(&t->ledger, CTL_LEDGER_TRIM, tb->bucket,
                           ctl_at_end);
    begun = trim != NULL && b.n > 0
            && ctl_at_cmp(b.events[0].at, trim->at) <= 0;
    last = begun ? trim->at : tb->last;

    for (n = 0; n < b.n && ctl_at_cmp(b.events[n].at, last) <= 0; n++) {
        /* void */
    }

    n -= n > 0 && n == b.n;

    if (rc == CTL_OK && n > 0) {
        tb->trim = true;
        tb->to = b.events[n - 1].at;
        t->planned += n;
        t->buckets++;

        rc = begun ? CTL_OK : ctl_trim_check(ctl, t, tb, &b);
    }

    ctl_bucket_free(&b);

    return rc;
}


/*
 * The events are those that were exported: they lead to the same link. What is
 * to be signed is kept: it is on disk before the first one is deleted.
 */

static ctl_exit_e
ctl_trim_check(ctl_t *ctl, ctl_trim_t *t, ctl_trim_bucket_t *tb,
    const ctl_bucket_t *b)
{
    size_t              i;
    ctl_mark_t          mark;
    ctl_exit_e          rc;
    ctl_finding_t       finding;
    const ctl_event_t  *event;

    rc = ctl_verify_loaded(ctl, &t->ledger, b, NULL, &finding);
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

    for (i = 0; i < b->n; i++) {
        event = &b->events[i];

        if (ctl_at_cmp(event->at, tb->to) == 0) {
            memcpy(mark.link, event->link.data, CTL_LINK);
        }

        if (ctl_at_cmp(event->at, tb->last) == 0
            && memcmp(event->link.data, tb->link, CTL_LINK) == 0)
        {
            break;
        }
    }

    if (i == b->n) {
        return ctl_fail(ctl, CTL_REFUSED, "bucket %03x is not as it was "
                        "exported: nothing is trimmed", b->bucket);
    }

    mark.what = CTL_LEDGER_TRIM;
    mark.bucket = (uint16_t) b->bucket;
    mark.at = tb->to;

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

    for (i = 0; rc == CTL_OK && i < t->n; i++) {
        rc = t->list[i].trim ? ctl_trim_bucket(ctl, t, &t->list[i]) : CTL_OK;
        ctl_progress(ctl, "events trimmed", t->trimmed, t->planned);
    }

    return rc;
}


/* Oldest first, so that a trim that was cut off can be run again. */

static ctl_exit_e
ctl_trim_bucket(ctl_t *ctl, ctl_trim_t *t, const ctl_trim_bucket_t *tb)
{
    size_t        i, n;
    ctl_exit_e    rc;
    ctl_bucket_t  b;

    rc = ctl_bucket_load(ctl, &b, tb->bucket, ctl_at_start, tb->to);

    for (i = 0; rc == CTL_OK && i < b.n; i += n) {
        n = b.n - i < CTL_TRIM_CHUNK ? b.n - i : CTL_TRIM_CHUNK;
        rc = ctl_trim_delete(ctl, t, tb->bucket, &b.events[i], n);
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

    reply = ctl_ask_argv(ctl, (cg_str_t) { lens[1], key }, (int) n + 2, argv,
                         lens);
    if (reply == NULL) {
        return ctl->failed;
    }

    t->trimmed += (uint64_t) reply->integer;
    freeReplyObject(reply);

    return CTL_OK;
}
