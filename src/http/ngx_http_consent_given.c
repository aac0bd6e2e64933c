/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_adopt.h"


/*
 * A cookie beside the receipt, for an hour: which documents a visitor has
 * accepted in this browser. An account that is then seen in it takes these
 * over. It only counts where browsers vouch that nobody else has planted it:
 * under a name with "__Host-" (RFC 6265bis, 4.1.3.2), so that it is not even
 * sent under another.
 */

#define ngx_http_consent_given_suffix  "-given"

#define NGX_HTTP_CONSENT_GIVEN_TTL  3600        /* seconds */


static ngx_uint_t ngx_http_consent_open_given(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);


ngx_int_t
ngx_http_consent_send_given(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const ngx_consent_write_t *write)
{
    u_char                        text[CG_MAX_TOKEN];
    ngx_str_t                     value, *name;
    ngx_uint_t                    i;
    cg_receipt_t                  given;
    cg_receipt_item_t            *item;
    ngx_http_consent_srv_conf_t  *scf;

    if (!ctx->mcf->accounts || !write->accept
        || ctx->subject.kind != CG_SUBJECT_VISITOR
        || !ngx_http_consent_host_cookies(r))
    {
        return NGX_OK;
    }

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    ngx_memzero(&given, sizeof(cg_receipt_t));

    given.expires = ngx_time() + NGX_HTTP_CONSENT_GIVEN_TTL;
    given.subject = ctx->subject;
    given.realm_len = scf->realm.len;
    ngx_memcpy(given.realm, scf->realm.data, scf->realm.len);

    for (i = 0; i < ctx->mcf->ndocs; i++) {

        if (write->accept & (1 << i)) {
            name = &ctx->mcf->docs[i].name;
            item = &given.docs[given.ndocs++];

            item->name_len = (uint8_t) name->len;
            ngx_memcpy(item->name, name->data, name->len);
            item->value = write->versions[i];
        }
    }

    value.data = text;
    value.len = cg_given_seal(ctx->mcf->keys, &given, text);

    if (value.len == 0) {
        return NGX_ERROR;
    }

    return ngx_http_consent_send_other(r, ngx_http_consent_given_suffix,
                                       &value, NGX_HTTP_CONSENT_GIVEN_TTL);
}


ngx_int_t
ngx_http_consent_clear_given(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t  value;

    if (!ctx->mcf->accounts || !ngx_http_consent_host_cookies(r)) {
        return NGX_OK;
    }

    ngx_str_null(&value);

    return ngx_http_consent_send_other(r, ngx_http_consent_given_suffix,
                                       &value, 0);
}


ngx_int_t
ngx_http_consent_read_given(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    if (!ngx_http_consent_host_cookies(r)) {
        return NGX_OK;
    }

    return ngx_http_consent_read_other(r, ctx, ngx_http_consent_given_suffix,
                                       ngx_http_consent_open_given)
           == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_http_consent_open_given(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    size_t                        n;
    ngx_int_t                     i;
    cg_receipt_t                  given;
    cg_receipt_item_t            *item;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(ctx->request,
                                       ngx_http_consent_gate_module);

    if (!cg_given_open(ctx->mcf->keys, &given, value,
                       ngx_http_consent_cstr(&scf->realm), ngx_time())
        || !cg_subject_same(&given.subject, &ctx->adopt->visitor))
    {
        return 0;
    }

    for (n = 0; n < given.ndocs; n++) {
        item = &given.docs[n];
        i = ngx_http_consent_find_document(ctx->mcf,
                                   (cg_str_t) { item->name_len, item->name });

        if (i != NGX_ERROR) {
            ctx->adopt->given[i] = item->value;
        }
    }

    return 1;
}
