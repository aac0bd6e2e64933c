/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_path.h"


static bool cg_path_encoded(const uint8_t *p, const uint8_t *last);
static bool cg_path_dots(const uint8_t *p, const uint8_t *last);


bool
cg_path_ambiguous(cg_str_t path)
{
    const uint8_t  *p, *last;

    last = path.data + path.len;

    for (p = path.data; p < last && *p != '?'; p++) {

        if (*p == '\\' || *p == '#'
            || (*p == '%' && cg_path_encoded(p + 1, last))
            || (*p == '/' && cg_path_dots(p + 1, last)))
        {
            return true;
        }
    }

    return false;
}


/* "2f", "5c", "2e"; also behind any number of "25", which hide a "%". */

static bool
cg_path_encoded(const uint8_t *p, const uint8_t *last)
{
    uint8_t  c;

    while (last - p >= 4 && p[0] == '2' && p[1] == '5') {
        p += 2;
    }

    if (last - p < 2) {
        return false;
    }

    c = p[1] | 0x20;

    return (p[0] == '2' && (c == 'f' || c == 'e'))
           || (p[0] == '5' && c == 'c');
}


/* Whether the segment at `p` is "." or "..". */

static bool
cg_path_dots(const uint8_t *p, const uint8_t *last)
{
    int  n;

    for (n = 0; p < last && *p == '.'; n++) {
        p++;
    }

    return (n == 1 || n == 2)
           && (p == last || memchr("/;?#%", *p, 5) != NULL);
}
