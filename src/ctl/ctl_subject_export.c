/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "../core/cg_export.h"
#include "ctl_commands.h"
#include "ctl_record.h"


#define CTL_EXPORT_HEAD  1024     /* bytes before the record, realm apart */


/* The same JSON as GET export of the API: docs/export.schema.json. */

static ctl_exit_e ctl_copy_head(ctl_t *ctl, const ctl_record_t *record);
static ctl_exit_e ctl_copy_record(ctl_t *ctl, const ctl_record_t *record);
static ctl_exit_e ctl_copy_events(ctl_t *ctl, ctl_record_t *record);
static void ctl_copy_entry(const ctl_event_t *event, bool first);
static bool ctl_copy_complete(const ctl_event_t **events, size_t n,
    const ctl_event_t **older, size_t nolder);
static bool ctl_copy_has(const ctl_event_t **events, size_t n,
    const uint8_t id[CG_EVENT_ID_LEN]);


ctl_exit_e
ctl_subject_export(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e    rc;
    ctl_record_t  record;

    (void) argv;

    if (argc > 0) {
        return ctl_fail(ctl, CTL_USAGE, "subject export takes options only");
    }

    rc = ctl_keys_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_record_find(ctl, &record);

    if (rc == CTL_OK) {
        rc = ctl_record_kind(ctl, &record, &record.subject.kind);
    }

    if (rc == CTL_OK && (rc = ctl_copy_head(ctl, &record)) == CTL_OK
        && (rc = ctl_copy_record(ctl, &record)) == CTL_OK)
    {
        rc = ctl_copy_events(ctl, &record);
    }

    ctl_record_free(&record);

    return rc;
}


static ctl_exit_e
ctl_copy_head(ctl_t *ctl, const ctl_record_t *record)
{
    uint8_t           buf[CTL_EXPORT_HEAD + 6 * CG_MAX_REALM];
    cg_out_t          out;
    const char       *realm;
    struct timespec   now;

    realm = ctl_setting(ctl, CTL_REALM);
    clock_gettime(CLOCK_REALTIME, &now);
    cg_out_init(&out, buf, sizeof(buf));

    cg_out_str(&out, cg_str("{\"format\":\"" CG_EXPORT_FORMAT
                            "\",\"version\":"));
    cg_out_uint(&out, CG_EXPORT_VERSION);
    cg_out_str(&out, cg_str(",\"time\":"));
    cg_out_uint(&out, (uint64_t) now.tv_sec * 1000
                      + (uint64_t) now.tv_nsec / 1000000);
    cg_out_str(&out, cg_str(",\"gate\":\"" CTL_VERSION "\",\"realm\":"));
    cg_out_json(&out, (cg_str_t) { strlen(realm), (const uint8_t *) realm });
    cg_out_str(&out, cg_str(",\"kept_for\":{\"record\":"));
    cg_out_uint(&out, (uint64_t) ctl_setting_span(ctl, CTL_RETENTION));
    cg_out_str(&out, cg_str(",\"events\":"));
    cg_out_uint(&out, (uint64_t) ctl_setting_span(ctl, CTL_PROOF));
    cg_out_str(&out, cg_str("},\"subject\":"));
    cg_export_subject(&out, record->subject.kind, &record->subject.current);
    cg_out_str(&out, cg_str(",\"record\":"));

    if (out.overflow) {
        return ctl_fail(ctl, CTL_FAILED, "the realm is too long");
    }

    fwrite(buf, 1, cg_out_len(&out), stdout);

    return CTL_OK;
}


static ctl_exit_e
ctl_copy_record(ctl_t *ctl, const ctl_record_t *record)
{
    size_t     i, n, size;
    uint8_t   *buf;
    cg_out_t   out;
    cg_str_t  *pairs;

    n = record->hash->elements;
    pairs = malloc((n + 1) * sizeof(cg_str_t));
    if (pairs == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    for (i = 0; i < n; i++) {
        pairs[i] = ctl_reply_str(record->hash->element[i]);
    }

    size = cg_export_record_size(pairs, n / 2);
    buf = malloc(size);

    if (buf == NULL) {
        free(pairs);
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    cg_out_init(&out, buf, size);
    cg_export_record(&out, pairs, n / 2);
    fwrite(buf, 1, cg_out_len(&out), stdout);

    free(buf);
    free(pairs);

    return CTL_OK;
}


/* Of the pseudonym, and of the one before if there is one. */

static ctl_exit_e
ctl_copy_events(ctl_t *ctl, ctl_record_t *record)
{
    size_t               i, n, nolder;
    ctl_exit_e           rc;
    ctl_bucket_t         b, older;
    const ctl_event_t  **events, **before;

    before = NULL;
    nolder = 0;
    memset(&older, 0, sizeof(older));

    record->at = &record->subject.current;
    rc = ctl_record_events(ctl, record, &b, &events, &n);

    if (rc == CTL_OK && record->subject.has_previous) {
        record->at = &record->subject.previous;
        rc = ctl_record_events(ctl, record, &older, &before, &nolder);
    }

    if (rc == CTL_OK) {
        fputs(",\"events\":[", stdout);

        for (i = n; i > 0; i--) {
            ctl_copy_entry(events[i - 1], i == n);
        }

        for (i = nolder; i > 0; i--) {
            ctl_copy_entry(before[i - 1], n == 0 && i == nolder);
        }

        printf("],\"complete\":%s}\n",
               ctl_copy_complete(events, n, before, nolder)
               && ctl_copy_complete(before, nolder, events, n)
               ? "true" : "false");
    }

    free(events);
    free(before);
    ctl_bucket_free(&b);
    ctl_bucket_free(&older);

    return rc;
}


/* The body stands as it was signed. */

static void
ctl_copy_entry(const ctl_event_t *event, bool first)
{
    char  at[CTL_AT];

    printf("%s{\"entry\":\"%s\",\"event\":%.*s,\"mac\":\"%.*s\","
           "\"link\":\"%.*s\"}", first ? "" : ",", ctl_at_text(event->at, at),
           (int) event->body.len, event->body.data, (int) event->mac.len,
           event->mac.data, (int) event->link.len, event->link.data);
}


static bool
ctl_copy_complete(const ctl_event_t **events, size_t n,
    const ctl_event_t **older, size_t nolder)
{
    size_t  i;

    static const uint8_t  none[CG_EVENT_ID_LEN];

    for (i = 0; i < n; i++) {
        if (memcmp(events[i]->prev, none, CG_EVENT_ID_LEN) != 0
            && !ctl_copy_has(events, n, events[i]->prev)
            && !ctl_copy_has(older, nolder, events[i]->prev))
        {
            return false;
        }
    }

    return true;
}


static bool
ctl_copy_has(const ctl_event_t **events, size_t n,
    const uint8_t id[CG_EVENT_ID_LEN])
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (memcmp(events[i]->id, id, CG_EVENT_ID_LEN) == 0) {
            return true;
        }
    }

    return false;
}
