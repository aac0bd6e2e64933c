/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"
#include "ngx_http_consent_post.h"


static ngx_http_consent_failure_e ngx_http_consent_check_age(
    ngx_http_consent_ctx_t *ctx);
static ngx_http_consent_failure_e ngx_http_consent_check_purposes(
    ngx_http_consent_ctx_t *ctx);
static ngx_http_consent_failure_e ngx_http_consent_check_residence(
    ngx_http_consent_ctx_t *ctx);
static ngx_http_consent_failure_e ngx_http_consent_check_answer(
    ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx);
static cg_purposes_t ngx_http_consent_optional(ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_fill_age(ngx_http_consent_ctx_t *ctx);
static ngx_uint_t ngx_http_consent_shown_is_current(ngx_http_request_t *r,
    ngx_http_consent_change_t *change);
static void ngx_http_consent_apply_answers(const ngx_consent_write_t *write,
    cg_record_t *record);


ngx_http_consent_failure_e
ngx_http_consent_check_change(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_http_consent_failure_e  failure;

    switch (ctx->change->what) {

    case CG_EVENT_ACCEPT:
        failure = ngx_http_consent_check_age(ctx);

        return failure || ctx->change->what != CG_EVENT_ACCEPT
               ? failure : ngx_http_consent_check_answer(r, ctx);

    case CG_EVENT_DECLINE:
        return ngx_http_consent_check_answer(r, ctx);

    case CG_EVENT_PURPOSES:
        return ngx_http_consent_check_purposes(ctx);

    case CG_EVENT_RESIDENCE:
        return ngx_http_consent_check_residence(ctx);

    case CG_EVENT_AGE:
        return ctx->change->token.age == 0 ? NGX_HTTP_CONSENT_NOT_SHOWN
               : ctx->change->post.age_state == CG_AGE_NONE
                 ? NGX_HTTP_CONSENT_NO_AGE : NGX_HTTP_CONSENT_NO_FAILURE;

    default:

        /* to take back and to erase needs nothing but to be the one */

        return NGX_HTTP_CONSENT_NO_FAILURE;
    }
}


/*
 * Nobody accepts whose age is asked for and not known. Who says to be younger
 * has said no more than that, whatever else the form holds.
 */

static ngx_http_consent_failure_e
ngx_http_consent_check_age(ngx_http_consent_ctx_t *ctx)
{
    cg_age_e                    age;
    ngx_http_consent_post_t    *post;
    ngx_http_consent_change_t  *change;

    change = ctx->change;
    post = &change->post;

    if (change->token.age == 0) {
        post->age_state = CG_AGE_NONE;
        return NGX_HTTP_CONSENT_NO_FAILURE;
    }

    age = cg_age_standing(ngx_http_consent_record(ctx), change->token.age);

    if (post->age_state == CG_AGE_NONE) {
        return age == CG_AGE_OK ? NGX_HTTP_CONSENT_NO_FAILURE
               : age == CG_AGE_MINOR ? NGX_HTTP_CONSENT_UNDER_AGE
               : NGX_HTTP_CONSENT_NO_AGE;
    }

    if (post->age_state == CG_AGE_MINOR
        || (post->documents == 0 && post->purposes == 0
            && change->token.nshown == 0))
    {
        change->what = CG_EVENT_AGE;
        post->documents = 0;
        post->purposes = 0;
    }

    return NGX_HTTP_CONSENT_NO_FAILURE;
}


/* A child cannot grant; to refuse is everybody's. */

static ngx_http_consent_failure_e
ngx_http_consent_check_purposes(ngx_http_consent_ctx_t *ctx)
{
    const cg_record_t        *record;
    ngx_http_consent_post_t  *post;

    post = &ctx->change->post;
    post->documents = 0;

    if (post->unknown) {
        return NGX_HTTP_CONSENT_NOT_SHOWN;
    }

    record = ngx_http_consent_record(ctx);

    if (record && record->age_state == CG_AGE_MINOR
        && (post->purposes & ngx_http_consent_optional(ctx)))
    {
        return NGX_HTTP_CONSENT_UNDER_AGE;
    }

    return NGX_HTTP_CONSENT_NO_FAILURE;
}


/* A country, and none of the codes that stand for several. */

static ngx_http_consent_failure_e
ngx_http_consent_check_residence(ngx_http_consent_ctx_t *ctx)
{
    cg_cc_t                    cc;
    ngx_http_consent_post_t   *post;

    post = &ctx->change->post;

    if (!post->resides) {
        return NGX_HTTP_CONSENT_NO_COUNTRY;
    }

    if (post->residence.len == 0) {
        return NGX_HTTP_CONSENT_NO_FAILURE;
    }

    cc = cg_country_setting(post->residence);

    if (cc == CG_CC_UNKNOWN || cc >= CG_CC_ANONYMIZER
        || cc == cg_cc("EU") || cc == cg_cc("AP"))
    {
        return NGX_HTTP_CONSENT_NO_COUNTRY;
    }

    ctx->change->write.residence = cc;

    return NGX_HTTP_CONSENT_NO_FAILURE;
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


/* Purposes that can be granted and refused. */

static cg_purposes_t
ngx_http_consent_optional(ngx_http_consent_ctx_t *ctx)
{
    return (cg_purposes_t) ((1u << ctx->mcf->npurposes) - 1)
           & ~ctx->mcf->store->necessary;
}


void
ngx_http_consent_fill_write(ngx_http_consent_ctx_t *ctx)
{
    ngx_consent_write_t        *write;
    ngx_http_consent_change_t  *change;

    change = ctx->change;
    write = &change->write;

    write->subject = &ctx->subject;
    write->moved = (ctx->facts.lookup == CG_LOOKUP_FOUND && ctx->previous)
                   ? &ctx->record : NULL;
    write->rev = change->token.rev;
    write->event = change->event;

    switch (change->what) {

    case CG_EVENT_ACCEPT:
        write->accept = change->post.documents;
        write->granted = change->post.purposes;
        write->answered = change->post.purposes;
        ngx_http_consent_fill_age(ctx);
        break;

    case CG_EVENT_DECLINE:
        write->decline = change->post.documents;
        break;

    case CG_EVENT_WITHDRAW:

        /* a no that is on record is one everywhere, and to all there is */

        write->what = NGX_CONSENT_WRITE_WITHDRAW;
        write->answered = ngx_http_consent_optional(ctx);
        break;

    case CG_EVENT_PURPOSES:

        /* a box that is not ticked is not sent */

        write->answered = ngx_http_consent_optional(ctx);
        write->granted = change->post.purposes & write->answered;
        break;

    case CG_EVENT_RESIDENCE:
        write->resides = 1;
        break;

    case CG_EVENT_AGE:
        ngx_http_consent_fill_age(ctx);
        break;

    case CG_EVENT_ERASE:
        write->what = NGX_CONSENT_WRITE_ERASE;
        write->ttl = NGX_HTTP_CONSENT_TOMBSTONE_TTL;
        break;

    default:
        break;
    }

    ngx_http_consent_seed(ctx, write);
}


/*
 * A higher age that was confirmed stands. What a child has granted is no
 * consent, and is taken back.
 */

static void
ngx_http_consent_fill_age(ngx_http_consent_ctx_t *ctx)
{
    const cg_record_t          *record;
    ngx_consent_write_t        *write;
    ngx_http_consent_change_t  *change;

    change = ctx->change;
    write = &change->write;

    if (change->post.age_state == CG_AGE_NONE) {
        return;
    }

    record = ngx_http_consent_record(ctx);

    write->age_state = change->post.age_state;
    write->age = change->token.age;

    if (write->age_state == CG_AGE_MINOR) {
        write->answered = record ? record->granted
                                   & ngx_http_consent_optional(ctx) : 0;
        write->granted = 0;

    } else if (cg_age_standing(record, write->age) == CG_AGE_OK) {
        write->age = record->age;
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
