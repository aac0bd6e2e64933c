/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"


static const char *ctl_manifest_body(ctl_manifest_t *m, json_t *body);
static bool ctl_manifest_bucket(ctl_manifest_t *m, const char *name,
    json_t *value);


const char *
ctl_manifest_read(ctl_t *ctl, ctl_manifest_t *m, const char *text, size_t len)
{
    json_t      *body;
    const char  *err;

    memset(m, 0, sizeof(ctl_manifest_t));

    body = ctl_signed_read(ctl, text, len, &err);
    if (body == NULL) {
        return err;
    }

    err = ctl_manifest_body(m, body);
    json_decref(body);

    return err;
}


void
ctl_manifest_free(ctl_manifest_t *m)
{
    free(m->prefix);
    free(m->file);
}


static const char *
ctl_manifest_body(ctl_manifest_t *m, json_t *body)
{
    json_t      *buckets, *value;
    const char  *type, *prefix, *file, *sha256, *name;
    json_int_t   before;

    if (json_unpack(body, "{s:s, s:s, s:s, s:s, s:I, s:o}", "type", &type,
                    "prefix", &prefix, "file", &file, "sha256", &sha256,
                    "before", &before, "buckets", &buckets)
        != 0
        || strcmp(type, "export") != 0 || !json_is_object(buckets)
        || strlen(sha256) != CTL_SHA256
        || file[0] == '\0' || strchr(file, '/') != NULL)
    {
        return "it is no manifest";
    }

    m->before = before;
    memcpy(m->sha256, sha256, CTL_SHA256);

    json_object_foreach(buckets, name, value) {
        if (!ctl_manifest_bucket(m, name, value)) {
            return "it is no manifest";
        }
    }

    m->prefix = strdup(prefix);
    m->file = strdup(file);

    return m->prefix != NULL && m->file != NULL ? NULL : "out of memory";
}


static bool
ctl_manifest_bucket(ctl_manifest_t *m, const char *name, json_t *value)
{
    int              bucket;
    const char      *link;
    ctl_exported_t  *e;

    bucket = ctl_bucket_parse(name);

    if (bucket == -1 || m->n == CTL_BUCKETS
        || json_unpack(value, "{s:s}", "link", &link) != 0
        || strlen(link) != CTL_LINK)
    {
        return false;
    }

    e = &m->buckets[m->n++];
    e->bucket = (unsigned) bucket;
    memcpy(e->link, link, CTL_LINK);

    return ctl_json_at(value, "last", &e->last);
}
