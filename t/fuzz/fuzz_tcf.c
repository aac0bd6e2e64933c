/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * TC strings: whatever comes in the cookie is an error or a string whose
 * parts are in their ranges, and only what is mapped is ever granted.
 */

#include <stdlib.h>

#include "cg_tcf.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)

#define ALL  (((cg_tcf_set_t) 1 << CG_TCF_PURPOSES) - 1)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_granted(const cg_tcf_t *t)
{
    const cg_tcf_map_t  maps[] = {
        { 1, 0, false }, { 0, 1, false }, { ALL, 2, false }, { 2, 755, true }
    };
    cg_purposes_t       granted;

    granted = cg_tcf_granted(t, maps, 4, t->updated);

    require((granted & 2) == 0 && granted < 16);
    require(!(granted & 1) || (t->consents & 1));
    require(!(granted & 8) || t->has_publisher);
    require(cg_tcf_granted(t, maps, 4, t->updated - 86401) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_str_t        s = { size, data };
    cg_tcf_t        t;
    cg_tcf_e        error;
    const uint16_t  vendors[] = { 1, 2, 755, CG_TCF_MAX_VENDOR };

    error = cg_tcf_parse(&t, s, vendors, 4);

    require(cg_tcf_error(error).len != 0);

    if (error != CG_TCF_OK) {
        return 0;
    }

    require(size > 0 && size <= CG_MAX_TCF);
    require(t.policy >= CG_TCF_POLICY_MIN && t.policy <= CG_TCF_POLICY_MAX);
    require(t.updated < CG_TCF_DISCLOSE || t.has_disclosed);
    require(((t.consents | t.interests | t.publisher_consents) & ~ALL) == 0);
    require(t.ncustom < 64 && t.nvendors == 4);

    fuzz_granted(&t);

    return 0;
}
