/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_decide.h"


static const cg_str_t  cg_outcome_names[CG_OUTCOMES] = {
    cg_str("pass"),
    cg_str("notice"),
    cg_str("page"),
    cg_str("age_page"),
    cg_str("refuse"),
    cg_str("unavailable")
};


static const cg_str_t  cg_reason_names[CG_REASONS] = {
    cg_str("off"),
    cg_str("subrequest"),
    cg_str("preflight"),
    cg_str("error_page"),
    cg_str("own"),
    cg_str("exempt"),
    cg_str("outside"),
    cg_str("unknown_country"),
    cg_str("receipt"),
    cg_str("store_down"),
    cg_str("under_age"),
    cg_str("age_unconfirmed"),
    cg_str("missing"),
    cg_str("outdated"),
    cg_str("declined"),
    cg_str("cross_site"),
    cg_str("notice"),
    cg_str("purpose"),
    cg_str("accepted")
};


static const cg_str_t  cg_source_names[CG_SOURCES] = {
    cg_str("address"),
    cg_str("residence"),
    cg_str("history"),
    cg_str("anonymizer"),
    cg_str("unknown"),
    cg_str("override")
};


static const cg_str_t  cg_class_names[CG_CLASSES] = {
    cg_str("navigation"),
    cg_str("unsafe"),
    cg_str("api"),
    cg_str("subresource")
};


/* A redirect would turn a POST into a GET, and a script's answer to HTML. */

static const uint8_t  cg_actions[CG_OUTCOMES][CG_CLASSES] = {

    { CG_ACTION_PASS, CG_ACTION_PASS, CG_ACTION_PASS, CG_ACTION_PASS },

    { CG_ACTION_PASS, CG_ACTION_PASS, CG_ACTION_PASS, CG_ACTION_PASS },

    { CG_ACTION_REDIRECT, CG_ACTION_HTML,
      CG_ACTION_PROBLEM, CG_ACTION_PROBLEM },

    { CG_ACTION_REDIRECT, CG_ACTION_HTML,
      CG_ACTION_PROBLEM, CG_ACTION_PROBLEM },

    { CG_ACTION_HTML, CG_ACTION_HTML,
      CG_ACTION_PROBLEM, CG_ACTION_PROBLEM },

    { CG_ACTION_HTML_UNAVAILABLE, CG_ACTION_HTML_UNAVAILABLE,
      CG_ACTION_PROBLEM_UNAVAILABLE, CG_ACTION_PROBLEM_UNAVAILABLE }
};


cg_action_e
cg_action(cg_outcome_e outcome, cg_class_e klass)
{
    return cg_actions[outcome][klass];
}


cg_define_name(cg_outcome_name, cg_outcome_e, cg_outcome_names)
cg_define_name(cg_reason_name, cg_reason_e, cg_reason_names)
cg_define_name(cg_source_name, cg_source_e, cg_source_names)
cg_define_name(cg_class_name, cg_class_e, cg_class_names)
