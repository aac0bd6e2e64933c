/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cg_grant.h"


#define require(x)  do { if (!(x)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* A command is a part of the reply, and fit for a rule. */

static void
try(const uint8_t *data, size_t size)
{
    size_t    i;
    cg_str_t  command;

    if (cg_grant_parse((cg_str_t) { size, data }, &command)
        != CG_GRANT_COMMAND)
    {
        return;
    }

    require(command.len > 0 && command.len <= CG_MAX_GRANT);
    require(command.data > data && command.data + command.len < data + size);

    for (i = 0; i < command.len; i++) {
        require(memchr(" +~&@'>\r\n", command.data[i], 8) == NULL);
    }
}


/* As it is, and behind what it takes to come that far. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t  *buf;

    static const char  head[] = "NOPERM no permissions to run the '";

    try(data, size);

    buf = malloc(sizeof(head) - 1 + size);
    require(buf != NULL);

    memcpy(buf, head, sizeof(head) - 1);

    if (size) {
        memcpy(buf + sizeof(head) - 1, data, size);
    }

    try(buf, sizeof(head) - 1 + size);

    free(buf);

    return 0;
}
