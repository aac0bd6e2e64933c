/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TCF_H
#define CG_TCF_H

#include "cg_policy.h"


/*
 * The TC string of the IAB Transparency and Consent Framework, v2.2 and v2.3,
 * as a consent manager keeps it in the cookie "euconsent-v2" (IAB Tech Lab,
 * Consent string and vendor list formats v2). It is read and never written.
 */

#define CG_MAX_TCF          8192     /* characters of a string */
#define CG_TCF_PURPOSES     24       /* that a string has room for */
#define CG_TCF_MAX_VENDOR   65535
#define CG_TCF_POLICY_MIN   4        /* v2.2; a lower one is not valid since
                                      * 2023-09-30 */
#define CG_TCF_POLICY_MAX   5
#define CG_TCF_LIFE         395      /* days: 13 months, then a consent
                                      * manager must ask again */

/* From here on a string must tell which vendors were disclosed: 2026-03-01. */
#define CG_TCF_DISCLOSE     1772323200

typedef uint32_t  cg_tcf_set_t;      /* of purposes: bit i is purpose i + 1 */


typedef enum {
    CG_TCF_OK = 0,
    CG_TCF_EMPTY,
    CG_TCF_TOO_LONG,
    CG_TCF_BASE64,           /* not base64url */
    CG_TCF_VERSION,          /* of the format: not 2 */
    CG_TCF_POLICY,           /* a version of the policies not known here */
    CG_TCF_TRUNCATED,        /* ends before what it announces */
    CG_TCF_GLOBAL,           /* IsServiceSpecific is 0 */
    CG_TCF_LETTER,           /* a language or country that is no letters */
    CG_TCF_RANGE,            /* vendors: from 0, backwards, above the maximum */
    CG_TCF_RESTRICTION,      /* purpose 0 or above 24, an undefined type */
    CG_TCF_SEGMENT,          /* of an unknown type, or twice */
    CG_TCF_UNDISCLOSED,      /* no disclosed vendors, though it must have */
    CG_TCF_ERRORS
} cg_tcf_e;

/* Words for the log. */
cg_str_t cg_tcf_error(cg_tcf_e error);


/* What a string says of one vendor. */

typedef struct {
    uint16_t      id;
    bool          consent;
    bool          interest;      /* legitimate interest, not objected to */
    bool          disclosed;
    bool          allowed;
    cg_tcf_set_t  barred;        /* purposes that the publisher does not let
                                  * this vendor base on consent */
} cg_tcf_vendor_t;

typedef struct {
    int64_t          created;            /* seconds since 1970 */
    int64_t          updated;
    uint16_t         cmp;
    uint16_t         cmp_version;
    uint8_t          screen;
    uint8_t          language[2];        /* capital letters */
    uint16_t         list_version;       /* of the Global Vendor List */
    uint8_t          policy;
    bool             other_texts;        /* not the framework's own */
    bool             no_purpose_one;     /* purpose 1 was not disclosed */
    uint8_t          publisher_country[2];
    uint16_t         features;           /* special ones, opted in */
    cg_tcf_set_t     consents;
    cg_tcf_set_t     interests;

    bool             has_disclosed;      /* segment 1 */
    bool             has_allowed;        /* segment 2: no longer in use */
    bool             has_publisher;      /* segment 3 */
    cg_tcf_set_t     publisher_consents;
    cg_tcf_set_t     publisher_interests;
    uint8_t          ncustom;            /* purposes of the publisher's own */
    uint64_t         custom_consents;    /* bit 0 is the first */
    uint64_t         custom_interests;

    size_t           nvendors;           /* those that were asked for */
    cg_tcf_vendor_t  vendors[CG_MAX_PURPOSES];
} cg_tcf_t;

/*
 * Reads a string, and what it says of the `n` vendors (at most
 * CG_MAX_PURPOSES). In time linear in its length, whatever it announces. On
 * an error nothing of `t` means anything.
 */
cg_tcf_e cg_tcf_parse(cg_tcf_t *t, cg_str_t text, const uint16_t *vendors,
    size_t n);


/* How a purpose of ours is read out of a string. */

typedef struct {
    cg_tcf_set_t  purposes;      /* all of them must be consented to; 0: none */
    uint16_t      vendor;        /* and this vendor; 0: no vendor matters */
    bool          publisher;     /* by the publisher's own segment */
} cg_tcf_map_t;

/*
 * The purposes of ours that a string grants: those that `maps` has something
 * for, as long as the string is neither older than 13 months at `now` nor
 * from the future. It grants and does not refuse: what is not in the set is
 * not answered.
 */
cg_purposes_t cg_tcf_granted(const cg_tcf_t *t, const cg_tcf_map_t *maps,
    size_t n, int64_t now);

#endif /* CG_TCF_H */
