/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_EXPORT_H
#define CG_EXPORT_H

#include "cg_subject.h"


/*
 * A subject's copy of what is kept of it: JSON of a version of its own, which
 * docs/export.schema.json describes. What an older or newer gate has written
 * is in it too, so that nothing is left out.
 */

#define CG_EXPORT_FORMAT   "consent-gate-export"
#define CG_EXPORT_VERSION  1

/*
 * Appends the object "record" of the fields and values of a hash, `n` pairs
 * of them. A value that is not what its field should be is in "other", as it
 * stands.
 */
void cg_export_record(cg_out_t *out, const cg_str_t *pairs, size_t n);
/* The bytes that a record of such pairs takes at most. */
size_t cg_export_record_size(const cg_str_t *pairs, size_t n);

/* Appends the object "subject"; null without one. */
void cg_export_subject(cg_out_t *out, cg_subject_e kind,
    const cg_pseudonym_t *p);

/*
 * Whether the body of an event may be one of this subject's, by a look at its
 * bytes: false is certain, true has to be made sure of.
 */
bool cg_export_may_be(cg_str_t body, const cg_pseudonym_t *p);

#endif /* CG_EXPORT_H */
