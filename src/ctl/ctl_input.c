/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "../core/cg_csv.h"
#include "ctl_subject.h"


static ctl_exit_e ctl_input_header(ctl_t *ctl, ctl_input_t *in);
static int ctl_input_line(ctl_t *ctl, ctl_input_t *in, cg_str_t *line);
static int ctl_input_csv(ctl_t *ctl, ctl_input_t *in, cg_str_t line,
    cg_str_t *id);
static int ctl_input_json(ctl_t *ctl, ctl_input_t *in, cg_str_t line,
    cg_str_t *id);
static int ctl_input_fail(ctl_t *ctl, ctl_input_t *in, const char *err);


ctl_exit_e
ctl_input_open(ctl_t *ctl, ctl_input_t *in, FILE *file)
{
    size_t       i;
    const char  *format;

    static const char *const  formats[] = { "lines", "csv", "jsonl" };

    memset(in, 0, sizeof(ctl_input_t));
    in->file = file;
    in->column = ctl_option(ctl, "column");

    format = ctl_option(ctl, "format");
    format = format != NULL ? format : formats[0];

    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(format, formats[i]) == 0) {
            break;
        }
    }

    if (i == sizeof(formats) / sizeof(formats[0])) {
        return ctl_fail(ctl, CTL_USAGE, "--format: \"%s\" is not lines, csv "
                        "or jsonl", format);
    }

    in->format = (ctl_input_e) i;

    if (in->column != NULL && in->format == CTL_INPUT_LINES) {
        return ctl_fail(ctl, CTL_USAGE, "--column needs --format csv or "
                        "jsonl");
    }

    in->buf = malloc(CTL_MAX_LINE);
    in->line = malloc(CTL_MAX_LINE);

    if (in->buf == NULL || in->line == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    return in->format == CTL_INPUT_CSV && in->column != NULL
           ? ctl_input_header(ctl, in) : CTL_OK;
}


int
ctl_input_next(ctl_t *ctl, ctl_input_t *in, cg_str_t *id)
{
    int       rc;
    cg_str_t  line;

    do {
        rc = ctl_input_line(ctl, in, &line);
        if (rc != 1) {
            return rc;
        }
    } while (line.len == 0);

    switch (in->format) {

    case CTL_INPUT_CSV:
        rc = ctl_input_csv(ctl, in, line, id);
        break;

    case CTL_INPUT_JSONL:
        rc = ctl_input_json(ctl, in, line, id);
        break;

    default:
        *id = line;
        break;
    }

    if (rc == 1 && id->len == 0) {
        return ctl_input_fail(ctl, in, "the id is empty");
    }

    if (rc == 1 && memchr(id->data, '\0', id->len) != NULL) {
        return ctl_input_fail(ctl, in, "the id has a NUL in it");
    }

    return rc;
}


void
ctl_input_close(ctl_input_t *in)
{
    free(in->line);
    free(in->buf);
    in->line = NULL;
    in->buf = NULL;
}


/* Which column has the name that was asked for. */

static ctl_exit_e
ctl_input_header(ctl_t *ctl, ctl_input_t *in)
{
    cg_str_t     line, field;
    const char  *err;

    if (ctl_input_line(ctl, in, &line) != 1) {
        return ctl_fail(ctl, CTL_FILE, "the list has no first row");
    }

    for (in->index = 0; line.data != NULL; in->index++) {
        err = cg_csv_next(&line, in->buf, &field);

        if (err != NULL) {
            ctl_input_fail(ctl, in, err);
            return ctl->failed;
        }

        if (field.len == strlen(in->column)
            && memcmp(field.data, in->column, field.len) == 0)
        {
            return CTL_OK;
        }
    }

    return ctl_fail(ctl, CTL_FILE, "the list has no column \"%s\"",
                    in->column);
}


/*
 * A line without its end, which a mark of the byte order may begin: tables are
 * saved so. Returns 1, 0 at the end, -1.
 */

static int
ctl_input_line(ctl_t *ctl, ctl_input_t *in, cg_str_t *line)
{
    int     c;
    size_t  n;

    static const uint8_t  mark[] = { 0xef, 0xbb, 0xbf };

    n = 0;

    while ((c = getc_unlocked(in->file)) != EOF && c != '\n') {

        if (n == CTL_MAX_LINE) {
            in->number++;
            return ctl_input_fail(ctl, in, "too long");
        }

        in->line[n++] = (uint8_t) c;
    }

    in->number += c != EOF || n > 0;

    if (ferror(in->file)) {
        return ctl_input_fail(ctl, in, "cannot be read");
    }

    if (c == EOF && n == 0) {
        return 0;
    }

    *line = (cg_str_t) { n, in->line };

    if (in->number == 1 && n >= sizeof(mark)
        && memcmp(in->line, mark, sizeof(mark)) == 0)
    {
        line->data += sizeof(mark);
        line->len -= sizeof(mark);
    }

    while (line->len > 0 && line->data[line->len - 1] == '\r') {
        line->len--;
    }

    return 1;
}


static int
ctl_input_csv(ctl_t *ctl, ctl_input_t *in, cg_str_t line, cg_str_t *id)
{
    size_t       i;
    const char  *err;

    for (i = 0; i <= in->index; i++) {

        if (line.data == NULL) {
            return ctl_input_fail(ctl, in, "the column is missing");
        }

        err = cg_csv_next(&line, in->buf, id);

        if (err != NULL) {
            return ctl_input_fail(ctl, in, err);
        }
    }

    return 1;
}


/* A number is as good as a string: 42 is the account "42". */

static int
ctl_input_json(ctl_t *ctl, ctl_input_t *in, cg_str_t line, cg_str_t *id)
{
    int           n;
    json_t       *value, *member;
    json_error_t  error;

    value = json_loadb((const char *) line.data, line.len,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        return ctl_input_fail(ctl, in, "not JSON");
    }

    member = json_is_object(value)
             ? json_object_get(value, in->column ? in->column : "subject")
             : value;

    /* what a line holds is no longer than the line */

    if (json_is_string(member)) {
        n = (int) json_string_length(member);
        memcpy(in->buf, json_string_value(member), (size_t) n);

    } else if (json_is_integer(member)) {
        n = snprintf((char *) in->buf, CTL_MAX_LINE, "%" JSON_INTEGER_FORMAT,
                     json_integer_value(member));

    } else {
        n = -1;
    }

    json_decref(value);

    if (n < 0) {
        return ctl_input_fail(ctl, in, "has no string or number as the id");
    }

    id->data = in->buf;
    id->len = (size_t) n;

    return 1;
}


static int
ctl_input_fail(ctl_t *ctl, ctl_input_t *in, const char *err)
{
    ctl_fail(ctl, CTL_FILE, "line %zu of the list: %s", in->number, err);

    return -1;
}
