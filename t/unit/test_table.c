/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/cache/cg_table_internal.h"


#define MEGABYTE  (1024 * 1024)
#define SOURCE    7


static const cg_table_age_t  age = { 60000, 300000, 3000 };


typedef struct {
    size_t       size;
    cg_table_t  *t;
} fixture_t;


static fixture_t
make(size_t size, size_t ndocs)
{
    void       *mem;
    fixture_t   f;

    mem = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
               0);
    assert_ptr_not_equal(mem, MAP_FAILED);

    f.size = size;
    f.t = cg_table_init(mem, size, ndocs);
    assert_non_null(f.t);

    cg_table_since(f.t, SOURCE, 999);

    return f;
}


static void
drop(fixture_t f)
{
    munmap(f.t, f.size);
}


/* A subject by number: its tag and pseudonym are as random as real ones. */

static void
subject(uint64_t n, uint8_t tag[CG_TAG_LEN], cg_pseudonym_t *p)
{
    static const uint8_t  a[16] = "one key for tags", b[16] = "one for the rest";

    uint8_t  id[16];

    cg_siphash128(a, &n, sizeof(n), tag);
    cg_siphash128(b, &n, sizeof(n), id);
    memcpy(p->id, id, sizeof(id));
    memset(p->check, 0, sizeof(p->check));
}


static cg_record_t
record(uint32_t version)
{
    cg_record_t  r;

    memset(&r, 0, sizeof(r));

    r.accepted[0] = version;
    r.accepted[7] = version + 7;
    r.declined = 2;
    r.granted = 1;
    r.answered = 3;
    r.age_state = CG_AGE_OK;
    r.age = 16;
    r.residence = cg_cc("DE");
    r.eea_day = 20000;

    return r;
}


static bool
put(cg_table_t *t, uint64_t n, uint32_t asked, uint32_t version)
{
    uint8_t         tag[CG_TAG_LEN];
    cg_record_t     r;
    cg_pseudonym_t  p;

    subject(n, tag, &p);
    r = record(version);

    return cg_table_put(t, tag, &p, cg_table_generation(t, &p), asked,
                        SOURCE, getpid(), &r);
}


static cg_table_e
get(cg_table_t *t, uint64_t n, uint32_t now, cg_record_t *r, bool *found)
{
    bool            f;
    uint8_t         tag[CG_TAG_LEN];
    cg_record_t     rec;
    cg_pseudonym_t  p;

    subject(n, tag, &p);

    return cg_table_get(t, tag, now, &age, r ? r : &rec, found ? found : &f);
}


static void
forget(cg_table_t *t, uint64_t n)
{
    uint8_t         tag[CG_TAG_LEN];
    cg_pseudonym_t  p;

    subject(n, tag, &p);
    cg_table_forget(t, &p);
}


static void
what_is_put_is_got(void **state)
{
    bool         found;
    cg_record_t  r, want;
    fixture_t    f = make(MEGABYTE, 8);

    (void) state;

    assert_int_equal(get(f.t, 1, 1000, NULL, NULL), CG_TABLE_MISS);
    assert_true(put(f.t, 1, 1000, 20180525));
    assert_int_equal(get(f.t, 1, 1001, &r, &found), CG_TABLE_HIT);

    want = record(20180525);

    assert_true(found);
    assert_memory_equal(&r, &want, sizeof(r));
    assert_int_equal(get(f.t, 2, 1001, NULL, NULL), CG_TABLE_MISS);

    drop(f);
}


static void
sixteen_documents_fit(void **state)
{
    bool            found;
    uint8_t         tag[CG_TAG_LEN];
    cg_record_t     in, out;
    cg_pseudonym_t  p;
    fixture_t       f = make(MEGABYTE, 9);

    (void) state;

    memset(&in, 0, sizeof(in));

    for (size_t i = 0; i < CG_MAX_DOCUMENTS; i++) {
        in.accepted[i] = (uint32_t) (i + 1);
    }

    subject(1, tag, &p);

    assert_true(cg_table_put(f.t, tag, &p, cg_table_generation(f.t, &p), 1000,
                             SOURCE, getpid(), &in));
    assert_int_equal(cg_table_get(f.t, tag, 1000, &age, &out, &found),
                     CG_TABLE_HIT);
    assert_memory_equal(&in, &out, sizeof(in));
    assert_true(cg_table_adopt(f.t, 16));
    assert_false(cg_table_adopt(f.t, 8));

    drop(f);
}


static void
absence_is_kept_too(void **state)
{
    bool            found;
    uint8_t         tag[CG_TAG_LEN];
    cg_record_t     r;
    cg_pseudonym_t  p;
    fixture_t       f = make(MEGABYTE, 3);

    (void) state;

    subject(5, tag, &p);

    assert_true(cg_table_put(f.t, tag, &p, cg_table_generation(f.t, &p), 1000,
                             SOURCE, getpid(), NULL));
    assert_int_equal(cg_table_get(f.t, tag, 1000, &age, &r, &found),
                     CG_TABLE_HIT);
    assert_false(found);

    drop(f);
}


/* 60 s a hit, 300 s more good enough while the store is down. */

static void
an_entry_ages(void **state)
{
    fixture_t  f = make(MEGABYTE, 3);

    (void) state;

    put(f.t, 1, 1000, 1);

    cg_table_alive(f.t, SOURCE, 60999);
    assert_int_equal(get(f.t, 1, 60999, NULL, NULL), CG_TABLE_HIT);
    cg_table_alive(f.t, SOURCE, 61000);
    assert_int_equal(get(f.t, 1, 61000, NULL, NULL), CG_TABLE_STALE);
    assert_int_equal(get(f.t, 1, 360999, NULL, NULL), CG_TABLE_STALE);
    assert_int_equal(get(f.t, 1, 361000, NULL, NULL), CG_TABLE_MISS);

    drop(f);
}


/* The clock is 32 bits of milliseconds: it wraps every 49 days. */

static void
the_clock_may_wrap(void **state)
{
    fixture_t  f = make(MEGABYTE, 3);

    (void) state;

    cg_table_since(f.t, SOURCE, UINT32_MAX - 2000);
    put(f.t, 1, UINT32_MAX - 1000, 1);
    cg_table_alive(f.t, SOURCE, 500);

    assert_int_equal(get(f.t, 1, 500, NULL, NULL), CG_TABLE_HIT);

    /* another worker's clock is a little behind */
    assert_int_equal(get(f.t, 1, UINT32_MAX - 1500, NULL, NULL),
                     CG_TABLE_HIT);

    drop(f);
}


static void
without_a_feed_nothing_is_a_hit(void **state)
{
    fixture_t  f = make(MEGABYTE, 3);

    (void) state;

    put(f.t, 1, 1000, 1);

    assert_int_equal(get(f.t, 1, 1000, NULL, NULL), CG_TABLE_HIT);

    cg_table_deaf(f.t, SOURCE);
    assert_int_equal(get(f.t, 1, 1000, NULL, NULL), CG_TABLE_STALE);

    /* what was asked for before it came back may have changed meanwhile */
    cg_table_since(f.t, SOURCE, 2000);
    assert_int_equal(get(f.t, 1, 2000, NULL, NULL), CG_TABLE_STALE);

    put(f.t, 1, 2000, 1);
    assert_int_equal(get(f.t, 1, 2001, NULL, NULL), CG_TABLE_STALE);

    put(f.t, 1, 2001, 1);
    assert_int_equal(get(f.t, 1, 2001, NULL, NULL), CG_TABLE_HIT);

    drop(f);
}


static void
a_silent_feed_is_no_feed(void **state)
{
    fixture_t  f = make(MEGABYTE, 3);

    (void) state;

    put(f.t, 1, 1000, 1);
    cg_table_alive(f.t, SOURCE, 1000);

    assert_int_equal(get(f.t, 1, 4000, NULL, NULL), CG_TABLE_HIT);
    assert_int_equal(get(f.t, 1, 4001, NULL, NULL), CG_TABLE_STALE);

    cg_table_alive(f.t, SOURCE, 4001);
    assert_int_equal(get(f.t, 1, 4001, NULL, NULL), CG_TABLE_HIT);

    drop(f);
}


static void
a_source_that_is_deaf_leaves_the_others_alone(void **state)
{
    uint8_t         tag[CG_TAG_LEN];
    cg_record_t     r = record(1);
    cg_pseudonym_t  p;
    fixture_t       f = make(MEGABYTE, 3);

    (void) state;

    put(f.t, 1, 1000, 1);

    subject(2, tag, &p);
    cg_table_since(f.t, CG_TABLE_SOURCES - 1, 999);
    assert_true(cg_table_put(f.t, tag, &p, cg_table_generation(f.t, &p), 1000,
                             CG_TABLE_SOURCES - 1, getpid(), &r));

    cg_table_deaf(f.t, SOURCE);
    assert_int_equal(get(f.t, 1, 1000, NULL, NULL), CG_TABLE_STALE);
    assert_int_equal(get(f.t, 2, 1000, NULL, NULL), CG_TABLE_HIT);

    /* it begins anew, and for itself alone */
    cg_table_since(f.t, SOURCE, 2000);
    assert_int_equal(get(f.t, 1, 2000, NULL, NULL), CG_TABLE_STALE);
    assert_int_equal(get(f.t, 2, 2000, NULL, NULL), CG_TABLE_HIT);

    /* asked again, of another source: whatever happens to the old one */
    subject(1, tag, &p);
    assert_true(cg_table_put(f.t, tag, &p, cg_table_generation(f.t, &p), 2000,
                             CG_TABLE_SOURCES - 1, getpid(), &r));
    cg_table_deaf(f.t, SOURCE);
    assert_int_equal(get(f.t, 1, 2000, NULL, NULL), CG_TABLE_HIT);

    drop(f);
}


static void
a_change_is_forgotten_even_when_the_store_is_down(void **state)
{
    fixture_t  f = make(MEGABYTE, 3);

    (void) state;

    put(f.t, 1, 1000, 1);
    forget(f.t, 1);
    cg_table_deaf(f.t, SOURCE);

    assert_int_equal(get(f.t, 1, 1000, NULL, NULL), CG_TABLE_MISS);

    drop(f);
}


/* Read, then changed, then the reply comes: it must not be kept. */

static void
a_reply_from_before_a_change_is_refused(void **state)
{
    uint8_t         tag[CG_TAG_LEN];
    uint32_t        generation;
    cg_record_t     r;
    cg_pseudonym_t  p;
    fixture_t       f = make(MEGABYTE, 3);

    (void) state;

    subject(1, tag, &p);
    r = record(1);

    generation = cg_table_generation(f.t, &p);
    cg_table_forget(f.t, &p);

    assert_false(cg_table_put(f.t, tag, &p, generation, 1000, SOURCE,
                              getpid(), &r));
    assert_int_equal(get(f.t, 1, 1000, NULL, NULL), CG_TABLE_MISS);

    drop(f);
}


static void
a_table_holds_what_it_says(void **state)
{
    size_t     n, got, capacity;
    fixture_t  f = make(64 * MEGABYTE, 8);

    (void) state;

    capacity = cg_table_capacity(f.t);
    assert_true(capacity >= 700000);

    for (n = 0; n < 2 * capacity; n++) {
        assert_true(put(f.t, n, 1000, (uint32_t) n));
    }

    for (n = 0, got = 0; n < 2 * capacity; n++) {
        got += get(f.t, n, 1001, NULL, NULL) == CG_TABLE_HIT;
    }

    print_message("# %zu places in 64 MB, %zu of %zu subjects kept\n",
                  capacity, got, 2 * capacity);

    assert_true(got >= 700000);
    assert_true(cg_table_count(f.t, SIZE_MAX) >= got);
    assert_in_range(cg_table_count(f.t, 1024), got * 9 / 10, capacity);

    drop(f);
}


/* Who comes again stays longer than who came once. */

static void
the_hand_passes_over_what_is_used(void **state)
{
    size_t     n, kept;
    fixture_t  f = make(MEGABYTE, 8);

    (void) state;

    for (n = 0; n < 1000; n++) {
        put(f.t, n, 1000, 1);
    }

    for (size_t i = 0; i < 100; i++) {

        for (n = 0; n < 1000; n++) {
            (void) get(f.t, n, 1001, NULL, NULL);
        }

        for (n = 0; n < 200; n++) {
            put(f.t, 1000000 + i * 200 + n, 1000, 1);
        }
    }

    for (n = 0, kept = 0; n < 1000; n++) {
        kept += get(f.t, n, 1001, NULL, NULL) == CG_TABLE_HIT;
    }

    assert_true(kept > 900);

    drop(f);
}


/* A change of one subject is a change of few others. */

static void
every_slot_is_somebodys(void **state)
{
    size_t          n, nslots, places, used;
    uint8_t         tag[CG_TAG_LEN], *seen;
    cg_pseudonym_t  p;
    fixture_t       f = make(MEGABYTE, 8);

    (void) state;

    nslots = (size_t) f.t->slot_mask + 1;
    places = (size_t) f.t->nbuckets * CG_TABLE_WAYS;

    assert_int_equal(nslots & f.t->slot_mask, 0);
    assert_true(places > nslots);
    assert_true(places <= nslots * 4);

    seen = calloc(nslots, 1);
    assert_non_null(seen);

    for (n = 0, used = 0; n < nslots * 20; n++) {
        subject(n, tag, &p);
        used += !seen[cg_table_slot(f.t, &p)];
        seen[cg_table_slot(f.t, &p)] = 1;
    }

    assert_int_equal(used, nslots);

    free(seen);
    drop(f);
}


static cg_bucket_t *
bucket(const cg_table_t *t, uint64_t n)
{
    uint8_t         tag[CG_TAG_LEN];
    cg_pseudonym_t  p;

    subject(n, tag, &p);

    return cg_table_bucket(t, tag);
}


/* Wherever it starts, and wherever in the bucket the unused one is. */

static void
the_hand_finds_the_one_that_is_not_used(void **state)
{
    size_t     i, n, newcomer, spared, many;
    uint64_t   of[CG_TABLE_WAYS];
    fixture_t  f = make(4096, 8);

    (void) state;

    newcomer = 1000000;

    for (spared = 0; spared < CG_TABLE_WAYS * 4; spared++) {
        memset(bucket(f.t, 0), 0, f.t->bucket_size);

        for (n = 0, many = 0; many < CG_TABLE_WAYS; n++) {
            if (bucket(f.t, n) == bucket(f.t, 0)) {
                assert_true(put(f.t, n, 1000, 1));
                of[many++] = n;
            }
        }

        for (i = 0; i < CG_TABLE_WAYS; i++) {
            if (i != spared % CG_TABLE_WAYS) {
                assert_int_equal(get(f.t, of[i], 1001, NULL, NULL),
                                 CG_TABLE_HIT);
            }
        }

        while (bucket(f.t, ++newcomer) != bucket(f.t, 0)) {
            /* void */
        }

        assert_true(put(f.t, newcomer, 1000, 1));

        for (i = 0; i < CG_TABLE_WAYS; i++) {
            assert_int_equal(get(f.t, of[i], 1001, NULL, NULL),
                             i == spared % CG_TABLE_WAYS ? CG_TABLE_MISS
                                                         : CG_TABLE_HIT);
        }
    }

    drop(f);
}


static void
who_writes_is_not_disturbed(void **state)
{
    cg_record_t   r;
    fixture_t     f = make(4096, 8);
    cg_bucket_t  *b = bucket(f.t, 1);

    (void) state;

    assert_true(put(f.t, 1, 1000, 1));

    b->owner = (uint32_t) getppid();
    b->seq |= 1;

    assert_false(put(f.t, 1, 1000, 2));
    assert_int_equal(b->owner, getppid());
    assert_int_equal(get(f.t, 1, 1001, NULL, NULL), CG_TABLE_MISS);

    b->seq++;
    b->owner = 0;

    assert_int_equal(get(f.t, 1, 1001, &r, NULL), CG_TABLE_HIT);
    assert_int_equal(r.accepted[0], 1);
    assert_true(put(f.t, 1, 1000, 2));

    drop(f);
}


static void
too_small_is_no_table(void **state)
{
    static uint8_t  mem[8192] __attribute__((aligned(64)));

    (void) state;

    assert_null(cg_table_init(mem, 64, 8));
    assert_null(cg_table_init(mem, 3200, 8));
    assert_non_null(cg_table_init(mem, sizeof(mem), 8));
}


/*
 * A writer is killed inside a bucket, as often as it takes to hit one: a
 * reader must see a whole entry or none, and the place must come back.
 */

static void
a_killed_writer_blocks_nobody(void **state)
{
    pid_t            pid;
    size_t           n;
    cg_record_t      r, want;
    fixture_t        f = make(4096, 8);      /* a few buckets for all */
    struct timespec  ts = { 0, 200000 };

    (void) state;

    for (size_t round = 0; round < 200; round++) {
        pid = fork();
        assert_true(pid >= 0);

        if (pid == 0) {
            for (n = 0; ; n++) {
                (void) put(f.t, n % 64, 1000, (uint32_t) n);
            }
        }

        nanosleep(&ts, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);

        for (n = 0; n < 64; n++) {
            if (get(f.t, n, 1001, &r, NULL) == CG_TABLE_HIT) {
                want = record(r.accepted[0]);
                assert_memory_equal(&r, &want, sizeof(r));
                assert_int_equal(r.accepted[0] % 64, n);
            }
        }

        for (n = 0; n < 64; n++) {
            assert_true(put(f.t, n, 1000, (uint32_t) n));
            assert_int_equal(get(f.t, n, 1001, NULL, NULL), CG_TABLE_HIT);
        }
    }

    drop(f);
}


/* Two write, one reads: never half of one and half of another. */

static void
readers_see_whole_entries(void **state)
{
    pid_t        pid[2];
    size_t       n, hits;
    cg_record_t  r, want;
    fixture_t    f = make(4096, 8);

    (void) state;

    for (size_t i = 0; i < 2; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);

        if (pid[i] == 0) {
            for (n = i; ; n++) {
                (void) put(f.t, n % 16, 1000, (uint32_t) n);
            }
        }
    }

    for (n = 0, hits = 0; n < 2000000 || hits < 1000; n++) {
        if (get(f.t, n % 16, 1001, &r, NULL) == CG_TABLE_HIT) {
            hits++;
            want = record(r.accepted[0]);

            if (memcmp(&r, &want, sizeof(r)) != 0
                || r.accepted[0] % 16 != n % 16)
            {
                break;
            }
        }
    }

    for (size_t i = 0; i < 2; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }

    assert_true(n >= 2000000);

    drop(f);
}


/* What cg_tag_visitor() has done, undone: no two visitors share a tag. */

static void
visitor_of(const uint8_t key[CG_TAG_KEY_LEN], const uint8_t tag[CG_TAG_LEN],
    uint8_t id[CG_VISITOR_ID_LEN])
{
    uint64_t  k[2], v[2], f;

    memcpy(k, key, sizeof(k));
    memcpy(v, tag, sizeof(v));

    f = v[1] * (k[1] | 1);
    v[0] ^= f ^ f >> 32;

    f = v[0] * (k[0] | 1);
    v[1] ^= f ^ f >> 32;

    memcpy(id, v, sizeof(v));
}


static void
a_tag_is_of_one_visitor(void **state)
{
    uint8_t   key[CG_TAG_KEY_LEN], other[CG_TAG_KEY_LEN];
    uint8_t   id[CG_VISITOR_ID_LEN], back[CG_VISITOR_ID_LEN];
    uint8_t   tag[CG_TAG_LEN], of_other[CG_TAG_LEN];
    uint64_t  n;

    static const uint8_t  seed[16] = "something random";

    (void) state;

    for (n = 0; n < 10000; n++) {
        cg_siphash128(seed, &n, sizeof(n), id);
        cg_siphash128(seed, id, sizeof(id), key);
        cg_siphash128(seed, key, sizeof(key), other);

        cg_tag_visitor(key, id, tag);
        visitor_of(key, tag, back);
        assert_memory_equal(back, id, sizeof(id));

        /* of another realm, or kind */

        cg_tag_visitor(other, id, of_other);
        assert_memory_not_equal(of_other, tag, sizeof(tag));
    }
}


/* Each bit of a visitor may change each part of the tag: bucket and mark. */

static void
tags_spread_over_the_buckets(void **state)
{
    size_t    n, bit, changed;
    uint8_t   id[CG_VISITOR_ID_LEN];
    uint8_t   tag[CG_TAG_LEN], next[CG_TAG_LEN];
    uint32_t  counts[256];

    static const uint8_t  key[CG_TAG_KEY_LEN] = "a secret of ours";

    (void) state;

    memset(counts, 0, sizeof(counts));

    for (n = 0; n < 256 * 100; n++) {
        cg_siphash128(key, &n, sizeof(n), id);
        cg_tag_visitor(key, id, tag);
        counts[tag[3]]++;           /* the highest of what a bucket goes by */
    }

    for (n = 0; n < 256; n++) {
        assert_in_range(counts[n], 50, 150);
    }

    for (bit = 0; bit < 8 * sizeof(id); bit++) {
        changed = 0;

        for (n = 0; n < 64; n++) {
            cg_siphash128(key, &n, sizeof(n), id);
            cg_tag_visitor(key, id, tag);
            id[bit / 8] ^= (uint8_t) (1u << bit % 8);
            cg_tag_visitor(key, id, next);
            changed += memcmp(tag, next, 4) != 0;
        }

        assert_true(changed > 32);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_tag_is_of_one_visitor),
        cmocka_unit_test(tags_spread_over_the_buckets),
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(sixteen_documents_fit),
        cmocka_unit_test(absence_is_kept_too),
        cmocka_unit_test(an_entry_ages),
        cmocka_unit_test(the_clock_may_wrap),
        cmocka_unit_test(without_a_feed_nothing_is_a_hit),
        cmocka_unit_test(a_silent_feed_is_no_feed),
        cmocka_unit_test(a_source_that_is_deaf_leaves_the_others_alone),
        cmocka_unit_test(a_change_is_forgotten_even_when_the_store_is_down),
        cmocka_unit_test(a_reply_from_before_a_change_is_refused),
        cmocka_unit_test(a_table_holds_what_it_says),
        cmocka_unit_test(the_hand_passes_over_what_is_used),
        cmocka_unit_test(every_slot_is_somebodys),
        cmocka_unit_test(the_hand_finds_the_one_that_is_not_used),
        cmocka_unit_test(who_writes_is_not_disturbed),
        cmocka_unit_test(too_small_is_no_table),
        cmocka_unit_test(a_killed_writer_blocks_nobody),
        cmocka_unit_test(readers_see_whole_entries)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
