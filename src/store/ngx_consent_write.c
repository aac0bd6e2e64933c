/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_sha1.h>

#include "ngx_consent_store_internal.h"
#include "ngx_consent_script.h"


/*
 * HGETALL of the old key when the record moves, so that fields which this
 * configuration does not know move too; then EVALSHA; EVAL if the server does
 * not know the script; WAIT if that is asked for; UNLINK of the old key.
 */

static ngx_consent_command_t *ngx_consent_script_read(
    ngx_consent_conn_t *conn, ngx_consent_words_t *words);
static ngx_consent_command_t *ngx_consent_script_eval(
    ngx_consent_conn_t *conn, ngx_consent_words_t *words, ngx_uint_t sha);
static ngx_int_t ngx_consent_script_base(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_script_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_script_again(ngx_consent_command_t *cmd,
    ngx_consent_conn_t *conn, ngx_uint_t sha);
static ngx_int_t ngx_consent_script_written(const ngx_consent_reply_t *reply);
static void ngx_consent_script_erase(ngx_consent_command_t *cmd,
    ngx_consent_words_t *words);
static ngx_int_t ngx_consent_script_erased(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static void ngx_consent_script_unlink(ngx_consent_store_t *store,
    ngx_consent_words_t *words);
static ngx_consent_command_t *ngx_consent_script_unlinking(
    ngx_consent_store_t *store, ngx_consent_words_t *words);
static ngx_int_t ngx_consent_script_unlinked(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);


/* In the order of ngx_consent_written_e. */

static const char  *ngx_consent_script_answers[] = {
    "written",
    "unchanged",
    "repeated",
    "conflict",
    "foreign",
    "spent"
};


void
ngx_consent_write_init(ngx_consent_store_t *store)
{
    store->script.data = (u_char *) ngx_consent_script;
    store->script.len = sizeof(ngx_consent_script) - 1;

    ngx_consent_script_sha(store->sha, ngx_consent_script,
                           sizeof(ngx_consent_script) - 1);
}


void
ngx_consent_script_sha(u_char sha[40], const char *script, size_t len)
{
    u_char      digest[20];
    ngx_sha1_t  sha1;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, script, len);
    ngx_sha1_final(digest, &sha1);

    (void) ngx_hex_dump(sha, digest, sizeof(digest));
}


ngx_int_t
ngx_consent_script_result(cg_str_t word)
{
    ngx_uint_t   i;
    const char  *answer;

    for (i = NGX_CONSENT_WRITTEN; i <= NGX_CONSENT_SPENT; i++) {
        answer = ngx_consent_script_answers[i];

        if (word.len == ngx_strlen(answer)
            && ngx_strncmp(word.data, answer, word.len) == 0)
        {
            return i;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_consent_store_write(ngx_consent_store_t *store, ngx_consent_call_t *call,
    const ngx_consent_write_t *write)
{
    ngx_consent_conn_t     *conn;
    ngx_consent_words_t    *words;
    ngx_consent_command_t  *cmd;

    /* should somebody forget to look at the status */
    call->written = NGX_CONSENT_CONFLICT;
    call->rev = 0;

    call->subject = write->subject;

    conn = ngx_consent_call_write(store, call);
    if (conn == NULL) {
        return NGX_OK;
    }

    words = ngx_consent_words_create(store, write);
    if (words == NULL) {
        return NGX_OK;
    }

    if (words->moves) {
        /* of another slot */
        conn = ngx_consent_route(store, &words->previous);

        cmd = conn ? ngx_consent_script_read(conn, words) : NULL;

    } else {
        cmd = ngx_consent_script_eval(conn, words, 1);
    }

    if (cmd == NULL) {
        ngx_consent_words_free(words);
        return NGX_OK;
    }

    cmd->handler = words->moves ? ngx_consent_script_base
                                : ngx_consent_script_reply;
    cmd->deadline = call->deadline;
    cmd->repeat = 1;            /* the event has an id */
    cmd->data = words;
    cmd->cleanup = ngx_consent_words_free;

    ngx_consent_command_send(cmd, call);

    return NGX_AGAIN;
}


static ngx_consent_command_t *
ngx_consent_script_read(ngx_consent_conn_t *conn, ngx_consent_words_t *words)
{
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "HGETALL");
    ngx_consent_buf_bulk(&b, words->previous_key, words->previous_len);

    return ngx_consent_command_buf(conn, &b);
}


static ngx_consent_command_t *
ngx_consent_script_eval(ngx_consent_conn_t *conn,
    ngx_consent_words_t *words, ngx_uint_t sha)
{
    ngx_consent_buf_t       b;
    ngx_consent_store_t    *store;
    ngx_consent_command_t  *cmd;

    store = conn->node->store;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 3 + words->nwords + 2 * words->nbase);

    if (sha) {
        ngx_consent_buf_word(&b, "EVALSHA");
        ngx_consent_buf_bulk(&b, store->sha, sizeof(store->sha));

    } else {
        ngx_consent_buf_word(&b, "EVAL");
        ngx_consent_buf_bulk(&b, store->script.data, store->script.len);
    }

    ngx_consent_words_add(words, &b);

    cmd = ngx_consent_command_buf(conn, &b);

    if (cmd) {
        cmd->write = 1;
        cmd->whole = !sha;
    }

    return cmd;
}


/* The record under the previous key. */

static ngx_int_t
ngx_consent_script_base(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_conn_t   *conn;
    ngx_consent_words_t  *words;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    words = cmd->data;

    if (ngx_consent_words_base(words, reply) != NGX_OK) {
        return ngx_consent_unexpected(cmd);
    }

    if (cmd->call == NULL) {
        /* nobody has sent anything that would change it yet */
        return NGX_OK;
    }

    conn = ngx_consent_writer_route(cmd->conn->node->store, &words->current);

    if (conn == NULL) {
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_DOWN);
        return NGX_OK;
    }

    cmd->handler = ngx_consent_script_reply;

    return ngx_consent_script_again(cmd, conn, 1);
}


static ngx_int_t
ngx_consent_script_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t             written;
    ngx_consent_call_t   *call;
    ngx_consent_words_t  *words;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (ngx_consent_reply_error(reply, "NOSCRIPT") && !cmd->whole
        && !ngx_consent_past(cmd->deadline))
    {
        return ngx_consent_script_again(cmd, cmd->conn, 0);
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    written = ngx_consent_script_written(reply);

    if (written == NGX_ERROR) {
        return ngx_consent_unexpected(cmd);
    }

    words = cmd->data;
    words->moves = (written == NGX_CONSENT_WRITTEN && words->nbase);
    words->erases &= (written <= NGX_CONSENT_REPEATED);

    call = cmd->call;

    if (call) {
        call->written = written;
        call->rev = reply->items[2].integer;
    }

    if (written <= NGX_CONSENT_REPEATED
        && ngx_consent_confirm(cmd) == NGX_DONE)
    {
        return NGX_DONE;
    }

    ngx_consent_write_done(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
}


void
ngx_consent_write_done(ngx_consent_command_t *cmd,
    ngx_consent_status_e status)
{
    ngx_consent_words_t  *words;

    words = cmd->data;

    if (status == NGX_CONSENT_STORE_OK && words->erases) {
        ngx_consent_script_erase(cmd, words);
        return;
    }

    if (status == NGX_CONSENT_STORE_OK && words->moves) {
        ngx_consent_script_unlink(cmd->conn->node->store, words);
    }

    ngx_consent_command_finish(cmd, status);
}


static ngx_int_t
ngx_consent_script_again(ngx_consent_command_t *cmd, ngx_consent_conn_t *conn,
    ngx_uint_t sha)
{
    ngx_consent_command_t  *next;

    next = ngx_consent_script_eval(conn, cmd->data, sha);

    ngx_consent_command_follow(next, cmd);

    return NGX_OK;
}


static ngx_int_t
ngx_consent_script_written(const ngx_consent_reply_t *reply)
{
    if (!ngx_consent_reply_flat(reply, 2)
        || reply->items[1].type != NGX_CONSENT_STRING
        || reply->items[2].type != NGX_CONSENT_INTEGER)
    {
        return NGX_ERROR;
    }

    return ngx_consent_script_result(reply->items[1].str);
}


/*
 * What is erased is erased everywhere, or the answer says that it is not: the
 * tombstone under today's key does not stand for as long as a record that was
 * left under the one before, which would count again. The same form sent again
 * comes here again.
 */

static void
ngx_consent_script_erase(ngx_consent_command_t *cmd,
    ngx_consent_words_t *words)
{
    ngx_consent_command_t  *next;

    words->moves = 0;

    next = ngx_consent_script_unlinking(cmd->conn->node->store, words);

    if (next == NULL) {
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_DOWN);
        return;
    }

    cmd->handler = ngx_consent_script_erased;

    ngx_consent_command_follow(next, cmd);
}


static ngx_int_t
ngx_consent_script_erased(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_words_t  *words;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    words = cmd->data;
    words->erases = 0;

    if (ngx_consent_confirm(cmd) == NGX_DONE) {
        return NGX_DONE;
    }

    ngx_consent_write_done(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
}


/*
 * Should this be lost the old record is not looked for, and expires before
 * the one that it has moved to.
 */

static void
ngx_consent_script_unlink(ngx_consent_store_t *store,
    ngx_consent_words_t *words)
{
    ngx_consent_command_t  *cmd;

    cmd = ngx_consent_script_unlinking(store, words);

    if (cmd) {
        cmd->handler = ngx_consent_script_unlinked;
        cmd->deadline = ngx_current_msec
                        + store->conf->write_timeout;

        ngx_consent_command_send(cmd, NULL);
    }
}


/* To be sent; NULL: there is no connection for it, or no memory. */

static ngx_consent_command_t *
ngx_consent_script_unlinking(ngx_consent_store_t *store,
    ngx_consent_words_t *words)
{
    ngx_consent_buf_t       b;
    ngx_consent_conn_t     *conn;
    ngx_consent_command_t  *cmd;

    conn = ngx_consent_writer_route(store, &words->previous);

    if (conn == NULL) {
        return NULL;
    }

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "UNLINK");
    ngx_consent_buf_bulk(&b, words->previous_key, words->previous_len);

    cmd = ngx_consent_command_buf(conn, &b);

    if (cmd) {
        cmd->write = 1;
        cmd->type = NGX_CONSENT_INTEGER;
    }

    return cmd;
}


static ngx_int_t
ngx_consent_script_unlinked(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    if (reply && reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    return NGX_OK;
}
