/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/* What a walk asks for and how the replies are read (ngx_consent_walk.c). */

#define NGX_CONSENT_WALK_PAGE    32        /* entries */
#define NGX_CONSENT_WALK_CURSOR  (2 * NGX_INT64_LEN + 2)

/* the silence of the connection ends a walk, not the time of one reply */
#define NGX_CONSENT_WALK_REPLY   60000     /* ms */


static void ngx_consent_walk_ask_page(ngx_consent_walks_t *walks,
    u_char *cursor, size_t len);
static void ngx_consent_walk_ask(ngx_consent_walks_t *walks,
    ngx_consent_buf_t *b, ngx_consent_reply_pt handler);
static size_t ngx_consent_walk_key(ngx_consent_walks_t *walks, char what,
    u_char *key);
static ngx_int_t ngx_consent_walk_record(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_walk_page(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_walk_check(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_walk_entry(const ngx_consent_reply_t *reply,
    size_t *at, ngx_consent_entry_t *entry);
static void ngx_consent_walk_on(ngx_consent_walks_t *walks);
static size_t ngx_consent_walk_before(cg_str_t id, u_char *cursor);


void
ngx_consent_walk_ask_record(ngx_consent_walks_t *walks)
{
    size_t             len;
    u_char             key[CG_MAX_KEY];
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    len = ngx_consent_walk_key(walks, 's', key);

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "HGETALL");
    ngx_consent_buf_bulk(&b, key, len);

    ngx_consent_walk_ask(walks, &b, ngx_consent_walk_record);
}


static void
ngx_consent_walk_ask_page(ngx_consent_walks_t *walks, u_char *cursor,
    size_t len)
{
    size_t             n;
    u_char             key[CG_MAX_KEY];
    ngx_consent_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    n = ngx_consent_walk_key(walks, 'a', key);

    ngx_consent_buf_array(&b, 6);
    ngx_consent_buf_word(&b, "XREVRANGE");
    ngx_consent_buf_bulk(&b, key, n);
    ngx_consent_buf_bulk(&b, cursor, len);
    ngx_consent_buf_word(&b, "-");
    ngx_consent_buf_word(&b, "COUNT");
    ngx_consent_buf_number(&b, NGX_CONSENT_WALK_PAGE);

    ngx_consent_walk_ask(walks, &b, ngx_consent_walk_page);
}


static void
ngx_consent_walk_ask(ngx_consent_walks_t *walks, ngx_consent_buf_t *b,
    ngx_consent_reply_pt handler)
{
    ngx_consent_command_t  *cmd;

    cmd = ngx_consent_command_buf(&walks->node.conn, b);

    if (cmd == NULL) {
        ngx_consent_walk_end(walks, NGX_CONSENT_STORE_FULL);
        return;
    }

    cmd->handler = handler;
    cmd->deadline = ngx_current_msec + NGX_CONSENT_WALK_REPLY;

    ngx_consent_command_send(cmd, NULL);
}


static size_t
ngx_consent_walk_key(ngx_consent_walks_t *walks, char what, u_char *key)
{
    cg_str_t             prefix;
    const cg_subject_t  *subject;

    subject = walks->active->subject;

    prefix.len = walks->store->conf->prefix.len;
    prefix.data = walks->store->conf->prefix.data;

    return cg_subject_key(walks->previous ? &subject->previous
                                          : &subject->current,
                          prefix, what, key);
}


/* NGX_OK: go on. NGX_DECLINED: there is nobody (left) to go on for. */

static ngx_int_t
ngx_consent_walk_check(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_walks_t  *walks;

    walks = ngx_consent_walks_of(cmd->conn);

    if (reply == NULL) {
        ngx_consent_walk_end(walks, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        ngx_consent_walk_end(walks, NGX_CONSENT_STORE_REFUSED);
        return ngx_consent_refused(cmd, reply) == NGX_ERROR ? NGX_ERROR
                                                            : NGX_DECLINED;
    }

    if (walks->active == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_consent_past(walks->active->deadline)) {
        ngx_consent_walk_end(walks, NGX_CONSENT_STORE_TIMEOUT);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_consent_walk_record(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    size_t                i, n;
    cg_str_t              pairs[NGX_CONSENT_REPLY_ELEMENTS];
    ngx_int_t             rc;
    ngx_consent_walk_t   *walk;
    ngx_consent_walks_t  *walks;

    rc = ngx_consent_walk_check(cmd, reply);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : rc;
    }

    walks = ngx_consent_walks_of(cmd->conn);
    walk = walks->active;

    n = reply->nitems - 1;

    if (n % 2 || !ngx_consent_reply_flat(reply, n)) {
        return ngx_consent_unexpected(cmd);
    }

    for (i = 0; i < n; i++) {
        pairs[i] = reply->items[i + 1].str;
    }

    if (n == 0 && walk->subject->has_previous && !walks->previous) {
        walks->previous = 1;
        ngx_consent_walk_ask_record(walks);
        return NGX_OK;
    }

    walks->previous = 0;

    if (walk->record(walk, pairs, n / 2) != NGX_OK) {
        ngx_consent_walk_end(walks, NGX_CONSENT_STORE_OK);
        return NGX_OK;
    }

    ngx_consent_walk_ask_page(walks, (u_char *) "+", 1);

    return NGX_OK;
}


static ngx_int_t
ngx_consent_walk_page(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    size_t                at, n, len;
    u_char                cursor[NGX_CONSENT_WALK_CURSOR];
    ngx_int_t             rc;
    ngx_consent_walk_t   *walk;
    ngx_consent_entry_t   entry;
    ngx_consent_walks_t  *walks;

    rc = ngx_consent_walk_check(cmd, reply);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : rc;
    }

    walks = ngx_consent_walks_of(cmd->conn);
    walk = walks->active;

    at = 1;
    len = 0;

    for (n = 0; n < reply->items[0].count; n++) {

        if (ngx_consent_walk_entry(reply, &at, &entry) != NGX_OK) {
            return ngx_consent_unexpected(cmd);
        }

        rc = walk->entry(walk, &entry);

        if (rc != NGX_OK) {
            walk->whole = (rc == NGX_DONE);
            ngx_consent_walk_end(walks, NGX_CONSENT_STORE_OK);
            return NGX_OK;
        }

        len = ngx_consent_walk_before(entry.id, cursor);
    }

    if (n < NGX_CONSENT_WALK_PAGE || len == 0) {
        ngx_consent_walk_on(walks);

    } else {
        ngx_consent_walk_ask_page(walks, cursor, len);
    }

    return NGX_OK;
}


/* The bucket has come to its beginning. */

static void
ngx_consent_walk_on(ngx_consent_walks_t *walks)
{
    if (walks->active->subject->has_previous && !walks->previous) {
        walks->previous = 1;
        ngx_consent_walk_ask_page(walks, (u_char *) "+", 1);
        return;
    }

    ngx_consent_walk_end(walks, NGX_CONSENT_STORE_OK);
}


/* [id, [field, value, ...]] at items[*at], which is moved behind it. */

static ngx_int_t
ngx_consent_walk_entry(const ngx_consent_reply_t *reply, size_t *at,
    ngx_consent_entry_t *entry)
{
    size_t                     i, n;
    cg_str_t                   field, value;
    const ngx_consent_item_t  *item;

    ngx_memzero(entry, sizeof(ngx_consent_entry_t));

    if (*at + 3 > reply->nitems) {
        return NGX_ERROR;
    }

    item = &reply->items[*at];
    n = item[2].count;

    if (item[0].type != NGX_CONSENT_ARRAY || item[0].count != 2
        || item[1].type != NGX_CONSENT_STRING
        || item[2].type != NGX_CONSENT_ARRAY || n % 2
        || n > reply->nitems - *at - 3)
    {
        return NGX_ERROR;
    }

    entry->id = item[1].str;

    for (i = 3; i < 3 + n; i += 2) {

        if (item[i].type != NGX_CONSENT_STRING
            || item[i + 1].type != NGX_CONSENT_STRING)
        {
            return NGX_ERROR;
        }

        field = item[i].str;
        value = item[i + 1].str;

        if (cg_str_eq(field, cg_str("b"))) {
            entry->body = value;

        } else if (cg_str_eq(field, cg_str("m"))) {
            entry->mac = value;

        } else if (cg_str_eq(field, cg_str("l"))) {
            entry->link = value;
        }
    }

    *at += 3 + n;

    return NGX_OK;
}


/*
 * The id before this one, "MS-SEQ": Redis 6.0 knows no open ends of a range.
 * Without a sequence the end of a range is the last one of its millisecond.
 */

static size_t
ngx_consent_walk_before(cg_str_t id, u_char *cursor)
{
    u_char    *p;
    uint64_t   ms, seq;
    cg_str_t   left, right;

    p = memchr(id.data, '-', id.len);

    if (p == NULL) {
        return 0;
    }

    left = (cg_str_t) { (size_t) (p - id.data), id.data };
    right = (cg_str_t) { id.len - left.len - 1, p + 1 };

    if (!cg_parse_uint(left, UINT64_MAX, &ms)
        || !cg_parse_uint(right, UINT64_MAX, &seq)
        || (ms == 0 && seq == 0))
    {
        return 0;
    }

    p = seq ? ngx_sprintf(cursor, "%uL-%uL", ms, seq - 1)
            : ngx_sprintf(cursor, "%uL", ms - 1);

    return p - cursor;
}
