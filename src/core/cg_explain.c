/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_explain.h"


static const cg_str_t  cg_step_names[CG_STEPS] = {
    cg_str("free"),
    cg_str("place"),
    cg_str("subresource"),
    cg_str("store"),
    cg_str("age"),
    cg_str("documents"),
    cg_str("cross_site"),
    cg_str("notice"),
    cg_str("purposes")
};


static const cg_str_t  cg_step_questions[CG_STEPS] = {
    cg_str("Is the gate off, or the request one that it never asks?"),
    cg_str("Is the visitor outside of the territory?"),
    cg_str("Is it a part of a page?"),
    cg_str("Did the store fail to tell what is on record?"),
    cg_str("Is the visitor under age, or of unknown age?"),
    cg_str("Is a required document not accepted?"),
    cg_str("Is it a POST from another site that could not bring a cookie?"),
    cg_str("Is a document accepted in an older version that still counts?"),
    cg_str("Is a required purpose not granted?")
};


static const cg_str_t  cg_answer_names[] = {
    cg_str("not_asked"),
    cg_str("no"),
    cg_str("yes")
};


static const cg_str_t  cg_evidence_names[CG_EVIDENCES] = {
    cg_str("nothing"),
    cg_str("outside"),
    cg_str("pass"),
    cg_str("cancelled"),
    cg_str("inside")
};


static const cg_str_t  cg_action_names[] = {
    cg_str("pass"),
    cg_str("redirect"),
    cg_str("html"),
    cg_str("problem"),
    cg_str("html_unavailable"),
    cg_str("problem_unavailable")
};


static const cg_str_t  cg_action_texts[] = {
    cg_str("goes on"),
    cg_str("302 to the page"),
    cg_str("403 with a page"),
    cg_str("403 with JSON"),
    cg_str("503 with a page"),
    cg_str("503 with JSON")
};


static const cg_str_t  cg_lookup_names[] = {
    cg_str("none"),
    cg_str("found"),
    cg_str("absent"),
    cg_str("failed")
};


static const cg_str_t  cg_mode_names[] = {
    cg_str("off"),
    cg_str("on"),
    cg_str("report")
};


cg_define_name(cg_step_name, cg_step_e, cg_step_names)
cg_define_name(cg_step_question, cg_step_e, cg_step_questions)
cg_define_name(cg_answer_name, cg_answer_e, cg_answer_names)
cg_define_name(cg_evidence_name, cg_evidence_e, cg_evidence_names)
cg_define_name(cg_action_name, cg_action_e, cg_action_names)
cg_define_name(cg_action_text, cg_action_e, cg_action_texts)
cg_define_name(cg_lookup_name, cg_lookup_e, cg_lookup_names)
cg_define_name(cg_mode_name, cg_mode_e, cg_mode_names)


void
cg_explain_steps(const cg_trace_t *trace, cg_out_t *out)
{
    cg_out_str(out, cg_str("["));

    for (unsigned i = 0; i < CG_STEPS; i++) {
        cg_out_str(out, i ? cg_str(",{\"step\":") : cg_str("{\"step\":"));
        cg_out_json(out, cg_step_name(i));
        cg_out_str(out, cg_str(",\"question\":"));
        cg_out_json(out, cg_step_question(i));
        cg_out_str(out, cg_str(",\"answer\":"));
        cg_out_json(out, cg_answer_name(trace->answers[i]));
        cg_out_str(out, cg_str(",\"decides\":"));
        cg_out_str(out, trace->decided == i ? cg_str("true")
                                            : cg_str("false"));
        cg_out_str(out, cg_str("}"));
    }

    cg_out_str(out, cg_str("]"));
}


void
cg_explain_evidence(const cg_trace_t *trace, cg_out_t *out)
{
    cg_out_str(out, cg_str("["));

    for (unsigned i = CG_SOURCE_ADDRESS; i < CG_SOURCE_OVERRIDE; i++) {
        cg_out_str(out, i ? cg_str(",{\"source\":") : cg_str("{\"source\":"));
        cg_out_json(out, cg_source_name(i));
        cg_out_str(out, cg_str(",\"says\":"));
        cg_out_json(out, cg_evidence_name(trace->evidence[i]));
        cg_out_str(out, cg_str(",\"counts\":"));
        cg_out_str(out, trace->source == i ? cg_str("true")
                                           : cg_str("false"));
        cg_out_str(out, cg_str("}"));
    }

    cg_out_str(out, cg_str("]"));
}
