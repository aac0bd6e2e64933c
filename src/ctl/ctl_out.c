/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"


#define CTL_MAX_MESSAGE  1024     /* bytes */


static void ctl_line(FILE *out, const char *fmt, va_list args);
static size_t ctl_printable(char *text, size_t len);
static void ctl_hold(ctl_held_t *held, const char *message);
static bool ctl_json_line(FILE *out, json_t *value);


static const char *const  ctl_exit_names[CTL_EXITS] = {
    "ok", "found", "usage", "file", "redis", "absent", "refused", "failed"
};


const char *
ctl_exit_name(ctl_exit_e code)
{
    return ctl_exit_names[code];
}


void
ctl_say(ctl_t *ctl, const char *fmt, ...)
{
    va_list  args;

    if (ctl->json) {
        return;
    }

    va_start(args, fmt);
    ctl_line(stdout, fmt, args);
    va_end(args);
}


void
ctl_note(ctl_t *ctl, const char *fmt, ...)
{
    va_list  args;

    if (ctl->quiet) {
        return;
    }

    va_start(args, fmt);
    ctl_line(stderr, fmt, args);
    va_end(args);
}


/* One line, whatever is in it, without spaces at its end. */

static void
ctl_line(FILE *out, const char *fmt, va_list args)
{
    int      n;
    char    *text;
    size_t   len;

    n = vasprintf(&text, fmt, args);

    if (n == -1) {
        return;
    }

    len = ctl_printable(text, (size_t) n);

    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }

    text[len] = '\n';
    fwrite(text, 1, len + 1, out);
    free(text);
}


/*
 * What others have said (Redis, a file) stays on its line, and no byte of it
 * reaches a terminal as a command: what is below U+0020, and U+007F to U+009F.
 * Returns `len`, the place of the NUL.
 */

static size_t
ctl_printable(char *text, size_t len)
{
    size_t    i;
    uint8_t  *p;

    p = (uint8_t *) text;

    for (i = 0; i < len; i++) {

        if (p[i] < 0x20 || p[i] == 0x7f) {
            p[i] = ' ';

        } else if (p[i] == 0xc2 && (p[i + 1] & 0xe0) == 0x80) {
            p[i] = p[i + 1] = ' ';
        }
    }

    return len;
}


void
ctl_progress(ctl_t *ctl, const char *what, uint64_t done, uint64_t total)
{
    time_t  now;

    now = time(NULL);

    if (ctl->quiet || now == ctl->progress) {
        return;
    }

    if (ctl->progress != 0 && total > 0) {
        fprintf(stderr, "%llu of %llu %s\n", (unsigned long long) done,
                (unsigned long long) total, what);

    } else if (ctl->progress != 0) {
        fprintf(stderr, "%llu %s\n", (unsigned long long) done, what);
    }

    ctl->progress = now;
}


ctl_exit_e
ctl_fail(ctl_t *ctl, ctl_exit_e code, const char *fmt, ...)
{
    char      message[CTL_MAX_MESSAGE];
    json_t   *error;
    va_list   args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);

    ctl->failed = code;

    ctl_printable(message, strlen(message));

    if (ctl->held != NULL) {
        ctl_hold(ctl->held, message);
        return code;
    }

    if (!ctl->json) {
        fprintf(stderr, "consentctl: %s\n", message);
        return code;
    }

    error = json_pack("{s:{s:s, s:i, s:o}}", "error",
                      "code", ctl_exit_name(code), "exit", (int) code,
                      "message", ctl_json_str((cg_str_t) {
                          strlen(message), (const uint8_t *) message }));

    if (error != NULL) {
        ctl_json_line(stderr, error);
    }

    return code;
}


static void
ctl_hold(ctl_held_t *held, const char *message)
{
    int  n;

    n = snprintf(held->text + held->len, sizeof(held->text) - held->len,
                 "%s%s", held->len > 0 ? "; " : "", message);

    /* what does not fit is dropped */

    held->len += (size_t) n < sizeof(held->text) - held->len
                 ? (size_t) n : sizeof(held->text) - held->len - 1;
}


/* That it could not be written is told at the end, as of all output. */

ctl_exit_e
ctl_put(ctl_t *ctl, json_t *value)
{
    int  rc;

    if (value == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = 0;

    if (ctl->json) {
        rc = json_dumpf(value, stdout, JSON_INDENT(2));
        putchar('\n');
    }

    json_decref(value);

    return rc == 0 || ferror(stdout)
           ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "out of memory");
}


ctl_exit_e
ctl_put_line(ctl_t *ctl, json_t *value)
{
    if (value == NULL || !ctl_json_line(stdout, value)) {
        return ctl_out_check(ctl) != CTL_OK
               ? CTL_FILE : ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    return ctl_out_check(ctl);
}


/* Takes `value`. */

static bool
ctl_json_line(FILE *out, json_t *value)
{
    bool  ok;

    ok = json_dumpf(value, out, JSON_COMPACT) == 0;
    fputc('\n', out);
    json_decref(value);

    return ok;
}


ctl_exit_e
ctl_out_check(ctl_t *ctl)
{
    return !ferror(stdout)
           ? CTL_OK : ctl_fail(ctl, CTL_FILE, "cannot write to standard "
                               "output");
}


ctl_exit_e
ctl_confirm(ctl_t *ctl, const char *question)
{
    char  line[16];

    if (ctl_option(ctl, "yes") != NULL) {
        return CTL_OK;
    }

    if (!isatty(STDIN_FILENO)) {
        return ctl_fail(ctl, CTL_REFUSED,
                        "nobody is at a terminal to ask: give --yes");
    }

    fprintf(stderr, "%s [y/N] ", question);

    if (fgets(line, sizeof(line), stdin) == NULL
        || (line[0] != 'y' && line[0] != 'Y'))
    {
        return ctl_fail(ctl, CTL_REFUSED, "nothing is changed");
    }

    return CTL_OK;
}


json_t *
ctl_json_str(cg_str_t s)
{
    json_t    *value;
    uint8_t   *text;
    cg_out_t   out;

    /* "\u0000" and U+FFFD, the longest, and the quotes */

    text = malloc(s.len * 6 + 2);
    if (text == NULL) {
        return NULL;
    }

    cg_out_init(&out, text, s.len * 6 + 2);
    cg_out_json(&out, s);

    value = json_loadb((const char *) text, cg_out_len(&out),
                       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    free(text);

    return value;
}
