/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_sha1.h>

#include "ngx_consent_store_internal.h"
#include "ngx_consent_script.h"


#define NGX_CONSENT_TEST_RETENTION  86400   /* seconds; of a test subject */


/*
 * HGETALL of the old key when the record moves, so that fields which this
 * configuration does not know move too; then EVALSHA; EVAL if the server does
 * not know the script; UNLINK of the old key. The words of the script are
 * kept until it has answered.
 */

typedef struct {
    ngx_uint_t               nwords;    /* keys, arguments, changes */
    ngx_uint_t               moves;
    cg_pseudonym_t           current;
    cg_pseudonym_t           previous;
    u_char                   previous_key[CG_MAX_KEY];
    size_t                   previous_len;
    ngx_consent_buf_t        words;     /* keys to "what" */
    ngx_consent_buf_t        base;      /* pairs */
    ngx_uint_t               nbase;
    ngx_consent_buf_t        changes;   /* pairs */
} ngx_consent_script_t;


static ngx_consent_script_t *ngx_consent_script_create(
    ngx_consent_store_t *store, const ngx_consent_write_t *write);
static void ngx_consent_script_words(ngx_consent_script_t *script,
    ngx_consent_store_t *store, const ngx_consent_write_t *write);
static void ngx_consent_script_changes(ngx_consent_script_t *script,
    ngx_consent_store_conf_t *conf, const ngx_consent_write_t *write);
static void ngx_consent_script_traits(ngx_consent_script_t *script,
    const ngx_consent_write_t *write);
static void ngx_consent_script_change(ngx_consent_script_t *script,
    const char *prefix, ngx_str_t *name, const char *fmt, ngx_uint_t value);
static void ngx_consent_script_pair(ngx_consent_script_t *script,
    cg_str_t field, cg_str_t value);
static void ngx_consent_script_free(void *data);
static ngx_consent_command_t *ngx_consent_script_read(
    ngx_consent_conn_t *conn, ngx_consent_script_t *script);
static ngx_consent_command_t *ngx_consent_script_eval(
    ngx_consent_conn_t *conn, ngx_consent_script_t *script, ngx_uint_t sha);
static ngx_consent_command_t *ngx_consent_script_command(
    ngx_consent_conn_t *conn, ngx_consent_buf_t *b);
static ngx_int_t ngx_consent_script_base(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_script_base_add(ngx_consent_script_t *script,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_script_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_script_again(ngx_consent_command_t *cmd,
    ngx_consent_conn_t *conn, ngx_uint_t sha);
static ngx_int_t ngx_consent_script_written(const ngx_consent_reply_t *reply);
static void ngx_consent_script_unlink(ngx_consent_store_t *store,
    ngx_consent_script_t *script);
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


/* In the order of ngx_consent_write_e. */

static const char  *ngx_consent_script_kinds[] = {
    "set",
    "withdraw",
    "erase"
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
    ngx_consent_script_t   *script;
    ngx_consent_command_t  *cmd;

    /* should somebody forget to look at the status */
    call->written = NGX_CONSENT_CONFLICT;
    call->rev = 0;

    call->subject = write->subject;

    conn = ngx_consent_call_start(store, call, store->conf->write_timeout);
    if (conn == NULL) {
        return NGX_OK;
    }

    script = ngx_consent_script_create(store, write);
    if (script == NULL) {
        return NGX_OK;
    }

    if (script->moves) {
        /* of another slot */
        conn = ngx_consent_route(store, &script->previous);

        cmd = conn ? ngx_consent_script_read(conn, script) : NULL;

    } else {
        cmd = ngx_consent_script_eval(conn, script, 1);
    }

    if (cmd == NULL) {
        ngx_consent_script_free(script);
        return NGX_OK;
    }

    cmd->handler = script->moves ? ngx_consent_script_base
                                 : ngx_consent_script_reply;
    cmd->deadline = call->deadline;
    cmd->repeat = 1;            /* the event has an id */
    cmd->data = script;
    cmd->cleanup = ngx_consent_script_free;

    ngx_consent_command_send(cmd, call);

    return NGX_AGAIN;
}


static ngx_consent_script_t *
ngx_consent_script_create(ngx_consent_store_t *store,
    const ngx_consent_write_t *write)
{
    cg_str_t               prefix;
    ngx_consent_script_t  *script;

    script = ngx_calloc(sizeof(ngx_consent_script_t), store->log);
    if (script == NULL) {
        return NULL;
    }

    prefix.len = store->conf->prefix.len;
    prefix.data = store->conf->prefix.data;

    script->current = write->subject->current;

    if (write->moved) {
        script->moves = 1;
        script->previous = write->subject->previous;
        script->previous_len = cg_subject_key(&script->previous, prefix, 's',
                                              script->previous_key);
    }

    ngx_consent_script_words(script, store, write);
    ngx_consent_script_changes(script, store->conf, write);

    if (script->words.failed || script->changes.failed) {
        ngx_consent_script_free(script);
        return NULL;
    }

    return script;
}


static void
ngx_consent_script_words(ngx_consent_script_t *script,
    ngx_consent_store_t *store, const ngx_consent_write_t *write)
{
    size_t                 len;
    time_t                 ttl;
    u_char                 key[CG_MAX_KEY];
    cg_str_t               prefix;
    ngx_consent_buf_t     *b;
    const cg_pseudonym_t  *pseudonym;

    pseudonym = &write->subject->current;
    prefix.len = store->conf->prefix.len;
    prefix.data = store->conf->prefix.data;
    b = &script->words;

    ttl = write->ttl ? write->ttl
          : write->subject->kind == CG_SUBJECT_TEST
            ? NGX_CONSENT_TEST_RETENTION : store->conf->retention;

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
    ngx_consent_buf_word(b, ngx_consent_script_kinds[write->what]);

    script->nwords = write->link.len ? 11 : 10;
}


static void
ngx_consent_script_changes(ngx_consent_script_t *script,
    ngx_consent_store_conf_t *conf, const ngx_consent_write_t *write)
{
    ngx_uint_t  i;

    for (i = 0; i < conf->ndocs; i++) {

        if (write->decline & (1u << i)) {
            ngx_consent_script_change(script, "d.", &conf->docs[i], "-", 0);

        } else if (write->accept & (1u << i)) {
            ngx_consent_script_change(script, "d.", &conf->docs[i], "%ui",
                                      write->versions[i]);
        }
    }

    for (i = 0; i < conf->npurposes; i++) {

        if (write->answered & (1u << i)) {
            ngx_consent_script_change(script, "p.", &conf->purposes[i], "%ui",
                                      (write->granted >> i) & 1);
        }
    }

    ngx_consent_script_traits(script, write);
}


static void
ngx_consent_script_traits(ngx_consent_script_t *script,
    const ngx_consent_write_t *write)
{
    size_t    n;
    u_char    day[NGX_INT32_LEN];
    uint8_t   text[CG_MAX_AGE_TEXT];

    if (write->age_state != CG_AGE_NONE) {
        n = cg_age_text(write->age_state, write->age, text);
        ngx_consent_script_pair(script, cg_field_name(CG_FIELD_AGE),
                                (cg_str_t) { n, text });
    }

    if (write->eea_day) {
        n = ngx_sprintf(day, "%uD", write->eea_day) - day;
        ngx_consent_script_pair(script, cg_field_name(CG_FIELD_EEA),
                                (cg_str_t) { n, day });
    }

    if (write->resides) {
        n = cg_country_code(write->residence, text);
        ngx_consent_script_pair(script, cg_field_name(CG_FIELD_RESIDENCE),
                                (cg_str_t) { n, text });
    }
}


static void
ngx_consent_script_change(ngx_consent_script_t *script, const char *prefix,
    ngx_str_t *name, const char *fmt, ngx_uint_t value)
{
    size_t   len;
    u_char  *last, field[2 + CG_MAX_NAME], text[NGX_INT_T_LEN];

    last = ngx_cpymem(field, prefix, 2);
    last = ngx_cpymem(last, name->data, ngx_min(name->len, CG_MAX_NAME));
    len = last - field;

    last = ngx_sprintf(text, fmt, value);

    ngx_consent_script_pair(script, (cg_str_t) { len, field },
                            (cg_str_t) { (size_t) (last - text), text });
}


static void
ngx_consent_script_pair(ngx_consent_script_t *script, cg_str_t field,
    cg_str_t value)
{
    ngx_consent_buf_bulk(&script->changes, field.data, field.len);
    ngx_consent_buf_bulk(&script->changes, value.data, value.len);

    script->nwords += 2;
}


static void
ngx_consent_script_free(void *data)
{
    ngx_consent_script_t  *script = data;

    ngx_consent_buf_free(&script->words);
    ngx_consent_buf_free(&script->base);
    ngx_consent_buf_free(&script->changes);

    ngx_free(script);
}


static ngx_consent_command_t *
ngx_consent_script_read(ngx_consent_conn_t *conn,
    ngx_consent_script_t *script)
{
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "HGETALL");
    ngx_consent_buf_bulk(&b, script->previous_key, script->previous_len);

    return ngx_consent_script_command(conn, &b);
}


static ngx_consent_command_t *
ngx_consent_script_eval(ngx_consent_conn_t *conn,
    ngx_consent_script_t *script, ngx_uint_t sha)
{
    ngx_consent_buf_t     b;
    ngx_consent_store_t  *store;

    store = conn->node->store;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 3 + script->nwords + 2 * script->nbase);

    if (sha) {
        ngx_consent_buf_word(&b, "EVALSHA");
        ngx_consent_buf_bulk(&b, store->sha, sizeof(store->sha));

    } else {
        ngx_consent_buf_word(&b, "EVAL");
        ngx_consent_buf_bulk(&b, store->script.data, store->script.len);
    }

    ngx_consent_buf_add(&b, script->words.pos,
                        ngx_consent_buf_size(&script->words));
    ngx_consent_buf_number(&b, script->nbase);
    ngx_consent_buf_add(&b, script->base.pos,
                        ngx_consent_buf_size(&script->base));
    ngx_consent_buf_add(&b, script->changes.pos,
                        ngx_consent_buf_size(&script->changes));

    return ngx_consent_script_command(conn, &b);
}


static ngx_consent_command_t *
ngx_consent_script_command(ngx_consent_conn_t *conn, ngx_consent_buf_t *b)
{
    ngx_consent_command_t  *cmd;

    cmd = NULL;

    if (!b->failed) {
        cmd = ngx_consent_command_new(conn, b->pos, ngx_consent_buf_size(b));
    }

    ngx_consent_buf_free(b);

    return cmd;
}


/* The record under the previous key. */

static ngx_int_t
ngx_consent_script_base(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_conn_t    *conn;
    ngx_consent_script_t  *script;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    script = cmd->data;

    if (ngx_consent_script_base_add(script, reply) != NGX_OK) {
        return ngx_consent_unexpected(cmd);
    }

    if (cmd->call == NULL) {
        /* nobody has sent anything that would change it yet */
        return NGX_OK;
    }

    conn = ngx_consent_route(cmd->conn->node->store, &script->current);

    if (conn == NULL) {
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_DOWN);
        return NGX_OK;
    }

    cmd->handler = ngx_consent_script_reply;

    return ngx_consent_script_again(cmd, conn, 1);
}


static ngx_int_t
ngx_consent_script_base_add(ngx_consent_script_t *script,
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

        ngx_consent_buf_bulk(&script->base, item->str.data, item->str.len);
    }

    script->nbase = n / 2;

    return NGX_OK;
}


static ngx_int_t
ngx_consent_script_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t              written;
    ngx_consent_call_t    *call;
    ngx_consent_script_t  *script;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (ngx_consent_reply_error(reply, "NOSCRIPT")
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

    script = cmd->data;

    if (written == NGX_CONSENT_WRITTEN && script->nbase) {
        ngx_consent_script_unlink(cmd->conn->node->store, script);
    }

    call = cmd->call;

    if (call) {
        call->written = written;
        call->rev = reply->items[2].integer;
    }

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
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


/* Should this be lost the old record is not looked for, and expires. */

static void
ngx_consent_script_unlink(ngx_consent_store_t *store,
    ngx_consent_script_t *script)
{
    ngx_consent_buf_t       b;
    ngx_consent_conn_t     *conn;
    ngx_consent_command_t  *cmd;

    conn = ngx_consent_route(store, &script->previous);

    if (conn == NULL) {
        return;
    }

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "UNLINK");
    ngx_consent_buf_bulk(&b, script->previous_key, script->previous_len);

    cmd = ngx_consent_script_command(conn, &b);

    if (cmd) {
        cmd->handler = ngx_consent_script_unlinked;
        cmd->type = NGX_CONSENT_INTEGER;
        cmd->deadline = ngx_current_msec
                        + store->conf->write_timeout;

        ngx_consent_command_send(cmd, NULL);
    }
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
