/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <errno.h>
#include <signal.h>

#include "cg_table.h"


#define CG_TABLE_LAYOUT  0x63677403u    /* changes when the layout does */
#define CG_TABLE_LINE    64             /* bytes of a cache line */
#define CG_TABLE_SPINS   64             /* tries for a bucket in use */
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


static uint32_t *cg_table_slots(const cg_table_t *t);
static cg_bucket_t *cg_table_bucket(const cg_table_t *t, const uint8_t *tag);
static cg_entry_t *cg_table_entry(const cg_table_t *t, cg_bucket_t *b,
    unsigned way);
static uint32_t cg_table_slot(const cg_table_t *t, const cg_pseudonym_t *p);
static bool cg_table_copy(const cg_table_t *t, cg_bucket_t *b, unsigned way,
    uint32_t seq, cg_entry_t *copy);
static cg_table_e cg_table_judge(const cg_table_t *t, const cg_entry_t *e,
    uint32_t now, const cg_table_age_t *age);
static bool cg_table_lock(const cg_table_t *t, cg_bucket_t *b, pid_t self);
static void cg_table_unlock(cg_bucket_t *b);
static void cg_table_wipe(const cg_table_t *t, cg_bucket_t *b);
static unsigned cg_table_victim(const cg_table_t *t, cg_bucket_t *b,
    uint64_t mark);
static uint64_t cg_table_mark(const uint8_t *p);
static unsigned cg_table_find(const cg_bucket_t *b, uint64_t mark);
static void cg_table_unused(cg_bucket_t *b, unsigned way);
static bool cg_table_dead(const cg_table_t *t, const cg_entry_t *e);
static void cg_table_unpack(const cg_table_t *t, const cg_entry_t *e,
    cg_record_t *rec);
static void cg_table_pack(const cg_table_t *t, const cg_record_t *rec,
    cg_entry_t *e);
static void cg_table_rest(const uint8_t *tag, uint8_t *rest);


#define cg_load(p)         __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define cg_load_relaxed(p)  __atomic_load_n(p, __ATOMIC_RELAXED)
#define cg_store(p, v)     __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define cg_store_relaxed(p, v)  __atomic_store_n(p, v, __ATOMIC_RELAXED)


static size_t
cg_table_round(size_t n)
{
    return (n + CG_TABLE_LINE - 1) & ~(size_t) (CG_TABLE_LINE - 1);
}


cg_table_t *
cg_table_init(void *mem, size_t size, size_t ndocs)
{
    size_t       head, nslots, left;
    cg_table_t  *t;

    t = mem;
    head = cg_table_round(sizeof(cg_table_t));

    if (size < head) {
        return NULL;
    }

    memset(t, 0, sizeof(cg_table_t));

    t->ndocs = ndocs > 8 ? 16 : 8;
    t->entry_size = (uint32_t) (sizeof(cg_entry_t) + t->ndocs * 4);
    t->bucket_size = (uint32_t) cg_table_round(sizeof(cg_bucket_t)
                                               + CG_TABLE_WAYS
                                                 * t->entry_size);
    t->size = size;

    /* a slot for every two to four entries: a byte or two for each */

    nslots = 64;

    while (nslots * 4 < size / t->bucket_size * CG_TABLE_WAYS
           && nslots < CG_TABLE_SLOTS)
    {
        nslots *= 2;
    }

    if (size < head + nslots * sizeof(uint32_t) + t->bucket_size) {
        return NULL;
    }

    left = size - head - nslots * sizeof(uint32_t);

    if (left / t->bucket_size > UINT32_MAX) {
        return NULL;
    }

    t->slot_mask = (uint32_t) (nslots - 1);
    t->nbuckets = (uint32_t) (left / t->bucket_size);

    memset((uint8_t *) mem + head, 0, size - head);

    cg_store(&t->layout, CG_TABLE_LAYOUT);

    return t;
}


bool
cg_table_adopt(const cg_table_t *t, size_t ndocs)
{
    return t->layout == CG_TABLE_LAYOUT && t->ndocs == (ndocs > 8 ? 16 : 8);
}


static uint32_t *
cg_table_slots(const cg_table_t *t)
{
    return (uint32_t *) ((uint8_t *) t + cg_table_round(sizeof(cg_table_t)));
}


/* The high half of a product spreads a hash over any number of buckets. */

static cg_bucket_t *
cg_table_bucket(const cg_table_t *t, const uint8_t *tag)
{
    uint32_t  h;
    uint64_t  n;

    memcpy(&h, tag, sizeof(h));
    n = ((uint64_t) h * t->nbuckets) >> 32;

    return (cg_bucket_t *) ((uint8_t *) (cg_table_slots(t) + t->slot_mask + 1)
                            + n * t->bucket_size);
}


static cg_entry_t *
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

static uint64_t
cg_table_mark(const uint8_t *p)
{
    uint64_t  mark;

    memcpy(&mark, p, sizeof(mark));

    return le64toh(mark) & CG_TABLE_MARK_MASK;
}


static void
cg_table_rest(const uint8_t *tag, uint8_t *rest)
{
    memcpy(rest, tag, 4);
    memcpy(rest + 4, tag + 4 + CG_TABLE_MARK, CG_TABLE_REST - 4);
}


static unsigned
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

static uint32_t
cg_table_slot(const cg_table_t *t, const cg_pseudonym_t *p)
{
    uint32_t  h;

    memcpy(&h, p->id + 4, sizeof(h));

    return h & t->slot_mask;
}


uint32_t
cg_table_generation(const cg_table_t *t, const cg_pseudonym_t *p)
{
    return cg_load(&cg_table_slots(t)[cg_table_slot(t, p)]);
}


void
cg_table_forget(cg_table_t *t, const cg_pseudonym_t *p)
{
    __atomic_fetch_add(&cg_table_slots(t)[cg_table_slot(t, p)], 1,
                       __ATOMIC_ACQ_REL);
}


/*
 * A copy that was whole while `seq` stood still (Boehm, "Can seqlocks get
 * along with programming language memory models?", 2012).
 */

static bool
cg_table_copy(const cg_table_t *t, cg_bucket_t *b, unsigned way, uint32_t seq,
    cg_entry_t *copy)
{
    const cg_entry_t  *e;

    e = cg_table_entry(t, b, way);

    memcpy(copy, e, CG_TABLE_LINE);

    if (t->ndocs > 8) {
        memcpy(copy->accepted + 8, e->accepted + 8, 8 * 4);
    }

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    return cg_load_relaxed(&b->seq) == seq;
}


void
cg_table_prefetch(const cg_table_t *t, const uint8_t tag[CG_TAG_LEN])
{
    __builtin_prefetch(cg_table_bucket(t, tag));
}


cg_table_e
cg_table_get(cg_table_t *t, const uint8_t tag[CG_TAG_LEN], uint32_t now,
    const cg_table_age_t *age, cg_record_t *rec, bool *found)
{
    union {
        cg_entry_t  entry;
        uint8_t     bytes[sizeof(cg_entry_t) + CG_MAX_DOCUMENTS * 4];
    } copy;

    uint8_t      rest[CG_TABLE_REST];
    unsigned     way;
    uint32_t     seq;
    cg_table_e   verdict;
    cg_bucket_t *b;

    b = cg_table_bucket(t, tag);
    seq = cg_load(&b->seq);

    if (seq & 1) {
        return CG_TABLE_MISS;
    }

    way = cg_table_find(b, cg_table_mark(tag + 4));

    if (way == CG_TABLE_WAYS || !cg_table_copy(t, b, way, seq, &copy.entry)) {
        return CG_TABLE_MISS;
    }

    cg_table_rest(tag, rest);

    if (memcmp(copy.entry.rest, rest, CG_TABLE_REST) != 0) {
        return CG_TABLE_MISS;
    }

    verdict = cg_table_judge(t, &copy.entry, now, age);

    if (verdict == CG_TABLE_MISS) {
        return CG_TABLE_MISS;
    }

    if (!(cg_load_relaxed(&b->used) & (1u << way))) {
        __atomic_fetch_or(&b->used, 1u << way, __ATOMIC_RELAXED);
    }

    *found = (copy.entry.place & CG_TABLE_FOUND) != 0;

    cg_table_unpack(t, &copy.entry, rec);

    return verdict;
}


static void
cg_table_unpack(const cg_table_t *t, const cg_entry_t *e, cg_record_t *rec)
{
    memset(rec, 0, sizeof(cg_record_t));

    memcpy(rec->accepted, e->accepted, 8 * 4);

    if (t->ndocs > 8) {
        memcpy(rec->accepted + 8, e->accepted + 8, 8 * 4);
    }

    rec->declined = e->declined;
    rec->granted = e->granted;
    rec->answered = e->answered;
    rec->age_state = e->place >> CG_TABLE_AGE_STATE & 3;
    rec->age = (uint8_t) e->slot_age;
    rec->residence = e->place & CG_TABLE_PLACE;
    rec->eea_day = e->eea_day;
}


static void
cg_table_pack(const cg_table_t *t, const cg_record_t *rec, cg_entry_t *e)
{
    memcpy(e->accepted, rec->accepted, t->ndocs * 4);

    e->declined = rec->declined;
    e->granted = rec->granted;
    e->answered = rec->answered;
    e->slot_age |= rec->age;
    e->place = (uint16_t) (CG_TABLE_FOUND
                           | rec->age_state << CG_TABLE_AGE_STATE
                           | rec->residence);
    e->eea_day = (uint16_t) (rec->eea_day > UINT16_MAX ? UINT16_MAX
                                                       : rec->eea_day);
}


/*
 * A change that the feed told of makes an entry worthless even when the store
 * is down: it is known to be wrong. One that only may be out of date is stale.
 */

static cg_table_e
cg_table_judge(const cg_table_t *t, const cg_entry_t *e, uint32_t now,
    const cg_table_age_t *age)
{
    uint32_t            old;
    const cg_source_t  *source;

    old = now - e->asked;
    source = &t->sources[e->source];

    if (old > UINT32_MAX / 2) {
        old = 0;                    /* asked by a clock a little ahead */
    }

    if (old >= age->ttl + age->stale
        || cg_table_dead(t, e))
    {
        return CG_TABLE_MISS;
    }

    if (old >= age->ttl
        || !cg_load(&source->feed)
        || (int32_t) (now - cg_load_relaxed(&source->alive))
           > (int32_t) age->silence
        || (int32_t) (e->asked - cg_load_relaxed(&source->since)) <= 0)
    {
        return CG_TABLE_STALE;
    }

    return CG_TABLE_HIT;
}


/*
 * A bucket is held for well under a microsecond; a holder that is still there
 * after many tries may have been killed in it.
 */

static bool
cg_table_lock(const cg_table_t *t, cg_bucket_t *b, pid_t self)
{
    unsigned  i;
    uint32_t  owner;

    for (i = 0; i < CG_TABLE_SPINS; i++) {
        owner = 0;

        if (__atomic_compare_exchange_n(&b->owner, &owner, (uint32_t) self,
                                        false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
        {
            goto locked;
        }
    }

    if (kill((pid_t) owner, 0) == 0 || errno != ESRCH
        || !__atomic_compare_exchange_n(&b->owner, &owner, (uint32_t) self,
                                        false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
    {
        return false;
    }

    cg_table_wipe(t, b);

locked:

    cg_store_relaxed(&b->seq, b->seq | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);

    return true;
}


static void
cg_table_unlock(cg_bucket_t *b)
{
    cg_store(&b->seq, b->seq + 1);
    cg_store(&b->owner, 0);
}


static void
cg_table_wipe(const cg_table_t *t, cg_bucket_t *b)
{
    cg_store_relaxed(&b->seq, b->seq | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);

    memset(b->marks, 0, sizeof(b->marks));
    cg_store_relaxed(&b->used, 0);
    memset(cg_table_entry(t, b, 0), 0, (size_t) CG_TABLE_WAYS * t->entry_size);
}


/* The feed has told of a change since, of this subject or a neighbour. */

static bool
cg_table_dead(const cg_table_t *t, const cg_entry_t *e)
{
    return cg_load(&cg_table_slots(t)[e->slot_age >> 8]) != e->generation;
}


/* The same mark, an empty place, one that is dead, or by CLOCK. */

static unsigned
cg_table_victim(const cg_table_t *t, cg_bucket_t *b, uint64_t mark)
{
    unsigned  way, tries;

    way = cg_table_find(b, mark);

    if (way == CG_TABLE_WAYS) {
        way = cg_table_find(b, 0);
    }

    if (way < CG_TABLE_WAYS) {
        return way;
    }

    for (way = 0; way < CG_TABLE_WAYS; way++) {
        if (cg_table_dead(t, cg_table_entry(t, b, way))) {
            return way;
        }
    }

    /* the hand starts where the mark of the newcomer says */

    way = mark % CG_TABLE_WAYS;

    for (tries = 0; tries < CG_TABLE_WAYS; tries++) {

        if (!(cg_load_relaxed(&b->used) & (1u << way))) {
            break;
        }

        cg_table_unused(b, way);
        way = (way + 1) % CG_TABLE_WAYS;
    }

    return way;
}


static void
cg_table_unused(cg_bucket_t *b, unsigned way)
{
    __atomic_fetch_and(&b->used, (uint8_t) ~(1u << way), __ATOMIC_RELAXED);
}


bool
cg_table_put(cg_table_t *t, const uint8_t tag[CG_TAG_LEN],
    const cg_pseudonym_t *p, uint32_t generation, uint32_t asked,
    uint8_t source, pid_t self, const cg_record_t *rec)
{
    unsigned      way;
    uint32_t      slot;
    uint64_t      mark;
    cg_entry_t   *e;
    cg_bucket_t  *b;

    slot = cg_table_slot(t, p);
    mark = cg_table_mark(tag + 4);

    if (mark == 0 || cg_load(&cg_table_slots(t)[slot]) != generation) {
        return false;
    }

    b = cg_table_bucket(t, tag);

    if (!cg_table_lock(t, b, self)) {
        return false;
    }

    way = cg_table_victim(t, b, mark);
    e = cg_table_entry(t, b, way);

    memset(e, 0, t->entry_size);
    memcpy(b->marks + way * CG_TABLE_MARK, tag + 4, CG_TABLE_MARK);
    cg_table_unused(b, way);

    e->asked = asked;
    e->generation = generation;
    e->slot_age = slot << 8;
    e->source = source;
    cg_table_rest(tag, e->rest);

    if (rec) {
        cg_table_pack(t, rec, e);
    }

    cg_table_unlock(b);

    return true;
}


void
cg_table_alive(cg_table_t *t, uint8_t source, uint32_t now)
{
    cg_store_relaxed(&t->sources[source].alive, now);
}


void
cg_table_since(cg_table_t *t, uint8_t source, uint32_t now)
{
    cg_source_t  *s;

    s = &t->sources[source];

    cg_store_relaxed(&s->since, now);
    cg_store_relaxed(&s->alive, now);
    cg_store(&s->feed, 1);
}


void
cg_table_deaf(cg_table_t *t, uint8_t source)
{
    cg_store(&t->sources[source].feed, 0);
}


size_t
cg_table_capacity(const cg_table_t *t)
{
    return (size_t) t->nbuckets * CG_TABLE_WAYS;
}


size_t
cg_table_count(const cg_table_t *t, size_t sample)
{
    size_t              n, i, step, seen;
    unsigned            way;
    const uint8_t      *base;
    const cg_bucket_t  *b;

    n = seen = 0;
    step = t->nbuckets > sample ? t->nbuckets / sample : 1;
    base = (const uint8_t *) (cg_table_slots(t) + t->slot_mask + 1);

    for (i = 0; i < t->nbuckets; i += step) {
        b = (const cg_bucket_t *) (base + i * t->bucket_size);
        seen++;

        for (way = 0; way < CG_TABLE_WAYS; way++) {
            n += cg_table_mark(b->marks + way * CG_TABLE_MARK) != 0;
        }
    }

    return (size_t) ((double) n / (double) seen * t->nbuckets);
}
