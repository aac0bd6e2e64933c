/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "ctl.h"


#define CTL_MAX_CONF  65536     /* bytes */


static ctl_exit_e ctl_conf_file(ctl_t *ctl);
static ctl_exit_e ctl_conf_line(ctl_t *ctl, const char *path, unsigned number,
    char *line, bool taken[CTL_SETTINGS]);
static char *ctl_conf_trim(char *line);
static char *ctl_conf_unquote(char *value);
static ctl_exit_e ctl_conf_take(ctl_t *ctl, ctl_setting_e setting,
    const char *value);
static const char *ctl_conf_environment(ctl_setting_e setting);
static ctl_exit_e ctl_conf_check(ctl_t *ctl);
static ctl_exit_e ctl_conf_check_redis(ctl_t *ctl);
static ctl_exit_e ctl_conf_check_names(ctl_t *ctl);


const ctl_setting_t  ctl_settings[CTL_SETTINGS] = {

    { "server", "ADDRESS", "127.0.0.1:6379",
      "where Redis is: HOST:PORT or unix:PATH. Several,\n"
      "with commas between, are asked in turn" },

    { "topology", "KIND", "single",
      "single, cluster, or \"sentinel MASTER\" (then the\n"
      "servers are sentinels)" },

    { "username", "NAME", NULL,
      "the user of Redis' ACL" },

    { "password_file", "FILE", NULL,
      "a file with the password and nothing else" },

    { "sentinel_username", "NAME", NULL,
      "the user of the sentinels' own ACL" },

    { "sentinel_password_file", "FILE", NULL,
      "its password; without it sentinels are asked\n"
      "without one" },

    { "database", "NUMBER", "0",
      "the number of the logical database" },

    { "tls", "on|off", "off",
      "speak TLS to Redis" },

    { "tls_trusted_certificate", "FILE", NULL,
      "the authorities to trust; without it those of\n"
      "the system" },

    { "tls_server_name", "NAME", NULL,
      "the name that the certificate must have;\n"
      "without it the host of the server" },

    { "tls_certificate", "FILE", NULL,
      "our own certificate, if Redis wants one" },

    { "tls_certificate_key", "FILE", NULL,
      "its key" },

    { "timeout", "TIME", "10s",
      "how long Redis may take for a reply" },

    { "prefix", "TEXT", "gc:",
      "what all keys start with" },

    { "key_file", "FILE", "/etc/nginx/consent/keys",
      "the key file of the module" },

    { "realm", "NAME", "default",
      "the consent_realm of the site" },

    { "retention", "TIME", "400d",
      "how long a record is kept; as in consent_store" },

    { "proof", "TIME", "2190d",
      "how long an event is kept; as in consent_store" },

    { "checkpoints", "FILE", "/var/lib/consent-gate/checkpoints",
      "where checkpoint and trim write what they sign" },
};


ctl_exit_e
ctl_conf_load(ctl_t *ctl)
{
    int          i;
    const char  *value;
    ctl_exit_e   rc;

    for (i = 0; i < CTL_SETTINGS; i++) {
        value = ctl_conf_environment(i);

        /* an empty one is none */

        if (value != NULL && *value != '\0' && ctl->setting[i] == NULL) {
            rc = ctl_conf_take(ctl, i, value);
            if (rc != CTL_OK) {
                return rc;
            }
        }
    }

    rc = ctl_conf_file(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    for (i = 0; i < CTL_SETTINGS; i++) {
        if (ctl->setting[i] == NULL && ctl_settings[i].preset != NULL) {
            rc = ctl_conf_take(ctl, i, ctl_settings[i].preset);
            if (rc != CTL_OK) {
                return rc;
            }
        }
    }

    return ctl_conf_check(ctl);
}


const char *
ctl_setting(ctl_t *ctl, ctl_setting_e setting)
{
    return ctl->setting[setting];
}


int64_t
ctl_setting_span(ctl_t *ctl, ctl_setting_e setting)
{
    int64_t  seconds;

    return ctl_time_span(ctl->setting[setting], &seconds) ? seconds : 0;
}


bool
ctl_setting_on(ctl_t *ctl, ctl_setting_e setting)
{
    return strcmp(ctl->setting[setting], "on") == 0;
}


/* The file of the preset path may be absent; one that is asked for may not. */

static ctl_exit_e
ctl_conf_file(ctl_t *ctl)
{
    char        *text, *line, *next;
    bool         taken[CTL_SETTINGS];
    size_t       len;
    unsigned     number;
    const char  *path;
    ctl_exit_e   rc;

    path = ctl->conf != NULL ? ctl->conf : getenv("CONSENTCTL_CONFIG");

    if (path == NULL) {
        FILE  *f = fopen(CTL_CONF, "re");

        if (f == NULL && errno == ENOENT) {
            return CTL_OK;
        }

        if (f != NULL) {
            fclose(f);
        }

        path = CTL_CONF;
    }

    rc = ctl_file_read(ctl, path, CTL_MAX_CONF, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    memset(taken, 0, sizeof(taken));
    number = 0;

    if (strlen(text) != len) {
        free(text);
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" has a NUL in it", path);
    }

    for (line = text; rc == CTL_OK && line != NULL; line = next) {
        next = strchr(line, '\n');

        if (next != NULL) {
            *next++ = '\0';
        }

        rc = ctl_conf_line(ctl, path, ++number, line, taken);
    }

    free(text);

    return rc;
}


/*
 * "name value", with a ';' behind it if it was copied from consent_store, and
 * '#' before a comment.
 */

static ctl_exit_e
ctl_conf_line(ctl_t *ctl, const char *path, unsigned number, char *line,
    bool taken[CTL_SETTINGS])
{
    int    i;
    char  *value;

    line = ctl_conf_trim(line);

    if (*line == '\0') {
        return CTL_OK;
    }

    value = line + strcspn(line, " \t");

    if (*value != '\0') {
        *value++ = '\0';
        value = ctl_conf_unquote(value + strspn(value, " \t"));
    }

    for (i = 0; i < CTL_SETTINGS; i++) {
        if (strcmp(line, ctl_settings[i].name) == 0) {
            break;
        }
    }

    if (i == CTL_SETTINGS) {
        return ctl_fail(ctl, CTL_USAGE, "\"%s\", line %u: no setting \"%s\"",
                        path, number, line);
    }

    if (*value == '\0') {
        return ctl_fail(ctl, CTL_USAGE, "\"%s\", line %u: \"%s\" has no value",
                        path, number, line);
    }

    if (taken[i] && i != CTL_SERVER) {
        return ctl_fail(ctl, CTL_USAGE, "\"%s\", line %u: \"%s\" is given "
                        "twice", path, number, line);
    }

    if (ctl->setting[i] != NULL && !taken[i]) {
        return CTL_OK;
    }

    taken[i] = true;

    return ctl_conf_take(ctl, i, value);
}


/*
 * Without spaces around it, what ends it, and a comment, which begins where a
 * word could.
 */

static char *
ctl_conf_trim(char *line)
{
    char    *p;
    size_t   len;

    line[strcspn(line, "\r")] = '\0';

    for (p = strchr(line, '#'); p != NULL; p = strchr(p + 1, '#')) {
        if (p == line || strchr(" \t;", p[-1]) != NULL) {
            *p = '\0';
            break;
        }
    }

    line += strspn(line, " \t");
    len = strlen(line);

    while (len > 0 && strchr(" \t;", line[len - 1]) != NULL) {
        line[--len] = '\0';
    }

    return line;
}


/* Quotes around all of it, as nginx allows them. */

static char *
ctl_conf_unquote(char *value)
{
    size_t  len;

    len = strlen(value);

    if (len >= 2 && (value[0] == '"' || value[0] == '\'')
        && value[len - 1] == value[0])
    {
        value[len - 1] = '\0';
        value++;
    }

    return value;
}


/* A second server stands behind the first. */

static ctl_exit_e
ctl_conf_take(ctl_t *ctl, ctl_setting_e setting, const char *value)
{
    char  *text;

    if (ctl->setting[setting] == NULL) {
        text = strdup(value);

    } else if (asprintf(&text, "%s,%s", ctl->setting[setting], value) == -1) {
        text = NULL;
    }

    if (text == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    free(ctl->setting[setting]);
    ctl->setting[setting] = text;

    return CTL_OK;
}


static const char *
ctl_conf_environment(ctl_setting_e setting)
{
    char  name[64];

    snprintf(name, sizeof(name), "CONSENTCTL_%s", ctl_settings[setting].name);

    for (char *p = name; *p != '\0'; p++) {
        *p = (char) toupper((unsigned char) *p);
    }

    return getenv(name);
}


static ctl_exit_e
ctl_conf_check(ctl_t *ctl)
{
    size_t      i;
    int64_t     seconds;
    ctl_exit_e  rc;

    static const ctl_setting_e  spans[] = {
        CTL_TIMEOUT, CTL_RETENTION, CTL_PROOF
    };

    /* a name without a password */

    static const ctl_setting_e  users[][2] = {
        { CTL_USERNAME, CTL_PASSWORD_FILE },
        { CTL_SENTINEL_USERNAME, CTL_SENTINEL_PASSWORD_FILE }
    };

    for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        if (!ctl_time_span(ctl->setting[spans[i]], &seconds) || seconds == 0) {
            return ctl_fail(ctl, CTL_USAGE, "%s: \"%s\" is not a time",
                            ctl_settings[spans[i]].name,
                            ctl->setting[spans[i]]);
        }
    }

    for (i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        if (ctl->setting[users[i][0]] != NULL
            && ctl->setting[users[i][1]] == NULL)
        {
            return ctl_fail(ctl, CTL_USAGE, "%s needs %s",
                            ctl_settings[users[i][0]].name,
                            ctl_settings[users[i][1]].name);
        }
    }

    rc = ctl_conf_check_redis(ctl);

    return rc == CTL_OK ? ctl_conf_check_names(ctl) : rc;
}


static ctl_exit_e
ctl_conf_check_redis(ctl_t *ctl)
{
    uint64_t     n;
    const char  *value;

    value = ctl->setting[CTL_TLS];

    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
        return ctl_fail(ctl, CTL_USAGE, "tls: \"%s\" is not \"on\" or \"off\"",
                        value);
    }

    value = ctl->setting[CTL_DATABASE];

    if (!cg_parse_uint((cg_str_t) { strlen(value), (const uint8_t *) value },
                       65535, &n))
    {
        return ctl_fail(ctl, CTL_USAGE, "database: \"%s\" is not a number",
                        value);
    }

    value = ctl->setting[CTL_TOPOLOGY];

    if (strcmp(value, "single") != 0 && strcmp(value, "cluster") != 0
        && (strncmp(value, "sentinel ", 9) != 0
            || value[9 + strspn(value + 9, " \t")] == '\0'))
    {
        return ctl_fail(ctl, CTL_USAGE, "topology: \"%s\" is not \"single\", "
                        "\"cluster\" or \"sentinel MASTER\"", value);
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_conf_check_names(ctl_t *ctl)
{
    const char  *value;

    value = ctl->setting[CTL_PREFIX];

    if (value[0] == '\0' || strlen(value) > CG_MAX_PREFIX
        || strpbrk(value, "{} ") != NULL
        || !cg_utf8_printable((cg_str_t) { strlen(value),
                                           (const uint8_t *) value }))
    {
        return ctl_fail(ctl, CTL_USAGE, "prefix: \"%s\" is not 1 to %d bytes "
                        "of printable UTF-8 without {, } and spaces", value,
                        CG_MAX_PREFIX);
    }

    value = ctl->setting[CTL_REALM];

    if (value[0] == '\0' || strlen(value) > CG_MAX_REALM) {
        return ctl_fail(ctl, CTL_USAGE, "realm: \"%s\" is not 1 to %d bytes",
                        value, CG_MAX_REALM);
    }

    return CTL_OK;
}
