/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <maxminddb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_commands.h"
#include "ctl_scan.h"


#define CTL_MAX_SKEW   2     /* seconds between our clock and that of Redis */
#define CTL_MAX_MONTH  32    /* days between two checkpoints */


/* What was looked at, and what to do about it. */

typedef enum {
    CTL_CHECK_OK = 0,
    CTL_CHECK_WARN,
    CTL_CHECK_BAD
} ctl_check_e;

typedef struct {
    json_t  *list;
    size_t   wrong;          /* warnings and worse */
} ctl_doctor_t;


static void ctl_doctor_add(ctl_t *ctl, ctl_doctor_t *d, ctl_check_e result,
    const char *what, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
static void ctl_doctor_nginx(ctl_t *ctl, ctl_doctor_t *d);
static void ctl_doctor_keys(ctl_t *ctl, ctl_doctor_t *d);
static void ctl_doctor_database(ctl_t *ctl, ctl_doctor_t *d);
static ctl_exit_e ctl_doctor_redis(ctl_t *ctl, ctl_doctor_t *d);
static ctl_exit_e ctl_doctor_node(ctl_t *ctl, ctl_doctor_t *d,
    ctl_node_t *node);
static void ctl_doctor_version(ctl_t *ctl, ctl_doctor_t *d, const char *node,
    const char *info);
static void ctl_doctor_memory(ctl_t *ctl, ctl_doctor_t *d, const char *node,
    const char *info);
static void ctl_doctor_disk(ctl_t *ctl, ctl_doctor_t *d, const char *node,
    const char *info);
static ctl_exit_e ctl_doctor_clock(ctl_t *ctl, ctl_doctor_t *d,
    ctl_node_t *node);
static ctl_exit_e ctl_doctor_script(ctl_t *ctl, ctl_doctor_t *d,
    ctl_node_t *node);
static void ctl_doctor_policies(ctl_t *ctl, ctl_doctor_t *d);
static void ctl_doctor_checkpoints(ctl_t *ctl, ctl_doctor_t *d);
static bool ctl_info(const char *info, const char *name, char *value,
    size_t size);


static const char *const  ctl_check_names[] = { "ok", "warn", "bad" };


const ctl_option_t  ctl_doctor_options[] = {

    { "geoip", "FILE",
      "the country database, to look at its age" },

    { "max-age", "TIME",
      "how old the database may be (45d)" },

    { "nginx", "FILE",
      "nginx's configuration, to let nginx itself test it" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_doctor(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e    rc;
    ctl_doctor_t  d;

    (void) argc;
    (void) argv;

    d.list = json_array();
    d.wrong = 0;

    ctl_doctor_nginx(ctl, &d);
    ctl_doctor_keys(ctl, &d);
    ctl_doctor_database(ctl, &d);

    rc = ctl_doctor_redis(ctl, &d);

    if (rc == CTL_OK) {
        ctl_doctor_policies(ctl, &d);
        ctl_doctor_checkpoints(ctl, &d);

        rc = ctl_put(ctl, json_pack("{s:O, s:I}", "checks", d.list,
                                    "wrong", (json_int_t) d.wrong));
    }

    json_decref(d.list);

    return rc != CTL_OK ? rc : d.wrong == 0 ? CTL_OK : CTL_FOUND;
}


static void
ctl_doctor_add(ctl_t *ctl, ctl_doctor_t *d, ctl_check_e result,
    const char *what, const char *advice, const char *fmt, ...)
{
    char     text[512];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    d->wrong += result != CTL_CHECK_OK;

    ctl_say(ctl, "%-4s  %s: %s", ctl_check_names[result], what, text);

    if (result != CTL_CHECK_OK) {
        ctl_say(ctl, "      %s", advice);
    }

    json_array_append_new(d->list, json_pack("{s:s, s:s, s:o, s:s?}",
                                             "result",
                                             ctl_check_names[result],
                                             "what", what, "found",
                                             ctl_json_str((cg_str_t) {
                                                 strlen(text),
                                                 (const uint8_t *) text }),
                                             "advice",
                                             result != CTL_CHECK_OK
                                             ? advice : NULL));
}


static void
ctl_doctor_nginx(ctl_t *ctl, ctl_doctor_t *d)
{
    char         line[400];
    const char  *path;

    path = ctl_option(ctl, "nginx");

    if (path == NULL) {
        return;
    }

    if (ctl_nginx_test(path, line, sizeof(line)) != 0) {
        ctl_doctor_add(ctl, d, CTL_CHECK_BAD, "nginx",
                       "correct it: the line names the directive and the "
                       "value; nginx goes on with what it has", "%s", line);

    } else if (line[0] != '\0') {
        ctl_doctor_add(ctl, d, CTL_CHECK_WARN, "nginx",
                       "nginx takes it, but see what it warns of", "%s", line);

    } else {
        ctl_doctor_add(ctl, d, CTL_CHECK_OK, "nginx", "", "takes %s", path);
    }
}


/* ctl_keys_load() has said on standard error what is wrong. */

static void
ctl_doctor_keys(ctl_t *ctl, ctl_doctor_t *d)
{
    const char  *path;

    path = ctl_setting(ctl, CTL_KEY_FILE);

    if (ctl_keys_load(ctl) != CTL_OK) {
        ctl_doctor_add(ctl, d, CTL_CHECK_BAD, "key file",
                       "make it, or set key_file; see docs/operations.md",
                       "%s cannot be used", path);
        return;
    }

    ctl_doctor_add(ctl, d, CTL_CHECK_OK, "key file", "",
                   "%s has %zu signing key%s, the first is \"%.*s\"", path,
                   ctl->keys.nsign, ctl_s(ctl->keys.nsign),
                   (int) ctl->keys.sign[0].kid_len, ctl->keys.sign[0].kid);
}


static void
ctl_doctor_database(ctl_t *ctl, ctl_doctor_t *d)
{
    int          rc;
    MMDB_s       mmdb;
    int64_t      age, max;
    const char  *path, *limit;

    path = ctl_option(ctl, "geoip");
    limit = ctl_option(ctl, "max-age");

    if (path == NULL) {
        return;
    }

    if (!ctl_time_span(limit != NULL ? limit : "45d", &max)) {
        ctl_doctor_add(ctl, d, CTL_CHECK_BAD, "database",
                       "give a time such as 45d", "--max-age is no time");
        return;
    }

    rc = MMDB_open(path, MMDB_MODE_MMAP, &mmdb);

    if (rc != MMDB_SUCCESS) {
        ctl_doctor_add(ctl, d, CTL_CHECK_BAD, "database",
                       "download it again, and replace it by a rename",
                       "%s: %s", path, MMDB_strerror(rc));
        return;
    }

    age = time(NULL) - (int64_t) mmdb.metadata.build_epoch;

    ctl_doctor_add(ctl, d, age > max ? CTL_CHECK_WARN : CTL_CHECK_OK,
                   "database", "download a newer one: networks move",
                   "%s, %s, is %lld days old", path,
                   mmdb.metadata.database_type, (long long) (age / 86400));
    MMDB_close(&mmdb);
}


static ctl_exit_e
ctl_doctor_redis(ctl_t *ctl, ctl_doctor_t *d)
{
    size_t       i;
    ctl_exit_e   rc;
    ctl_node_t  *node;

    rc = ctl_redis_open(ctl);

    for (i = 0; rc == CTL_OK && i < ctl_redis_nodes(ctl->redis); i++) {
        node = ctl_redis_node(ctl->redis, i);
        rc = node != NULL ? ctl_doctor_node(ctl, d, node) : CTL_OK;
    }

    return rc;
}


static ctl_exit_e
ctl_doctor_node(ctl_t *ctl, ctl_doctor_t *d, ctl_node_t *node)
{
    redisReply  *info;
    ctl_exit_e   rc;
    const char  *name;

    name = ctl_node_name(node);
    info = ctl_try_node(ctl, node, "INFO");

    if (info == NULL) {
        return ctl->failed;
    }

    if (info->type == REDIS_REPLY_STRING) {
        ctl_doctor_version(ctl, d, name, info->str);
        ctl_doctor_memory(ctl, d, name, info->str);
        ctl_doctor_disk(ctl, d, name, info->str);

    } else {
        ctl_doctor_add(ctl, d, CTL_CHECK_WARN, "Redis",
                       "allow this user +info, or use another one",
                       "%s does not say INFO: %s", name,
                       info->type == REDIS_REPLY_ERROR ? info->str : "?");
    }

    freeReplyObject(info);

    rc = ctl_doctor_clock(ctl, d, node);

    return rc == CTL_OK ? ctl_doctor_script(ctl, d, node) : rc;
}


static void
ctl_doctor_version(ctl_t *ctl, ctl_doctor_t *d, const char *node,
    const char *info)
{
    char  version[32], role[16];

    if (ctl_info(info, "redis_version", version, sizeof(version))) {
        ctl_doctor_add(ctl, d, atoi(version) >= 6 ? CTL_CHECK_OK
                                                  : CTL_CHECK_BAD,
                       "version", "Redis 6 or later is needed", "%s has %s",
                       node, version);
    }

    if (ctl_info(info, "role", role, sizeof(role))) {
        ctl_doctor_add(ctl, d, strcmp(role, "master") == 0 ? CTL_CHECK_OK
                                                           : CTL_CHECK_BAD,
                       "role", "name the master: a replica takes no writes",
                       "%s is a %s", node, role);
    }
}


static void
ctl_doctor_memory(ctl_t *ctl, ctl_doctor_t *d, const char *node,
    const char *info)
{
    bool  bad;
    char  policy[32], limit[32];

    if (!ctl_info(info, "maxmemory_policy", policy, sizeof(policy))
        || !ctl_info(info, "maxmemory", limit, sizeof(limit)))
    {
        return;
    }

    /* without a limit nothing is evicted */

    bad = strcmp(policy, "noeviction") != 0 && strcmp(limit, "0") != 0;

    ctl_doctor_add(ctl, d, bad ? CTL_CHECK_BAD : CTL_CHECK_OK, "eviction",
                   "maxmemory-policy noeviction: a record that is evicted is "
                   "an answer that is lost", "%s has maxmemory-policy %s",
                   node, policy);
}


static void
ctl_doctor_disk(ctl_t *ctl, ctl_doctor_t *d, const char *node,
    const char *info)
{
    char  aof[8];

    if (ctl_info(info, "aof_enabled", aof, sizeof(aof))) {
        ctl_doctor_add(ctl, d, aof[0] == '1' ? CTL_CHECK_OK : CTL_CHECK_WARN,
                       "persistence", "appendonly yes: with snapshots alone "
                       "the answers since the last one can be lost",
                       "%s has appendonly %s", node,
                       aof[0] == '1' ? "yes" : "no");
    }
}


static ctl_exit_e
ctl_doctor_clock(ctl_t *ctl, ctl_doctor_t *d, ctl_node_t *node)
{
    uint64_t     seconds;
    long long    skew;
    redisReply  *reply;

    reply = ctl_try_node(ctl, node, "TIME");

    if (reply == NULL) {
        return ctl->failed;
    }

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && cg_parse_uint(ctl_reply_str(reply->element[0]), INT32_MAX * 4096ull,
                         &seconds))
    {
        skew = (long long) seconds - (long long) time(NULL);

        ctl_doctor_add(ctl, d, llabs(skew) > CTL_MAX_SKEW ? CTL_CHECK_WARN
                                                          : CTL_CHECK_OK,
                       "clock", "set both clocks by NTP: dates of policies "
                       "and times of events depend on them",
                       "%s is %lld seconds off", ctl_node_name(node), skew);

    } else {
        ctl_doctor_add(ctl, d, CTL_CHECK_WARN, "clock",
                       "allow this user +time: see conf/redis",
                       "%s does not say TIME", ctl_node_name(node));
    }

    freeReplyObject(reply);

    return CTL_OK;
}


/* Without scripts nothing can be written at all. */

static ctl_exit_e
ctl_doctor_script(ctl_t *ctl, ctl_doctor_t *d, ctl_node_t *node)
{
    bool         ok;
    redisReply  *reply;

    reply = ctl_try_node(ctl, node, "EVAL %s 0", "return redis.sha1hex('')");

    if (reply == NULL) {
        return ctl->failed;
    }

    ok = reply->type == REDIS_REPLY_STRING && reply->len == 40;

    ctl_doctor_add(ctl, d, ok ? CTL_CHECK_OK : CTL_CHECK_BAD, "scripts",
                   "allow +eval and +evalsha: see conf/redis",
                   "%s %s", ctl_node_name(node),
                   ok ? "runs them"
                   : reply->type == REDIS_REPLY_ERROR ? reply->str
                   : "answers wrongly");
    freeReplyObject(reply);

    return CTL_OK;
}


static void
ctl_doctor_policies(ctl_t *ctl, ctl_doctor_t *d)
{
    ctl_policies_t  policies;

    if (ctl_policies_load(ctl, &policies, true) != CTL_OK) {
        ctl_doctor_add(ctl, d, CTL_CHECK_BAD, "policies",
                       "consentctl policy publish --force replaces the field",
                       "a policy cannot be read");
        return;
    }

    ctl_doctor_add(ctl, d, policies.n > 0 ? CTL_CHECK_OK : CTL_CHECK_WARN,
                   "policies", "publish them, or rely on the static ones of "
                   "consent_document", "%zu document%s published",
                   policies.n, ctl_s(policies.n));
}


static void
ctl_doctor_checkpoints(ctl_t *ctl, ctl_doctor_t *d)
{
    long long     days;
    const char   *path;
    struct stat   st;

    static const char  advice[] = "run consentctl checkpoint, every month at "
                                  "least";

    path = ctl_setting(ctl, CTL_CHECKPOINTS);

    if (stat(path, &st) == -1 || access(path, R_OK) == -1) {
        ctl_doctor_add(ctl, d, CTL_CHECK_WARN, "checkpoints", advice, "%s: %s",
                       path, strerror(errno));
        return;
    }

    days = (long long) (time(NULL) - st.st_mtime) / 86400;

    ctl_doctor_add(ctl, d, days > CTL_MAX_MONTH ? CTL_CHECK_WARN
                                                : CTL_CHECK_OK,
                   "checkpoints", advice, "%s was written %lld day%s ago",
                   path, days, ctl_s(days));
}


/* The value of a line "name:value" of INFO. */

static bool
ctl_info(const char *info, const char *name, char *value, size_t size)
{
    size_t       len;
    const char  *line;

    len = strlen(name);

    for (line = info; line != NULL && *line != '\0';
         line = strchr(line, '\n'), line = line ? line + 1 : NULL)
    {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            snprintf(value, size, "%.*s",
                     (int) strcspn(line + len + 1, "\r\n"), line + len + 1);
            return true;
        }
    }

    return false;
}
