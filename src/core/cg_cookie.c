/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_cookie.h"


bool
cg_cookie_next(cg_str_t header, cg_str_t name, size_t *next, cg_str_t *value)
{
    const uint8_t  *p, *end, *found, *semicolon;

    if (*next >= header.len) {
        return false;
    }

    p = header.data + *next;
    end = header.data + header.len;

    for ( ;; ) {
        found = cg_cookie_value(p, end, name);

        if (found != NULL) {
            p = found;
        }

        semicolon = memchr(p, ';', (size_t) (end - p));

        if (found != NULL) {
            break;
        }

        if (semicolon == NULL) {
            *next = header.len;
            return false;
        }

        p = semicolon + 1;
    }

    if (semicolon == NULL) {
        semicolon = end;
        *next = header.len;

    } else {
        *next = (size_t) (semicolon - header.data) + 1;
    }

    *value = cg_trim(found, semicolon);

    return true;
}
