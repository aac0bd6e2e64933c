/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl_proof.h"


/*
 * The file of checkpoints: JSON Lines, each signed, and each with the SHA-256
 * of the line before, so that none can be taken out of the middle. What is
 * added is kept in memory, and written at once.
 */


static ctl_exit_e ctl_ledger_read(ctl_t *ctl, ctl_ledger_t *ledger);
static const char *ctl_ledger_mark(json_t *body, ctl_mark_t *mark);
static bool ctl_ledger_keep(ctl_ledger_t *ledger, const ctl_mark_t *mark);
static ctl_exit_e ctl_ledger_append(ctl_t *ctl, ctl_ledger_t *ledger);


static const char *const  ctl_ledger_names[] = { "checkpoint", "trim" };


ctl_exit_e
ctl_ledger_open(ctl_t *ctl, ctl_ledger_t *ledger, bool write)
{
    int          fd;
    struct stat  st;
    ctl_exit_e   rc;

    memset(ledger, 0, sizeof(ctl_ledger_t));
    ledger->path = ctl_setting(ctl, CTL_CHECKPOINTS);

    rc = ctl_keys_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    fd = open(ledger->path, (write ? O_RDWR | O_APPEND | O_CREAT : O_RDONLY)
                            | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd == -1) {
        return errno == ENOENT && !write
               ? CTL_OK
               : ctl_fail(ctl, CTL_FILE, "cannot open \"%s\": %s",
                          ledger->path, strerror(errno));
    }

    ledger->file = fdopen(fd, write ? "a+" : "r");

    if (ledger->file == NULL) {
        close(fd);
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is not a file", ledger->path);
    }

    if (write && flock(fd, LOCK_EX | LOCK_NB) == -1) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is being written by another "
                        "consentctl", ledger->path);
    }

    return ctl_ledger_read(ctl, ledger);
}


ctl_exit_e
ctl_ledger_add(ctl_t *ctl, ctl_ledger_t *ledger, const ctl_mark_t *mark)
{
    char     at[CTL_AT], bucket[8], *line;
    bool     ok;
    size_t   len;
    json_t  *body;

    if (ledger->out == NULL
        && (ledger->out = open_memstream(&ledger->text, &ledger->len)) == NULL)
    {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    snprintf(bucket, sizeof(bucket), "%03x", mark->bucket);

    body = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:s%, s:s%}",
                     "v", CTL_SIGNED, "type", ctl_ledger_names[mark->what],
                     "time", (json_int_t) time(NULL),
                     "prefix", ctl_setting(ctl, CTL_PREFIX),
                     "bucket", bucket,
                     "entry", ctl_at_text(mark->at, at),
                     "link", mark->link, (size_t) CTL_LINK,
                     "prev", ledger->last, ledger->last_len);

    line = ctl_signed_line(ctl, body, &len);
    if (line == NULL) {
        return ctl->failed;
    }

    ok = ctl_sha256(line, len, ledger->last)
         && fwrite(line, 1, len, ledger->out) == len
         && fputc('\n', ledger->out) != EOF
         && ctl_ledger_keep(ledger, mark);

    ledger->last_len = CTL_SHA256;
    free(line);

    return ok ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "out of memory");
}


ctl_exit_e
ctl_ledger_flush(ctl_t *ctl, ctl_ledger_t *ledger)
{
    ctl_exit_e  rc;

    if (ledger->out == NULL) {
        return CTL_OK;
    }

    rc = fclose(ledger->out) == 0
         ? ctl_ledger_append(ctl, ledger)
         : ctl_fail(ctl, CTL_FAILED, "out of memory");

    ledger->out = NULL;
    free(ledger->text);
    ledger->text = NULL;

    return rc == CTL_OK ? ctl_file_sync_directory(ctl, ledger->path) : rc;
}


void
ctl_ledger_close(ctl_ledger_t *ledger)
{
    if (ledger->file != NULL) {
        fclose(ledger->file);
    }

    if (ledger->out != NULL) {
        fclose(ledger->out);
    }

    free(ledger->text);
    free(ledger->marks);
}


const ctl_mark_t *
ctl_ledger_last(const ctl_ledger_t *ledger, ctl_ledger_e what,
    unsigned bucket, ctl_at_t before)
{
    size_t             i;
    const ctl_mark_t  *mark;

    for (i = ledger->latest[bucket]; i > 0; i = mark->before) {
        mark = &ledger->marks[i - 1];

        if (mark->what == what && ctl_at_cmp(mark->at, before) < 0) {
            return mark;
        }
    }

    return NULL;
}


const ctl_mark_t *
ctl_ledger_before(const ctl_ledger_t *ledger, const ctl_mark_t *mark)
{
    return mark->before > 0 ? &ledger->marks[mark->before - 1] : NULL;
}


const char *
ctl_ledger_line(ctl_t *ctl, ctl_ledger_t *ledger, const char *line, size_t len)
{
    json_t      *body;
    const char  *err, *prev, *prefix;
    ctl_mark_t   mark;

    body = ctl_signed_read(ctl, line, len, &err);
    if (body == NULL) {
        return err;
    }

    prev = json_string_value(json_object_get(body, "prev"));
    prefix = json_string_value(json_object_get(body, "prefix"));

    if (prev == NULL || strlen(prev) != ledger->last_len
        || memcmp(prev, ledger->last, ledger->last_len) != 0)
    {
        err = "a line before it is missing or altered";

    } else if (prefix == NULL
               || strcmp(prefix, ctl_setting(ctl, CTL_PREFIX)) != 0)
    {
        err = "it is of another prefix";

    } else {
        err = ctl_ledger_mark(body, &mark);
    }

    json_decref(body);

    if (err != NULL) {
        return err;
    }

    ledger->last_len = CTL_SHA256;

    return ctl_sha256(line, len, ledger->last)
           && ctl_ledger_keep(ledger, &mark)
           ? NULL : "out of memory";
}


static ctl_exit_e
ctl_ledger_read(ctl_t *ctl, ctl_ledger_t *ledger)
{
    char        *line;
    size_t       size, number;
    ssize_t      len;
    const char  *err;

    line = NULL;
    size = 0;
    err = NULL;

    for (number = 1;
         (len = getline(&line, &size, ledger->file)) > 0;
         number++)
    {
        err = line[len - 1] == '\n'
              ? ctl_ledger_line(ctl, ledger, line, (size_t) len - 1)
              : "it is cut short; take it out";

        if (err != NULL) {
            break;
        }
    }

    free(line);

    if (ferror(ledger->file)) {
        return ctl_fail(ctl, CTL_FILE, "cannot read \"%s\": %s", ledger->path,
                        strerror(errno));
    }

    return err == NULL
           ? CTL_OK
           : ctl_fail(ctl, CTL_FILE, "\"%s\", line %zu: %s", ledger->path,
                      number, err);
}


static const char *
ctl_ledger_mark(json_t *body, ctl_mark_t *mark)
{
    int          bucket;
    size_t       what;
    const char  *type, *text, *link;

    if (json_unpack(body, "{s:s, s:s, s:s}", "type", &type, "bucket", &text,
                    "link", &link)
        != 0)
    {
        return "it is no checkpoint";
    }

    for (what = 0; what <= CTL_LEDGER_TRIM; what++) {
        if (strcmp(type, ctl_ledger_names[what]) == 0) {
            break;
        }
    }

    bucket = ctl_bucket_parse(text);

    if (what > CTL_LEDGER_TRIM || bucket == -1 || strlen(link) != CTL_LINK
        || !ctl_json_at(body, "entry", &mark->at))
    {
        return "it is no checkpoint";
    }

    mark->what = (uint8_t) what;
    mark->bucket = (uint16_t) bucket;
    memcpy(mark->link, link, CTL_LINK);

    return NULL;
}


static bool
ctl_ledger_keep(ctl_ledger_t *ledger, const ctl_mark_t *mark)
{
    size_t       size;
    ctl_mark_t  *marks;

    if (ledger->n == ledger->size) {
        size = ledger->size != 0 ? ledger->size * 2 : 256;
        marks = realloc(ledger->marks, size * sizeof(ctl_mark_t));

        if (marks == NULL) {
            return false;
        }

        ledger->marks = marks;
        ledger->size = size;
    }

    marks = &ledger->marks[ledger->n++];
    *marks = *mark;
    marks->before = ledger->latest[mark->bucket];
    ledger->latest[mark->bucket] = ledger->n;
    ledger->trims += mark->what == CTL_LEDGER_TRIM;

    return true;
}


/* All of it, or nothing: half a line would make the file unreadable. */

static ctl_exit_e
ctl_ledger_append(ctl_t *ctl, ctl_ledger_t *ledger)
{
    int          fd, err;
    size_t       left;
    ssize_t      n;
    const char  *p;
    struct stat  st;

    fd = fileno(ledger->file);
    p = ledger->text;
    left = ledger->len;

    if (fstat(fd, &st) == -1) {
        return ctl_file_failed(ctl, ledger->path);
    }

    while (left > 0) {
        n = write(fd, p, left);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            break;
        }

        p += n;
        left -= (size_t) n;
    }

    if (left == 0 && fsync(fd) == 0) {
        return CTL_OK;
    }

    err = errno;

    if (ftruncate(fd, st.st_size) == -1) {
        ctl_note(ctl, "\"%s\" may end in half a line: take it out",
                 ledger->path);
    }

    errno = err;

    return ctl_file_failed(ctl, ledger->path);
}
