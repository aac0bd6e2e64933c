/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "../core/cg_export.h"
#include "ctl_commands.h"
#include "ctl_record.h"


#define CTL_EXPORT_HEAD  1024     /* bytes before the record, realm apart */


/*
 * The same JSON as GET export of the API: docs/export.schema.json. Nothing is
 * printed before all of it is there. What has been erased has left events,
 * which are the subject's to see as well.
 */

typedef struct {
    ctl_bucket_t         bucket;
    size_t               n;
    const ctl_event_t  **events;
} ctl_copied_t;

typedef struct {
    ctl_record_t   record;
    ctl_copied_t   of[2];       /* the pseudonym, and the one before */
} ctl_copy_t;


static ctl_exit_e ctl_copy_load(ctl_t *ctl, ctl_copy_t *c);
static ctl_exit_e ctl_copy_put(ctl_t *ctl, const ctl_copy_t *c);
static ctl_exit_e ctl_copy_head(ctl_t *ctl, const ctl_record_t *record);
static ctl_exit_e ctl_copy_record(ctl_t *ctl, const ctl_record_t *record);
static void ctl_copy_entry(const ctl_event_t *event, bool first);
static bool ctl_copy_complete(const ctl_copy_t *c);
static bool ctl_copy_has(const ctl_copied_t *from,
    const uint8_t id[CG_EVENT_ID_LEN]);


ctl_exit_e
ctl_subject_export(ctl_t *ctl, int argc, char **argv)
{
    size_t       i;
    ctl_copy_t   c;
    ctl_exit_e   rc;

    (void) argc;
    (void) argv;

    memset(&c, 0, sizeof(c));

    rc = ctl_copy_load(ctl, &c);

    if (rc == CTL_OK) {
        rc = ctl_copy_put(ctl, &c);
    }

    for (i = 0; i < 2; i++) {
        free(c.of[i].events);
        ctl_bucket_free(&c.of[i].bucket);
    }

    ctl_record_free(&c.record);

    return rc;
}


static ctl_exit_e
ctl_copy_load(ctl_t *ctl, ctl_copy_t *c)
{
    ctl_exit_e     rc;
    cg_subject_t  *subject;

    if ((rc = ctl_keys_load(ctl)) != CTL_OK
        || (rc = ctl_record_look(ctl, &c->record)) != CTL_OK)
    {
        return rc;
    }

    if (c->record.foreign) {
        return ctl_fail(ctl, CTL_REFUSED, "the record under this key is of "
                        "another subject");
    }

    subject = &c->record.subject;

    rc = ctl_record_events(ctl, &subject->current, &c->of[0].bucket,
                           &c->of[0].events, &c->of[0].n);

    if (rc == CTL_OK && subject->has_previous) {
        rc = ctl_record_events(ctl, &subject->previous, &c->of[1].bucket,
                               &c->of[1].events, &c->of[1].n);
    }

    if (rc == CTL_OK && c->record.hash->elements == 0
        && c->of[0].n + c->of[1].n == 0)
    {
        rc = ctl_fail(ctl, CTL_ABSENT, "this subject has no record, and no "
                      "events");
    }

    return rc == CTL_OK ? ctl_record_kind(ctl, &c->record, &subject->kind)
                        : rc;
}


static ctl_exit_e
ctl_copy_put(ctl_t *ctl, const ctl_copy_t *c)
{
    bool        first;
    size_t      i, j;
    ctl_exit_e  rc;

    if ((rc = ctl_copy_head(ctl, &c->record)) != CTL_OK
        || (rc = ctl_copy_record(ctl, &c->record)) != CTL_OK)
    {
        return rc;
    }

    fputs(",\"events\":[", stdout);
    first = true;

    for (i = 0; i < 2; i++) {
        for (j = c->of[i].n; j > 0; j--) {
            ctl_copy_entry(c->of[i].events[j - 1], first);
            first = false;
        }
    }

    printf("],\"complete\":%s}\n", ctl_copy_complete(c) ? "true" : "false");

    return CTL_OK;
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

    if (n == 0) {
        fputs("null", stdout);
        return CTL_OK;
    }

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


/* Each event names one before that is here, down to a first one. */

static bool
ctl_copy_complete(const ctl_copy_t *c)
{
    size_t               i, j;
    const uint8_t       *prev;
    const ctl_copied_t  *from;

    static const uint8_t  none[CG_EVENT_ID_LEN];

    for (i = 0; i < 2; i++) {
        from = &c->of[i];

        for (j = 0; j < from->n; j++) {
            prev = from->events[j]->prev;

            if (memcmp(prev, none, CG_EVENT_ID_LEN) != 0
                && !ctl_copy_has(&c->of[0], prev)
                && !ctl_copy_has(&c->of[1], prev))
            {
                return false;
            }
        }
    }

    return true;
}


static bool
ctl_copy_has(const ctl_copied_t *from, const uint8_t id[CG_EVENT_ID_LEN])
{
    size_t  i;

    for (i = 0; i < from->n; i++) {
        if (memcmp(from->events[i]->id, id, CG_EVENT_ID_LEN) == 0) {
            return true;
        }
    }

    return false;
}
