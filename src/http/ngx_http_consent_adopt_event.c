/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_adopt.h"


#define NGX_HTTP_CONSENT_MERGE_ID  (2 * CG_SUBJECT_ID_LEN + 4)    /* bytes */


static ngx_int_t ngx_http_consent_adopt_id(ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_adopt_docs(ngx_http_consent_ctx_t *ctx,
    cg_event_t *e, cg_shown_t *docs);


ngx_int_t
ngx_http_consent_adopt_event(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    uint8_t                       locale[CG_MAX_LOCALE];
    cg_event_t                    e;
    cg_shown_t                    docs[CG_MAX_DOCUMENTS];
    cg_decision_t                 d;
    ngx_http_consent_adopt_t     *adopt;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    adopt = ctx->adopt;

    if (ngx_http_consent_adopt_id(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    /* why the account would be asked now, had it nothing to take over */

    cg_decide(&d, &ctx->facts, &lcf->settings,
              ngx_consent_store_policies(ctx->mcf->client), ngx_time());

    ngx_memzero(&e, sizeof(cg_event_t));

    ngx_memcpy(e.id, adopt->event, CG_EVENT_ID_LEN);
    e.what = CG_EVENT_MERGE;
    e.method = CG_METHOD_LOGIN;
    e.locale.len = ngx_http_consent_locale(r, ctx, locale);
    e.locale.data = locale;
    e.country = ctx->facts.country;
    e.source = d.source;
    e.reason = d.reason;

    if (adopt->step == NGX_HTTP_CONSENT_ADOPT_WRITE) {
        ngx_http_consent_adopt_docs(ctx, &e, docs);

        ngx_memcpy(e.previous, adopt->account.event, CG_EVENT_ID_LEN);
        ngx_memcpy(e.merged, adopt->said.event, CG_EVENT_ID_LEN);

    } else {
        ngx_memcpy(e.previous, adopt->said.event, CG_EVENT_ID_LEN);
    }

    return ngx_http_consent_seal_event(r, &e, &adopt->write);
}


/*
 * By who takes over from whom, and as of which write: a merge that was cut
 * short between its steps, or is done by two workers at once, is the same one.
 */

static ngx_int_t
ngx_http_consent_adopt_id(ngx_http_consent_ctx_t *ctx)
{
    u_char                    *p, text[NGX_HTTP_CONSENT_MERGE_ID];
    cg_choice_t                choice;
    ngx_http_consent_adopt_t  *adopt;

    adopt = ctx->adopt;

    p = ngx_cpymem(text, adopt->visitor.current.id, CG_SUBJECT_ID_LEN);
    p = ngx_cpymem(p, ctx->subject.current.id, CG_SUBJECT_ID_LEN);
    *p++ = (u_char) (adopt->said.rev >> 24);
    *p++ = (u_char) (adopt->said.rev >> 16);
    *p++ = (u_char) (adopt->said.rev >> 8);
    *p++ = (u_char) adopt->said.rev;

    ngx_memzero(&choice, sizeof(cg_choice_t));
    choice.what = CG_EVENT_MERGE;
    choice.chosen = (adopt->step == NGX_HTTP_CONSENT_ADOPT_TOMBSTONE);

    return cg_event_id(adopt->event, (cg_str_t) { sizeof(text), text },
                       &choice)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_consent_adopt_docs(ngx_http_consent_ctx_t *ctx, cg_event_t *e,
    cg_shown_t *docs)
{
    ngx_str_t                  *name;
    ngx_uint_t                  i;
    cg_shown_t                 *doc;
    const cg_policy_t          *p;
    const cg_policies_t        *policies;
    const ngx_consent_write_t  *write;

    write = &ctx->adopt->write;
    policies = ngx_consent_store_policies(ctx->mcf->client);

    e->docs = docs;

    for (i = 0; i < ctx->mcf->ndocs; i++) {

        if (!((write->accept | write->decline) & (1 << i))) {
            continue;
        }

        name = &ctx->mcf->docs[i].name;
        p = &policies->docs[i];
        doc = &docs[e->ndocs];

        ngx_memzero(doc, sizeof(cg_shown_t));

        doc->name_len = (uint8_t) name->len;
        ngx_memcpy(doc->name, name->data, name->len);
        doc->version = write->accept & (1 << i) ? write->versions[i]
                                                : p->version;

        if (p->has_sha256 && doc->version == p->version) {
            doc->has_sha256 = 1;
            ngx_memcpy(doc->sha256, p->sha256, sizeof(doc->sha256));
        }

        e->chosen |= (cg_docs_t) (1 << e->ndocs);

        if (write->decline & (1 << i)) {
            e->declined |= (cg_docs_t) (1 << e->ndocs);
        }

        e->ndocs++;
    }
}
