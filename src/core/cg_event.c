/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/evp.h>

#include "cg_event.h"


#define CG_EVENT_ID_HEAD  4      /* bytes: the token's length */
#define CG_EVENT_ID_TAIL  8      /* bytes: what is chosen */


static bool cg_event_valid(const cg_event_t *e);
static void cg_event_text(cg_out_t *out, cg_str_t key, cg_str_t value);
static void cg_event_docs(cg_out_t *out, const cg_event_t *e);
static void cg_event_doc(cg_out_t *out, const cg_shown_t *doc);
static void cg_event_purposes(cg_out_t *out, const cg_event_t *e);
static void cg_event_traits(cg_out_t *out, const cg_event_t *e);
static void cg_event_subject(cg_out_t *out, const cg_event_t *e);
static void cg_event_country(cg_out_t *out, cg_str_t key, cg_cc_t country);
static void cg_event_declined(cg_out_t *out, const cg_event_t *e);
static void cg_event_merged(cg_out_t *out, const cg_event_t *e);
static void cg_event_link(cg_out_t *out, cg_str_t key,
    const uint8_t id[CG_EVENT_ID_LEN]);
static bool cg_event_none(const uint8_t id[CG_EVENT_ID_LEN]);


static const cg_str_t  cg_event_names[CG_EVENTS] = {
    { 6, (const uint8_t *) "accept" },
    { 7, (const uint8_t *) "decline" },
    { 8, (const uint8_t *) "withdraw" },
    { 8, (const uint8_t *) "purposes" },
    { 9, (const uint8_t *) "residence" },
    { 3, (const uint8_t *) "age" },
    { 5, (const uint8_t *) "erase" },
    { 5, (const uint8_t *) "merge" },
    { 4, (const uint8_t *) "link" },
};

static const cg_str_t  cg_method_names[CG_METHODS] = {
    { 4, (const uint8_t *) "page" },
    { 3, (const uint8_t *) "api" },
    { 5, (const uint8_t *) "email" },
    { 3, (const uint8_t *) "ctl" },
    { 5, (const uint8_t *) "login" },
};

/* By cg_subject_e; an event without a subject is not valid. */

static const cg_str_t  cg_event_kinds[] = {
    { 0, NULL },
    { 7, (const uint8_t *) "visitor" },
    { 7, (const uint8_t *) "account" },
    { 4, (const uint8_t *) "test" },
};


cg_str_t
cg_event_name(cg_event_e what)
{
    return what < CG_EVENTS ? cg_event_names[what] : (cg_str_t) { 0, NULL };
}


cg_str_t
cg_method_name(cg_method_e method)
{
    return method < CG_METHODS ? cg_method_names[method]
                               : (cg_str_t) { 0, NULL };
}


size_t
cg_event_body(const cg_event_t *e, const cg_keys_t *keys, uint8_t *body)
{
    cg_out_t              out;
    const cg_sign_key_t  *key;

    if (!cg_event_valid(e) || keys->nsign == 0) {
        return 0;
    }

    key = &keys->sign[0];

    cg_out_init(&out, body, CG_MAX_EVENT);

    cg_out_str(&out, cg_str("{\"v\":1,\"id\":\""));
    cg_out_hex(&out, e->id, CG_EVENT_ID_LEN);
    cg_out_str(&out, cg_str("\",\"time\":"));
    cg_out_uint(&out, (uint64_t) e->time);

    cg_event_text(&out, cg_str("what"), cg_event_name(e->what));
    cg_event_text(&out, cg_str("realm"), e->realm);
    cg_event_subject(&out, e);
    cg_event_docs(&out, e);
    cg_event_purposes(&out, e);
    cg_event_traits(&out, e);
    cg_event_text(&out, cg_str("locale"), e->locale);
    cg_event_text(&out, cg_str("method"), cg_method_name(e->method));
    cg_event_country(&out, cg_str("country"), e->country);
    cg_event_text(&out, cg_str("source"), cg_source_name(e->source));
    cg_event_text(&out, cg_str("reason"), cg_reason_name(e->reason));
    cg_event_text(&out, cg_str("gate"), e->gate);
    cg_event_text(&out, cg_str("kid"),
                  (cg_str_t) { key->kid_len, key->kid });
    cg_event_link(&out, cg_str("prev"), e->previous);

    cg_out_str(&out, cg_str("}"));

    return out.overflow ? 0 : cg_out_len(&out);
}


bool
cg_event_sign(cg_keys_t *keys, cg_str_t body, uint8_t mac[64])
{
    uint8_t   raw[CG_HMAC_LEN];
    cg_out_t  out;

    if (keys->nsign == 0
        || !cg_hmac(&keys->sign[0].derived[CG_TOKEN_EVENT], &body, 1, raw))
    {
        return false;
    }

    cg_out_init(&out, mac, 2 * CG_HMAC_LEN);
    cg_out_hex(&out, raw, CG_HMAC_LEN);

    return true;
}


bool
cg_event_id(uint8_t id[CG_EVENT_ID_LEN], cg_str_t token,
    const cg_choice_t *choice)
{
    uint8_t   message[CG_EVENT_ID_HEAD + CG_MAX_TOKEN + CG_EVENT_ID_TAIL];
    uint8_t   head[CG_EVENT_ID_HEAD], tail[CG_EVENT_ID_TAIL];
    uint8_t   digest[EVP_MAX_MD_SIZE];
    cg_out_t  out;

    /* big-endian, as in tokens */

    head[0] = 0;
    head[1] = 0;
    head[2] = (uint8_t) (token.len >> 8);
    head[3] = (uint8_t) token.len;

    tail[0] = (uint8_t) choice->what;
    tail[1] = (uint8_t) (choice->chosen >> 8);
    tail[2] = (uint8_t) choice->chosen;
    tail[3] = (uint8_t) (choice->granted >> 8);
    tail[4] = (uint8_t) choice->granted;
    tail[5] = (uint8_t) (choice->residence >> 8);
    tail[6] = (uint8_t) choice->residence;
    tail[7] = choice->age_state;

    cg_out_init(&out, message, sizeof(message));
    cg_out_bytes(&out, head, sizeof(head));
    cg_out_str(&out, token);
    cg_out_bytes(&out, tail, sizeof(tail));

    if (out.overflow
        || EVP_Digest(message, cg_out_len(&out), digest, NULL, EVP_sha256(),
                      NULL)
           != 1)
    {
        return false;
    }

    memcpy(id, digest, CG_EVENT_ID_LEN);

    return true;
}


static bool
cg_event_valid(const cg_event_t *e)
{
    size_t  i;

    if (e->time < 0
        || e->what >= CG_EVENTS
        || e->method >= CG_METHODS
        || e->kind < CG_SUBJECT_VISITOR
        || e->kind > CG_SUBJECT_TEST
        || e->country >= CG_CC_COUNT
        || e->source >= CG_SOURCES
        || e->reason >= CG_REASONS
        || e->residence >= CG_CC_ANONYMIZER
        || e->age_state > CG_AGE_MINOR
        || (e->age_state != CG_AGE_NONE
            && (e->age == 0 || e->age > CG_MAX_AGE))
        || e->ndocs > CG_MAX_DOCUMENTS
        || e->npurposes > CG_MAX_PURPOSES)
    {
        return false;
    }

    for (i = 0; i < e->ndocs; i++) {
        if (e->docs[i].name_len > CG_MAX_NAME) {
            return false;
        }
    }

    return true;
}


/* Appends a member of the object that is not its first. */

static void
cg_event_text(cg_out_t *out, cg_str_t key, cg_str_t value)
{
    cg_out_str(out, cg_str(",\""));
    cg_out_str(out, key);
    cg_out_str(out, cg_str("\":"));
    cg_out_json(out, value);
}


static void
cg_event_subject(cg_out_t *out, const cg_event_t *e)
{
    uint8_t  text[CG_PSEUDONYM_LEN];

    cg_subject_text(&e->subject, text);

    cg_event_text(out, cg_str("kind"), cg_event_kinds[e->kind]);
    cg_event_text(out, cg_str("subject"),
                  (cg_str_t) { sizeof(text), text });
}


static void
cg_event_docs(cg_out_t *out, const cg_event_t *e)
{
    bool    first;
    size_t  i;

    cg_out_str(out, cg_str(",\"docs\":["));
    first = true;

    for (i = 0; i < e->ndocs; i++) {

        if ((e->chosen >> i & 1) == 0) {
            continue;
        }

        if (!first) {
            cg_out_str(out, cg_str(","));
        }

        first = false;
        cg_event_doc(out, &e->docs[i]);
    }

    cg_out_str(out, cg_str("]"));
}


static void
cg_event_doc(cg_out_t *out, const cg_shown_t *doc)
{
    cg_out_str(out, cg_str("{\"name\":"));
    cg_out_json(out, (cg_str_t) { doc->name_len, doc->name });
    cg_out_str(out, cg_str(",\"version\":"));
    cg_out_uint(out, doc->version);

    if (doc->has_sha256) {
        cg_out_str(out, cg_str(",\"sha256\":\""));
        cg_out_hex(out, doc->sha256, sizeof(doc->sha256));
        cg_out_str(out, cg_str("\""));
    }

    cg_out_str(out, cg_str("}"));
}


static void
cg_event_purposes(cg_out_t *out, const cg_event_t *e)
{
    bool    first;
    size_t  i;

    cg_out_str(out, cg_str(",\"purposes\":{"));
    first = true;

    for (i = 0; i < e->npurposes; i++) {

        if ((e->answered >> i & 1) == 0) {
            continue;
        }

        if (!first) {
            cg_out_str(out, cg_str(","));
        }

        first = false;
        cg_out_json(out, e->purposes[i]);
        cg_out_str(out, cg_str(":"));
        cg_out_uint(out, e->granted >> i & 1);
    }

    cg_out_str(out, cg_str("}"));
}


/*
 * Members that came later: only there when there is something to say, so that
 * what was said before reads as it did.
 */

static void
cg_event_traits(cg_out_t *out, const cg_event_t *e)
{
    size_t   n;
    uint8_t  text[CG_MAX_AGE_TEXT];

    if (e->what == CG_EVENT_RESIDENCE) {
        cg_event_country(out, cg_str("residence"), e->residence);
    }

    n = cg_age_text(e->age_state, e->age, text);

    if (n != 0) {
        cg_event_text(out, cg_str("age"), (cg_str_t) { n, text });
    }

    if (e->gpc) {
        cg_out_str(out, cg_str(",\"gpc\":1"));
    }

    cg_event_declined(out, e);
    cg_event_merged(out, e);
}


static void
cg_event_country(cg_out_t *out, cg_str_t key, cg_cc_t country)
{
    size_t   n;
    uint8_t  code[2];

    n = cg_country_code(country, code);
    cg_event_text(out, key, (cg_str_t) { n, code });
}


static void
cg_event_declined(cg_out_t *out, const cg_event_t *e)
{
    bool    first;
    size_t  i;

    first = true;

    for (i = 0; i < e->ndocs; i++) {

        if ((e->chosen & e->declined) >> i & 1) {
            cg_out_str(out, first ? cg_str(",\"declined\":[") : cg_str(","));
            cg_out_json(out, (cg_str_t) { e->docs[i].name_len,
                                          e->docs[i].name });
            first = false;
        }
    }

    if (!first) {
        cg_out_str(out, cg_str("]"));
    }
}


static void
cg_event_merged(cg_out_t *out, const cg_event_t *e)
{
    if (!cg_event_none(e->merged)) {
        cg_event_link(out, cg_str("merged"), e->merged);
    }
}


/* The id of another event, or nothing. */

static void
cg_event_link(cg_out_t *out, cg_str_t key, const uint8_t id[CG_EVENT_ID_LEN])
{
    cg_out_str(out, cg_str(",\""));
    cg_out_str(out, key);
    cg_out_str(out, cg_str("\":\""));

    if (!cg_event_none(id)) {
        cg_out_hex(out, id, CG_EVENT_ID_LEN);
    }

    cg_out_str(out, cg_str("\""));
}


static bool
cg_event_none(const uint8_t id[CG_EVENT_ID_LEN])
{
    static const uint8_t  none[CG_EVENT_ID_LEN];

    return memcmp(id, none, CG_EVENT_ID_LEN) == 0;
}
