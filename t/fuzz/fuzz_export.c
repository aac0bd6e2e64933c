/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A record of any fields and values is exported in no more bytes than it was
 * said to take, as JSON: its quotes and brackets close. Ages of a setting, too,
 * for they are words from outside.
 */

#include <stdlib.h>

#include "cg_age.h"
#include "cg_export.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)

#define PAIRS  16


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Every bracket outside of strings closes, and no byte is below a space. */

static void
require_closed(const uint8_t *p, const uint8_t *end)
{
    long  depth;
    bool  string;

    depth = 0;
    string = false;

    for ( /* void */ ; p < end; p++) {
        require(*p >= ' ');

        if (string) {
            if (*p == '\\') {
                p++;
                require(p < end);

            } else if (*p == '"') {
                string = false;
            }

            continue;
        }

        string = (*p == '"');
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        require(depth >= 0);
    }

    require(depth == 0 && !string);
}


static void
fuzz_record(const uint8_t *data, size_t size)
{
    size_t    n, need;
    uint8_t  *buf;
    cg_out_t  out;
    cg_str_t  pairs[2 * PAIRS];

    /* strings with their length in a byte before them */

    for (n = 0; n < 2 * PAIRS && size > 0; n++) {
        pairs[n].len = data[0] < size - 1 ? data[0] : size - 1;
        pairs[n].data = data + 1;
        data += 1 + pairs[n].len;
        size -= 1 + pairs[n].len;
    }

    n /= 2;

    need = cg_export_record_size(pairs, n);
    buf = malloc(need);
    require(buf != NULL);

    cg_out_init(&out, buf, need);
    cg_export_record(&out, pairs, n);
    require(!out.overflow);
    require_closed(buf, out.pos);

    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_ages_t       ages;
    cg_pseudonym_t  p;

    fuzz_record(data, size);

    memset(&p, 0, sizeof(p));
    memset(&ages, 0, sizeof(ages));

    (void) cg_export_may_be((cg_str_t) { size, data }, &p);

    if (cg_age_word(&ages, (cg_str_t) { size, data })) {
        require(ages.other <= CG_MAX_AGE);
        require(cg_age_min(&ages, cg_cc("DE"), 0) != 0);
    }

    return 0;
}
