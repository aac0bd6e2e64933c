/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include "ctl.h"


/*
 * A file that is there as a whole or not at all: written beside its place,
 * synced, and renamed. Only its owner can read it.
 */

typedef struct {
    const char  *path;
    char        *part;      /* its name until then; NULL: renamed, or none */
    FILE        *file;
    bool         made;      /* it is in its place */
} ctl_output_t;

/* Nothing may be at `path` yet. In any case ctl_output_free() it. */
ctl_exit_e ctl_output_open(ctl_t *ctl, ctl_output_t *out, const char *path);
ctl_exit_e ctl_output_write(ctl_t *ctl, ctl_output_t *out, const void *data,
    size_t len);
/* It is on disk, under its name. */
ctl_exit_e ctl_output_close(ctl_t *ctl, ctl_output_t *out);
/* Removes what is not finished; and what is, unless it is to be kept. */
void ctl_output_free(ctl_output_t *out, bool keep);

#endif /* CTL_OUTPUT_H */
