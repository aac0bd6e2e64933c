/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


typedef void (*ngx_http_consent_value_pt)(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);


static ngx_int_t ngx_http_consent_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_consent_v_decision(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_reason(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_country(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_source(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_anonymizer(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_subject(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_missing(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_purposes(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_min_age(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_age_state(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_residence(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_cache(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_return(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_locale(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static void ngx_http_consent_v_link(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out);
static ngx_int_t ngx_http_consent_token_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/*
 * `data` is a handler for ngx_http_consent_variable(). None is cacheable: a
 * value that was asked for before the gate has run is not the last word.
 */

static ngx_http_variable_t  ngx_http_consent_vars[] = {

    { ngx_string("consent_decision"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_decision,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_reason"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_reason,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_country"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_country,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_country_source"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_source,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_override"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_override,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_anonymizer"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_anonymizer,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_subject"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_subject,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_missing"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_missing,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_purposes"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_purposes,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_min_age"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_min_age,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_age_state"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_age_state,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_residence"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_residence,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_cache"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_cache,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_return"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_return,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_locale"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_locale,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_link"), NULL, ngx_http_consent_variable,
      (uintptr_t) ngx_http_consent_v_link,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_form_token"), NULL, ngx_http_consent_token_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("consent_purpose_"), NULL, ngx_http_consent_purpose_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

    { ngx_string("consent_document_"), NULL,
      ngx_http_consent_document_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_consent_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_consent_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_consent_find_variables(ngx_cycle_t *cycle,
    ngx_http_consent_main_conf_t *mcf)
{
    ngx_uint_t                  i, *index;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        /* not by name: a "set $consent_x" of the operator has no other value */

        if (v[i].get_handler != ngx_http_consent_variable
            && v[i].get_handler != ngx_http_consent_token_variable
            && v[i].get_handler != ngx_http_consent_purpose_variable
            && v[i].get_handler != ngx_http_consent_document_variable)
        {
            continue;
        }

        index = ngx_array_push(&mcf->variables);
        if (index == NULL) {
            return NGX_ERROR;
        }

        *index = i;

        if (v[i].get_handler == ngx_http_consent_purpose_variable
            || v[i].get_handler == ngx_http_consent_document_variable
            || v[i].data == (uintptr_t) ngx_http_consent_v_purposes
            || v[i].data == (uintptr_t) ngx_http_consent_v_min_age
            || v[i].data == (uintptr_t) ngx_http_consent_v_age_state
            || v[i].data == (uintptr_t) ngx_http_consent_v_residence)
        {
            mcf->record_variables = 1;
        }
    }

    return NGX_OK;
}


/*
 * log_format reads indexed variables without looking at no_cacheable: what
 * "if" or a map saw before the gate ran would be logged as its decision.
 */

void
ngx_http_consent_flush_variables(ngx_http_request_t *r,
    ngx_http_consent_main_conf_t *mcf)
{
    ngx_uint_t  i, *index;

    index = mcf->variables.elts;

    for (i = 0; i < mcf->variables.nelts; i++) {
        r->variables[index[i]].valid = 0;
        r->variables[index[i]].not_found = 0;
    }
}


ngx_int_t
ngx_http_consent_set_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, cg_out_t *out)
{
    v->len = (unsigned) cg_out_len(out);
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    v->data = ngx_pnalloc(r->pool, v->len + 1);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(v->data, out->start, v->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                         buf[NGX_HTTP_CONSENT_VALUE + CG_MAX_RETURN];
    cg_out_t                       out;
    ngx_http_consent_ctx_t        *ctx;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    cg_out_init(&out, buf, sizeof(buf));

    ctx = ngx_http_consent_get_ctx(r);

    ((ngx_http_consent_value_pt) data)(r, ctx, mcf, &out);

    return ngx_http_consent_set_value(r, v, &out);
}


/* Without a context, or before a decision, the gate is off here. */

static void
ngx_http_consent_v_decision(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out)
{
    cg_out_str(out, cg_outcome_name(ctx && ctx->done ? ctx->decision.outcome
                                                     : CG_PASS));
}


static void
ngx_http_consent_v_reason(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    cg_out_str(out, cg_reason_name(ctx && ctx->done ? ctx->decision.reason
                                                    : CG_REASON_OFF));
}


static void
ngx_http_consent_v_country(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    size_t   n;
    uint8_t  code[2];

    n = ctx ? cg_country_code(ctx->facts.country, code) : 0;

    cg_out_bytes(out, code, n);
}


static void
ngx_http_consent_v_source(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    if (ctx && ctx->done && ctx->mode != CG_MODE_OFF) {
        cg_out_str(out, cg_source_name(ctx->decision.source));
    }
}


static void
ngx_http_consent_v_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out)
{
    if (ctx && ctx->override) {
        ngx_http_consent_override_text(ctx, out);
    }
}


static void
ngx_http_consent_v_anonymizer(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out)
{
    if (ctx && ctx->gathered) {
        cg_out_str(out,
               cg_anonymizer_name(ngx_http_consent_anonymizer(r->main, ctx)));
    }
}


static void
ngx_http_consent_v_subject(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    uint8_t  text[CG_PSEUDONYM_LEN];

    if (ctx && ctx->facts.subject != CG_SUBJECT_NONE
        && ngx_http_consent_derive(r->main, ctx) == NGX_OK)
    {
        cg_subject_text(&ctx->subject.current, text);
        cg_out_bytes(out, text, sizeof(text));
    }
}


static void
ngx_http_consent_v_missing(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    cg_docs_t  docs;

    if (ctx == NULL || !ctx->done) {
        return;
    }

    docs = ctx->decision.missing;

    if (ctx->facts.own) {
        docs = ngx_http_consent_open(r, ctx);
    }

    ngx_http_consent_doc_names(mcf, docs, out);
}


static void
ngx_http_consent_v_purposes(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out)
{
    ngx_uint_t     i;
    cg_purposes_t  granted;

    if (ctx == NULL || !ctx->done) {
        return;
    }

    granted = ngx_http_consent_granted(r, ctx);

    for (i = 0; i < mcf->npurposes; i++) {
        if (i) {
            cg_out_str(out, cg_str(","));
        }

        cg_out_str(out, ngx_http_consent_cstr(&mcf->purposes[i].name));
        cg_out_str(out, granted & (1 << i) ? cg_str("=1") : cg_str("=0"));
    }
}


/* Asked for here or not: in which country a child is one. */

static void
ngx_http_consent_v_min_age(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    ngx_http_consent_loc_conf_t  *lcf;

    if (ctx && ctx->done && ctx->mode != CG_MODE_OFF) {
        lcf = ngx_http_get_module_loc_conf(r->main,
                                           ngx_http_consent_gate_module);

        cg_out_uint(out, cg_min_age(&ctx->facts, lcf->settings.ages,
                                    ngx_time()));
    }
}


static void
ngx_http_consent_v_age_state(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out)
{
    if (ctx && ctx->done && ctx->mode != CG_MODE_OFF) {
        cg_out_str(out, ngx_http_consent_age_state(r->main, ctx));
    }
}


static void
ngx_http_consent_v_residence(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_main_conf_t *mcf,
    cg_out_t *out)
{
    size_t              n;
    uint8_t             code[2];
    const cg_record_t  *record;

    record = ctx && ctx->done && !ngx_http_consent_only_link(ctx)
             ? ngx_http_consent_answers(ctx) : NULL;

    n = record ? cg_country_code(record->residence, code) : 0;

    cg_out_bytes(out, code, n);
}


static void
ngx_http_consent_v_cache(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    cg_out_str(out, ngx_http_consent_cache_name(
                        ctx ? ctx->cache : NGX_HTTP_CONSENT_CACHE_BYPASS));
}


static void
ngx_http_consent_v_return(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    cg_out_str(out, ngx_http_consent_return(r->main));
}


static void
ngx_http_consent_v_locale(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    size_t   n;
    uint8_t  locale[CG_MAX_LOCALE];

    n = ctx ? ngx_http_consent_locale(r->main, ctx, locale) : 0;

    cg_out_bytes(out, locale, n);
}


/* "1": the page is for whoever came by the link of an email. */

static void
ngx_http_consent_v_link(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, cg_out_t *out)
{
    if (ctx && ngx_http_consent_only_link(ctx)) {
        cg_out_str(out, cg_str("1"));
    }
}


static ngx_int_t
ngx_http_consent_token_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                token;
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    if (ctx == NULL || !ctx->done || !ctx->facts.own
        || ngx_http_consent_form_token(r->main, ctx, &token)
           != NGX_OK)
    {
        ngx_str_null(&token);
    }

    v->len = token.len;
    v->data = token.data ? token.data : (u_char *) "";
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
