/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_GEO_H
#define CG_GEO_H

#include <sys/socket.h>
#include <sys/types.h>

#include "../core/cg_anonymizer.h"


/*
 * A database (MMDB) of countries or of anonymizers. Opened once, replaced when
 * its file is: the file must be replaced by rename, for the old one stays
 * mapped until nobody reads it, and a file that shrinks under a mapping kills
 * the reader.
 */

typedef struct cg_geo_s  cg_geo_t;

#define CG_GEO_ERROR  512       /* bytes of a message */

/*
 * Opens `path`, checks that it is whole (metadata, and size against the
 * search tree) and finds the path of the country field: country.iso_code
 * (GeoLite2, GeoIP2, DB-IP), else country_code, else country as a string
 * (IPinfo and others). Returns NULL with a message, which names the file and
 * what was looked for, in `err` (CG_GEO_ERROR bytes).
 */
cg_geo_t *cg_geo_open(const char *path, char *err);
/*
 * The same for a database of anonymizers: the fields "is_anonymous" and its
 * like (GeoIP2 Anonymous IP, Anonymous Plus), else "vpn" and its like as
 * boolean or as "true" (IPinfo).
 */
cg_geo_t *cg_geo_open_anonymizers(const char *path, char *err);
void cg_geo_close(cg_geo_t *geo);

/*
 * The country of an address (AF_INET or AF_INET6, IPv4-mapped too); anything
 * else is unknown. Allocates nothing and makes no system call.
 */
cg_cc_t cg_geo_country(cg_geo_t *geo, const struct sockaddr *sa);
/* What an address is known as, in a database of anonymizers; alike. */
cg_anonymizer_e cg_geo_anonymizer(cg_geo_t *geo, const struct sockaddr *sa);

/*
 * Whether the file at the path is another one than was opened (device, inode,
 * size or modification time). One stat(). A file that is not there is not
 * another one.
 */
bool cg_geo_changed(cg_geo_t *geo);

/* When the database was built, seconds since 1970, and its type. */
int64_t cg_geo_epoch(const cg_geo_t *geo);
const char *cg_geo_type(const cg_geo_t *geo);
/* The field that is read: "country.iso_code", "is_anonymous". */
const char *cg_geo_field(const cg_geo_t *geo);

#endif /* CG_GEO_H */
