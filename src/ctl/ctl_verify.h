/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_VERIFY_H
#define CTL_VERIFY_H

#include "ctl_proof.h"
#include "ctl_subject.h"


/* One run of verify. */

typedef struct {
    ctl_who_t      who;
    bool           subject;     /* one subject's buckets */
    unsigned       first;       /* buckets, */
    unsigned       last;
    int            previous;    /* and that of its previous key; -1: none */
    ctl_ledger_t   ledger;
    ctl_orphans_t  orphans;
    uint64_t       buckets;     /* that hold events */
    uint64_t       events;
    json_t        *faults;
} ctl_verify_t;

void ctl_verify_fault(ctl_t *ctl, ctl_verify_t *v,
    const ctl_finding_t *finding);

/*
 * ctl_verify_records.c: the record of each subject of a bucket names its last
 * event, which must be there. What came since may be added to `b`.
 */
ctl_exit_e ctl_verify_records(ctl_t *ctl, ctl_bucket_t *b,
    ctl_finding_t *finding);

/* ctl_orphans.c: looks for what orphans follow in all buckets. */
ctl_exit_e ctl_verify_orphans(ctl_t *ctl, ctl_verify_t *v);

#endif /* CTL_VERIFY_H */
