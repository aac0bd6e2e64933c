/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_post.h"


static ngx_int_t ngx_http_consent_event_id(ngx_http_consent_change_t *change);
static void ngx_http_consent_event_shown(ngx_http_consent_change_t *change,
    cg_event_t *e);
static void ngx_http_consent_event_withdrawn(ngx_http_consent_ctx_t *ctx,
    cg_event_t *e, cg_shown_t *withdrawn);


ngx_int_t
ngx_http_consent_make_event(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    cg_event_t                  e;
    cg_shown_t                  withdrawn[CG_MAX_DOCUMENTS];
    ngx_consent_write_t        *write;
    ngx_http_consent_change_t  *change;

    change = ctx->change;
    write = &change->write;

    if (ngx_http_consent_event_id(change) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&e, sizeof(cg_event_t));

    ngx_memcpy(e.id, change->event, CG_EVENT_ID_LEN);
    e.what = change->what;
    e.method = change->method;
    e.residence = write->residence;
    e.gpc = ctx->facts.gpc;
    e.locale = (cg_str_t) { change->token.locale_len, change->token.locale };
    e.country = change->token.country;
    e.source = change->token.source;
    e.reason = change->token.reason;

    if (change->what == CG_EVENT_WITHDRAW) {
        ngx_http_consent_event_withdrawn(ctx, &e, withdrawn);

    } else {
        ngx_http_consent_event_shown(change, &e);
    }

    if (ctx->facts.lookup == CG_LOOKUP_FOUND) {
        ngx_memcpy(e.previous, ctx->record.event, CG_EVENT_ID_LEN);
    }

    return ngx_http_consent_seal_event(r, &e, write);
}


ngx_int_t
ngx_http_consent_seal_event(ngx_http_request_t *r, cg_event_t *e,
    ngx_consent_write_t *write)
{
    size_t                         i;
    cg_str_t                       purposes[CG_MAX_PURPOSES];
    ngx_time_t                    *tp;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    for (i = 0; i < mcf->npurposes; i++) {
        purposes[i] = ngx_http_consent_cstr(&mcf->purposes[i].name);
    }

    tp = ngx_timeofday();

    e->time = (int64_t) tp->sec * 1000 + tp->msec;
    e->kind = write->subject->kind;
    e->subject = write->subject->current;
    e->realm = ngx_http_consent_cstr(&scf->realm);
    e->npurposes = mcf->npurposes;
    e->purposes = purposes;
    e->granted = write->granted;
    e->answered = write->answered;
    e->age_state = write->age_state;
    e->age = write->age;
    e->gate = cg_str(NGX_HTTP_CONSENT_VERSION);

    write->body.data = ngx_pnalloc(r->pool, CG_MAX_EVENT + 64);
    if (write->body.data == NULL) {
        return NGX_ERROR;
    }

    write->mac.data = write->body.data + CG_MAX_EVENT;
    write->mac.len = 64;
    write->body.len = cg_event_body(e, mcf->keys, write->body.data);

    return write->body.len != 0
           && cg_event_sign(mcf->keys, ngx_http_consent_cstr(&write->body),
                            write->mac.data)
           ? NGX_OK : NGX_ERROR;
}


/* By what was sent, and not by what it comes to: so it is known again. */

static ngx_int_t
ngx_http_consent_event_id(ngx_http_consent_change_t *change)
{
    cg_choice_t  choice;

    choice.what = change->what;
    choice.chosen = change->post.documents;
    choice.granted = change->post.purposes;
    choice.residence = change->write.residence;
    choice.age_state = change->post.age_state;

    return cg_event_id(change->event, change->post.token, &choice)
           ? NGX_OK : NGX_ERROR;
}


/* Of the documents shown, those that the answer is about. */

static void
ngx_http_consent_event_shown(ngx_http_consent_change_t *change, cg_event_t *e)
{
    size_t      i, k;
    cg_docs_t   about;

    e->ndocs = change->token.nshown;
    e->docs = change->token.shown;

    about = change->write.accept | change->write.decline;

    for (k = 0; k < change->token.nshown; k++) {
        i = change->numbers[k];
        e->chosen |= (cg_docs_t) (((about >> i) & 1) << k);
    }
}


/* What is taken back, in the version that was accepted. */

static void
ngx_http_consent_event_withdrawn(ngx_http_consent_ctx_t *ctx, cg_event_t *e,
    cg_shown_t *withdrawn)
{
    ngx_uint_t          i;
    ngx_str_t          *name;
    cg_shown_t         *doc;
    const cg_record_t  *record;

    record = ngx_http_consent_record(ctx);

    e->docs = withdrawn;

    for (i = 0; record && i < ctx->mcf->ndocs; i++) {

        if (record->accepted[i] == 0) {
            continue;
        }

        name = &ctx->mcf->docs[i].name;
        doc = &withdrawn[e->ndocs];

        ngx_memzero(doc, sizeof(cg_shown_t));

        doc->name_len = (uint8_t) name->len;
        ngx_memcpy(doc->name, name->data, name->len);
        doc->version = record->accepted[i];

        e->chosen |= (cg_docs_t) (1 << e->ndocs++);
    }
}
