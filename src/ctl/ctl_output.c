/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl_output.h"


static int ctl_output_rename(const char *from, const char *to);


ctl_exit_e
ctl_output_open(ctl_t *ctl, ctl_output_t *out, const char *path)
{
    int  fd;

    memset(out, 0, sizeof(ctl_output_t));
    out->path = path;

    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" exists", path);
    }

    if (asprintf(&out->part, "%s.XXXXXX", path) == -1) {
        out->part = NULL;
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    /* it holds pseudonyms: mkstemp() makes it for its owner only */

    fd = mkostemp(out->part, O_CLOEXEC);

    if (fd == -1) {
        free(out->part);
        out->part = NULL;
        return ctl_fail(ctl, CTL_FILE, "cannot make \"%s\": %s", path,
                        strerror(errno));
    }

    out->file = fdopen(fd, "w");

    if (out->file == NULL) {
        close(fd);
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    return CTL_OK;
}


ctl_exit_e
ctl_output_write(ctl_t *ctl, ctl_output_t *out, const void *data, size_t len)
{
    return fwrite(data, 1, len, out->file) == len
           ? CTL_OK : ctl_file_failed(ctl, out->path);
}


ctl_exit_e
ctl_output_close(ctl_t *ctl, ctl_output_t *out)
{
    bool   written;
    FILE  *file;

    written = fflush(out->file) == 0 && fsync(fileno(out->file)) == 0;

    if (!written) {
        return ctl_file_failed(ctl, out->path);
    }

    file = out->file;
    out->file = NULL;

    if (fclose(file) != 0 || ctl_output_rename(out->part, out->path) == -1) {
        return ctl_file_failed(ctl, out->path);
    }

    free(out->part);
    out->part = NULL;
    out->made = true;

    return ctl_file_sync_directory(ctl, out->path);
}


void
ctl_output_free(ctl_output_t *out, bool keep)
{
    if (out->file != NULL) {
        fclose(out->file);
        out->file = NULL;
    }

    if (out->part != NULL) {
        unlink(out->part);
        free(out->part);
        out->part = NULL;
    }

    if (out->made && !keep) {
        unlink(out->path);
        out->made = false;
    }
}


/*
 * Not over what somebody else has made there meanwhile, if the file system
 * can do that.
 */

static int
ctl_output_rename(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }

    return errno == EINVAL || errno == ENOSYS ? rename(from, to) : -1;
}
