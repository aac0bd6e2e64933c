/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cg_grant.h"


/* Of Redis 6.0, 7.0, 7.2 and Valkey 8, as seen. */

static const struct {
    const char  *error;
    cg_grant_e   what;
    const char  *command;
} cases[] = {

    { "NOPERM this user has no permissions to run the 'get' command or its "
      "subcommand", CG_GRANT_COMMAND, "get" },
    { "NOPERM this user has no permissions to run the 'client|id' command",
      CG_GRANT_COMMAND, "client|id" },
    { "NOPERM User gate has no permissions to run the 'hmget' command",
      CG_GRANT_COMMAND, "hmget" },
    { "ERR ACL failure in script: User gate has no permissions to run the "
      "'xadd' command script: 01ab, on @user_script:79.",
      CG_GRANT_COMMAND, "xadd" },
    { "ERR Error running script (call to f_01ab): @user_script:1: NOPERM this "
      "user has no permissions to run the 'hset' command or its subcommand",
      CG_GRANT_COMMAND, "hset" },

    { "NOPERM this user has no permissions to access one of the keys used as "
      "arguments", CG_GRANT_KEY, NULL },
    { "NOPERM No permissions to access a key", CG_GRANT_KEY, NULL },
    { "NOPERM User gate has no permissions to access the 'a' key",
      CG_GRANT_KEY, NULL },
    { "ERR The user executing the script can't access at least one of the "
      "keys mentioned in the command arguments", CG_GRANT_KEY, NULL },
    { "NOPERM this user has no permissions to access one of the channels used "
      "as arguments", CG_GRANT_CHANNEL, NULL },
    { "NOPERM No permissions to access a channel", CG_GRANT_CHANNEL, NULL },

    { "ERR The user executing the script can't run this command or subcommand "
      "script: e3fd, on @user_script:1.", CG_GRANT_SCRIPT, NULL },
    { "NOPERM", CG_GRANT_OTHER, NULL },

    { "", CG_GRANT_NONE, NULL },
    { "ERR unknown command", CG_GRANT_NONE, NULL },
    { "WRONGTYPE Operation against a key holding the wrong kind of value",
      CG_GRANT_NONE, NULL },
    { "OOM command not allowed when used memory > 'maxmemory'.",
      CG_GRANT_NONE, NULL },

    /* no name that is fit for a rule */
    { "NOPERM to run the '", CG_GRANT_OTHER, NULL },
    { "NOPERM to run the ''", CG_GRANT_OTHER, NULL },
    { "NOPERM to run the 'get", CG_GRANT_OTHER, NULL },
    { "NOPERM to run the 'GET x'", CG_GRANT_OTHER, NULL },
    { "NOPERM to run the 'a +@all'", CG_GRANT_OTHER, NULL },
    { "NOPERM to run the 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
      CG_GRANT_COMMAND, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    { "NOPERM to run the 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
      CG_GRANT_OTHER, NULL }
};


static void
test_replies(void **state)
{
    size_t    i;
    cg_str_t  error, command;

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        error.len = strlen(cases[i].error);
        error.data = (const uint8_t *) cases[i].error;

        print_message("%s\n", cases[i].error);
        assert_int_equal(cg_grant_parse(error, &command), cases[i].what);

        if (cases[i].command) {
            assert_int_equal(command.len, strlen(cases[i].command));
            assert_memory_equal(command.data, cases[i].command, command.len);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_replies)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
