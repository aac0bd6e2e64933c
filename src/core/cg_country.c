/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_country.h"


static uint8_t cg_upper(uint8_t c);
static bool cg_country_assignable(cg_cc_t cc);
static void cg_territory_set(cg_territory_t *t, cg_cc_t cc, bool on);
static bool cg_territory_started(const cg_territory_t *t);
static void cg_territory_everywhere(cg_territory_t *t);


/* EU: some databases know that an address is in the EU and not where. */

static const char  cg_eea[][3] = {

    /* member states of the European Union */
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR",
    "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO",
    "SE", "SI", "SK",

    /* EFTA states in the EEA */
    "IS", "LI", "NO",

    /* their own code, the Union's land: Åland; France's outermost regions */
    "AX", "GF", "GP", "MF", "MQ", "RE", "YT",

    "EU"
};


cg_cc_t
cg_country_parse(cg_str_t code)
{
    cg_cc_t  cc;
    uint8_t  c[2];

    if (code.len != 2) {
        return CG_CC_UNKNOWN;
    }

    c[0] = cg_upper(code.data[0]);
    c[1] = cg_upper(code.data[1]);

    if (c[1] == '1') {
        return c[0] == 'A' ? CG_CC_ANONYMIZER
                           : c[0] == 'T' ? CG_CC_TOR : CG_CC_UNKNOWN;
    }

    if (c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z') {
        return CG_CC_UNKNOWN;
    }

    cc = cg_cc(c);

    return cg_country_assignable(cc) ? cc : CG_CC_UNKNOWN;
}


cg_cc_t
cg_country_setting(cg_str_t code)
{
    cg_cc_t  cc;

    cc = cg_country_parse(code);

    if (cc == cg_cc("UK")) {
        return cg_cc("GB");
    }

    /* what the institutions of the EU write for Greece */
    if (cc == cg_cc("EL")) {
        return cg_cc("GR");
    }

    return cc >= CG_CC_ANONYMIZER ? CG_CC_UNKNOWN : cc;
}


size_t
cg_country_code(cg_cc_t cc, uint8_t code[2])
{
    if (cc == CG_CC_UNKNOWN || cc >= CG_CC_COUNT) {
        return 0;
    }

    if (cc >= CG_CC_ANONYMIZER) {
        code[0] = cc == CG_CC_TOR ? 'T' : 'A';
        code[1] = '1';
        return 2;
    }

    code[0] = (uint8_t) ('A' + (cc - 1) / 26);
    code[1] = (uint8_t) ('A' + (cc - 1) % 26);

    return 2;
}


bool
cg_country_in_eea(cg_cc_t cc)
{
    for (size_t i = 0; i < sizeof(cg_eea) / sizeof(cg_eea[0]); i++) {
        if (cg_cc(cg_eea[i]) == cc) {
            return true;
        }
    }

    return false;
}


void
cg_territory_eea(cg_territory_t *t)
{
    memset(t, 0, sizeof(cg_territory_t));

    for (size_t i = 0; i < sizeof(cg_eea) / sizeof(cg_eea[0]); i++) {
        cg_territory_set(t, cg_cc(cg_eea[i]), true);
    }
}


bool
cg_territory_word(cg_territory_t *t, cg_str_t word)
{
    cg_cc_t  cc;

    if (cg_str_eq(word, cg_str("eea")) || cg_str_eq(word, cg_str("all"))) {

        /* after "+CC" it would undo what was said */

        if (cg_territory_started(t)) {
            return false;
        }

        if (word.data[0] == 'e') {
            cg_territory_eea(t);

        } else {
            cg_territory_everywhere(t);
        }

        return true;
    }

    if (word.len != 3 || (word.data[0] != '+' && word.data[0] != '-')) {
        return false;
    }

    cc = cg_country_setting((cg_str_t) { 2, word.data + 1 });

    if (cc == CG_CC_UNKNOWN) {
        return false;
    }

    cg_territory_set(t, cc, word.data[0] == '+');

    return true;
}


static uint8_t
cg_upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}


/*
 * ISO 3166-1 leaves AA, QM to QZ, XA to XZ and ZZ to its users, who spell
 * "unknown" with them. XK is Kosovo to all the databases.
 */

static bool
cg_country_assignable(cg_cc_t cc)
{
    if (cc == cg_cc("XK")) {
        return true;
    }

    return cc != cg_cc("AA") && cc != cg_cc("ZZ")
           && !(cc >= cg_cc("QM") && cc <= cg_cc("QZ"))
           && !(cc >= cg_cc("XA") && cc <= cg_cc("XZ"));
}


static void
cg_territory_set(cg_territory_t *t, cg_cc_t cc, bool on)
{
    uint64_t  bit;

    bit = (uint64_t) 1 << (cc & 63);

    if (on) {
        t->bits[cc >> 6] |= bit;

    } else {
        t->bits[cc >> 6] &= ~bit;
    }
}


/* Whether a word has been applied to the EEA, or to nothing at all. */

static bool
cg_territory_started(const cg_territory_t *t)
{
    cg_territory_t  eea, none;

    cg_territory_eea(&eea);
    memset(&none, 0, sizeof(none));

    return t->all
           || (memcmp(t->bits, eea.bits, sizeof(eea.bits)) != 0
               && memcmp(t->bits, none.bits, sizeof(none.bits)) != 0);
}


/* With the bits of CG_CC_UNKNOWN and of what stands for an anonymizer. */

static void
cg_territory_everywhere(cg_territory_t *t)
{
    memset(t->bits, 0xff, sizeof(t->bits));
    t->all = true;
}
