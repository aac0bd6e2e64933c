/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <time.h>

#include "ctl_commands.h"


static ctl_exit_e ctl_policy_show(ctl_t *ctl, json_t *list, cg_str_t name,
    cg_str_t field);
static void ctl_policy_say(ctl_t *ctl, cg_str_t name, const cg_policy_t *p);
static json_t *ctl_policy_json(cg_str_t name, const cg_policy_t *p);


ctl_exit_e
ctl_policy_list(ctl_t *ctl, int argc, char **argv)
{
    size_t       i, len;
    json_t      *list;
    uint8_t      key[CG_MAX_KEY];
    cg_str_t     name;
    redisReply  *reply;
    ctl_exit_e   rc, one;

    if (argc > 1) {
        return ctl_fail(ctl, CTL_USAGE, "one document at most");
    }

    len = ctl_key_policies(ctl, key);
    reply = ctl_expect_hash(ctl, ctl_ask(ctl, (cg_str_t) { len, key },
                                         "HGETALL %b", key, len));
    if (reply == NULL) {
        return ctl->failed;
    }

    list = json_array();
    rc = CTL_OK;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        name = ctl_reply_str(reply->element[i]);

        if (cg_str_eq(name, cg_str("epoch"))
            || (argc == 1 && strcmp(argv[0], reply->element[i]->str) != 0))
        {
            continue;
        }

        one = ctl_policy_show(ctl, list, name,
                              ctl_reply_str(reply->element[i + 1]));
        rc = one != CTL_OK ? one : rc;
    }

    freeReplyObject(reply);

    if (json_array_size(list) == 0) {
        json_decref(list);
        return argc == 1
               ? ctl_fail(ctl, CTL_ABSENT, "no document \"%s\" is published",
                          argv[0])
               : ctl_fail(ctl, CTL_ABSENT, "no document is published: static "
                          "parameters of the configuration are in force");
    }

    one = ctl_put(ctl, json_pack("{s:o}", "documents", list));

    return one != CTL_OK ? one : rc;
}


static ctl_exit_e
ctl_policy_show(ctl_t *ctl, json_t *list, cg_str_t name, cg_str_t field)
{
    const char   *err;
    cg_policy_t   policy;

    err = cg_policy_parse(&policy, field);

    if (err == NULL) {
        ctl_policy_say(ctl, name, &policy);
        json_array_append_new(list, ctl_policy_json(name, &policy));
        return CTL_OK;
    }

    ctl_say(ctl, "%.*s", (int) name.len, name.data);
    ctl_say(ctl, "  malformed: %s", err);
    json_array_append_new(list, json_pack("{s:o, s:s}", "name",
                                          ctl_json_str(name), "malformed",
                                          err));

    return CTL_FOUND;
}


static void
ctl_policy_say(ctl_t *ctl, cg_str_t name, const cg_policy_t *p)
{
    char     when[32];
    bool     later;
    uint8_t  hex[64];

    later = time(NULL) < p->effective;

    ctl_say(ctl, "%.*s", (int) name.len, name.data);
    ctl_say(ctl, "  version    %u", p->version);

    if (later) {
        ctl_say(ctl, "  in force   %u until %s, then %u", p->before,
                ctl_time_text(p->effective, when), p->required);
    } else {
        ctl_say(ctl, "  in force   %u", p->required);
    }

    if (p->title_len > 0) {
        ctl_say(ctl, "  title      %.*s", (int) p->title_len, p->title);
    }

    if (p->url_len > 0) {
        ctl_say(ctl, "  url        %.*s", (int) p->url_len, p->url);
    }

    if (p->has_sha256) {
        cg_out_t  out;

        cg_out_init(&out, hex, sizeof(hex));
        cg_out_hex(&out, p->sha256, sizeof(p->sha256));
        ctl_say(ctl, "  sha256     %.*s", (int) sizeof(hex), hex);
    }
}


static json_t *
ctl_policy_json(cg_str_t name, const cg_policy_t *p)
{
    json_t    *value;
    uint8_t    hex[64];
    cg_out_t   out;

    value = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}",
                      "name", ctl_json_str(name),
                      "version", (json_int_t) p->version,
                      "required", (json_int_t) p->required,
                      "before", (json_int_t) p->before,
                      "effective", (json_int_t) p->effective,
                      "enforced", (json_int_t) cg_policy_enforced(p,
                                                             time(NULL)));

    json_object_set_new(value, "title", ctl_json_str((cg_str_t) {
                            p->title_len, p->title }));
    json_object_set_new(value, "url", ctl_json_str((cg_str_t) {
                            p->url_len, p->url }));

    if (p->has_sha256) {
        cg_out_init(&out, hex, sizeof(hex));
        cg_out_hex(&out, p->sha256, sizeof(p->sha256));
        json_object_set_new(value, "sha256", ctl_json_str((cg_str_t) {
                                sizeof(hex), hex }));
    }

    return value;
}
