/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_SCAN_H
#define CTL_SCAN_H

#include "ctl.h"


/*
 * Every record of every master, a page at a time: memory does not grow with
 * their number. A record may come twice, as SCAN says.
 */

/* Rows for a table of options, with a comma behind. */
#define CTL_RATE_OPTION                                                      \
    { "rate", "NUMBER",                                                      \
      "at most so many records in a second, to spare\n"                      \
      "Redis" }

typedef struct {
    uint64_t  max;          /* records in a second; 0: as fast as it goes */
    uint64_t  done;
    struct timespec  start;
} ctl_rate_t;

ctl_exit_e ctl_rate_open(ctl_t *ctl, ctl_rate_t *rate);
/* Waits as long as `n` records more have to. */
void ctl_rate_wait(ctl_rate_t *rate, size_t n);

/*
 * Called with the key of a record and the values of `fields`, an array of so
 * many replies. What it does not return CTL_OK for ends the scan.
 */
typedef ctl_exit_e (*ctl_record_pt)(ctl_t *ctl, cg_str_t key,
    const redisReply *values, void *data);

ctl_exit_e ctl_scan_records(ctl_t *ctl, size_t nfields, const cg_str_t *fields,
    ctl_record_pt each, void *data);

/* Adds HMGET key fields... to a batch. */
ctl_exit_e ctl_batch_hmget(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key,
    size_t nfields, const cg_str_t *fields);


/* ctl_policies.c: what is published. */

typedef struct {
    size_t       n;
    char         names[CG_MAX_DOCUMENTS][CG_MAX_NAME + 1];
    cg_policies_t  policies;     /* docs[0] to docs[n - 1] */
} ctl_policies_t;

/*
 * Reads the policy hash. A field that is malformed ends it: what it asks for
 * is not known. None at all is CTL_ABSENT, reported unless `empty` is true.
 */
ctl_exit_e ctl_policies_load(ctl_t *ctl, ctl_policies_t *p, bool empty);
/* The number of a document, or -1. */
int ctl_policies_find(const ctl_policies_t *p, const char *name);


#endif /* CTL_SCAN_H */
