/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_csv.h"


static cg_str_t
text(const char *s)
{
    return (cg_str_t) { strlen(s), (const uint8_t *) s };
}


/* The fields of a row, joined by '|'. */

static void
expect(const char *line, const char *expected)
{
    char         joined[256];
    size_t       n;
    uint8_t      buf[256];
    cg_str_t     row, field;
    const char  *err;

    row = text(line);
    n = 0;

    do {
        err = cg_csv_next(&row, buf, &field);
        assert_null(err);
        assert_true(n + field.len + 2 < sizeof(joined));

        if (field.len > 0) {
            memcpy(joined + n, field.data, field.len);
        }

        n += field.len;
        joined[n++] = '|';
    } while (row.data != NULL);

    joined[n - 1] = '\0';
    assert_string_equal(joined, expected);
}


static void
test_fields_between_commas(void **state)
{
    (void) state;

    expect("anna", "anna");
    expect("anna,7,x y", "anna|7|x y");
    expect("", "");
    expect(",", "|");
    expect("a,,b,", "a||b|");
    expect(" a , b ", " a | b ");
}


static void
test_quoted_fields(void **state)
{
    (void) state;

    expect("\"anna\"", "anna");
    expect("\"a,b\",c", "a,b|c");
    expect("\"say \"\"hello\"\"\",c", "say \"hello\"|c");
    expect("\"\",\"\"", "|");
    expect("\"\"\"\"", "\"");
}


static void
test_mistakes_are_named(void **state)
{
    size_t    i;
    uint8_t   buf[64];
    cg_str_t  row, field;

    static const struct {
        const char  *row;
        const char  *err;
    } bad[] = {
        { "a\"b", "a quote inside a field" },
        { "\"a", "a quote is not closed" },
        { "\"a\"\"", "a quote is not closed" },
        { "\"", "a quote is not closed" },
        { "\"a\"b", "text behind a closing quote" },
        { "\"a\" ,b", "text behind a closing quote" }
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        row = text(bad[i].row);
        assert_string_equal(cg_csv_next(&row, buf, &field), bad[i].err);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields_between_commas),
        cmocka_unit_test(test_quoted_fields),
        cmocka_unit_test(test_mistakes_are_named)
    };

    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
