/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TABLE_INTERNAL_H
#define CG_TABLE_INTERNAL_H

#include <endian.h>

#include "cg_table.h"


#define CG_TABLE_LAYOUT  0x63677403u    /* changes when the layout does */
#define CG_TABLE_LINE    64             /* bytes of a cache line */
#define CG_TABLE_MARK    6              /* bytes of a tag in its bucket */
#define CG_TABLE_REST    9              /* and with its entry */
#define CG_TABLE_MARK_MASK  UINT64_C(0xffffffffffff)
#define CG_TABLE_SLOTS   (1u << 24)     /* at most: 24 bits in an entry */

/* entry.place: what was declared, and how sure */

#define CG_TABLE_PLACE      0x03ff      /* cg_cc_t */
#define CG_TABLE_AGE_STATE  10          /* cg_age_e, two bits from here */
#define CG_TABLE_FOUND      0x1000      /* there is a record */


/*
 * Most of the time for a hit goes into waiting for memory, so that a hit reads
 * two lines of it: that of the bucket, in which a tag is known by six bytes,
 * and that of the entry, which has the rest of the tag. (With more than 8
 * documents an entry takes half a line more.)
 */

typedef struct {
    uint32_t       asked;           /* ms */
    uint32_t       generation;
    uint32_t       slot_age;        /* slot of the generation << 8, age */
    cg_purposes_t  granted;
    cg_purposes_t  answered;
    cg_docs_t      declined;
    uint16_t       eea_day;         /* days since 1970: until the year 2149 */
    uint16_t       place;
    uint8_t        rest[CG_TABLE_REST];
    uint8_t        source;          /* whose feed tells of changes */
    uint32_t       accepted[];      /* 8 or 16 */
} cg_entry_t;

typedef struct {
    uint32_t       seq;             /* odd: being written */
    uint32_t       owner;           /* process id of the writer, or 0 */
    uint8_t        marks[CG_TABLE_WAYS * CG_TABLE_MARK];
    uint8_t        used;            /* bits: since the hand came by */
    uint8_t        fill[7];         /* a mark is read as eight bytes */
    /* then CG_TABLE_WAYS entries */
} cg_bucket_t;

_Static_assert(sizeof(cg_bucket_t) == CG_TABLE_LINE, "a line");
_Static_assert(sizeof(cg_entry_t) + 8 * 4 == CG_TABLE_LINE, "a line");

typedef struct {
    uint32_t       alive;           /* ms: the feed was heard */
    uint32_t       since;           /* ms: the feed is complete since */
    uint32_t       feed;            /* 1: there is a feed */
} cg_source_t;

struct cg_table_s {
    uint32_t       layout;
    uint32_t       ndocs;           /* 8 or 16 */
    uint64_t       size;            /* bytes of the whole */
    uint32_t       entry_size;
    uint32_t       bucket_size;
    uint32_t       nbuckets;
    uint32_t       slot_mask;
    cg_source_t    sources[CG_TABLE_SOURCES];
    /* on the next line: the slots, then the buckets */
};


#define cg_load(p)         __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define cg_load_relaxed(p)  __atomic_load_n(p, __ATOMIC_RELAXED)
#define cg_store(p, v)     __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define cg_store_relaxed(p, v)  __atomic_store_n(p, v, __ATOMIC_RELAXED)


static inline size_t
cg_table_round(size_t n)
{
    return (n + CG_TABLE_LINE - 1) & ~(size_t) (CG_TABLE_LINE - 1);
}


static inline uint32_t *
cg_table_slots(const cg_table_t *t)
{
    return (uint32_t *) ((uint8_t *) t + cg_table_round(sizeof(cg_table_t)));
}


/* The high half of a product spreads a hash over any number of buckets. */

static inline cg_bucket_t *
cg_table_bucket(const cg_table_t *t, const uint8_t *tag)
{
    uint32_t  h;
    uint64_t  n;

    memcpy(&h, tag, sizeof(h));
    n = ((uint64_t) h * t->nbuckets) >> 32;

    return (cg_bucket_t *) ((uint8_t *) (cg_table_slots(t) + t->slot_mask + 1)
                            + n * t->bucket_size);
}


static inline cg_entry_t *
cg_table_entry(const cg_table_t *t, cg_bucket_t *b, unsigned way)
{
    return (cg_entry_t *) ((uint8_t *) b + sizeof(cg_bucket_t)
                           + way * t->entry_size);
}


/*
 * The first four bytes of a tag have chosen the bucket, the next six are its
 * mark there; zero is an empty place. A mark stands once in a bucket. Of the
 * rest the last byte is not kept: 120 bits tell subjects apart as well.
 */

static inline uint64_t
cg_table_mark(const uint8_t *p)
{
    uint64_t  mark;

    memcpy(&mark, p, sizeof(mark));

    return le64toh(mark) & CG_TABLE_MARK_MASK;
}


static inline void
cg_table_rest(const uint8_t *tag, uint8_t *rest)
{
    memcpy(rest, tag, 4);
    memcpy(rest + 4, tag + 4 + CG_TABLE_MARK, CG_TABLE_REST - 4);
}


static inline unsigned
cg_table_find(const cg_bucket_t *b, uint64_t mark)
{
    unsigned  way;

    for (way = 0; way < CG_TABLE_WAYS; way++) {
        if (cg_table_mark(b->marks + way * CG_TABLE_MARK) == mark) {
            break;
        }
    }

    return way;
}


/* A pseudonym is a MAC: its bytes are as good as a hash. */

static inline uint32_t
cg_table_slot(const cg_table_t *t, const cg_pseudonym_t *p)
{
    uint32_t  h;

    memcpy(&h, p->id + 4, sizeof(h));

    return h & t->slot_mask;
}


/* The feed has told of a change since, of this subject or a neighbour. */

static inline bool
cg_table_dead(const cg_table_t *t, const cg_entry_t *e)
{
    return cg_load(&cg_table_slots(t)[e->slot_age >> 8]) != e->generation;
}

#endif /* CG_TABLE_INTERNAL_H */
