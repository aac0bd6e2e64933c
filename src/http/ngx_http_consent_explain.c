/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_qa.h"


#define NGX_HTTP_CONSENT_EXPLAIN  512       /* bytes of the header */


static ngx_int_t ngx_http_consent_explains(ngx_http_request_t *r);
static void ngx_http_consent_fields(ngx_http_consent_ctx_t *ctx,
    const cg_trace_t *trace, cg_out_t *out);
static void ngx_http_consent_field(cg_out_t *out, const char *name,
    cg_str_t value);


cg_str_t
ngx_http_consent_cache_name(ngx_uint_t cache)
{
    static const cg_str_t  names[] = {
        cg_str("bypass"), cg_str("hit"), cg_str("miss"), cg_str("stale")
    };

    return names[cache];
}


/*
 * The facts are those that were decided on, and so is the rule: what it finds
 * now it has found before. It is asked again here, so that a request whose
 * decision nobody asks about pays nothing for the trace.
 */

void
ngx_http_consent_trace(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    const cg_facts_t *facts, cg_decision_t *d, cg_trace_t *trace)
{
    cg_settings_t                 settings;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    settings = lcf->settings;

    if (ctx->mode == CG_MODE_OFF && !facts->own && !lcf->qa) {
        settings.mode = CG_MODE_OFF;
    }

    cg_decide_traced(d, trace, facts, &settings,
                     ngx_consent_store_policies(ctx->mcf->client),
                     ngx_http_consent_now(ctx));
}


/* What the location would have to say for another decision. */

const char *
ngx_http_consent_deciding(const cg_decision_t *d, const cg_trace_t *trace)
{
    static const char  *places[CG_SOURCES] = {
        "consent_territory", "consent_territory", "consent_remember_eea",
        "consent_anonymizer", "consent_unknown_country", "consent_override"
    };

    switch (trace->decided) {

    case CG_STEP_FREE:
        return d->reason == CG_REASON_OFF ? "consent_gate"
               : d->reason == CG_REASON_EXEMPT ? "consent_exempt" : "";

    case CG_STEP_PLACE:
        return places[trace->source];

    case CG_STEP_STORE:
        return "consent_on_error";

    case CG_STEP_AGE:
        return d->reason == CG_REASON_UNDER_AGE ? "consent_age_page"
                                                : "consent_ask_age";

    case CG_STEP_DOCUMENTS:
    case CG_STEP_NOTICE:
        return "consent_require";

    case CG_STEP_PURPOSES:
        return "consent_require_purpose";

    default:
        return "";
    }
}


static ngx_int_t
ngx_http_consent_explains(ngx_http_request_t *r)
{
    ngx_str_t                     value;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    if (lcf->explain == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, lcf->explain, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_consent_off(&value) ? NGX_DECLINED : NGX_OK;
}


static void
ngx_http_consent_field(cg_out_t *out, const char *name, cg_str_t value)
{
    cg_out_bytes(out, name, ngx_strlen(name));
    cg_out_str(out, value.len ? value : cg_str("-"));
}


ngx_int_t
ngx_http_consent_explain(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    u_char          text[NGX_HTTP_CONSENT_EXPLAIN];
    cg_out_t        out;
    cg_trace_t      trace;
    ngx_int_t       rc;
    ngx_str_t       value;
    cg_decision_t   again;

    rc = ngx_http_consent_explains(r);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    /* who is outside passes without */

    if (ngx_http_consent_classify(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_consent_trace(r, ctx, &ctx->facts, &again, &trace);

    cg_out_init(&out, text, sizeof(text));
    ngx_http_consent_fields(ctx, &trace, &out);

    value.len = cg_out_len(&out);
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value.data, text, value.len);

    if (ctx->explain) {
        ctx->explain->value = value;
        return NGX_OK;
    }

    ctx->explain = ngx_http_consent_add_header(r, "Consent-Gate", &value);

    return ctx->explain ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_consent_fields(ngx_http_consent_ctx_t *ctx, const cg_trace_t *trace,
    cg_out_t *out)
{
    uint8_t         code[2];
    cg_facts_t     *facts;
    cg_decision_t  *d;

    d = &ctx->decision;
    facts = &ctx->facts;

    cg_out_str(out, cg_outcome_name(d->outcome));

#define field(name, value)                                                    \
    ngx_http_consent_field(out, "; " name "=", value)

    field("reason", cg_reason_name(d->reason));
    field("country", ((cg_str_t) { cg_country_code(facts->country, code),
                                   code }));
    field("source", cg_source_name(d->source));
    field("class", cg_class_name(facts->klass));
    field("gate", cg_mode_name(ctx->mode));
    field("record", cg_lookup_name(facts->lookup));
    field("step", cg_step_name(trace->decided));
    field("evidence", cg_source_name(trace->source));
    field("anonymizer", cg_anonymizer_name(
              ngx_max(facts->anonymizer, cg_anonymizer_of(facts->country))));
    field("cache", ngx_http_consent_cache_name(ctx->cache));

#undef field

    cg_out_str(out, cg_str("; place_us="));
    cg_out_uint(out, ctx->place_us);
    cg_out_str(out, cg_str("; record_us="));
    cg_out_uint(out, ctx->record_us);
}
