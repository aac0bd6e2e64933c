/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_COUNTRY_H
#define CG_COUNTRY_H

#include "cg_str.h"


/*
 * A country as a small number: 1 to 676 for AA to ZZ, so that a territory is
 * a bit set. 0 is unknown. A1 and T1 are what some databases and CDNs answer
 * for "an anonymizer" and "Tor" in the place of a country.
 */

typedef uint16_t  cg_cc_t;

#define CG_CC_UNKNOWN     0
#define CG_CC_ANONYMIZER  677
#define CG_CC_TOR         678
#define CG_CC_COUNT       679

/* The number of the code of two capital letters that `c` spells. */
#define cg_cc(c)  ((cg_cc_t) (((c)[0] - 'A') * 26 + ((c)[1] - 'A') + 1))

/*
 * A code as databases and headers give it, in either case. What is not a
 * country (empty, "??", "XX", "ZZ", "A2", "O1", a word) is CG_CC_UNKNOWN.
 */
cg_cc_t cg_country_parse(cg_str_t code);
/*
 * A code as people write it in settings: as above, "UK" means GB and "EL"
 * means GR. CG_CC_UNKNOWN when it is not two letters that can be a country.
 */
cg_cc_t cg_country_setting(cg_str_t code);
/* Whether it is one of the codes of cg_territory_eea(), EU with them. */
bool cg_country_in_eea(cg_cc_t cc);
/* Writes the two characters of the code, or nothing and returns 0. */
size_t cg_country_code(cg_cc_t cc, uint8_t code[2]);


typedef struct {
    uint64_t  bits[(CG_CC_COUNT + 63) / 64];
    bool      all;          /* every place, the unknown ones too */
} cg_territory_t;

/*
 * The European Economic Area, 37 codes and EU ("in the EU, country unknown"):
 * the 27 member states; IS, LI, NO (Agreement on the EEA, art. 126); and the
 * land of member states that has a code of its own: AX, and GF GP MQ RE YT MF
 * (TFEU art. 349 and 355).
 */
void cg_territory_eea(cg_territory_t *t);
/*
 * Applies one word of the setting: "eea", "all", "+CC" or "-CC". The first
 * word must be "eea" or "all" or the set starts from the EEA, which the
 * caller has put there. Returns false when the word is not one of these.
 */
bool cg_territory_word(cg_territory_t *t, cg_str_t word);

static inline bool
cg_territory_has(const cg_territory_t *t, cg_cc_t cc)
{
    return (t->bits[cc >> 6] >> (cc & 63)) & 1;
}

#endif /* CG_COUNTRY_H */
