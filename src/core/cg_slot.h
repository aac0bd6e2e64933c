/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_SLOT_H
#define CG_SLOT_H

#include "cg_str.h"


/*
 * What Redis Cluster has agreed on: which of its slots a key belongs to, and
 * how a node says that another one has it.
 *
 * See https://redis.io/docs/reference/cluster-spec/
 */

#define CG_SLOTS      16384
#define CG_MAX_HOST   253       /* bytes of a name in the DNS */

typedef struct {
    bool      ask;              /* for this once: say ASKING first */
    uint16_t  slot;
    uint16_t  port;             /* never 0 */
    cg_str_t  host;             /* in the text; empty: who was asked */
} cg_redirect_t;

/*
 * The slot of a key: CRC16 (XMODEM) of what is between the first '{' and the
 * next '}', or of the whole key if there is nothing.
 */
uint16_t cg_slot(cg_str_t key);

/*
 * Reads an error reply "MOVED 3999 127.0.0.1:6381" or "ASK ...". An IPv6
 * address has no brackets. False: it is none of the two, or malformed.
 */
bool cg_redirect_parse(cg_redirect_t *r, cg_str_t text);

/*
 * Whether a host, an address or a name, is one that may be used: at most
 * CG_MAX_HOST bytes of letters, digits, '-', '.', '_' and ':'.
 */
bool cg_host_valid(cg_str_t host);

#endif /* CG_SLOT_H */
