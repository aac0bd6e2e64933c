/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "../core/cg_record.h"
#include "ctl_record.h"


static void ctl_field_document(cg_str_t value, char *words);
static void ctl_field_purpose(cg_str_t value, char *words);
static void ctl_field_age(cg_str_t value, char *words);
static void ctl_field_eea(cg_str_t value, char *words);


static const struct {
    const char  *name;
    const char  *words;         /* or */
    void       (*say)(cg_str_t value, char *words);
} ctl_fields[] = {
    { "age", NULL, ctl_field_age },
    { "res", "residence, as declared", NULL },
    { "eea", NULL, ctl_field_eea },
    { "rev", "times written", NULL },
    { "ev", "the last event", NULL },
    { "k", "check of the pseudonym", NULL },
};


char *
ctl_field_words(cg_str_t name, cg_str_t value, char *words)
{
    size_t  i;

    words[0] = '\0';

    if (name.len > 2 && memcmp(name.data, "d.", 2) == 0) {
        ctl_field_document(value, words);
        return words;
    }

    if (name.len > 2 && memcmp(name.data, "p.", 2) == 0) {
        ctl_field_purpose(value, words);
        return words;
    }

    for (i = 0; i < sizeof(ctl_fields) / sizeof(ctl_fields[0]); i++) {

        if (name.len != strlen(ctl_fields[i].name)
            || memcmp(name.data, ctl_fields[i].name, name.len) != 0)
        {
            continue;
        }

        if (ctl_fields[i].say != NULL) {
            ctl_fields[i].say(value, words);
        } else {
            snprintf(words, CTL_MAX_WORDS, "%s", ctl_fields[i].words);
        }
    }

    return words;
}


static void
ctl_field_document(cg_str_t value, char *words)
{
    uint64_t  version;

    if (cg_str_eq(value, cg_str("-"))) {
        strcpy(words, "declined");

    } else if (cg_parse_uint(value, CG_MAX_VERSION, &version)) {
        strcpy(words, "accepted in this version");

    } else {
        strcpy(words, "cannot be read");
    }
}


static void
ctl_field_purpose(cg_str_t value, char *words)
{
    strcpy(words, cg_str_eq(value, cg_str("1")) ? "granted"
                  : cg_str_eq(value, cg_str("0")) ? "refused"
                  : "cannot be read");
}


/* "ok:16", "minor:16" */

static void
ctl_field_age(cg_str_t value, char *words)
{
    bool            minor;
    const uint8_t  *colon;

    colon = value.len > 0 ? memchr(value.data, ':', value.len) : NULL;
    minor = value.data != NULL && value.data[0] == 'm';

    if (colon == NULL || value.len > CG_MAX_AGE_TEXT) {
        strcpy(words, "cannot be read");
        return;
    }

    colon++;
    snprintf(words, CTL_MAX_WORDS, "said to be %s %.*s",
             minor ? "younger than" : "at least",
             (int) (value.len - (size_t) (colon - value.data)), colon);
}


static void
ctl_field_eea(cg_str_t value, char *words)
{
    char      when[32];
    uint64_t  day;

    if (!cg_parse_uint(value, UINT32_MAX, &day)) {
        strcpy(words, "cannot be read");
        return;
    }

    snprintf(words, CTL_MAX_WORDS, "last seen in the EEA on %.*s",
             (int) strcspn(ctl_time_text((int64_t) day * 86400, when), "T"),
             when);
}
