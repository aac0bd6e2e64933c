/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_export.h"


#define CG_EXPORT_FIXED  512     /* bytes of a record besides its pairs */
#define CG_EXPORT_PAIR   48      /* of a pair besides its bytes */
#define CG_EXPORT_BYTE   6       /* of a byte: \u00ff */


typedef enum {
    CG_EXPORT_DOCUMENT = 0,     /* "d.*" */
    CG_EXPORT_PURPOSE,          /* "p.*" */
    CG_EXPORT_REV,
    CG_EXPORT_EVENT,
    CG_EXPORT_AGE,
    CG_EXPORT_RESIDENCE,
    CG_EXPORT_EEA,
    CG_EXPORT_CHECK,
    CG_EXPORT_OTHER
} cg_export_e;


static cg_export_e cg_export_kind(cg_str_t field, cg_str_t value);
static cg_export_e cg_export_named(cg_str_t field);
static bool cg_export_good(cg_export_e kind, cg_str_t value);
static void cg_export_documents(cg_out_t *out, const cg_str_t *pairs,
    size_t n);
static void cg_export_purposes(cg_out_t *out, const cg_str_t *pairs,
    size_t n);
static void cg_export_single(cg_out_t *out, cg_str_t name, cg_export_e kind,
    bool number, const cg_str_t *pairs, size_t n);
static void cg_export_others(cg_out_t *out, const cg_str_t *pairs, size_t n);


/* The fields of a record but for documents and purposes. */

static const struct {
    cg_str_t     field;
    cg_export_e  kind;
} cg_export_fields[] = {
    { { 3, (const uint8_t *) "rev" }, CG_EXPORT_REV },
    { { 2, (const uint8_t *) "ev" }, CG_EXPORT_EVENT },
    { { 3, (const uint8_t *) "age" }, CG_EXPORT_AGE },
    { { 3, (const uint8_t *) "res" }, CG_EXPORT_RESIDENCE },
    { { 3, (const uint8_t *) "eea" }, CG_EXPORT_EEA },
    { { 1, (const uint8_t *) "k" }, CG_EXPORT_CHECK }
};

#define CG_EXPORT_FIELDS                                                      \
    (sizeof(cg_export_fields) / sizeof(cg_export_fields[0]))


void
cg_export_record(cg_out_t *out, const cg_str_t *pairs, size_t n)
{
    cg_out_str(out, cg_str("{\"documents\":["));
    cg_export_documents(out, pairs, n);
    cg_out_str(out, cg_str("],\"purposes\":{"));
    cg_export_purposes(out, pairs, n);
    cg_out_str(out, cg_str("}"));

    cg_export_single(out, cg_str("age"), CG_EXPORT_AGE, false, pairs, n);
    cg_export_single(out, cg_str("residence"), CG_EXPORT_RESIDENCE, false,
                     pairs, n);
    cg_export_single(out, cg_str("eea_day"), CG_EXPORT_EEA, true, pairs, n);
    cg_export_single(out, cg_str("rev"), CG_EXPORT_REV, true, pairs, n);
    cg_export_single(out, cg_str("last_event"), CG_EXPORT_EVENT, false, pairs,
                     n);
    cg_export_single(out, cg_str("check"), CG_EXPORT_CHECK, false, pairs, n);

    cg_out_str(out, cg_str(",\"other\":{"));
    cg_export_others(out, pairs, n);
    cg_out_str(out, cg_str("}}"));
}


size_t
cg_export_record_size(const cg_str_t *pairs, size_t n)
{
    size_t  size;

    size = CG_EXPORT_FIXED;

    for (size_t i = 0; i < 2 * n; i++) {
        size += CG_EXPORT_PAIR + CG_EXPORT_BYTE * pairs[i].len;
    }

    return size;
}


void
cg_export_subject(cg_out_t *out, cg_subject_e kind, const cg_pseudonym_t *p)
{
    uint8_t  text[CG_PSEUDONYM_LEN];

    if (kind == CG_SUBJECT_NONE) {
        cg_out_str(out, cg_str("null"));
        return;
    }

    cg_subject_text(p, text);

    cg_out_str(out, cg_str("{\"kind\":\""));
    cg_out_str(out, kind == CG_SUBJECT_VISITOR ? cg_str("visitor")
                    : kind == CG_SUBJECT_ACCOUNT ? cg_str("account")
                    : cg_str("test"));
    cg_out_str(out, cg_str("\",\"pseudonym\":"));
    cg_out_json(out, (cg_str_t) { sizeof(text), text });
    cg_out_str(out, cg_str("}"));
}


/* base64url has nothing that JSON would escape: it stands there as it is. */

bool
cg_export_may_be(cg_str_t body, const cg_pseudonym_t *p)
{
    size_t          left;
    uint8_t         text[CG_PSEUDONYM_LEN];
    const uint8_t  *at, *end;

    cg_subject_text(p, text);

    at = body.data;
    end = body.data + body.len;

    for (left = body.len; left >= sizeof(text); left = (size_t) (end - at)) {

        at = memchr(at, text[0], left - sizeof(text) + 1);

        if (at == NULL) {
            return false;
        }

        if (memcmp(at, text, sizeof(text)) == 0) {
            return true;
        }

        at++;
    }

    return false;
}


static cg_export_e
cg_export_kind(cg_str_t field, cg_str_t value)
{
    cg_export_e  kind;

    kind = cg_export_named(field);

    return cg_export_good(kind, value) ? kind : CG_EXPORT_OTHER;
}


static cg_export_e
cg_export_named(cg_str_t field)
{
    if (field.len > 2 && field.data[1] == '.') {
        return field.data[0] == 'd' ? CG_EXPORT_DOCUMENT
               : field.data[0] == 'p' ? CG_EXPORT_PURPOSE : CG_EXPORT_OTHER;
    }

    for (size_t i = 0; i < CG_EXPORT_FIELDS; i++) {
        if (cg_str_eq(field, cg_export_fields[i].field)) {
            return cg_export_fields[i].kind;
        }
    }

    return CG_EXPORT_OTHER;
}


static bool
cg_export_good(cg_export_e kind, cg_str_t value)
{
    uint8_t   bytes[16];
    uint64_t  n;

    switch (kind) {

    case CG_EXPORT_DOCUMENT:
        return cg_str_eq(value, cg_str("-"))
               || (cg_parse_uint(value, CG_MAX_VERSION, &n) && n != 0);

    case CG_EXPORT_PURPOSE:
        return cg_str_eq(value, cg_str("0")) || cg_str_eq(value, cg_str("1"));

    case CG_EXPORT_REV:
    case CG_EXPORT_EEA:
        return cg_parse_uint(value, UINT32_MAX, &n);

    case CG_EXPORT_EVENT:
        return cg_parse_hex(value, bytes, sizeof(bytes));

    case CG_EXPORT_CHECK:
        return cg_parse_hex(value, bytes, CG_SUBJECT_CHECK_LEN);

    default:
        return true;
    }
}


static void
cg_export_documents(cg_out_t *out, const cg_str_t *pairs, size_t n)
{
    bool      first;
    cg_str_t  name;

    first = true;

    for (size_t i = 0; i < n; i++) {

        if (cg_export_kind(pairs[2 * i], pairs[2 * i + 1])
            != CG_EXPORT_DOCUMENT)
        {
            continue;
        }

        name = (cg_str_t) { pairs[2 * i].len - 2, pairs[2 * i].data + 2 };

        cg_out_str(out, first ? cg_str("{\"name\":")
                              : cg_str(",{\"name\":"));
        cg_out_json(out, name);

        if (cg_str_eq(pairs[2 * i + 1], cg_str("-"))) {
            cg_out_str(out, cg_str(",\"declined\":true}"));

        } else {
            cg_out_str(out, cg_str(",\"version\":"));
            cg_out_str(out, pairs[2 * i + 1]);
            cg_out_str(out, cg_str("}"));
        }

        first = false;
    }
}


static void
cg_export_purposes(cg_out_t *out, const cg_str_t *pairs, size_t n)
{
    bool      first;
    cg_str_t  name;

    first = true;

    for (size_t i = 0; i < n; i++) {

        if (cg_export_kind(pairs[2 * i], pairs[2 * i + 1])
            != CG_EXPORT_PURPOSE)
        {
            continue;
        }

        name = (cg_str_t) { pairs[2 * i].len - 2, pairs[2 * i].data + 2 };

        cg_out_str(out, first ? cg_str("") : cg_str(","));
        cg_out_json(out, name);
        cg_out_str(out, cg_str_eq(pairs[2 * i + 1], cg_str("1"))
                        ? cg_str(":true") : cg_str(":false"));

        first = false;
    }
}


/* A member that is there once, or null. */

static void
cg_export_single(cg_out_t *out, cg_str_t name, cg_export_e kind, bool number,
    const cg_str_t *pairs, size_t n)
{
    cg_out_str(out, cg_str(","));
    cg_out_json(out, name);
    cg_out_str(out, cg_str(":"));

    for (size_t i = 0; i < n; i++) {

        if (cg_export_kind(pairs[2 * i], pairs[2 * i + 1]) != kind) {
            continue;
        }

        if (number) {
            cg_out_str(out, pairs[2 * i + 1]);

        } else {
            cg_out_json(out, pairs[2 * i + 1]);
        }

        return;
    }

    cg_out_str(out, cg_str("null"));
}


static void
cg_export_others(cg_out_t *out, const cg_str_t *pairs, size_t n)
{
    bool  first;

    first = true;

    for (size_t i = 0; i < n; i++) {

        if (cg_export_kind(pairs[2 * i], pairs[2 * i + 1])
            != CG_EXPORT_OTHER)
        {
            continue;
        }

        cg_out_str(out, first ? cg_str("") : cg_str(","));
        cg_out_json(out, pairs[2 * i]);
        cg_out_str(out, cg_str(":"));
        cg_out_json(out, pairs[2 * i + 1]);

        first = false;
    }
}
