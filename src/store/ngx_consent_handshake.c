/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * What is said first on a connection, in one go. ROLE tells a master from a
 * replica; PING is refused, unlike ROLE, while the data set is being loaded.
 */

typedef enum {
    NGX_CONSENT_HELLO_AUTH = 0,
    NGX_CONSENT_HELLO_SELECT,
    NGX_CONSENT_HELLO_NAME,
    NGX_CONSENT_HELLO_ROLE,
    NGX_CONSENT_HELLO_PING
} ngx_consent_hello_e;


static void ngx_consent_handshake_ask(ngx_consent_conn_t *conn,
    ngx_consent_hello_e what, ngx_uint_t nwords, const char *word);
static ngx_int_t ngx_consent_handshake_error(ngx_consent_conn_t *conn,
    ngx_consent_hello_e what, const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_handshake_role(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);


ngx_int_t
ngx_consent_handshake_start(ngx_consent_conn_t *conn)
{
    ngx_consent_buf_t         *b;
    ngx_consent_store_conf_t  *conf;

    conf = conn->node->store->conf;
    b = &conn->hello;

    conn->nasked = 0;
    conn->nanswered = 0;

    if (conf->password.len) {
        ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_AUTH,
                                  conf->username.len ? 3 : 2, "AUTH");

        if (conf->username.len) {
            ngx_consent_buf_bulk(b, conf->username.data, conf->username.len);
        }

        ngx_consent_buf_bulk(b, conf->password.data, conf->password.len);
    }

    if (conf->database) {
        ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_SELECT, 2,
                                  "SELECT");
        ngx_consent_buf_number(b, conf->database);
    }

    ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_NAME, 3, "CLIENT");
    ngx_consent_buf_word(b, "SETNAME");
    ngx_consent_buf_word(b, conn->role->name);

    ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_ROLE, 1, "ROLE");
    ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_PING, 1, "PING");

    return b->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_consent_handshake_ask(ngx_consent_conn_t *conn, ngx_consent_hello_e what,
    ngx_uint_t nwords, const char *word)
{
    conn->asked[conn->nasked++] = what;

    ngx_consent_buf_array(&conn->hello, nwords);
    ngx_consent_buf_word(&conn->hello, word);
}


ngx_int_t
ngx_consent_handshake_reply(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t            rc;
    ngx_consent_hello_e  what;

    what = conn->asked[conn->nanswered++];

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        rc = ngx_consent_handshake_error(conn, what, reply);

    } else if (what == NGX_CONSENT_HELLO_ROLE) {
        rc = ngx_consent_handshake_role(conn, reply);

    } else if (reply->items[0].type == NGX_CONSENT_SIMPLE) {
        rc = NGX_OK;

    } else {
        rc = ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                               "unexpected reply in the handshake");
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return conn->nanswered == conn->nasked ? NGX_OK : NGX_AGAIN;
}


/*
 * The name is a courtesy, and PING is for the sake of LOADING only: a user
 * who may not give them is let through. An error that ends the connection
 * ("max number of clients reached") may stand in the place of any answer.
 */

static ngx_int_t
ngx_consent_handshake_error(ngx_consent_conn_t *conn,
    ngx_consent_hello_e what, const ngx_consent_reply_t *reply)
{
    ngx_int_t  kind;

    kind = ngx_consent_fault_kind(reply);

    if (kind != NGX_DECLINED) {
        return ngx_consent_fault_reply(conn, kind, reply);
    }

    if (ngx_consent_reply_error(reply, "ERR max number of clients reached")) {
        return ngx_consent_fault_reply(conn, NGX_CONSENT_FAULT_HANDSHAKE,
                                       reply);
    }

    if (ngx_consent_reply_error(reply, "DENIED")) {
        return ngx_consent_fault_reply(conn, NGX_CONSENT_FAULT_DENIED, reply);
    }

    switch (what) {

    case NGX_CONSENT_HELLO_NAME:
    case NGX_CONSENT_HELLO_PING:
        return NGX_OK;

    default:
        return ngx_consent_fault_reply(conn, NGX_CONSENT_FAULT_DENIED, reply);
    }
}


static ngx_int_t
ngx_consent_handshake_role(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    cg_str_t  role;

    if (reply->nitems < 2
        || reply->items[0].type != NGX_CONSENT_ARRAY
        || reply->items[1].type != NGX_CONSENT_STRING)
    {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_PROTOCOL, 0,
                                 "unexpected reply to ROLE");
    }

    role = reply->items[1].str;

    if (cg_str_eq(role, cg_str("master"))) {
        return NGX_OK;
    }

    return ngx_consent_fault(conn, NGX_CONSENT_FAULT_ROLE, 0,
                             "not a master but \"%*s\"",
                             ngx_min(role.len, 16), role.data);
}
