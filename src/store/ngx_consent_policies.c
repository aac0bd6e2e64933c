/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * The policies are read by one worker, whichever notices first that it is
 * time to, into the slot of the zone that is not in use; then the generation
 * is counted up, whose low bit is the slot in use. Each worker copies what is
 * in force for its own documents when it sees another generation. A worker
 * that dies half way leaves the slot in use whole, and nginx releases the
 * mutex.
 */

static void ngx_consent_policies_timer(ngx_event_t *ev);
static void ngx_consent_policies_fetch(ngx_consent_store_t *store,
    ngx_consent_conn_t *conn);
static ngx_uint_t ngx_consent_policies_claim(ngx_consent_shared_t *sh);
static ngx_consent_command_t *ngx_consent_policies_command(
    ngx_consent_conn_t *conn, ngx_msec_t deadline);
static ngx_int_t ngx_consent_policies_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_policies_stored(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static ngx_int_t ngx_consent_policies_again(ngx_consent_command_t *cmd);
static ngx_int_t ngx_consent_policies_store(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
static void ngx_consent_policies_copy(ngx_consent_store_t *store);
static void ngx_consent_policies_words(cg_policy_t *policy,
    const cg_policy_t *statics);
static const cg_policy_t *ngx_consent_policies_find(
    ngx_consent_documents_t *docs, ngx_str_t *name);


void
ngx_consent_policies_init(ngx_consent_store_t *store)
{
    ngx_consent_store_conf_t  *conf;

    conf = store->conf;

    store->policies.ndocs = conf->ndocs;
    store->policies.npurposes = conf->npurposes;
    store->policies.necessary = conf->necessary;
    store->policies.gpc_deny = conf->gpc_deny;

    ngx_consent_policies_copy(store);

    store->poll.handler = ngx_consent_policies_timer;
    store->poll.data = store;
    store->poll.log = store->log;
    store->poll.cancelable = 1;

    /* connects at the first turn of the event loop, too */
    ngx_add_timer(&store->poll, 1);
}


void
ngx_consent_policies_done(ngx_consent_store_t *store)
{
    if (store->poll.timer_set) {
        ngx_del_timer(&store->poll);
    }
}


static void
ngx_consent_policies_timer(ngx_event_t *ev)
{
    ngx_msec_t            next;
    ngx_consent_store_t  *store;

    store = ev->data;

    if (ngx_exiting) {
        return;
    }

    if (ngx_consent_store_conn(store)) {
        ngx_consent_policies_poll(store);
    }

    next = store->zone->sh->read ? NGX_CONSENT_POLL : NGX_CONSENT_POLL_UNREAD;

    ngx_add_timer(ev, next - ngx_random() % (next / 5));
}


/*
 * The claim lasts until the next one is due. When it comes to nothing it is
 * given back (ngx_consent_policies_reply).
 */

static ngx_uint_t
ngx_consent_policies_claim(ngx_consent_shared_t *sh)
{
    ngx_msec_t         next;
    ngx_atomic_uint_t  old;

    old = sh->poll_at;

    if (old && !ngx_consent_past(old)) {
        return 0;
    }

    next = sh->read ? NGX_CONSENT_POLL - NGX_CONSENT_POLL_JITTER
                    : NGX_CONSENT_POLL_UNREAD / 2;

    return ngx_atomic_cmp_set(&sh->poll_at, old,
                              (ngx_current_msec + next) | 1);
}


void
ngx_consent_policies_poll(ngx_consent_store_t *store)
{
    ngx_consent_conn_t  *conn;

    conn = ngx_consent_store_conn(store);

    if (conn && ngx_consent_policies_claim(store->zone->sh)) {
        ngx_consent_policies_fetch(store, conn);
    }
}


static void
ngx_consent_policies_fetch(ngx_consent_store_t *store,
    ngx_consent_conn_t *conn)
{
    ngx_consent_command_t  *cmd;

    cmd = ngx_consent_policies_command(conn, ngx_current_msec
                                             + store->conf->write_timeout);
    if (cmd) {
        ngx_consent_command_send(cmd, NULL);
    }
}


/*
 * Replies that were read before this change may still be on their way, to
 * this and to other workers: each of them sees that the count has moved, and
 * asks again instead of storing what is old. So one in flight is enough.
 */

void
ngx_consent_policies_changed(ngx_consent_store_t *store)
{
    (void) ngx_atomic_fetch_add(&store->zone->sh->changes, 1);

    store->refresh = 1;

    ngx_consent_policies_refresh(store);
}


void
ngx_consent_policies_refresh(ngx_consent_store_t *store)
{
    ngx_consent_conn_t  *conn;

    if (!store->refresh || store->fetches) {
        return;
    }

    conn = ngx_consent_store_conn(store);

    if (conn == NULL) {
        /* whoever reaches the node first shall do it */
        store->zone->sh->poll_at = 0;
        return;
    }

    ngx_consent_policies_fetch(store, conn);
}


ngx_int_t
ngx_consent_store_fetch(ngx_consent_store_t *store, ngx_consent_call_t *call)
{
    ngx_consent_conn_t     *conn;
    ngx_consent_command_t  *cmd;

    conn = ngx_consent_call_start(store, call, store->conf->timeout);
    if (conn == NULL) {
        return NGX_OK;
    }

    cmd = ngx_consent_policies_command(conn, call->deadline);
    if (cmd == NULL) {
        return NGX_OK;
    }

    ngx_consent_command_send(cmd, call);

    return NGX_AGAIN;
}


static ngx_consent_command_t *
ngx_consent_policies_command(ngx_consent_conn_t *conn, ngx_msec_t deadline)
{
    u_char                 *last, key[CG_MAX_PREFIX + 1];
    ngx_str_t              *prefix;
    ngx_consent_buf_t       b;
    ngx_consent_command_t  *cmd;

    prefix = &conn->node->store->conf->prefix;

    last = ngx_cpymem(key, prefix->data, ngx_min(prefix->len, CG_MAX_PREFIX));
    *last++ = 'p';

    ngx_memzero(&b, sizeof(ngx_consent_buf_t));

    ngx_consent_buf_array(&b, 2);
    ngx_consent_buf_word(&b, "HGETALL");
    ngx_consent_buf_bulk(&b, key, last - key);

    cmd = ngx_consent_command_buf(conn, &b);

    if (cmd) {
        cmd->handler = ngx_consent_policies_reply;
        cmd->repeat = 1;
        cmd->deadline = deadline;
        cmd->changes = conn->node->store->zone->sh->changes;

        conn->node->store->fetches++;
    }

    return cmd;
}


static ngx_int_t
ngx_consent_policies_reply(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    size_t                n;
    ngx_consent_store_t  *store;

    store = cmd->conn->node->store;

    store->fetches--;

    if (reply == NULL) {
        store->zone->sh->poll_at = 0;

        ngx_consent_command_finish(cmd, cmd->status);
        return NGX_ERROR;
    }

    if (reply->items[0].type == NGX_CONSENT_ERROR) {
        store->refresh = 0;

        return ngx_consent_refused(cmd, reply);
    }

    n = reply->nitems - 1;

    if (n % 2 || !ngx_consent_reply_flat(reply, n)) {
        return ngx_consent_unexpected(cmd);
    }

    return ngx_consent_policies_stored(cmd, reply);
}


static ngx_int_t
ngx_consent_policies_stored(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_consent_store_t  *store;

    store = cmd->conn->node->store;

    switch (ngx_consent_policies_store(cmd, reply)) {

    case NGX_OK:
        store->refresh = 0;
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_OK);
        break;

    case NGX_AGAIN:
        return ngx_consent_policies_again(cmd);

    default:
        ngx_consent_command_finish(cmd, NGX_CONSENT_STORE_FULL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_consent_policies_again(ngx_consent_command_t *cmd)
{
    ngx_consent_command_t  *next;

    if (cmd->call == NULL) {
        cmd->deadline = ngx_current_msec
                        + cmd->conn->node->store->conf->write_timeout;
    }

    next = ngx_consent_policies_command(cmd->conn, cmd->deadline);

    ngx_consent_command_follow(next, cmd);

    return NGX_OK;
}


/*
 * Parsed and logged outside the mutex. If somebody else was faster what they
 * have read is as new as this. NGX_AGAIN: there was a change since this was
 * asked for. The worker with the feed stores it all the same, for its replies
 * come in order, and a stream of changes must not keep it from ever storing
 * one.
 */

static ngx_int_t
ngx_consent_policies_store(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply)
{
    ngx_int_t                 rc;
    ngx_atomic_uint_t         generation;
    ngx_consent_zone_t       *zone;
    ngx_consent_store_t      *store;
    ngx_consent_shared_t     *sh;
    ngx_consent_documents_t  *docs;

    store = cmd->conn->node->store;
    zone = store->zone;
    sh = zone->sh;

    docs = ngx_alloc(sizeof(ngx_consent_documents_t), store->log);
    if (docs == NULL) {
        return NGX_ERROR;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    generation = sh->generation;
    *docs = sh->slots[generation & 1];

    ngx_shmtx_unlock(&zone->shpool->mutex);

    /* who counts changes stores after that, and moves the generation */
    rc = (cmd->changes == sh->changes) ? NGX_OK : NGX_AGAIN;

    if ((rc == NGX_OK || store->refresh)
        && ngx_consent_documents_apply(store, docs, reply))
    {
        ngx_shmtx_lock(&zone->shpool->mutex);

        if (sh->generation == generation) {
            sh->slots[(generation + 1) & 1] = *docs;

            ngx_memory_barrier();

            sh->generation = generation + 1;
        }

        ngx_shmtx_unlock(&zone->shpool->mutex);
    }

    sh->read = 1;

    ngx_free(docs);

    return rc;
}


const cg_policies_t *
ngx_consent_store_policies(ngx_consent_store_t *store)
{
    if (store->generation != store->zone->sh->generation) {
        ngx_consent_policies_copy(store);
    }

    return &store->policies;
}


bool
ngx_consent_store_policies_read(ngx_consent_store_t *store)
{
    return store->zone->sh->read != 0;
}


static void
ngx_consent_policies_copy(ngx_consent_store_t *store)
{
    ngx_uint_t                 i;
    const cg_policy_t         *policy;
    ngx_consent_zone_t        *zone;
    ngx_consent_documents_t   *docs;
    ngx_consent_store_conf_t  *conf;

    zone = store->zone;
    conf = store->conf;

    ngx_shmtx_lock(&zone->shpool->mutex);

    store->generation = zone->sh->generation;
    docs = &zone->sh->slots[store->generation & 1];

    for (i = 0; i < conf->ndocs; i++) {
        policy = ngx_consent_policies_find(docs, &conf->docs[i]);

        store->policies.docs[i] = policy ? *policy : conf->statics[i];

        if (policy) {
            ngx_consent_policies_words(&store->policies.docs[i],
                                       &conf->statics[i]);
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


/* A title and an address need not be said again with each version. */

static void
ngx_consent_policies_words(cg_policy_t *policy, const cg_policy_t *statics)
{
    if (policy->title_len == 0) {
        policy->title_len = statics->title_len;
        ngx_memcpy(policy->title, statics->title, CG_MAX_TITLE);
    }

    if (policy->url_len == 0) {
        policy->url_len = statics->url_len;
        ngx_memcpy(policy->url, statics->url, CG_MAX_URL);
    }
}


static const cg_policy_t *
ngx_consent_policies_find(ngx_consent_documents_t *docs, ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_consent_document_t  *doc;

    for (i = 0; i < docs->ndocs; i++) {
        doc = &docs->docs[i];

        if (doc->policy.known
            && doc->name_len == name->len
            && ngx_memcmp(doc->name, name->data, name->len) == 0)
        {
            return &doc->policy;
        }
    }

    return NULL;
}
