/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef FUZZ_CTL_H
#define FUZZ_CTL_H

/* A consentctl without a main(): the presets, keys, and nobody who reads. */

#include <stdlib.h>

#include "ctl.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static inline void
fuzz_ctl_init(ctl_t *ctl)
{
    int       i;
    unsigned  line;

    memset(ctl, 0, sizeof(ctl_t));

    for (i = 0; i < CTL_SETTINGS; i++) {
        if (ctl_settings[i].preset != NULL) {
            ctl->setting[i] = strdup(ctl_settings[i].preset);
            require(ctl->setting[i] != NULL);
        }
    }

    free(ctl->setting[CTL_CHECKPOINTS]);
    ctl->setting[CTL_CHECKPOINTS] = strdup("/nonexistent/checkpoints");

    require(cg_keys_parse(&ctl->keys, cg_str(
        "subject 000102030405060708090a0b0c0d0e0f\n"
        "subject-previous 101112131415161718191a1b1c1d1e1f\n"
        "sign k1 202122232425262728292a2b2c2d2e2f\n"
        "sign k 303132333435363738393a3b3c3d3e3f\n"), &line) == NULL);
    ctl->has_keys = true;
    ctl->quiet = true;

    /* glibc lets them be set; libFuzzer has its own by now */

    stdout = fopen("/dev/null", "w");
    stderr = fopen("/dev/null", "w");
    require(stdout != NULL && stderr != NULL);
}

#endif /* FUZZ_CTL_H */
