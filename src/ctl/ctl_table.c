/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_commands.h"


static ctl_exit_e ctl_command_help(ctl_t *ctl, int argc, char **argv);


static const ctl_option_t  ctl_help_own[] = {
    { "table", NULL,
      "each command with its options on a line, for\n"
      "completion" },
    { NULL, NULL, NULL }
};


/* In the order of the help. */

const ctl_command_t  ctl_commands[] = {

    { "policy list", "[DOCUMENT]",
      "what is in force, and what will be",
      "Shows each document of the policy hash as the gate reads it, and what "
      "is wrong\nwith a field that cannot be read.\n\n"
      "  consentctl policy list\n"
      "  consentctl policy list terms --json",
      NULL, ctl_policy_list },

    { "help", "[COMMAND]",
      "this, or all about a command",
      "  consentctl help policy publish",
      ctl_help_own, ctl_command_help },

    { NULL, NULL, NULL, NULL, NULL, NULL }
};


/* The longer name first: "policy list" before a "policy". */

const ctl_command_t *
ctl_command_find(int argc, char **argv, int *words)
{
    size_t                len;
    const ctl_command_t  *c;

    for (*words = 2; *words > 0; (*words)--) {

        if (*words > argc) {
            continue;
        }

        for (c = ctl_commands; c->name != NULL; c++) {
            len = strlen(argv[0]);

            if (*words == 1) {
                if (strcmp(c->name, argv[0]) == 0) {
                    return c;
                }

            } else if (strncmp(c->name, argv[0], len) == 0
                       && c->name[len] == ' '
                       && strcmp(c->name + len + 1, argv[1]) == 0)
            {
                return c;
            }
        }
    }

    return NULL;
}


static ctl_exit_e
ctl_command_help(ctl_t *ctl, int argc, char **argv)
{
    int                   words;
    const ctl_command_t  *command;

    if (ctl_option(ctl, "table") != NULL) {
        ctl_help_table(stdout);
        return CTL_OK;
    }

    if (argc == 0) {
        ctl_help(stdout);
        return CTL_OK;
    }

    command = ctl_command_find(argc, argv, &words);

    if (command == NULL || words != argc) {
        return ctl_fail(ctl, CTL_USAGE, "no command \"%s%s%s\"", argv[0],
                        argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    }

    ctl_help_command(stdout, command);

    return CTL_OK;
}
