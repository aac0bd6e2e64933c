/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <signal.h>

#include "cg_table.h"


#define CG_TABLE_LAYOUT  0x63677401u    /* changes when the layout does */
#define CG_TABLE_LINE    64             /* bytes of a cache line */
#define CG_TABLE_SPINS   64             /* tries for a bucket in use */

#define CG_TABLE_FOUND   0x80           /* in entry.state: there is a record */
#define CG_TABLE_STATE   0x7f


typedef struct {
    uint32_t       asked;           /* ms */
    uint32_t       slot;            /* of its generation */
    uint32_t       generation;
    cg_purposes_t  granted;
    cg_purposes_t  answered;
    cg_docs_t      declined;
    cg_cc_t        residence;
    uint16_t       eea_day;         /* days since 1970: until the year 2149 */
    uint8_t        state;           /* cg_age_e, and CG_TABLE_FOUND */
    uint8_t        age;
    uint32_t       accepted[];      /* 8 or 16 */
} cg_entry_t;

typedef struct {
    uint32_t       seq;             /* odd: being written */
    uint32_t       owner;           /* process id of the writer, or 0 */
    uint8_t        used[CG_TABLE_WAYS];   /* since the hand came by */
    uint8_t        tags[CG_TABLE_WAYS][CG_TAG_LEN];
    /* then CG_TABLE_WAYS entries */
} cg_bucket_t;

struct cg_table_s {
    uint32_t       layout;
    uint32_t       ndocs;           /* 8 or 16 */
    uint64_t       size;            /* bytes of the whole */
    uint32_t       entry_size;
    uint32_t       bucket_size;
    uint32_t       nbuckets;
    uint32_t       slot_mask;
    uint32_t       alive;           /* ms: the feed was heard */
    uint32_t       since;           /* ms: the feed is complete since */
    uint32_t       feed;            /* 1: there is a feed */
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
    const uint8_t *tag);


#define cg_load(p)         __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define cg_load_relaxed(p)  __atomic_load_n(p, __ATOMIC_RELAXED)
#define cg_store(p, v)     __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define cg_store_relaxed(p, v)  __atomic_store_n(p, v, __ATOMIC_RELAXED)


static const uint8_t  cg_tag_empty[CG_TAG_LEN];


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

    while (nslots * 4 < size / t->bucket_size * CG_TABLE_WAYS) {
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
    memcpy(copy, cg_table_entry(t, b, way), t->entry_size);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    return cg_load_relaxed(&b->seq) == seq;
}


void
cg_table_prefetch(const cg_table_t *t, const uint8_t tag[CG_TAG_LEN])
{
    const uint8_t  *b;

    b = (const uint8_t *) cg_table_bucket(t, tag);

    for (size_t i = 0; i < sizeof(cg_bucket_t); i += CG_TABLE_LINE) {
        __builtin_prefetch(b + i);
    }
}


cg_table_e
cg_table_get(cg_table_t *t, const uint8_t tag[CG_TAG_LEN], uint32_t now,
    const cg_table_age_t *age, cg_record_t *rec, bool *found)
{
    union {
        cg_entry_t  entry;
        uint8_t     bytes[sizeof(cg_entry_t) + CG_MAX_DOCUMENTS * 4];
    } copy;

    unsigned     way;
    uint32_t     seq;
    cg_table_e   verdict;
    cg_bucket_t *b;

    b = cg_table_bucket(t, tag);
    seq = cg_load(&b->seq);

    if (seq & 1) {
        return CG_TABLE_MISS;
    }

    for (way = 0; way < CG_TABLE_WAYS; way++) {
        if (memcmp(b->tags[way], tag, CG_TAG_LEN) == 0) {
            break;
        }
    }

    if (way == CG_TABLE_WAYS || !cg_table_copy(t, b, way, seq, &copy.entry)) {
        return CG_TABLE_MISS;
    }

    verdict = cg_table_judge(t, &copy.entry, now, age);

    if (verdict == CG_TABLE_MISS) {
        return CG_TABLE_MISS;
    }

    if (!cg_load_relaxed(&b->used[way])) {
        cg_store_relaxed(&b->used[way], 1);
    }

    memset(rec, 0, sizeof(cg_record_t));

    memcpy(rec->accepted, copy.entry.accepted, t->ndocs * 4);
    rec->declined = copy.entry.declined;
    rec->granted = copy.entry.granted;
    rec->answered = copy.entry.answered;
    rec->age_state = copy.entry.state & CG_TABLE_STATE;
    rec->age = copy.entry.age;
    rec->residence = copy.entry.residence;
    rec->eea_day = copy.entry.eea_day;

    *found = (copy.entry.state & CG_TABLE_FOUND) != 0;

    return verdict;
}


/*
 * A change that the feed told of makes an entry worthless even when the store
 * is down: it is known to be wrong. One that only may be out of date is stale.
 */

static cg_table_e
cg_table_judge(const cg_table_t *t, const cg_entry_t *e, uint32_t now,
    const cg_table_age_t *age)
{
    uint32_t  old;

    old = now - e->asked;

    if (old > UINT32_MAX / 2) {
        old = 0;                    /* asked by a clock a little ahead */
    }

    if (old >= age->ttl + age->stale
        || cg_load(&cg_table_slots(t)[e->slot]) != e->generation)
    {
        return CG_TABLE_MISS;
    }

    if (old >= age->ttl
        || !cg_load(&t->feed)
        || (int32_t) (now - cg_load_relaxed(&t->alive))
           > (int32_t) age->silence
        || (int32_t) (e->asked - cg_load_relaxed(&t->since)) <= 0)
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

    memset(b->used, 0, sizeof(b->used));
    memset(b->tags, 0, sizeof(b->tags));
    memset(cg_table_entry(t, b, 0), 0, (size_t) CG_TABLE_WAYS * t->entry_size);
}


/* The same tag, an empty place, one that is dead, or by CLOCK. */

static unsigned
cg_table_victim(const cg_table_t *t, cg_bucket_t *b, const uint8_t *tag)
{
    unsigned           way, empty, dead;
    const cg_entry_t  *e;

    empty = dead = CG_TABLE_WAYS;

    for (way = 0; way < CG_TABLE_WAYS; way++) {

        if (memcmp(b->tags[way], tag, CG_TAG_LEN) == 0) {
            return way;
        }

        if (memcmp(b->tags[way], cg_tag_empty, CG_TAG_LEN) == 0) {
            empty = way;
            continue;
        }

        e = cg_table_entry(t, b, way);

        if (cg_load(&cg_table_slots(t)[e->slot]) != e->generation) {
            dead = way;
        }
    }

    if (empty < CG_TABLE_WAYS) {
        return empty;
    }

    if (dead < CG_TABLE_WAYS) {
        return dead;
    }

    /* the hand starts where the hash of the newcomer says */

    way = tag[CG_TAG_LEN - 1] % CG_TABLE_WAYS;

    for (dead = 0; dead < CG_TABLE_WAYS; dead++) {

        if (!cg_load_relaxed(&b->used[way])) {
            break;
        }

        cg_store_relaxed(&b->used[way], 0);
        way = (way + 1) % CG_TABLE_WAYS;
    }

    return way;
}


bool
cg_table_put(cg_table_t *t, const uint8_t tag[CG_TAG_LEN],
    const cg_pseudonym_t *p, uint32_t generation, uint32_t asked, pid_t self,
    const cg_record_t *rec)
{
    unsigned      way;
    uint32_t      slot;
    cg_entry_t   *e;
    cg_bucket_t  *b;

    slot = cg_table_slot(t, p);

    if (cg_load(&cg_table_slots(t)[slot]) != generation) {
        return false;
    }

    b = cg_table_bucket(t, tag);

    if (!cg_table_lock(t, b, self)) {
        return false;
    }

    way = cg_table_victim(t, b, tag);
    e = cg_table_entry(t, b, way);

    memset(e, 0, t->entry_size);
    memcpy(b->tags[way], tag, CG_TAG_LEN);
    cg_store_relaxed(&b->used[way], 0);

    e->asked = asked;
    e->slot = slot;
    e->generation = generation;

    if (rec) {
        memcpy(e->accepted, rec->accepted, t->ndocs * 4);
        e->granted = rec->granted;
        e->answered = rec->answered;
        e->declined = rec->declined;
        e->residence = rec->residence;
        e->eea_day = (uint16_t) (rec->eea_day > UINT16_MAX ? UINT16_MAX
                                                           : rec->eea_day);
        e->state = rec->age_state | CG_TABLE_FOUND;
        e->age = rec->age;
    }

    cg_table_unlock(b);

    return true;
}


void
cg_table_alive(cg_table_t *t, uint32_t now)
{
    cg_store_relaxed(&t->alive, now);
}


void
cg_table_since(cg_table_t *t, uint32_t now)
{
    cg_store_relaxed(&t->since, now);
    cg_store_relaxed(&t->alive, now);
    cg_store(&t->feed, 1);
}


void
cg_table_deaf(cg_table_t *t)
{
    cg_store(&t->feed, 0);
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
            n += memcmp(b->tags[way], cg_tag_empty, CG_TAG_LEN) != 0;
        }
    }

    return (size_t) ((double) n / (double) seen * t->nbuckets);
}
