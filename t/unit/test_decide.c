/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_decide.h"


#define TODAY  20000                    /* days since 1970 */
#define NOW    (TODAY * 86400 + 3600)
#define LATER  (NOW + 1)

/* A country, spelled out here so that it is a constant. */
#define CC(a, b)  ((cg_cc_t) (((a) - 'A') * 26 + ((b) - 'A') + 1))
#define DE  CC('D', 'E')
#define IS  CC('I', 'S')
#define US  CC('U', 'S')
#define GB  CC('G', 'B')
#define CH  CC('C', 'H')

/* documents and purposes of the site, as sets */
#define TERMS      1
#define PRIVACY    2
#define COOKIES    4
#define BEYOND     0x8000       /* a document that is not configured */
#define SESSION    1            /* necessary */
#define ANALYTICS  2            /* gpc=deny */
#define SUPPORT    4

#define N(a)  (sizeof(a) / sizeof((a)[0]))


/*
 * terms: version 20 is enforced. privacy: an edit of no consequence, 10 is
 * enough. cookies: 30 is announced, 20 is enforced until then.
 */

static const cg_policies_t  site = {
    .ndocs = 3,
    .docs = {
        { .known = true, .version = 20, .required = 20 },
        { .known = true, .version = 20, .required = 10 },
        { .known = true, .version = 30, .required = 30, .before = 20,
          .effective = LATER }
    },
    .npurposes = 3,
    .necessary = SESSION,
    .gpc_deny = ANALYTICS
};

static const cg_policies_t  nothing_known = {
    .ndocs = 3,
    .npurposes = 3,
    .necessary = SESSION,
    .gpc_deny = ANALYTICS
};

static const cg_policies_t  one_unknown = { .ndocs = 1 };

static const cg_policies_t  terms_unknown = {
    .ndocs = 2,
    .docs = {
        { .version = 20, .required = 20 },
        { .known = true, .version = 20, .required = 20 }
    }
};

static const cg_policies_t  no_documents = {
    .npurposes = 3,
    .necessary = SESSION,
    .gpc_deny = ANALYTICS
};

static const cg_policies_t  announced = {
    .ndocs = 1,
    .docs = {
        { .known = true, .version = 1, .required = 1, .effective = LATER }
    }
};


/* Records: what of terms, privacy and cookies is accepted. */

#define ACCEPTED  .accepted = { 20, 20, 30 }

static const cg_record_t  empty = { .rev = 1 };
static const cg_record_t  whole = { ACCEPTED };
static const cg_record_t  newer = { .accepted = { 21, 21, 31 } };
static const cg_record_t  old_terms = { .accepted = { 19, 20, 30 } };
static const cg_record_t  old_and_never = { .accepted = { 19, 0, 30 } };
static const cg_record_t  no_terms = { .accepted = { 0, 20, 30 } };
static const cg_record_t  declined = { .accepted = { 0, 20, 30 },
                                       .declined = TERMS };
static const cg_record_t  declined_late = { .accepted = { 20, 20, 30 },
                                            .declined = TERMS };
static const cg_record_t  declined_and_never = { .declined = PRIVACY,
                                                 .accepted = { 0, 0, 30 } };
static const cg_record_t  declined_other = { .accepted = { 19, 0, 30 },
                                             .declined = PRIVACY };
static const cg_record_t  behind_edit = { .accepted = { 20, 10, 30 } };
static const cg_record_t  below_edit = { .accepted = { 20, 9, 30 } };
static const cg_record_t  behind_coming = { .accepted = { 20, 20, 20 } };
static const cg_record_t  below_before = { .accepted = { 20, 20, 19 } };
static const cg_record_t  behind_both = { .accepted = { 20, 10, 29 } };
/* An age that holds everywhere. */

#define AGES(n)  { .years = { [DE] = (n), [IS] = (n) }, .other = (n) }

static const cg_ages_t  age_13 = AGES(13);
static const cg_ages_t  age_14 = AGES(14);
static const cg_ages_t  age_16 = AGES(16);
static const cg_ages_t  age_17 = AGES(17);

static const cg_record_t  minor = { ACCEPTED, .age_state = CG_AGE_MINOR,
                                    .age = 16 };
static const cg_record_t  minor_new = { .age_state = CG_AGE_MINOR,
                                        .age = 16 };
static const cg_record_t  aged_16 = { ACCEPTED, .age_state = CG_AGE_OK,
                                      .age = 16 };
static const cg_record_t  aged_13 = { ACCEPTED, .age_state = CG_AGE_OK,
                                      .age = 13 };
static const cg_record_t  aged_13_in_DE = { ACCEPTED, .age = 13,
                                            .age_state = CG_AGE_OK,
                                            .residence = DE };
static const cg_record_t  aged_new = { .age_state = CG_AGE_OK, .age = 16 };
static const cg_record_t  lives_de = { .residence = DE };
static const cg_record_t  lives_de_whole = { ACCEPTED, .residence = DE };
static const cg_record_t  lives_us = { .residence = US };
static const cg_record_t  lives_us_seen = { .residence = US,
                                            .eea_day = TODAY };
static const cg_record_t  lives_de_seen = { .residence = DE,
                                            .eea_day = TODAY };
static const cg_record_t  seen_today = { .eea_day = TODAY };
static const cg_record_t  seen_180 = { .eea_day = TODAY - 180 };
static const cg_record_t  seen_181 = { .eea_day = TODAY - 181 };
static const cg_record_t  seen_ahead = { .eea_day = TODAY + 2 };
static const cg_record_t  grants = { ACCEPTED, .granted = ANALYTICS,
                                     .answered = ANALYTICS };
static const cg_record_t  minor_grants = { .granted = ANALYTICS,
                                           .answered = ANALYTICS,
                                           .age_state = CG_AGE_MINOR,
                                           .age = 16 };
static const cg_record_t  grants_new = { .granted = ANALYTICS,
                                         .answered = ANALYTICS };
static const cg_record_t  grants_behind = { .accepted = { 20, 10, 30 },
                                            .granted = ANALYTICS,
                                            .answered = ANALYTICS };
static const cg_record_t  refuses = { ACCEPTED, .answered = ANALYTICS };
static const cg_record_t  refuses_one = { ACCEPTED, .granted = SUPPORT,
                                          .answered = ANALYTICS | SUPPORT };
static const cg_record_t  refuses_behind = { .accepted = { 20, 10, 30 },
                                             .answered = ANALYTICS };
static const cg_record_t  seen_whole = { ACCEPTED, .eea_day = TODAY };


/* `f` and `s` hold what differs from a page wanted by a visitor, gate on. */

typedef struct {
    const char           *name;
    cg_facts_t            f;
    cg_settings_t         s;
    const char           *territory;     /* "eea" */
    const cg_policies_t  *policies;      /* of the site */
    cg_docs_t             documents;     /* all */
    bool                  off;
    cg_outcome_e          outcome;
    cg_reason_e           reason;
    cg_source_e           source;
    bool                  inside;
    cg_docs_t             missing;
    cg_docs_t             behind;
    cg_purposes_t         refused;
} row_t;


#define VISITOR     .subject = CG_SUBJECT_VISITOR
#define ACCOUNT     .subject = CG_SUBJECT_ACCOUNT
#define FOUND(r)    VISITOR, .lookup = CG_LOOKUP_FOUND, .record = &(r)
#define ABSENT      VISITOR, .lookup = CG_LOOKUP_ABSENT
#define FAILED      VISITOR, .lookup = CG_LOOKUP_FAILED
#define RECEIPT(r)  FAILED, .receipt = &(r)
#define UNSAFE      .klass = CG_CLASS_UNSAFE
#define API         .klass = CG_CLASS_API
#define PART        .klass = CG_CLASS_SUBRESOURCE
#define ALL_DOCS    (TERMS | PRIVACY | COOKIES)

#define IN(src)     .inside = true, .source = CG_SOURCE_##src
#define OUT(src)    .inside = false, .source = CG_SOURCE_##src
#define END(o, r)   .outcome = CG_##o, .reason = CG_REASON_##r


static const row_t  rows[] = {

    /* step 1, and that each comes before the next */

    { "off", { .country = DE, .subrequest = true, .preflight = true,
               .error_page = true, .own = true, .exempt = true },
      .off = true, END(PASS, OFF), IN(ADDRESS) },
    { "off outside", { .country = US }, .off = true, END(PASS, OFF),
      OUT(ADDRESS) },
    { "subrequest", { .country = DE, .subrequest = true, .preflight = true,
                      .error_page = true, .own = true, .exempt = true },
      END(PASS, SUBREQUEST), IN(ADDRESS) },
    { "preflight", { .country = DE, API, .preflight = true,
                     .error_page = true, .own = true, .exempt = true },
      END(PASS, PREFLIGHT), IN(ADDRESS) },
    { "error page", { .country = DE, .error_page = true, .own = true,
                      .exempt = true },
      END(PASS, ERROR_PAGE), IN(ADDRESS) },
    { "own page", { .country = DE, .own = true, .exempt = true },
      END(PASS, OWN), IN(ADDRESS) },
    { "exempt", { .country = DE, .exempt = true },
      END(PASS, EXEMPT), IN(ADDRESS) },
    { "exempt, purpose refused", { .country = DE, FOUND(refuses),
                                   .exempt = true },
      { .purposes = ANALYTICS }, END(PASS, EXEMPT), IN(ADDRESS) },
    { "own page, minor", { .country = DE, FOUND(minor), .own = true },
      END(PASS, OWN), IN(ADDRESS) },
    { "own page, store down", { .country = DE, FAILED, .own = true },
      { .closed = true }, END(PASS, OWN), IN(ADDRESS) },

    /* step 2: the address */

    { "outside", { .country = US }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, minor", { .country = US, FOUND(minor) }, END(PASS, OUTSIDE),
      OUT(ADDRESS) },
    { "outside, nothing accepted", { .country = US, FOUND(empty) },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, age asked for", { .country = US, ABSENT }, { .ask_age = true },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, store down", { .country = US, FAILED }, { .closed = true },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, no policy known", { .country = US }, { .closed = true },
      .policies = &nothing_known, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, API", { .country = US, API }, END(PASS, OUTSIDE),
      OUT(ADDRESS) },
    { "Iceland", { .country = IS }, END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },
    { "EU without a country", { .country = CC('E', 'U') },
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "Réunion", { .country = CC('R', 'E') }, END(PAGE, MISSING),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "Britain", { .country = GB }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "Britain added", { .country = GB }, .territory = "+GB",
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "Iceland taken out", { .country = IS }, .territory = "-IS",
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "unknown country", { .country = CG_CC_UNKNOWN },
      END(PASS, UNKNOWN_COUNTRY), OUT(UNKNOWN) },
    { "unknown country gated", { .country = CG_CC_UNKNOWN },
      { .gate_unknown = true }, END(PAGE, MISSING), IN(UNKNOWN),
      .missing = ALL_DOCS },
    { "unknown gated, known outside", { .country = US },
      { .gate_unknown = true }, END(PASS, OUTSIDE), OUT(ADDRESS) },

    /* everywhere */

    { "all", { .country = US }, .territory = "all", END(PAGE, MISSING),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "all, unknown country", { .country = CG_CC_UNKNOWN },
      .territory = "all", END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },
    { "all, anonymizer", { .country = CG_CC_TOR }, .territory = "all",
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "all but this", { .country = US }, .territory = "all -US",
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "all but this, unknown country", { .country = CG_CC_UNKNOWN },
      .territory = "all -US", END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },
    { "all but this, residence", { .country = US, FOUND(lives_de) },
      .territory = "all -US", END(PAGE, MISSING), IN(RESIDENCE),
      .missing = ALL_DOCS },

    /* residence */

    { "residence", { .country = US, FOUND(lives_de) }, END(PAGE, MISSING),
      IN(RESIDENCE), .missing = ALL_DOCS },
    { "residence, all accepted", { .country = US, FOUND(lives_de_whole) },
      END(PASS, ACCEPTED), IN(RESIDENCE) },
    { "residence, unknown country", { FOUND(lives_de) }, END(PAGE, MISSING),
      IN(RESIDENCE), .missing = ALL_DOCS },
    { "residence and address", { .country = DE, FOUND(lives_de) },
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "residence before history", { .country = US, FOUND(lives_de_seen) },
      { .remember_days = 180 }, END(PAGE, MISSING), IN(RESIDENCE),
      .missing = ALL_DOCS },
    { "residence outside, address inside",
      { .country = DE, FOUND(lives_us) }, END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },
    { "residence outside cancels history",
      { .country = US, FOUND(lives_us_seen) }, { .remember_days = 180 },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "residence outside cancels anonymizer",
      { .country = US, .anonymizer = CG_ANONYMIZER_VPN, FOUND(lives_us) },
      { .gate_anonymizer = true }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "residence outside cancels unknown", { FOUND(lives_us) },
      { .gate_unknown = true }, END(PASS, UNKNOWN_COUNTRY), OUT(UNKNOWN) },
    { "residence of a receipt is no evidence",
      { .country = US, RECEIPT(lives_de) }, END(PASS, OUTSIDE),
      OUT(ADDRESS) },
    { "residence of a record not found is no evidence",
      { .country = US, VISITOR, .lookup = CG_LOOKUP_ABSENT,
        .record = &lives_de }, END(PASS, OUTSIDE), OUT(ADDRESS) },

    /* history */

    { "history today", { .country = US, FOUND(seen_today) },
      { .remember_days = 180 }, END(PAGE, MISSING), IN(HISTORY),
      .missing = ALL_DOCS },
    { "history on the last day", { .country = US, FOUND(seen_180) },
      { .remember_days = 180 }, END(PAGE, MISSING), IN(HISTORY),
      .missing = ALL_DOCS },
    { "history a day too old", { .country = US, FOUND(seen_181) },
      { .remember_days = 180 }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "history when the clock was set back",
      { .country = US, FOUND(seen_ahead) }, { .remember_days = 180 },
      END(PAGE, MISSING), IN(HISTORY), .missing = ALL_DOCS },
    { "history is off", { .country = US, FOUND(seen_today) },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "no history", { .country = US, FOUND(empty) },
      { .remember_days = UINT32_MAX }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "history before anonymizer",
      { .country = US, .anonymizer = CG_ANONYMIZER_VPN, FOUND(seen_today) },
      { .remember_days = 180, .gate_anonymizer = true },
      END(PAGE, MISSING), IN(HISTORY), .missing = ALL_DOCS },
    { "history, all accepted", { .country = US, FOUND(seen_whole) },
      { .remember_days = 180 }, END(PASS, ACCEPTED), IN(HISTORY) },

    /* anonymizers */

    { "anonymizer", { .country = US, .anonymizer = CG_ANONYMIZER_VPN },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "anonymizer gated", { .country = US, .anonymizer = CG_ANONYMIZER_VPN },
      { .gate_anonymizer = true }, END(PAGE, MISSING), IN(ANONYMIZER),
      .missing = ALL_DOCS },
    { "anonymizer inside", { .country = DE, .anonymizer = CG_ANONYMIZER_VPN },
      { .gate_anonymizer = true }, END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },
    { "anonymizer before unknown", { .anonymizer = CG_ANONYMIZER_VPN },
      { .gate_anonymizer = true, .gate_unknown = true },
      END(PAGE, MISSING), IN(ANONYMIZER), .missing = ALL_DOCS },
    { "A1", { .country = CG_CC_ANONYMIZER }, END(PASS, UNKNOWN_COUNTRY),
      OUT(UNKNOWN) },
    { "A1 gated", { .country = CG_CC_ANONYMIZER },
      { .gate_anonymizer = true }, END(PAGE, MISSING), IN(ANONYMIZER),
      .missing = ALL_DOCS },
    { "T1 gated", { .country = CG_CC_TOR }, { .gate_anonymizer = true },
      END(PAGE, MISSING), IN(ANONYMIZER), .missing = ALL_DOCS },
    { "T1, unknown gated", { .country = CG_CC_TOR }, { .gate_unknown = true },
      END(PAGE, MISSING), IN(UNKNOWN), .missing = ALL_DOCS },

    /* an override decides alone */

    { "override inside", { .country = DE, .overridden = true },
      END(PAGE, MISSING), IN(OVERRIDE), .missing = ALL_DOCS },
    { "override outside", { .country = US, .overridden = true },
      END(PASS, OUTSIDE), OUT(OVERRIDE) },
    { "override outside, residence and history inside",
      { .country = US, .overridden = true, FOUND(lives_de_seen) },
      { .remember_days = 180 }, END(PASS, OUTSIDE), OUT(OVERRIDE) },
    { "override with a VPN outside",
      { .country = US, .overridden = true, .anonymizer = CG_ANONYMIZER_VPN },
      {0}, END(PASS, OUTSIDE), OUT(OVERRIDE) },
    { "override with a VPN outside, gated",
      { .country = US, .overridden = true, .anonymizer = CG_ANONYMIZER_VPN },
      { .gate_anonymizer = true }, END(PAGE, MISSING), IN(OVERRIDE),
      .missing = ALL_DOCS },
    { "override that pretends a residence inside",
      { .country = US, .overridden = true, .pretended = true,
        FOUND(lives_de_seen) },
      {0}, END(PAGE, MISSING), IN(OVERRIDE), .missing = ALL_DOCS },
    { "override as a VPN visitor",
      { .country = CG_CC_ANONYMIZER, .overridden = true },
      END(PASS, UNKNOWN_COUNTRY), OUT(OVERRIDE) },
    { "override as a VPN visitor, gated",
      { .country = CG_CC_ANONYMIZER, .overridden = true },
      { .gate_anonymizer = true }, END(PAGE, MISSING), IN(OVERRIDE),
      .missing = ALL_DOCS },
    { "override to unknown", { .overridden = true },
      END(PASS, UNKNOWN_COUNTRY), OUT(OVERRIDE) },
    { "override to unknown, gated", { .overridden = true },
      { .gate_unknown = true }, END(PAGE, MISSING), IN(OVERRIDE),
      .missing = ALL_DOCS },

    /* step 2: a purpose refused on record stays refused */

    { "outside, purpose not answered", { .country = US, FOUND(empty) },
      { .purposes = ANALYTICS }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, purpose granted", { .country = US, FOUND(grants) },
      { .purposes = ANALYTICS }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, purpose refused", { .country = US, FOUND(refuses) },
      { .purposes = ANALYTICS | SUPPORT }, END(REFUSE, PURPOSE),
      OUT(ADDRESS), .refused = ANALYTICS },
    { "outside, purpose refused, part", { .country = US, PART,
                                          FOUND(refuses) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), OUT(ADDRESS),
      .refused = ANALYTICS },
    { "outside, purpose refused and not required here",
      { .country = US, FOUND(refuses) }, { .purposes = SUPPORT },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "unknown country, purpose refused", { FOUND(refuses) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), OUT(UNKNOWN),
      .refused = ANALYTICS },
    { "outside, Global Privacy Control", { .country = US, .gpc = true },
      { .purposes = ANALYTICS | SUPPORT }, END(REFUSE, PURPOSE),
      OUT(ADDRESS), .refused = ANALYTICS },
    { "outside, purpose granted by a child",
      { .country = US, FOUND(minor_grants) }, { .purposes = ANALYTICS },
      END(REFUSE, PURPOSE), OUT(ADDRESS), .refused = ANALYTICS },
    { "outside, Global Privacy Control, granted",
      { .country = US, .gpc = true, FOUND(grants) },
      { .purposes = ANALYTICS }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, Global Privacy Control, of another purpose",
      { .country = US, .gpc = true }, { .purposes = SUPPORT },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, necessary purpose refused",
      { .country = US, FOUND(refuses) }, { .purposes = SESSION },
      END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, store down, receipt refuses",
      { .country = US, RECEIPT(refuses) }, { .purposes = ANALYTICS },
      END(REFUSE, PURPOSE), OUT(ADDRESS), .refused = ANALYTICS },
    { "outside, record found, receipt is not read",
      { .country = US, FOUND(empty), .receipt = &refuses },
      { .purposes = ANALYTICS }, END(PASS, OUTSIDE), OUT(ADDRESS) },
    { "outside, store down, purpose required", { .country = US, FAILED },
      { .purposes = ANALYTICS, .closed = true }, END(PASS, OUTSIDE),
      OUT(ADDRESS) },
    { "override outside, purpose refused",
      { .country = US, .overridden = true, FOUND(refuses) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), OUT(OVERRIDE),
      .refused = ANALYTICS },

    /* step 3 */

    { "part", { .country = DE, PART }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "part, minor", { .country = DE, PART, FOUND(minor) },
      { .ask_age = true }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "part, declined", { .country = DE, PART, FOUND(declined) },
      END(PASS, ACCEPTED), IN(ADDRESS) },
    { "part, store down", { .country = DE, PART, FAILED },
      { .closed = true }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "part, no policy known", { .country = DE, PART }, { .closed = true },
      .policies = &nothing_known, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "part, purpose not granted", { .country = DE, PART, FOUND(whole) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "part, purpose granted", { .country = DE, PART, FOUND(grants_new) },
      { .purposes = ANALYTICS }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "part, purpose, store down", { .country = DE, PART, FAILED },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "part, purpose, store down, closed", { .country = DE, PART, FAILED },
      { .purposes = ANALYTICS, .closed = true }, END(REFUSE, PURPOSE),
      IN(ADDRESS), .refused = ANALYTICS },
    { "part, purpose, store down, receipt",
      { .country = DE, PART, RECEIPT(grants) }, { .purposes = ANALYTICS },
      END(PASS, RECEIPT), IN(ADDRESS) },

    /* step 4 */

    { "store down, open", { .country = DE, FAILED }, END(PASS, STORE_DOWN),
      IN(ADDRESS) },
    { "the only document is not known", { .country = DE },
      .policies = &one_unknown, END(PASS, STORE_DOWN), IN(ADDRESS) },
    { "store down, closed", { .country = DE, FAILED }, { .closed = true },
      END(UNAVAILABLE, STORE_DOWN), IN(ADDRESS) },
    { "store down, closed, API", { .country = DE, API, FAILED },
      { .closed = true }, END(UNAVAILABLE, STORE_DOWN), IN(ADDRESS) },
    { "store down, open, age asked for", { .country = DE, FAILED },
      { .ask_age = true }, END(PASS, STORE_DOWN), IN(ADDRESS) },
    { "store down, open, purpose", { .country = DE, FAILED },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "store down, open, necessary purpose", { .country = DE, FAILED },
      { .purposes = SESSION }, END(PASS, STORE_DOWN), IN(ADDRESS) },
    { "store down, closed, purpose", { .country = DE, FAILED },
      { .purposes = ANALYTICS, .closed = true },
      END(UNAVAILABLE, STORE_DOWN), IN(ADDRESS) },
    { "store down, stale record is not read",
      { .country = DE, VISITOR, .lookup = CG_LOOKUP_FAILED,
        .record = &whole }, { .closed = true },
      END(UNAVAILABLE, STORE_DOWN), IN(ADDRESS) },
    { "receipt", { .country = DE, RECEIPT(whole) }, { .closed = true },
      END(PASS, RECEIPT), IN(ADDRESS) },
    { "receipt, of what is old", { .country = DE, RECEIPT(old_terms) },
      END(PAGE, OUTDATED), IN(ADDRESS), .missing = TERMS },
    { "receipt, minor", { .country = DE, RECEIPT(minor) },
      END(AGE_PAGE, UNDER_AGE), IN(ADDRESS) },
    { "receipt, age", { .country = DE, RECEIPT(whole) }, { .ask_age = true },
      END(PAGE, AGE_UNCONFIRMED), IN(ADDRESS) },
    { "receipt, notice", { .country = DE, RECEIPT(behind_edit) },
      END(NOTICE, RECEIPT), IN(ADDRESS), .behind = PRIVACY },
    { "receipt, purpose granted", { .country = DE, RECEIPT(grants) },
      { .purposes = ANALYTICS }, END(PASS, RECEIPT), IN(ADDRESS) },
    { "receipt, purpose refused", { .country = DE, RECEIPT(refuses) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "receipt is not read when the store answers",
      { .country = DE, ABSENT, .receipt = &whole }, END(PAGE, MISSING),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "receipt is not read when the record is found",
      { .country = DE, FOUND(declined), .receipt = &whole },
      END(PAGE, DECLINED), IN(ADDRESS), .missing = TERMS },
    { "no policy known, open", { .country = DE, FOUND(whole) },
      .policies = &nothing_known, END(PASS, STORE_DOWN), IN(ADDRESS) },
    { "no policy known, closed", { .country = DE, FOUND(whole) },
      { .closed = true }, .policies = &nothing_known,
      END(UNAVAILABLE, STORE_DOWN), IN(ADDRESS) },
    { "no policy known, no subject", { .country = DE }, { .closed = true },
      .policies = &nothing_known, END(UNAVAILABLE, STORE_DOWN),
      IN(ADDRESS) },
    { "no policy known, purpose", { .country = DE, FOUND(grants) },
      { .purposes = ANALYTICS }, .policies = &nothing_known,
      END(REFUSE, PURPOSE), IN(ADDRESS), .refused = ANALYTICS },
    { "no policy known, residence is",
      { .country = US, FOUND(lives_de) }, .policies = &nothing_known,
      END(PASS, STORE_DOWN), IN(RESIDENCE) },
    { "one policy unknown is not missed", { .country = DE },
      .policies = &terms_unknown, END(PAGE, MISSING), IN(ADDRESS),
      .missing = PRIVACY },
    { "a site without documents", { .country = DE }, { .closed = true },
      .policies = &no_documents, END(PASS, ACCEPTED), IN(ADDRESS) },

    /* step 5 */

    { "under age", { .country = DE, FOUND(minor) }, END(AGE_PAGE, UNDER_AGE),
      IN(ADDRESS) },
    { "under age, age asked for", { .country = DE, FOUND(minor) },
      { .ask_age = true, .ages = &age_16 }, END(AGE_PAGE, UNDER_AGE),
      IN(ADDRESS) },
    { "under age where more is asked", { .country = DE, FOUND(minor) },
      { .ask_age = true, .ages = &age_17 }, END(AGE_PAGE, UNDER_AGE),
      IN(ADDRESS) },
    { "under age where less is asked", { .country = DE, FOUND(minor) },
      { .ask_age = true, .ages = &age_13 }, END(PAGE, AGE_UNCONFIRMED),
      IN(ADDRESS) },
    { "age by law", { .country = IS, FOUND(aged_16) },
      { .ask_age = true }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "age of the residence", { .country = IS, FOUND(aged_13_in_DE) },
      { .ask_age = true }, END(PAGE, AGE_UNCONFIRMED), IN(ADDRESS) },
    { "age of the address", { .country = IS, FOUND(aged_13) },
      { .ask_age = true }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "under age before missing", { .country = DE, FOUND(minor_new) },
      END(AGE_PAGE, UNDER_AGE), IN(ADDRESS), .missing = ALL_DOCS },
    { "under age, API", { .country = DE, API, FOUND(minor) },
      END(AGE_PAGE, UNDER_AGE), IN(ADDRESS) },
    { "age not asked for", { .country = DE, FOUND(whole) },
      { .ages = &age_16 }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "age unconfirmed", { .country = DE, FOUND(whole) },
      { .ask_age = true, .ages = &age_16 }, END(PAGE, AGE_UNCONFIRMED),
      IN(ADDRESS) },
    { "age unconfirmed, no record", { .country = DE, ABSENT },
      { .ask_age = true, .ages = &age_16 }, END(PAGE, AGE_UNCONFIRMED),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "age unconfirmed, no subject", { .country = DE },
      { .ask_age = true, .ages = &age_16 }, END(PAGE, AGE_UNCONFIRMED),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "age confirmed", { .country = DE, FOUND(aged_16) },
      { .ask_age = true, .ages = &age_16 }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "age confirmed where less was asked", { .country = DE, FOUND(aged_16) },
      { .ask_age = true, .ages = &age_17 }, END(PAGE, AGE_UNCONFIRMED),
      IN(ADDRESS) },
    { "age confirmed, then the documents", { .country = DE, FOUND(aged_new) },
      { .ask_age = true, .ages = &age_16 }, END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },

    /* step 6 */

    { "no subject", { .country = DE }, END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },
    { "no record", { .country = DE, ABSENT }, END(PAGE, MISSING),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "account without a record", { .country = DE, ACCOUNT,
                                    .lookup = CG_LOOKUP_ABSENT },
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "tombstone", { .country = DE, FOUND(empty) }, END(PAGE, MISSING),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "one missing", { .country = DE, FOUND(no_terms) }, END(PAGE, MISSING),
      IN(ADDRESS), .missing = TERMS },
    { "missing, API", { .country = DE, API, FOUND(no_terms) },
      END(PAGE, MISSING), IN(ADDRESS), .missing = TERMS },
    { "missing, unsafe", { .country = DE, UNSAFE, FOUND(no_terms) },
      END(PAGE, MISSING), IN(ADDRESS), .missing = TERMS },
    { "outdated", { .country = DE, FOUND(old_terms) }, END(PAGE, OUTDATED),
      IN(ADDRESS), .missing = TERMS },
    { "outdated and never accepted", { .country = DE, FOUND(old_and_never) },
      END(PAGE, MISSING), IN(ADDRESS), .missing = TERMS | PRIVACY },
    { "declined", { .country = DE, FOUND(declined) }, END(PAGE, DECLINED),
      IN(ADDRESS), .missing = TERMS },
    { "declined after it was accepted",
      { .country = DE, FOUND(declined_late) }, END(PAGE, DECLINED),
      IN(ADDRESS), .missing = TERMS },
    { "declined and never accepted",
      { .country = DE, FOUND(declined_and_never) }, END(PAGE, DECLINED),
      IN(ADDRESS), .missing = TERMS | PRIVACY },
    { "declined what is not required here",
      { .country = DE, FOUND(declined) }, .documents = PRIVACY | COOKIES,
      END(PASS, ACCEPTED), IN(ADDRESS) },
    { "outdated here, declined elsewhere",
      { .country = DE, FOUND(declined_other) }, .documents = TERMS,
      END(PAGE, OUTDATED), IN(ADDRESS), .missing = TERMS },
    { "below an edit of consequence", { .country = DE, FOUND(below_edit) },
      END(PAGE, OUTDATED), IN(ADDRESS), .missing = PRIVACY },
    { "below what counts before", { .country = DE, FOUND(below_before) },
      END(PAGE, OUTDATED), IN(ADDRESS), .missing = COOKIES },
    { "only what the location requires", { .country = DE },
      .documents = PRIVACY, END(PAGE, MISSING), IN(ADDRESS),
      .missing = PRIVACY },
    { "nothing that is configured", { .country = DE }, .documents = BEYOND,
      END(PASS, ACCEPTED), IN(ADDRESS) },
    { "missing before a refused purpose", { .country = DE, ABSENT },
      { .purposes = ANALYTICS }, END(PAGE, MISSING), IN(ADDRESS),
      .missing = ALL_DOCS },

    /* step 6: a post from another site, and who it is not for */

    { "cross-site post", { .country = DE, UNSAFE, .cross_site = true },
      END(PASS, CROSS_SITE), IN(ADDRESS), .missing = ALL_DOCS },
    { "cross-site post, age asked for",
      { .country = DE, UNSAFE, .cross_site = true }, { .ask_age = true },
      END(PASS, CROSS_SITE), IN(ADDRESS), .missing = ALL_DOCS },
    { "cross-site post, purpose",
      { .country = DE, UNSAFE, .cross_site = true },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .missing = ALL_DOCS, .refused = ANALYTICS },
    { "cross-site post, with a subject",
      { .country = DE, UNSAFE, .cross_site = true, ABSENT },
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "cross-site get", { .country = DE, .cross_site = true },
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "cross-site fetch", { .country = DE, API, .cross_site = true },
      END(PAGE, MISSING), IN(ADDRESS), .missing = ALL_DOCS },
    { "same-site post", { .country = DE, UNSAFE }, END(PAGE, MISSING),
      IN(ADDRESS), .missing = ALL_DOCS },
    { "cross-site post, outside",
      { .country = US, UNSAFE, .cross_site = true }, END(PASS, OUTSIDE),
      OUT(ADDRESS) },
    { "cross-site post, closed, no policy known",
      { .country = DE, UNSAFE, .cross_site = true }, { .closed = true },
      .policies = &nothing_known, END(UNAVAILABLE, STORE_DOWN),
      IN(ADDRESS) },
    { "cross-site post, nothing required",
      { .country = DE, UNSAFE, .cross_site = true },
      .policies = &no_documents, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "cross-site post of a minor's receipt",
      { .country = DE, UNSAFE, .cross_site = true,
        .lookup = CG_LOOKUP_FAILED, .receipt = &minor },
      END(PASS, CROSS_SITE), IN(ADDRESS) },

    /* step 7 */

    { "an edit of no consequence", { .country = DE, FOUND(behind_edit) },
      END(NOTICE, NOTICE), IN(ADDRESS), .behind = PRIVACY },
    { "a version to come", { .country = DE, FOUND(behind_coming) },
      END(NOTICE, NOTICE), IN(ADDRESS), .behind = COOKIES },
    { "both", { .country = DE, FOUND(behind_both) }, END(NOTICE, NOTICE),
      IN(ADDRESS), .behind = PRIVACY | COOKIES },
    { "both, one required here", { .country = DE, FOUND(behind_both) },
      .documents = TERMS | COOKIES, END(NOTICE, NOTICE), IN(ADDRESS),
      .behind = COOKIES },
    { "a first version to come", { .country = DE, ABSENT },
      .policies = &announced, END(NOTICE, NOTICE), IN(ADDRESS),
      .behind = TERMS },
    { "a first version to come, declined", { .country = DE,
                                             FOUND(declined) },
      .policies = &announced, END(NOTICE, NOTICE), IN(ADDRESS),
      .behind = TERMS },
    { "behind, API", { .country = DE, API, FOUND(behind_edit) },
      END(NOTICE, NOTICE), IN(ADDRESS), .behind = PRIVACY },
    { "behind, part", { .country = DE, PART, FOUND(behind_edit) },
      END(PASS, ACCEPTED), IN(ADDRESS) },

    /* step 8 */

    { "purpose granted to a consent manager",
      { .country = DE, FOUND(whole), .tcf = ANALYTICS },
      { .purposes = ANALYTICS }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "purpose granted to a consent manager, refused on record",
      { .country = DE, FOUND(refuses), .tcf = ANALYTICS },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "purpose granted to a consent manager, store down",
      { .country = DE, FAILED, .tcf = ANALYTICS },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "outside, Global Privacy Control against a consent manager",
      { .country = US, .gpc = true, .tcf = ANALYTICS },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), OUT(ADDRESS),
      .refused = ANALYTICS },
    { "purpose not granted", { .country = DE, FOUND(whole) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .refused = ANALYTICS },
    { "purpose refused", { .country = DE, FOUND(refuses_one) },
      { .purposes = SESSION | ANALYTICS | SUPPORT }, END(REFUSE, PURPOSE),
      IN(ADDRESS), .refused = ANALYTICS },
    { "purpose granted", { .country = DE, FOUND(grants) },
      { .purposes = ANALYTICS }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "purpose granted, Global Privacy Control",
      { .country = DE, .gpc = true, FOUND(grants) },
      { .purposes = ANALYTICS }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "purpose granted, behind", { .country = DE, FOUND(grants_behind) },
      { .purposes = ANALYTICS }, END(NOTICE, NOTICE), IN(ADDRESS),
      .behind = PRIVACY },
    { "purpose refused, behind", { .country = DE, FOUND(refuses_behind) },
      { .purposes = ANALYTICS }, END(REFUSE, PURPOSE), IN(ADDRESS),
      .behind = PRIVACY, .refused = ANALYTICS },
    { "necessary purpose", { .country = DE, FOUND(refuses) },
      { .purposes = SESSION }, END(PASS, ACCEPTED), IN(ADDRESS) },
    { "purpose refused, history", { .country = US, FOUND(seen_whole) },
      { .purposes = SUPPORT, .remember_days = 180 }, END(REFUSE, PURPOSE),
      IN(HISTORY), .refused = SUPPORT },

    /* step 9 */

    { "accepted", { .country = DE, FOUND(whole) }, END(PASS, ACCEPTED),
      IN(ADDRESS) },
    { "accepted, unsafe", { .country = DE, UNSAFE, FOUND(whole) },
      END(PASS, ACCEPTED), IN(ADDRESS) },
    { "accepted, API", { .country = DE, API, FOUND(whole) },
      END(PASS, ACCEPTED), IN(ADDRESS) },
    { "accepted, account", { .country = DE, ACCOUNT, .record = &whole,
                             .lookup = CG_LOOKUP_FOUND },
      END(PASS, ACCEPTED), IN(ADDRESS) },
    { "accepted newer than published here", { .country = DE, FOUND(newer) },
      END(PASS, ACCEPTED), IN(ADDRESS) }
};


static void
territory(cg_territory_t *t, const char *words)
{
    size_t  len;

    cg_territory_eea(t);

    while (words != NULL && *words != '\0') {
        len = strcspn(words, " ");
        assert_true(cg_territory_word(t, (cg_str_t) { len,
                                          (const uint8_t *) words }));
        words += len + (words[len] == ' ');
    }
}


static cg_settings_t
row_settings(const row_t *row)
{
    cg_settings_t  s = row->s;

    s.mode = row->off ? CG_MODE_OFF : CG_MODE_ON;
    s.documents = row->documents != 0 ? row->documents : 0xffff;
    territory(&s.territory, row->territory);

    return s;
}


static cg_decision_t
decide(const row_t *row, const cg_settings_t *s)
{
    cg_decision_t  d;

    memset(&d, 0x5a, sizeof(d));
    cg_decide(&d, &row->f, s, row->policies != NULL ? row->policies : &site,
              NOW);

    return d;
}


static bool
matches(const cg_decision_t *d, const row_t *row)
{
    return d->outcome == row->outcome && d->reason == row->reason
           && d->source == row->source && d->inside == row->inside
           && d->missing == row->missing && d->behind == row->behind
           && d->refused == row->refused;
}


static void
print_row(const cg_decision_t *d, const row_t *row)
{
    cg_str_t  o = cg_outcome_name((cg_outcome_e) d->outcome);
    cg_str_t  r = cg_reason_name((cg_reason_e) d->reason);
    cg_str_t  s = cg_source_name((cg_source_e) d->source);

    print_error("%s: %.*s/%.*s %.*s inside:%d missing:%x behind:%x "
                "refused:%x\n", row->name, (int) o.len, o.data, (int) r.len,
                r.data, (int) s.len, s.data, d->inside, d->missing,
                d->behind, d->refused);
}


static void
test_every_row_of_the_rule(void **state)
{
    size_t         wrong = 0;
    cg_decision_t  d;
    cg_settings_t  s;

    (void) state;

    for (size_t i = 0; i < N(rows); i++) {
        s = row_settings(&rows[i]);
        d = decide(&rows[i], &s);

        if (!matches(&d, &rows[i])) {
            print_row(&d, &rows[i]);
            wrong++;
        }
    }

    assert_int_equal(wrong, 0);
}


static void
test_report_decides_alike(void **state)
{
    cg_decision_t  on, report;
    cg_settings_t  s;

    (void) state;

    for (size_t i = 0; i < N(rows); i++) {
        s = row_settings(&rows[i]);

        if (rows[i].off) {
            continue;
        }

        on = decide(&rows[i], &s);
        s.mode = CG_MODE_REPORT;
        report = decide(&rows[i], &s);

        assert_memory_equal(&on, &report, sizeof(on));
    }
}


static void
test_every_reason_outcome_and_source_is_in_the_table(void **state)
{
    unsigned  outcomes = 0, reasons = 0, sources = 0;

    (void) state;

    for (size_t i = 0; i < N(rows); i++) {
        outcomes |= 1u << rows[i].outcome;
        reasons |= 1u << rows[i].reason;
        sources |= 1u << rows[i].source;
    }

    assert_int_equal(outcomes, (1u << CG_OUTCOMES) - 1);
    assert_int_equal(reasons, (1u << CG_REASONS) - 1);
    assert_int_equal(sources, (1u << CG_SOURCES) - 1);
}


static void
test_a_policy_comes_into_force_by_the_second(void **state)
{
    cg_policies_t  p = site;

    (void) state;

    assert_int_equal(cg_documents_missing(&behind_coming, &p, 0xffff, NOW),
                     0);
    assert_int_equal(cg_documents_missing(&behind_coming, &p, 0xffff, LATER),
                     COOKIES);
    assert_int_equal(cg_documents_missing(&behind_coming, &p, TERMS, LATER),
                     0);
    assert_int_equal(cg_documents_missing(NULL, &p, BEYOND | TERMS, NOW),
                     TERMS);

    p.docs[2].known = false;
    assert_int_equal(cg_documents_missing(&behind_coming, &p, 0xffff, LATER),
                     0);
}


/* What was configured before a reload may still lie behind the last one. */

static void
test_documents_behind_the_last_one_are_not_looked_at(void **state)
{
    cg_facts_t     f = { .country = DE, FOUND(whole) };
    cg_decision_t  d;
    cg_settings_t  s = { .mode = CG_MODE_ON, .closed = true,
                         .documents = 0xffff };
    cg_policies_t  p = site;

    (void) state;

    territory(&s.territory, "eea");

    p.ndocs = 2;
    p.docs[2].version = p.docs[2].required = p.docs[2].before = 99;

    cg_decide(&d, &f, &s, &p, NOW);
    assert_int_equal(d.reason, CG_REASON_ACCEPTED);
    assert_int_equal(cg_documents_missing(&whole, &p, 0xffff, NOW), 0);

    p.docs[0].known = p.docs[1].known = false;

    cg_decide(&d, &f, &s, &p, NOW);
    assert_int_equal(d.reason, CG_REASON_STORE_DOWN);
}


static void
test_all_sixteen_documents_are_looked_at(void **state)
{
    cg_record_t    rec;
    cg_policies_t  p;

    (void) state;

    memset(&rec, 0, sizeof(rec));
    memset(&p, 0, sizeof(p));

    p.ndocs = CG_MAX_DOCUMENTS;

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        p.docs[i].known = true;
        p.docs[i].version = p.docs[i].required = 1;
        rec.accepted[i] = 1;
    }

    assert_int_equal(cg_documents_missing(NULL, &p, 0xffff, NOW), 0xffff);
    assert_int_equal(cg_documents_missing(&rec, &p, 0xffff, NOW), 0);

    rec.declined = 0x8000;
    assert_int_equal(cg_documents_missing(&rec, &p, 0xffff, NOW), 0x8000);
}


/*
 * What the record says wins; a consent manager is heard where it says
 * nothing, and Global Privacy Control is not against it.
 */

static void
test_what_counts_as_granted(void **state)
{
    static const struct {
        const char     *name;
        cg_facts_t      f;
        cg_purposes_t   granted;
    } rows[] = {
        { "nobody", { .country = DE }, SESSION },
        { "no record", { ABSENT }, SESSION },
        { "granted", { FOUND(grants) }, SESSION | ANALYTICS },
        { "refused", { FOUND(refuses) }, SESSION },
        { "not read", { ACCOUNT }, SESSION },
        { "store down", { FAILED }, SESSION },
        { "receipt", { RECEIPT(grants) }, SESSION | ANALYTICS },

        { "nobody, manager", { .tcf = ANALYTICS }, SESSION | ANALYTICS },
        { "no record, manager", { ABSENT, .tcf = SUPPORT },
          SESSION | SUPPORT },
        { "no answer, manager", { FOUND(whole), .tcf = ANALYTICS },
          SESSION | ANALYTICS },
        { "refused, manager", { FOUND(refuses), .tcf = ANALYTICS }, SESSION },
        { "refused, manager of more",
          { FOUND(refuses), .tcf = ANALYTICS | SUPPORT }, SESSION | SUPPORT },
        { "granted by a child", { FOUND(minor_grants) }, SESSION },
        { "granted by a child, to a manager too",
          { FOUND(minor_grants), .tcf = SUPPORT }, SESSION },
        { "granted, manager of another", { FOUND(grants), .tcf = SUPPORT },
          SESSION | ANALYTICS | SUPPORT },
        { "granted, manager silent", { FOUND(grants) },
          SESSION | ANALYTICS },
        { "not read, manager", { ACCOUNT, .tcf = ANALYTICS }, SESSION },
        { "store down, manager", { FAILED, .tcf = ANALYTICS }, SESSION },
        { "receipt refuses, manager",
          { RECEIPT(refuses), .tcf = ANALYTICS | SUPPORT },
          SESSION | SUPPORT },

        { "control", { .gpc = true }, SESSION },
        { "control, manager", { .gpc = true, .tcf = ANALYTICS | SUPPORT },
          SESSION | SUPPORT },
        { "control, no answer, manager",
          { FOUND(whole), .gpc = true, .tcf = ANALYTICS }, SESSION },
        { "control, granted", { FOUND(grants), .gpc = true },
          SESSION | ANALYTICS },
    };

    (void) state;

    for (size_t i = 0; i < N(rows); i++) {
        if (cg_purposes_granted(&rows[i].f, &site) != rows[i].granted) {
            fail_msg("%s", rows[i].name);
        }
    }
}


static void
test_the_record_is_needed(void **state)
{
    static const struct {
        cg_facts_t     f;
        cg_mode_e      mode;
        cg_purposes_t  purposes;
        bool           needed;
    } cases[] = {
        { { .country = DE, VISITOR }, CG_MODE_ON, 0, true },
        { { .country = DE, VISITOR }, CG_MODE_REPORT, 0, true },
        { { .country = US, VISITOR }, CG_MODE_ON, 0, true },
        { { .country = US, ACCOUNT }, CG_MODE_ON, 0, true },
        { { VISITOR }, CG_MODE_ON, 0, true },
        { { .country = DE, API, VISITOR }, CG_MODE_ON, 0, true },
        { { .country = DE, PART, VISITOR }, CG_MODE_ON, ANALYTICS, true },
        { { .country = US, PART, VISITOR }, CG_MODE_ON, ANALYTICS, true },
        { { .country = DE, PART, VISITOR }, CG_MODE_ON, 0, false },
        { { .country = US, PART, VISITOR }, CG_MODE_ON, 0, false },
        { { .country = US }, CG_MODE_ON, 0, false },
        { { .country = US }, CG_MODE_ON, ANALYTICS, false },
        { { .country = DE }, CG_MODE_ON, ANALYTICS, false },
        { { .country = DE, VISITOR }, CG_MODE_OFF, ANALYTICS, false },
        { { .country = DE, VISITOR, .subrequest = true }, CG_MODE_ON, 0,
          false },
        { { .country = DE, VISITOR, .preflight = true }, CG_MODE_ON, 0,
          false },
        { { .country = DE, VISITOR, .error_page = true }, CG_MODE_ON, 0,
          false },
        { { .country = DE, VISITOR, .own = true }, CG_MODE_ON, 0, false },
        { { .country = DE, VISITOR, .exempt = true }, CG_MODE_ON, 0, false }
    };
    cg_settings_t  s;

    (void) state;

    memset(&s, 0, sizeof(s));
    territory(&s.territory, "eea");

    for (size_t i = 0; i < N(cases); i++) {
        s.mode = (uint8_t) cases[i].mode;
        s.purposes = cases[i].purposes;

        if (cg_decide_needs_record(&cases[i].f, &s) != cases[i].needed) {
            fail_msg("case %zu", i);
        }
    }
}


/* xorshift32 (Marsaglia 2003): the same walk in every run. */

static uint32_t
next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;

    return *x;
}


static void
any_record(cg_record_t *rec, uint32_t *x)
{
    static const cg_cc_t  homes[] = { 0, DE, US, IS };

    memset(rec, 0, sizeof(*rec));

    for (size_t i = 0; i < 3; i++) {
        rec->accepted[i] = next(x) % 4 * 10;
    }

    rec->declined = next(x) % 4 == 0 ? next(x) & 7 : 0;
    rec->answered = next(x) & 7;
    rec->granted = next(x) & rec->answered;
    rec->age_state = next(x) % 3;
    rec->age = 13 + next(x) % 5;
    rec->residence = homes[next(x) % N(homes)];
    rec->eea_day = next(x) % 2 * (TODAY - next(x) % 300);
}


static void
any_facts(cg_facts_t *f, uint32_t *x, const cg_record_t *record,
    const cg_record_t *receipt)
{
    static const cg_cc_t  places[] = {
        DE, IS, US, GB, CG_CC_UNKNOWN, CG_CC_ANONYMIZER, CG_CC_TOR
    };

    memset(f, 0, sizeof(*f));

    f->klass = next(x) % CG_CLASSES;
    f->subject = next(x) % 3;
    f->lookup = f->subject == CG_SUBJECT_NONE ? CG_LOOKUP_NONE
                                              : next(x) % 4;
    f->country = places[next(x) % N(places)];
    f->overridden = next(x) % 8 == 0;
    f->anonymizer = next(x) % 8 ? 0 : next(x) % CG_ANONYMIZERS;
    f->subrequest = next(x) % 32 == 0;
    f->preflight = next(x) % 32 == 0;
    f->error_page = next(x) % 32 == 0;
    f->own = next(x) % 32 == 0;
    f->exempt = next(x) % 32 == 0;
    f->cross_site = next(x) % 2;
    f->gpc = next(x) % 4 == 0;
    f->record = f->lookup == CG_LOOKUP_FOUND ? record : NULL;
    f->receipt = next(x) % 2 ? receipt : NULL;
}


static void
any_settings(cg_settings_t *s, uint32_t *x)
{
    static const char *const  words[] = { "eea", "eea +GB -IS", "all",
                                          "all -US" };
    static const cg_ages_t *const  ages[] = { NULL, &age_13, &age_14, &age_16,
                                              &age_17 };

    memset(s, 0, sizeof(*s));

    s->mode = next(x) % 16 != 0;
    s->closed = next(x) % 2;
    s->gate_unknown = next(x) % 2;
    s->gate_anonymizer = next(x) % 2;
    s->ask_age = next(x) % 2;
    s->ages = ages[next(x) % N(ages)];
    s->remember_days = next(x) % 2 * 180;
    s->documents = next(x) % 2 ? 0xffff : next(x) & 7;
    s->purposes = next(x) % 2 ? next(x) & 7 : 0;
    territory(&s->territory, words[next(x) % N(words)]);
}


static void
expect_sound(const cg_decision_t *d, const cg_facts_t *f,
    const cg_settings_t *s)
{
    bool         let = d->outcome == CG_PASS || d->outcome == CG_NOTICE;
    cg_reason_e  reason = (cg_reason_e) d->reason;

    assert_true(d->outcome < CG_OUTCOMES && d->reason < CG_REASONS
                && d->source < CG_SOURCES);

    assert_int_equal(d->outcome == CG_REFUSE, reason == CG_REASON_PURPOSE);
    assert_int_equal(d->outcome == CG_REFUSE, d->refused != 0);
    assert_int_equal(d->refused & (~s->purposes | SESSION), 0);
    assert_int_equal((d->missing | d->behind) & ~(s->documents & 7), 0);
    assert_int_equal(d->missing & d->behind, 0);

    /* nobody outside is asked, whatever the store does */
    if (!d->inside) {
        assert_true(let || d->outcome == CG_REFUSE);
        assert_int_equal(d->missing | d->behind, 0);
    }

    if (f->klass == CG_CLASS_SUBRESOURCE) {
        assert_true(let || d->outcome == CG_REFUSE);
    }

    if (d->outcome == CG_UNAVAILABLE) {
        assert_true(s->closed && f->receipt == NULL);
        assert_int_equal(f->lookup, CG_LOOKUP_FAILED);
    }

    /* who is let in has nothing missing, or there is a reason for it */
    if (let && d->inside && d->missing != 0) {
        assert_true(reason == CG_REASON_CROSS_SITE);
        assert_true(f->klass == CG_CLASS_UNSAFE);
    }

    if (d->outcome == CG_PAGE && d->missing == 0) {
        assert_int_equal(reason, CG_REASON_AGE_UNCONFIRMED);
    }

    if (d->outcome == CG_NOTICE) {
        assert_true(d->behind != 0);
    }

    if (f->own || f->subrequest || f->exempt || s->mode == CG_MODE_OFF) {
        assert_true(reason <= CG_REASON_EXEMPT && d->outcome == CG_PASS);
    }
}


static void
test_whatever_the_facts_the_decision_is_sound(void **state)
{
    uint32_t       x = 20180525;
    cg_facts_t     f;
    cg_record_t    record, receipt;
    cg_decision_t  d, without;
    cg_settings_t  s;

    (void) state;

    for (size_t i = 0; i < 200000; i++) {
        any_record(&record, &x);
        any_record(&receipt, &x);
        any_facts(&f, &x, &record, &receipt);
        any_settings(&s, &x);

        cg_decide(&d, &f, &s, &site, NOW);
        expect_sound(&d, &f, &s);

        /* what does not need the record comes out the same without it */

        if (!cg_decide_needs_record(&f, &s)) {
            f.lookup = CG_LOOKUP_NONE;
            cg_decide(&without, &f, &s, &site, NOW);
            assert_int_equal(d.outcome, without.outcome);
            assert_int_equal(d.refused, without.refused);
        }
    }
}


/* Section 2: what HTTP does with an outcome. */

static void
test_every_outcome_in_every_class(void **state)
{
    static const cg_action_e  expected[CG_OUTCOMES][CG_CLASSES] = {
        [CG_PASS] = { CG_ACTION_PASS, CG_ACTION_PASS, CG_ACTION_PASS,
                      CG_ACTION_PASS },
        [CG_NOTICE] = { CG_ACTION_PASS, CG_ACTION_PASS, CG_ACTION_PASS,
                        CG_ACTION_PASS },
        [CG_PAGE] = { CG_ACTION_REDIRECT, CG_ACTION_HTML,
                      CG_ACTION_PROBLEM, CG_ACTION_PROBLEM },
        [CG_AGE_PAGE] = { CG_ACTION_REDIRECT, CG_ACTION_HTML,
                          CG_ACTION_PROBLEM, CG_ACTION_PROBLEM },
        [CG_REFUSE] = { CG_ACTION_HTML, CG_ACTION_HTML,
                        CG_ACTION_PROBLEM, CG_ACTION_PROBLEM },
        [CG_UNAVAILABLE] = { CG_ACTION_HTML_UNAVAILABLE,
                             CG_ACTION_HTML_UNAVAILABLE,
                             CG_ACTION_PROBLEM_UNAVAILABLE,
                             CG_ACTION_PROBLEM_UNAVAILABLE }
    };

    (void) state;

    for (size_t o = 0; o < CG_OUTCOMES; o++) {
        for (size_t k = 0; k < CG_CLASSES; k++) {
            assert_int_equal(cg_action((cg_outcome_e) o, (cg_class_e) k),
                             expected[o][k]);
        }
    }
}


typedef cg_str_t (*name_pt)(unsigned value);

static cg_str_t
outcome_name(unsigned value)
{
    return cg_outcome_name((cg_outcome_e) value);
}


static cg_str_t
reason_name(unsigned value)
{
    return cg_reason_name((cg_reason_e) value);
}


static cg_str_t
source_name(unsigned value)
{
    return cg_source_name((cg_source_e) value);
}


static cg_str_t
class_name(unsigned value)
{
    return cg_class_name((cg_class_e) value);
}


static void
expect_names(name_pt name, const char *names)
{
    size_t    len;
    unsigned  i;
    cg_str_t  s;

    for (i = 0; *names != '\0'; i++) {
        len = strcspn(names, " ");
        s = name(i);
        assert_int_equal(s.len, len);
        assert_memory_equal(s.data, names, len);
        names += len + (names[len] == ' ');
    }

    assert_int_equal(name(i).len, 0);
}


static void
test_names_are_stable(void **state)
{
    (void) state;

    expect_names(outcome_name, "pass notice page age_page refuse "
                 "unavailable");
    expect_names(reason_name, "off subrequest preflight error_page own "
                 "exempt outside unknown_country receipt store_down "
                 "under_age age_unconfirmed missing outdated declined "
                 "cross_site notice purpose accepted");
    expect_names(source_name, "address residence history anonymizer unknown "
                 "override");
    expect_names(class_name, "navigation unsafe api subresource");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_every_row_of_the_rule),
        cmocka_unit_test(test_report_decides_alike),
        cmocka_unit_test(test_every_reason_outcome_and_source_is_in_the_table),
        cmocka_unit_test(test_a_policy_comes_into_force_by_the_second),
        cmocka_unit_test(test_documents_behind_the_last_one_are_not_looked_at),
        cmocka_unit_test(test_all_sixteen_documents_are_looked_at),
        cmocka_unit_test(test_what_counts_as_granted),
        cmocka_unit_test(test_the_record_is_needed),
        cmocka_unit_test(test_whatever_the_facts_the_decision_is_sound),
        cmocka_unit_test(test_every_outcome_in_every_class),
        cmocka_unit_test(test_names_are_stable)
    };

    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
