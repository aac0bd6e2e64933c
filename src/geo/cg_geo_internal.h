/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_GEO_INTERNAL_H
#define CG_GEO_INTERNAL_H

#include <maxminddb.h>

#include "cg_geo.h"


/*
 * What a kind of database is read for: cg_geo_country.c, cg_geo_anonymizer.c.
 * A value is a small number; 0 is nothing.
 */

typedef struct {
    const char  *name;
    const char  *path[3];
} cg_geo_field_t;

typedef struct {
    const char             *missing;    /* "has no country: looked for ..." */
    const cg_geo_field_t *(*probe)(MMDB_entry_s *entry);
                                        /* the fields of it that a record has;
                                         * NULL: none */
    uint16_t              (*read)(MMDB_entry_s *entry,
                                  const cg_geo_field_t *field);
} cg_geo_reader_t;


/* As cg_geo_open(). */
cg_geo_t *cg_geo_open_as(const cg_geo_reader_t *reader, const char *path,
    char *err);
/* What the database says about an address. */
uint16_t cg_geo_value(cg_geo_t *geo, const struct sockaddr *sa);
/* Whether a record of this type lies within the data section. */
bool cg_geo_sound(uint8_t type, const MMDB_entry_s *entry);

#endif /* CG_GEO_INTERNAL_H */
