/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_COOKIES_H
#define NGX_HTTP_CONSENT_COOKIES_H

#include "ngx_http_consent_gate_module.h"


/* A walk over the Cookie headers, of which nginx keeps a list of its own. */

typedef struct {
#if (nginx_version >= 1023000)
    ngx_table_elt_t   *next;
#else
    ngx_table_elt_t  **next;
    ngx_uint_t         left;
#endif
} ngx_http_consent_cookies_t;


static ngx_inline void
ngx_http_consent_first_cookies(ngx_http_request_t *r,
    ngx_http_consent_cookies_t *c)
{
#if (nginx_version >= 1023000)
    c->next = r->headers_in.cookie;
#else
    c->next = r->headers_in.cookies.elts;
    c->left = r->headers_in.cookies.nelts;
#endif
}


static ngx_inline ngx_str_t *
ngx_http_consent_next_cookies(ngx_http_consent_cookies_t *c)
{
    ngx_table_elt_t  *h;

#if (nginx_version >= 1023000)

    h = c->next;

    if (h == NULL) {
        return NULL;
    }

    c->next = h->next;

#else

    if (c->left == 0) {
        return NULL;
    }

    h = *c->next++;
    c->left--;

#endif

    return &h->value;
}

#endif /* NGX_HTTP_CONSENT_COOKIES_H */
