/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PENDING_H
#define CTL_PENDING_H

#include "ctl_scan.h"
#include "ctl_subject.h"


#define CTL_PENDING_BATCH  500     /* subjects that are asked for at once */

/* What is asked for, and of whom it is missing. */

typedef struct {
    ctl_policies_t  policies;
    cg_docs_t       wanted;
    int64_t         now;
    size_t          nfields;
    cg_str_t        fields[CG_FIELD_DOCUMENTS + CG_MAX_DOCUMENTS];
    char            names[CG_MAX_DOCUMENTS][CG_MAX_NAME + 3];   /* "d.terms" */

    uint64_t        subjects;
    uint64_t        pending;
    uint64_t        absent;       /* of these: have no record */
    uint64_t        unreadable;   /* of these: it cannot be read */
    uint64_t        missing[CG_MAX_DOCUMENTS];
    uint64_t        declined[CG_MAX_DOCUMENTS];
} ctl_pending_t;

/*
 * Counts a subject by the reply to HMGET of `fields`. `check` NULL: what is in "k" counts. Returns the documents it has not
 * accepted as far as is enforced.
 */
cg_docs_t ctl_pending_count(ctl_pending_t *p, const redisReply *values,
    const uint8_t *check);
/* Whether the reply to HMGET holds a record at all. */
bool ctl_pending_found(const redisReply *values);
/* The names of documents as an array. */
json_t *ctl_pending_names(const ctl_pending_t *p, cg_docs_t docs);

/* ctl_pending_list.c: those of a list on standard input. */
ctl_exit_e ctl_pending_list(ctl_t *ctl, ctl_pending_t *p);

#endif /* CTL_PENDING_H */
