/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl.h"


/* What the rows of the table of commands run, and their options. */

ctl_exit_e ctl_policy_list(ctl_t *ctl, int argc, char **argv);

#endif /* CTL_COMMANDS_H */
