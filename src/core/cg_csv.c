/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_csv.h"


static const char *cg_csv_quoted(cg_str_t *row, uint8_t *buf,
    cg_str_t *field);
static void cg_csv_cut(cg_str_t *row, const uint8_t *p);


const char *
cg_csv_next(cg_str_t *row, uint8_t *buf, cg_str_t *field)
{
    const uint8_t  *comma, *quote;

    if (row->len > 0 && *row->data == '"') {
        return cg_csv_quoted(row, buf, field);
    }

    comma = row->len > 0 ? memchr(row->data, ',', row->len) : NULL;
    comma = comma != NULL ? comma : row->data + row->len;

    field->data = row->data;
    field->len = (size_t) (comma - row->data);

    quote = field->len > 0 ? memchr(field->data, '"', field->len) : NULL;

    if (quote != NULL) {
        return "a quote inside a field";
    }

    cg_csv_cut(row, comma);

    return NULL;
}


/* Two quotes inside of quotes are one. */

static const char *
cg_csv_quoted(cg_str_t *row, uint8_t *buf, cg_str_t *field)
{
    uint8_t        *out;
    const uint8_t  *p, *end;

    p = row->data + 1;
    end = row->data + row->len;
    out = buf;

    for ( ;; ) {
        if (p == end) {
            return "a quote is not closed";
        }

        if (*p == '"') {
            p++;

            if (p == end || *p != '"') {
                break;
            }
        }

        *out++ = *p++;
    }

    if (p < end && *p != ',') {
        return "text behind a closing quote";
    }

    field->data = buf;
    field->len = (size_t) (out - buf);
    cg_csv_cut(row, p);

    return NULL;
}


/* `p` is at the comma behind a field, or at the end. */

static void
cg_csv_cut(cg_str_t *row, const uint8_t *p)
{
    const uint8_t  *end;

    end = row->data + row->len;

    if (p == end) {
        row->data = NULL;
        row->len = 0;
        return;
    }

    row->data = p + 1;
    row->len = (size_t) (end - row->data);
}
