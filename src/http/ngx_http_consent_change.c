/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"
#include "ngx_http_consent_post.h"


static ngx_http_consent_failure_e ngx_http_consent_check_answer(
    ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx);
static ngx_uint_t ngx_http_consent_shown_is_current(ngx_http_request_t *r,
    ngx_http_consent_change_t *change);
static void ngx_http_consent_apply_answers(const ngx_consent_write_t *write,
    cg_record_t *record);


ngx_http_consent_failure_e
ngx_http_consent_check_change(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    switch (ctx->change->what) {

    case CG_EVENT_ACCEPT:
    case CG_EVENT_DECLINE:
        return ngx_http_consent_check_answer(r, ctx);

    default:

        /* to take back and to erase needs nothing but to be the one */

        return NGX_HTTP_CONSENT_NO_FAILURE;
    }
}


static ngx_http_consent_failure_e
ngx_http_consent_check_answer(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_post_t    *post;
    ngx_http_consent_change_t  *change;

    change = ctx->change;
    post = &change->post;

    if (!ngx_http_consent_shown_is_current(r, change)) {
        return NGX_HTTP_CONSENT_CHANGED;
    }

    if (post->unknown || (post->documents & ~change->shown)) {
        return NGX_HTTP_CONSENT_NOT_SHOWN;
    }

    if (change->what == CG_EVENT_ACCEPT
        && (change->shown & ~post->documents))
    {
        return NGX_HTTP_CONSENT_UNTICKED;
    }

    if (change->what == CG_EVENT_DECLINE && post->documents == 0) {
        post->documents = change->shown;
    }

    return NGX_HTTP_CONSENT_NO_FAILURE;
}


/* Each document as it was shown is as it is now; finds their numbers. */

static ngx_uint_t
ngx_http_consent_shown_is_current(ngx_http_request_t *r,
    ngx_http_consent_change_t *change)
{
    size_t                         n;
    cg_shown_t                    *s;
    ngx_int_t                      i;
    const cg_policy_t             *p;
    const cg_policies_t           *policies;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    policies = ngx_consent_store_policies(mcf->client);

    for (n = 0; n < change->token.nshown; n++) {
        s = &change->token.shown[n];

        i = ngx_http_consent_find_document(mcf,
                                         (cg_str_t) { s->name_len, s->name });

        if (i == NGX_ERROR) {
            return 0;
        }

        p = &policies->docs[i];

        if (!p->known || p->version != s->version
            || p->has_sha256 != s->has_sha256
            || (s->has_sha256 && ngx_memcmp(p->sha256, s->sha256, 32) != 0))
        {
            return 0;
        }

        change->numbers[n] = i;
        change->shown |= (cg_docs_t) (1 << i);
        change->write.versions[i] = s->version;
    }

    return 1;
}


void
ngx_http_consent_fill_write(ngx_http_consent_ctx_t *ctx)
{
    cg_purposes_t               optional;
    ngx_consent_write_t        *write;
    ngx_http_consent_change_t  *change;

    change = ctx->change;
    write = &change->write;

    write->subject = &ctx->subject;
    write->moved = (ctx->facts.lookup == CG_LOOKUP_FOUND && ctx->previous)
                   ? &ctx->record : NULL;
    write->rev = change->token.rev;
    write->event = change->event;

    optional = (cg_purposes_t) ((1u << ctx->mcf->npurposes) - 1)
               & ~ctx->mcf->store->necessary;

    switch (change->what) {

    case CG_EVENT_ACCEPT:
        write->accept = change->post.documents;
        write->granted = change->post.purposes;
        write->answered = change->post.purposes;
        break;

    case CG_EVENT_DECLINE:
        write->decline = change->post.documents;
        break;

    case CG_EVENT_WITHDRAW:

        /* a no that is on record is one everywhere, and to all there is */

        write->what = NGX_CONSENT_WRITE_WITHDRAW;
        write->answered = optional;
        break;

    case CG_EVENT_ERASE:
        write->what = NGX_CONSENT_WRITE_ERASE;
        write->ttl = NGX_HTTP_CONSENT_TOMBSTONE_TTL;
        break;

    default:
        break;
    }

    if (ctx->pretending && write->what == NGX_CONSENT_WRITE_SET) {
        ngx_http_consent_seed(ctx, write);
    }
}


void
ngx_http_consent_apply(ngx_http_consent_change_t *change, cg_record_t *record)
{
    const ngx_consent_write_t  *write;

    write = &change->write;

    switch (write->what) {

    case NGX_CONSENT_WRITE_ERASE:
        ngx_memzero(record, sizeof(cg_record_t));
        break;

    case NGX_CONSENT_WRITE_WITHDRAW:
        ngx_memzero(record->accepted, sizeof(record->accepted));
        record->declined = 0;
        record->granted = 0;
        break;

    default:
        break;
    }

    ngx_http_consent_apply_answers(write, record);
}


static void
ngx_http_consent_apply_answers(const ngx_consent_write_t *write,
    cg_record_t *record)
{
    ngx_uint_t  i;

    for (i = 0; i < CG_MAX_DOCUMENTS; i++) {
        if (write->accept & (1 << i)) {
            record->accepted[i] = ngx_max(record->accepted[i],
                                          write->versions[i]);
        }
    }

    record->declined = (record->declined & ~write->accept) | write->decline;
    record->granted = (record->granted & ~write->answered) | write->granted;
    record->answered |= write->answered;

    if (write->age_state != CG_AGE_NONE) {
        record->age_state = write->age_state;
        record->age = write->age;
    }

    if (write->resides) {
        record->residence = write->residence;
    }
}
