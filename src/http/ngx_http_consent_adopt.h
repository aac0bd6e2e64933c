/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_ADOPT_H
#define NGX_HTTP_CONSENT_ADOPT_H

#include "ngx_http_consent_gate_module.h"
#include "../core/cg_merge.h"


/* What the call of an adoption is about; the order is that of events. */

typedef enum {
    NGX_HTTP_CONSENT_ADOPT_VISITOR = 0,     /* the visitor's record */
    NGX_HTTP_CONSENT_ADOPT_ACCOUNT,         /* the account's, as it is now */
    NGX_HTTP_CONSENT_ADOPT_WRITE,           /* to the account */
    NGX_HTTP_CONSENT_ADOPT_TOMBSTONE        /* in the visitor's place */
} ngx_http_consent_adopt_e;


/* One merge under way: in the pool of the request. */

typedef struct ngx_http_consent_adopt_s {
    ngx_http_consent_adopt_e   step;
    ngx_uint_t                 tries;
    ngx_msec_t                 until;        /* after it, no next step */
    uint8_t                    key[16];      /* of who with whom, see .c */
    cg_subject_t               visitor;
    cg_record_t                said;         /* by the visitor */
    unsigned                   said_previous:1;
    cg_record_t                account;
    unsigned                   has_account:1;
    unsigned                   account_previous:1;
    uint32_t                   given[CG_MAX_DOCUMENTS];
    cg_merge_t                 merge;
    uint8_t                    event[CG_EVENT_ID_LEN];
    ngx_consent_write_t        write;
    ngx_consent_call_t         call;
} ngx_http_consent_adopt_t;


/* ngx_http_consent_given.c: the cookie that says what was accepted here */

/*
 * Fills adopt->given with the versions that the visitor has accepted in this
 * browser within the hour. NGX_ERROR when out of memory.
 */
ngx_int_t ngx_http_consent_read_given(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_adopt_event.c */

/*
 * Makes the event of adopt->write: of the account, or of the visitor whose
 * record ends. NGX_ERROR when out of memory.
 */
ngx_int_t ngx_http_consent_adopt_event(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);

#endif /* NGX_HTTP_CONSENT_ADOPT_H */
