/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/* "redis.internal:6379", "127.0.0.1", "[::1]:6379": what is before the port. */

void
ngx_consent_host(const ngx_str_t *name, ngx_str_t *host)
{
    u_char  *p, *last;

    *host = *name;
    last = name->data + name->len;

    if (name->len && name->data[0] == '[') {
        host->data++;
        p = ngx_strlchr(host->data, last, ']');

    } else {
        p = ngx_strlchr(host->data, last, ':');
    }

    host->len = (p ? p : last) - host->data;
}
