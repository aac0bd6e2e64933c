/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/rand.h>
#include <stdlib.h>

#include "../store/ngx_consent_script.h"
#include "ctl_record.h"


#define CTL_CHANGE_WORDS  16     /* EVAL, the script, its arguments */


/* The arguments of the script, as ngx_consent_script.h has them. */

typedef struct {
    uint8_t      record[CG_MAX_KEY];
    uint8_t      bucket[CG_MAX_KEY];
    char         rev[16];
    uint8_t      event[2 * CG_EVENT_ID_LEN];
    char         ttl[24];
    uint8_t      check[2 * CG_SUBJECT_CHECK_LEN];
    uint8_t      body[CG_MAX_EVENT];
    size_t       body_len;
    uint8_t      mac[CTL_MAC];
    char         nbase[16];
    size_t       n;
    const char **argv;
    size_t      *lens;
} ctl_words_t;


static ctl_exit_e ctl_change_event(ctl_t *ctl, const ctl_record_t *record,
    const ctl_change_t *change, ctl_words_t *w);
static ctl_exit_e ctl_change_words(ctl_t *ctl, const ctl_record_t *record,
    const ctl_change_t *change, ctl_words_t *w);
static void ctl_change_word(ctl_words_t *w, const void *data, size_t len);
static ctl_exit_e ctl_change_run(ctl_t *ctl, ctl_record_t *record,
    ctl_words_t *w, ctl_written_t *written);
static ctl_exit_e ctl_change_moved(ctl_t *ctl, const ctl_record_t *record);


ctl_exit_e
ctl_record_write(ctl_t *ctl, ctl_record_t *record, const ctl_change_t *change,
    ctl_written_t *written)
{
    ctl_exit_e    rc;
    ctl_words_t  *w;

    if (record->foreign) {
        return ctl_fail(ctl, CTL_REFUSED, "the record under this key is of "
                        "another subject");
    }

    rc = ctl_keys_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    w = calloc(1, sizeof(ctl_words_t));
    if (w == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    if ((rc = ctl_change_event(ctl, record, change, w)) == CTL_OK
        && (rc = ctl_change_words(ctl, record, change, w)) == CTL_OK)
    {
        rc = ctl_change_run(ctl, record, w, written);
    }

    free(w->argv);
    free(w->lens);
    free(w);

    return rc;
}


/*
 * Nobody was asked and no address was seen: the country is empty, its source
 * "unknown" and the reason "own".
 */

static ctl_exit_e
ctl_change_event(ctl_t *ctl, const ctl_record_t *record,
    const ctl_change_t *change, ctl_words_t *w)
{
    size_t            len;
    cg_out_t          out;
    cg_event_t        e;
    const char       *realm;
    ctl_exit_e        rc;
    struct timespec   now;

    realm = ctl_setting(ctl, CTL_REALM);
    clock_gettime(CLOCK_REALTIME, &now);
    memset(&e, 0, sizeof(e));

    rc = ctl_record_kind(ctl, record, &e.kind);
    if (rc != CTL_OK) {
        return rc;
    }

    if (RAND_bytes(e.id, sizeof(e.id)) != 1) {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto has no random bytes");
    }

    e.time = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
    e.what = (uint8_t) change->event;
    e.method = CG_METHOD_CTL;
    e.subject = record->subject.current;
    e.realm = (cg_str_t) { strlen(realm), (const uint8_t *) realm };
    e.residence = change->residence;
    e.country = CG_CC_UNKNOWN;
    e.source = CG_SOURCE_UNKNOWN;
    e.reason = CG_REASON_OWN;
    e.gate = cg_str(CTL_VERSION);
    memcpy(e.previous, record->event, sizeof(e.previous));

    len = cg_event_body(&e, &ctl->keys, w->body);

    if (len == 0 || !cg_event_sign(&ctl->keys, (cg_str_t) { len, w->body },
                                   w->mac))
    {
        return ctl_fail(ctl, CTL_FAILED, "cannot sign the event");
    }

    cg_out_init(&out, w->event, sizeof(w->event));
    cg_out_hex(&out, e.id, sizeof(e.id));
    w->body_len = len;

    return CTL_OK;
}


static ctl_exit_e
ctl_change_words(ctl_t *ctl, const ctl_record_t *record,
    const ctl_change_t *change, ctl_words_t *w)
{
    size_t                 i, nbase;
    cg_out_t               out;
    const char            *prefix;
    const cg_pseudonym_t  *p;

    p = &record->subject.current;
    prefix = ctl_setting(ctl, CTL_PREFIX);
    nbase = record->moves ? record->hash->elements / 2 : 0;

    w->argv = calloc(CTL_CHANGE_WORDS + 2 * nbase, sizeof(char *));
    w->lens = calloc(CTL_CHANGE_WORDS + 2 * nbase, sizeof(size_t));

    if (w->argv == NULL || w->lens == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    cg_out_init(&out, w->check, sizeof(w->check));
    cg_out_hex(&out, p->check, CG_SUBJECT_CHECK_LEN);

    ctl_change_word(w, "EVAL", 4);
    ctl_change_word(w, ngx_consent_script, sizeof(ngx_consent_script) - 1);
    ctl_change_word(w, "2", 1);
    ctl_change_word(w, w->record, ctl_key_record(ctl, p, w->record));
    ctl_change_word(w, w->bucket,
                    cg_subject_key(p, (cg_str_t) {
                        strlen(prefix), (const uint8_t *) prefix }, 'a',
                        w->bucket));
    ctl_change_word(w, w->rev, (size_t) snprintf(w->rev, sizeof(w->rev), "%u",
                                                 record->rev));
    ctl_change_word(w, w->event, sizeof(w->event));
    ctl_change_word(w, w->ttl, (size_t) snprintf(w->ttl, sizeof(w->ttl),
                                                 "%lld", (long long)
                                                 change->ttl));
    ctl_change_word(w, w->check, sizeof(w->check));
    ctl_change_word(w, w->body, w->body_len);
    ctl_change_word(w, w->mac, sizeof(w->mac));
    ctl_change_word(w, change->what, strlen(change->what));
    ctl_change_word(w, "0", 1);
    ctl_change_word(w, w->nbase, (size_t) snprintf(w->nbase, sizeof(w->nbase),
                                                   "%zu", nbase));

    for (i = 0; i < 2 * nbase; i++) {
        ctl_change_word(w, record->hash->element[i]->str,
                        (size_t) record->hash->element[i]->len);
    }

    if (change->field != NULL) {
        ctl_change_word(w, change->field, strlen(change->field));
        ctl_change_word(w, change->value.len > 0
                           ? (const char *) change->value.data : "",
                        change->value.len);
    }

    return CTL_OK;
}


static void
ctl_change_word(ctl_words_t *w, const void *data, size_t len)
{
    w->argv[w->n] = data;
    w->lens[w->n++] = len;
}


static ctl_exit_e
ctl_change_run(ctl_t *ctl, ctl_record_t *record, ctl_words_t *w,
    ctl_written_t *written)
{
    redisReply  *reply;
    ctl_exit_e   rc;

    reply = ctl_ask_argv(ctl, (cg_str_t) { w->lens[3], w->record },
                         (int) w->n, w->argv, w->lens);
    if (reply == NULL) {
        return ctl->failed;
    }

    rc = CTL_OK;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_INTEGER)
    {
        rc = ctl_fail(ctl, CTL_REDIS, "the script's reply cannot be read");

    } else {
        snprintf(written->result, sizeof(written->result), "%s",
                 reply->element[0]->str);
        written->rev = (uint32_t) reply->element[1]->integer;
    }

    freeReplyObject(reply);

    if (rc == CTL_OK && strcmp(written->result, "conflict") == 0) {
        rc = ctl_fail(ctl, CTL_REFUSED, "the record has changed meanwhile: "
                      "try again");
    }

    if (rc == CTL_OK && strcmp(written->result, "foreign") == 0) {
        rc = ctl_fail(ctl, CTL_REFUSED, "the record under this key is of "
                      "another subject");
    }

    return rc == CTL_OK && record->subject.has_previous
           ? ctl_change_moved(ctl, record) : rc;
}


/*
 * What was under the previous key has gone over with this write, or with an
 * earlier one that did not come as far as this: left there, it would count
 * again once a tombstone under the new key is gone.
 */

static ctl_exit_e
ctl_change_moved(ctl_t *ctl, const ctl_record_t *record)
{
    size_t       len;
    uint8_t      key[CG_MAX_KEY];
    redisReply  *reply;

    len = ctl_key_record(ctl, &record->subject.previous, key);
    reply = ctl_ask(ctl, (cg_str_t) { len, key }, "UNLINK %b", key, len);

    if (reply == NULL) {
        ctl_note(ctl, "the change is written, but the record is still under "
                 "the previous subject key, too: run this again");
        return ctl->failed;
    }

    freeReplyObject(reply);

    return CTL_OK;
}
