/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


#define NGX_CONSENT_TOUCH_WORDS  8      /* behind EVALSHA and its script */


static void ngx_consent_touch_words(ngx_consent_store_t *store,
    const ngx_consent_touch_t *touch, ngx_consent_buf_t *words);
static ngx_consent_command_t *ngx_consent_touch_command(
    ngx_consent_conn_t *conn, const ngx_consent_buf_t *words, ngx_uint_t sha);
static void ngx_consent_touch_free(void *data);
static ngx_int_t ngx_consent_touch_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);


/*
 * The day of a visit: "eea" of a record, and nothing else of it. "rev" and the
 * time to live stay, for this is no answer. Redis 6 and later.
 *
 *   KEYS  the record
 *   ARGV  1 day since 1970        4 "1": a record may be made; "0"
 *         2 check ("k")           5 retention of a new one, seconds
 *         3 "1": of an account, which need not have answered; "0"
 *
 * What holds another's check, or something and no check, is left alone. What
 * only has "rev" and "ev" is what an erased record leaves.
 */

static const char  ngx_consent_touch_script[] =

"local key, day, check = KEYS[1], ARGV[1], ARGV[2]\n"
"local flat = redis.call('HGETALL', key)\n"

"if #flat == 0 then\n"
"  if ARGV[4] ~= '1' then return 'conflict' end\n"
"  redis.call('HSET', key, 'k', check, 'eea', day)\n"
"  redis.call('EXPIRE', key, ARGV[5])\n"
"  return 'written'\n"
"end\n"

"local k, eea, said, any\n"
"for i = 1, #flat, 2 do\n"
"  local f, v = flat[i], flat[i + 1]\n"
"  if f == 'k' then k = v\n"
"  elseif f == 'eea' then eea = v; any = true\n"
"  elseif f ~= 'rev' and f ~= 'ev' then said = true; any = true end\n"
"end\n"

"if (k and string.lower(k) ~= check) or (any and not k) then\n"
"  return 'foreign'\n"
"end\n"
"if not said and ARGV[3] ~= '1' then return 'conflict' end\n"
"if eea and (tonumber(eea) or 0) >= tonumber(day) then\n"
"  return 'unchanged'\n"
"end\n"

"redis.call('HSET', key, 'k', check, 'eea', day)\n"
"return 'written'\n";


void
ngx_consent_touch_init(ngx_consent_store_t *store)
{
    ngx_consent_script_sha(store->touch_sha, ngx_consent_touch_script,
                           sizeof(ngx_consent_touch_script) - 1);
}


ngx_int_t
ngx_consent_store_touch(ngx_consent_store_t *store, ngx_consent_call_t *call,
    const ngx_consent_touch_t *touch)
{
    ngx_consent_buf_t      *words;
    ngx_consent_conn_t     *conn;
    ngx_consent_command_t  *cmd;

    call->written = NGX_CONSENT_CONFLICT;

    conn = ngx_consent_call_write(store, call);
    if (conn == NULL) {
        return NGX_OK;
    }

    words = ngx_calloc(sizeof(ngx_consent_buf_t), store->log);
    if (words == NULL) {
        return NGX_OK;
    }

    ngx_consent_touch_words(store, touch, words);

    cmd = ngx_consent_touch_command(conn, words, 1);
    if (cmd == NULL) {
        ngx_consent_touch_free(words);
        return NGX_OK;
    }

    cmd->handler = ngx_consent_touch_reply;
    cmd->deadline = call->deadline;
    cmd->repeat = 1;            /* a day only rises */
    cmd->data = words;
    cmd->cleanup = ngx_consent_touch_free;

    ngx_consent_command_send(cmd, call);

    return NGX_AGAIN;
}


/* The number of keys, the key, and the arguments. */

static void
ngx_consent_touch_words(ngx_consent_store_t *store,
    const ngx_consent_touch_t *touch, ngx_consent_buf_t *words)
{
    size_t                 len;
    u_char                 key[CG_MAX_KEY];
    cg_str_t               prefix;
    const cg_pseudonym_t  *pseudonym;

    pseudonym = &touch->subject->current;
    prefix.len = store->conf->prefix.len;
    prefix.data = store->conf->prefix.data;

    len = cg_subject_key(pseudonym, prefix, 's', key);

    ngx_consent_buf_number(words, 1);
    ngx_consent_buf_bulk(words, key, len);
    ngx_consent_buf_number(words, touch->day);
    ngx_consent_buf_hex(words, pseudonym->check, CG_SUBJECT_CHECK_LEN);
    ngx_consent_buf_number(words, touch->account);
    ngx_consent_buf_number(words, touch->create);
    ngx_consent_buf_number(words, store->conf->retention);
}


static ngx_consent_command_t *
ngx_consent_touch_command(ngx_consent_conn_t *conn,
    const ngx_consent_buf_t *words, ngx_uint_t sha)
{
    ngx_consent_buf_t       b;
    ngx_consent_command_t  *cmd;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 1 + NGX_CONSENT_TOUCH_WORDS);

    if (sha) {
        ngx_consent_buf_word(&b, "EVALSHA");
        ngx_consent_buf_bulk(&b, conn->node->store->touch_sha, 40);

    } else {
        ngx_consent_buf_word(&b, "EVAL");
        ngx_consent_buf_bulk(&b, ngx_consent_touch_script,
                             sizeof(ngx_consent_touch_script) - 1);
    }

    ngx_consent_buf_add(&b, words->pos, ngx_consent_buf_size(words));

    b.failed |= words->failed;

    cmd = ngx_consent_command_buf(conn, &b);

    if (cmd) {
        cmd->write = 1;
        cmd->whole = !sha;
        cmd->type = NGX_CONSENT_STRING;
    }

    return cmd;
}


static void
ngx_consent_touch_free(void *data)
{
    ngx_consent_buf_t *words = data;

    ngx_consent_buf_free(words);
    ngx_free(words);
}


static ngx_int_t
ngx_consent_touch_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t               written;
    ngx_consent_command_t  *next;

    if (reply == NULL) {
        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (ngx_consent_reply_error(reply, "NOSCRIPT") && !cmd->whole
        && cmd->call)
    {
        next = ngx_consent_touch_command(cmd->conn, cmd->data, 0);

        ngx_consent_command_follow(next, cmd);

        return NGX_OK;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        return ngx_consent_refused(cmd, reply);
    }

    written = ngx_consent_script_result(reply->items[0].str);

    if (written == NGX_ERROR) {
        return ngx_consent_unexpected(cmd);
    }

    if (cmd->call) {
        cmd->call->written = written;
    }

    ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_OK);

    return NGX_OK;
}
