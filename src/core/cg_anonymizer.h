/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_ANONYMIZER_H
#define CG_ANONYMIZER_H

#include "cg_country.h"


/*
 * What is known of an address behind which its user may be anywhere. Of two
 * that are true of one address the later in this list says more; the order is
 * that of the names.
 */

typedef enum {
    CG_ANONYMIZER_NONE = 0,
    CG_ANONYMIZER_ANONYMOUS,            /* of a kind that nobody tells */
    CG_ANONYMIZER_HOSTING,              /* a data center, not a home */
    CG_ANONYMIZER_RELAY,                /* such as iCloud Private Relay */
    CG_ANONYMIZER_PROXY,
    CG_ANONYMIZER_RESIDENTIAL_PROXY,
    CG_ANONYMIZER_VPN,
    CG_ANONYMIZER_TOR,
    CG_ANONYMIZERS
} cg_anonymizer_e;

/* "vpn", "residential_proxy" ...; empty for none. */
cg_str_t cg_anonymizer_name(cg_anonymizer_e kind);
/* The kind of this name; CG_ANONYMIZER_NONE if there is none so called. */
cg_anonymizer_e cg_anonymizer_parse(cg_str_t name);
/* What stands in the place of a country: A1, T1; else none. */
cg_anonymizer_e cg_anonymizer_of(cg_cc_t cc);

#endif /* CG_ANONYMIZER_H */
