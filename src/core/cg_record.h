/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_RECORD_H
#define CG_RECORD_H

#include "cg_country.h"
#include "cg_policy.h"


typedef enum {
    CG_AGE_NONE = 0,        /* not asked */
    CG_AGE_OK,              /* said to be at least `age` years old */
    CG_AGE_MINOR            /* said to be younger than that */
} cg_age_e;


/*
 * What a subject has said. Documents and purposes are numbered as in the
 * configuration; what the configuration does not know is not here.
 */

typedef struct {
    uint32_t       accepted[CG_MAX_DOCUMENTS];   /* 0: never */
    cg_docs_t      declined;
    cg_purposes_t  granted;
    cg_purposes_t  answered;      /* granted or refused */
    uint8_t        age_state;     /* cg_age_e */
    uint8_t        age;           /* years */
    cg_cc_t        residence;     /* declared, or CG_CC_UNKNOWN */
    uint32_t       eea_day;       /* days since 1970, 0: never */
    uint32_t       rev;
    uint8_t        event[16];     /* id of the last event; zeros: none */
} cg_record_t;


/*
 * Writes "ok:16" or "minor:16", as it stands in the record: CG_MAX_AGE_TEXT
 * bytes at most. Returns the length; 0 for CG_AGE_NONE and for years that are
 * not 1 to CG_MAX_AGE.
 */
#define CG_MAX_AGE       99      /* years */
#define CG_MAX_AGE_TEXT  8

size_t cg_age_text(cg_age_e state, uint8_t age, uint8_t text[CG_MAX_AGE_TEXT]);


/* The values of the hash that are read before documents and purposes. */

typedef enum {
    CG_FIELD_CHECK = 0,     /* "k" */
    CG_FIELD_REV,           /* "rev" */
    CG_FIELD_EVENT,         /* "ev" */
    CG_FIELD_AGE,           /* "age" */
    CG_FIELD_RESIDENCE,     /* "res" */
    CG_FIELD_EEA,           /* "eea" */
    CG_FIELD_DOCUMENTS      /* then "d.<document>" ..., "p.<purpose>" ... */
} cg_field_e;

/* The name of a field below CG_FIELD_DOCUMENTS. */
cg_str_t cg_field_name(cg_field_e field);

typedef enum {
    CG_RECORD_OK = 0,
    CG_RECORD_ABSENT,       /* no field of it exists */
    CG_RECORD_FOREIGN,      /* "k" is of another subject */
    CG_RECORD_MALFORMED
} cg_record_e;

/*
 * Reads the values of a record in the order: CG_FIELD_CHECK to CG_FIELD_EEA,
 * `ndocs` documents, `npurposes` purposes. A value with data == NULL does not
 * exist in the hash. `check` is what "k" must spell in hexadecimal. A value
 * that cannot be read makes the whole record CG_RECORD_MALFORMED, for to
 * guess at a consent is worse than to ask again. `rec` is zeroed first.
 */
cg_record_e cg_record_parse(cg_record_t *rec, const cg_str_t *values,
    size_t ndocs, size_t npurposes, const uint8_t check[4]);

/*
 * Whether the subject has said anything in it: not the record of a visit, nor
 * what an erased one leaves.
 */
bool cg_record_says(const cg_record_t *rec);

#endif /* CG_RECORD_H */
