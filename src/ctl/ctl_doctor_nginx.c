/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl_commands.h"


extern char  **environ;

static bool ctl_nginx_spawn(const char *path, pid_t *pid, int *fd);
static void ctl_nginx_line(const char *said, bool accepted, char *line,
    size_t size);


/*
 * nginx knows best what is wrong with its configuration, and our directives
 * explain each mistake in one line: the first of its lines is enough. Read to
 * the end, so that nginx does not wait for us; what does not fit is dropped.
 */

int
ctl_nginx_test(const char *path, char *line, size_t size)
{
    int      fd, status;
    bool     accepted;
    char     said[4096], more[512];
    pid_t    pid;
    size_t   len;
    ssize_t  n;

    if (!ctl_nginx_spawn(path, &pid, &fd)) {
        snprintf(line, size, "nginx cannot be started: %s", strerror(errno));
        return -1;
    }

    len = 0;

    for ( ;; ) {
        n = len < sizeof(said) - 1
            ? read(fd, said + len, sizeof(said) - 1 - len)
            : read(fd, more, sizeof(more));

        if (n < 0 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            break;
        }

        if (len < sizeof(said) - 1) {
            len += (size_t) n;
        }
    }

    said[len] = '\0';
    close(fd);

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
        /* again */
    }

    accepted = (WIFEXITED(status) && WEXITSTATUS(status) == 0)
               || strstr(said, "test is successful") != NULL;

    ctl_nginx_line(said, accepted, line, size);

    return accepted ? 0 : 1;
}


/* No shell: the path is an argument and nothing else. */

static bool
ctl_nginx_spawn(const char *path, pid_t *pid, int *fd)
{
    int                         rc, ends[2];
    char                       *argv[] = { "nginx", "-t", "-e", "stderr",
                                           "-c", (char *) path, NULL };
    posix_spawn_file_actions_t  actions;

    if (pipe(ends) == -1) {
        return false;
    }

    rc = posix_spawn_file_actions_init(&actions);

    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, ends[1], 2);

        if (rc == 0) {
            rc = posix_spawn_file_actions_addclose(&actions, ends[0]);
        }

        if (rc == 0) {
            rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
        }

        posix_spawn_file_actions_destroy(&actions);
    }

    close(ends[1]);

    if (rc != 0) {
        close(ends[0]);
        errno = rc;
        return false;
    }

    *fd = ends[0];

    return true;
}


/* The line of the mistake, from its level on; of what is taken, a warning. */

static void
ctl_nginx_line(const char *said, bool accepted, char *line, size_t size)
{
    const char  *from;

    from = strstr(said, accepted ? "[warn]" : "[emerg]");

    if (from == NULL) {
        from = accepted ? "" : said;
    }

    snprintf(line, size, "%.*s", (int) strcspn(from, "\n"), from);
}
