/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_QA_H
#define NGX_HTTP_CONSENT_QA_H

#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_override.h"
#include "../core/cg_explain.h"


/* What consent_qa tells: of one request of each class, at this location. */

typedef struct {
    cg_decision_t              decisions[CG_CLASSES];
    cg_trace_t                 traces[CG_CLASSES];
    cg_class_e                 klass;       /* the one told of in full */
    int64_t                    now;         /* the tester's */
    ngx_str_t                  token;       /* of the form */
    ngx_str_t                  link;        /* to share; empty: nothing is set */
    const char                *error;       /* NULL: none */
} ngx_http_consent_qa_t;


static ngx_inline void
ngx_http_consent_put(cg_out_t *out, const char *s)
{
    cg_out_bytes(out, s, ngx_strlen(s));
}


/* ngx_http_consent_explain.c */

/* cg_decide() for these facts, at this location, with its trace. */
void ngx_http_consent_trace(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    const cg_facts_t *facts, cg_decision_t *d, cg_trace_t *trace);
/* The directive that the deciding step goes by; "": none. */
const char *ngx_http_consent_deciding(const cg_decision_t *d,
    const cg_trace_t *trace);


/* ngx_http_consent_qa.c */

/* In the query: "30d" and the like of the link; its default. */
#define NGX_HTTP_CONSENT_LINK_TTL  "8h"

/* A field of the query, or of what was posted: decoded; or empty. */
ngx_str_t ngx_http_consent_qa_arg(ngx_http_consent_ctx_t *ctx,
    const char *name);


/* ngx_http_consent_qa_json.c, ngx_http_consent_qa_page.c */

/* The most bytes of an answer: fields come twice, and '"' becomes "&quot;". */
#define ngx_http_consent_qa_size(ctx)  (65536 + 12 * (ctx)->fields.len)

/* What a decision can depend on; NULL at the end. */
extern const char  *ngx_http_consent_qa_directives[];

/* Where it comes from: "override", "variable", "database", "nowhere". */
const char *ngx_http_consent_country_from(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf);
/* "override", "cache", "redis", "nowhere". */
const char *ngx_http_consent_record_from(ngx_http_consent_ctx_t *ctx);

/* Send it; return what to finalize with. */
ngx_int_t ngx_http_consent_qa_json(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa,
    ngx_uint_t status);
ngx_int_t ngx_http_consent_qa_page(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa,
    ngx_uint_t status);


/* ngx_http_consent_qa_form.c */

/* The form of the page, filled in as it was sent, or as the browser holds. */
void ngx_http_consent_qa_form(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out);
/* "https://example.org", as the client knows the site. */
void ngx_http_consent_qa_site(ngx_http_request_t *r, cg_out_t *out);

#endif /* NGX_HTTP_CONSENT_QA_H */
