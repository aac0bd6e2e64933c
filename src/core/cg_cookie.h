/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_COOKIE_H
#define CG_COOKIE_H

#include "cg_request.h"


#define cg_blank(c)  ((c) == ' ' || (c) == '\t')


static inline cg_str_t
cg_trim(const uint8_t *start, const uint8_t *end)
{
    while (start < end && cg_blank(*start)) {
        start++;
    }

    while (end > start && cg_blank(end[-1])) {
        end--;
    }

    return (cg_str_t) { (size_t) (end - start), start };
}


/*
 * The value, if the pair at `p` has this name (not empty); white space before
 * it is skipped. NULL: it has another one. Most browsers bring a dozen cookies
 * along: of the others no more than this is read.
 */

static inline const uint8_t *
cg_cookie_value(const uint8_t *p, const uint8_t *end, cg_str_t name)
{
    while (p != end && cg_blank(*p)) {
        p++;
    }

    if ((size_t) (end - p) <= name.len || *p != *name.data
        || memcmp(p, name.data, name.len) != 0)
    {
        return NULL;
    }

    p += name.len;

    while (p != end && cg_blank(*p)) {
        p++;
    }

    if (p == end || *p != '=') {
        return NULL;
    }

    do {
        p++;
    } while (p != end && cg_blank(*p));

    return p;
}


/* Whether nothing of a value is left at `p` but white space. */

static inline bool
cg_cookie_ends(const uint8_t *p, const uint8_t *end)
{
    while (p != end && cg_blank(*p)) {
        p++;
    }

    return p == end || *p == ';';
}

#endif /* CG_COOKIE_H */
