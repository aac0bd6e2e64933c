/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_anonymizer.h"


/* The names stand in logs and headers, their order says which is named. */

static void
test_names_are_stable(void **state)
{
    static const char  *names[CG_ANONYMIZERS] = {
        "", "anonymous", "hosting", "relay", "proxy", "residential_proxy",
        "vpn", "tor"
    };
    cg_str_t  name;

    (void) state;

    for (size_t i = 0; i < CG_ANONYMIZERS; i++) {
        name = cg_anonymizer_name((cg_anonymizer_e) i);

        assert_int_equal(name.len, strlen(names[i]));
        assert_memory_equal(name.data, names[i], name.len);
        assert_int_equal(cg_anonymizer_parse(name), i);
    }

    assert_int_equal(cg_anonymizer_name(CG_ANONYMIZERS).len, 0);
    assert_int_equal(cg_anonymizer_name((cg_anonymizer_e) 255).len, 0);
}


static void
test_what_is_no_name(void **state)
{
    static const char  *names[] = {
        "", "VPN", "vp", "vpnx", " vpn", "residential", "none", "datacenter"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(cg_anonymizer_parse((cg_str_t) {
                             strlen(names[i]), (const uint8_t *) names[i] }),
                         CG_ANONYMIZER_NONE);
    }
}


static void
test_what_stands_for_a_country(void **state)
{
    (void) state;

    assert_int_equal(cg_anonymizer_of(CG_CC_TOR), CG_ANONYMIZER_TOR);
    assert_int_equal(cg_anonymizer_of(CG_CC_ANONYMIZER),
                     CG_ANONYMIZER_ANONYMOUS);
    assert_int_equal(cg_anonymizer_of(cg_cc("DE")), CG_ANONYMIZER_NONE);
    assert_int_equal(cg_anonymizer_of(CG_CC_UNKNOWN), CG_ANONYMIZER_NONE);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_names_are_stable),
        cmocka_unit_test(test_what_is_no_name),
        cmocka_unit_test(test_what_stands_for_a_country)
    };

    return cmocka_run_group_tests_name("anonymizer", tests, NULL, NULL);
}
