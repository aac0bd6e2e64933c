/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_OVERRIDE_H
#define CG_OVERRIDE_H

#include "cg_anonymizer.h"
#include "cg_token.h"


#define CG_OVERRIDE_ID       8          /* random bytes */
#define CG_MAX_LABEL         32         /* bytes */
#define CG_OVERRIDE_MAX_TTL  2592000    /* seconds that a token may live */
#define CG_OVERRIDE_TEXT     320        /* bytes of cg_override_text() */


/* A record that a tester pretends to have; the order is that of the names. */

typedef enum {
    CG_PRETEND_NOTHING = 0,     /* the test subject's own */
    CG_PRETEND_NEW,             /* no record */
    CG_PRETEND_ACCEPTED,        /* all documents and purposes; old enough */
    CG_PRETEND_NOTICE,          /* as much as is enforced, no more */
    CG_PRETEND_OUTDATED,        /* one version less than that */
    CG_PRETEND_DECLINED,
    CG_PRETEND_REFUSED,         /* all documents and no purpose */
    CG_PRETEND_NO_AGE,          /* all but an age */
    CG_PRETEND_MINOR,
    CG_PRETEND_FAILED,          /* the store does not answer */
    CG_PRETENDS
} cg_pretend_e;

typedef enum {
    CG_TIME_NOW = 0,
    CG_TIME_OFFSET,             /* seconds from now */
    CG_TIME_AT                  /* seconds since 1970: the clock stands */
} cg_time_e;


/*
 * What a tester wants to be taken for. A country that is not given is that of
 * the tester's address; what else is not given is not there.
 */

typedef struct {
    int64_t   expires;          /* seconds since 1970; 0: of no token */
    uint8_t   id[CG_OVERRIDE_ID];   /* a test subject of its own; or zeros */
    bool      has_country;
    cg_cc_t   country;          /* CG_CC_UNKNOWN: where nobody knows */
    uint8_t   anonymizer;       /* cg_anonymizer_e */
    uint8_t   clock;            /* cg_time_e */
    int64_t   time;             /* seconds */
    uint8_t   pretend;          /* cg_pretend_e */
    cg_cc_t   residence;        /* declared; or CG_CC_UNKNOWN */
    bool      has_history;
    uint32_t  history;          /* days since the last visit from the EEA */
    size_t    realm_len;
    uint8_t   realm[CG_MAX_REALM];
    size_t    label_len;
    uint8_t   label[CG_MAX_LABEL];  /* who made it: letters, digits, ._@- */
} cg_override_t;

/*
 * Sets one of country, anonymizer, time, record, residence, history (days)
 * and label; an empty value unsets it. A country is a code or "unknown"; a
 * time is "+30d" or "-12h" (s, m, h, d, w), "2026-12-01",
 * "2026-12-01T12:00[:00][Z]" (UTC), or seconds since 1970. Returns NULL, or a
 * static text that says what is wrong.
 */
const char *cg_override_word(cg_override_t *o, cg_str_t name, cg_str_t value);
/* Whether nothing is asked for: neither country nor any of the others. */
bool cg_override_empty(const cg_override_t *o);
/*
 * Appends "country=DE; anonymizer=vpn; time=+30d" and so on, in the words
 * above: at most CG_OVERRIDE_TEXT bytes.
 */
void cg_override_text(const cg_override_t *o, cg_out_t *out);
/* One word's value, in the same spelling; nothing if it is not set. */
void cg_override_value(const cg_override_t *o, cg_str_t name, cg_out_t *out);

/* The time of the tester, when it is `now`; both in seconds since 1970. */
int64_t cg_override_now(const cg_override_t *o, int64_t now);
/* Whether a record is pretended, which `cg_override_record` makes. */
bool cg_override_pretends(const cg_override_t *o);
/*
 * The pretended record, for these policies at `now` (the tester's). Returns
 * what a lookup would have.
 */
cg_lookup_e cg_override_record(const cg_override_t *o, cg_record_t *record,
    const cg_policies_t *policies, int64_t now);
/*
 * What keeps the test subjects of different overrides apart, made of its id
 * and what it pretends. False: none, all who have neither share theirs.
 */
bool cg_override_salt(const cg_override_t *o, const cg_keys_t *keys,
    uint8_t salt[8]);

cg_str_t cg_pretend_name(cg_pretend_e pretend);
/* Letters, digits and ._@-: it goes into a header and a log as it is. */
bool cg_label_valid(cg_str_t label);

/* "30m", "8h", "7d" as seconds, 1 to CG_OVERRIDE_MAX_TTL; 0: it is none. */
uint32_t cg_override_ttl(cg_str_t text);

/* Returns the length of the token, 0 on failure. CG_MAX_TOKEN bytes. */
size_t cg_override_seal(cg_keys_t *keys, const cg_override_t *o,
    uint8_t *text);
/*
 * True if MAC and form are good, it is of `realm`, has not expired at `now`
 * and does not live on for longer than CG_OVERRIDE_MAX_TTL.
 */
bool cg_override_open(cg_keys_t *keys, cg_override_t *o, cg_str_t text,
    cg_str_t realm, int64_t now);

/* The payload behind the MAC, as in cg_token_internal.h. */
size_t cg_override_encode(const cg_override_t *o, uint8_t *payload);
bool cg_override_decode(cg_override_t *o, cg_str_t payload);

#endif /* CG_OVERRIDE_H */
