/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_REPLY_H
#define NGX_CONSENT_REPLY_H

#include "../core/cg_str.h"


/*
 * Reads replies of Redis (RESP2) out of bytes as they come. Knows nothing of
 * nginx, so that tests and the fuzzer link it alone. A reply is flat: one
 * item for each element, an array's item before those of its elements, all
 * in memory of the reader that is used again for the next reply.
 */

#define NGX_CONSENT_REPLY_DEPTH     4               /* arrays in arrays */
#define NGX_CONSENT_REPLY_ELEMENTS  1024            /* of one array */
#define NGX_CONSENT_REPLY_ITEMS     4096            /* of one reply */
#define NGX_CONSENT_REPLY_SIZE      (256 * 1024)    /* bytes of one reply */

typedef enum {
    NGX_CONSENT_NIL = 0,
    NGX_CONSENT_STRING,
    NGX_CONSENT_SIMPLE,         /* "+OK" */
    NGX_CONSENT_ERROR,
    NGX_CONSENT_INTEGER,
    NGX_CONSENT_ARRAY
} ngx_consent_type_e;

typedef struct {
    uint8_t    type;            /* ngx_consent_type_e */
    size_t     count;           /* elements of an array */
    int64_t    integer;
    cg_str_t   str;             /* data is never NULL in a string */
} ngx_consent_item_t;

typedef struct {
    size_t                     nitems;
    const ngx_consent_item_t  *items;       /* the first is the whole */
} ngx_consent_reply_t;

typedef struct ngx_consent_reader_s  ngx_consent_reader_t;

/* NULL when out of memory. */
ngx_consent_reader_t *ngx_consent_reader_create(void);
void ngx_consent_reader_free(ngx_consent_reader_t *reader);
/* Other limits than the above: of items and of bytes. */
void ngx_consent_reader_limit(ngx_consent_reader_t *reader, size_t elements,
    size_t size);

/* Takes bytes in. False: out of memory, or failed before. */
bool ngx_consent_reader_feed(ngx_consent_reader_t *reader, const void *data,
    size_t len);
/*
 * The next whole reply: 1 and `reply`, valid until the next call; 0 when more
 * bytes are needed; -1 when they are not a reply that we take, now and ever
 * after.
 */
int ngx_consent_reader_next(ngx_consent_reader_t *reader,
    ngx_consent_reply_t *reply);
/* What was wrong, a text for the log. */
const char *ngx_consent_reader_error(const ngx_consent_reader_t *reader);

/* True if `reply` is an array of `n` elements, none of which is an array. */
bool ngx_consent_reply_flat(const ngx_consent_reply_t *reply, size_t n);
/* True if the reply is an error that starts with `word` ("NOSCRIPT"). */
bool ngx_consent_reply_error(const ngx_consent_reply_t *reply,
    const char *word);

#endif /* NGX_CONSENT_REPLY_H */
