/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


#define NGX_CONSENT_TEST_RETENTION  86400   /* seconds; of a test subject */


/*
 * The words of a write, as ngx_consent_script.h has them. They are kept until
 * it has answered, for it may have to be sent again.
 */

static void ngx_consent_words_write(ngx_consent_words_t *words,
    ngx_consent_store_conf_t *conf, const ngx_consent_write_t *write);
static void ngx_consent_words_changes(ngx_consent_words_t *words,
    ngx_consent_store_conf_t *conf, const ngx_consent_write_t *write);
static void ngx_consent_words_traits(ngx_consent_words_t *words,
    const ngx_consent_write_t *write);
static void ngx_consent_words_change(ngx_consent_words_t *words,
    const char *prefix, ngx_str_t *name, const char *fmt, ngx_uint_t value);
static void ngx_consent_words_pair(ngx_consent_words_t *words, cg_str_t field,
    cg_str_t value);


/* In the order of ngx_consent_write_e. */

static const char  *ngx_consent_words_kinds[] = {
    "set",
    "withdraw",
    "erase"
};


ngx_consent_words_t *
ngx_consent_words_create(ngx_consent_store_t *store,
    const ngx_consent_write_t *write)
{
    cg_str_t               prefix;
    ngx_consent_words_t  *words;

    words = ngx_calloc(sizeof(ngx_consent_words_t), store->log);
    if (words == NULL) {
        return NULL;
    }

    prefix.len = store->conf->prefix.len;
    prefix.data = store->conf->prefix.data;

    words->current = write->subject->current;

    if (write->subject->has_previous) {
        words->previous = write->subject->previous;
        words->previous_len = cg_subject_key(&words->previous, prefix, 's',
                                             words->previous_key);

        words->moves = (write->moved != NULL);
        words->erases = (write->what == NGX_CONSENT_WRITE_ERASE);
    }

    ngx_consent_words_write(words, store->conf, write);
    ngx_consent_words_changes(words, store->conf, write);

    if (words->words.failed || words->changes.failed) {
        ngx_consent_words_free(words);
        return NULL;
    }

    return words;
}


static void
ngx_consent_words_write(ngx_consent_words_t *words,
    ngx_consent_store_conf_t *conf, const ngx_consent_write_t *write)
{
    size_t                 len;
    time_t                 ttl;
    u_char                 key[CG_MAX_KEY];
    cg_str_t               prefix;
    ngx_consent_buf_t     *b;
    const cg_pseudonym_t  *pseudonym;

    pseudonym = &write->subject->current;
    prefix.len = conf->prefix.len;
    prefix.data = conf->prefix.data;
    b = &words->words;

    ttl = write->ttl ? write->ttl
          : write->subject->kind == CG_SUBJECT_TEST
            ? NGX_CONSENT_TEST_RETENTION : conf->retention;

    ngx_consent_buf_number(b, write->link.len ? 3 : 2);

    len = cg_subject_key(pseudonym, prefix, 's', key);
    ngx_consent_buf_bulk(b, key, len);

    len = cg_subject_key(pseudonym, prefix, 'a', key);
    ngx_consent_buf_bulk(b, key, len);

    if (write->link.len) {
        ngx_consent_buf_bulk(b, write->link.data, write->link.len);
    }

    ngx_consent_buf_number(b, write->rev);
    ngx_consent_buf_hex(b, write->event, 16);
    ngx_consent_buf_number(b, ttl);
    ngx_consent_buf_hex(b, pseudonym->check, CG_SUBJECT_CHECK_LEN);
    ngx_consent_buf_bulk(b, write->body.data, write->body.len);
    ngx_consent_buf_bulk(b, write->mac.data, write->mac.len);
    ngx_consent_buf_word(b, ngx_consent_words_kinds[write->what]);
    ngx_consent_buf_word(b, conf->write_replicas ? "1" : "0");

    words->nwords = write->link.len ? 12 : 11;
}


static void
ngx_consent_words_changes(ngx_consent_words_t *words,
    ngx_consent_store_conf_t *conf, const ngx_consent_write_t *write)
{
    ngx_uint_t  i;

    for (i = 0; i < conf->ndocs; i++) {

        if (write->decline & (1u << i)) {
            ngx_consent_words_change(words, "d.", &conf->docs[i], "-", 0);

        } else if (write->accept & (1u << i)) {
            ngx_consent_words_change(words, "d.", &conf->docs[i], "%ui",
                                     write->versions[i]);
        }
    }

    for (i = 0; i < conf->npurposes; i++) {

        if (write->answered & (1u << i)) {
            ngx_consent_words_change(words, "p.", &conf->purposes[i], "%ui",
                                     (write->granted >> i) & 1);
        }
    }

    ngx_consent_words_traits(words, write);
}


static void
ngx_consent_words_traits(ngx_consent_words_t *words,
    const ngx_consent_write_t *write)
{
    size_t    n;
    u_char    day[NGX_INT32_LEN];
    uint8_t   text[CG_MAX_AGE_TEXT];

    if (write->age_state != CG_AGE_NONE) {
        n = cg_age_text(write->age_state, write->age, text);
        ngx_consent_words_pair(words, cg_field_name(CG_FIELD_AGE),
                               (cg_str_t) { n, text });
    }

    if (write->eea_day) {
        n = ngx_sprintf(day, "%uD", write->eea_day) - day;
        ngx_consent_words_pair(words, cg_field_name(CG_FIELD_EEA),
                               (cg_str_t) { n, day });
    }

    if (write->resides) {
        n = cg_country_code(write->residence, text);
        ngx_consent_words_pair(words, cg_field_name(CG_FIELD_RESIDENCE),
                               (cg_str_t) { n, text });
    }
}


static void
ngx_consent_words_change(ngx_consent_words_t *words, const char *prefix,
    ngx_str_t *name, const char *fmt, ngx_uint_t value)
{
    size_t   len;
    u_char  *last, field[2 + CG_MAX_NAME], text[NGX_INT_T_LEN];

    last = ngx_cpymem(field, prefix, 2);
    last = ngx_cpymem(last, name->data, ngx_min(name->len, CG_MAX_NAME));
    len = last - field;

    last = ngx_sprintf(text, fmt, value);

    ngx_consent_words_pair(words, (cg_str_t) { len, field },
                           (cg_str_t) { (size_t) (last - text), text });
}


static void
ngx_consent_words_pair(ngx_consent_words_t *words, cg_str_t field,
    cg_str_t value)
{
    ngx_consent_buf_bulk(&words->changes, field.data, field.len);
    ngx_consent_buf_bulk(&words->changes, value.data, value.len);

    words->nwords += 2;
}


void
ngx_consent_words_free(void *data)
{
    ngx_consent_words_t  *words = data;

    ngx_consent_buf_free(&words->words);
    ngx_consent_buf_free(&words->base);
    ngx_consent_buf_free(&words->changes);

    ngx_free(words);
}


ngx_int_t
ngx_consent_words_base(ngx_consent_words_t *words,
    const ngx_consent_reply_t *reply)
{
    size_t                     i, n;
    const ngx_consent_item_t  *item;

    n = reply->nitems - 1;

    if (n % 2 || !ngx_consent_reply_flat(reply, n)) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        item = &reply->items[i + 1];

        if (item->type != NGX_CONSENT_STRING) {
            return NGX_ERROR;
        }

        ngx_consent_buf_bulk(&words->base, item->str.data, item->str.len);
    }

    words->nbase = n / 2;

    return words->base.failed ? NGX_ERROR : NGX_OK;
}


void
ngx_consent_words_add(const ngx_consent_words_t *words, ngx_consent_buf_t *b)
{
    ngx_consent_buf_add(b, words->words.pos,
                        ngx_consent_buf_size(&words->words));
    ngx_consent_buf_number(b, words->nbase);
    ngx_consent_buf_add(b, words->base.pos,
                        ngx_consent_buf_size(&words->base));
    ngx_consent_buf_add(b, words->changes.pos,
                        ngx_consent_buf_size(&words->changes));
}
