/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_wire.h"


bool
cg_subject_valid(const cg_subject_t *s)
{
    return s->kind >= CG_SUBJECT_VISITOR && s->kind <= CG_SUBJECT_TEST;
}


void
cg_put_uint(cg_out_t *out, uint64_t n, size_t width)
{
    size_t   i;
    uint8_t  bytes[8];

    for (i = 0; i < width; i++) {
        bytes[i] = (uint8_t) (n >> 8 * (width - 1 - i));
    }

    cg_out_bytes(out, bytes, width);
}


void
cg_put_text(cg_out_t *out, const uint8_t *text, size_t len)
{
    cg_put_uint(out, len, 1);
    cg_out_bytes(out, text, len);
}


void
cg_put_subject(cg_out_t *out, const cg_subject_t *s)
{
    cg_put_uint(out, s->kind, 1);
    cg_put_pseudonym(out, &s->current);
    cg_put_uint(out, s->has_previous, 1);

    if (s->has_previous) {
        cg_put_pseudonym(out, &s->previous);
    }
}


void
cg_put_pseudonym(cg_out_t *out, const cg_pseudonym_t *p)
{
    cg_out_bytes(out, p->id, CG_SUBJECT_ID_LEN);
    cg_out_bytes(out, p->check, CG_SUBJECT_CHECK_LEN);
}


void
cg_in_init(cg_in_t *in, cg_str_t s)
{
    in->pos = s.data;
    in->end = s.len != 0 ? s.data + s.len : s.data;
    in->bad = false;
}


bool
cg_get_bytes(cg_in_t *in, uint8_t *data, size_t len)
{
    if (in->bad || (size_t) (in->end - in->pos) < len) {
        in->bad = true;
        return false;
    }

    if (len != 0) {
        memcpy(data, in->pos, len);
        in->pos += len;
    }

    return true;
}


uint64_t
cg_get_uint(cg_in_t *in, size_t width)
{
    size_t    i;
    uint8_t   bytes[8];
    uint64_t  n;

    n = 0;

    if (cg_get_bytes(in, bytes, width)) {
        for (i = 0; i < width; i++) {
            n = n << 8 | bytes[i];
        }
    }

    return n;
}


bool
cg_get_bool(cg_in_t *in)
{
    return cg_get_count(in, 1) == 1;
}


/* A number of at most `max` in one byte. */

size_t
cg_get_count(cg_in_t *in, size_t max)
{
    size_t  n;

    n = (size_t) cg_get_uint(in, 1);

    if (n > max) {
        in->bad = true;
        return 0;
    }

    return n;
}


size_t
cg_get_text(cg_in_t *in, uint8_t *text, size_t max)
{
    size_t  len;

    len = cg_get_count(in, max);

    return cg_get_bytes(in, text, len) ? len : 0;
}


int64_t
cg_get_expires(cg_in_t *in)
{
    uint64_t  n;

    n = cg_get_uint(in, 8);

    if (n > INT64_MAX) {
        in->bad = true;
        return 0;
    }

    return (int64_t) n;
}


void
cg_get_subject(cg_in_t *in, cg_subject_t *s)
{
    s->kind = (uint8_t) cg_get_uint(in, 1);
    cg_get_pseudonym(in, &s->current);
    s->has_previous = cg_get_bool(in);

    if (s->has_previous) {
        cg_get_pseudonym(in, &s->previous);
    }
}


void
cg_get_pseudonym(cg_in_t *in, cg_pseudonym_t *p)
{
    cg_get_bytes(in, p->id, CG_SUBJECT_ID_LEN);
    cg_get_bytes(in, p->check, CG_SUBJECT_CHECK_LEN);
}
