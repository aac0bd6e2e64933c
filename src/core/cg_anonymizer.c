/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_anonymizer.h"


static const cg_str_t  cg_anonymizer_names[CG_ANONYMIZERS] = {
    cg_str(""),
    cg_str("anonymous"),
    cg_str("hosting"),
    cg_str("relay"),
    cg_str("proxy"),
    cg_str("residential_proxy"),
    cg_str("vpn"),
    cg_str("tor")
};


cg_str_t
cg_anonymizer_name(cg_anonymizer_e kind)
{
    return kind < CG_ANONYMIZERS ? cg_anonymizer_names[kind] : cg_str("");
}


cg_anonymizer_e
cg_anonymizer_parse(cg_str_t name)
{
    cg_anonymizer_e  kind;

    for (kind = CG_ANONYMIZER_ANONYMOUS; kind < CG_ANONYMIZERS; kind++) {
        if (cg_str_eq(name, cg_anonymizer_names[kind])) {
            return kind;
        }
    }

    return CG_ANONYMIZER_NONE;
}


cg_anonymizer_e
cg_anonymizer_of(cg_cc_t cc)
{
    return cc == CG_CC_TOR ? CG_ANONYMIZER_TOR
           : cc == CG_CC_ANONYMIZER ? CG_ANONYMIZER_ANONYMOUS
           : CG_ANONYMIZER_NONE;
}
