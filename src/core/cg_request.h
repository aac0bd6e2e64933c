/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_REQUEST_H
#define CG_REQUEST_H

#include "cg_decide.h"


/* The parts of a request that its class depends on; absent ones are empty. */

typedef struct {
    bool      safe;                 /* GET or HEAD */
    bool      websocket;            /* Upgrade names websocket */
    cg_str_t  sec_fetch_mode;
    cg_str_t  sec_fetch_dest;
    cg_str_t  x_requested_with;
    cg_str_t  accept;
    cg_str_t  path;                 /* for its extension */
} cg_request_t;

/*
 * The class of a request (Fetch Metadata Request Headers, W3C; without them,
 * as on plain HTTP, a table by Accept, X-Requested-With, and extension). What
 * does not ask for HTML is never a navigation: a script that gets a redirect
 * to a page breaks in silence, one that gets 403 says why.
 */
cg_class_e cg_classify(const cg_request_t *rq);

/*
 * The next element of a comma-separated header (RFC 9110, 5.6.1) without the
 * white space around it; empty ones are skipped. `list` is advanced behind
 * it. Returns false when there is none (left).
 */
bool cg_list_next(cg_str_t *list, cg_str_t *element);

/*
 * A path of this site to go back to: one leading '/', no "//" and no '\' in
 * the path, no control bytes, nor percent-encoded forms of these (encoded
 * twice too), at most CG_MAX_RETURN bytes, visible ASCII only. The query may
 * hold anything but control bytes, encoded or not; a fragment is refused.
 */
#define CG_MAX_RETURN  2048

bool cg_return_valid(cg_str_t path);

/*
 * The value of cookie `name` in one Cookie header (RFC 6265, 5.4). `next` is
 * where to go on, at first 0: a cookie may come more than once, of which only
 * one is ours. Returns false when there is none (left).
 */
bool cg_cookie_next(cg_str_t header, cg_str_t name, size_t *next,
    cg_str_t *value);

/*
 * The language that comes first in Accept-Language (RFC 9110, 12.5.4; by
 * weight, then by order), as a tag of letters, digits and '-', at most
 * CG_MAX_LOCALE bytes, the primary tag in lower case. Returns its length; 0
 * when there is none.
 */
#define CG_MAX_LOCALE  16

size_t cg_locale(cg_str_t accept_language, uint8_t locale[CG_MAX_LOCALE]);

/*
 * The next pair of an application/x-www-form-urlencoded text (WHATWG URL,
 * 5.1), decoded in place: `form` is advanced behind it; `name` and `value`
 * point into its memory. Returns 1, 0 at the end, -1 when an escape is
 * malformed or decodes to a NUL.
 */
typedef struct {
    uint8_t  *pos;
    uint8_t  *end;
} cg_form_t;

int cg_form_next(cg_form_t *form, cg_str_t *name, cg_str_t *value);

/*
 * Whether `origin` ("https://example.org:8443") names `host` ("example.org"
 * or "example.org:8443", as in the Host header). A default port may be
 * written or left out. The scheme is not compared: TLS may end before us.
 */
bool cg_origin_matches(cg_str_t origin, cg_str_t host);

#endif /* CG_REQUEST_H */
