/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_SLOTS_H
#define NGX_CONSENT_SLOTS_H

#include "../core/cg_slot.h"
#include "ngx_consent_reply.h"


/*
 * What sentinels and the nodes of a cluster tell of where the masters are.
 * Knows nothing of nginx, as ngx_consent_reply.h.
 */

/* A run of slots and its master. */

typedef struct {
    uint16_t  first;
    uint16_t  last;
    uint16_t  port;
    cg_str_t  host;             /* in the reply; empty: who was asked */
} ngx_consent_range_t;

/*
 * The next range of a reply to CLUSTER SLOTS: 1; 0 at the end; -1 when the
 * reply is malformed. *pos is 0 at first.
 */
int ngx_consent_slots_next(const ngx_consent_reply_t *reply, size_t *pos,
    ngx_consent_range_t *range);

/*
 * A reply to SENTINEL GET-MASTER-ADDR-BY-NAME: 1 and host and port; 0: no such
 * master; -1: malformed.
 */
int ngx_consent_master_parse(const ngx_consent_reply_t *reply, cg_str_t *host,
    uint16_t *port);

#endif /* NGX_CONSENT_SLOTS_H */
