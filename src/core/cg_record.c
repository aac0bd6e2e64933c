/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_record.h"


#define CG_CHECK_LEN  4     /* bytes of "k" */

#define cg_present(v)  ((v).data != NULL)


static bool cg_record_any(const cg_str_t *values, size_t n);
static bool cg_record_tombstone(const cg_str_t *values, size_t n);
static bool cg_record_head(cg_record_t *rec, const cg_str_t *values);
static bool cg_record_documents(cg_record_t *rec, const cg_str_t *values,
    size_t n);
static bool cg_record_purposes(cg_record_t *rec, const cg_str_t *values,
    size_t n);
static bool cg_record_number(cg_str_t value, uint32_t *n);
static bool cg_record_event(cg_str_t value, cg_record_t *rec);
static bool cg_record_age(cg_str_t value, cg_record_t *rec);
static bool cg_record_residence(cg_str_t value, cg_record_t *rec);


static const cg_str_t  cg_field_names[CG_FIELD_DOCUMENTS] = {
    cg_str("k"),
    cg_str("rev"),
    cg_str("ev"),
    cg_str("age"),
    cg_str("res"),
    cg_str("eea")
};


cg_str_t
cg_field_name(cg_field_e field)
{
    return field < CG_FIELD_DOCUMENTS ? cg_field_names[field] : cg_str("");
}


size_t
cg_age_text(cg_age_e state, uint8_t age, uint8_t text[CG_MAX_AGE_TEXT])
{
    cg_out_t  out;

    if ((state != CG_AGE_OK && state != CG_AGE_MINOR)
        || age == 0 || age > CG_MAX_AGE)
    {
        return 0;
    }

    cg_out_init(&out, text, CG_MAX_AGE_TEXT);
    cg_out_str(&out, state == CG_AGE_OK ? cg_str("ok:") : cg_str("minor:"));
    cg_out_uint(&out, age);

    return cg_out_len(&out);
}


cg_record_e
cg_record_parse(cg_record_t *rec, const cg_str_t *values, size_t ndocs,
    size_t npurposes, const uint8_t check[4])
{
    size_t    n;
    uint8_t   k[CG_CHECK_LEN];

    n = CG_FIELD_DOCUMENTS + ndocs + npurposes;

    memset(rec, 0, sizeof(cg_record_t));

    if (!cg_record_any(values, n)) {
        return CG_RECORD_ABSENT;
    }

    if (cg_present(values[CG_FIELD_CHECK])) {
        if (!cg_parse_hex(values[CG_FIELD_CHECK], k, CG_CHECK_LEN)) {
            return CG_RECORD_MALFORMED;
        }

        if (memcmp(k, check, CG_CHECK_LEN) != 0) {
            return CG_RECORD_FOREIGN;
        }

    } else if (!cg_record_tombstone(values, n)) {
        return CG_RECORD_MALFORMED;
    }

    if (ndocs > CG_MAX_DOCUMENTS || npurposes > CG_MAX_PURPOSES
        || !cg_record_head(rec, values)
        || !cg_record_documents(rec, values + CG_FIELD_DOCUMENTS, ndocs)
        || !cg_record_purposes(rec, values + CG_FIELD_DOCUMENTS + ndocs,
                               npurposes))
    {
        memset(rec, 0, sizeof(cg_record_t));
        return CG_RECORD_MALFORMED;
    }

    return CG_RECORD_OK;
}


bool
cg_record_says(const cg_record_t *rec)
{
    if (rec->declined || rec->answered || rec->age_state != CG_AGE_NONE
        || rec->residence != CG_CC_UNKNOWN)
    {
        return true;
    }

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        if (rec->accepted[i] != 0) {
            return true;
        }
    }

    return false;
}


static bool
cg_record_any(const cg_str_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cg_present(values[i])) {
            return true;
        }
    }

    return false;
}


/* What is left of an erased record: nothing that a check could protect. */

static bool
cg_record_tombstone(const cg_str_t *values, size_t n)
{
    return cg_present(values[CG_FIELD_REV])
           && !cg_record_any(values + CG_FIELD_AGE, n - CG_FIELD_AGE);
}


static bool
cg_record_head(cg_record_t *rec, const cg_str_t *values)
{
    return cg_record_number(values[CG_FIELD_REV], &rec->rev)
           && cg_record_event(values[CG_FIELD_EVENT], rec)
           && cg_record_age(values[CG_FIELD_AGE], rec)
           && cg_record_residence(values[CG_FIELD_RESIDENCE], rec)
           && cg_record_number(values[CG_FIELD_EEA], &rec->eea_day);
}


static bool
cg_record_documents(cg_record_t *rec, const cg_str_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {

        if (!cg_present(values[i])) {
            continue;
        }

        if (cg_str_eq(values[i], cg_str("-"))) {
            rec->declined |= (cg_docs_t) (1u << i);
            continue;
        }

        if (!cg_record_number(values[i], &rec->accepted[i])
            || rec->accepted[i] == 0)
        {
            return false;
        }
    }

    return true;
}


static bool
cg_record_purposes(cg_record_t *rec, const cg_str_t *values, size_t n)
{
    cg_purposes_t  bit;

    for (size_t i = 0; i < n; i++) {

        if (!cg_present(values[i])) {
            continue;
        }

        bit = (cg_purposes_t) (1u << i);

        if (cg_str_eq(values[i], cg_str("1"))) {
            rec->granted |= bit;

        } else if (!cg_str_eq(values[i], cg_str("0"))) {
            return false;
        }

        rec->answered |= bit;
    }

    return true;
}


static bool
cg_record_number(cg_str_t value, uint32_t *n)
{
    uint64_t  number;

    if (!cg_present(value)) {
        return true;
    }

    if (!cg_parse_uint(value, UINT32_MAX, &number)) {
        return false;
    }

    *n = (uint32_t) number;

    return true;
}


static bool
cg_record_event(cg_str_t value, cg_record_t *rec)
{
    return !cg_present(value)
           || cg_parse_hex(value, rec->event, sizeof(rec->event));
}


/* "ok:16", "minor:16" */

static bool
cg_record_age(cg_str_t value, cg_record_t *rec)
{
    size_t    skip;
    uint64_t  age;

    if (!cg_present(value)) {
        return true;
    }

    if (value.len > 3 && memcmp(value.data, "ok:", 3) == 0) {
        rec->age_state = CG_AGE_OK;
        skip = 3;

    } else if (value.len > 6 && memcmp(value.data, "minor:", 6) == 0) {
        rec->age_state = CG_AGE_MINOR;
        skip = 6;

    } else {
        return false;
    }

    value.data += skip;
    value.len -= skip;

    if (!cg_parse_uint(value, CG_MAX_AGE, &age) || age == 0) {
        return false;
    }

    rec->age = (uint8_t) age;

    return true;
}


static bool
cg_record_residence(cg_str_t value, cg_record_t *rec)
{
    cg_cc_t  cc;

    if (!cg_present(value)) {
        return true;
    }

    cc = cg_country_parse(value);

    if (cc == CG_CC_UNKNOWN || cc >= CG_CC_ANONYMIZER) {
        return false;
    }

    rec->residence = cc;

    return true;
}
