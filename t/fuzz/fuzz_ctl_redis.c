/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _GNU_SOURCE

/*
 * Whole commands of consentctl, while Redis says anything: what it says is the
 * input behind the first byte, which chooses the command.
 */

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ctl_redis.h"
#include "fuzz_ctl.h"


#define FUZZ_WORDS  8
#define FUZZ_MAX    65536     /* bytes that a socket takes in any case */


static char *const  fuzz_commands[][FUZZ_WORDS] = {
    { "policy", "list" },
    { "policy", "list", "terms", "--json" },
    { "policy", "publish", "terms", "--version=9", "--yes" },
    { "policy", "schedule", "terms", "--version=9", "--yes",
      "--effective=2090-01-01", "--force" },
    { "subject", "show", "--subject=anna" },
    { "subject", "show", "--pseudonym=AAAAAAAAAAAAAAAAAAAAAA", "--json" },
    { "subject", "export", "--subject=anna" },
    { "subject", "export", "--pseudonym=AAAAAAAAAAAAAAAAAAAAAA" },
    { "subject", "erase", "--subject=anna", "--yes" },
    { "subject", "residence", "--subject=anna", "--country=NO" },
    { "pending", "--scan", "--pseudonyms" },
    { "pending", "--scan", "--json" },
    { "stats" },
    { "stats", "--json" },
    { "link", "--subject=anna" },
    { "verify", "--bucket=000" },
    { "verify", "--subject=anna", "--json" },
    { "doctor" },
    { "doctor", "--json" },
};

#define FUZZ_COMMANDS  (sizeof(fuzz_commands) / sizeof(fuzz_commands[0]))


/* hiredis would ask for gigabytes, or consentctl wait for seconds. */

static bool
fuzz_fit(const uint8_t *data, size_t size)
{
    size_t  i, n;

    for (i = 0; i < size; i++) {
        for (n = 0; data[i] == '*' && i + n + 1 < size
                    && data[i + n + 1] >= '0' && data[i + n + 1] <= '9'; n++)
        {
            /* void */
        }

        if (n > 4) {
            return false;
        }
    }

    return size <= FUZZ_MAX && memmem(data, size, "TRYAGAIN", 8) == NULL;
}


/* There is no place for a node that we are sent to. */

static ctl_node_t *
fuzz_open(ctl_redis_t *redis, const uint8_t *data, size_t size, int *peer)
{
    int             ends[2];
    size_t          i;
    ctl_node_t     *node;
    struct timeval  tv;

    require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    require(write(ends[1], data, size) == (ssize_t) size);
    require(shutdown(ends[1], SHUT_WR) == 0);
    *peer = ends[1];

    /* nobody reads the commands: when there is no more room, that is it */

    tv.tv_sec = 0;
    tv.tv_usec = 1000;
    require(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv))
            == 0);

    node = calloc(1, sizeof(ctl_node_t));
    require(node != NULL);

    node->name = strdup("127.0.0.1:6379");
    node->reader = redisReaderCreate();
    node->net.fd = ends[0];
    node->master = true;
    require(node->name != NULL && node->reader != NULL);

    redis->n = CTL_MAX_NODES;

    for (i = 0; i < CTL_MAX_NODES; i++) {
        redis->nodes[i] = node;
    }

    for (i = 0; i < CG_SLOTS; i++) {
        redis->slots[i] = node;
    }

    return node;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 i, argc, peer;
    char               *argv[FUZZ_WORDS], *words[FUZZ_WORDS];
    ctl_t               ctl;
    ctl_node_t         *node;
    static bool         ready;
    static ctl_t        preset;
    static ctl_redis_t  redis;

    if (!ready) {
        fuzz_ctl_init(&preset);
        ready = true;
    }

    if (size == 0 || !fuzz_fit(data, size)) {
        return -1;
    }

    ctl = preset;
    ctl.redis = &redis;
    redis.cluster = data[0] & 0x80;

    for (argc = 0; argc < FUZZ_WORDS; argc++) {
        if (fuzz_commands[(data[0] & 0x7f) % FUZZ_COMMANDS][argc] == NULL) {
            break;
        }

        words[argc] = strdup(fuzz_commands[(data[0] & 0x7f)
                                           % FUZZ_COMMANDS][argc]);
        argv[argc] = words[argc];
        require(argv[argc] != NULL);
    }

    node = fuzz_open(&redis, data + 1, size - 1, &peer);

    i = argc;
    require(ctl_options_parse(&ctl, &i, argv) == CTL_OK);
    require(ctl.command->run(&ctl, i, argv) < CTL_EXITS);

    ctl_node_close(node);
    close(peer);

    while (argc > 0) {
        free(words[--argc]);
    }

    return 0;
}
