/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_path.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static bool
ambiguous(const char *path)
{
    bool      answer;
    size_t    len = strlen(path);
    uint8_t  *exact = malloc(len + 1);

    /* nothing behind the end may be read */

    assert_non_null(exact);
    exact = realloc(exact, len ? len : 1);
    memcpy(exact, path, len);
    answer = cg_path_ambiguous((cg_str_t) { len, exact });
    free(exact);

    return answer;
}


static void
test_paths_that_mean_one_thing(void **state)
{
    static const char  *paths[] = {
        "", "/", "/a", "/a/b.html", "/a/.well-known/x", "/...", "/.../x",
        "/a..b/c", "/a./b", "/..a", "/.a", "/a;b=c/d", "/a//b", "//", "/%20",
        "/%41%25", "/%", "/%2", "/%5", "/%f2", "/a?b=../..", "/a?b=%2f%5c%2e",
        "/a?\\", "/a?#/../b", "/%c3%a4", "/%250", "/%2g", "/100%25/%2541",
        "/%25", "/%25%25", "/%252", "/%2525", "/a.%41"
    };

    (void) state;

    for (size_t i = 0; i < N(paths); i++) {
        if (ambiguous(paths[i])) {
            fail_msg("%s", paths[i]);
        }
    }
}


static void
test_paths_that_may_mean_two(void **state)
{
    static const char  *paths[] = {
        "/a/..%2fb", "/a/..%2Fb", "/a%2fb", "/a/%2e%2e/b", "/a/%2E./b",
        "/%2e", "/a.%2ehtml", "/a%5cb", "/a/..%5Cb", "/a\\b", "\\", "/..",
        "/a/..", "/a/../b", "/./b", "/a/.", "/a/..;/b", "/a/.;x=1/b", "/..;",
        "/a/..?b", "/..#", "/a/%2f", "/%5c", "/a//../b", "/a#/../b", "/a#",
        "#", "/%252f", "/%25252e", "/a/%255C", "/a/..%3b/b", "/a/.%41",
        "/a/..%09"
    };

    (void) state;

    for (size_t i = 0; i < N(paths); i++) {
        if (!ambiguous(paths[i])) {
            fail_msg("%s", paths[i]);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_paths_that_mean_one_thing),
        cmocka_unit_test(test_paths_that_may_mean_two)
    };

    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
