/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_MERGE_H
#define CG_MERGE_H

#include "cg_record.h"


/*
 * What an account takes over from the visitor of the browser that it is first
 * seen in. Others may have used the browser: what limits goes over always, a
 * no, a minor, a visit from the EEA; what permits does not, grants and
 * residence never, and a document only if it was accepted in this browser
 * within the hour (`given`) and the account has not declined it.
 */

typedef struct {
    cg_docs_t      accept;
    uint32_t       versions[CG_MAX_DOCUMENTS];  /* of `accept` */
    cg_docs_t      decline;
    cg_purposes_t  refuse;
    uint8_t        minor;           /* years that were not reached; 0: no */
    uint32_t       eea_day;         /* days since 1970; 0: leave it */
} cg_merge_t;

/*
 * Fills `m`; false: there is nothing to take over. `account` is NULL if it has
 * no record. `given` has the versions of documents that were accepted in this
 * browser within the hour, 0: none; the visitor's record must still say so.
 */
bool cg_merge(cg_merge_t *m, const cg_record_t *account,
    const cg_record_t *visitor, const uint32_t given[CG_MAX_DOCUMENTS]);
/* Makes it true of the account's record; `rev` and `event` stay. */
void cg_merge_apply(const cg_merge_t *m, cg_record_t *account);

#endif /* CG_MERGE_H */
