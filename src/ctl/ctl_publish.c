/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_commands.h"
#include "ctl_publish.h"


static ctl_exit_e ctl_publish_run(ctl_t *ctl, int argc, char **argv,
    bool schedule);
static ctl_exit_e ctl_publish_do(ctl_t *ctl, ctl_publish_t *p);
static ctl_exit_e ctl_publish_old(ctl_t *ctl, ctl_publish_t *p);
static ctl_exit_e ctl_publish_effect(ctl_t *ctl, ctl_publish_t *p);
static ctl_exit_e ctl_publish_count(ctl_t *ctl, cg_str_t key,
    const redisReply *values, void *data);
static void ctl_publish_say(ctl_t *ctl, const ctl_publish_t *p);
static void ctl_publish_say_when(ctl_t *ctl, const ctl_publish_t *p);
static ctl_exit_e ctl_publish_write(ctl_t *ctl, ctl_publish_t *p);
static json_t *ctl_publish_json(const ctl_publish_t *p, bool written);


#define CTL_PUBLISH_OPTIONS                                                  \
    { "version", "NUMBER",                                                   \
      "the new version; a date as 20260101 reads well" },                    \
    { "file", "FILE",                                                        \
      "its text, for its SHA-256, which each answer\n"                       \
      "records" },                                                           \
    { "url", "URL",                                                          \
      "where it can be read, if that changes" },                             \
    { "title", "TEXT",                                                       \
      "its title, if that changes" },                                        \
    { "no-scan", NULL,                                                       \
      "do not count who will be asked" },                                    \
    CTL_RATE_OPTION,                                                         \
    { "dry-run", NULL,                                                       \
      "say what would happen, and change nothing" },                         \
    { "force", NULL,                                                         \
      "take a version that is not above the old one" },                      \
    { "yes", NULL,                                                           \
      "do not ask" }


const ctl_option_t  ctl_policy_publish_options[] = {

    CTL_PUBLISH_OPTIONS,

    { "minor", NULL,
      "a change of no consequence: who has accepted the\n"
      "version before is not asked" },

    { NULL, NULL, NULL }
};


const ctl_option_t  ctl_policy_schedule_options[] = {

    CTL_PUBLISH_OPTIONS,

    { "effective", "DATE",
      "from when on it is required: 2026-01-01, or\n"
      "2026-01-01T12:00:00Z" },

    { "before", "NUMBER",
      "what is required until then; without it what is\n"
      "required now" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_policy_publish(ctl_t *ctl, int argc, char **argv)
{
    return ctl_publish_run(ctl, argc, argv, false);
}


ctl_exit_e
ctl_policy_schedule(ctl_t *ctl, int argc, char **argv)
{
    return ctl_publish_run(ctl, argc, argv, true);
}


static ctl_exit_e
ctl_publish_run(ctl_t *ctl, int argc, char **argv, bool schedule)
{
    ctl_exit_e     rc;
    ctl_publish_t  p;

    if (argc != 1) {
        return ctl_fail(ctl, CTL_USAGE, "name one document");
    }

    memset(&p, 0, sizeof(p));
    p.name = argv[0];
    p.schedule = schedule;
    p.scan = ctl_option(ctl, "no-scan") == NULL;
    p.at = time(NULL);

    rc = ctl_publish_do(ctl, &p);
    free(p.was);

    return rc;
}


static ctl_exit_e
ctl_publish_do(ctl_t *ctl, ctl_publish_t *p)
{
    bool        dry;
    ctl_exit_e  rc;

    dry = ctl_option(ctl, "dry-run") != NULL;

    if ((rc = ctl_publish_old(ctl, p)) != CTL_OK
        || (rc = ctl_publish_fill(ctl, p)) != CTL_OK
        || (rc = ctl_publish_effect(ctl, p)) != CTL_OK)
    {
        return rc;
    }

    ctl_publish_say(ctl, p);

    if (!dry) {
        rc = ctl_confirm(ctl, "Publish it?");

        if (rc == CTL_OK) {
            rc = ctl_publish_write(ctl, p);
        }
    }

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_say(ctl, dry ? "nothing is changed" : "published");

    return ctl_put(ctl, ctl_publish_json(p, !dry));
}


static ctl_exit_e
ctl_publish_old(ctl_t *ctl, ctl_publish_t *p)
{
    size_t        len;
    uint8_t       key[CG_MAX_KEY];
    cg_str_t      name;
    const char   *err;
    redisReply   *reply;
    ctl_exit_e    rc;

    name = (cg_str_t) { strlen(p->name), (const uint8_t *) p->name };

    if (!cg_name_valid(name)) {
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" is no name of a document: "
                        "letters, digits and _, %d at most", p->name,
                        CG_MAX_NAME);
    }

    len = ctl_key_policies(ctl, key);
    reply = ctl_ask(ctl, (cg_str_t) { len, key }, "HGET %b %s", key, len,
                    p->name);

    if (reply == NULL) {
        return ctl->failed;
    }

    rc = CTL_OK;

    if (reply->type == REDIS_REPLY_STRING) {
        p->was_len = (size_t) reply->len;
        p->was = malloc(p->was_len + 1);
        err = cg_policy_parse(&p->old, ctl_reply_str(reply));
        p->exists = err == NULL;

        if (p->was == NULL) {
            freeReplyObject(reply);
            return ctl_fail(ctl, CTL_FAILED, "out of memory");
        }

        memcpy(p->was, reply->str, p->was_len);

        if (err != NULL && ctl_option(ctl, "force") == NULL) {
            rc = ctl_fail(ctl, CTL_REFUSED, "the policy \"%s\" that is "
                          "published is malformed (%s): --force replaces it",
                          p->name, err);
        }
    }

    freeReplyObject(reply);

    return rc;
}


static ctl_exit_e
ctl_publish_effect(ctl_t *ctl, ctl_publish_t *p)
{
    char      name[CG_MAX_NAME + 3];
    cg_str_t  field;

    /* what the configuration requires is not known here: any version */

    p->effect.now = p->exists ? cg_policy_enforced(&p->old, p->at) : 1;
    p->effect.then = p->policy.required;

    if (!p->scan) {
        return CTL_OK;
    }

    field.len = (size_t) snprintf(name, sizeof(name), "d.%s", p->name);
    field.data = (const uint8_t *) name;

    return ctl_scan_records(ctl, 1, &field, ctl_publish_count, &p->effect);
}


static ctl_exit_e
ctl_publish_count(ctl_t *ctl, cg_str_t key, const redisReply *values,
    void *data)
{
    uint64_t       version;
    cg_str_t       value;
    ctl_effect_t  *effect;

    (void) key;

    effect = data;
    effect->subjects++;
    value = ctl_reply_str(values->element[0]);

    if (!cg_parse_uint(value, CG_MAX_VERSION, &version)) {
        version = 0;
        effect->declined += cg_str_eq(value, cg_str("-"));
    }

    if (version >= effect->then) {
        effect->accepted++;

    } else if (version >= effect->now) {
        effect->again++;

    } else {
        effect->open++;
    }

    ctl_progress(ctl, "subjects counted", effect->subjects, 0);

    return CTL_OK;
}


static void
ctl_publish_say(ctl_t *ctl, const ctl_publish_t *p)
{
    char                 when[32];
    const ctl_effect_t  *e;

    e = &p->effect;

    ctl_say(ctl, "%s: %s", p->name, p->field);

    if (p->exists && p->old.effective > p->at && p->policy.effective == 0) {
        ctl_say(ctl, "this replaces version %u, which was announced for %s",
                p->old.required, ctl_time_text(p->old.effective, when));
    }

    ctl_publish_say_when(ctl, p);

    if (!p->scan) {
        return;
    }

    ctl_say(ctl, "of %llu subject%s with a record",
            (unsigned long long) e->subjects, ctl_s(e->subjects));
    ctl_say(ctl, "  %llu pass %s and will be asked again",
            (unsigned long long) e->again,
            p->policy.effective > p->at ? "until then" : "now");
    ctl_say(ctl, "  %llu are asked already; %llu of them have declined",
            (unsigned long long) e->open, (unsigned long long) e->declined);
    ctl_say(ctl, "  %llu have accepted %s already",
            (unsigned long long) e->accepted,
            p->policy.required < p->policy.version ? "what is required"
                                                   : "it");
    ctl_say(ctl, "who has no record is asked in any case");
}


static void
ctl_publish_say_when(ctl_t *ctl, const ctl_publish_t *p)
{
    char  when[32];

    if (p->policy.effective > p->at) {
        ctl_say(ctl, "version %u is required from %s on, %u until then",
                p->policy.required, ctl_time_text(p->policy.effective, when),
                p->policy.before);

    } else if (p->policy.required < p->policy.version) {
        ctl_say(ctl, "version %u is what is new; %u is still what is required",
                p->policy.version, p->policy.required);

    } else if (p->exists) {
        ctl_say(ctl, "version %u is required as soon as it is published, "
                "instead of %u", p->policy.required, p->effect.now);

    } else {
        ctl_say(ctl, "version %u is required as soon as it is published, "
                "instead of what the configuration says", p->policy.required);
        ctl_say(ctl, "it is the first one of \"%s\": only a document that the "
                "configuration names is asked for", p->name);
    }
}


/* Only over what was looked at: somebody else may have published meanwhile. */

static ctl_exit_e
ctl_publish_write(ctl_t *ctl, ctl_publish_t *p)
{
    size_t       len;
    uint8_t      key[CG_MAX_KEY];
    redisReply  *reply;
    ctl_exit_e   rc;

    static const char  script[] =
        "if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then\n"
        "  return 0\n"
        "end\n"
        "redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])\n"
        "return 1\n";

    len = ctl_key_policies(ctl, key);
    reply = ctl_ask(ctl, (cg_str_t) { len, key }, "EVAL %s 1 %b %s %b %s",
                    script, key, len, p->name,
                    p->was != NULL ? p->was : "", p->was_len, p->field);
    reply = ctl_expect(ctl, reply, REDIS_REPLY_INTEGER, "EVAL");

    if (reply == NULL) {
        return ctl->failed;
    }

    rc = reply->integer == 1
         ? CTL_OK
         : ctl_fail(ctl, CTL_REFUSED, "the policy \"%s\" has changed "
                    "meanwhile: look at it and try again", p->name);
    freeReplyObject(reply);

    return rc;
}


static json_t *
ctl_publish_json(const ctl_publish_t *p, bool written)
{
    json_t              *value;
    const ctl_effect_t  *e;

    e = &p->effect;

    value = json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:o}",
                      "document", p->name, "published", (int) written,
                      "field", p->field,
                      "version", (json_int_t) p->policy.version,
                      "required", (json_int_t) p->policy.required,
                      "before", (json_int_t) p->policy.before,
                      "effective", (json_int_t) p->policy.effective,
                      "required_until_now", p->exists
                                            ? json_integer(e->now)
                                            : json_null());

    if (p->scan) {
        json_object_set_new(value, "subjects",
                            json_pack("{s:I, s:I, s:I, s:I, s:I}",
                                      "all", (json_int_t) e->subjects,
                                      "asked_again", (json_int_t) e->again,
                                      "asked_already", (json_int_t) e->open,
                                      "declined", (json_int_t) e->declined,
                                      "accepted", (json_int_t) e->accepted));
    }

    return value;
}
