/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static void ngx_http_consent_document_value(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_uint_t n, cg_str_t field,
    cg_out_t *out);
static cg_str_t ngx_http_consent_document_state(ngx_http_consent_ctx_t *ctx,
    const cg_policies_t *policies, ngx_uint_t n);


/*
 * $consent_document_NAME_FIELD, for pages. The longest name that fits counts,
 * for both names and fields are words with '_'.
 */

ngx_int_t
ngx_http_consent_document_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    u_char                         buf[NGX_HTTP_CONSENT_VALUE];
    cg_str_t                       s, field;
    cg_out_t                       out;
    ngx_uint_t                     i, n;
    ngx_str_t                     *doc;
    ngx_http_consent_ctx_t        *ctx;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    s.data = name->data + sizeof("consent_document_") - 1;
    s.len = name->len - (sizeof("consent_document_") - 1);

    n = mcf->ndocs;

    for (i = 0; i < mcf->ndocs; i++) {
        doc = &mcf->docs[i].name;

        if (s.len > doc->len + 1 && s.data[doc->len] == '_'
            && ngx_memcmp(s.data, doc->data, doc->len) == 0
            && (n == mcf->ndocs || doc->len > mcf->docs[n].name.len))
        {
            n = i;
        }
    }

    if (n == mcf->ndocs || mcf->client == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    field.data = s.data + mcf->docs[n].name.len + 1;
    field.len = s.len - mcf->docs[n].name.len - 1;

    ctx = ngx_http_consent_get_ctx(r);

    cg_out_init(&out, buf, sizeof(buf));
    ngx_http_consent_document_value(ctx, mcf, n, field, &out);

    return ngx_http_consent_set_value(r, v, &out);
}


static void
ngx_http_consent_document_value(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_main_conf_t *mcf, ngx_uint_t n, cg_str_t field,
    cg_out_t *out)
{
    u_char                date[sizeof("1970-01-01") + NGX_INT64_LEN];
    ngx_tm_t              tm;
    const cg_policy_t    *p;
    const cg_record_t    *record;
    const cg_policies_t  *policies;

    policies = ngx_consent_store_policies(mcf->client);
    p = &policies->docs[n];
    record = ctx ? ngx_http_consent_record(ctx) : NULL;

    if (cg_str_eq(field, cg_str("kind"))) {
        cg_out_str(out, mcf->docs[n].acknowledge ? cg_str("acknowledge")
                                                 : cg_str("accept"));

    } else if (cg_str_eq(field, cg_str("state"))) {
        if (ctx) {
            cg_out_str(out, ngx_http_consent_document_state(ctx, policies, n));
        }

    } else if (!p->known) {
        return;

    } else if (cg_str_eq(field, cg_str("version"))) {
        cg_out_uint(out, p->version);

    } else if (cg_str_eq(field, cg_str("required"))) {
        cg_out_uint(out, p->required);

    } else if (cg_str_eq(field, cg_str("effective"))) {
        cg_out_uint(out, p->effective);

    } else if (cg_str_eq(field, cg_str("effective_date"))) {
        if (p->effective) {
            ngx_gmtime((time_t) p->effective, &tm);
            cg_out_bytes(out, date, ngx_sprintf(date, "%04d-%02d-%02d",
                                                tm.ngx_tm_year, tm.ngx_tm_mon,
                                                tm.ngx_tm_mday)
                                    - date);
        }

    } else if (cg_str_eq(field, cg_str("title"))) {
        if (p->title_len) {
            cg_out_bytes(out, p->title, p->title_len);

        } else {
            cg_out_str(out, ngx_http_consent_cstr(&mcf->docs[n].name));
        }

    } else if (cg_str_eq(field, cg_str("url"))) {
        cg_out_bytes(out, p->url, p->url_len);

    } else if (cg_str_eq(field, cg_str("sha256"))) {
        if (p->has_sha256) {
            cg_out_hex(out, p->sha256, 32);
        }

    } else if (cg_str_eq(field, cg_str("accepted"))) {
        if (record && record->accepted[n]) {
            cg_out_uint(out, record->accepted[n]);
        }
    }
}


/* What is to be done about a document: for the subject, or for anyone. */

static cg_str_t
ngx_http_consent_document_state(ngx_http_consent_ctx_t *ctx,
    const cg_policies_t *policies, ngx_uint_t n)
{
    uint32_t            enforced, accepted;
    const cg_record_t  *record;

    if (!policies->docs[n].known) {
        return cg_str("unknown");
    }

    record = ngx_http_consent_record(ctx);
    enforced = cg_policy_enforced(&policies->docs[n],
                                  ngx_http_consent_now(ctx));
    accepted = record ? record->accepted[n] : 0;

    if (accepted && accepted >= enforced) {
        return cg_str("accepted");
    }

    if (record && (record->declined & (1 << n))) {
        return cg_str("declined");
    }

    if (enforced == 0) {
        return cg_str("announced");
    }

    return accepted ? cg_str("outdated") : cg_str("missing");
}
