/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <signal.h>

#include "cg_table_internal.h"


#define CG_TABLE_SPINS  64      /* tries for a bucket in use */


static bool cg_table_lock(const cg_table_t *t, cg_bucket_t *b, pid_t self);
static void cg_table_unlock(cg_bucket_t *b);
static void cg_table_wipe(const cg_table_t *t, cg_bucket_t *b);
static unsigned cg_table_victim(const cg_table_t *t, cg_bucket_t *b,
    uint64_t mark);
static void cg_table_unused(cg_bucket_t *b, unsigned way);
static void cg_table_pack(const cg_table_t *t, const cg_record_t *rec,
    cg_entry_t *e);


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
