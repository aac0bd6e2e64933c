/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/*
 * The receipt cookie: what the visitor has answered, for the time in which
 * the store cannot tell. It says nothing that is not on record, and is
 * replaced with every answer; a kept copy of an old one counts for no longer
 * than the store is away.
 */

#define ngx_http_consent_receipt_suffix  "-receipt"


static ngx_uint_t ngx_http_consent_open_receipt(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static ngx_uint_t ngx_http_consent_take_receipt(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static void ngx_http_consent_receipt_record(
    ngx_http_consent_main_conf_t *mcf, const cg_receipt_t *receipt,
    cg_record_t *record);
static void ngx_http_consent_fill_receipt(ngx_http_consent_main_conf_t *mcf,
    const cg_record_t *record, cg_receipt_t *receipt);
static void ngx_http_consent_receipt_item(cg_receipt_item_t *item,
    ngx_str_t *name, uint32_t value);


ngx_int_t
ngx_http_consent_read_receipt(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->receipt || ctx->facts.subject == CG_SUBJECT_NONE) {
        return NGX_OK;
    }

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_consent_read_other(r, ctx, ngx_http_consent_receipt_suffix,
                                     ngx_http_consent_open_receipt);

    if (rc == NGX_OK) {
        ctx->facts.receipt = ctx->receipt;
    }

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_http_consent_open_receipt(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    cg_receipt_t                  receipt;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(ctx->request,
                                       ngx_http_consent_gate_module);

    if (!cg_receipt_open(ctx->mcf->keys, &receipt, value,
                         ngx_http_consent_cstr(&scf->realm), ngx_time())
        || !cg_subject_same(&receipt.subject, &ctx->subject))
    {
        return 0;
    }

    ctx->receipt = ngx_palloc(ctx->request->pool, sizeof(cg_record_t));
    if (ctx->receipt == NULL) {
        return 0;
    }

    ngx_http_consent_receipt_record(ctx->mcf, &receipt, ctx->receipt);

    return 1;
}


ngx_int_t
ngx_http_consent_receipt_text(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    return ngx_http_consent_read_other(r, ctx, ngx_http_consent_receipt_suffix,
                                       ngx_http_consent_take_receipt)
           == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_http_consent_take_receipt(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    ctx->receipt_text = ngx_http_consent_nstr(value);

    return 1;
}


/* By name: what the configuration does not have any more is left out. */

static void
ngx_http_consent_receipt_record(ngx_http_consent_main_conf_t *mcf,
    const cg_receipt_t *receipt, cg_record_t *record)
{
    size_t                    n;
    ngx_int_t                 i;
    const cg_receipt_item_t  *item;

    ngx_memzero(record, sizeof(cg_record_t));

    record->age_state = receipt->age_state;
    record->age = receipt->age;
    record->residence = receipt->residence;

    for (n = 0; n < receipt->ndocs; n++) {
        item = &receipt->docs[n];
        i = ngx_http_consent_find_document(mcf,
                                   (cg_str_t) { item->name_len, item->name });

        if (i != NGX_ERROR) {
            record->accepted[i] = item->value;
            record->declined |= (cg_docs_t) ((item->value == 0) << i);
        }
    }

    for (n = 0; n < receipt->npurposes; n++) {
        item = &receipt->purposes[n];
        i = ngx_http_consent_find_purpose(mcf,
                                   (cg_str_t) { item->name_len, item->name });

        if (i != NGX_ERROR) {
            record->answered |= (cg_purposes_t) (1 << i);
            record->granted |= (cg_purposes_t) (item->value << i);
        }
    }
}


ngx_int_t
ngx_http_consent_send_receipt(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const cg_record_t *record)
{
    u_char                        text[CG_MAX_TOKEN];
    time_t                        life;
    ngx_str_t                     value;
    cg_receipt_t                  receipt;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    ngx_memzero(&receipt, sizeof(cg_receipt_t));

    life = ngx_http_consent_cookie_life(r, ctx);
    receipt.expires = ngx_time() + life;
    receipt.subject = ctx->subject;
    receipt.realm_len = scf->realm.len;
    ngx_memcpy(receipt.realm, scf->realm.data, scf->realm.len);

    ngx_http_consent_fill_receipt(ctx->mcf, record, &receipt);

    value.data = text;
    value.len = cg_receipt_seal(ctx->mcf->keys, &receipt, text);

    if (value.len == 0) {
        return NGX_ERROR;
    }

    return ngx_http_consent_send_other(r, ngx_http_consent_receipt_suffix,
                                       &value, life);
}


ngx_int_t
ngx_http_consent_clear_receipt(ngx_http_request_t *r)
{
    ngx_str_t  value;

    ngx_str_null(&value);

    return ngx_http_consent_send_other(r, ngx_http_consent_receipt_suffix,
                                       &value, 0);
}


static void
ngx_http_consent_fill_receipt(ngx_http_consent_main_conf_t *mcf,
    const cg_record_t *record, cg_receipt_t *receipt)
{
    size_t  i;

    receipt->age_state = record->age_state;
    receipt->age = record->age;
    receipt->residence = record->residence;

    for (i = 0; i < mcf->ndocs; i++) {
        if (record->accepted[i] || (record->declined & (1 << i))) {
            ngx_http_consent_receipt_item(&receipt->docs[receipt->ndocs++],
                                          &mcf->docs[i].name,
                                          record->declined & (1 << i)
                                          ? 0 : record->accepted[i]);
        }
    }

    for (i = 0; i < mcf->npurposes; i++) {
        if (record->answered & (1 << i)) {
            ngx_http_consent_receipt_item(
                                 &receipt->purposes[receipt->npurposes++],
                                 &mcf->purposes[i].name,
                                 (record->granted >> i) & 1);
        }
    }
}


static void
ngx_http_consent_receipt_item(cg_receipt_item_t *item, ngx_str_t *name,
    uint32_t value)
{
    item->name_len = (uint8_t) name->len;
    ngx_memcpy(item->name, name->data, name->len);
    item->value = value;
}
