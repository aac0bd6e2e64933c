/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_OVERRIDE_H
#define NGX_HTTP_CONSENT_OVERRIDE_H

#include "ngx_http_consent_gate_module.h"
#include "../core/cg_override.h"


#define NGX_HTTP_CONSENT_TEST_TTL  86400    /* seconds, of a tester's cookie */

#define ngx_http_consent_override_suffix  "-override"


/* What brought it; the order is that of the names. */

typedef enum {
    NGX_HTTP_CONSENT_BY_WORDS = 0,      /* X-Consent-Country and the like */
    NGX_HTTP_CONSENT_BY_HEADER,         /* X-Consent-Override */
    NGX_HTTP_CONSENT_BY_ARGUMENT,
    NGX_HTTP_CONSENT_BY_COOKIE,
    NGX_HTTP_CONSENT_BY_PREVIEW         /* looked at, on the page for testers */
} ngx_http_consent_by_e;


/* The override of a request: in its pool. */

struct ngx_http_consent_override_s {
    cg_override_t              o;
    uint8_t                    by;      /* ngx_http_consent_by_e */
    uint8_t                    salt[8]; /* if `salted`: of the test subject */
    ngx_str_t                  cookie;  /* the name of a tester's cookie */
    unsigned                   salted:1;
    unsigned                   pretends:1;
};


/* ngx_http_consent_override.c */

/* Whether `allow=` of the location says yes; NGX_ERROR: out of memory. */
ngx_int_t ngx_http_consent_allowed(ngx_http_request_t *r,
    ngx_http_consent_loc_conf_t *lcf);
/* The facts as they are pretended, when those of the store are known. */
void ngx_http_consent_pretend(ngx_http_consent_ctx_t *ctx);
/* Part of a first write: what was pretended until then stays, or ends. */
void ngx_http_consent_seed(ngx_http_consent_ctx_t *ctx,
    ngx_consent_write_t *write);
/* "country=DE; ...; by=cookie; expires=...", as responses say it. */
void ngx_http_consent_override_text(ngx_http_consent_ctx_t *ctx,
    cg_out_t *out);

/* At most this many bytes. */
#define NGX_HTTP_CONSENT_OVERRIDE_TEXT  (CG_OVERRIDE_TEXT + 64)


/* ngx_http_consent_cookie.c */

/* Whether the client is taken to come over TLS. */
ngx_uint_t ngx_http_consent_secure(ngx_http_request_t *r,
    ngx_http_consent_srv_conf_t *scf);
/* The name of the visitor cookie of who is no tester. */
ngx_str_t ngx_http_consent_real_name(ngx_http_request_t *r,
    ngx_http_consent_srv_conf_t *scf);
/* A name with a suffix, in the pool of r. */
ngx_int_t ngx_http_consent_suffixed(ngx_http_request_t *r, ngx_str_t base,
    const char *suffix, ngx_str_t *name);
/* Adds Set-Cookie; `max_age` in seconds, -1: for the session. */
ngx_int_t ngx_http_consent_set_cookie(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value, time_t max_age);


/* ngx_http_consent_override_cookie.c */

/* The name of the visitor cookie of testers, in the pool of r. */
ngx_int_t ngx_http_consent_test_cookie(ngx_http_request_t *r,
    ngx_str_t *name);
/* Sets the cookie, for as long as the token lives; takes it back. */
ngx_int_t ngx_http_consent_send_override(ngx_http_request_t *r,
    ngx_str_t *token, int64_t expires);
ngx_int_t ngx_http_consent_clear_override(ngx_http_request_t *r);


/* ngx_http_consent_override_move.c */

/*
 * A token in the query of a page that a person opens goes to a cookie, by a
 * redirect to the same page without it. NGX_DECLINED: there is none to move.
 */
ngx_int_t ngx_http_consent_move_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);

#endif /* NGX_HTTP_CONSENT_OVERRIDE_H */
