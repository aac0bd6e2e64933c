/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_table_internal.h"


static bool cg_table_copy(const cg_table_t *t, cg_bucket_t *b, unsigned way,
    uint32_t seq, cg_entry_t *copy);
static cg_table_e cg_table_judge(const cg_table_t *t, const cg_entry_t *e,
    uint32_t now, const cg_table_age_t *age);
static void cg_table_unpack(const cg_table_t *t, const cg_entry_t *e,
    cg_record_t *rec);


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
