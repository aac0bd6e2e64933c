/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl.h"


/* What the rows of the table of commands run, and their options. */

typedef ctl_exit_e ctl_command_run(ctl_t *ctl, int argc, char **argv);

ctl_command_run
    ctl_policy_list, ctl_policy_publish, ctl_policy_schedule,
    ctl_subject_show, ctl_subject_export, ctl_subject_erase,
    ctl_subject_residence, ctl_pending, ctl_checkpoint, ctl_verify,
    ctl_events_export, ctl_events_trim, ctl_link, ctl_override, ctl_stats,
    ctl_doctor;

extern const ctl_option_t
    ctl_policy_publish_options[], ctl_policy_schedule_options[],
    ctl_subject_options[], ctl_subject_erase_options[],
    ctl_subject_residence_options[], ctl_pending_options[],
    ctl_checkpoint_options[], ctl_verify_options[],
    ctl_events_export_options[], ctl_events_trim_options[],
    ctl_link_options[], ctl_override_options[], ctl_stats_options[],
    ctl_doctor_options[];

/*
 * Lets nginx test the configuration at `path`. 0: it takes it; 1: it does not;
 * -1: nginx cannot be started. `line`: what it says of it, or nothing.
 */
int ctl_nginx_test(const char *path, char *line, size_t size);

#endif /* CTL_COMMANDS_H */
