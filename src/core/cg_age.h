/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_AGE_H
#define CG_AGE_H

#include "cg_record.h"


/*
 * The age from which a child may consent alone to what an online service does
 * with its data: 16 years, or less where a member state has said so, 13 at
 * least (GDPR, art. 8(1)).
 */

#define CG_AGE_DEFAULT  16      /* years */

/* What the settings say instead of the law; zeros: nothing. */

typedef struct {
    uint8_t  years[CG_CC_COUNT];    /* of a country */
    uint8_t  other;                 /* where no law is known to us */
} cg_ages_t;

/*
 * Applies one word of the setting, "DE=16" or "*=16", 1 to CG_MAX_AGE years.
 * Returns false when it is not one of these.
 */
bool cg_age_word(cg_ages_t *ages, cg_str_t word);

/*
 * The age that holds in a country at `now` (seconds since 1970): by `ages`
 * (NULL: nothing is set), else by the law of the state, else by the default.
 * Land with a code of its own follows its state.
 */
uint8_t cg_age_min(const cg_ages_t *ages, cg_cc_t cc, int64_t now);

/*
 * What `record` (NULL: none) says about an age of `years`. Who is 13 need not
 * be 16, and who is not 16 may be 13: then it is CG_AGE_NONE, not known.
 */
cg_age_e cg_age_standing(const cg_record_t *record, uint8_t years);

#endif /* CG_AGE_H */
