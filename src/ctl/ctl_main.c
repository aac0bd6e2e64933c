/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl.h"


static void ctl_descriptors(void);
static ctl_exit_e ctl_run(ctl_t *ctl, int argc, char **argv);
static void ctl_free(ctl_t *ctl);


int
main(int argc, char **argv)
{
    ctl_t       ctl;
    ctl_exit_e  rc;

    memset(&ctl, 0, sizeof(ctl));
    ctl_descriptors();

    /* a peer that is gone, or a file too large, is an error of write() */

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    setvbuf(stderr, NULL, _IOLBF, 0);

    rc = ctl_run(&ctl, argc - 1, argv + 1);

    /* some file systems tell of a full disk as late as this */

    if ((ferror(stdout) | fclose(stdout)) != 0 && rc <= CTL_FOUND) {
        rc = ctl_fail(&ctl, CTL_FILE, "cannot write to standard output");
    }

    ctl_free(&ctl);

    return (int) rc;
}


/*
 * A file that is opened must not take the place of a standard one that was
 * closed: what is printed would be written to it. To use these is an error.
 */

static void
ctl_descriptors(void)
{
    int  fd;

    do {
        fd = open("/dev/null", O_RDONLY);

        if (fd == STDIN_FILENO) {
            close(fd);
            fd = open("/dev/null", O_WRONLY);
        }
    } while (fd != -1 && fd <= STDERR_FILENO);

    if (fd != -1) {
        close(fd);
    }
}


static ctl_exit_e
ctl_run(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e  rc;

    rc = ctl_options_parse(ctl, &argc, argv);
    if (rc != CTL_OK) {
        return rc;
    }

    if (ctl->version) {
        puts("consentctl " CTL_VERSION);
        return CTL_OK;
    }

    if (ctl->command == NULL) {
        ctl_help(ctl->help ? stdout : stderr);
        return ctl->help ? CTL_OK : CTL_USAGE;
    }

    if (ctl->help) {
        ctl_help_command(stdout, ctl->command);
        return CTL_OK;
    }

    if (argc > 0 && ctl->command->args[0] == '\0') {
        return ctl_fail(ctl, CTL_USAGE, "%s takes options only: \"%s\" is "
                        "none", ctl->command->name, argv[0]);
    }

    /* help comes even when the settings are what is wrong */

    rc = strcmp(ctl->command->name, "help") == 0 ? CTL_OK : ctl_conf_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    return ctl->command->run(ctl, argc, argv);
}


static void
ctl_free(ctl_t *ctl)
{
    int  i;

    if (ctl->has_keys) {
        cg_keys_free(&ctl->keys);
    }

    if (ctl->redis != NULL) {
        ctl_redis_close(ctl->redis);
    }

    for (i = 0; i < CTL_SETTINGS; i++) {
        free(ctl->setting[i]);
    }
}
