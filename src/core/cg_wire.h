/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_WIRE_H
#define CG_WIRE_H

#include "cg_subject.h"


/*
 * How values stand in a payload: binary, big-endian, lists and strings with
 * their length in one byte before them. Written with a cg_out_t.
 */

void cg_put_uint(cg_out_t *out, uint64_t n, size_t width);
void cg_put_text(cg_out_t *out, const uint8_t *text, size_t len);
void cg_put_subject(cg_out_t *out, const cg_subject_t *s);
void cg_put_pseudonym(cg_out_t *out, const cg_pseudonym_t *p);


/*
 * A bounded reader. What is read past the end is zero and noted: after a run
 * of reads one look at `bad` tells whether all of it was there.
 */

typedef struct {
    const uint8_t  *pos;
    const uint8_t  *end;
    bool            bad;
} cg_in_t;

void cg_in_init(cg_in_t *in, cg_str_t s);
bool cg_get_bytes(cg_in_t *in, uint8_t *data, size_t len);
uint64_t cg_get_uint(cg_in_t *in, size_t width);
bool cg_get_bool(cg_in_t *in);
/* A number of at most `max` in one byte. */
size_t cg_get_count(cg_in_t *in, size_t max);
/* Up to `max` bytes to `text`. Returns their number. */
size_t cg_get_text(cg_in_t *in, uint8_t *text, size_t max);
/* Seconds since 1970. */
int64_t cg_get_expires(cg_in_t *in);
void cg_get_subject(cg_in_t *in, cg_subject_t *s);
void cg_get_pseudonym(cg_in_t *in, cg_pseudonym_t *p);

/* Whether it is a subject at all: its kind is. */
bool cg_subject_valid(const cg_subject_t *s);

#endif /* CG_WIRE_H */
