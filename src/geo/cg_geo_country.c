/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_geo_internal.h"


static const cg_geo_field_t *cg_geo_country_probe(MMDB_entry_s *entry);
static uint16_t cg_geo_country_read(MMDB_entry_s *entry,
    const cg_geo_field_t *field);


/*
 * In the order of preference: IPinfo's "country" is a code where there is no
 * "country_code", and a name where there is one.
 */

static const cg_geo_field_t  cg_geo_country_fields[] = {
    { "country.iso_code", { "country", "iso_code", NULL } },
    { "country_code", { "country_code", NULL, NULL } },
    { "country", { "country", NULL, NULL } }
};

#define CG_GEO_FIELDS                                                         \
    (sizeof(cg_geo_country_fields) / sizeof(cg_geo_country_fields[0]))


static const cg_geo_reader_t  cg_geo_country_reader = {
    "has no country: looked for \"country.iso_code\", \"country_code\" and "
    "\"country\"",
    cg_geo_country_probe,
    cg_geo_country_read
};


cg_geo_t *
cg_geo_open(const char *path, char *err)
{
    return cg_geo_open_as(&cg_geo_country_reader, path, err);
}


cg_cc_t
cg_geo_country(cg_geo_t *geo, const struct sockaddr *sa)
{
    return cg_geo_value(geo, sa);
}


static const cg_geo_field_t *
cg_geo_country_probe(MMDB_entry_s *entry)
{
    for (size_t i = 0; i < CG_GEO_FIELDS; i++) {
        if (cg_geo_country_read(entry, &cg_geo_country_fields[i])
            != CG_CC_UNKNOWN)
        {
            return &cg_geo_country_fields[i];
        }
    }

    return NULL;
}


static uint16_t
cg_geo_country_read(MMDB_entry_s *entry, const cg_geo_field_t *field)
{
    MMDB_entry_data_s  value;

    if (!cg_geo_sound(MMDB_RECORD_TYPE_DATA, entry)
        || MMDB_aget_value(entry, &value, field->path) != MMDB_SUCCESS
        || !value.has_data
        || value.type != MMDB_DATA_TYPE_UTF8_STRING)
    {
        return CG_CC_UNKNOWN;
    }

    return cg_country_parse((cg_str_t) { value.data_size,
                                    (const uint8_t *) value.utf8_string });
}
