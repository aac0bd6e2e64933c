/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_scan.h"


static ctl_exit_e ctl_policies_fill(ctl_t *ctl, ctl_policies_t *p,
    const redisReply *reply);


ctl_exit_e
ctl_policies_load(ctl_t *ctl, ctl_policies_t *p, bool empty)
{
    size_t       len;
    uint8_t      key[CG_MAX_KEY];
    redisReply  *reply;
    ctl_exit_e   rc;

    memset(p, 0, sizeof(ctl_policies_t));

    len = ctl_key_policies(ctl, key);
    reply = ctl_expect_hash(ctl, ctl_ask(ctl, (cg_str_t) { len, key },
                                         "HGETALL %b", key, len));
    if (reply == NULL) {
        return ctl->failed;
    }

    rc = ctl_policies_fill(ctl, p, reply);
    freeReplyObject(reply);

    if (rc == CTL_OK && p->n == 0 && !empty) {
        rc = ctl_fail(ctl, CTL_ABSENT, "no document is published: static "
                      "parameters of the configuration are in force");
    }

    return rc;
}


int
ctl_policies_find(const ctl_policies_t *p, const char *name)
{
    size_t  i;

    for (i = 0; i < p->n; i++) {
        if (strcmp(p->names[i], name) == 0) {
            return (int) i;
        }
    }

    return -1;
}


static ctl_exit_e
ctl_policies_fill(ctl_t *ctl, ctl_policies_t *p, const redisReply *reply)
{
    size_t       i;
    cg_str_t     name;
    const char  *err;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        name = ctl_reply_str(reply->element[i]);

        if (cg_str_eq(name, cg_str("epoch")) || !cg_name_valid(name)) {
            continue;
        }

        if (p->n == CG_MAX_DOCUMENTS) {
            return ctl_fail(ctl, CTL_REFUSED, "more than %d documents are "
                            "published", CG_MAX_DOCUMENTS);
        }

        err = cg_policy_parse(&p->policies.docs[p->n],
                              ctl_reply_str(reply->element[i + 1]));

        if (err != NULL) {
            return ctl_fail(ctl, CTL_REFUSED, "the policy \"%.*s\" is "
                            "malformed: %s", (int) name.len, name.data, err);
        }

        memcpy(p->names[p->n], name.data, name.len);
        p->names[p->n++][name.len] = '\0';
        p->policies.ndocs = p->n;
    }

    return CTL_OK;
}
