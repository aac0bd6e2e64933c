/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_post.h"

#include "../core/cg_export.h"

#include <jansson.h>


/*
 * A visitor's copy: the record, and every event of the subject, the newest
 * first. The subject's chain (each event names the one before) tells when all
 * of it is there, so that the walk through the bucket ends early.
 */

#define NGX_HTTP_CONSENT_EXPORT_MAX   (1024 * 1024)    /* bytes */
#define NGX_HTTP_CONSENT_EXPORT_HEAD  1024
#define NGX_HTTP_CONSENT_EVENT_HEX    (2 * CG_EVENT_ID_LEN)


typedef struct {
    ngx_http_consent_ctx_t    *ctx;
    ngx_consent_walk_t         walk;
    ngx_chain_t               *out;
    ngx_chain_t              **last;
    size_t                     size;
    ngx_uint_t                 nevents;
    u_char                     next[NGX_HTTP_CONSENT_EVENT_HEX];
    unsigned                   chained:1;   /* `next` is what comes next */
    unsigned                   missing:1;   /* not all of it could be read */
    unsigned                   failed:1;    /* out of memory */
} ngx_http_consent_export_t;


static ngx_int_t ngx_http_consent_export_begin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_export_t *x);
static ngx_int_t ngx_http_consent_export_record(ngx_consent_walk_t *walk,
    const cg_str_t *pairs, size_t n);
static ngx_int_t ngx_http_consent_export_entry(ngx_consent_walk_t *walk,
    const ngx_consent_entry_t *entry);
static json_t *ngx_http_consent_export_event(ngx_http_consent_ctx_t *ctx,
    cg_str_t body);
static ngx_int_t ngx_http_consent_export_add(ngx_http_consent_export_t *x,
    const ngx_consent_entry_t *entry);
static ngx_int_t ngx_http_consent_export_follow(ngx_http_consent_export_t *x,
    json_t *event);
static void ngx_http_consent_export_done(ngx_consent_walk_t *walk);
static ngx_int_t ngx_http_consent_export_send(ngx_http_request_t *r,
    ngx_http_consent_export_t *x);
static u_char *ngx_http_consent_export_room(ngx_http_consent_export_t *x,
    size_t size, cg_out_t *out);
static void ngx_http_consent_export_put(ngx_http_consent_export_t *x,
    cg_out_t *out);


ngx_int_t
ngx_http_consent_export(ngx_http_request_t *r, ngx_uint_t what)
{
    ngx_int_t                   rc;
    ngx_http_consent_ctx_t     *ctx;
    ngx_http_consent_export_t  *x;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_consent_get_ctx(r);

    /* another site could not read it, but make the store work */

    if (ctx->facts.cross_site && ctx->facts.klass != CG_CLASS_NAVIGATION) {
        return ngx_http_consent_refuse(r, NGX_HTTP_CONSENT_CROSS_SITE);
    }

    x = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_export_t));

    if (x == NULL || ngx_http_consent_export_begin(r, ctx, x) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->facts.subject == CG_SUBJECT_NONE) {
        (void) ngx_http_consent_export_record(&x->walk, NULL, 0);
        return ngx_http_consent_export_send(r, x);
    }

    if (ctx->facts.lookup == CG_LOOKUP_FAILED) {
        return ngx_http_consent_refuse(r, NGX_HTTP_CONSENT_NO_STORE);
    }

    if (ngx_consent_store_walk(ctx->mcf->client, &x->walk) != NGX_AGAIN) {
        return ngx_http_consent_refuse(r, NGX_HTTP_CONSENT_BUSY);
    }

    ctx->walk = &x->walk;

    if (ngx_http_consent_wait(r, ctx) != NGX_AGAIN) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_consent_export_begin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_export_t *x)
{
    cg_out_t                      out;
    ngx_time_t                   *tp;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    x->ctx = ctx;
    x->last = &x->out;
    x->walk.record = ngx_http_consent_export_record;
    x->walk.entry = ngx_http_consent_export_entry;
    x->walk.done = ngx_http_consent_export_done;
    x->walk.data = x;
    x->walk.subject = &ctx->subject;

    if (ctx->facts.subject != CG_SUBJECT_NONE
        && ngx_http_consent_derive(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_consent_export_room(x, NGX_HTTP_CONSENT_EXPORT_HEAD, &out)
        == NULL)
    {
        return NGX_ERROR;
    }

    tp = ngx_timeofday();

    cg_out_str(&out, cg_str("{\"format\":\"" CG_EXPORT_FORMAT
                            "\",\"version\":"));
    cg_out_uint(&out, CG_EXPORT_VERSION);
    cg_out_str(&out, cg_str(",\"time\":"));
    cg_out_uint(&out, (uint64_t) tp->sec * 1000 + tp->msec);
    cg_out_str(&out, cg_str(",\"gate\":\"" NGX_HTTP_CONSENT_VERSION
                            "\",\"realm\":"));
    cg_out_json(&out, ngx_http_consent_cstr(&scf->realm));
    cg_out_str(&out, cg_str(",\"kept_for\":{\"record\":"));
    cg_out_uint(&out, ctx->mcf->store->retention);
    cg_out_str(&out, cg_str(",\"events\":"));
    cg_out_uint(&out, ctx->mcf->store->proof);
    cg_out_str(&out, cg_str("},\"subject\":"));
    cg_export_subject(&out, ctx->facts.subject, &ctx->subject.current);

    ngx_http_consent_export_put(x, &out);

    return x->failed ? NGX_ERROR : NGX_OK;
}


/* Without a record there is no chain: what an erased one has left is proof. */

static ngx_int_t
ngx_http_consent_export_record(ngx_consent_walk_t *walk,
    const cg_str_t *pairs, size_t n)
{
    ngx_http_consent_export_t *x = walk->data;

    size_t    i;
    cg_out_t  out;

    if (ngx_http_consent_export_room(x, cg_export_record_size(pairs, n) + 64,
                                     &out)
        == NULL)
    {
        return NGX_ERROR;
    }

    cg_out_str(&out, cg_str(",\"record\":"));

    if (n) {
        cg_export_record(&out, pairs, n);

    } else {
        cg_out_str(&out, cg_str("null"));
    }

    cg_out_str(&out, cg_str(",\"events\":["));

    ngx_http_consent_export_put(x, &out);

    for (i = 0; i < n; i++) {
        if (cg_str_eq(pairs[2 * i], cg_field_name(CG_FIELD_EVENT))
            && pairs[2 * i + 1].len == NGX_HTTP_CONSENT_EVENT_HEX)
        {
            ngx_strlow(x->next, (u_char *) pairs[2 * i + 1].data,
                       NGX_HTTP_CONSENT_EVENT_HEX);
            x->chained = 1;
        }
    }

    return x->chained ? NGX_OK : NGX_DONE;
}


static ngx_int_t
ngx_http_consent_export_entry(ngx_consent_walk_t *walk,
    const ngx_consent_entry_t *entry)
{
    ngx_http_consent_export_t *x = walk->data;

    json_t     *event;
    ngx_int_t   rc;

    if (!cg_export_may_be(entry->body, &walk->subject->current)
        && !(walk->subject->has_previous
             && cg_export_may_be(entry->body, &walk->subject->previous)))
    {
        return NGX_OK;
    }

    event = ngx_http_consent_export_event(x->ctx, entry->body);

    if (event == NULL) {
        return NGX_OK;
    }

    rc = ngx_http_consent_export_add(x, entry);

    if (rc == NGX_OK) {
        rc = ngx_http_consent_export_follow(x, event);
    }

    json_decref(event);

    return rc;
}


/* The event that a body tells of, if it is this subject's. */

static json_t *
ngx_http_consent_export_event(ngx_http_consent_ctx_t *ctx, cg_str_t body)
{
    json_t        *event, *subject;
    uint8_t        text[CG_PSEUDONYM_LEN];
    json_error_t   error;

    event = json_loadb((char *) body.data, body.len, JSON_REJECT_DUPLICATES,
                       &error);

    subject = json_object_get(event, "subject");

    if (json_string_length(subject) == CG_PSEUDONYM_LEN) {

        cg_subject_text(&ctx->subject.current, text);

        if (ngx_memcmp(json_string_value(subject), text, sizeof(text)) == 0) {
            return event;
        }

        cg_subject_text(&ctx->subject.previous, text);

        if (ctx->subject.has_previous
            && ngx_memcmp(json_string_value(subject), text, sizeof(text))
               == 0)
        {
            return event;
        }
    }

    json_decref(event);

    return NULL;
}


/* The body stands as it was signed. */

static ngx_int_t
ngx_http_consent_export_add(ngx_http_consent_export_t *x,
    const ngx_consent_entry_t *entry)
{
    size_t    size;
    cg_out_t  out;

    size = entry->body.len + 6 * (entry->id.len + entry->mac.len
                                  + entry->link.len) + 64;

    if (x->size + size > NGX_HTTP_CONSENT_EXPORT_MAX) {
        x->missing = 1;
        return NGX_DECLINED;
    }

    if (ngx_http_consent_export_room(x, size, &out) == NULL) {
        return NGX_ERROR;
    }

    cg_out_str(&out, x->nevents++ ? cg_str(",{\"entry\":")
                                  : cg_str("{\"entry\":"));
    cg_out_json(&out, entry->id);
    cg_out_str(&out, cg_str(",\"event\":"));
    cg_out_str(&out, entry->body);
    cg_out_str(&out, cg_str(",\"mac\":"));
    cg_out_json(&out, entry->mac);
    cg_out_str(&out, cg_str(",\"link\":"));
    cg_out_json(&out, entry->link);
    cg_out_str(&out, cg_str("}"));

    ngx_http_consent_export_put(x, &out);

    return NGX_OK;
}


/* NGX_DONE: this was the first one ever. */

static ngx_int_t
ngx_http_consent_export_follow(ngx_http_consent_export_t *x, json_t *event)
{
    json_t  *id, *prev;

    id = json_object_get(event, "id");
    prev = json_object_get(event, "prev");

    if (json_string_length(id) != NGX_HTTP_CONSENT_EVENT_HEX
        || ngx_memcmp(json_string_value(id), x->next,
                      NGX_HTTP_CONSENT_EVENT_HEX)
           != 0)
    {
        return NGX_OK;
    }

    if (json_is_string(prev) && json_string_length(prev) == 0) {
        x->chained = 0;
        return NGX_DONE;
    }

    if (json_string_length(prev) == NGX_HTTP_CONSENT_EVENT_HEX) {
        ngx_memcpy(x->next, json_string_value(prev),
                   NGX_HTTP_CONSENT_EVENT_HEX);
    }

    return NGX_OK;
}


static void
ngx_http_consent_export_done(ngx_consent_walk_t *walk)
{
    ngx_http_consent_export_t *x = walk->data;

    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = x->ctx->request;
    c = r->connection;

    x->ctx->walk = NULL;

    ngx_http_consent_wake(x->ctx);

    if (walk->status == NGX_CONSENT_STORE_OK) {
        rc = ngx_http_consent_export_send(r, x);

    } else {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "consent gate: an export failed: %s",
                      ngx_consent_status_text(walk->status));

        rc = ngx_http_consent_refuse(r, NGX_HTTP_CONSENT_NO_STORE);
    }

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}


/* "complete": the chain was there from its end to its beginning. */

static ngx_int_t
ngx_http_consent_export_send(ngx_http_request_t *r,
    ngx_http_consent_export_t *x)
{
    cg_out_t   out;
    ngx_int_t  rc;
    ngx_str_t  disposition;

    if (ngx_http_consent_export_room(x, 64, &out) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cg_out_str(&out, x->chained || x->missing
                     ? cg_str("],\"complete\":false}\n")
                     : cg_str("],\"complete\":true}\n"));

    ngx_http_consent_export_put(x, &out);

    ngx_str_set(&disposition, "attachment; filename=\"consent-export.json\"");

    if (x->failed || ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_add_header(r, "Content-Disposition", &disposition)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = x->size;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    for (x->last = &x->out; (*x->last)->next; x->last = &(*x->last)->next) {
        /* void */
    }

    (*x->last)->buf->last_buf = 1;

    return ngx_http_output_filter(r, x->out);
}


/* A buffer for at most `size` bytes; NULL: out of memory. */

static u_char *
ngx_http_consent_export_room(ngx_http_consent_export_t *x, size_t size,
    cg_out_t *out)
{
    u_char  *p;

    p = ngx_pnalloc(x->ctx->request->pool, size);

    if (p == NULL) {
        x->failed = 1;
        return NULL;
    }

    cg_out_init(out, p, size);

    return p;
}


static void
ngx_http_consent_export_put(ngx_http_consent_export_t *x, cg_out_t *out)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(x->ctx->request->pool);
    cl = ngx_alloc_chain_link(x->ctx->request->pool);

    if (b == NULL || cl == NULL || out->overflow) {
        x->failed = 1;
        return;
    }

    b->pos = out->start;
    b->last = out->pos;
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;

    *x->last = cl;
    x->last = &cl->next;
    x->size += cg_out_len(out);
}
