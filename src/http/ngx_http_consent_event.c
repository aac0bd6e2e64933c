/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_post.h"


ngx_int_t
ngx_http_consent_make_event(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    size_t                         i, k;
    cg_str_t                       purposes[CG_MAX_PURPOSES];
    cg_event_t                     e;
    ngx_time_t                    *tp;
    ngx_consent_write_t           *write;
    ngx_http_consent_change_t     *change;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    change = ctx->change;
    write = &change->write;

    if (!cg_event_id(change->event, change->post.token, change->what,
                     change->post.documents, change->post.purposes))
    {
        return NGX_ERROR;
    }

    for (i = 0; i < mcf->npurposes; i++) {
        purposes[i] = ngx_http_consent_cstr(&mcf->purposes[i].name);
    }

    ngx_memzero(&e, sizeof(cg_event_t));

    tp = ngx_timeofday();

    ngx_memcpy(e.id, change->event, CG_EVENT_ID_LEN);
    e.time = (int64_t) tp->sec * 1000 + tp->msec;
    e.what = change->what;
    e.method = change->post.json ? CG_METHOD_API : CG_METHOD_PAGE;
    e.kind = ctx->subject.kind;
    e.subject = ctx->subject.current;
    e.realm = ngx_http_consent_cstr(&scf->realm);
    e.ndocs = change->token.nshown;
    e.docs = change->token.shown;
    e.npurposes = mcf->npurposes;
    e.purposes = purposes;
    e.granted = change->post.purposes;
    e.answered = change->post.purposes;
    e.locale = (cg_str_t) { change->token.locale_len, change->token.locale };
    e.country = change->token.country;
    e.source = change->token.source;
    e.reason = change->token.reason;
    e.gate = cg_str(NGX_HTTP_CONSENT_VERSION);

    for (k = 0; k < change->token.nshown; k++) {
        i = change->numbers[k];
        e.chosen |= (cg_docs_t) (((change->post.documents >> i) & 1) << k);
    }

    if (ctx->facts.lookup == CG_LOOKUP_FOUND) {
        ngx_memcpy(e.previous, ctx->record.event, CG_EVENT_ID_LEN);
    }

    write->body.data = ngx_pnalloc(r->pool, CG_MAX_EVENT + 64);
    if (write->body.data == NULL) {
        return NGX_ERROR;
    }

    write->mac.data = write->body.data + CG_MAX_EVENT;
    write->mac.len = 64;
    write->body.len = cg_event_body(&e, mcf->keys, write->body.data);

    if (write->body.len == 0
        || !cg_event_sign(mcf->keys, ngx_http_consent_cstr(&write->body),
                          write->mac.data))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
