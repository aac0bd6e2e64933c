/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PROOF_H
#define CTL_PROOF_H

#include <openssl/evp.h>

#include "ctl.h"


#define CTL_LINK   40       /* characters: SHA-1 in hexadecimal */
#define CTL_MAC    64       /* characters: HMAC-SHA-256 in hexadecimal */
#define CTL_SHA256 64       /* characters: SHA-256 in hexadecimal */
#define CTL_SIGNED 1        /* "v" of what is signed here */
#define CTL_PAGE   1000     /* entries of one XRANGE */
#define CTL_AT     48       /* bytes of an id of a stream as text */


/* What can be wrong with events; the order is that of the table of names. */

typedef enum {
    CTL_FAULT_NONE = 0,
    CTL_FAULT_MALFORMED,    /* it cannot be read as an event */
    CTL_FAULT_KEY,          /* signed by a key that is not in the key file */
    CTL_FAULT_ALTERED,      /* the MAC or the link is not that of the body */
    CTL_FAULT_MOVED,        /* it belongs to another bucket */
    CTL_FAULT_REPEATED,     /* it is there twice */
    CTL_FAULT_REORDERED,    /* what it follows comes later */
    CTL_FAULT_MISSING,      /* what it follows is not there */
    CTL_FAULT_TRUNCATED,    /* the first events are gone, not by trim */
    CTL_FAULT_FORKED,       /* there was another history at a checkpoint */
    CTL_FAULTS
} ctl_fault_e;

const char *ctl_fault_name(ctl_fault_e fault);


/* The id of an entry of a stream: milliseconds and a number. */

typedef struct {
    uint64_t  ms;
    uint64_t  seq;
} ctl_at_t;

bool ctl_at_parse(cg_str_t text, ctl_at_t *at);
/* Writes it to CTL_AT bytes; returns `text`. */
char *ctl_at_text(ctl_at_t at, char *text);

static inline int
ctl_at_cmp(ctl_at_t a, ctl_at_t b)
{
    if (a.ms != b.ms) {
        return a.ms < b.ms ? -1 : 1;
    }

    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}


/* The id behind `at`; false: there is none. */
static inline bool
ctl_at_next(ctl_at_t at, ctl_at_t *next)
{
    next->ms = at.ms + (at.seq == UINT64_MAX);
    next->seq = at.seq + 1;

    return next->ms >= at.ms && (next->ms | next->seq) != 0;
}


/* ctl_event.c: one entry. Strings point into the reply that it came in. */

typedef struct {
    ctl_at_t     at;
    cg_str_t     body;
    cg_str_t     mac;
    cg_str_t     link;
    uint8_t      id[CG_EVENT_ID_LEN];
    uint8_t      prev[CG_EVENT_ID_LEN];       /* zeros: none */
    uint8_t      subject[CG_SUBJECT_ID_LEN];
    int64_t      time;                        /* milliseconds since 1970 */
    ctl_fault_e  fault;                       /* of the entry itself */
} ctl_event_t;

/* Reads an element of XRANGE's reply, and checks its MAC and its bucket. */
void ctl_event_read(ctl_t *ctl, ctl_event_t *event, unsigned bucket,
    const redisReply *entry);
/* The link of `body` and `mac` behind `previous`; false: libcrypto failed. */
bool ctl_event_link(cg_str_t previous, cg_str_t body, cg_str_t mac,
    uint8_t link[CTL_LINK]);
/* Whether the MAC over a text is by the key that `kid` names. */
ctl_fault_e ctl_mac_check(ctl_t *ctl, cg_str_t kid, cg_str_t text,
    cg_str_t mac);
unsigned ctl_bucket_of(const uint8_t subject[CG_SUBJECT_ID_LEN]);


/* ctl_bucket.c: the events of a bucket, in memory. */

typedef struct {
    unsigned       bucket;
    bool           wrong_type;      /* no stream is under its key */
    size_t         n;
    size_t         size;
    ctl_event_t   *events;
    size_t         nreplies;
    redisReply   **replies;
} ctl_bucket_t;

/* Those from `first` to `last`; (0, 0) and (MAX, MAX) are the ends. */
ctl_exit_e ctl_bucket_load(ctl_t *ctl, ctl_bucket_t *b, unsigned bucket,
    ctl_at_t first, ctl_at_t last);
/* What has been added behind them since. */
ctl_exit_e ctl_bucket_more(ctl_t *ctl, ctl_bucket_t *b);
void ctl_bucket_free(ctl_bucket_t *b);
/* "0a3" or "{0a3}" as a number; -1: it is none. */
int ctl_bucket_parse(const char *text);

#define ctl_at_start  ((ctl_at_t) { 0, 0 })
#define ctl_at_end    ((ctl_at_t) { UINT64_MAX, UINT64_MAX })


/*
 * ctl_order.c: numbers of events, ordered by one of their three ids, which
 * `member` is the offset of: id, prev, subject.
 */
void ctl_order(size_t *list, size_t n, const ctl_event_t *events,
    size_t member);
/* The first event that has this id there; (size_t) -1: none. */
size_t ctl_order_find(const size_t *list, size_t n, const ctl_event_t *events,
    size_t member, const uint8_t id[CG_EVENT_ID_LEN]);


/* ctl_chain.c: what is wrong with a bucket. */

typedef struct {
    ctl_fault_e  fault;
    unsigned     bucket;
    bool         has_event;
    ctl_at_t     at;
    uint8_t      id[CG_EVENT_ID_LEN];
    uint8_t      subject[CG_SUBJECT_ID_LEN];
    char         detail[160];
} ctl_finding_t;

/*
 * Events whose subject's event before is not in their bucket: a record that
 * has moved to a new subject key, or a merge, leaves it in another one.
 */

typedef struct {
    uint8_t        prev[CG_EVENT_ID_LEN];
    bool           found;
    ctl_finding_t  finding;     /* what it is if it is found nowhere */
} ctl_orphan_t;

typedef struct {
    size_t         n;
    size_t         size;
    ctl_orphan_t  *list;
} ctl_orphans_t;

/*
 * The first fault of the events of a bucket. `anchor` is the link before the
 * first of them, empty at the beginning of a stream; `trimmed` tells that
 * some have been, so that the previous event of a subject may be gone. If
 * they have not, and `orphans` is not NULL, orphans are added to it.
 */
ctl_exit_e ctl_chain_check(ctl_t *ctl, const ctl_bucket_t *b, cg_str_t anchor,
    bool trimmed, ctl_orphans_t *orphans, ctl_finding_t *finding);
/* The event of an id, or NULL. For a few: it walks. */
const ctl_event_t *ctl_chain_find(const ctl_bucket_t *b,
    const uint8_t id[CG_EVENT_ID_LEN]);
json_t *ctl_finding_json(const ctl_finding_t *finding);
void ctl_finding_say(ctl_t *ctl, const ctl_finding_t *finding);
void ctl_finding_set(ctl_finding_t *finding, ctl_fault_e fault,
    const ctl_event_t *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));


/* ctl_ledger.c: the file of checkpoints. */

typedef enum {
    CTL_LEDGER_CHECKPOINT = 0,
    CTL_LEDGER_TRIM
} ctl_ledger_e;

/* One line: the link of an entry, signed. */

typedef struct {
    uint8_t   what;             /* ctl_ledger_e */
    uint16_t  bucket;
    ctl_at_t  at;
    uint8_t   link[CTL_LINK];
    size_t    before;           /* 1 + the one before of this bucket; 0 */
} ctl_mark_t;

typedef struct {
    const char  *path;
    FILE        *file;          /* NULL: there is none */
    size_t       n;
    size_t       size;
    size_t       trims;         /* lines of CTL_LEDGER_TRIM */
    ctl_mark_t  *marks;         /* as in the file; oldest first */
    size_t       latest[CTL_BUCKETS];   /* 1 + the last of a bucket; 0 */
    uint8_t      last[CTL_SHA256];      /* of the last line, or "" */
    size_t       last_len;
    FILE        *out;           /* lines that are to be added: */
    char        *text;
    size_t       len;
} ctl_ledger_t;

/*
 * Reads the file and checks every line. An absent one is empty, and made if
 * it is to be written: nobody else writes then.
 */
ctl_exit_e ctl_ledger_open(ctl_t *ctl, ctl_ledger_t *ledger, bool write);
/* Signs a line. It is written by ctl_ledger_flush(), as a whole or not. */
ctl_exit_e ctl_ledger_add(ctl_t *ctl, ctl_ledger_t *ledger,
    const ctl_mark_t *mark);
ctl_exit_e ctl_ledger_flush(ctl_t *ctl, ctl_ledger_t *ledger);
void ctl_ledger_close(ctl_ledger_t *ledger);
/* The last line of a kind for a bucket, before `before`; NULL: none. */
const ctl_mark_t *ctl_ledger_last(const ctl_ledger_t *ledger,
    ctl_ledger_e what, unsigned bucket, ctl_at_t before);
/* Takes a line of the file, without its end. NULL, or what is wrong. */
const char *ctl_ledger_line(ctl_t *ctl, ctl_ledger_t *ledger,
    const char *line, size_t len);
/* The one before it of the same bucket, of any kind; NULL: none. */
const ctl_mark_t *ctl_ledger_before(const ctl_ledger_t *ledger,
    const ctl_mark_t *mark);

/*
 * ctl_check.c: checks all events of a bucket against the chain and the file.
 * Load it first.
 */
ctl_exit_e ctl_check_bucket(ctl_t *ctl, const ctl_ledger_t *ledger,
    const ctl_bucket_t *b, ctl_orphans_t *orphans, ctl_finding_t *finding);

/*
 * ctl_signed.c: a signed line of JSON, {"b": the body as a string, "m": its
 * MAC}. Reading it checks the MAC and "v"; the result is the body, NULL: *err
 * says why.
 */
json_t *ctl_signed_read(ctl_t *ctl, const char *line, size_t len,
    const char **err);
/*
 * Takes `body` and adds "kid" to it. The line is the caller's; NULL: reported.
 */
char *ctl_signed_line(ctl_t *ctl, json_t *body, size_t *len);
bool ctl_json_at(json_t *object, const char *name, ctl_at_t *at);
/* SHA-256 in hexadecimal. False: libcrypto failed. */
bool ctl_sha256(const char *data, size_t len, uint8_t hex[CTL_SHA256]);
bool ctl_sha256_hex(EVP_MD_CTX *md, uint8_t hex[CTL_SHA256]);


/* ctl_manifest.c: what events export says of its file. */

typedef struct {
    unsigned  bucket;
    ctl_at_t  last;             /* the last event that was exported */
    char      link[CTL_LINK];   /* of that */
} ctl_exported_t;

typedef struct {
    char            *prefix;
    char            *file;              /* a name without a directory */
    int64_t          before;            /* milliseconds since 1970 */
    uint8_t          sha256[CTL_SHA256];
    size_t           n;
    ctl_exported_t   buckets[CTL_BUCKETS];
} ctl_manifest_t;

/* Reads one, and checks its MAC. NULL, or what is wrong with it. */
const char *ctl_manifest_read(ctl_t *ctl, ctl_manifest_t *m, const char *text,
    size_t len);
void ctl_manifest_free(ctl_manifest_t *m);


#endif /* CTL_PROOF_H */
