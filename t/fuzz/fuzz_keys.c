/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The key file: a parse ends with keys that work, or with a mistake named. */

#include <stdlib.h>

#include "cg_keys.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t       mac[CG_HMAC_LEN];
    unsigned      line;
    cg_str_t      message = cg_str("message");
    cg_keys_t     keys;
    const char   *err;

    err = cg_keys_parse(&keys, (cg_str_t) { size, data }, &line);

    if (err != NULL) {
        require(err[0] != '\0' && line <= size);
        require(keys.subject.ctx == NULL && keys.nsign == 0);
        return 0;
    }

    require(line == 0);
    require(keys.nsign > 0 && keys.nsign <= CG_MAX_SIGN_KEYS);
    require(keys.sign[0].kid_len > 0 && keys.sign[0].kid_len <= CG_MAX_KID);
    require(cg_hmac(&keys.subject, &message, 1, mac));
    require(cg_hmac(&keys.sign[keys.nsign - 1].derived[CG_TOKEN_TYPES - 1],
                    &message, 1, mac));

    cg_keys_free(&keys);

    return 0;
}
