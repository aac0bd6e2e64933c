/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_SUBJECT_H
#define CTL_SUBJECT_H

#include "ctl.h"


/* ctl_who.c: which subject is meant. */

/* Rows for a table of options, with a comma behind. */
#define CTL_WHO_OPTIONS                                                      \
    { "subject", "ID",                                                       \
      "an account, as consent_subject names it" },                           \
    { "visitor", "COOKIE",                                                   \
      "a visitor, by the value of the visitor cookie" },                     \
    { "pseudonym", "TEXT",                                                   \
      "22 characters, as in $consent_subject and events" }

typedef struct {
    cg_subject_t  subject;      /* kind CG_SUBJECT_NONE: only a pseudonym */
    bool          checked;      /* `check` of the pseudonym is known */
} ctl_who_t;

/* From exactly one of these options. Loads the keys if they are needed. */
ctl_exit_e ctl_who(ctl_t *ctl, ctl_who_t *who);
/* An account of the realm. The keys are loaded. */
ctl_exit_e ctl_who_account(ctl_t *ctl, cg_str_t id, cg_subject_t *subject);
json_t *ctl_pseudonym_json(const cg_pseudonym_t *p);


/* ctl_input.c: a list of accounts on standard input or in a file. */

/* Rows for a table of options, with a comma behind. */
#define CTL_INPUT_OPTIONS                                                    \
    { "format", "FORMAT",                                                    \
      "lines: an id on each (the default);\n"                                \
      "csv: the first column, or the one that --column\n"                    \
      "names, and then the first row has the names;\n"                       \
      "jsonl: JSON Lines, strings or objects with a\n"                       \
      "member \"subject\", or what --column names" },                        \
    { "column", "NAME",                                                      \
      "the column or member that has the id" }

typedef enum {
    CTL_INPUT_LINES = 0,
    CTL_INPUT_CSV,
    CTL_INPUT_JSONL
} ctl_input_e;

typedef struct {
    FILE         *file;
    ctl_input_e   format;
    const char   *column;       /* NULL: the first; "subject" */
    size_t        index;        /* of the column, with CSV */
    size_t        number;       /* of the line, from 1 */
    uint8_t      *line;         /* CTL_MAX_LINE bytes, */
    uint8_t      *buf;          /* and again */
} ctl_input_t;

/* By the options --format and --column. Reads the header, if there is one. */
ctl_exit_e ctl_input_open(ctl_t *ctl, ctl_input_t *in, FILE *file);
/*
 * The next id, which is good until the next call; empty lines are skipped.
 * Returns 1, 0 at the end, or -1 after a mistake was reported: the line is
 * named, and how many went before.
 */
int ctl_input_next(ctl_t *ctl, ctl_input_t *in, cg_str_t *id);
void ctl_input_close(ctl_input_t *in);

#endif /* CTL_SUBJECT_H */
