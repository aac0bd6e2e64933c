/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_record.h"


static ctl_exit_e ctl_record_read(ctl_t *ctl, ctl_record_t *record,
    cg_pseudonym_t *at);
static ctl_exit_e ctl_record_ttl(ctl_t *ctl, ctl_record_t *record);
static ctl_exit_e ctl_record_facts(ctl_t *ctl, ctl_record_t *record,
    bool checked);


ctl_exit_e
ctl_record_find(ctl_t *ctl, ctl_record_t *record)
{
    ctl_exit_e  rc;

    rc = ctl_record_look(ctl, record);

    if (rc != CTL_OK || record->hash->elements > 0) {
        return rc;
    }

    return ctl_option(ctl, "pseudonym") != NULL
           ? ctl_fail(ctl, CTL_ABSENT, "this subject has no record")
           : ctl_fail(ctl, CTL_ABSENT, "this subject has no record in realm "
                      "\"%s\"", ctl_setting(ctl, CTL_REALM));
}


ctl_exit_e
ctl_record_look(ctl_t *ctl, ctl_record_t *record)
{
    ctl_who_t    who;
    ctl_exit_e   rc;

    memset(record, 0, sizeof(ctl_record_t));

    rc = ctl_who(ctl, &who);
    if (rc != CTL_OK) {
        return rc;
    }

    record->subject = who.subject;

    rc = ctl_record_read(ctl, record, &record->subject.current);

    if (rc == CTL_OK && record->hash->elements == 0
        && record->subject.has_previous)
    {
        ctl_record_free(record);
        record->moves = true;
        rc = ctl_record_read(ctl, record, &record->subject.previous);
    }

    if (rc != CTL_OK || record->hash->elements == 0) {
        return rc;
    }

    rc = ctl_record_ttl(ctl, record);

    return rc == CTL_OK ? ctl_record_facts(ctl, record, who.checked) : rc;
}


void
ctl_record_free(ctl_record_t *record)
{
    if (record->hash != NULL) {
        freeReplyObject(record->hash);
        record->hash = NULL;
    }
}


cg_str_t
ctl_record_field(const ctl_record_t *record, const char *name)
{
    size_t  i;

    for (i = 0; i < record->hash->elements; i += 2) {
        if (strcmp(record->hash->element[i]->str, name) == 0) {
            return ctl_reply_str(record->hash->element[i + 1]);
        }
    }

    return (cg_str_t) { 0, NULL };
}


bool
ctl_record_erased(const ctl_record_t *record)
{
    size_t       i;
    const char  *name;

    for (i = 0; i < record->hash->elements; i += 2) {
        name = record->hash->element[i]->str;

        if (strcmp(name, "k") != 0 && strcmp(name, "rev") != 0
            && strcmp(name, "ev") != 0)
        {
            return false;
        }
    }

    return record->hash->elements > 0;
}


ctl_exit_e
ctl_record_events(ctl_t *ctl, const cg_pseudonym_t *p, ctl_bucket_t *b,
    const ctl_event_t ***events, size_t *n)
{
    size_t       i;
    ctl_exit_e   rc;

    *events = NULL;
    *n = 0;

    rc = ctl_bucket_load(ctl, b, ctl_bucket_of(p->id), ctl_at_start,
                         ctl_at_end);
    if (rc != CTL_OK) {
        return rc;
    }

    *events = malloc((b->n + 1) * sizeof(ctl_event_t *));
    if (*events == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    for (i = 0; i < b->n; i++) {
        if (b->events[i].fault == CTL_FAULT_NONE
            && memcmp(b->events[i].subject, p->id, CG_SUBJECT_ID_LEN) == 0)
        {
            (*events)[(*n)++] = &b->events[i];
        }
    }

    return CTL_OK;
}


ctl_exit_e
ctl_record_kind(ctl_t *ctl, const ctl_record_t *record, uint8_t *kind)
{
    size_t               i, n;
    json_t              *body;
    const char          *name;
    ctl_exit_e           rc;
    ctl_bucket_t         b;
    const ctl_event_t  **events;

    static const char *const  kinds[] = { "", "visitor", "account", "test" };

    *kind = record->subject.kind;

    if (*kind != CG_SUBJECT_NONE) {
        return CTL_OK;
    }

    rc = ctl_record_events(ctl, record->at, &b, &events, &n);

    if (rc == CTL_OK && n > 0) {
        body = json_loadb((const char *) events[n - 1]->body.data,
                          events[n - 1]->body.len, 0, NULL);
        name = json_string_value(json_object_get(body, "kind"));

        for (i = CG_SUBJECT_VISITOR; name && i <= CG_SUBJECT_TEST; i++) {
            if (strcmp(name, kinds[i]) == 0) {
                *kind = (uint8_t) i;
            }
        }

        json_decref(body);
    }

    free(events);
    ctl_bucket_free(&b);

    return rc == CTL_OK && *kind == CG_SUBJECT_NONE
           ? ctl_fail(ctl, CTL_ABSENT, "no event tells what this pseudonym is "
                      "of: give --subject or --visitor")
           : rc;
}


static ctl_exit_e
ctl_record_read(ctl_t *ctl, ctl_record_t *record, cg_pseudonym_t *at)
{
    size_t   len;
    uint8_t  key[CG_MAX_KEY];

    record->at = at;
    len = ctl_key_record(ctl, at, key);
    record->hash = ctl_expect_hash(ctl, ctl_ask(ctl, (cg_str_t) { len, key },
                                                "HGETALL %b", key, len));

    return record->hash != NULL ? CTL_OK : ctl->failed;
}


static ctl_exit_e
ctl_record_ttl(ctl_t *ctl, ctl_record_t *record)
{
    size_t       len;
    uint8_t      key[CG_MAX_KEY];
    redisReply  *reply;

    len = ctl_key_record(ctl, record->at, key);
    reply = ctl_expect(ctl, ctl_ask(ctl, (cg_str_t) { len, key }, "TTL %b",
                                    key, len),
                       REDIS_REPLY_INTEGER, "TTL");
    if (reply == NULL) {
        return ctl->failed;
    }

    record->ttl = reply->integer;
    freeReplyObject(reply);

    return CTL_OK;
}


/* With a bare pseudonym "k" is believed: nothing can be held against it. */

static ctl_exit_e
ctl_record_facts(ctl_t *ctl, ctl_record_t *record, bool checked)
{
    uint8_t   check[CG_SUBJECT_CHECK_LEN];
    uint64_t  rev;
    cg_str_t  value;

    value = ctl_record_field(record, "k");

    if (cg_parse_hex(value, check, sizeof(check))) {
        record->foreign = checked && memcmp(check, record->at->check,
                                            sizeof(check)) != 0;
        if (!checked) {
            memcpy(record->at->check, check, sizeof(check));
        }
    }

    if (cg_parse_uint(ctl_record_field(record, "rev"), UINT32_MAX, &rev)) {
        record->rev = (uint32_t) rev;
    }

    value = ctl_record_field(record, "ev");

    if (value.len > 0
        && !cg_parse_hex(value, record->event, sizeof(record->event)))
    {
        ctl_note(ctl, "the record's \"ev\" cannot be read");
    }

    return CTL_OK;
}
