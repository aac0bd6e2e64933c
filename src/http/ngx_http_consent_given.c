/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_adopt.h"
#include "ngx_http_consent_post.h"


/*
 * A cookie beside the receipt: which documents a visitor has accepted in this
 * browser within the hour. An account that is then seen in it takes these
 * over. It only counts where browsers vouch that nobody else has planted it:
 * under a name with "__Host-" (RFC 6265bis, 4.1.3.2), so that it is not even
 * sent under another.
 *
 * A token is for one answer and has an hour of its own. Another answer puts
 * its token in front of those that still tell something, "TOKEN~TOKEN": '~' is
 * in no token.
 */

#define ngx_http_consent_given_suffix  "-given"

#define NGX_HTTP_CONSENT_GIVEN_TTL   3600       /* seconds */
#define NGX_HTTP_CONSENT_GIVEN_SIZE  3500       /* bytes: browsers take 4096 of
                                                 * a cookie with its name */


static size_t ngx_http_consent_given_token(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const ngx_consent_write_t *write,
    u_char *text);
static u_char *ngx_http_consent_given_before(ngx_http_consent_ctx_t *ctx,
    const ngx_consent_write_t *write, u_char *p, u_char *last);
static ngx_uint_t ngx_http_consent_given_next(cg_str_t *rest, cg_str_t *token);
static ngx_uint_t ngx_http_consent_given_versions(ngx_http_consent_ctx_t *ctx,
    cg_str_t token, const cg_subject_t *subject, uint32_t *versions);
static ngx_uint_t ngx_http_consent_take_given(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static ngx_uint_t ngx_http_consent_open_given(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);


ngx_int_t
ngx_http_consent_send_given(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const ngx_consent_write_t *write)
{
    u_char     *p, text[NGX_HTTP_CONSENT_GIVEN_SIZE];
    size_t      len;
    ngx_str_t   value;

    if (!ctx->mcf->accounts || !write->accept
        || ctx->subject.kind != CG_SUBJECT_VISITOR
        || !ngx_http_consent_host_cookies(r))
    {
        return NGX_OK;
    }

    len = ngx_http_consent_given_token(r, ctx, write, text);

    if (len == 0
        || ngx_http_consent_read_other(r, ctx, ngx_http_consent_given_suffix,
                                       ngx_http_consent_take_given)
           == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    p = ngx_http_consent_given_before(ctx, write, text + len,
                                      text + sizeof(text));

    value.data = text;
    value.len = p - text;

    return ngx_http_consent_send_other(r, ngx_http_consent_given_suffix,
                                       &value, NGX_HTTP_CONSENT_GIVEN_TTL);
}


/* The token of this answer: its length, at most CG_MAX_TOKEN; 0 on failure. */

static size_t
ngx_http_consent_given_token(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const ngx_consent_write_t *write,
    u_char *text)
{
    ngx_str_t                    *name;
    ngx_uint_t                    i;
    cg_receipt_t                  given;
    cg_receipt_item_t            *item;
    ngx_http_consent_srv_conf_t  *scf;

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

    return cg_given_seal(ctx->mcf->keys, &given, text);
}


/*
 * Puts behind it the tokens of before, those of this visitor that are still
 * good and tell of a version that no newer one has. So there are never more
 * than there are documents.
 */

static u_char *
ngx_http_consent_given_before(ngx_http_consent_ctx_t *ctx,
    const ngx_consent_write_t *write, u_char *p, u_char *last)
{
    uint32_t    told[CG_MAX_DOCUMENTS];
    cg_str_t    rest, token;
    ngx_uint_t  i;

    for (i = 0; i < CG_MAX_DOCUMENTS; i++) {
        told[i] = write->accept & (1 << i) ? write->versions[i] : 0;
    }

    rest = ngx_http_consent_cstr(&ctx->change->given);

    while (ngx_http_consent_given_next(&rest, &token)) {

        if ((size_t) (last - p) <= token.len) {
            continue;
        }

        if (ngx_http_consent_given_versions(ctx, token, &ctx->subject, told))
        {
            *p++ = '~';
            p = ngx_cpymem(p, token.data, token.len);
        }
    }

    return p;
}


/* The next of the tokens of a cookie; 0: there is none. */

static ngx_uint_t
ngx_http_consent_given_next(cg_str_t *rest, cg_str_t *token)
{
    size_t  n;

    if (rest->len == 0) {
        return 0;
    }

    for (n = 0; n < rest->len && rest->data[n] != '~'; n++) {
        /* void */
    }

    token->data = rest->data;
    token->len = n;

    n = ngx_min(n + 1, rest->len);

    rest->data += n;
    rest->len -= n;

    return 1;
}


/*
 * Raises `versions` to what a token of this subject tells: whether it is a
 * good one, and any was lower.
 */

static ngx_uint_t
ngx_http_consent_given_versions(ngx_http_consent_ctx_t *ctx, cg_str_t token,
    const cg_subject_t *subject, uint32_t *versions)
{
    size_t                        n;
    ngx_int_t                     i;
    ngx_uint_t                    raised;
    cg_receipt_t                  given;
    cg_receipt_item_t            *item;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(ctx->request,
                                       ngx_http_consent_gate_module);

    if (!cg_given_open(ctx->mcf->keys, &given, token,
                       ngx_http_consent_cstr(&scf->realm), ngx_time())
        || !cg_subject_same(&given.subject, subject))
    {
        return 0;
    }

    raised = 0;

    for (n = 0; n < given.ndocs; n++) {
        item = &given.docs[n];
        i = ngx_http_consent_find_document(ctx->mcf,
                                   (cg_str_t) { item->name_len, item->name });

        if (i != NGX_ERROR && item->value > versions[i]) {
            versions[i] = item->value;
            raised = 1;
        }
    }

    return raised;
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
ngx_http_consent_take_given(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    ctx->change->given = ngx_http_consent_nstr(value);

    return 1;
}


static ngx_uint_t
ngx_http_consent_open_given(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    cg_str_t    token;
    ngx_uint_t  found;

    found = 0;

    while (ngx_http_consent_given_next(&value, &token)) {
        found |= ngx_http_consent_given_versions(ctx, token,
                                                 &ctx->adopt->visitor,
                                                 ctx->adopt->given);
    }

    return found;
}
