/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_EVENT_H
#define CG_EVENT_H

#include "cg_token.h"


#define CG_VERSION       "0.1.0"     /* of the gate: "gate" of an event */

#define CG_EVENT_ID_LEN  16          /* bytes */
#define CG_MAX_EVENT     6144        /* bytes of a body */


typedef enum {
    CG_EVENT_ACCEPT = 0,
    CG_EVENT_DECLINE,
    CG_EVENT_WITHDRAW,
    CG_EVENT_PURPOSES,
    CG_EVENT_RESIDENCE,
    CG_EVENT_AGE,
    CG_EVENT_ERASE,
    CG_EVENT_MERGE,
    CG_EVENT_LINK,
    CG_EVENTS
} cg_event_e;

typedef enum {
    CG_METHOD_PAGE = 0,
    CG_METHOD_API,
    CG_METHOD_EMAIL,
    CG_METHOD_CTL,
    CG_METHOD_LOGIN,            /* an account was first seen in a browser */
    CG_METHODS
} cg_method_e;

cg_str_t cg_event_name(cg_event_e what);
cg_str_t cg_method_name(cg_method_e method);

/* One receipt. Strings point at memory of the caller's. */

typedef struct {
    uint8_t            id[CG_EVENT_ID_LEN];
    int64_t            time;              /* milliseconds since 1970 */
    uint8_t            what;              /* cg_event_e */
    uint8_t            method;            /* cg_method_e */
    uint8_t            kind;              /* cg_subject_e */
    cg_pseudonym_t     subject;
    cg_str_t           realm;
    size_t             ndocs;
    const cg_shown_t  *docs;
    cg_docs_t          chosen;            /* bit i: docs[i] is part of it */
    cg_docs_t          declined;          /* of these, with CG_EVENT_MERGE */
    size_t             npurposes;
    const cg_str_t    *purposes;          /* their names */
    cg_purposes_t      granted;
    cg_purposes_t      answered;
    cg_cc_t            residence;         /* of CG_EVENT_RESIDENCE */
    uint8_t            age_state;         /* cg_age_e; NONE: not said */
    uint8_t            age;               /* years, of `age_state` */
    bool               gpc;               /* the browser sent Sec-GPC: 1 */
    cg_str_t           locale;
    cg_cc_t            country;
    uint8_t            source;            /* cg_source_e */
    uint8_t            reason;            /* cg_reason_e */
    cg_str_t           gate;              /* version of the gate */
    uint8_t            previous[CG_EVENT_ID_LEN];   /* zeros: none */
    uint8_t            merged[CG_EVENT_ID_LEN];     /* the visitor's last */
} cg_event_t;

/*
 * The body of an event: one line of JSON, with the key id that signs it. It
 * is stored and signed as these bytes. Returns its length, 0 if a value is out
 * of its range or the body does not fit CG_MAX_EVENT.
 */
size_t cg_event_body(const cg_event_t *e, const cg_keys_t *keys, uint8_t *body);
/* The MAC over a body, by the first signing key, as 64 hexadecimal digits. */
bool cg_event_sign(cg_keys_t *keys, cg_str_t body, uint8_t mac[64]);

/* What a form says. */

typedef struct {
    cg_event_e         what;
    cg_docs_t          chosen;            /* documents */
    cg_purposes_t      granted;
    cg_cc_t            residence;
    uint8_t            age_state;         /* cg_age_e */
} cg_choice_t;

/*
 * The id of an event: the first 16 bytes of SHA-256 over what makes it one
 * and the same: the form token and what is chosen. The same form sent twice
 * is the same event. False: libcrypto failed, or no token is so long.
 */
bool cg_event_id(uint8_t id[CG_EVENT_ID_LEN], cg_str_t token,
    const cg_choice_t *choice);

#endif /* CG_EVENT_H */
