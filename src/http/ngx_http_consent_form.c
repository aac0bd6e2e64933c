/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/* ngx_http_arg() finds it, the escapes are ours to undo and to check. */

cg_str_t
ngx_http_consent_return(ngx_http_request_t *r)
{
    u_char     *dst, *src;
    cg_str_t    path;
    ngx_str_t   value;

    if (ngx_http_arg(r, (u_char *) "return", 6, &value) != NGX_OK
        || value.len == 0)
    {
        return cg_str("/");
    }

    dst = ngx_pnalloc(r->pool, value.len);
    if (dst == NULL) {
        return cg_str("/");
    }

    path.data = dst;
    src = value.data;

    ngx_unescape_uri(&dst, &src, value.len, 0);

    path.len = dst - path.data;

    return cg_return_valid(path) ? path : cg_str("/");
}


/* The documents that need= names, of those that are known. */

static cg_docs_t
ngx_http_consent_need(ngx_http_request_t *r)
{
    ngx_str_t                      value;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    if (ngx_http_arg(r, (u_char *) "need", 4, &value) != NGX_OK) {
        return 0;
    }

    return ngx_http_consent_doc_set(mcf, ngx_http_consent_cstr(&value));
}


cg_docs_t
ngx_http_consent_open(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_docs_t                      need;
    const cg_record_t             *record;
    const cg_policies_t           *policies;
    ngx_http_consent_loc_conf_t   *lcf;
    ngx_http_consent_main_conf_t  *mcf;

    r = r->main;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    need = ngx_http_consent_need(r);
    record = ngx_http_consent_record(ctx);
    policies = ngx_consent_store_policies(mcf->client);

    return cg_documents_missing(record, policies,
                                need ? need : lcf->settings.documents,
                                ngx_http_consent_now(ctx))
           | cg_documents_behind(record, policies, need);
}


size_t
ngx_http_consent_locale(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    uint8_t locale[CG_MAX_LOCALE])
{
    ngx_http_consent_headers_t  *headers;

    headers = ngx_http_consent_headers(r, ctx);

    if (headers == NULL) {
        return 0;
    }

    return cg_locale(ngx_http_consent_cstr(&headers->accept_language), locale);
}


/*
 * Asked where the directive says so, and of who has said to be too young: a
 * birthday comes for those, too.
 */

uint8_t
ngx_http_consent_min_age(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    const cg_record_t            *record;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    record = ngx_http_consent_record(ctx);

    if (!lcf->settings.ask_age
        && (record == NULL || record->age_state != CG_AGE_MINOR))
    {
        return 0;
    }

    return cg_min_age(&ctx->facts, lcf->settings.ages, ngx_time());
}


cg_str_t
ngx_http_consent_age_state(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    uint8_t  years;

    years = ngx_http_consent_min_age(r, ctx);

    if (years == 0) {
        return cg_str("");
    }

    switch (cg_age_standing(ngx_http_consent_answers(ctx), years)) {

    case CG_AGE_OK:
        return cg_str("ok");

    case CG_AGE_MINOR:
        return cg_str("minor");

    default:
        return cg_str("unconfirmed");
    }
}


/*
 * The token is for what this page shows: the documents that are open, as they
 * are now, to this subject and its record.
 */

ngx_int_t
ngx_http_consent_form_token(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_str_t *token)
{
    ngx_uint_t                     i;
    cg_docs_t                      open;
    cg_shown_t                    *shown;
    cg_form_token_t                t;
    const cg_record_t             *record;
    const cg_policies_t           *policies;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    if (ctx->token.len) {
        *token = ctx->token;
        return NGX_OK;
    }

    /* no form is taken where the gate reports: none is offered */

    if (ctx->facts.subject == CG_SUBJECT_NONE
        || ctx->mode == CG_MODE_REPORT)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_consent_derive(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    record = ngx_http_consent_record(ctx);
    policies = ngx_consent_store_policies(mcf->client);

    ngx_memzero(&t, sizeof(cg_form_token_t));

    t.expires = ngx_time() + NGX_HTTP_CONSENT_FORM_TTL;
    t.rev = record ? record->rev : 0;
    t.subject = ctx->subject;
    t.country = ctx->facts.country;
    t.source = ctx->would.source;
    t.reason = ctx->would.reason;
    t.age = ngx_http_consent_min_age(r, ctx);
    t.realm_len = scf->realm.len;
    ngx_memcpy(t.realm, scf->realm.data, scf->realm.len);
    t.locale_len = ngx_http_consent_locale(r, ctx, t.locale);

    open = ngx_http_consent_open(r, ctx);

    for (i = 0; i < mcf->ndocs; i++) {
        if (!(open & (1 << i))) {
            continue;
        }

        shown = &t.shown[t.nshown++];
        shown->name_len = mcf->docs[i].name.len;
        ngx_memcpy(shown->name, mcf->docs[i].name.data, shown->name_len);
        shown->version = policies->docs[i].version;
        shown->has_sha256 = policies->docs[i].has_sha256;
        ngx_memcpy(shown->sha256, policies->docs[i].sha256, 32);
    }

    ctx->token.data = ngx_pnalloc(r->pool, CG_MAX_TOKEN);
    if (ctx->token.data == NULL) {
        return NGX_ERROR;
    }

    ctx->token.len = cg_form_token_seal(mcf->keys, &t, ctx->token.data);
    *token = ctx->token;

    return token->len ? NGX_OK : NGX_ERROR;
}
