/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_decide.h"


/* `before` (0: nothing) until `since`: seconds since 1970, midnight UTC. */

typedef struct {
    char     code[3];
    uint8_t  years;
    uint8_t  before;
    int64_t  since;
} cg_age_law_t;

typedef struct {
    char  code[3];
    char  state[3];
} cg_age_land_t;


static const cg_age_law_t *cg_age_law(cg_cc_t cc);
static cg_cc_t cg_age_state(cg_cc_t cc);


/*
 * The 30 states of the EEA. Denmark has raised its age from 13 by an act in
 * force from 2024-01-01; Slovenia had no act of its own, and so 16, until its
 * Personal Data Protection Act of 2023-01-26.
 */

static const cg_age_law_t  cg_age_laws[] = {
    { "AT", 14, 0, 0 },
    { "BE", 13, 0, 0 },
    { "BG", 14, 0, 0 },
    { "CY", 14, 0, 0 },
    { "CZ", 15, 0, 0 },
    { "DE", 16, 0, 0 },
    { "DK", 15, 13, 1704067200 },
    { "EE", 13, 0, 0 },
    { "ES", 14, 0, 0 },
    { "FI", 13, 0, 0 },
    { "FR", 15, 0, 0 },
    { "GR", 15, 0, 0 },
    { "HR", 16, 0, 0 },
    { "HU", 16, 0, 0 },
    { "IE", 16, 0, 0 },
    { "IS", 13, 0, 0 },
    { "IT", 14, 0, 0 },
    { "LI", 16, 0, 0 },
    { "LT", 14, 0, 0 },
    { "LU", 16, 0, 0 },
    { "LV", 13, 0, 0 },
    { "MT", 13, 0, 0 },
    { "NL", 16, 0, 0 },
    { "NO", 13, 0, 0 },
    { "PL", 16, 0, 0 },
    { "PT", 13, 0, 0 },
    { "RO", 16, 0, 0 },
    { "SE", 13, 0, 0 },
    { "SI", 15, 16, 1674691200 },
    { "SK", 16, 0, 0 }
};

#define CG_AGE_LAWS  (sizeof(cg_age_laws) / sizeof(cg_age_laws[0]))


/* Land of a state with a code of its own, as in cg_territory_eea(). */

static const cg_age_land_t  cg_age_lands[] = {
    { "AX", "FI" },
    { "GF", "FR" },
    { "GP", "FR" },
    { "MF", "FR" },
    { "MQ", "FR" },
    { "RE", "FR" },
    { "YT", "FR" }
};

#define CG_AGE_LANDS  (sizeof(cg_age_lands) / sizeof(cg_age_lands[0]))


bool
cg_age_word(cg_ages_t *ages, cg_str_t word)
{
    cg_cc_t         cc;
    uint64_t        years;
    cg_str_t        code, number;
    const uint8_t  *eq;

    eq = word.len ? memchr(word.data, '=', word.len) : NULL;

    if (eq == NULL) {
        return false;
    }

    code = (cg_str_t) { (size_t) (eq - word.data), word.data };
    number = (cg_str_t) { word.len - code.len - 1, eq + 1 };

    if (!cg_parse_uint(number, CG_MAX_AGE, &years) || years == 0) {
        return false;
    }

    if (cg_str_eq(code, cg_str("*"))) {
        ages->other = (uint8_t) years;
        return true;
    }

    cc = cg_country_setting(code);

    if (cc == CG_CC_UNKNOWN || cc >= CG_CC_ANONYMIZER) {
        return false;
    }

    ages->years[cc] = (uint8_t) years;

    return true;
}


uint8_t
cg_age_min(const cg_ages_t *ages, cg_cc_t cc, int64_t now)
{
    cg_cc_t              state;
    const cg_age_law_t  *law;

    state = cg_age_state(cc);

    if (ages != NULL && ages->years[cc] != 0) {
        return ages->years[cc];
    }

    if (ages != NULL && ages->years[state] != 0) {
        return ages->years[state];
    }

    law = cg_age_law(state);

    if (law != NULL) {
        return law->before != 0 && now < law->since ? law->before
                                                    : law->years;
    }

    return ages != NULL && ages->other != 0 ? ages->other : CG_AGE_DEFAULT;
}


cg_age_e
cg_age_standing(const cg_record_t *record, uint8_t years)
{
    if (record == NULL) {
        return CG_AGE_NONE;
    }

    if (record->age_state == CG_AGE_OK && record->age >= years) {
        return CG_AGE_OK;
    }

    if (record->age_state == CG_AGE_MINOR && record->age <= years) {
        return CG_AGE_MINOR;
    }

    return CG_AGE_NONE;
}


/* Declared in cg_decide.h: it is of facts. */

uint8_t
cg_min_age(const cg_facts_t *facts, const cg_ages_t *ages, int64_t now)
{
    cg_cc_t             cc;
    const cg_record_t  *record;

    record = facts->lookup == CG_LOOKUP_FAILED ? facts->receipt
             : facts->lookup == CG_LOOKUP_FOUND ? facts->record : NULL;

    cc = facts->country;

    if (record != NULL && record->residence != CG_CC_UNKNOWN
        && !facts->overridden)
    {
        cc = record->residence;
    }

    return cg_age_min(ages, cc, now);
}


static const cg_age_law_t *
cg_age_law(cg_cc_t cc)
{
    for (size_t i = 0; i < CG_AGE_LAWS; i++) {
        if (cg_cc(cg_age_laws[i].code) == cc) {
            return &cg_age_laws[i];
        }
    }

    return NULL;
}


static cg_cc_t
cg_age_state(cg_cc_t cc)
{
    for (size_t i = 0; i < CG_AGE_LANDS; i++) {
        if (cg_cc(cg_age_lands[i].code) == cc) {
            return cg_cc(cg_age_lands[i].state);
        }
    }

    return cc;
}
