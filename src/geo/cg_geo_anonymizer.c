/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_geo_internal.h"


static const cg_geo_field_t *cg_geo_flags_probe(MMDB_entry_s *entry);
static bool cg_geo_flags_any(MMDB_entry_s *entry, const cg_geo_field_t *set);
static uint16_t cg_geo_flags_read(MMDB_entry_s *entry,
    const cg_geo_field_t *set);
static int cg_geo_flag(MMDB_entry_s *entry, const cg_geo_field_t *field);


/*
 * What each provider calls a kind: the fields of one set, in the order of
 * cg_anonymizer_e. MaxMind leaves out what is false, and IPinfo writes "" for
 * it; a database of the one has no field of the other.
 */

#define cg_geo_named(s)   { s, { s, NULL, NULL } }
#define cg_geo_absent(s)  { s, { NULL, NULL, NULL } }

static const cg_geo_field_t  cg_geo_flags[][CG_ANONYMIZERS - 1] = {
    {
        cg_geo_named("is_anonymous"),
        cg_geo_named("is_hosting_provider"),
        cg_geo_absent("relay"),
        cg_geo_named("is_public_proxy"),
        cg_geo_named("is_residential_proxy"),
        cg_geo_named("is_anonymous_vpn"),
        cg_geo_named("is_tor_exit_node")
    },
    {
        cg_geo_absent("vpn"),       /* what the set is called by */
        cg_geo_named("hosting"),
        cg_geo_named("relay"),
        cg_geo_named("proxy"),
        cg_geo_absent("residential_proxy"),
        cg_geo_named("vpn"),
        cg_geo_named("tor")
    }
};

#define CG_GEO_SETS  (sizeof(cg_geo_flags) / sizeof(cg_geo_flags[0]))


static const cg_geo_reader_t  cg_geo_anonymizer_reader = {
    "has no anonymizers: looked for \"is_anonymous\", \"is_hosting_provider\", "
    "\"is_public_proxy\", \"is_residential_proxy\", \"is_anonymous_vpn\", "
    "\"is_tor_exit_node\", \"hosting\", \"relay\", \"proxy\", \"vpn\" and "
    "\"tor\"",
    cg_geo_flags_probe,
    cg_geo_flags_read
};


cg_geo_t *
cg_geo_open_anonymizers(const char *path, char *err)
{
    return cg_geo_open_as(&cg_geo_anonymizer_reader, path, err);
}


cg_anonymizer_e
cg_geo_anonymizer(cg_geo_t *geo, const struct sockaddr *sa)
{
    return (cg_anonymizer_e) cg_geo_value(geo, sa);
}


static const cg_geo_field_t *
cg_geo_flags_probe(MMDB_entry_s *entry)
{
    for (size_t i = 0; i < CG_GEO_SETS; i++) {
        if (cg_geo_flags_any(entry, cg_geo_flags[i])) {
            return cg_geo_flags[i];
        }
    }

    return NULL;
}


static bool
cg_geo_flags_any(MMDB_entry_s *entry, const cg_geo_field_t *set)
{
    for (size_t i = 0; i < CG_ANONYMIZERS - 1; i++) {
        if (cg_geo_flag(entry, &set[i]) >= 0) {
            return true;
        }
    }

    return false;
}


/* The last that is true says most. */

static uint16_t
cg_geo_flags_read(MMDB_entry_s *entry, const cg_geo_field_t *set)
{
    for (size_t i = CG_ANONYMIZERS - 1; i > 0; i--) {
        if (cg_geo_flag(entry, &set[i - 1]) == 1) {
            return (uint16_t) i;
        }
    }

    return CG_ANONYMIZER_NONE;
}


/* 1 or 0, or -1 for what is not there, or is no flag. */

static int
cg_geo_flag(MMDB_entry_s *entry, const cg_geo_field_t *field)
{
    cg_str_t           text;
    MMDB_entry_data_s  value;

    if (field->path[0] == NULL
        || !cg_geo_sound(MMDB_RECORD_TYPE_DATA, entry)
        || MMDB_aget_value(entry, &value, field->path) != MMDB_SUCCESS
        || !value.has_data)
    {
        return -1;
    }

    if (value.type == MMDB_DATA_TYPE_BOOLEAN) {
        return value.boolean;
    }

    if (value.type != MMDB_DATA_TYPE_UTF8_STRING) {
        return -1;
    }

    text.len = value.data_size;
    text.data = (const uint8_t *) value.utf8_string;

    if (cg_str_eq(text, cg_str("true"))) {
        return 1;
    }

    return text.len == 0 || cg_str_eq(text, cg_str("false")) ? 0 : -1;
}
