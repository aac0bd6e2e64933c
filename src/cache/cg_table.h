/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TABLE_H
#define CG_TABLE_H

#include <sys/types.h>

#include "../core/cg_record.h"
#include "cg_tag.h"


/*
 * A table of records in shared memory, of a fixed size and without pointers:
 * buckets of CG_TABLE_WAYS entries. Readers take no lock: a sequence number
 * that is odd, or has moved meanwhile, makes a read a miss. A writer holds its
 * bucket by its process id; a bucket whose writer has died is wiped by the
 * next one, and is a miss until then.
 *
 * An entry knows the generation that its subject had when it was asked for.
 * The store tells of a change by pseudonym, from which no tag follows, so
 * generations stand apart, in slots that a pseudonym hashes to: to forget a
 * subject is one increment, which also kills a reply that is still under way.
 * A few others who share the slot are asked for once more.
 *
 * A record comes from one of several sources (nodes of the store), each with a
 * feed of its own that tells of changes: an entry is as good as the feed of
 * the source that it came from. A subject is forgotten whichever tells of it.
 *
 * Times are milliseconds of a monotonic clock that all processes share,
 * modulo 2^32 (49 days).
 */

#define CG_TABLE_WAYS     8
#define CG_TABLE_SOURCES  256

typedef struct cg_table_s  cg_table_t;

typedef enum {
    CG_TABLE_MISS = 0,
    CG_TABLE_HIT,           /* as good as a reply of the store */
    CG_TABLE_STALE          /* good only while the store does not answer */
} cg_table_e;

/* How old an entry may be, in ms. */

typedef struct {
    uint32_t  ttl;          /* for a hit */
    uint32_t  stale;        /* after that, for CG_TABLE_STALE */
    uint32_t  silence;      /* of the feed, until nothing is a hit */
} cg_table_age_t;

/*
 * Makes a table of `size` bytes at `mem` (aligned to 64) for records of
 * `ndocs` documents. Returns NULL if not even one bucket fits.
 */
cg_table_t *cg_table_init(void *mem, size_t size, size_t ndocs);
/* Whether a table is for `ndocs` documents and made by this version. */
bool cg_table_adopt(const cg_table_t *t, size_t ndocs);

/*
 * Begins to bring the bucket of a tag near. In a table much larger than the
 * processor's caches it takes longer than all the rest of a lookup: whoever
 * has something else to do should do that in between.
 */
void cg_table_prefetch(const cg_table_t *t, const uint8_t tag[CG_TAG_LEN]);
/*
 * Looks up a tag. CG_TABLE_HIT and _STALE fill `rec` (accepted, declined,
 * granted, answered, age, residence, eea_day; never rev and event, which must
 * be exact) and `found`: false means known to have no record.
 */
cg_table_e cg_table_get(cg_table_t *t, const uint8_t tag[CG_TAG_LEN],
    uint32_t now, const cg_table_age_t *age, cg_record_t *rec, bool *found);

/* The generation of a subject: taken before the store is asked. */
uint32_t cg_table_generation(const cg_table_t *t, const cg_pseudonym_t *p);
/*
 * Keeps what the store said (`rec` NULL: no record) to a question asked at
 * `asked`, when the subject had `generation`; `source` (below
 * CG_TABLE_SOURCES) is who answered. Gives way when the bucket is in use: it
 * is only a cache. `self` is the process id. Returns false if nothing was
 * kept.
 */
bool cg_table_put(cg_table_t *t, const uint8_t tag[CG_TAG_LEN],
    const cg_pseudonym_t *p, uint32_t generation, uint32_t asked,
    uint8_t source, pid_t self, const cg_record_t *rec);

/* Forgets a subject, and whatever is being read about it. */
void cg_table_forget(cg_table_t *t, const cg_pseudonym_t *p);

/* A feed is heard at `now`: what it tells of is complete since `since`. */
void cg_table_alive(cg_table_t *t, uint8_t source, uint32_t now);
/*
 * A feed begins, or forgets everything, at `now`: what its source was asked
 * for before is stale at best.
 */
void cg_table_since(cg_table_t *t, uint8_t source, uint32_t now);
/* A feed is gone: nothing of its source is a hit until it is back. */
void cg_table_deaf(cg_table_t *t, uint8_t source);

/* How many entries there can be. */
size_t cg_table_capacity(const cg_table_t *t);
/*
 * How many places are taken, from a look at `sample` buckets all over the
 * table (at least; all of them if there are not so many).
 */
size_t cg_table_count(const cg_table_t *t, size_t sample);

#endif /* CG_TABLE_H */
