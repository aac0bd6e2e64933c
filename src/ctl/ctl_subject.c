/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_commands.h"
#include "ctl_record.h"


static json_t *ctl_subject_json(ctl_t *ctl, const ctl_record_t *record);
static void ctl_subject_say(ctl_t *ctl, const ctl_record_t *record);
static ctl_exit_e ctl_subject_events(ctl_t *ctl, const ctl_record_t *record,
    size_t *n);
static ctl_exit_e ctl_subject_erased(ctl_t *ctl, size_t n,
    const ctl_written_t *written);
static ctl_exit_e ctl_subject_country(ctl_t *ctl, ctl_change_t *change,
    uint8_t code[2]);


const ctl_option_t  ctl_subject_options[] = {

    CTL_WHO_OPTIONS,

    { NULL, NULL, NULL }
};


const ctl_option_t  ctl_subject_erase_options[] = {

    CTL_WHO_OPTIONS,

    { "yes", NULL,
      "do not ask" },

    { NULL, NULL, NULL }
};


const ctl_option_t  ctl_subject_residence_options[] = {

    CTL_WHO_OPTIONS,

    { "country", "CC",
      "where the subject lives: two letters" },

    { "clear", NULL,
      "nothing is declared any more" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_subject_show(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e    rc;
    ctl_record_t  record;

    (void) argc;
    (void) argv;

    rc = ctl_record_find(ctl, &record);

    if (rc == CTL_OK) {
        ctl_subject_say(ctl, &record);
        rc = ctl_put(ctl, ctl_subject_json(ctl, &record));
    }

    if (rc == CTL_OK && record.foreign) {
        rc = CTL_FOUND;
    }

    ctl_record_free(&record);

    return rc;
}


ctl_exit_e
ctl_subject_erase(ctl_t *ctl, int argc, char **argv)
{
    size_t          n;
    ctl_exit_e      rc;
    ctl_record_t    record;
    ctl_change_t    change;
    ctl_written_t   written;

    (void) argc;
    (void) argv;

    memset(&change, 0, sizeof(change));
    change.what = "erase";
    change.event = CG_EVENT_ERASE;
    change.ttl = CG_TOMBSTONE_TTL;

    /* all that can go wrong does so before anything is erased */

    if ((rc = ctl_record_find(ctl, &record)) == CTL_OK
        && (rc = ctl_keys_load(ctl)) == CTL_OK
        && (rc = ctl_subject_events(ctl, &record, &n)) == CTL_OK)
    {
        ctl_subject_say(ctl, &record);
        rc = ctl_confirm(ctl, "Erase this record?");
    }

    if (rc == CTL_OK) {
        rc = ctl_record_write(ctl, &record, &change, &written);
    }

    if (rc == CTL_OK) {
        rc = ctl_subject_erased(ctl, n, &written);
    }

    ctl_record_free(&record);

    return rc;
}


ctl_exit_e
ctl_subject_residence(ctl_t *ctl, int argc, char **argv)
{
    uint8_t         code[2];
    ctl_exit_e      rc;
    ctl_record_t    record;
    ctl_change_t    change;
    ctl_written_t   written;

    (void) argc;
    (void) argv;

    memset(&change, 0, sizeof(change));
    change.what = "set";
    change.event = CG_EVENT_RESIDENCE;
    change.ttl = ctl_setting_span(ctl, CTL_RETENTION);

    rc = ctl_subject_country(ctl, &change, code);
    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_record_find(ctl, &record);

    if (rc == CTL_OK && ctl_record_erased(&record)) {
        rc = ctl_fail(ctl, CTL_ABSENT, "this subject's record was erased");
    }

    if (rc == CTL_OK) {
        rc = ctl_record_write(ctl, &record, &change, &written);
    }

    if (rc == CTL_OK) {
        ctl_say(ctl, "residence: %.*s%s",
                change.value.len > 0 ? 2 : 4,
                change.value.len > 0 ? (const char *) code : "none",
                strcmp(written.result, "unchanged") == 0 ? ", as before" : "");
        rc = ctl_put(ctl, json_pack("{s:s, s:I, s:o}",
                                    "result", written.result,
                                    "rev", (json_int_t) written.rev,
                                    "residence",
                                    change.value.len > 0
                                    ? json_stringn((const char *) code, 2)
                                    : json_null()));
    }

    ctl_record_free(&record);

    return rc;
}


/* One that has no record gets none here: nobody asked the subject. */

static ctl_exit_e
ctl_subject_country(ctl_t *ctl, ctl_change_t *change, uint8_t code[2])
{
    cg_cc_t      cc;
    const char  *country;

    country = ctl_option(ctl, "country");

    if ((country != NULL) == (ctl_option(ctl, "clear") != NULL)) {
        return ctl_fail(ctl, CTL_USAGE, "give --country or --clear");
    }

    change->field = "res";

    if (country == NULL) {
        return CTL_OK;
    }

    cc = cg_country_setting((cg_str_t) { strlen(country),
                                         (const uint8_t *) country });

    if (cc == CG_CC_UNKNOWN || cc >= CG_CC_ANONYMIZER || cc == cg_cc("EU")
        || cc == cg_cc("AP"))
    {
        return ctl_fail(ctl, CTL_USAGE, "--country: \"%s\" is no country",
                        country);
    }

    change->residence = cc;
    change->value = (cg_str_t) { cg_country_code(cc, code), code };

    return CTL_OK;
}


/* Under this key and the one before. */

static ctl_exit_e
ctl_subject_events(ctl_t *ctl, const ctl_record_t *record, size_t *n)
{
    size_t                 i, one;
    ctl_exit_e             rc;
    ctl_bucket_t           b;
    const ctl_event_t    **events;
    const cg_pseudonym_t  *of[2];

    of[0] = &record->subject.current;
    of[1] = record->subject.has_previous ? &record->subject.previous : NULL;
    rc = CTL_OK;
    *n = 0;

    for (i = 0; rc == CTL_OK && i < 2 && of[i] != NULL; i++) {
        rc = ctl_record_events(ctl, of[i], &b, &events, &one);
        *n += one;

        free(events);
        ctl_bucket_free(&b);
    }

    return rc;
}


/*
 * What is kept, and for how long, so that it can be told to the subject. `n`:
 * the events before.
 */

static ctl_exit_e
ctl_subject_erased(ctl_t *ctl, size_t n, const ctl_written_t *written)
{
    char  until[32];
    bool  erased;

    erased = strcmp(written->result, "written") == 0;
    n += erased;

    ctl_time_text(time(NULL) + ctl_setting_span(ctl, CTL_PROOF), until);

    ctl_say(ctl, erased ? "erased  the record"
                        : "erased  nothing: that was done before");
    ctl_say(ctl, "kept    %zu event%s as proof, under the pseudonym alone, "
            "until trimmed;", n, ctl_s(n));
    ctl_say(ctl, "        the last one not before %s", until);

    return ctl_put(ctl, json_pack("{s:s, s:I, s:[s], s:[s], s:I, s:I}",
                                  "result", written->result,
                                  "rev", (json_int_t) written->rev,
                                  "erased", "record", "kept", "events",
                                  "events", (json_int_t) n,
                                  "kept_for", (json_int_t)
                                  ctl_setting_span(ctl, CTL_PROOF)));
}


static json_t *
ctl_subject_json(ctl_t *ctl, const ctl_record_t *record)
{
    size_t               i, len;
    json_t              *fields, *name;
    uint8_t              key[CG_MAX_KEY];
    redisReply  *const  *pair;

    fields = json_object();

    for (i = 0; i < record->hash->elements; i += 2) {
        pair = &record->hash->element[i];
        name = ctl_json_str(ctl_reply_str(pair[0]));

        json_object_set_new(fields, json_string_value(name),
                            ctl_json_str(ctl_reply_str(pair[1])));
        json_decref(name);
    }

    len = ctl_key_record(ctl, record->at, key);

    return json_pack("{s:o, s:o, s:I, s:b, s:b, s:b, s:o}",
                     "pseudonym", ctl_pseudonym_json(record->at),
                     "key", ctl_json_str((cg_str_t) { len, key }),
                     "ttl", (json_int_t) record->ttl,
                     "previous_key", (int) record->moves,
                     "foreign", (int) record->foreign,
                     "erased", (int) ctl_record_erased(record),
                     "fields", fields);
}


static void
ctl_subject_say(ctl_t *ctl, const ctl_record_t *record)
{
    char       until[32], words[CTL_MAX_WORDS];
    size_t     i, len;
    uint8_t    key[CG_MAX_KEY];
    cg_str_t   name, value;

    if (ctl->json) {
        return;
    }

    len = ctl_key_record(ctl, record->at, key);
    ctl_say(ctl, "%.*s", (int) len, key);

    for (i = 0; i < record->hash->elements; i += 2) {
        name = ctl_reply_str(record->hash->element[i]);
        value = ctl_reply_str(record->hash->element[i + 1]);

        ctl_say(ctl, "  %-16.*s %-10.*s%s%s", (int) name.len, name.data,
                (int) value.len, value.data,
                *ctl_field_words(name, value, words) != '\0' ? "  " : "",
                words);
    }

    if (ctl_record_erased(record)) {
        ctl_say(ctl, "the record was erased: this is what keeps old forms "
                "from bringing it back");
    }

    if (record->ttl >= 0) {
        ctl_say(ctl, "kept until %s",
                ctl_time_text(time(NULL) + record->ttl, until));
    }

    if (record->moves) {
        ctl_say(ctl, "found under the previous subject key");
    }

    if (record->foreign) {
        ctl_say(ctl, "\"k\" is of another subject: this record is not read");
    }
}
