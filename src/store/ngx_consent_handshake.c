/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * What is said first on a connection, in one go. HELLO tells what kind of
 * server it is, ROLE a master from a replica; PING is refused, unlike ROLE,
 * while the data set is being loaded. The script is there before the first
 * write, so that a write is one command, which a client that leaves cannot
 * interrupt.
 */

typedef enum {
    NGX_CONSENT_HELLO_AUTH = 0,
    NGX_CONSENT_HELLO_MODE,
    NGX_CONSENT_HELLO_SELECT,
    NGX_CONSENT_HELLO_NAME,
    NGX_CONSENT_HELLO_ROLE,
    NGX_CONSENT_HELLO_PING,
    NGX_CONSENT_HELLO_SCRIPT
} ngx_consent_hello_e;


static void ngx_consent_handshake_auth(ngx_consent_conn_t *conn);
static void ngx_consent_handshake_ask(ngx_consent_conn_t *conn,
    ngx_consent_hello_e what, ngx_uint_t nwords, const char *word);
static ngx_int_t ngx_consent_handshake_error(ngx_consent_conn_t *conn,
    ngx_consent_hello_e what, const ngx_consent_reply_t *reply);
static void ngx_consent_handshake_without(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_handshake_mode(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_handshake_kind(ngx_consent_conn_t *conn,
    cg_str_t mode);
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

    ngx_consent_handshake_auth(conn);

    ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_MODE, 2, "HELLO");
    ngx_consent_buf_word(b, "2");

    if (conf->database && conn->role->data) {
        ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_SELECT, 2,
                                  "SELECT");
        ngx_consent_buf_number(b, conf->database);
    }

    ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_NAME, 3, "CLIENT");
    ngx_consent_buf_word(b, "SETNAME");
    ngx_consent_buf_word(b, conn->role->name);

    if (conn->role->data) {
        ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_ROLE, 1, "ROLE");
        ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_PING, 1, "PING");
    }

    if (conn->role->scripts) {
        ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_SCRIPT, 3, "SCRIPT");
        ngx_consent_buf_word(b, "LOAD");
        ngx_consent_buf_bulk(b, conn->node->store->script.data,
                             conn->node->store->script.len);
    }

    return b->failed ? NGX_ERROR : NGX_OK;
}


/* Sentinels have users of their own. */

static void
ngx_consent_handshake_auth(ngx_consent_conn_t *conn)
{
    ngx_str_t                 *username, *password;
    ngx_consent_store_conf_t  *conf;

    conf = conn->node->store->conf;

    if (conn->role->sentinel) {
        username = &conf->sentinel_username;
        password = &conf->sentinel_password;

    } else {
        username = &conf->username;
        password = &conf->password;
    }

    if (password->len == 0) {
        return;
    }

    ngx_consent_handshake_ask(conn, NGX_CONSENT_HELLO_AUTH,
                              username->len ? 3 : 2, "AUTH");

    if (username->len) {
        ngx_consent_buf_bulk(&conn->hello, username->data, username->len);
    }

    ngx_consent_buf_bulk(&conn->hello, password->data, password->len);
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

    } else if (what == NGX_CONSENT_HELLO_MODE) {
        rc = ngx_consent_handshake_mode(conn, reply);

    } else if (reply->items[0].type == NGX_CONSENT_SIMPLE
               || what == NGX_CONSENT_HELLO_SCRIPT)
    {
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
 * The name is a courtesy, PING is for the sake of LOADING only, the script is
 * sent with the write if it is not there, and a server that does not know
 * HELLO is taken for what it should be: these may be refused. An error that
 * ends the connection ("max number of clients reached") may stand in the place
 * of any answer.
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

    case NGX_CONSENT_HELLO_MODE:
        return NGX_OK;

    case NGX_CONSENT_HELLO_NAME:
    case NGX_CONSENT_HELLO_PING:
    case NGX_CONSENT_HELLO_SCRIPT:
        ngx_consent_handshake_without(conn, reply);
        return NGX_OK;

    default:
        return ngx_consent_fault_reply(conn, NGX_CONSENT_FAULT_GRANT, reply);
    }
}


static void
ngx_consent_handshake_without(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    size_t                 len;
    cg_str_t               text;
    ngx_str_t              more;
    ngx_consent_store_t   *store;
    ngx_consent_advice_t   advice;

    store = conn->node->store;

    if (!ngx_consent_reply_error(reply, "NOPERM")
        || !ngx_consent_line(store, NGX_CONSENT_LINE_GRANT, &more))
    {
        return;
    }

    text = reply->items[0].str;
    len = ngx_min(text.len, 160);

    ngx_consent_advice(store, reply, &advice);

    ngx_log_error(NGX_LOG_WARN, store->log, 0,
                  "consent store %V: does without: \"%*s\"%V%V",
                  &conn->node->name, len, text.data, &advice.text, &more);
}


/* "mode" is one of the names in what HELLO answers. */

static ngx_int_t
ngx_consent_handshake_mode(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    size_t                     i;
    const ngx_consent_item_t  *item;

    for (i = 1; i + 1 < reply->nitems; i++) {
        item = &reply->items[i];

        if (item[0].type == NGX_CONSENT_STRING
            && item[1].type == NGX_CONSENT_STRING
            && cg_str_eq(item[0].str, cg_str("mode")))
        {
            return ngx_consent_handshake_kind(conn, item[1].str);
        }
    }

    return NGX_OK;
}


/* What it is and what it should be, when these are known and differ. */

static ngx_int_t
ngx_consent_handshake_kind(ngx_consent_conn_t *conn, cg_str_t mode)
{
    ngx_uint_t  is, want;

    static const char  *modes[] = { "standalone", "sentinel", "cluster" };

    static const char  *advices[] = {
        "is a single server: check \"server\" and \"topology\" in "
            "\"consent_store\"",
        "is a Sentinel: set \"topology sentinel NAME\" in "
            "\"consent_store\"",
        "is a node of a cluster: set \"topology cluster\" in "
            "\"consent_store\""
    };

    for (is = 0; is < 3; is++) {
        if (mode.len == ngx_strlen(modes[is])
            && ngx_strncmp(mode.data, modes[is], mode.len) == 0)
        {
            break;
        }
    }

    want = conn->node->store->conf->topology;

    if (want == NGX_CONSENT_SENTINEL && !conn->role->sentinel) {
        want = NGX_CONSENT_SINGLE;
    }

    if (is == 3 || is == want) {
        return NGX_OK;
    }

    return ngx_consent_fault(conn, NGX_CONSENT_FAULT_TOPOLOGY, 0, "%s",
                             advices[is]);
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
                             "not a master but \"%*s\"%s",
                             ngx_min(role.len, 16), role.data,
                             conn->node->store->conf->topology
                             == NGX_CONSENT_SINGLE
                             ? ": \"server\" in \"consent_store\" must be the "
                               "master" : "");
}
