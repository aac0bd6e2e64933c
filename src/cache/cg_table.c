/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_table_internal.h"


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
