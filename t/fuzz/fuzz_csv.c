/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cg_csv.h"


#define require(x)  do { if (!(x)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* The fields are no longer than the row, and come to an end. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t     n, len;
    uint8_t   *buf;
    cg_str_t   row, field;

    buf = malloc(size + 1);
    require(buf != NULL);

    row = (cg_str_t) { size, data };
    n = 0;
    len = 0;

    do {
        if (cg_csv_next(&row, buf, &field) != NULL) {
            break;
        }

        n++;
        len += field.len;
        require(n + len <= size + 1);
    } while (row.data != NULL);

    free(buf);

    return 0;
}
