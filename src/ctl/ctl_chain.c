/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"
#include "ctl_subject.h"


/* The events of a bucket by their own id, and by that of the one before. */

typedef struct {
    const ctl_bucket_t  *bucket;
    cg_str_t             anchor;
    bool                 trimmed;
    ctl_orphans_t       *orphans;
    bool                 failed;          /* out of memory */
    size_t               n;
    size_t              *by_id;
    size_t              *by_prev;
} ctl_chain_t;


static bool ctl_finding_named(const ctl_finding_t *finding);
static ctl_exit_e ctl_chain_index(ctl_t *ctl, ctl_chain_t *c);
static void ctl_chain_walk(ctl_chain_t *c, ctl_finding_t *finding);
static bool ctl_chain_event(const ctl_chain_t *c, size_t i,
    ctl_finding_t *finding);
static bool ctl_chain_follows(const ctl_chain_t *c, size_t i,
    cg_str_t previous);
static void ctl_chain_broken(const ctl_chain_t *c, size_t i,
    ctl_finding_t *finding);
static bool ctl_chain_wrong_link(const ctl_chain_t *c, size_t i);
static bool ctl_chain_subject(ctl_chain_t *c, size_t i,
    ctl_finding_t *finding);
static void ctl_chain_orphan(ctl_chain_t *c, size_t i);
static size_t ctl_chain_earliest(const ctl_chain_t *c, const uint8_t *id);
static bool ctl_chain_sibling(const ctl_chain_t *c, size_t i);
static cg_str_t ctl_chain_before(const ctl_chain_t *c, size_t i);


static const uint8_t  ctl_no_id[CG_EVENT_ID_LEN];


ctl_exit_e
ctl_chain_check(ctl_t *ctl, const ctl_bucket_t *b, cg_str_t anchor,
    bool trimmed, ctl_orphans_t *orphans, ctl_finding_t *finding)
{
    ctl_chain_t  c;
    ctl_exit_e   rc;

    memset(finding, 0, sizeof(ctl_finding_t));
    finding->bucket = b->bucket;

    if (b->n == 0) {
        return CTL_OK;
    }

    memset(&c, 0, sizeof(ctl_chain_t));
    c.bucket = b;
    c.anchor = anchor;
    c.trimmed = trimmed;
    c.orphans = trimmed ? NULL : orphans;

    rc = ctl_chain_index(ctl, &c);

    if (rc == CTL_OK) {
        ctl_chain_walk(&c, finding);
    }

    if (c.failed) {
        rc = ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    free(c.by_id);
    free(c.by_prev);

    return rc;
}


const ctl_event_t *
ctl_chain_find(const ctl_bucket_t *b, const uint8_t id[CG_EVENT_ID_LEN])
{
    size_t  i;

    for (i = 0; i < b->n; i++) {
        if (memcmp(b->events[i].id, id, CG_EVENT_ID_LEN) == 0) {
            return &b->events[i];
        }
    }

    return NULL;
}


void
ctl_finding_set(ctl_finding_t *finding, ctl_fault_e fault,
    const ctl_event_t *event, const char *fmt, ...)
{
    va_list  args;

    finding->fault = fault;

    if (event != NULL) {
        finding->has_event = true;
        finding->at = event->at;
        memcpy(finding->id, event->id, CG_EVENT_ID_LEN);
        memcpy(finding->subject, event->subject, CG_SUBJECT_ID_LEN);
    }

    va_start(args, fmt);
    vsnprintf(finding->detail, sizeof(finding->detail), fmt, args);
    va_end(args);
}


json_t *
ctl_finding_json(const ctl_finding_t *finding)
{
    char             at[CTL_AT], bucket[8];
    json_t          *value;
    uint8_t          hex[2 * CG_EVENT_ID_LEN];
    cg_out_t         out;
    cg_pseudonym_t   p;

    snprintf(bucket, sizeof(bucket), "%03x", finding->bucket);

    value = json_pack("{s:s, s:s, s:s}", "bucket", bucket, "fault",
                      ctl_fault_name(finding->fault), "detail",
                      finding->detail);

    if (!finding->has_event) {
        return value;
    }

    json_object_set_new(value, "entry",
                        json_string(ctl_at_text(finding->at, at)));

    if (ctl_finding_named(finding)) {
        cg_out_init(&out, hex, sizeof(hex));
        cg_out_hex(&out, finding->id, CG_EVENT_ID_LEN);
        memset(&p, 0, sizeof(p));
        memcpy(p.id, finding->subject, CG_SUBJECT_ID_LEN);

        json_object_set_new(value, "event",
                            json_stringn((char *) hex, sizeof(hex)));
        json_object_set_new(value, "subject", ctl_pseudonym_json(&p));
    }

    return value;
}


void
ctl_finding_say(ctl_t *ctl, const ctl_finding_t *finding)
{
    char            at[CTL_AT];
    uint8_t         subject[CG_PSEUDONYM_LEN];
    cg_pseudonym_t  p;

    memset(&p, 0, sizeof(p));
    memcpy(p.id, finding->subject, CG_SUBJECT_ID_LEN);
    cg_subject_text(&p, subject);

    ctl_say(ctl, "bucket %03x: %s%s%s%s%.*s: %s", finding->bucket,
            ctl_fault_name(finding->fault),
            finding->has_event ? ", entry " : "",
            finding->has_event ? ctl_at_text(finding->at, at) : "",
            ctl_finding_named(finding) ? " of " : "",
            ctl_finding_named(finding) ? (int) sizeof(subject) : 0, subject,
            finding->detail);
}


/* What could not be read does not tell whose it is. */

static bool
ctl_finding_named(const ctl_finding_t *finding)
{
    return finding->has_event
           && memcmp(finding->id, ctl_no_id, CG_EVENT_ID_LEN) != 0;
}


static ctl_exit_e
ctl_chain_index(ctl_t *ctl, ctl_chain_t *c)
{
    size_t               i;
    const ctl_bucket_t  *b;

    b = c->bucket;
    c->by_id = malloc(b->n * sizeof(size_t));
    c->by_prev = malloc(b->n * sizeof(size_t));

    if (c->by_id == NULL || c->by_prev == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    for (i = 0; i < b->n; i++) {
        if (b->events[i].fault == CTL_FAULT_NONE) {
            c->by_id[c->n] = i;
            c->by_prev[c->n] = i;
            c->n++;
        }
    }

    ctl_order(c->by_id, c->n, b->events, offsetof(ctl_event_t, id));
    ctl_order(c->by_prev, c->n, b->events, offsetof(ctl_event_t, prev));

    return CTL_OK;
}


static void
ctl_chain_walk(ctl_chain_t *c, ctl_finding_t *finding)
{
    size_t  i;

    for (i = 0; i < c->bucket->n; i++) {

        if (ctl_chain_event(c, i, finding)) {
            return;
        }

        if (!ctl_chain_follows(c, i, ctl_chain_before(c, i))) {
            ctl_chain_broken(c, i, finding);
            return;
        }

        if (ctl_chain_subject(c, i, finding)) {
            return;
        }
    }
}


/* What is wrong with an event whatever its neighbours are. */

static bool
ctl_chain_event(const ctl_chain_t *c, size_t i, ctl_finding_t *finding)
{
    const ctl_event_t  *event;

    event = &c->bucket->events[i];

    switch (event->fault) {

    case CTL_FAULT_NONE:
        break;

    case CTL_FAULT_KEY:
        ctl_finding_set(finding, event->fault, event,
                        "its key is not in the key file");
        return true;

    case CTL_FAULT_ALTERED:
        ctl_finding_set(finding, event->fault, event,
                        "the MAC is not that of the body");
        return true;

    case CTL_FAULT_MOVED:
        ctl_finding_set(finding, event->fault, event,
                        "its subject belongs to bucket %03x",
                        ctl_bucket_of(event->subject));
        return true;

    default:
        ctl_finding_set(finding, event->fault, event,
                        "it cannot be read as an event");
        return true;
    }

    if (ctl_chain_earliest(c, event->id) < i) {
        ctl_finding_set(finding, CTL_FAULT_REPEATED, event,
                        "the same event is there before");
        return true;
    }

    return false;
}


static bool
ctl_chain_follows(const ctl_chain_t *c, size_t i, cg_str_t previous)
{
    uint8_t             link[CTL_LINK];
    const ctl_event_t  *event;

    event = &c->bucket->events[i];

    return ctl_event_link(previous, event->body, event->mac, link)
           && memcmp(link, event->link.data, CTL_LINK) == 0;
}


/* The link of entry `i` is not made of the one before: of which, then? */

static void
ctl_chain_broken(const ctl_chain_t *c, size_t i, ctl_finding_t *finding)
{
    char                at[CTL_AT];
    size_t              j;
    const ctl_event_t  *event, *other;

    event = &c->bucket->events[i];

    for (j = 0; j < c->bucket->n; j++) {
        other = &c->bucket->events[j];

        if (j == i || other->link.len != CTL_LINK
            || !ctl_chain_follows(c, i, other->link))
        {
            continue;
        }

        if (j > i) {
            ctl_finding_set(finding, CTL_FAULT_REORDERED, event,
                            "it follows %s, which comes later",
                            ctl_at_text(other->at, at));
        } else {
            ctl_finding_set(finding, CTL_FAULT_FORKED, event,
                            "it follows %s, and so does another",
                            ctl_at_text(other->at, at));
        }

        return;
    }

    if (ctl_chain_wrong_link(c, i)) {
        ctl_finding_set(finding, CTL_FAULT_ALTERED, event,
                        "its link is not that of its body");

    } else if (i == 0) {
        ctl_finding_set(finding, CTL_FAULT_TRUNCATED, event,
                        c->trimmed
                        ? "events between the last trim and this one are gone"
                        : "events before it are gone, and no trim is on file");

    } else if (ctl_chain_follows(c, i, c->anchor)) {
        ctl_finding_set(finding, CTL_FAULT_FORKED, event,
                        "the stream begins here once more");

    } else {
        ctl_finding_set(finding, CTL_FAULT_MISSING, event,
                        "what it follows is gone");
    }
}


/* With the link that it should have, the next one would follow. */

static bool
ctl_chain_wrong_link(const ctl_chain_t *c, size_t i)
{
    uint8_t             link[CTL_LINK];
    const ctl_event_t  *event;

    event = &c->bucket->events[i];

    return i + 1 < c->bucket->n
           && ctl_event_link(ctl_chain_before(c, i), event->body, event->mac,
                             link)
           && ctl_chain_follows(c, i + 1, (cg_str_t) { CTL_LINK, link });
}


/* The subject's own chain, which the MAC covers. */

static bool
ctl_chain_subject(ctl_chain_t *c, size_t i, ctl_finding_t *finding)
{
    size_t              j;
    const ctl_event_t  *event;

    event = &c->bucket->events[i];

    if (memcmp(event->prev, ctl_no_id, CG_EVENT_ID_LEN) == 0) {
        return false;
    }

    j = ctl_chain_earliest(c, event->prev);

    if (j != (size_t) -1 && j > i) {
        ctl_finding_set(finding, CTL_FAULT_REORDERED, event,
                        "the subject's event before it comes later");
        return true;
    }

    if (ctl_chain_sibling(c, i)) {
        ctl_finding_set(finding, CTL_FAULT_FORKED, event,
                        "two events of the subject name the same one before");
        return true;
    }

    if (j == (size_t) -1 && c->orphans != NULL) {
        ctl_chain_orphan(c, i);
    }

    return false;
}


static void
ctl_chain_orphan(ctl_chain_t *c, size_t i)
{
    size_t              size;
    ctl_orphan_t       *list, *orphan;
    ctl_orphans_t      *orphans;
    const ctl_event_t  *event;

    orphans = c->orphans;
    event = &c->bucket->events[i];

    if (orphans->n == orphans->size) {
        size = orphans->size != 0 ? orphans->size * 2 : 64;
        list = realloc(orphans->list, size * sizeof(ctl_orphan_t));

        if (list == NULL) {
            c->failed = true;
            return;
        }

        orphans->list = list;
        orphans->size = size;
    }

    orphan = &orphans->list[orphans->n++];
    memset(orphan, 0, sizeof(ctl_orphan_t));

    memcpy(orphan->prev, event->prev, CG_EVENT_ID_LEN);
    orphan->finding.bucket = c->bucket->bucket;
    ctl_finding_set(&orphan->finding, CTL_FAULT_MISSING, event,
                    "the subject's event before it is nowhere");
}


/* The first entry with this id; (size_t) -1: none. */

static size_t
ctl_chain_earliest(const ctl_chain_t *c, const uint8_t *id)
{
    return ctl_order_find(c->by_id, c->n, c->bucket->events,
                          offsetof(ctl_event_t, id), id);
}


/* Whether an earlier event names the same one before. */

static bool
ctl_chain_sibling(const ctl_chain_t *c, size_t i)
{
    return ctl_order_find(c->by_prev, c->n, c->bucket->events,
                          offsetof(ctl_event_t, prev),
                          c->bucket->events[i].prev)
           < i;
}


static cg_str_t
ctl_chain_before(const ctl_chain_t *c, size_t i)
{
    return i > 0 ? c->bucket->events[i - 1].link : c->anchor;
}
