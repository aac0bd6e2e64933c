/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static ngx_uint_t ngx_http_consent_purpose_field(
    ngx_http_consent_main_conf_t *mcf, cg_str_t s, cg_str_t *field);
static void ngx_http_consent_purpose_value(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_uint_t n, cg_str_t field,
    cg_out_t *out);
static cg_str_t ngx_http_consent_purpose_state(ngx_http_consent_ctx_t *ctx,
    const cg_policies_t *policies, ngx_uint_t n);


ngx_int_t
ngx_http_consent_purpose_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    u_char                         buf[NGX_HTTP_CONSENT_VALUE];
    cg_str_t                       s, field;
    cg_out_t                       out;
    ngx_uint_t                     n;
    ngx_http_consent_ctx_t        *ctx;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    s.data = name->data + sizeof("consent_purpose_") - 1;
    s.len = name->len - (sizeof("consent_purpose_") - 1);

    n = ngx_http_consent_purpose_field(mcf, s, &field);

    if (n == mcf->npurposes) {
        v->not_found = 1;
        return NGX_OK;
    }

    ctx = ngx_http_consent_get_ctx(r);

    if (ctx && !ctx->done) {
        ctx = NULL;
    }

    cg_out_init(&out, buf, sizeof(buf));
    ngx_http_consent_purpose_value(ctx, mcf, n, field, &out);

    return ngx_http_consent_set_value(r, v, &out);
}


/*
 * NAME, or NAME_FIELD. The longest name that fits counts, for names are words
 * with '_' too. Returns npurposes for what is neither.
 */

static ngx_uint_t
ngx_http_consent_purpose_field(ngx_http_consent_main_conf_t *mcf, cg_str_t s,
    cg_str_t *field)
{
    size_t      len;
    ngx_uint_t  i, n;

    n = mcf->npurposes;

    for (i = 0; i < mcf->npurposes; i++) {
        len = mcf->purposes[i].name.len;

        if (s.len < len
            || ngx_memcmp(s.data, mcf->purposes[i].name.data, len) != 0
            || (s.len > len && s.data[len] != '_')
            || (n < mcf->npurposes && len < mcf->purposes[n].name.len))
        {
            continue;
        }

        n = i;
    }

    if (n == mcf->npurposes) {
        return n;
    }

    len = mcf->purposes[n].name.len;

    field->data = s.data + len + (s.len > len);
    field->len = s.len - len - (s.len > len);

    return field->len == 0 && s.len == len
           ? n
           : cg_str_eq(*field, cg_str("title"))
             || cg_str_eq(*field, cg_str("state")) ? n : mcf->npurposes;
}


static void
ngx_http_consent_purpose_value(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_uint_t n, cg_str_t field,
    cg_out_t *out)
{
    ngx_str_t            *title;
    const cg_policies_t  *policies;

    if (cg_str_eq(field, cg_str("title"))) {
        title = mcf->purposes[n].title.len ? &mcf->purposes[n].title
                                           : &mcf->purposes[n].name;
        cg_out_str(out, ngx_http_consent_cstr(title));
        return;
    }

    if (ctx == NULL) {
        cg_out_str(out, field.len ? cg_str("") : cg_str("0"));
        return;
    }

    policies = ngx_consent_store_policies(mcf->client);

    if (field.len) {
        cg_out_str(out, ngx_http_consent_purpose_state(ctx, policies, n));
        return;
    }

    cg_out_str(out, ngx_http_consent_granted(ctx->request, ctx) & (1 << n)
                    ? cg_str("1") : cg_str("0"));
}


/* What a signal or a consent manager says is worth less than an answer. */

static cg_str_t
ngx_http_consent_purpose_state(ngx_http_consent_ctx_t *ctx,
    const cg_policies_t *policies, ngx_uint_t n)
{
    const cg_record_t  *record;

    if (policies->necessary >> n & 1) {
        return cg_str("necessary");
    }

    record = ngx_http_consent_only_link(ctx) ? NULL
                                             : ngx_http_consent_answers(ctx);

    if (record && (record->answered >> n & 1)) {
        return ngx_http_consent_granted(ctx->request, ctx) & (1 << n)
               ? cg_str("granted") : cg_str("refused");
    }

    if (ngx_http_consent_gpc(ctx) && (policies->gpc_deny >> n & 1)) {
        return cg_str("signal");
    }

    return ngx_http_consent_granted(ctx->request, ctx) & (1 << n)
           ? cg_str("manager") : cg_str("open");
}
