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

static const ngx_consent_fault_word_t *ngx_consent_fault_word(
    const ngx_consent_reply_t *reply);
static const char *ngx_consent_fault_bytes(ngx_consent_conn_t *conn);
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
    case NGX_CONSENT_FAULT_GRANT:
    case NGX_CONSENT_FAULT_TOPOLOGY:
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
    ngx_consent_advice_t             advice;
    const ngx_consent_fault_word_t  *word;

    text = reply->items[0].str;
    len = ngx_min(text.len, 80);

    word = ngx_consent_fault_word(reply);

    if (conn->role->sentinel && kind == NGX_CONSENT_FAULT_DENIED) {
        return ngx_consent_fault(conn, kind, 0, "\"%*s\": check "
                                 "\"sentinel_username\" and "
                                 "\"sentinel_password_file\" in "
                                 "\"consent_store\"", len, text.data);
    }

    if (word) {
        return ngx_consent_fault(conn, kind, 0, "\"%*s\"%s%s", len,
                                 text.data, word->advice ? ": " : "",
                                 word->advice ? word->advice : "");
    }

    ngx_consent_advice(conn->node->store, reply, &advice);

    return ngx_consent_fault(conn, kind, 0, "\"%*s\"%V", len, text.data,
                             &advice.text);
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


ngx_int_t
ngx_consent_fault_protocol(ngx_consent_conn_t *conn)
{
    const char  *what;

    what = NULL;

    if (conn->state != NGX_CONSENT_CONN_READY && conn->nanswered == 0) {
        what = ngx_consent_fault_bytes(conn);
    }

    if (what) {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                                 "this is not Redis, it %s: check \"server\" "
                                 "in \"consent_store\"", what);
    }

    return ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0, "%s",
                             ngx_consent_reader_error(conn->reader));
}


/* The first bytes that it has sent: there are some, or they would not fail. */

static const char *
ngx_consent_fault_bytes(ngx_consent_conn_t *conn)
{
    u_char  *in;

    in = conn->in;

    if (ngx_strncmp(in, "HTTP/", 5) == 0 || ngx_strncmp(in, "<", 1) == 0) {
        return "answers in HTTP";
    }

    if (ngx_strncmp(in, "SSH-", 4) == 0) {
        return "answers in SSH";
    }

    /* an alert, or a handshake, of TLS 1.0 to 1.3 (RFC 8446, 5.1) */

    if ((in[0] == 21 || in[0] == 22) && in[1] == 3) {
        return "answers in TLS (\"tls on\")";
    }

    return "answers in another protocol";
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
