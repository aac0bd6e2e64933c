/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_sha1.h>

#include "ngx_consent_store_internal.h"


/*
 * The policy hash, field by field. What is wrong keeps the last good one, and
 * is logged when it becomes wrong, by the worker that has read it.
 */

typedef struct {
    ngx_consent_store_t      *store;
    ngx_consent_documents_t  *docs;
    uint32_t                  seen;       /* bits: entries of docs */
    ngx_uint_t                changed;
    ngx_uint_t                ignored;
} ngx_consent_documents_ctx_t;


static void ngx_consent_documents_field(ngx_consent_documents_ctx_t *ctx,
    cg_str_t name, cg_str_t text);
static void ngx_consent_documents_epoch(ngx_consent_documents_ctx_t *ctx,
    cg_str_t text);
static void ngx_consent_documents_parse(ngx_consent_documents_ctx_t *ctx,
    ngx_consent_document_t *doc, cg_str_t text);
static void ngx_consent_documents_malformed(ngx_consent_documents_ctx_t *ctx,
    ngx_consent_document_t *doc, const u_char *digest, const char *why);
static void ngx_consent_documents_gone(ngx_consent_documents_ctx_t *ctx);
static void ngx_consent_documents_ignored(ngx_consent_documents_ctx_t *ctx);
static ngx_consent_document_t *ngx_consent_documents_entry(
    ngx_consent_documents_ctx_t *ctx, cg_str_t name);
static ngx_consent_document_t *ngx_consent_documents_spare(
    ngx_consent_documents_ctx_t *ctx);
static ngx_uint_t ngx_consent_documents_wanted(ngx_consent_store_t *store,
    const u_char *name, size_t len);


ngx_uint_t
ngx_consent_documents_apply(ngx_consent_store_t *store,
    ngx_consent_documents_t *docs, const ngx_consent_reply_t *reply)
{
    size_t                        i;
    const ngx_consent_item_t     *item;
    ngx_consent_documents_ctx_t   ctx;

    ngx_memzero(&ctx, sizeof(ngx_consent_documents_ctx_t));

    ctx.store = store;
    ctx.docs = docs;

    for (i = 1; i + 1 < reply->nitems; i += 2) {
        item = &reply->items[i];

        if (item[0].type != NGX_CONSENT_STRING
            || item[1].type != NGX_CONSENT_STRING)
        {
            ctx.ignored++;

        } else if (cg_str_eq(item[0].str, cg_str("epoch"))) {
            ngx_consent_documents_epoch(&ctx, item[1].str);

        } else {
            ngx_consent_documents_field(&ctx, item[0].str, item[1].str);
        }
    }

    ngx_consent_documents_gone(&ctx);
    ngx_consent_documents_ignored(&ctx);

    return ctx.changed;
}


static void
ngx_consent_documents_field(ngx_consent_documents_ctx_t *ctx, cg_str_t name,
    cg_str_t text)
{
    ngx_consent_document_t  *doc;

    doc = ngx_consent_documents_entry(ctx, name);

    if (doc == NULL) {
        ctx->ignored++;
        return;
    }

    ctx->seen |= (uint32_t) 1 << (doc - ctx->docs->docs);

    ngx_consent_documents_parse(ctx, doc, text);
}


static void
ngx_consent_documents_epoch(ngx_consent_documents_ctx_t *ctx, cg_str_t text)
{
    uint64_t  epoch;

    if (!cg_parse_uint(text, UINT64_MAX, &epoch)) {
        ctx->ignored++;

    } else if (epoch != ctx->docs->epoch) {
        ctx->docs->epoch = epoch;
        ctx->changed = 1;
    }
}


static void
ngx_consent_documents_parse(ngx_consent_documents_ctx_t *ctx,
    ngx_consent_document_t *doc, cg_str_t text)
{
    u_char       digest[20];
    ngx_sha1_t   sha1;
    const char  *why;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, text.data, text.len);
    ngx_sha1_final(digest, &sha1);

    if (doc->state == NGX_CONSENT_DOCUMENT_MALFORMED
        && ngx_memcmp(doc->bad, digest, sizeof(digest)) == 0)
    {
        return;
    }

    if (doc->state == NGX_CONSENT_DOCUMENT_OK
        && doc->policy.known
        && ngx_memcmp(doc->good, digest, sizeof(digest)) == 0)
    {
        return;
    }

    ctx->changed = 1;

    why = text.len <= CG_MAX_POLICY ? cg_policy_parse(&doc->policy, text)
                                    : "too long";
    if (why) {
        ngx_consent_documents_malformed(ctx, doc, digest, why);
        return;
    }

    if (doc->state != NGX_CONSENT_DOCUMENT_OK) {
        ngx_log_error(NGX_LOG_NOTICE, ctx->store->log, 0,
                      "consent store: policy \"%*s\" is good again",
                      (size_t) doc->name_len, doc->name);
    }

    doc->state = NGX_CONSENT_DOCUMENT_OK;
    ngx_memcpy(doc->good, digest, sizeof(digest));
}


static void
ngx_consent_documents_malformed(ngx_consent_documents_ctx_t *ctx,
    ngx_consent_document_t *doc, const u_char *digest, const char *why)
{
    doc->state = NGX_CONSENT_DOCUMENT_MALFORMED;
    ngx_memcpy(doc->bad, digest, sizeof(doc->bad));

    ngx_log_error(NGX_LOG_ERR, ctx->store->log, 0,
                  "consent store: policy \"%*s\" is malformed: %s; %s",
                  (size_t) doc->name_len, doc->name, why,
                  doc->policy.known ? "the one before stays in force"
                                    : "the configured one is in force");
}


static void
ngx_consent_documents_gone(ngx_consent_documents_ctx_t *ctx)
{
    ngx_uint_t               i;
    ngx_consent_document_t  *doc;

    for (i = 0; i < ctx->docs->ndocs; i++) {
        doc = &ctx->docs->docs[i];

        if ((ctx->seen & ((uint32_t) 1 << i))
            || doc->state == NGX_CONSENT_DOCUMENT_GONE)
        {
            continue;
        }

        doc->state = NGX_CONSENT_DOCUMENT_GONE;
        ctx->changed = 1;

        if (doc->policy.known) {
            ngx_log_error(NGX_LOG_WARN, ctx->store->log, 0,
                          "consent store: policy \"%*s\" is gone; "
                          "the last one stays in force",
                          (size_t) doc->name_len, doc->name);
        }
    }
}


static void
ngx_consent_documents_ignored(ngx_consent_documents_ctx_t *ctx)
{
    if (ctx->ignored == ctx->docs->ignored) {
        return;
    }

    ctx->docs->ignored = ctx->ignored;
    ctx->changed = 1;

    if (ctx->ignored) {
        ngx_log_error(NGX_LOG_WARN, ctx->store->log, 0,
                      "consent store: %ui policies are ignored: not a "
                      "document's name, not an epoch, or more than %d",
                      ctx->ignored, NGX_CONSENT_ZONE_DOCUMENTS);
    }
}


static ngx_consent_document_t *
ngx_consent_documents_entry(ngx_consent_documents_ctx_t *ctx, cg_str_t name)
{
    ngx_uint_t                i;
    ngx_consent_document_t   *doc;
    ngx_consent_documents_t  *docs;

    docs = ctx->docs;

    if (!cg_name_valid(name)) {
        return NULL;
    }

    for (i = 0; i < docs->ndocs; i++) {
        doc = &docs->docs[i];

        if (doc->name_len == name.len
            && ngx_memcmp(doc->name, name.data, name.len) == 0)
        {
            return doc;
        }
    }

    if (docs->ndocs < NGX_CONSENT_ZONE_DOCUMENTS) {
        doc = &docs->docs[docs->ndocs++];

    } else if (ngx_consent_documents_wanted(ctx->store, name.data, name.len)) {
        doc = ngx_consent_documents_spare(ctx);

    } else {
        doc = NULL;
    }

    if (doc) {
        ngx_memzero(doc, sizeof(ngx_consent_document_t));
        doc->name_len = name.len;
        ngx_memcpy(doc->name, name.data, name.len);
    }

    return doc;
}


/*
 * The zone is full: one that is gone, or that this configuration does not
 * use, makes room.
 */

static ngx_consent_document_t *
ngx_consent_documents_spare(ngx_consent_documents_ctx_t *ctx)
{
    ngx_uint_t               i;
    ngx_consent_document_t  *doc, *spare;

    spare = NULL;

    for (i = 0; i < ctx->docs->ndocs; i++) {
        doc = &ctx->docs->docs[i];

        if (ngx_consent_documents_wanted(ctx->store, doc->name,
                                         doc->name_len))
        {
            continue;
        }

        if (spare == NULL || doc->state == NGX_CONSENT_DOCUMENT_GONE) {
            spare = doc;
        }
    }

    return spare;
}


static ngx_uint_t
ngx_consent_documents_wanted(ngx_consent_store_t *store, const u_char *name,
    size_t len)
{
    ngx_str_t   *docs;
    ngx_uint_t   i;

    docs = store->conf->docs;

    for (i = 0; i < store->conf->ndocs; i++) {
        if (docs[i].len == len && ngx_memcmp(docs[i].data, name, len) == 0) {
            return 1;
        }
    }

    return 0;
}
