/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl.h"


#define CTL_HELP_WIDTH  78     /* characters of a line */


static void ctl_help_text(FILE *out, const char *text);
static size_t ctl_help_word(FILE *out, const char *word, size_t column);
static void ctl_help_options(FILE *out, const ctl_option_t *options);
static void ctl_help_settings(FILE *out);
static void ctl_help_row(FILE *out, const char *name, const char *value,
    const char *help);


static const ctl_option_t  ctl_help_globals[] = {

    { "json", NULL,
      "print JSON, and errors as JSON on standard error" },

    { "quiet", NULL,
      "no progress on standard error" },

    { "config", "FILE",
      "a file of settings, instead of\n" CTL_CONF },

    { "help", NULL,
      "what the command does, with an example" },

    { "version", NULL,
      "the version of consentctl" },

    { NULL, NULL, NULL }
};


static const struct {
    ctl_exit_e   code;
    const char  *help;
} ctl_help_exits[] = {
    { CTL_OK,      "done, and nothing is wrong" },
    { CTL_FOUND,   "done, and something is wrong: a fault, a finding" },
    { CTL_USAGE,   "the command line or a setting is wrong" },
    { CTL_FILE,    "a file cannot be used: keys, lists, exports" },
    { CTL_REDIS,   "Redis is away, or refuses" },
    { CTL_ABSENT,  "there is no such subject, document or event" },
    { CTL_REFUSED, "not confirmed, or not safe to do; nothing is changed" },
    { CTL_FAILED,  "memory or libcrypto failed" },
};


void
ctl_help(FILE *out)
{
    size_t                i;
    const ctl_command_t  *c;

    fprintf(out,
            "usage: consentctl COMMAND [OPTIONS]\n\n"
            "Looks after the records, events and policies that Consent Gate "
            "keeps in Redis.\n\n"
            "Commands (consentctl help COMMAND tells all of one):\n\n");

    for (c = ctl_commands; c->name != NULL; c++) {
        fprintf(out, "  %-20s %s\n", c->name, c->summary);
    }

    fprintf(out, "\nOptions of every command:\n\n");
    ctl_help_options(out, ctl_help_globals);
    ctl_help_settings(out);
    fprintf(out, "\nExit codes:\n\n");

    for (i = 0; i < sizeof(ctl_help_exits) / sizeof(ctl_help_exits[0]); i++) {
        fprintf(out, "  %d  %-8s %s\n", (int) ctl_help_exits[i].code,
                ctl_exit_name(ctl_help_exits[i].code), ctl_help_exits[i].help);
    }
}


void
ctl_help_command(FILE *out, const ctl_command_t *command)
{
    bool  some;

    some = command->options != NULL && command->options[0].name != NULL;

    fprintf(out, "usage: consentctl %s%s%s%s\n\n", command->name,
            command->args[0] != '\0' ? " " : "", command->args,
            some ? " [OPTIONS]" : "");
    ctl_help_text(out, command->help);

    if (some) {
        fprintf(out, "\nOptions:\n\n");
        ctl_help_options(out, command->options);
    }

    fprintf(out, "\nSettings, such as --server, and exit codes: "
            "consentctl help\n");
}


void
ctl_help_table(FILE *out)
{
    int                   i;
    const ctl_command_t  *c;
    const ctl_option_t   *o;

    for (c = ctl_commands; c->name != NULL; c++) {
        fprintf(out, "%s:", c->name);

        for (o = c->options; o != NULL && o->name != NULL; o++) {
            fprintf(out, " --%s%s", o->name, o->value != NULL ? "=" : "");
        }

        fputc('\n', out);
    }

    fputs("*:", out);

    for (o = ctl_help_globals; o->name != NULL; o++) {
        fprintf(out, " --%s%s", o->name, o->value != NULL ? "=" : "");
    }

    for (i = 0; i < CTL_SETTINGS; i++) {
        fputs(" --", out);

        for (const char *p = ctl_settings[i].name; *p != '\0'; p++) {
            fputc(*p == '_' ? '-' : *p, out);
        }

        fputc('=', out);
    }

    fputc('\n', out);
}


/* Lines are filled, but for those that begin with a space: examples. */

static void
ctl_help_text(FILE *out, const char *text)
{
    size_t  len, column;

    column = 0;

    while (*text != '\0') {

        if (column > 0 && *text == '\n') {
            fputc('\n', out);
            column = 0;
            text++;
            continue;
        }

        if (column == 0 && (*text == '\n' || *text == ' ')) {
            len = strcspn(text, "\n");
            fprintf(out, "%.*s\n", (int) len, text);
            text += len + (text[len] == '\n');
            continue;
        }

        column = ctl_help_word(out, text, column);
        text += strcspn(text, " \n");

        if (*text == ' ' || (*text == '\n' && text[1] != '\n'
                             && text[1] != ' '))
        {
            text++;
        }
    }

    if (column > 0) {
        fputc('\n', out);
    }
}


static size_t
ctl_help_word(FILE *out, const char *word, size_t column)
{
    size_t  len;

    len = strcspn(word, " \n");

    if (column > 0 && column + 1 + len > CTL_HELP_WIDTH) {
        fputc('\n', out);
        column = 0;
    }

    fprintf(out, "%s%.*s", column > 0 ? " " : "", (int) len, word);

    return column + (column > 0) + len;
}


static void
ctl_help_options(FILE *out, const ctl_option_t *options)
{
    const ctl_option_t  *o;

    for (o = options; o->name != NULL; o++) {
        ctl_help_row(out, o->name, o->value, o->help);
    }
}


static void
ctl_help_settings(FILE *out)
{
    int                   i;
    char                  name[64];
    const ctl_setting_t  *s;

    fprintf(out, "\nSettings: an option here, a line \"name value\" in the "
            "file, or a variable such as\nCONSENTCTL_KEY_FILE. The option "
            "counts before the variable, that before the file.\n\n");

    for (i = 0; i < CTL_SETTINGS; i++) {
        s = &ctl_settings[i];
        snprintf(name, sizeof(name), "%s", s->name);

        for (char *p = name; *p != '\0'; p++) {
            *p = *p == '_' ? '-' : *p;
        }

        ctl_help_row(out, name, s->value, s->help);

        if (s->preset != NULL) {
            fprintf(out, "%26s(%s)\n", "", s->preset);
        }
    }
}


/* The help may have several lines, which go below each other. */

static void
ctl_help_row(FILE *out, const char *name, const char *value, const char *help)
{
    int          n;
    const char  *line;

    n = fprintf(out, "  --%s%s%s", name, value != NULL ? " " : "",
                value != NULL ? value : "");

    if (n > 25) {
        fputc('\n', out);
        n = 0;
    }

    for (line = help; line != NULL; ) {
        size_t  len = strcspn(line, "\n");

        fprintf(out, "%*s%.*s\n", 26 - n, "", (int) len, line);
        n = 0;
        line = line[len] == '\n' ? line + len + 1 : NULL;
    }
}
