/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cg_record.h"


#define require(x)  do { if (!(x)) abort(); } while (0)

#define NDOCS      3
#define NPURPOSES  3
#define NVALUES    (CG_FIELD_DOCUMENTS + NDOCS + NPURPOSES)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* A value a line, "!" for one that does not exist. */

static void
split(cg_str_t *values, const uint8_t *p, size_t size)
{
    size_t          n = 0;
    const uint8_t  *line, *end = p + size;

    memset(values, 0, NVALUES * sizeof(cg_str_t));

    for (line = p; line < end && n < NVALUES; n++) {
        p = memchr(line, '\n', (size_t) (end - line));

        if (p == NULL) {
            p = end;
        }

        if (p - line != 1 || *line != '!') {
            values[n].data = line;
            values[n].len = (size_t) (p - line);
        }

        line = p + 1;
    }
}


static void
check_record(const cg_record_t *rec, const cg_str_t *values)
{
    require((rec->granted & ~rec->answered) == 0);
    require(rec->answered >> NPURPOSES == 0);
    require(rec->declined >> NDOCS == 0);
    require(rec->age_state <= CG_AGE_MINOR);
    require((rec->age_state == CG_AGE_NONE) == (rec->age == 0));
    require(rec->age <= 99);
    require(rec->residence < CG_CC_ANONYMIZER);

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        require(rec->accepted[i] == 0 || !(rec->declined >> i & 1));
        require(rec->accepted[i] == 0
                || values[CG_FIELD_DOCUMENTS + i].data != NULL);
    }

    /* unproven to be of this subject: it may say nothing */

    if (values[CG_FIELD_CHECK].data == NULL) {
        require(rec->declined == 0 && rec->answered == 0
                && rec->age_state == CG_AGE_NONE && rec->eea_day == 0
                && rec->residence == CG_CC_UNKNOWN && rec->accepted[0] == 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t  check[4] = { 0xde, 0xad, 0xbe, 0xef };
    cg_str_t              values[NVALUES];
    cg_record_t           rec, zero;

    if (size == 0) {
        return 0;
    }

    split(values, data, size);
    memset(&rec, 0x5a, sizeof(rec));
    memset(&zero, 0, sizeof(zero));

    if (cg_record_parse(&rec, values, NDOCS, NPURPOSES, check)
        == CG_RECORD_OK)
    {
        check_record(&rec, values);

    } else {
        require(memcmp(&rec, &zero, sizeof(rec)) == 0);
    }

    return 0;
}
