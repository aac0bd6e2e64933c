/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <time.h>

#include "ctl.h"


/*
 * Seconds since 1970 as a number: until the year 9999, and from 2001 on, for
 * 20260101 is meant as a date and would be a day of 1970.
 */

#define CTL_MAX_TIME  253402300799
#define CTL_MIN_TIME  1000000000


bool
ctl_time_span(const char *text, int64_t *seconds)
{
    char                *end;
    size_t               i;
    unsigned long long   n;

    static const struct {
        const char  *unit;
        int64_t      seconds;
    } units[] = {
        { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 },
        { "w", 7 * 86400 }, { "M", 30 * 86400 }, { "y", 365 * 86400 }
    };

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }

    n = strtoull(text, &end, 10);

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0
            && n <= (unsigned long long) (INT32_MAX / units[i].seconds))
        {
            *seconds = (int64_t) n * units[i].seconds;
            return true;
        }
    }

    return false;
}


bool
ctl_time_point(const char *text, int64_t *seconds)
{
    size_t       i;
    uint64_t     n;
    struct tm    tm, given;
    const char  *end;

    static const char *const  formats[] = {
        "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"
    };

    if (cg_parse_uint((cg_str_t) { strlen(text), (const uint8_t *) text },
                      CTL_MAX_TIME, &n))
    {
        *seconds = (int64_t) n;
        return n >= CTL_MIN_TIME;
    }

    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        memset(&tm, 0, sizeof(tm));
        end = strptime(text, formats[i], &tm);

        if (end == NULL || *end != '\0' || text[0] == ' ') {
            continue;
        }

        /* what there is not, February 30th, would become another day */

        given = tm;
        *seconds = (int64_t) timegm(&tm);

        return *seconds >= 0
               && tm.tm_mday == given.tm_mday && tm.tm_sec == given.tm_sec;
    }

    return false;
}


char *
ctl_time_text(int64_t seconds, char *text)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) seconds;

    if (gmtime_r(&t, &tm) == NULL
        || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        strcpy(text, "?");
    }

    return text;
}
