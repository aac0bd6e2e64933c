/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"


#define CTL_MAX_KEYS  65536     /* bytes of the key file, as in nginx */


static ctl_exit_e ctl_file_load(ctl_t *ctl, const char *path, bool secret,
    size_t max, char **text, size_t *len);
static ctl_exit_e ctl_file_check(ctl_t *ctl, const char *path,
    bool secret, const struct stat *st);
static ctl_exit_e ctl_file_fill(ctl_t *ctl, const char *path, int fd,
    size_t max, char **text, size_t *len);


ctl_exit_e
ctl_file_read(ctl_t *ctl, const char *path, size_t max, char **text,
    size_t *len)
{
    return ctl_file_load(ctl, path, false, max, text, len);
}


ctl_exit_e
ctl_file_secret(ctl_t *ctl, const char *path, size_t max, char **text,
    size_t *len)
{
    return ctl_file_load(ctl, path, true, max, text, len);
}


ctl_exit_e
ctl_file_failed(ctl_t *ctl, const char *path)
{
    return ctl_fail(ctl, CTL_FILE, "cannot write to \"%s\": %s", path,
                    strerror(errno));
}


ctl_exit_e
ctl_file_sync_directory(ctl_t *ctl, const char *path)
{
    int          fd;
    char        *copy;
    ctl_exit_e   rc;

    copy = strdup(path);
    if (copy == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* some file systems have no such thing: EINVAL */

    rc = fd != -1 && (fsync(fd) == 0 || errno == EINVAL)
         ? CTL_OK : ctl_file_failed(ctl, path);

    if (fd != -1) {
        close(fd);
    }

    free(copy);

    return rc;
}


ctl_exit_e
ctl_keys_load(ctl_t *ctl)
{
    char        *text;
    size_t       len;
    unsigned     line;
    const char  *path, *err;
    ctl_exit_e   rc;

    if (ctl->has_keys) {
        return CTL_OK;
    }

    path = ctl_setting(ctl, CTL_KEY_FILE);

    rc = ctl_file_secret(ctl, path, CTL_MAX_KEYS, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    err = cg_keys_parse(&ctl->keys,
                        (cg_str_t) { len, (const uint8_t *) text }, &line);
    OPENSSL_cleanse(text, len);
    free(text);

    if (err != NULL && line > 0) {
        return ctl_fail(ctl, CTL_FILE, "key file \"%s\", line %u: %s", path,
                        line, err);
    }

    if (err != NULL) {
        return ctl_fail(ctl, CTL_FILE, "key file \"%s\": %s", path, err);
    }

    ctl->has_keys = true;

    return CTL_OK;
}


static ctl_exit_e
ctl_file_load(ctl_t *ctl, const char *path, bool secret, size_t max,
    char **text, size_t *len)
{
    int          fd;
    struct stat  st;
    ctl_exit_e   rc;

    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1) {
        return ctl_fail(ctl, CTL_FILE, "cannot open \"%s\": %s", path,
                        strerror(errno));
    }

    if (fstat(fd, &st) == -1) {
        rc = ctl_fail(ctl, CTL_FILE, "\"%s\": %s", path, strerror(errno));

    } else {
        rc = ctl_file_check(ctl, path, secret, &st);
    }

    if (rc == CTL_OK) {
        rc = ctl_file_fill(ctl, path, fd, max, text, len);
    }

    close(fd);

    return rc;
}


/* Whoever reads the keys can sign consents: as the module, so here. */

static ctl_exit_e
ctl_file_check(ctl_t *ctl, const char *path, bool secret,
    const struct stat *st)
{
    if (!S_ISREG(st->st_mode)) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is not a file", path);
    }

    if (secret && (st->st_mode & (S_IROTH | S_IWOTH))) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is readable or writable by "
                        "others (mode %04o), it must be 0640 or stricter",
                        path, (unsigned) (st->st_mode & 07777));
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_file_fill(ctl_t *ctl, const char *path, int fd, size_t max,
    char **text, size_t *len)
{
    char     *buf;
    size_t    n;
    ssize_t   got;

    buf = malloc(max + 1);
    if (buf == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    n = 0;

    do {
        got = read(fd, buf + n, max + 1 - n);
        n += got > 0 ? (size_t) got : 0;
    } while (got > 0 && n <= max);

    if (got < 0 || n > max) {
        free(buf);
        return got < 0
               ? ctl_fail(ctl, CTL_FILE, "cannot read \"%s\": %s", path,
                          strerror(errno))
               : ctl_fail(ctl, CTL_FILE, "\"%s\" is larger than %zu bytes",
                          path, max);
    }

    buf[n] = '\0';
    *text = buf;
    *len = n;

    return CTL_OK;
}
