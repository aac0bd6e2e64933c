/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl.h"


/* Every key of the store starts with the prefix. */

static void
ctl_key_start(ctl_t *ctl, cg_out_t *out, uint8_t *key)
{
    const char  *prefix;

    prefix = ctl_setting(ctl, CTL_PREFIX);

    cg_out_init(out, key, CG_MAX_KEY);
    cg_out_bytes(out, prefix, strlen(prefix));
}


size_t
ctl_key_policies(ctl_t *ctl, uint8_t *key)
{
    cg_out_t  out;

    ctl_key_start(ctl, &out, key);
    cg_out_str(&out, cg_str("p"));

    return cg_out_len(&out);
}


size_t
ctl_key_bucket(ctl_t *ctl, unsigned bucket, uint8_t *key)
{
    char      tag[8];
    cg_out_t  out;

    snprintf(tag, sizeof(tag), "{%03x}", bucket & (CTL_BUCKETS - 1));

    ctl_key_start(ctl, &out, key);
    cg_out_str(&out, cg_str("a:"));
    cg_out_bytes(&out, tag, 5);

    return cg_out_len(&out);
}


size_t
ctl_key_record(ctl_t *ctl, const cg_pseudonym_t *p, uint8_t *key)
{
    const char  *prefix;

    prefix = ctl_setting(ctl, CTL_PREFIX);

    return cg_subject_key(p, (cg_str_t) { strlen(prefix),
                                          (const uint8_t *) prefix }, 's',
                          key);
}


bool
ctl_key_pseudonym(cg_str_t key, cg_str_t *name)
{
    uint8_t  id[CG_SUBJECT_ID_LEN];

    if (key.len < CG_PSEUDONYM_LEN) {
        return false;
    }

    name->len = CG_PSEUDONYM_LEN;
    name->data = key.data + key.len - CG_PSEUDONYM_LEN;

    return cg_base64url_decode(*name, id) == CG_SUBJECT_ID_LEN;
}
