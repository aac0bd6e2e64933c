/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_record.h"


#define NDOCS      3
#define NPURPOSES  2
#define NVALUES    (CG_FIELD_DOCUMENTS + NDOCS + NPURPOSES)

#define DOC(i)      (CG_FIELD_DOCUMENTS + (i))
#define PURPOSE(i)  (CG_FIELD_DOCUMENTS + NDOCS + (i))


static const uint8_t  check[4] = { 0xde, 0xad, 0xbe, 0xef };


typedef struct {
    int          field;
    const char  *value;
} change_t;


/* Parses a record in which nothing exists but what `changes` says. */

static cg_record_e
parse(cg_record_t *rec, const change_t *changes, size_t n)
{
    cg_str_t  values[NVALUES];

    memset(values, 0, sizeof(values));
    memset(rec, 0x5a, sizeof(cg_record_t));

    for (size_t i = 0; i < n; i++) {
        values[changes[i].field].data = (const uint8_t *) changes[i].value;
        values[changes[i].field].len = strlen(changes[i].value);
    }

    return cg_record_parse(rec, values, NDOCS, NPURPOSES, check);
}


#define parse_record(rec, ...)                                                \
    parse(rec, (change_t[]) { __VA_ARGS__ },                                  \
          sizeof((change_t[]) { __VA_ARGS__ }) / sizeof(change_t))


static void
expect_zero(const cg_record_t *rec)
{
    cg_record_t  zero;

    memset(&zero, 0, sizeof(zero));
    assert_memory_equal(rec, &zero, sizeof(zero));
}


static void
test_a_whole_record(void **state)
{
    cg_record_t  rec;

    (void) state;

    assert_int_equal(parse_record(&rec,
        { CG_FIELD_CHECK, "deadbeef" },
        { CG_FIELD_REV, "7" },
        { CG_FIELD_EVENT, "000102030405060708090a0b0c0d0e0f" },
        { CG_FIELD_AGE, "ok:16" },
        { CG_FIELD_RESIDENCE, "DE" },
        { CG_FIELD_EEA, "20000" },
        { DOC(0), "20180525" },
        { DOC(2), "-" },
        { PURPOSE(0), "1" },
        { PURPOSE(1), "0" }), CG_RECORD_OK);

    assert_int_equal(rec.rev, 7);
    assert_int_equal(rec.event[0], 0);
    assert_int_equal(rec.event[15], 15);
    assert_int_equal(rec.age_state, CG_AGE_OK);
    assert_int_equal(rec.age, 16);
    assert_int_equal(rec.residence, cg_cc("DE"));
    assert_int_equal(rec.eea_day, 20000);
    assert_int_equal(rec.accepted[0], 20180525);
    assert_int_equal(rec.accepted[1], 0);
    assert_int_equal(rec.accepted[2], 0);
    assert_int_equal(rec.declined, 4);
    assert_int_equal(rec.granted, 1);
    assert_int_equal(rec.answered, 3);
}


static void
test_nothing_is_absent(void **state)
{
    cg_str_t     values[NVALUES];
    cg_record_t  rec;

    (void) state;

    memset(values, 0, sizeof(values));
    assert_int_equal(cg_record_parse(&rec, values, NDOCS, NPURPOSES, check),
                     CG_RECORD_ABSENT);
    expect_zero(&rec);
}


static void
test_the_record_of_another_is_foreign(void **state)
{
    cg_record_t  rec;

    (void) state;

    assert_int_equal(parse_record(&rec, { CG_FIELD_CHECK, "deadbeee" },
                                  { DOC(0), "1" }), CG_RECORD_FOREIGN);
    expect_zero(&rec);

    /* whatever else is in it */
    assert_int_equal(parse_record(&rec, { CG_FIELD_CHECK, "00000000" },
                                  { DOC(0), "x" }), CG_RECORD_FOREIGN);
    expect_zero(&rec);
}


static void
test_a_tombstone_is_a_record_of_nothing(void **state)
{
    cg_record_t  rec;

    (void) state;

    assert_int_equal(parse_record(&rec, { CG_FIELD_CHECK, "DEADBEEF" },
                                  { CG_FIELD_REV, "9" }), CG_RECORD_OK);
    assert_int_equal(rec.rev, 9);

    rec.rev = 0;
    expect_zero(&rec);

    assert_int_equal(parse_record(&rec, { CG_FIELD_REV, "9" }), CG_RECORD_OK);
    assert_int_equal(rec.rev, 9);

    assert_int_equal(parse_record(&rec, { CG_FIELD_REV, "9" },
        { CG_FIELD_EVENT, "ffffffffffffffffffffffffffffffff" }),
        CG_RECORD_OK);
    assert_int_equal(rec.event[15], 0xff);
}


static void
test_without_a_check_nothing_else_counts(void **state)
{
    static const change_t  changes[] = {
        { CG_FIELD_EVENT, "000102030405060708090a0b0c0d0e0f" },
        { CG_FIELD_AGE, "ok:16" },
        { CG_FIELD_RESIDENCE, "DE" },
        { CG_FIELD_EEA, "20000" },
        { DOC(0), "1" },
        { DOC(2), "-" },
        { PURPOSE(0), "0" },
        { PURPOSE(1), "1" }
    };
    cg_record_t  rec;

    (void) state;

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        assert_int_equal(parse(&rec, &changes[i], 1), CG_RECORD_MALFORMED);
        expect_zero(&rec);

        if (changes[i].field > CG_FIELD_EVENT) {
            assert_int_equal(parse_record(&rec, changes[i],
                                          { CG_FIELD_REV, "1" }),
                             CG_RECORD_MALFORMED);
            expect_zero(&rec);
        }
    }
}


static void
test_one_bad_value_spoils_the_record(void **state)
{
    static const change_t  bad[] = {
        { CG_FIELD_CHECK, "" },
        { CG_FIELD_CHECK, "deadbee" },
        { CG_FIELD_CHECK, "deadbeef0" },
        { CG_FIELD_CHECK, "deadbeeg" },
        { CG_FIELD_REV, "" },
        { CG_FIELD_REV, "-1" },
        { CG_FIELD_REV, "01" },
        { CG_FIELD_REV, "4294967296" },
        { CG_FIELD_EVENT, "" },
        { CG_FIELD_EVENT, "000102030405060708090a0b0c0d0e" },
        { CG_FIELD_EVENT, "000102030405060708090a0b0c0d0e0f10" },
        { CG_FIELD_EVENT, "000102030405060708090a0b0c0d0e0x" },
        { CG_FIELD_AGE, "" },
        { CG_FIELD_AGE, "ok" },
        { CG_FIELD_AGE, "ok:" },
        { CG_FIELD_AGE, "ok:0" },
        { CG_FIELD_AGE, "ok:100" },
        { CG_FIELD_AGE, "ok:016" },
        { CG_FIELD_AGE, "minor:" },
        { CG_FIELD_AGE, "minor:x" },
        { CG_FIELD_AGE, "OK:16" },
        { CG_FIELD_AGE, "senior16" },
        { CG_FIELD_AGE, "16" },
        { CG_FIELD_RESIDENCE, "" },
        { CG_FIELD_RESIDENCE, "D" },
        { CG_FIELD_RESIDENCE, "DEU" },
        { CG_FIELD_RESIDENCE, "XX" },
        { CG_FIELD_RESIDENCE, "A1" },
        { CG_FIELD_RESIDENCE, "T1" },
        { CG_FIELD_EEA, "" },
        { CG_FIELD_EEA, "4294967296" },
        { CG_FIELD_EEA, "2026-01-01" },
        { DOC(1), "" },
        { DOC(1), "0" },
        { DOC(1), "--" },
        { DOC(1), "-1" },
        { DOC(1), "v1" },
        { DOC(1), "4294967296" },
        { PURPOSE(1), "" },
        { PURPOSE(1), "2" },
        { PURPOSE(1), "01" },
        { PURPOSE(1), "true" }
    };
    cg_record_t  rec;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_record(&rec, { CG_FIELD_CHECK, "deadbeef" },
                         { CG_FIELD_REV, "1" }, { DOC(0), "1" },
                         { PURPOSE(0), "1" }, bad[i])
            != CG_RECORD_MALFORMED)
        {
            fail_msg("field %d \"%s\" is taken", bad[i].field, bad[i].value);
        }

        expect_zero(&rec);
    }
}


static void
test_values_at_their_ends(void **state)
{
    cg_record_t  rec;

    (void) state;

    assert_int_equal(parse_record(&rec, { CG_FIELD_CHECK, "deadbeef" },
        { CG_FIELD_REV, "4294967295" }, { CG_FIELD_AGE, "minor:1" },
        { CG_FIELD_EEA, "0" }, { DOC(0), "4294967295" }, { DOC(1), "1" }),
        CG_RECORD_OK);

    assert_int_equal(rec.rev, UINT32_MAX);
    assert_int_equal(rec.age_state, CG_AGE_MINOR);
    assert_int_equal(rec.age, 1);
    assert_int_equal(rec.accepted[0], UINT32_MAX);
    assert_int_equal(rec.accepted[1], 1);

    assert_int_equal(parse_record(&rec, { CG_FIELD_CHECK, "deadbeef" },
        { CG_FIELD_AGE, "ok:99" }, { CG_FIELD_RESIDENCE, "is" }),
        CG_RECORD_OK);

    assert_int_equal(rec.age, 99);
    assert_int_equal(rec.residence, cg_cc("IS"));

    assert_int_equal(parse_record(&rec, { CG_FIELD_CHECK, "deadbeef" },
        { CG_FIELD_AGE, "ok:1" }), CG_RECORD_OK);

    assert_int_equal(rec.age_state, CG_AGE_OK);
    assert_int_equal(rec.age, 1);
}


static void
test_all_documents_and_purposes_fit(void **state)
{
    size_t       last;
    cg_str_t     values[CG_FIELD_DOCUMENTS + CG_MAX_DOCUMENTS
                        + CG_MAX_PURPOSES + 1];
    cg_record_t  rec;

    (void) state;

    last = CG_FIELD_DOCUMENTS + CG_MAX_DOCUMENTS + CG_MAX_PURPOSES - 1;

    memset(values, 0, sizeof(values));
    values[CG_FIELD_CHECK] = cg_str("deadbeef");
    values[CG_FIELD_DOCUMENTS + CG_MAX_DOCUMENTS - 1] = cg_str("5");
    values[last] = cg_str("1");

    assert_int_equal(cg_record_parse(&rec, values, CG_MAX_DOCUMENTS,
                                     CG_MAX_PURPOSES, check), CG_RECORD_OK);
    assert_int_equal(rec.accepted[CG_MAX_DOCUMENTS - 1], 5);
    assert_int_equal(rec.granted, 0x8000);
    assert_int_equal(rec.answered, 0x8000);

    assert_int_equal(cg_record_parse(&rec, values, CG_MAX_DOCUMENTS + 1,
                                     CG_MAX_PURPOSES, check),
                     CG_RECORD_MALFORMED);
    assert_int_equal(cg_record_parse(&rec, values, 0, 0, check),
                     CG_RECORD_OK);
}


static void
test_field_names(void **state)
{
    static const char *const  names[CG_FIELD_DOCUMENTS] = {
        "k", "rev", "ev", "age", "res", "eea"
    };
    cg_str_t  name;

    (void) state;

    for (size_t i = 0; i < CG_FIELD_DOCUMENTS; i++) {
        name = cg_field_name((cg_field_e) i);
        assert_int_equal(name.len, strlen(names[i]));
        assert_memory_equal(name.data, names[i], name.len);
    }

    assert_int_equal(cg_field_name(CG_FIELD_DOCUMENTS).len, 0);
}


/* A visit is nothing that was said, nor is what is left of a record. */

static void
test_what_a_record_says(void **state)
{
    cg_record_t  rec;

    (void) state;

    memset(&rec, 0, sizeof(rec));
    rec.rev = 7;
    rec.eea_day = 20000;
    rec.event[0] = 1;
    assert_false(cg_record_says(&rec));

#define says(field, value)                                                    \
    do {                                                                      \
        memset(&rec, 0, sizeof(rec));                                         \
        rec.field = (value);                                                  \
        assert_true(cg_record_says(&rec));                                    \
    } while (0)

    says(accepted[0], 1);
    says(accepted[CG_MAX_DOCUMENTS - 1], UINT32_MAX);
    says(declined, 0x8000);
    says(answered, 1);
    says(age_state, CG_AGE_MINOR);
    says(residence, cg_cc("US"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_whole_record),
        cmocka_unit_test(test_nothing_is_absent),
        cmocka_unit_test(test_the_record_of_another_is_foreign),
        cmocka_unit_test(test_a_tombstone_is_a_record_of_nothing),
        cmocka_unit_test(test_without_a_check_nothing_else_counts),
        cmocka_unit_test(test_one_bad_value_spoils_the_record),
        cmocka_unit_test(test_values_at_their_ends),
        cmocka_unit_test(test_all_documents_and_purposes_fit),
        cmocka_unit_test(test_field_names),
        cmocka_unit_test(test_what_a_record_says)
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
