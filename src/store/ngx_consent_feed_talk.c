/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * RESP2 and one connection, which redirects the invalidations of client-side
 * caching to itself: for that it must know its own id first. Broadcast mode
 * costs the server no memory for each key that was read. After SUBSCRIBE only
 * PING may be said, and messages come between its answers. The first PONG
 * says that all the rest was granted.
 *
 * See https://redis.io/docs/manual/client-side-caching/
 */

#define NGX_CONSENT_FEED_WAIT     60000     /* ms; the stall comes first */

static void ngx_consent_feed_ask(ngx_consent_feed_t *feed,
    ngx_consent_buf_t *b, ngx_consent_type_e type,
    ngx_consent_reply_pt handler);
static ngx_int_t ngx_consent_feed_id(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static void ngx_consent_feed_track(ngx_consent_feed_t *feed, uint64_t id);
static void ngx_consent_feed_prefix(ngx_consent_feed_t *feed,
    ngx_consent_buf_t *b, const char *what);
static ngx_int_t ngx_consent_feed_tracking(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_feed_subscribed(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_feed_pong(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_feed_answer(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply, const char *what);
static ngx_int_t ngx_consent_feed_refused(ngx_consent_feed_t *feed,
    const ngx_consent_reply_t *reply, const char *what);
static ngx_int_t ngx_consent_feed_array(const ngx_consent_reply_t *reply,
    const char *word);
static void ngx_consent_feed_keys(ngx_consent_feed_t *feed,
    const ngx_consent_reply_t *reply);
static ngx_uint_t ngx_consent_feed_key(ngx_consent_feed_t *feed,
    cg_str_t key);
static ngx_uint_t ngx_consent_feed_subject(cg_str_t prefix, cg_str_t key,
    cg_pseudonym_t *p);


void
ngx_consent_feed_subscribe(ngx_consent_conn_t *conn)
{
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "CLIENT");
    ngx_consent_buf_word(&b, "ID");

    ngx_consent_feed_ask(&conn->node->feed, &b, NGX_CONSENT_INTEGER,
                         ngx_consent_feed_id);
}


/* What cannot be asked for lack of memory is a silence, and ends as one. */

static void
ngx_consent_feed_ask(ngx_consent_feed_t *feed, ngx_consent_buf_t *b,
    ngx_consent_type_e type, ngx_consent_reply_pt handler)
{
    ngx_consent_command_t  *cmd;

    cmd = ngx_consent_command_buf(&feed->conn, b);

    if (cmd) {
        cmd->handler = handler;
        cmd->type = type;
        cmd->deadline = ngx_current_msec + NGX_CONSENT_FEED_WAIT;

        ngx_consent_command_send(cmd, NULL);
    }

    ngx_consent_conn_wake(&feed->conn, ngx_current_msec
                                       + NGX_CONSENT_FEED_STALL);
}


static ngx_int_t
ngx_consent_feed_id(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t            rc;
    ngx_consent_buf_t    b;
    ngx_consent_feed_t  *feed;

    rc = ngx_consent_feed_answer(cmd, reply, "CLIENT ID");

    if (rc != NGX_OK) {
        return rc;
    }

    feed = &cmd->conn->node->feed;

    ngx_consent_feed_track(feed, (uint64_t) reply->items[0].integer);

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "SUBSCRIBE");
    ngx_consent_buf_word(&b, NGX_CONSENT_FEED_CHANNEL);

    ngx_consent_feed_ask(feed, &b, NGX_CONSENT_ARRAY,
                         ngx_consent_feed_subscribed);
    ngx_consent_feed_ping(feed);

    return NGX_OK;
}


static void
ngx_consent_feed_track(ngx_consent_feed_t *feed, uint64_t id)
{
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 10);
    ngx_consent_buf_word(&b, "CLIENT");
    ngx_consent_buf_word(&b, "TRACKING");
    ngx_consent_buf_word(&b, "ON");
    ngx_consent_buf_word(&b, "REDIRECT");
    ngx_consent_buf_number(&b, id);
    ngx_consent_buf_word(&b, "BCAST");
    ngx_consent_feed_prefix(feed, &b, "s:");
    ngx_consent_feed_prefix(feed, &b, "p");

    ngx_consent_feed_ask(feed, &b, NGX_CONSENT_SIMPLE,
                         ngx_consent_feed_tracking);
}


static void
ngx_consent_feed_prefix(ngx_consent_feed_t *feed, ngx_consent_buf_t *b,
    const char *what)
{
    u_char     *last, key[CG_MAX_PREFIX + 2];
    ngx_str_t  *prefix;

    prefix = &feed->node->store->conf->prefix;

    last = ngx_cpymem(key, prefix->data, ngx_min(prefix->len, CG_MAX_PREFIX));
    last = ngx_cpymem(last, what, ngx_strlen(what));

    ngx_consent_buf_word(b, "PREFIX");
    ngx_consent_buf_bulk(b, key, last - key);
}


static ngx_int_t
ngx_consent_feed_tracking(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    return ngx_consent_feed_answer(cmd, reply, "CLIENT TRACKING");
}


static ngx_int_t
ngx_consent_feed_subscribed(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t  rc;

    rc = ngx_consent_feed_answer(cmd, reply, "SUBSCRIBE");

    if (rc == NGX_OK && !ngx_consent_feed_array(reply, "subscribe")) {
        return ngx_consent_unexpected(cmd);
    }

    return rc;
}


void
ngx_consent_feed_ping(ngx_consent_feed_t *feed)
{
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 1);
    ngx_consent_buf_word(&b, "PING");

    ngx_consent_feed_ask(feed, &b, NGX_CONSENT_ARRAY, ngx_consent_feed_pong);
}


static ngx_int_t
ngx_consent_feed_pong(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t  rc;

    rc = ngx_consent_feed_answer(cmd, reply, "PING");

    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_consent_feed_array(reply, "pong")) {
        return ngx_consent_unexpected(cmd);
    }

    return ngx_consent_feed_alive(&cmd->conn->node->feed);
}


static ngx_int_t
ngx_consent_feed_answer(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply, const char *what)
{
    ngx_int_t  kind;

    if (reply == NULL) {
        return NGX_ERROR;
    }

    if (reply->items[0].type != NGX_CONSENT_ERROR) {
        return NGX_OK;
    }

    kind = ngx_consent_fault_kind(reply);

    if (kind != NGX_DECLINED) {
        return ngx_consent_fault_reply(cmd->conn, kind, reply);
    }

    return ngx_consent_feed_refused(&cmd->conn->node->feed, reply, what);
}


/* Not allowed, or not known: an old server, or something in between. */

static ngx_int_t
ngx_consent_feed_refused(ngx_consent_feed_t *feed,
    const ngx_consent_reply_t *reply, const char *what)
{
    size_t                     len;
    cg_str_t                   text;
    ngx_str_t                  user;
    ngx_consent_store_conf_t  *conf;

    conf = feed->node->store->conf;
    text = reply->items[0].str;
    len = ngx_min(text.len, 120);

    (void) ngx_consent_fault(&feed->conn, NGX_CONSENT_FAULT_DENIED, 0,
                             "%s is refused: \"%*s\"", what, len, text.data);

    if (feed->refused) {
        return NGX_ERROR;
    }

    feed->refused = 1;
    feed->told = 1;

    ngx_str_set(&user, "default");

    if (conf->username.len) {
        user = conf->username;
    }

    ngx_log_error(NGX_LOG_WARN, feed->node->store->log, 0,
                  "consent feed %V: %V: changes are heard late, policies by "
                  "a poll; it takes Redis 6 or later and \"ACL SETUSER %V "
                  "+client|id +client|tracking +subscribe +ping &%s\"",
                  &feed->node->name, &feed->conn.fault.text, &user,
                  NGX_CONSENT_FEED_CHANNEL);

    return NGX_ERROR;
}


/* An array that starts with a word, as all do that a subscriber is sent. */

static ngx_int_t
ngx_consent_feed_array(const ngx_consent_reply_t *reply, const char *word)
{
    size_t    len;
    cg_str_t  str;

    if (reply->items[0].type != NGX_CONSENT_ARRAY
        || reply->nitems < 3
        || reply->items[1].type != NGX_CONSENT_STRING)
    {
        return 0;
    }

    str = reply->items[1].str;
    len = ngx_strlen(word);

    return str.len == len && ngx_memcmp(str.data, word, len) == 0;
}


/* Of the payload of a message, a string is what some client has published. */

ngx_int_t
ngx_consent_feed_message(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_feed_t  *feed;

    if (!ngx_consent_feed_array(reply, "message") || reply->nitems < 4) {
        return NGX_DECLINED;
    }

    feed = &conn->node->feed;

    if (!feed->up) {
        return NGX_OK;
    }

    switch (reply->items[3].type) {

    case NGX_CONSENT_NIL:
        /* everything is gone, or more than the server kept account of */
        ngx_consent_feed_begin(feed);
        break;

    case NGX_CONSENT_ARRAY:
        ngx_consent_feed_keys(feed, reply);
        break;
    }

    return NGX_OK;
}


static void
ngx_consent_feed_keys(ngx_consent_feed_t *feed,
    const ngx_consent_reply_t *reply)
{
    size_t      i;
    ngx_uint_t  policies;

    policies = 0;

    for (i = 4; i < reply->nitems; i++) {
        if (reply->items[i].type == NGX_CONSENT_STRING) {
            policies |= ngx_consent_feed_key(feed, reply->items[i].str);
        }
    }

    if (policies) {
        ngx_consent_policies_changed(feed->node->store);
    }
}


/* Forgets a subject. True if it is the key of the policies. */

static ngx_uint_t
ngx_consent_feed_key(ngx_consent_feed_t *feed, cg_str_t key)
{
    cg_str_t                     prefix;
    cg_pseudonym_t               p;
    ngx_consent_store_conf_t    *conf;
    ngx_consent_feed_handler_t  *handler;

    conf = feed->node->store->conf;
    handler = conf->feed;

    prefix.len = conf->prefix.len;
    prefix.data = conf->prefix.data;

    if (key.len == prefix.len + 1) {
        return key.data[prefix.len] == 'p'
               && ngx_memcmp(key.data, prefix.data, prefix.len) == 0;
    }

    if (handler && ngx_consent_feed_subject(prefix, key, &p)) {
        handler->forget(handler->data, &p);
    }

    return 0;
}


/* A key is a subject's if the subject's key is this one, in every byte. */

static ngx_uint_t
ngx_consent_feed_subject(cg_str_t prefix, cg_str_t key, cg_pseudonym_t *p)
{
    size_t    len;
    u_char    made[CG_MAX_KEY];
    cg_str_t  text;

    if (key.len != prefix.len + (CG_MAX_KEY - CG_MAX_PREFIX)) {
        return 0;
    }

    text.len = CG_PSEUDONYM_LEN;
    text.data = key.data + key.len - CG_PSEUDONYM_LEN;

    ngx_memzero(p, sizeof(cg_pseudonym_t));

    if (cg_base64url_decode(text, p->id) != CG_SUBJECT_ID_LEN) {
        return 0;
    }

    len = cg_subject_key(p, prefix, 's', made);

    return len == key.len && ngx_memcmp(made, key.data, len) == 0;
}
