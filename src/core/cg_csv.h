/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_CSV_H
#define CG_CSV_H

#include "cg_str.h"


/*
 * The next field of a row of comma-separated values (RFC 4180), without its
 * quotes; a row is a line without its end, and a quoted field does not go
 * beyond it. `row` is advanced; behind the last field row->data is NULL, and
 * an empty row has one empty field. `buf` holds row->len bytes, which `field`
 * may point into. Returns NULL, or a static text that says what is wrong.
 */
const char *cg_csv_next(cg_str_t *row, uint8_t *buf, cg_str_t *field);

#endif /* CG_CSV_H */
