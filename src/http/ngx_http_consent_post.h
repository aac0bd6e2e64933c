/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_POST_H
#define NGX_HTTP_CONSENT_POST_H

#include "ngx_http_consent_gate_module.h"


/*
 * A POST goes: body, what it says, the token it says it with, the write, the
 * answer. Each step can fail in a way of its own.
 */

typedef enum {
    NGX_HTTP_CONSENT_NO_FAILURE = 0,
    NGX_HTTP_CONSENT_BAD_BODY,
    NGX_HTTP_CONSENT_BAD_SIZE,
    NGX_HTTP_CONSENT_BAD_TYPE,
    NGX_HTTP_CONSENT_CROSS_SITE,
    NGX_HTTP_CONSENT_REPORTING,
    NGX_HTTP_CONSENT_NO_COOKIE,
    NGX_HTTP_CONSENT_BAD_TOKEN,
    NGX_HTTP_CONSENT_CHANGED,
    NGX_HTTP_CONSENT_UNTICKED,
    NGX_HTTP_CONSENT_NOT_SHOWN,
    NGX_HTTP_CONSENT_NO_AGE,
    NGX_HTTP_CONSENT_UNDER_AGE,
    NGX_HTTP_CONSENT_NO_COUNTRY,
    NGX_HTTP_CONSENT_LINK_USED,
    NGX_HTTP_CONSENT_LINK_ERASED,
    NGX_HTTP_CONSENT_LINK_ACCEPT,
    NGX_HTTP_CONSENT_NO_STORE,
    NGX_HTTP_CONSENT_BUSY
} ngx_http_consent_failure_e;


/*
 * One change under way: in the pool of the request. `what` is the kind of the
 * event that comes of it; the write is made of what the form says.
 */

typedef struct ngx_http_consent_change_s {
    cg_event_e                 what;
    cg_method_e                method;
    ngx_http_consent_post_t    post;
    cg_form_token_t            token;
    cg_docs_t                  shown;        /* numbered as configured */
    ngx_uint_t                 numbers[CG_MAX_DOCUMENTS];  /* of token.shown */
    ngx_consent_write_t        write;
    uint8_t                    event[CG_EVENT_ID_LEN];
    ngx_str_t                  given;        /* the cookie of that name */
} ngx_http_consent_change_t;


/* ngx_http_consent_link.c */

/* Whether the link that the subject came by, if any, is still good. */
ngx_http_consent_failure_e ngx_http_consent_check_link(
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_event.c */

/* Makes the event of ctx->change and signs it; NGX_ERROR: out of memory. */
ngx_int_t ngx_http_consent_make_event(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_change.c: what each kind of change is */

/*
 * Whether the form of ctx->change can be taken: it answers what was shown,
 * and says what it has to. Finds the numbers of the documents shown.
 */
ngx_http_consent_failure_e ngx_http_consent_check_change(
    ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx);
/* Makes the write of it, but for the event. */
void ngx_http_consent_fill_write(ngx_http_consent_ctx_t *ctx);
/* What the store has made of the record (ngx_consent_script.h). */
void ngx_http_consent_apply(ngx_http_consent_change_t *change,
    cg_record_t *record);


/* ngx_http_consent_post_answer.c: return what to finalize with */

/* The change is recorded: cookies, receipt, and 303 or JSON. */
ngx_int_t ngx_http_consent_done(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* It is not: the page once more, or a problem. */
ngx_int_t ngx_http_consent_fail(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_failure_e failure);

/* A problem, whoever asks: with no change under way. */
ngx_int_t ngx_http_consent_refuse(ngx_http_request_t *r,
    ngx_http_consent_failure_e failure);

#endif /* NGX_HTTP_CONSENT_POST_H */
