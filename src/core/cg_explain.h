/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_EXPLAIN_H
#define CG_EXPLAIN_H

#include "cg_decide.h"


/* Stable tokens; the last two are sentences for people, in English. */

cg_str_t cg_step_name(cg_step_e step);
cg_str_t cg_answer_name(cg_answer_e answer);
cg_str_t cg_evidence_name(cg_evidence_e evidence);
cg_str_t cg_action_name(cg_action_e action);
cg_str_t cg_lookup_name(cg_lookup_e lookup);
cg_str_t cg_mode_name(cg_mode_e mode);
/* The question that a step asks. */
cg_str_t cg_step_question(cg_step_e step);
/* What a client sees of an action. */
cg_str_t cg_action_text(cg_action_e action);

/* The most that one of the following writes. */
#define CG_EXPLAIN_STEPS     1024       /* bytes */
#define CG_EXPLAIN_EVIDENCE  512

/*
 * Append a list of JSON objects: {"step","question","answer","decides"} for
 * each question of the rule, and {"source","says","counts"} for each source.
 */
void cg_explain_steps(const cg_trace_t *trace, cg_out_t *out);
void cg_explain_evidence(const cg_trace_t *trace, cg_out_t *out);

#endif /* CG_EXPLAIN_H */
