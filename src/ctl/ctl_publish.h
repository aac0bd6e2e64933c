/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PUBLISH_H
#define CTL_PUBLISH_H

#include "ctl_scan.h"


/* What a new version does to those who have a record. */

typedef struct {
    uint32_t  now;          /* the lowest version that counts, before */
    uint32_t  then;         /* and when the new one is in force */
    uint64_t  subjects;
    uint64_t  accepted;     /* as much as will be required */
    uint64_t  again;        /* passed so far, and will be asked */
    uint64_t  open;         /* are asked already */
    uint64_t  declined;     /* of these, have declined */
} ctl_effect_t;

typedef struct {
    const char    *name;
    bool           schedule;
    bool           exists;
    bool           scan;
    cg_policy_t    old;
    cg_policy_t    policy;
    int64_t        at;              /* when it was worked out */
    ctl_effect_t   effect;
    char          *was;             /* the field as it is; malloc()ed */
    size_t         was_len;
    char           field[CG_MAX_POLICY + 1];
} ctl_publish_t;

/*
 * ctl_publish_fill.c: the new policy, out of the old one and the options, and
 * its field in the words of the directive.
 */
ctl_exit_e ctl_publish_fill(ctl_t *ctl, ctl_publish_t *p);

#endif /* CTL_PUBLISH_H */
