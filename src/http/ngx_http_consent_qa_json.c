/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_qa.h"


static void ngx_http_consent_qa_json_whom(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_json_classes(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_json_place(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_out_t *out);
static void ngx_http_consent_qa_json_database(ngx_http_consent_geo_t *geo,
    cg_out_t *out);
static void ngx_http_consent_qa_json_record(ngx_http_consent_ctx_t *ctx,
    cg_out_t *out);
static void ngx_http_consent_qa_json_config(ngx_http_request_t *r,
    cg_out_t *out);
static void ngx_http_consent_qa_json_origin(ngx_http_request_t *r,
    const char *directive, cg_out_t *out);
static cg_str_t ngx_http_consent_text(const char *s);


/* What a decision can depend on, in the order of docs/directives.md. */

const char  *ngx_http_consent_qa_directives[] = {
    "consent_gate", "consent_country", "consent_geoip",
    "consent_anonymizer_db", "consent_territory", "consent_unknown_country",
    "consent_anonymizer", "consent_remember_eea", "consent_subject",
    "consent_require", "consent_require_purpose", "consent_ask_age",
    "consent_exempt", "consent_exempt_uri", "consent_exempt_agent",
    "consent_on_error", "consent_override", NULL
};


static cg_str_t
ngx_http_consent_text(const char *s)
{
    return (cg_str_t) { ngx_strlen(s), (const uint8_t *) s };
}


ngx_int_t
ngx_http_consent_qa_json(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, ngx_uint_t status)
{
    size_t          size;
    cg_out_t        out;
    ngx_str_t       body;
    const char     *directive;
    cg_trace_t     *trace;
    cg_decision_t  *d;

    size = ngx_http_consent_qa_size(ctx);

    body.data = ngx_pnalloc(r->pool, size);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    d = &qa->decisions[qa->klass];
    trace = &qa->traces[qa->klass];
    directive = ngx_http_consent_deciding(d, trace);

    cg_out_init(&out, body.data, size);

    ngx_http_consent_qa_json_whom(r, ctx, qa, &out);
    ngx_http_consent_qa_json_classes(ctx, qa, &out);

    cg_out_str(&out, cg_str(",\"class\":"));
    cg_out_json(&out, cg_class_name(qa->klass));
    cg_out_str(&out, cg_str(",\"decided\":{\"step\":"));
    cg_out_json(&out, cg_step_name(trace->decided));
    cg_out_str(&out, cg_str(",\"evidence\":"));
    cg_out_json(&out, cg_source_name(trace->source));
    cg_out_str(&out, cg_str(","));
    ngx_http_consent_qa_json_origin(r, directive, &out);
    cg_out_str(&out, cg_str("},\"steps\":"));
    cg_explain_steps(trace, &out);
    cg_out_str(&out, cg_str(",\"evidence\":"));
    cg_explain_evidence(trace, &out);

    ngx_http_consent_qa_json_place(r, ctx, &out);
    ngx_http_consent_qa_json_record(ctx, &out);
    ngx_http_consent_qa_json_config(r, &out);

    cg_out_str(&out, cg_str(",\"token\":"));
    cg_out_json(&out, ngx_http_consent_cstr(&qa->link));
    cg_out_str(&out, cg_str("}\n"));

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = cg_out_len(&out);

    return ngx_http_consent_send(r, status, "application/json", &body);
}


/* Whom and where it is about: other locations may have other settings. */

static void
ngx_http_consent_qa_json_whom(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    u_char                     text[NGX_HTTP_CONSENT_OVERRIDE_TEXT];
    cg_out_t                   part;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    cg_out_init(&part, text, sizeof(text));

    if (ctx->override) {
        ngx_http_consent_override_text(ctx, &part);
    }

    cg_out_str(out, cg_str("{\"error\":"));

    if (qa->error) {
        cg_out_json(out, ngx_http_consent_text(qa->error));

    } else {
        cg_out_str(out, cg_str("null"));
    }

    cg_out_str(out, cg_str(",\"override\":"));
    cg_out_json(out, (cg_str_t) { cg_out_len(&part), text });
    cg_out_str(out, cg_str(",\"location\":"));
    cg_out_json(out, ngx_http_consent_cstr(&clcf->name));
    cg_out_str(out, cg_str(",\"now\":"));
    cg_out_uint(out, (uint64_t) qa->now);
}


static void
ngx_http_consent_qa_json_classes(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    cg_class_e      klass;
    cg_action_e     action;
    cg_decision_t  *d;

    cg_out_str(out, cg_str(",\"classes\":{"));

    for (klass = 0; klass < CG_CLASSES; klass++) {
        d = &qa->decisions[klass];
        action = cg_action(d->outcome, klass);

        cg_out_str(out, klass ? cg_str(",") : cg_str(""));
        cg_out_json(out, cg_class_name(klass));
        cg_out_str(out, cg_str(":{\"decision\":"));
        cg_out_json(out, cg_outcome_name(d->outcome));
        cg_out_str(out, cg_str(",\"reason\":"));
        cg_out_json(out, cg_reason_name(d->reason));
        cg_out_str(out, cg_str(",\"source\":"));
        cg_out_json(out, cg_source_name(d->source));
        cg_out_str(out, cg_str(",\"action\":"));
        cg_out_json(out, cg_action_name(action));
        cg_out_str(out, cg_str(",\"missing\":"));
        ngx_http_consent_doc_json(ctx->mcf, d->missing, out);
        cg_out_str(out, cg_str(",\"behind\":"));
        ngx_http_consent_doc_json(ctx->mcf, d->behind, out);
        cg_out_str(out, cg_str("}"));
    }

    cg_out_str(out, cg_str("}"));
}


static void
ngx_http_consent_qa_json_place(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_out_t *out)
{
    uint8_t                       code[2];
    const char                   *from;
    cg_facts_t                   *facts;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);
    facts = &ctx->facts;
    from = ngx_http_consent_country_from(ctx, lcf);

    cg_out_str(out, cg_str(",\"place\":{\"country\":"));
    cg_out_json(out, (cg_str_t) { cg_country_code(facts->country, code),
                                  code });
    cg_out_str(out, cg_str(",\"from\":"));
    cg_out_json(out, ngx_http_consent_text(from));
    cg_out_str(out, cg_str(",\"us\":"));
    cg_out_uint(out, ctx->place_us);
    cg_out_str(out, cg_str(",\"anonymizer\":"));
    cg_out_json(out,
                cg_anonymizer_name(ngx_http_consent_anonymizer(r, ctx)));
    cg_out_str(out, cg_str(",\"database\":"));
    ngx_http_consent_qa_json_database(ctx->mcf->geo, out);
    cg_out_str(out, cg_str(",\"anonymizer_database\":"));
    ngx_http_consent_qa_json_database(ctx->mcf->anonymizers, out);
    cg_out_str(out, cg_str("}"));
}


const char *
ngx_http_consent_country_from(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    return ctx->override && ctx->override->o.has_country ? "override"
           : lcf->country ? "variable"
           : ctx->mcf->geo ? "database" : "nowhere";
}


static void
ngx_http_consent_qa_json_database(ngx_http_consent_geo_t *geo, cg_out_t *out)
{
    if (geo == NULL) {
        cg_out_str(out, cg_str("null"));
        return;
    }

    cg_out_str(out, cg_str("{\"path\":"));
    cg_out_json(out, ngx_http_consent_cstr(&geo->path));
    cg_out_str(out, cg_str(",\"type\":"));
    cg_out_json(out, ngx_http_consent_text(cg_geo_type(geo->db)));
    cg_out_str(out, cg_str(",\"built\":"));
    cg_out_uint(out, (uint64_t) cg_geo_epoch(geo->db));
    cg_out_str(out, cg_str("}"));
}


static void
ngx_http_consent_qa_json_record(ngx_http_consent_ctx_t *ctx, cg_out_t *out)
{
    ngx_uint_t                     i;
    const cg_policy_t             *p;
    const cg_record_t             *record;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ctx->mcf;
    record = ngx_http_consent_record(ctx);

    cg_out_str(out, cg_str(",\"record\":{\"lookup\":"));
    cg_out_json(out, cg_lookup_name(ctx->facts.lookup));
    cg_out_str(out, cg_str(",\"from\":"));
    cg_out_json(out, ngx_http_consent_text(ngx_http_consent_record_from(ctx)));
    cg_out_str(out, cg_str(",\"us\":"));
    cg_out_uint(out, ctx->record_us);
    cg_out_str(out, cg_str(",\"documents\":["));

    for (i = 0; i < mcf->ndocs; i++) {
        p = &ngx_consent_store_policies(mcf->client)->docs[i];

        cg_out_str(out, i ? cg_str(",{\"name\":") : cg_str("{\"name\":"));
        cg_out_json(out, ngx_http_consent_cstr(&mcf->docs[i].name));
        cg_out_str(out, cg_str(",\"version\":"));
        cg_out_uint(out, p->version);
        cg_out_str(out, cg_str(",\"enforced\":"));
        cg_out_uint(out, cg_policy_enforced(p, ngx_http_consent_now(ctx)));
        cg_out_str(out, cg_str(",\"accepted\":"));
        cg_out_uint(out, record ? record->accepted[i] : 0);
        cg_out_str(out, record && (record->declined >> i & 1)
                        ? cg_str(",\"declined\":true}")
                        : cg_str(",\"declined\":false}"));
    }

    cg_out_str(out, cg_str("]}"));
}


const char *
ngx_http_consent_record_from(ngx_http_consent_ctx_t *ctx)
{
    return ctx->pretending
           || (ctx->facts.pretended && ctx->facts.lookup == CG_LOOKUP_FAILED)
           ? "override"
           : ctx->facts.lookup == CG_LOOKUP_NONE ? "nowhere"
           : ctx->cache == NGX_HTTP_CONSENT_CACHE_HIT
             || ctx->cache == NGX_HTTP_CONSENT_CACHE_STALE ? "cache"
           : "redis";
}


static void
ngx_http_consent_qa_json_config(ngx_http_request_t *r, cg_out_t *out)
{
    ngx_uint_t  i;

    cg_out_str(out, cg_str(",\"config\":["));

    for (i = 0; ngx_http_consent_qa_directives[i]; i++) {
        cg_out_str(out, i ? cg_str(",{") : cg_str("{"));
        ngx_http_consent_qa_json_origin(r, ngx_http_consent_qa_directives[i],
                                        out);
        cg_out_str(out, cg_str("}"));
    }

    cg_out_str(out, cg_str("]"));
}


/* Without a file: it is not said, and the default counts. */

static void
ngx_http_consent_qa_json_origin(ngx_http_request_t *r, const char *directive,
    cg_out_t *out)
{
    ngx_http_consent_origin_t  *origin;

    origin = ngx_http_consent_origin(r, directive);

    cg_out_str(out, cg_str("\"directive\":"));
    cg_out_json(out, ngx_http_consent_text(directive));
    cg_out_str(out, cg_str(",\"file\":"));

    if (origin == NULL) {
        cg_out_str(out, cg_str("null,\"line\":null"));
        return;
    }

    cg_out_json(out, ngx_http_consent_cstr(&origin->file));
    cg_out_str(out, cg_str(",\"line\":"));
    cg_out_uint(out, origin->line);
}
