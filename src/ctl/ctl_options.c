/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl.h"


static ctl_exit_e ctl_options_one(ctl_t *ctl, int argc, char **argv, int *i);
static ctl_exit_e ctl_options_command(ctl_t *ctl, int argc, char **argv,
    int *i, const char *name, const char *inlined);
static ctl_exit_e ctl_options_value(ctl_t *ctl, int argc, char **argv, int *i,
    const char *name, const char *inlined, const char **value);
static int ctl_options_setting(const char *name);
static int ctl_options_own(ctl_t *ctl, const char *name);
static bool ctl_options_global(ctl_t *ctl, const char *name);


/*
 * What may stand anywhere is known before the command is: settings, --json,
 * --quiet, --config, --help. Its own options are known behind its name.
 */

ctl_exit_e
ctl_options_parse(ctl_t *ctl, int *argc, char **argv)
{
    int         i, n, words;
    bool        options;
    ctl_exit_e  rc;

    n = 0;
    options = true;

    for (i = 0; i < *argc; i++) {

        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
            continue;
        }

        if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            rc = ctl_options_one(ctl, *argc, argv, &i);
            if (rc != CTL_OK) {
                return rc;
            }

            continue;
        }

        if (ctl->command != NULL) {
            argv[n++] = argv[i];
            continue;
        }

        ctl->command = ctl_command_find(*argc - i, argv + i, &words);

        if (ctl->command == NULL) {
            return ctl_fail(ctl, CTL_USAGE, "no command \"%s\": see "
                            "consentctl help", argv[i]);
        }

        i += words - 1;
    }

    *argc = n;

    return CTL_OK;
}


const char *
ctl_option(ctl_t *ctl, const char *name)
{
    int  i;

    i = ctl_options_own(ctl, name);

    return i == -1 ? NULL : ctl->given[i];
}


ctl_exit_e
ctl_option_url(ctl_t *ctl, const char **url)
{
    const char  *value;

    value = ctl_option(ctl, "url");
    *url = value;

    if (value != NULL
        && ((strncmp(value, "https://", 8) != 0
             && strncmp(value, "http://", 7) != 0)
            || strlen(value) > CTL_MAX_URL
            || strpbrk(value, " \"#\r\n\t") != NULL))
    {
        return ctl_fail(ctl, CTL_USAGE, "--url: \"%s\" is not an http or https "
                        "URL", value);
    }

    return CTL_OK;
}


ctl_exit_e
ctl_option_uint(ctl_t *ctl, const char *name, uint64_t max, uint64_t *n)
{
    const char  *value;

    value = ctl_option(ctl, name);

    if (value != NULL
        && !cg_parse_uint((cg_str_t) { strlen(value),
                                       (const uint8_t *) value }, max, n))
    {
        return ctl_fail(ctl, CTL_USAGE, "--%s: \"%s\" is not a number from 0 "
                        "to %llu", name, value, (unsigned long long) max);
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_options_one(ctl_t *ctl, int argc, char **argv, int *i)
{
    int          n;
    char        *name, *inlined;
    const char  *value;
    ctl_exit_e   rc;

    if (strcmp(argv[*i], "-h") == 0) {
        argv[*i] = "--help";
    }

    if (strncmp(argv[*i], "--", 2) != 0) {
        return ctl_fail(ctl, CTL_USAGE, "no option \"%s\"", argv[*i]);
    }

    name = argv[*i] + 2;
    value = NULL;
    inlined = strchr(name, '=');

    if (inlined != NULL) {
        *inlined++ = '\0';
    }

    /* "policy publish --version 5": what a command takes comes first */

    if (ctl_options_own(ctl, name) == -1 && inlined == NULL
        && ctl_options_global(ctl, name))
    {
        return CTL_OK;
    }

    n = ctl_options_setting(name);

    if (n == -1 && strcmp(name, "config") != 0) {
        return ctl_options_command(ctl, argc, argv, i, name, inlined);
    }

    rc = ctl_options_value(ctl, argc, argv, i, name, inlined, &value);

    if (rc != CTL_OK) {
        return rc;
    }

    if (n == -1) {
        ctl->conf = value;
        return CTL_OK;
    }

    free(ctl->setting[n]);
    ctl->setting[n] = strdup(value);

    return ctl->setting[n] != NULL
           ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "out of memory");
}


/* An option of the command's own. */

static ctl_exit_e
ctl_options_command(ctl_t *ctl, int argc, char **argv, int *i,
    const char *name, const char *inlined)
{
    int  n;

    n = ctl_options_own(ctl, name);

    if (n == -1) {
        return ctl_fail(ctl, CTL_USAGE, "no option \"--%s\"%s%s", name,
                        ctl->command ? " for consentctl " : " before a command",
                        ctl->command ? ctl->command->name : "");
    }

    /* of two subjects one would be erased, and the other not */

    if (ctl->given[n] != NULL) {
        return ctl_fail(ctl, CTL_USAGE, "--%s is given twice", name);
    }

    if (ctl->command->options[n].value != NULL) {
        return ctl_options_value(ctl, argc, argv, i, name, inlined,
                                 &ctl->given[n]);
    }

    if (inlined != NULL) {
        return ctl_fail(ctl, CTL_USAGE, "--%s takes no value", name);
    }

    ctl->given[n] = "";

    return CTL_OK;
}


static ctl_exit_e
ctl_options_value(ctl_t *ctl, int argc, char **argv, int *i, const char *name,
    const char *inlined, const char **value)
{
    if (inlined != NULL) {
        *value = inlined;
        return CTL_OK;
    }

    if (*i + 1 == argc) {
        return ctl_fail(ctl, CTL_USAGE, "--%s needs a value", name);
    }

    *value = argv[++*i];

    return CTL_OK;
}


static bool
ctl_options_global(ctl_t *ctl, const char *name)
{
    if (strcmp(name, "json") == 0) {
        ctl->json = true;
        return true;
    }

    if (strcmp(name, "quiet") == 0) {
        ctl->quiet = true;
        return true;
    }

    if (strcmp(name, "help") == 0) {
        ctl->help = true;
        return true;
    }

    if (strcmp(name, "version") == 0) {
        ctl->version = true;
        return true;
    }

    return false;
}


/* "password-file" is the setting password_file. */

static int
ctl_options_setting(const char *name)
{
    int     n;
    size_t  i;

    for (n = 0; n < CTL_SETTINGS; n++) {
        for (i = 0; ctl_settings[n].name[i] != '\0'; i++) {
            if (name[i] != (ctl_settings[n].name[i] == '_'
                            ? '-' : ctl_settings[n].name[i]))
            {
                break;
            }
        }

        if (ctl_settings[n].name[i] == '\0' && name[i] == '\0') {
            return n;
        }
    }

    return -1;
}


static int
ctl_options_own(ctl_t *ctl, const char *name)
{
    int  n;

    if (ctl->command == NULL || ctl->command->options == NULL) {
        return -1;
    }

    for (n = 0; ctl->command->options[n].name != NULL; n++) {
        if (strcmp(ctl->command->options[n].name, name) == 0) {
            return n;
        }
    }

    return -1;
}
