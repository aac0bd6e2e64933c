/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_DECIDE_H
#define CG_DECIDE_H

#include "cg_anonymizer.h"
#include "cg_age.h"


/* The order of each enum is the order of its table of names. */

typedef enum {
    CG_PASS = 0,
    CG_NOTICE,
    CG_PAGE,
    CG_AGE_PAGE,
    CG_REFUSE,
    CG_UNAVAILABLE,
    CG_OUTCOMES
} cg_outcome_e;

typedef enum {
    CG_REASON_OFF = 0,
    CG_REASON_SUBREQUEST,
    CG_REASON_PREFLIGHT,
    CG_REASON_ERROR_PAGE,
    CG_REASON_OWN,
    CG_REASON_EXEMPT,
    CG_REASON_OUTSIDE,
    CG_REASON_UNKNOWN_COUNTRY,
    CG_REASON_RECEIPT,
    CG_REASON_STORE_DOWN,
    CG_REASON_UNDER_AGE,
    CG_REASON_AGE_UNCONFIRMED,
    CG_REASON_MISSING,
    CG_REASON_OUTDATED,
    CG_REASON_DECLINED,
    CG_REASON_CROSS_SITE,
    CG_REASON_NOTICE,
    CG_REASON_PURPOSE,
    CG_REASON_ACCEPTED,
    CG_REASONS
} cg_reason_e;

typedef enum {
    CG_SOURCE_ADDRESS = 0,
    CG_SOURCE_RESIDENCE,
    CG_SOURCE_HISTORY,
    CG_SOURCE_ANONYMIZER,
    CG_SOURCE_UNKNOWN,
    CG_SOURCE_OVERRIDE,
    CG_SOURCES
} cg_source_e;

typedef enum {
    CG_CLASS_NAVIGATION = 0,    /* GET or HEAD of a document */
    CG_CLASS_UNSAFE,            /* a navigation by any other method */
    CG_CLASS_API,               /* fetch, XHR, WebSocket, frames, scripts */
    CG_CLASS_SUBRESOURCE,       /* script, style, image, font ... */
    CG_CLASSES
} cg_class_e;

typedef enum {
    CG_SUBJECT_NONE = 0,
    CG_SUBJECT_VISITOR,
    CG_SUBJECT_ACCOUNT,
    CG_SUBJECT_TEST
} cg_subject_e;

typedef enum {
    CG_LOOKUP_NONE = 0,         /* not looked up: no subject, or no need */
    CG_LOOKUP_FOUND,
    CG_LOOKUP_ABSENT,
    CG_LOOKUP_FAILED            /* the store did not tell */
} cg_lookup_e;

typedef enum {
    CG_MODE_OFF = 0,
    CG_MODE_ON,
    CG_MODE_REPORT
} cg_mode_e;

typedef enum {
    CG_ACTION_PASS = 0,
    CG_ACTION_REDIRECT,             /* 302 to the page */
    CG_ACTION_HTML,                 /* 403 (or 451), HTML */
    CG_ACTION_PROBLEM,              /* 403 (or 451), problem+json */
    CG_ACTION_HTML_UNAVAILABLE,     /* 503, HTML */
    CG_ACTION_PROBLEM_UNAVAILABLE   /* 503, problem+json */
} cg_action_e;


/* What is known about one request. `record` and `receipt` may be NULL. */

typedef struct {
    uint8_t             klass;          /* cg_class_e */
    uint8_t             subject;        /* cg_subject_e */
    uint8_t             lookup;         /* cg_lookup_e */
    cg_cc_t             country;        /* by address or override */
    bool                overridden;     /* `country` is an override */
    bool                pretended;      /* `record` is the override's, too */
    uint8_t             anonymizer;     /* cg_anonymizer_e: by address, or
                                         * by the override */
    bool                subrequest;
    bool                preflight;      /* OPTIONS */
    bool                error_page;     /* nginx serves a status >= 400 */
    bool                own;            /* our page or API */
    bool                exempt;
    bool                cross_site;     /* the browser says so */
    bool                gpc;            /* Sec-GPC: 1 */
    cg_purposes_t       tcf;            /* granted by a consent manager */
    const cg_record_t  *record;         /* with CG_LOOKUP_FOUND */
    const cg_record_t  *receipt;        /* a valid receipt cookie's */
} cg_facts_t;


/* The settings of a location. */

typedef struct {
    uint8_t         mode;               /* cg_mode_e */
    bool            closed;             /* consent_on_error closed */
    bool            gate_unknown;       /* consent_unknown_country gate */
    bool            gate_anonymizer;    /* consent_anonymizer gate */
    bool            ask_age;
    const cg_ages_t  *ages;             /* of the settings; or NULL */
    uint32_t        remember_days;      /* 0: off */
    cg_docs_t       documents;          /* that this location requires */
    cg_purposes_t   purposes;           /* that this location requires */
    cg_territory_t  territory;
} cg_settings_t;


/* The documents and purposes of the site. */

typedef struct {
    size_t          ndocs;
    cg_policy_t     docs[CG_MAX_DOCUMENTS];
    size_t          npurposes;
    cg_purposes_t   necessary;          /* always granted */
    cg_purposes_t   gpc_deny;
} cg_policies_t;


typedef struct {
    uint8_t        outcome;             /* cg_outcome_e */
    uint8_t        reason;              /* cg_reason_e */
    uint8_t        source;              /* cg_source_e */
    bool           inside;
    cg_docs_t      missing;     /* must be accepted before it passes */
    cg_docs_t      behind;      /* worth a banner: accepted below `version` */
    cg_purposes_t  refused;     /* required here and not granted */
} cg_decision_t;


/*
 * The rule of the gate. Pure: no clock (`now` is seconds since 1970), no I/O,
 * no memory of its own.
 */
void cg_decide(cg_decision_t *d, const cg_facts_t *facts,
    const cg_settings_t *settings, const cg_policies_t *policies, int64_t now);


/*
 * Whether a decision on a navigation, at a location that requires no purpose,
 * is that on a request of any class: most of them need not be classified.
 */
static inline bool
cg_decide_settled(const cg_decision_t *d)
{
    return d->outcome == CG_PASS && d->reason != CG_REASON_STORE_DOWN
           && d->reason != CG_REASON_RECEIPT;
}


/* The questions of the rule, in their order; that of the names. */

typedef enum {
    CG_STEP_FREE = 0,           /* off, own page, exempt and the like? */
    CG_STEP_PLACE,              /* outside of the territory? */
    CG_STEP_SUBRESOURCE,        /* a part of a page? */
    CG_STEP_STORE,              /* did the store fail? */
    CG_STEP_AGE,                /* under age, or age not confirmed? */
    CG_STEP_DOCUMENTS,          /* one not accepted as far as is enforced? */
    CG_STEP_CROSS_SITE,         /* could not have brought a cookie? */
    CG_STEP_NOTICE,             /* accepted below what is current? */
    CG_STEP_PURPOSES,           /* a required one not granted? */
    CG_STEPS
} cg_step_e;

typedef enum {
    CG_ANSWER_NOT_ASKED = 0,
    CG_ANSWER_NO,
    CG_ANSWER_YES
} cg_answer_e;

/* What a source says about where the visitor is. */

typedef enum {
    CG_EVIDENCE_NONE = 0,       /* nothing */
    CG_EVIDENCE_OUTSIDE,
    CG_EVIDENCE_PASS,           /* would be inside, had the location said so */
    CG_EVIDENCE_CANCELLED,      /* inside, but for a residence outside */
    CG_EVIDENCE_INSIDE,
    CG_EVIDENCES
} cg_evidence_e;

/* How a decision came about. */

typedef struct {
    uint8_t        answers[CG_STEPS];       /* cg_answer_e */
    uint8_t        decided;     /* cg_step_e; CG_STEPS: nothing to object to */
    uint8_t        evidence[CG_SOURCES];    /* cg_evidence_e */
    uint8_t        source;      /* of the evidence that counted: cg_source_e */
} cg_trace_t;

/* cg_decide() that leaves a trace. */
void cg_decide_traced(cg_decision_t *d, cg_trace_t *trace,
    const cg_facts_t *facts, const cg_settings_t *settings,
    const cg_policies_t *policies, int64_t now);

/*
 * Whether the decision can depend on the subject's record, or would be the
 * same without it: an answer of false saves the trip to the store.
 */
bool cg_decide_needs_record(const cg_facts_t *facts,
    const cg_settings_t *settings);

/*
 * Documents of `wanted` that a subject with `record` (NULL: none) has not
 * accepted as far as is enforced at `now`.
 */
cg_docs_t cg_documents_missing(const cg_record_t *record,
    const cg_policies_t *policies, cg_docs_t wanted, int64_t now);
/* Documents of `wanted` that are known and accepted below `version`. */
cg_docs_t cg_documents_behind(const cg_record_t *record,
    const cg_policies_t *policies, cg_docs_t wanted);


/*
 * The age to ask for, in years: that of the declared residence, else of the
 * country by address. Without either it is the default.
 */
uint8_t cg_min_age(const cg_facts_t *facts, const cg_ages_t *ages,
    int64_t now);

/*
 * The purposes that count as granted: the necessary ones, those granted on
 * record, and those granted to a consent manager on which the record has no
 * answer and Global Privacy Control says nothing. A record that was not or
 * could not be read may hold a refusal: then no consent manager counts. Who
 * has said to be under age grants nothing.
 */
cg_purposes_t cg_purposes_granted(const cg_facts_t *facts,
    const cg_policies_t *policies);

/* What HTTP does with an outcome. */
cg_action_e cg_action(cg_outcome_e outcome, cg_class_e klass);

/* Stable tokens for logs, headers, metrics and tests. */
cg_str_t cg_outcome_name(cg_outcome_e outcome);
cg_str_t cg_reason_name(cg_reason_e reason);
cg_str_t cg_source_name(cg_source_e source);
cg_str_t cg_class_name(cg_class_e klass);

#endif /* CG_DECIDE_H */
