/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_H
#define CTL_H

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "../core/cg_event.h"


#define CTL_VERSION      CG_VERSION
#define CTL_CONF         "/etc/nginx/consent/consentctl.conf"
#define CTL_MAX_OPTIONS  32       /* of one command, settings apart */
#define CTL_MAX_LINE     65536    /* bytes of a line of input */
#define CTL_BUCKETS      4096     /* streams of events */
#define CTL_MAX_URL      1024     /* bytes */


/*
 * How a command ends: the exit code, and the "code" of an error in JSON. The
 * order is that of the table of names.
 */

typedef enum {
    CTL_OK = 0,
    CTL_FOUND,          /* it worked, and what it looked for is wrong */
    CTL_USAGE,          /* the command line or a setting */
    CTL_FILE,           /* a file: keys, lists, manifests */
    CTL_REDIS,          /* it is away, or refuses */
    CTL_ABSENT,         /* there is no such subject, document, event */
    CTL_REFUSED,        /* not confirmed, or not safe to do */
    CTL_FAILED,         /* memory, libcrypto: should not happen */
    CTL_EXITS
} ctl_exit_e;


typedef struct ctl_s          ctl_t;
typedef struct ctl_redis_s    ctl_redis_t;
typedef struct ctl_node_s     ctl_node_t;
typedef struct ctl_command_s  ctl_command_t;


/* An option of a command: "--NAME", or "--NAME VALUE" if it takes one. */

typedef struct {
    const char  *name;
    const char  *value;       /* what it takes, "FILE"; NULL: a flag */
    const char  *help;        /* may have several lines */
} ctl_option_t;


/* A row of the table of commands. Tables of options end with a NULL name. */

struct ctl_command_s {
    const char          *name;        /* one word or two: "policy list" */
    const char          *args;        /* "DOCUMENT", or "" */
    const char          *summary;     /* one line */
    const char          *help;        /* paragraphs, with an example */
    const ctl_option_t  *options;
    ctl_exit_e         (*run)(ctl_t *ctl, int argc, char **argv);
};


/* A setting: an option of every command, a variable, a line of the file. */

typedef enum {
    CTL_SERVER = 0,
    CTL_TOPOLOGY,
    CTL_USERNAME,
    CTL_PASSWORD_FILE,
    CTL_SENTINEL_USERNAME,
    CTL_SENTINEL_PASSWORD_FILE,
    CTL_DATABASE,
    CTL_TLS,
    CTL_TLS_TRUSTED,
    CTL_TLS_SERVER_NAME,
    CTL_TLS_CERTIFICATE,
    CTL_TLS_CERTIFICATE_KEY,
    CTL_TIMEOUT,
    CTL_PREFIX,
    CTL_KEY_FILE,
    CTL_REALM,
    CTL_RETENTION,
    CTL_PROOF,
    CTL_CHECKPOINTS,
    CTL_SETTINGS
} ctl_setting_e;

typedef struct {
    const char  *name;        /* as in the file: "password_file" */
    const char  *value;       /* what it takes */
    const char  *preset;      /* NULL: none */
    const char  *help;
} ctl_setting_t;

extern const ctl_setting_t  ctl_settings[CTL_SETTINGS];


/* Errors that may turn out not to matter: one after the other, "; " between. */

typedef struct {
    size_t  len;
    char    text[1024];
} ctl_held_t;


/* One run. */

struct ctl_s {
    const ctl_command_t  *command;
    bool                  json;
    bool                  quiet;
    bool                  help;                       /* --help */
    bool                  version;
    const char           *conf;                       /* --config */
    char                 *setting[CTL_SETTINGS];      /* NULL: not set */
    const char           *given[CTL_MAX_OPTIONS];     /* by command->options */

    time_t                progress;                   /* when it was told */
    ctl_exit_e            failed;                     /* as ctl_fail() said */
    ctl_held_t           *held;         /* NULL: errors are told at once */

    cg_keys_t             keys;
    bool                  has_keys;
    ctl_redis_t          *redis;
};


/* ctl_table.c: every command. It ends with a NULL name. */

extern const ctl_command_t  ctl_commands[];
const ctl_command_t *ctl_command_find(int argc, char **argv, int *words);


/* ctl_options.c */

/*
 * Takes the options off `argv`: what is left are the arguments of the
 * command, argv[0] to argv[*argc - 1]. A mistake is reported.
 */
ctl_exit_e ctl_options_parse(ctl_t *ctl, int *argc, char **argv);
/* The value of an option of the command; a flag's is ""; NULL: not given. */
const char *ctl_option(ctl_t *ctl, const char *name);
/*
 * The option "url", an http or https URL of at most CTL_MAX_URL bytes to which
 * a query can be added; NULL: not given.
 */
ctl_exit_e ctl_option_url(ctl_t *ctl, const char **url);
/* A number of at most `max`; *n is left alone when it is not given. */
ctl_exit_e ctl_option_uint(ctl_t *ctl, const char *name, uint64_t max,
    uint64_t *n);

/* ctl_time.c */

/* "90", "90s", "15m", "1h", "180d", "13M", "6y" in seconds. */
bool ctl_time_span(const char *text, int64_t *seconds);
/*
 * A moment in seconds since 1970: a number of ten digits or more, "2026-01-01"
 * (midnight UTC) or "2026-01-01T12:00:00Z".
 */
bool ctl_time_point(const char *text, int64_t *seconds);
/* "2026-01-01T00:00:00Z"; `text` holds 32 bytes. Returns `text`. */
char *ctl_time_text(int64_t seconds, char *text);


/* ctl_help.c */

void ctl_help(FILE *out);
void ctl_help_command(FILE *out, const ctl_command_t *command);
/* A line for each command: its name, ':' and its options; for completion. */
void ctl_help_table(FILE *out);


/* ctl_conf.c */

/*
 * Fills in the settings that no option has set: from the environment
 * (CONSENTCTL_PASSWORD_FILE), the file, and the presets.
 */
ctl_exit_e ctl_conf_load(ctl_t *ctl);
/* The value of a setting, NULL when there is none. */
const char *ctl_setting(ctl_t *ctl, ctl_setting_e setting);
/* A setting that is a time span, in seconds. It is checked already. */
int64_t ctl_setting_span(ctl_t *ctl, ctl_setting_e setting);
bool ctl_setting_on(ctl_t *ctl, ctl_setting_e setting);


/* ctl_out.c */

/*
 * Prints one line on standard output, unless it is JSON that is asked for. What
 * a terminal could take for a command becomes spaces.
 */
void ctl_say(ctl_t *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of progress or advice on standard error, unless --quiet. */
void ctl_note(ctl_t *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * How far it is, at most once in a second, on standard error. `total` 0: not
 * known. What takes less than a second says nothing.
 */
void ctl_progress(ctl_t *ctl, const char *what, uint64_t done,
    uint64_t total);
/*
 * Reports an error and returns `code`, which is also in ctl->failed, for those
 * who only hear of a NULL. The one place where errors end; while ctl->held is
 * set they are kept there instead.
 */
ctl_exit_e ctl_fail(ctl_t *ctl, ctl_exit_e code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * With --json prints the value on standard output; it is released in any
 * case. A NULL is a failure of memory.
 */
ctl_exit_e ctl_put(ctl_t *ctl, json_t *value);
/*
 * One line of JSON on standard output, whatever is asked for: JSON Lines. It is
 * released as well. Not to be able to write is reported.
 */
ctl_exit_e ctl_put_line(ctl_t *ctl, json_t *value);
/* Reports it if standard output takes no more: who writes much looks at it. */
ctl_exit_e ctl_out_check(ctl_t *ctl);
const char *ctl_exit_name(ctl_exit_e code);
/* "s", but not behind a 1. */
#define ctl_s(n)  ((n) == 1 ? "" : "s")
/* Asks at the terminal, unless --yes is given. */
ctl_exit_e ctl_confirm(ctl_t *ctl, const char *question);
/* A string as JSON; what is not UTF-8 becomes U+FFFD. */
json_t *ctl_json_str(cg_str_t s);


/* ctl_file.c */

/* Reads a whole file of at most `max` bytes. *text is the caller's. */
ctl_exit_e ctl_file_read(ctl_t *ctl, const char *path, size_t max,
    char **text, size_t *len);
/* The same, and refuses one that others can read or write. */
ctl_exit_e ctl_file_secret(ctl_t *ctl, const char *path, size_t max,
    char **text, size_t *len);
/* Reports that a file cannot be written, by errno. */
ctl_exit_e ctl_file_failed(ctl_t *ctl, const char *path);
/* The name of a file that was made is on disk, too. */
ctl_exit_e ctl_file_sync_directory(ctl_t *ctl, const char *path);
/* Loads the key file, once; the keys are then in ctl->keys. */
ctl_exit_e ctl_keys_load(ctl_t *ctl);


/* ctl_redis.c: every node, one connection each. */

/* Connects as the settings say, once. */
ctl_exit_e ctl_redis_open(ctl_t *ctl);
void ctl_redis_close(ctl_redis_t *redis);

size_t ctl_redis_nodes(const ctl_redis_t *redis);
/*
 * A node, from 0 to ctl_redis_nodes() - 1, NULL if it is no master. Nodes that
 * are heard of later come behind.
 */
ctl_node_t *ctl_redis_node(ctl_redis_t *redis, size_t i);
/* The master that has a key. */
ctl_node_t *ctl_redis_of(ctl_redis_t *redis, cg_str_t key);
const char *ctl_node_name(const ctl_node_t *node);

/*
 * One command to the master that has `key`; arguments as in hiredis' formats.
 * Returns the reply, which is the caller's, or NULL after the error has been
 * reported (that of Redis, too) and is in ctl->failed.
 */
redisReply *ctl_ask(ctl_t *ctl, cg_str_t key, const char *fmt, ...);
/* By arguments. */
redisReply *ctl_ask_argv(ctl_t *ctl, cg_str_t key, int argc,
    const char **argv, const size_t *lens);
/* To a node. */
redisReply *ctl_ask_node(ctl_t *ctl, ctl_node_t *node, const char *fmt, ...);
/* The same two, but an error of Redis is a reply like others. */
redisReply *ctl_try(ctl_t *ctl, cg_str_t key, const char *fmt, ...);
redisReply *ctl_try_node(ctl_t *ctl, ctl_node_t *node, const char *fmt, ...);

/* Reports and releases an error that ctl_try() has returned; then it is NULL. */
redisReply *ctl_redis_told(ctl_t *ctl, cg_str_t key, redisReply *reply);
/*
 * Reports and releases a reply that is not of `type` (REDIS_REPLY_*), and
 * returns NULL, as it does of NULL. `what` was asked for: "TTL".
 */
redisReply *ctl_expect(ctl_t *ctl, redisReply *reply, int type,
    const char *what);
/* The same for HGETALL: pairs of strings. */
redisReply *ctl_expect_hash(ctl_t *ctl, redisReply *reply);
/* "WRONGTYPE": there is something else under the key. */
bool ctl_reply_wrong_type(const redisReply *reply);

/*
 * ctl_batch.c. Many commands at once: added, run together, their replies by
 * number. It can be run again after ctl_batch_clear().
 */

typedef struct {
    ctl_node_t  *node;
    char        *bytes;
    size_t       len;
    redisReply  *reply;
} ctl_call_t;

typedef struct {
    bool         errors;      /* those of Redis are replies like others */
    size_t       n;
    size_t       size;
    ctl_call_t  *calls;
} ctl_batch_t;

ctl_exit_e ctl_batch_add(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key,
    const char *fmt, ...);
ctl_exit_e ctl_batch_add_argv(ctl_t *ctl, ctl_batch_t *batch, cg_str_t key,
    int argc, const char **argv, const size_t *lens);
/* Fills in the replies. Errors of Redis are reported, and end it. */
ctl_exit_e ctl_batch_run(ctl_t *ctl, ctl_batch_t *batch);
void ctl_batch_clear(ctl_batch_t *batch);
void ctl_batch_free(ctl_batch_t *batch);

static inline cg_str_t
ctl_reply_str(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING
        && reply->type != REDIS_REPLY_STATUS
        && reply->type != REDIS_REPLY_ERROR)
    {
        return (cg_str_t) { 0, NULL };
    }

    return (cg_str_t) { (size_t) reply->len, (const uint8_t *) reply->str };
}


/* ctl_names.c: keys of the store. Each returns the length; CG_MAX_KEY. */

/* PREFIX "p" */
size_t ctl_key_policies(ctl_t *ctl, uint8_t *key);
/* PREFIX "a:{0a3}" */
size_t ctl_key_bucket(ctl_t *ctl, unsigned bucket, uint8_t *key);
/* PREFIX "s:{0a3}" and the pseudonym */
size_t ctl_key_record(ctl_t *ctl, const cg_pseudonym_t *p, uint8_t *key);
/* The pseudonym at the end of the key of a record; false: it is no such key. */
bool ctl_key_pseudonym(cg_str_t key, cg_str_t *name);


#endif /* CTL_H */
