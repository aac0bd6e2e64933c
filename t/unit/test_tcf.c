/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_tcf.h"


/*
 * Both are made by the reference library (t/tcf/vectors.js). WHOLE, of
 * 2026-11-25: consents to purposes 1, 7 and 8, vendors 3, 20 to 25 and 755 as
 * ranges; vendor 3 may not use purpose 7, and 3 only by consent; 755 must base
 * 4 on interest; disclosed vendors; the publisher has 1 and 7. FIELD, of
 * 2025-10-21: the core alone, vendors 1 and 3 as a field of bits.
 */

#define CORE   "CQuPXIAQuPXIAAfAHAENCxFgAIMAAAAAAAAAF5wAwABwAUABkBeYAAAAhw" \
               "AEAAYkACAvMAAA"
#define TOLD   ".IF5wA4ABgAJABQAGQF5g"
#define OWN    ".cEAAAAAAAAAA"
#define WHOLE  CORE TOLD OWN
#define FIELD  "CQZpAIAQZpAIAAfAHAENCxEgAIMAAAAAAAAAABqAAAAA"

#define WHOLE_DAY  1795564800
#define FIELD_DAY  1761004800

#define DAY        86400
#define P(n)       ((cg_tcf_set_t) 1 << ((n) - 1))

/* where fields of a core segment begin, in bits */

enum {
    AT_VERSION = 0, AT_UPDATED = 42, AT_LANGUAGE = 108, AT_POLICY = 132,
    AT_LOCAL = 138, AT_COUNTRY = 201, AT_MAX = 213, AT_ENTRIES = 230,
    AT_FIRST = 243, AT_LAST = 276, AT_RESTRICTIONS = 326, AT_PURPOSE = 338,
    AT_TYPE = 344
};


static const uint16_t  asked[] = { 3, 22, 26, 755, 4, 0, 65535 };

#define NASKED  (sizeof(asked) / sizeof(asked[0]))


static cg_tcf_e
parse(cg_tcf_t *t, cg_str_t text)
{
    cg_tcf_e   e;
    cg_str_t   copy;
    uint8_t   *data;

    /* of the exact size, for AddressSanitizer to watch its ends */

    data = malloc(text.len + (text.len == 0));
    assert_non_null(data);

    copy = (cg_str_t) { text.len, data };
    memcpy(data, text.data, text.len);

    e = cg_tcf_parse(t, copy, asked, NASKED);

    free(data);

    return e;
}


static cg_tcf_e
error_of(cg_str_t text)
{
    cg_tcf_t  t;

    return parse(&t, text);
}


/* A string whose `n` bits from `at` on are `value`, and then `rest`. */

static cg_tcf_e
altered(const char *core, size_t at, size_t n, unsigned value,
    const char *rest)
{
    int          six, mask;
    char         text[256];
    size_t       bit;
    const char  *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu"
                            "vwxyz0123456789-_";

    assert_true(at + n <= strlen(core) * 6);
    assert_true(strlen(core) + strlen(rest) < sizeof(text));

    strcpy(text, core);
    strcat(text, rest);

    for (size_t i = 0; i < n; i++) {
        bit = at + n - 1 - i;
        mask = 0x20 >> bit % 6;
        six = (int) (strchr(alphabet, text[bit / 6]) - alphabet);
        six = value >> i & 1 ? six | mask : six & ~mask;
        text[bit / 6] = alphabet[six];
    }

    return error_of((cg_str_t) { strlen(text), (uint8_t *) text });
}


static const cg_tcf_vendor_t *
vendor(const cg_tcf_t *t, uint16_t id)
{
    for (size_t i = 0; i < t->nvendors; i++) {
        if (t->vendors[i].id == id) {
            return &t->vendors[i];
        }
    }

    fail();
    return NULL;
}


static void
test_a_string_is_read_as_it_was_made(void **state)
{
    cg_tcf_t  t;

    (void) state;

    assert_int_equal(parse(&t, cg_str(WHOLE)), CG_TCF_OK);

    assert_int_equal(t.created, WHOLE_DAY);
    assert_int_equal(t.updated, WHOLE_DAY);
    assert_int_equal(t.cmp, 31);
    assert_int_equal(t.cmp_version, 7);
    assert_memory_equal(t.language, "EN", 2);
    assert_memory_equal(t.publisher_country, "AA", 2);
    assert_int_equal(t.list_version, 177);
    assert_int_equal(t.policy, 5);
    assert_int_equal(t.consents, P(1) | P(7) | P(8));
    assert_int_equal(t.interests, 0);
    assert_true(t.has_disclosed && t.has_publisher && !t.has_allowed);
    assert_int_equal(t.publisher_consents, P(1) | P(7));
    assert_int_equal(t.nvendors, NASKED);
}


static void
test_vendors_of_ranges_and_of_fields(void **state)
{
    cg_tcf_t  t;

    (void) state;

    assert_int_equal(parse(&t, cg_str(WHOLE)), CG_TCF_OK);
    assert_true(vendor(&t, 3)->consent);
    assert_true(vendor(&t, 22)->consent);
    assert_true(vendor(&t, 755)->consent);
    assert_false(vendor(&t, 26)->consent);
    assert_false(vendor(&t, 4)->consent);
    assert_true(vendor(&t, 4)->disclosed);
    assert_false(vendor(&t, 26)->disclosed);
    assert_false(vendor(&t, 0)->consent);
    assert_int_equal(vendor(&t, 3)->barred, P(7));
    assert_int_equal(vendor(&t, 755)->barred, P(4));

    assert_int_equal(parse(&t, cg_str(FIELD)), CG_TCF_OK);
    assert_int_equal(t.updated, FIELD_DAY);
    assert_true(vendor(&t, 3)->consent);
    assert_false(vendor(&t, 22)->consent);
    assert_false(vendor(&t, 65535)->consent);
    assert_false(vendor(&t, 0)->consent);
}


static void
test_each_error_has_its_name(void **state)
{
    uint8_t  text[CG_MAX_TCF + 1];

    (void) state;

    memset(text, 'A', sizeof(text));

    assert_int_equal(error_of(cg_str("")), CG_TCF_EMPTY);
    assert_int_equal(error_of((cg_str_t) { CG_MAX_TCF + 1, text }),
                     CG_TCF_TOO_LONG);
    assert_int_equal(error_of((cg_str_t) { CG_MAX_TCF, text }),
                     CG_TCF_VERSION);
    assert_int_equal(error_of(cg_str("CQ+PXIAQ")), CG_TCF_BASE64);
    assert_int_equal(error_of(cg_str("CQuPX")), CG_TCF_TRUNCATED);
    assert_int_equal(error_of(cg_str("CQuPXI==")), CG_TCF_BASE64);
    assert_int_equal(error_of(cg_str("BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA")),
                     CG_TCF_VERSION);
    assert_int_equal(error_of(cg_str(".")), CG_TCF_TRUNCATED);
    assert_int_equal(error_of(cg_str(CORE ".")), CG_TCF_TRUNCATED);
    assert_int_equal(error_of(cg_str(CORE)), CG_TCF_UNDISCLOSED);
    assert_int_equal(error_of(cg_str(CORE TOLD TOLD)), CG_TCF_SEGMENT);
    assert_int_equal(error_of(cg_str(WHOLE ".gAAA")), CG_TCF_SEGMENT);
    assert_int_equal(error_of(cg_str(WHOLE ".AAAA")), CG_TCF_SEGMENT);

    for (int i = 0; i < CG_TCF_ERRORS; i++) {
        assert_true(cg_tcf_error((cg_tcf_e) i).len > 0);
    }

    assert_int_equal(cg_tcf_error(CG_TCF_ERRORS).len, 0);
}


static void
test_bits_that_must_not_be(void **state)
{
    (void) state;

    assert_int_equal(altered(FIELD, 0, 6, 2, ""), CG_TCF_OK);
    assert_int_equal(altered(FIELD, AT_VERSION, 6, 3, ""), CG_TCF_VERSION);
    assert_int_equal(altered(FIELD, AT_POLICY, 6, 3, ""), CG_TCF_POLICY);
    assert_int_equal(altered(FIELD, AT_POLICY, 6, 5, ""), CG_TCF_OK);
    assert_int_equal(altered(FIELD, AT_POLICY, 6, 6, ""), CG_TCF_POLICY);
    assert_int_equal(altered(FIELD, AT_LOCAL, 1, 0, ""), CG_TCF_GLOBAL);
    assert_int_equal(altered(FIELD, AT_LANGUAGE, 6, 26, ""), CG_TCF_LETTER);
    assert_int_equal(altered(FIELD, AT_COUNTRY + 6, 6, 63, ""),
                     CG_TCF_LETTER);
    assert_int_equal(altered(FIELD, AT_MAX, 16, 65535, ""),
                     CG_TCF_TRUNCATED);

    assert_int_equal(altered(CORE, AT_FIRST, 16, 0, TOLD), CG_TCF_RANGE);
    assert_int_equal(altered(CORE, AT_LAST, 16, 19, TOLD), CG_TCF_RANGE);
    assert_int_equal(altered(CORE, AT_LAST, 16, 756, TOLD), CG_TCF_RANGE);
    assert_int_equal(altered(CORE, AT_LAST, 16, 755, TOLD), CG_TCF_OK);
    assert_int_equal(altered(CORE, AT_PURPOSE, 6, 0, TOLD),
                     CG_TCF_RESTRICTION);
    assert_int_equal(altered(CORE, AT_PURPOSE, 6, 25, TOLD),
                     CG_TCF_RESTRICTION);
    assert_int_equal(altered(CORE, AT_TYPE, 2, 3, TOLD), CG_TCF_RESTRICTION);
    assert_int_equal(altered(CORE, AT_RESTRICTIONS, 12, 4095, TOLD),
                     CG_TCF_RESTRICTION);
}


static void
test_a_string_cut_short_is_refused(void **state)
{
    size_t    len;

    (void) state;

    /* the last bits are only there to fill up */

    for (len = 1; len < sizeof(FIELD) - 2; len++) {
        assert_int_equal(error_of((cg_str_t) { len, (uint8_t *) FIELD }),
                         CG_TCF_TRUNCATED);
    }
}


/* Disclosed vendors are mandatory from 2026-03-01 on, by the string's date. */

static void
test_the_day_of_disclosure(void **state)
{
    unsigned  tenths;

    (void) state;

    /* of a number of 36 bits the lower 32 */

    tenths = (unsigned) ((CG_TCF_DISCLOSE * (uint64_t) 10) & UINT32_MAX);

    assert_int_equal((CG_TCF_DISCLOSE * (uint64_t) 10) >> 32,
                     (WHOLE_DAY * (uint64_t) 10) >> 32);
    assert_int_equal(altered(CORE, AT_UPDATED + 4, 32, tenths - 1, ""),
                     CG_TCF_OK);
    assert_int_equal(altered(CORE, AT_UPDATED + 4, 32, tenths, ""),
                     CG_TCF_UNDISCLOSED);
    assert_int_equal(altered(CORE, AT_UPDATED + 4, 32, tenths, TOLD),
                     CG_TCF_OK);
}


static cg_purposes_t
granted(cg_str_t text, cg_tcf_map_t map, int64_t now)
{
    cg_tcf_t  t;

    assert_int_equal(cg_tcf_parse(&t, text, &map.vendor, 1), CG_TCF_OK);

    return cg_tcf_granted(&t, &map, 1, now);
}


static void
test_what_a_string_grants(void **state)
{
    static const struct {
        cg_tcf_map_t  map;
        bool          granted;
    } rows[] = {
        { { P(7), 0, false }, true },
        { { P(1) | P(7) | P(8), 0, false }, true },
        { { P(7) | P(9), 0, false }, false },          /* each is needed */
        { { P(9), 0, false }, false },
        { { 0, 0, false }, false },                    /* nothing is mapped */
        { { 0, 3, false }, false },
        { { P(8), 3, false }, true },
        { { P(7), 3, false }, false },                 /* restricted */
        { { P(7), 22, false }, true },
        { { P(7), 4, false }, false },                 /* disclosed, no more */
        { { P(7), 26, false }, false },
        { { P(7), 65535, false }, false },
        { { P(7), 0, true }, true },
        { { P(8), 0, true }, false },                  /* not the publisher's */
    };

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(granted(cg_str(WHOLE), rows[i].map, WHOLE_DAY),
                         rows[i].granted);
    }

    assert_int_equal(granted(cg_str(FIELD),
                             (cg_tcf_map_t) { P(7), 0, true }, FIELD_DAY), 0);
    assert_int_equal(granted(cg_str(FIELD),
                             (cg_tcf_map_t) { P(7), 3, false }, FIELD_DAY), 1);
}


/* FIELD has vendors 1 and 3 consented; told of is none of two, then 1. */

static void
test_a_vendor_that_was_not_disclosed(void **state)
{
    (void) state;

    assert_int_equal(granted(cg_str(FIELD ".IABA"),
                             (cg_tcf_map_t) { P(7), 3, false }, FIELD_DAY), 0);
    assert_int_equal(granted(cg_str(FIELD ".IABI"),
                             (cg_tcf_map_t) { P(7), 1, false }, FIELD_DAY), 1);
}


static void
test_a_string_has_its_time(void **state)
{
    const cg_tcf_map_t  map = { P(7), 0, false };
    const int64_t       end = WHOLE_DAY + (int64_t) CG_TCF_LIFE * DAY;

    (void) state;

    assert_int_equal(granted(cg_str(WHOLE), map, end), 1);
    assert_int_equal(granted(cg_str(WHOLE), map, end + 1), 0);
    assert_int_equal(granted(cg_str(WHOLE), map, WHOLE_DAY - DAY), 1);
    assert_int_equal(granted(cg_str(WHOLE), map, WHOLE_DAY - DAY - 1), 0);
    assert_int_equal(granted(cg_str(WHOLE), map, 0), 0);
    assert_int_equal(granted(cg_str(WHOLE), map, INT64_MAX - DAY), 0);
}


static void
test_the_purposes_are_numbered_by_their_place(void **state)
{
    cg_tcf_t      t;
    cg_tcf_map_t  maps[CG_MAX_PURPOSES] = { { 0, 0, false } };

    (void) state;

    maps[1].purposes = P(1);
    maps[2].purposes = P(2);
    maps[15].purposes = P(8);

    assert_int_equal(parse(&t, cg_str(WHOLE)), CG_TCF_OK);
    assert_int_equal(cg_tcf_granted(&t, maps, CG_MAX_PURPOSES, WHOLE_DAY),
                     1 << 1 | 1 << 15);
    assert_int_equal(cg_tcf_granted(&t, maps, 2, WHOLE_DAY), 1 << 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_string_is_read_as_it_was_made),
        cmocka_unit_test(test_vendors_of_ranges_and_of_fields),
        cmocka_unit_test(test_each_error_has_its_name),
        cmocka_unit_test(test_bits_that_must_not_be),
        cmocka_unit_test(test_a_string_cut_short_is_refused),
        cmocka_unit_test(test_the_day_of_disclosure),
        cmocka_unit_test(test_what_a_string_grants),
        cmocka_unit_test(test_a_vendor_that_was_not_disclosed),
        cmocka_unit_test(test_a_string_has_its_time),
        cmocka_unit_test(test_the_purposes_are_numbered_by_their_place),
    };

    return cmocka_run_group_tests_name("tcf", tests, NULL, NULL);
}
