/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TAG_H
#define CG_TAG_H

#include "../core/cg_subject.h"


#define CG_TAG_LEN      16      /* bytes by which a subject is known here */
#define CG_TAG_KEY_LEN  16

/*
 * The tag of a visitor under the secret key of a realm and kind: two rounds
 * of a Feistel network, and so no two visitors have the same one. It is no
 * hash that would withstand whoever chooses what goes in, and need not be:
 * the bytes of a visitor are random, drawn by the gate, and come with a MAC.
 * What people choose, the name of an account, is hashed by cg_siphash128().
 */
static inline void
cg_tag_visitor(const uint8_t key[CG_TAG_KEY_LEN],
    const uint8_t id[CG_VISITOR_ID_LEN], uint8_t tag[CG_TAG_LEN])
{
    uint64_t  k[2], v[2], f;

    memcpy(k, key, sizeof(k));
    memcpy(v, id, sizeof(v));

    f = v[0] * (k[0] | 1);
    v[1] ^= f ^ f >> 32;

    f = v[1] * (k[1] | 1);
    v[0] ^= f ^ f >> 32;

    memcpy(tag, v, sizeof(v));
}

#endif /* CG_TAG_H */
