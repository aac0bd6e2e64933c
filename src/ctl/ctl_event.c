/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/evp.h>

#include "ctl_proof.h"


#define CTL_SHA1_LEN  20     /* bytes */


static bool ctl_event_fields(ctl_event_t *event, const redisReply *fields);
static ctl_fault_e ctl_event_parse(ctl_t *ctl, ctl_event_t *event);
static bool ctl_event_members(ctl_event_t *event, json_t *body);
static bool ctl_event_member(json_t *body, const char *name, uint8_t id[16]);
static cg_str_t ctl_event_str(json_t *body, const char *name);


static const char *const  ctl_fault_names[CTL_FAULTS] = {
    "none", "malformed", "unknown_key", "altered", "moved", "repeated",
    "reordered", "missing", "truncated", "forked"
};


const char *
ctl_fault_name(ctl_fault_e fault)
{
    return ctl_fault_names[fault];
}


bool
ctl_at_parse(cg_str_t text, ctl_at_t *at)
{
    cg_str_t        ms, seq;
    const uint8_t  *dash;

    dash = text.len > 0 ? memchr(text.data, '-', text.len) : NULL;
    if (dash == NULL) {
        return false;
    }

    ms = (cg_str_t) { (size_t) (dash - text.data), text.data };
    seq = (cg_str_t) { text.len - ms.len - 1, dash + 1 };

    return cg_parse_uint(ms, UINT64_MAX, &at->ms)
           && cg_parse_uint(seq, UINT64_MAX, &at->seq);
}


char *
ctl_at_text(ctl_at_t at, char *text)
{
    snprintf(text, CTL_AT, "%llu-%llu", (unsigned long long) at.ms,
             (unsigned long long) at.seq);

    return text;
}


void
ctl_event_read(ctl_t *ctl, ctl_event_t *event, unsigned bucket,
    const redisReply *entry)
{
    memset(event, 0, sizeof(ctl_event_t));

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
        || !ctl_at_parse(ctl_reply_str(entry->element[0]), &event->at)
        || !ctl_event_fields(event, entry->element[1]))
    {
        event->fault = CTL_FAULT_MALFORMED;
        return;
    }

    event->fault = ctl_event_parse(ctl, event);

    if (event->fault == CTL_FAULT_NONE
        && ctl_bucket_of(event->subject) != bucket)
    {
        event->fault = CTL_FAULT_MOVED;
    }
}


bool
ctl_event_link(cg_str_t previous, cg_str_t body, cg_str_t mac,
    uint8_t link[CTL_LINK])
{
    bool         ok;
    uint8_t      digest[CTL_SHA1_LEN];
    cg_out_t     out;
    EVP_MD_CTX  *md;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return false;
    }

    ok = EVP_DigestInit_ex(md, EVP_sha1(), NULL) == 1
         && EVP_DigestUpdate(md, previous.data, previous.len) == 1
         && EVP_DigestUpdate(md, body.data, body.len) == 1
         && EVP_DigestUpdate(md, mac.data, mac.len) == 1
         && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);

    cg_out_init(&out, link, CTL_LINK);
    cg_out_hex(&out, digest, sizeof(digest));

    return ok;
}


ctl_fault_e
ctl_mac_check(ctl_t *ctl, cg_str_t kid, cg_str_t text, cg_str_t mac)
{
    size_t          i;
    uint8_t         given[CG_HMAC_LEN], real[CG_HMAC_LEN];
    cg_sign_key_t  *key;

    for (i = 0; i < ctl->keys.nsign; i++) {
        key = &ctl->keys.sign[i];

        if (!cg_str_eq(kid, (cg_str_t) { key->kid_len, key->kid })) {
            continue;
        }

        return cg_parse_hex(mac, given, sizeof(given))
               && cg_hmac(&key->derived[CG_TOKEN_EVENT], &text, 1, real)
               && cg_equal_ct(given, real, sizeof(real))
               ? CTL_FAULT_NONE : CTL_FAULT_ALTERED;
    }

    return CTL_FAULT_KEY;
}


/* The first twelve bits, as in the tag of a key. */

unsigned
ctl_bucket_of(const uint8_t subject[CG_SUBJECT_ID_LEN])
{
    return (unsigned) subject[0] << 4 | subject[1] >> 4;
}


static bool
ctl_event_fields(ctl_event_t *event, const redisReply *fields)
{
    size_t    i;
    cg_str_t  name, value;

    if (fields->type != REDIS_REPLY_ARRAY) {
        return false;
    }

    for (i = 0; i + 1 < fields->elements; i += 2) {
        name = ctl_reply_str(fields->element[i]);
        value = ctl_reply_str(fields->element[i + 1]);

        if (cg_str_eq(name, cg_str("b"))) {
            event->body = value;

        } else if (cg_str_eq(name, cg_str("m"))) {
            event->mac = value;

        } else if (cg_str_eq(name, cg_str("l"))) {
            event->link = value;
        }
    }

    return event->body.len > 0 && event->mac.len == CTL_MAC
           && event->link.len == CTL_LINK;
}


/*
 * What the body says of itself. A body whose MAC is wrong is altered, even if
 * it cannot be read any more; one that is signed and cannot be read is not by
 * a gate that we know, or is no event: checkpoints are signed with these keys,
 * too.
 */

static ctl_fault_e
ctl_event_parse(ctl_t *ctl, ctl_event_t *event)
{
    bool          read;
    json_t       *body;
    cg_str_t      kid;
    ctl_fault_e   fault;
    json_error_t  error;

    body = json_loadb((const char *) event->body.data, event->body.len,
                      JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (body == NULL) {
        return CTL_FAULT_ALTERED;
    }

    kid = ctl_event_str(body, "kid");
    read = kid.len > 0 && ctl_event_members(event, body);
    fault = ctl_mac_check(ctl, kid, event->body, event->mac);

    json_decref(body);

    return !read && (fault == CTL_FAULT_NONE || kid.len == 0)
           ? CTL_FAULT_MALFORMED : fault;
}


static bool
ctl_event_members(ctl_event_t *event, json_t *body)
{
    json_t    *ms;
    uint8_t    subject[CG_SUBJECT_ID_LEN + 2];
    cg_str_t   text;

    ms = json_object_get(body, "time");
    text = ctl_event_str(body, "subject");

    if (ctl_event_str(body, "id").len == 0
        || !ctl_event_member(body, "id", event->id)
        || !ctl_event_member(body, "prev", event->prev)
        || !json_is_integer(ms)
        || text.len != CG_PSEUDONYM_LEN
        || cg_base64url_decode(text, subject) != CG_SUBJECT_ID_LEN)
    {
        return false;
    }

    memcpy(event->subject, subject, CG_SUBJECT_ID_LEN);
    event->time = json_integer_value(ms);

    return true;
}


/* 32 hexadecimal digits, or "" for none. */

static bool
ctl_event_member(json_t *body, const char *name, uint8_t id[16])
{
    cg_str_t  value;

    value = ctl_event_str(body, name);

    return value.len == 0 ? json_is_string(json_object_get(body, name))
                          : value.len == 32 && cg_parse_hex(value, id, 16);
}


static cg_str_t
ctl_event_str(json_t *body, const char *name)
{
    json_t  *value;

    value = json_object_get(body, name);

    return (cg_str_t) { json_string_length(value),
                        (const uint8_t *) json_string_value(value) };
}
