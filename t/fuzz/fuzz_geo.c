/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _GNU_SOURCE

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cg_geo.h"


#define require(x)  do { if (!(x)) abort(); } while (0)

#define NODES  4

/*
 * What a database of four nodes says of itself behind its data; the records
 * are of 24 bits.
 */

static const char  metadata[] =
    "\xab\xcd\xefMaxMind.com"
    "\xe9"
    "\x5b" "binary_format_major_version" "\xa1\x02"
    "\x5b" "binary_format_minor_version" "\xa0"
    "\x4b" "build_epoch" "\x04\x02\x65\x00\x00\x00"
    "\x4d" "database_type" "\x44" "fuzz"
    "\x4b" "description" "\xe0"
    "\x4a" "ip_version" "\xa1\x06"
    "\x49" "languages" "\x00\x04"
    "\x4a" "node_count" "\xc1\x04"
    "\x4b" "record_size" "\xa1\x18";


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* A database whose tree and data are the input, or what stands behind 0xff. */

static int
make_file(const uint8_t *data, size_t size)
{
    int            fd;
    static char    gap[16];

    fd = memfd_create("fuzz", 0);
    require(fd >= 0);

    if (size != 0 && data[0] == 0xff) {
        require(write(fd, data + 1, size - 1) == (ssize_t) size - 1);

    } else if (size > 6 * NODES) {
        require(write(fd, data, 6 * NODES) == 6 * NODES);
        require(write(fd, gap, 16) == 16);
        require(write(fd, data + 6 * NODES, size - 6 * NODES)
                == (ssize_t) size - 6 * NODES);
        require(write(fd, metadata, sizeof(metadata) - 1)
                == sizeof(metadata) - 1);
    }

    return fd;
}


static void
look_up(cg_geo_t *geo, bool countries)
{
    struct sockaddr_in   sin;
    struct sockaddr_in6  sin6;

    memset(&sin, 0, sizeof(sin));
    memset(&sin6, 0, sizeof(sin6));

    sin.sin_family = AF_INET;
    sin6.sin6_family = AF_INET6;

    require(cg_geo_field(geo) != NULL && cg_geo_type(geo) != NULL);

    for (uint32_t i = 0; i < 64; i++) {
        sin.sin_addr.s_addr = htonl(i * 0x9e3779b9u);
        memcpy(&sin6.sin6_addr, &sin.sin_addr, 4);

        if (countries) {
            require(cg_geo_country(geo, (struct sockaddr *) &sin)
                    < CG_CC_COUNT);
            require(cg_geo_country(geo, (struct sockaddr *) &sin6)
                    < CG_CC_COUNT);

        } else {
            require(cg_geo_anonymizer(geo, (struct sockaddr *) &sin)
                    < CG_ANONYMIZERS);
            require(cg_geo_anonymizer(geo, (struct sockaddr *) &sin6)
                    < CG_ANONYMIZERS);
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int        fd;
    char       path[32], err[CG_GEO_ERROR];
    cg_geo_t  *geo;

    fd = make_file(data, size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    for (int countries = 0; countries < 2; countries++) {
        geo = countries ? cg_geo_open(path, err)
                        : cg_geo_open_anonymizers(path, err);

        if (geo != NULL) {
            look_up(geo, countries);
            cg_geo_close(geo);

        } else {
            require(strstr(err, path) != NULL);
        }
    }

    close(fd);

    return 0;
}
