/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl.h"


/* What the rows of the table of commands run, and their options. */

ctl_exit_e ctl_policy_list(ctl_t *ctl, int argc, char **argv);
ctl_exit_e ctl_link(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_link_options[];

extern const ctl_option_t  ctl_policy_publish_options[];
ctl_exit_e ctl_policy_publish(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_policy_schedule_options[];
ctl_exit_e ctl_policy_schedule(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_subject_options[];
ctl_exit_e ctl_subject_show(ctl_t *ctl, int argc, char **argv);

ctl_exit_e ctl_subject_export(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_subject_erase_options[];
ctl_exit_e ctl_subject_erase(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_subject_residence_options[];
ctl_exit_e ctl_subject_residence(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_pending_options[];
ctl_exit_e ctl_pending(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_stats_options[];
ctl_exit_e ctl_stats(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_doctor_options[];
ctl_exit_e ctl_doctor(ctl_t *ctl, int argc, char **argv);

/*
 * Lets nginx test the configuration at `path`. 0: it takes it; 1: it does not;
 * -1: nginx cannot be started. `line`: what it says of it, or nothing.
 */
int ctl_nginx_test(const char *path, char *line, size_t size);

extern const ctl_option_t  ctl_verify_options[];
ctl_exit_e ctl_verify(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_checkpoint_options[];
ctl_exit_e ctl_checkpoint(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_events_export_options[];
ctl_exit_e ctl_events_export(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_events_trim_options[];
ctl_exit_e ctl_events_trim(ctl_t *ctl, int argc, char **argv);

extern const ctl_option_t  ctl_override_options[];
ctl_exit_e ctl_override(ctl_t *ctl, int argc, char **argv);

#endif /* CTL_COMMANDS_H */
