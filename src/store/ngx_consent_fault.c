/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


typedef struct {
    const char           *word;
    ngx_consent_fault_e   kind;
    const char           *advice;
} ngx_consent_fault_word_t;


/* Error replies that say: do not talk to me. Others are about a command. */

static const ngx_consent_fault_word_t  ngx_consent_fault_words[] = {
    { "NOAUTH", NGX_CONSENT_FAULT_DENIED,
      "set \"password_file\" in \"consent_store\"" },
    { "WRONGPASS", NGX_CONSENT_FAULT_DENIED,
      "check \"username\" and \"password_file\" in \"consent_store\"" },
    { "LOADING", NGX_CONSENT_FAULT_LOADING, NULL },
    { "MASTERDOWN", NGX_CONSENT_FAULT_LOADING, NULL },
    { "READONLY", NGX_CONSENT_FAULT_ROLE,
      "\"server\" in \"consent_store\" must be the master" },
    { NULL, NGX_CONSENT_FAULT_CONNECT, NULL }
};

static const ngx_consent_fault_word_t  ngx_consent_fault_other = {
    NULL, NGX_CONSENT_FAULT_DENIED,
    "check \"consent_store\" and the ACL of its user"
};


static const ngx_consent_fault_word_t *ngx_consent_fault_word(
    const ngx_consent_reply_t *reply);
static void ngx_consent_fault_clean(ngx_str_t *text);


ngx_int_t
ngx_consent_fault(ngx_consent_conn_t *conn, ngx_consent_fault_e kind,
    ngx_err_t err, const char *fmt, ...)
{
    u_char               *last;
    va_list               args;
    ngx_consent_fault_t  *fault;

    fault = &conn->fault;

    va_start(args, fmt);
    last = ngx_vslprintf(fault->buf, fault->buf + sizeof(fault->buf), fmt,
                         args);
    va_end(args);

    fault->kind = kind;
    fault->err = err;
    fault->text.data = fault->buf;
    fault->text.len = last - fault->buf;

    ngx_consent_fault_clean(&fault->text);

    return NGX_ERROR;
}


ngx_uint_t
ngx_consent_fault_lasting(ngx_consent_fault_e kind)
{
    switch (kind) {

    case NGX_CONSENT_FAULT_DENIED:
    case NGX_CONSENT_FAULT_TLS:
    case NGX_CONSENT_FAULT_TLS_NAME:
    case NGX_CONSENT_FAULT_TLS_TRUST:
    case NGX_CONSENT_FAULT_TLS_OURS:
        return 1;

    default:
        return 0;
    }
}


ngx_int_t
ngx_consent_fault_kind(const ngx_consent_reply_t *reply)
{
    const ngx_consent_fault_word_t  *word;

    word = ngx_consent_fault_word(reply);

    return word ? (ngx_int_t) word->kind : NGX_DECLINED;
}


ngx_int_t
ngx_consent_fault_reply(ngx_consent_conn_t *conn, ngx_consent_fault_e kind,
    const ngx_consent_reply_t *reply)
{
    size_t                           len;
    cg_str_t                         text;
    const ngx_consent_fault_word_t  *word;

    text = reply->items[0].str;
    len = ngx_min(text.len, 80);

    word = ngx_consent_fault_word(reply);

    if (word == NULL && kind == NGX_CONSENT_FAULT_DENIED) {
        word = &ngx_consent_fault_other;
    }

    return ngx_consent_fault(conn, kind, 0, "\"%*s\"%s%s", len, text.data,
                             word && word->advice ? ": " : "",
                             word && word->advice ? word->advice : "");
}


static const ngx_consent_fault_word_t *
ngx_consent_fault_word(const ngx_consent_reply_t *reply)
{
    const ngx_consent_fault_word_t  *word;

    for (word = ngx_consent_fault_words; word->word; word++) {
        if (ngx_consent_reply_error(reply, word->word)) {
            return word;
        }
    }

    return NULL;
}


/* A server's own words go to the log: no control bytes. */

static void
ngx_consent_fault_clean(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] == 0x7f) {
            text->data[i] = '?';
        }
    }
}
