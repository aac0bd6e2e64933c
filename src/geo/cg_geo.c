/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cg_geo_internal.h"
#include "cg_tree.h"


/*
 * Many networks share few records (660,000 and 250 in a database of countries),
 * and to walk a record of GeoLite2 to its country costs as much as to find
 * it: the value of a record is remembered by its offset. A power of two.
 */
#define CG_GEO_MEMO  1024

#define CG_GEO_NONE  UINT32_MAX


typedef struct {
    uint32_t     offset;     /* of a record in the data section */
    uint16_t     value;
} cg_geo_memo_t;

struct cg_geo_s {
    MMDB_s                  mmdb;
    const cg_geo_reader_t  *reader;
    const cg_geo_field_t   *field;
    struct stat             file;
    cg_geo_memo_t           memo[CG_GEO_MEMO];
    cg_tree_t               tree;
};


static bool cg_geo_regular(cg_geo_t *geo, const char *path, char *err);
static void cg_geo_not_opened(const char *path, int rc, char *err);
static const cg_geo_field_t *cg_geo_find(const cg_geo_t *geo, int *status);
static const cg_geo_field_t *cg_geo_probe(const cg_geo_t *geo,
    uint64_t record, uint8_t type, MMDB_entry_s *entry, uint64_t *last);
static inline uint16_t cg_geo_ipv4(cg_geo_t *geo,
    const struct in_addr *address);
static uint16_t cg_geo_ipv6(cg_geo_t *geo, const struct sockaddr *sa);
static inline uint16_t cg_geo_recall(cg_geo_t *geo, MMDB_entry_s *entry);


cg_geo_t *
cg_geo_open_as(const cg_geo_reader_t *reader, const char *path, char *err)
{
    int        rc;
    cg_geo_t  *geo;

    geo = calloc(1, sizeof(cg_geo_t));

    if (geo == NULL) {
        snprintf(err, CG_GEO_ERROR, "\"%s\": no memory", path);
        return NULL;
    }

    /* before the file is opened: what replaces it meanwhile is noticed */

    if (!cg_geo_regular(geo, path, err)) {
        free(geo);
        return NULL;
    }

    rc = MMDB_open(path, MMDB_MODE_MMAP, &geo->mmdb);

    if (rc != MMDB_SUCCESS) {
        cg_geo_not_opened(path, rc, err);
        free(geo);
        return NULL;
    }

    for (size_t i = 0; i < CG_GEO_MEMO; i++) {
        geo->memo[i].offset = CG_GEO_NONE;
    }

    geo->reader = reader;
    geo->field = cg_geo_find(geo, &rc);

    if (geo->field != NULL) {
        cg_tree_init(&geo->tree, &geo->mmdb);
        return geo;
    }

    if (rc != MMDB_SUCCESS) {
        snprintf(err, CG_GEO_ERROR, "\"%s\" is damaged: %s",
                 path, MMDB_strerror(rc));

    } else {
        snprintf(err, CG_GEO_ERROR, "\"%s\" (%s) %s", path,
                 cg_geo_type(geo), reader->missing);
    }

    cg_geo_close(geo);

    return NULL;
}


void
cg_geo_close(cg_geo_t *geo)
{
    MMDB_close(&geo->mmdb);
    free(geo);
}


uint16_t
cg_geo_value(cg_geo_t *geo, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        return cg_geo_ipv4(geo,
                           &((const struct sockaddr_in *) sa)->sin_addr);
    }

    return sa->sa_family == AF_INET6 ? cg_geo_ipv6(geo, sa) : 0;
}


static inline uint16_t
cg_geo_ipv4(cg_geo_t *geo, const struct in_addr *address)
{
    MMDB_entry_s  entry;

    return cg_tree_find(&geo->tree, ntohl(address->s_addr), &entry)
           ? cg_geo_recall(geo, &entry) : 0;
}


static uint16_t
cg_geo_ipv6(cg_geo_t *geo, const struct sockaddr *sa)
{
    int                     rc;
    struct in_addr          ipv4;
    const struct in6_addr  *ipv6;
    MMDB_lookup_result_s    found;

    ipv6 = &((const struct sockaddr_in6 *) sa)->sin6_addr;

    /* ::ffff:192.0.2.1, what a socket for both calls 192.0.2.1 */

    if (IN6_IS_ADDR_V4MAPPED(ipv6)) {
        memcpy(&ipv4, &ipv6->s6_addr[12], sizeof(ipv4));
        return cg_geo_ipv4(geo, &ipv4);
    }

    if (geo->mmdb.metadata.ip_version != 6) {
        return 0;
    }

    found = MMDB_lookup_sockaddr(&geo->mmdb, sa, &rc);

    return rc == MMDB_SUCCESS && found.found_entry
           ? cg_geo_recall(geo, &found.entry) : 0;
}


bool
cg_geo_changed(cg_geo_t *geo)
{
    struct stat  now;

    if (stat(geo->mmdb.filename, &now) != 0) {
        return false;
    }

    return now.st_dev != geo->file.st_dev
           || now.st_ino != geo->file.st_ino
           || now.st_size != geo->file.st_size
           || now.st_mtim.tv_sec != geo->file.st_mtim.tv_sec
           || now.st_mtim.tv_nsec != geo->file.st_mtim.tv_nsec;
}


int64_t
cg_geo_epoch(const cg_geo_t *geo)
{
    return (int64_t) geo->mmdb.metadata.build_epoch;
}


const char *
cg_geo_type(const cg_geo_t *geo)
{
    return geo->mmdb.metadata.database_type;
}


const char *
cg_geo_field(const cg_geo_t *geo)
{
    return geo->field->name;
}


/* To open a FIFO would block; an empty file cannot be mapped. */

static bool
cg_geo_regular(cg_geo_t *geo, const char *path, char *err)
{
    const char  *what;

    if (stat(path, &geo->file) != 0) {
        what = strerror(errno);

    } else if (!S_ISREG(geo->file.st_mode)) {
        what = "not a regular file";

    } else if (geo->file.st_size == 0) {
        what = "the file is empty";

    } else {
        return true;
    }

    snprintf(err, CG_GEO_ERROR, "\"%s\": %s", path, what);

    return false;
}


static void
cg_geo_not_opened(const char *path, int rc, char *err)
{
    if (rc == MMDB_FILE_OPEN_ERROR || rc == MMDB_IO_ERROR) {
        snprintf(err, CG_GEO_ERROR, "\"%s\" cannot be opened: %s",
                 path, strerror(errno));

    } else {
        snprintf(err, CG_GEO_ERROR, "\"%s\" is not a whole MMDB file: %s",
                 path, MMDB_strerror(rc));
    }
}


/*
 * The field of the first record that has one. The nodes are read in the
 * order of the file, as no order of addresses is needed; a database that has
 * one shows it within a few nodes.
 */

static const cg_geo_field_t *
cg_geo_find(const cg_geo_t *geo, int *status)
{
    uint64_t               last;
    const MMDB_s          *mmdb;
    MMDB_search_node_s     node;
    const cg_geo_field_t  *field;

    last = 0;
    mmdb = &geo->mmdb;

    for (uint32_t i = 0; i < mmdb->metadata.node_count; i++) {
        *status = MMDB_read_node(mmdb, i, &node);

        if (*status != MMDB_SUCCESS) {
            return NULL;
        }

        if (!cg_geo_sound(node.left_record_type, &node.left_record_entry)
            || !cg_geo_sound(node.right_record_type,
                             &node.right_record_entry))
        {
            *status = MMDB_CORRUPT_SEARCH_TREE_ERROR;
            return NULL;
        }

        field = cg_geo_probe(geo, node.left_record, node.left_record_type,
                             &node.left_record_entry, &last);

        if (field == NULL) {
            field = cg_geo_probe(geo, node.right_record,
                                 node.right_record_type,
                                 &node.right_record_entry, &last);
        }

        if (field != NULL) {
            return field;
        }
    }

    return NULL;
}


/*
 * Up to 1.13.3 the library leaves it to its caller to look at the type, and
 * takes a record that points between the tree and the data for one far
 * behind the data.
 */

bool
cg_geo_sound(uint8_t type, const MMDB_entry_s *entry)
{
    if (type == MMDB_RECORD_TYPE_DATA) {
        return entry->offset < entry->mmdb->data_section_size;
    }

    return type != MMDB_RECORD_TYPE_INVALID;
}


/* Neighbours often share a record: `last` is the one probed before. */

static const cg_geo_field_t *
cg_geo_probe(const cg_geo_t *geo, uint64_t record, uint8_t type,
    MMDB_entry_s *entry, uint64_t *last)
{
    if (type != MMDB_RECORD_TYPE_DATA || record == *last) {
        return NULL;
    }

    *last = record;

    return geo->reader->probe(entry);
}


static inline uint16_t
cg_geo_recall(cg_geo_t *geo, MMDB_entry_s *entry)
{
    cg_geo_memo_t  *memo;

    /* Fibonacci hashing (Knuth, vol. 3, 6.4): offsets are not random */

    memo = &geo->memo[entry->offset * 2654435769u >> 22];

    if (memo->offset != entry->offset) {
        memo->value = geo->reader->read(entry, geo->field);
        memo->offset = entry->offset;
    }

    return memo->value;
}
