/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_GRANT_H
#define CG_GRANT_H

#include "cg_str.h"


#define CG_MAX_GRANT  40        /* bytes of "client|tracking" */


/* What Redis does not permit, by the words of its error reply. */

typedef enum {
    CG_GRANT_NONE = 0,          /* the error is about something else */
    CG_GRANT_COMMAND,           /* it is named */
    CG_GRANT_KEY,
    CG_GRANT_CHANNEL,
    CG_GRANT_SCRIPT,            /* a command of a script, it is not said which */
    CG_GRANT_OTHER
} cg_grant_e;

/*
 * Reads an error reply without its '-'. For CG_GRANT_COMMAND `*command` is a
 * part of it: 1 to CG_MAX_GRANT of the characters a-z, '|', '-', '_', '.',
 * fit for an ACL rule.
 */
cg_grant_e cg_grant_parse(cg_str_t error, cg_str_t *command);

#endif /* CG_GRANT_H */
