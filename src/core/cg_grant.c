/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_grant.h"


/*
 * The replies of Redis 6, 7.0, 7.2 and Valkey (their acl.c and script.c):
 *
 *   NOPERM this user has no permissions to run the 'get' command or its
 *       subcommand
 *   NOPERM this user has no permissions to access one of the keys used as
 *       arguments
 *   NOPERM User gate has no permissions to run the 'client|id' command
 *   NOPERM No permissions to access a channel
 *   ERR The user executing the script can't run this command or subcommand
 *   ERR ACL failure in script: User gate has no permissions to run the 'xadd'
 *       command
 *   ERR Error running script (call to f_...): @user_script:1: ... NOPERM ...
 */

static const uint8_t *cg_grant_find(cg_str_t text, const char *word);
static bool cg_grant_command(cg_str_t text, cg_str_t *command);


cg_grant_e
cg_grant_parse(cg_str_t error, cg_str_t *command)
{
    bool  script;

    script = cg_grant_find(error, "executing the script can't")
             || cg_grant_find(error, "ACL failure in script");

    if (!script && !cg_grant_find(error, "NOPERM")) {
        return CG_GRANT_NONE;
    }

    if (cg_grant_command(error, command)) {
        return CG_GRANT_COMMAND;
    }

    if (cg_grant_find(error, "channel")) {
        return CG_GRANT_CHANNEL;
    }

    if (cg_grant_find(error, " key")) {
        return CG_GRANT_KEY;
    }

    return script ? CG_GRANT_SCRIPT : CG_GRANT_OTHER;
}


static bool
cg_grant_command(cg_str_t text, cg_str_t *command)
{
    size_t          len, left;
    const uint8_t  *name;

    static const char  run[] = "run the '";

    name = cg_grant_find(text, run);

    if (name == NULL) {
        return false;
    }

    name += sizeof(run) - 1;
    left = (size_t) (text.data + text.len - name);

    for (len = 0; len < left && name[len] != '\''; len++) {

        if (len == CG_MAX_GRANT
            || ((name[len] < 'a' || name[len] > 'z')
                && memchr("|-_.", name[len], 4) == NULL))
        {
            return false;
        }
    }

    *command = (cg_str_t) { len, name };

    return len > 0 && len < left;
}


static const uint8_t *
cg_grant_find(cg_str_t text, const char *word)
{
    size_t  i, len;

    len = strlen(word);

    for (i = 0; i + len <= text.len; i++) {
        if (memcmp(text.data + i, word, len) == 0) {
            return text.data + i;
        }
    }

    return NULL;
}
