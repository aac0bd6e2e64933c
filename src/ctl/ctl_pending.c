/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_commands.h"
#include "ctl_pending.h"


static ctl_exit_e ctl_pending_require(ctl_t *ctl, ctl_pending_t *p);
static ctl_exit_e ctl_pending_given(ctl_t *ctl, ctl_policies_t *policies,
    const char *words);
static ctl_exit_e ctl_pending_wanted(ctl_t *ctl, ctl_pending_t *p);
static void ctl_pending_fields(ctl_pending_t *p);
static ctl_exit_e ctl_pending_scan(ctl_t *ctl, ctl_pending_t *p);
static ctl_exit_e ctl_pending_each(ctl_t *ctl, cg_str_t key,
    const redisReply *values, void *data);
static ctl_exit_e ctl_pending_sum(ctl_t *ctl, const ctl_pending_t *p);


const ctl_option_t  ctl_pending_options[] = {

    { "scan", NULL,
      "count all subjects that have a record, instead of\n"
      "reading a list" },

    { "pseudonyms", NULL,
      "with --scan: print the pseudonyms of those who\n"
      "have not accepted" },

    CTL_INPUT_OPTIONS,

    { "document", "NAME,...",
      "only these documents" },

    { "require", "NAME=N,...",
      "what is required, where it is not published but\n"
      "in the configuration: terms=20260101,privacy=3" },

    CTL_RATE_OPTION,

    { "summary", NULL,
      "only the numbers" },

    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_pending(ctl_t *ctl, int argc, char **argv)
{
    bool           scan;
    ctl_exit_e     rc;
    ctl_pending_t  p;

    (void) argc;
    (void) argv;

    memset(&p, 0, sizeof(p));
    p.now = time(NULL);
    scan = ctl_option(ctl, "scan") != NULL;

    if (scan && (ctl_option(ctl, "format") || ctl_option(ctl, "column"))) {
        return ctl_fail(ctl, CTL_USAGE, "--scan reads no list");
    }

    if (!scan && ctl_option(ctl, "pseudonyms")) {
        return ctl_fail(ctl, CTL_USAGE, "--pseudonyms needs --scan");
    }

    if ((rc = ctl_pending_require(ctl, &p)) != CTL_OK
        || (rc = ctl_pending_wanted(ctl, &p)) != CTL_OK)
    {
        return rc;
    }

    ctl_pending_fields(&p);

    rc = scan ? ctl_pending_scan(ctl, &p) : ctl_pending_list(ctl, &p);

    if (rc != CTL_OK && p.subjects > 0) {
        ctl_note(ctl, "this is not all: %llu subject%s looked at before that",
                 (unsigned long long) p.subjects, ctl_s(p.subjects));
    }

    return rc == CTL_OK ? ctl_pending_sum(ctl, &p) : rc;
}


cg_docs_t
ctl_pending_count(ctl_pending_t *p, const redisReply *values,
    const uint8_t *check)
{
    size_t       i;
    uint8_t      own[CG_SUBJECT_CHECK_LEN];
    cg_str_t     list[CG_FIELD_DOCUMENTS + CG_MAX_DOCUMENTS];
    cg_docs_t    missing;
    cg_record_e  found;
    cg_record_t  record;

    p->subjects++;
    found = CG_RECORD_MALFORMED;

    if (values->type == REDIS_REPLY_ARRAY && values->elements == p->nfields) {
        for (i = 0; i < p->nfields; i++) {
            list[i] = ctl_reply_str(values->element[i]);
        }

        if (check == NULL) {
            memset(own, 0, sizeof(own));
            cg_parse_hex(list[CG_FIELD_CHECK], own, sizeof(own));
            check = own;
        }

        found = cg_record_parse(&record, list, p->policies.n, 0, check);
    }

    missing = cg_documents_missing(found == CG_RECORD_OK ? &record : NULL,
                                   &p->policies.policies, p->wanted, p->now);

    if (missing == 0) {
        return 0;
    }

    p->pending++;
    p->absent += found == CG_RECORD_ABSENT;
    p->unreadable += found == CG_RECORD_FOREIGN
                     || found == CG_RECORD_MALFORMED;

    for (i = 0; i < p->policies.n; i++) {
        p->missing[i] += missing >> i & 1;
        p->declined[i] += found == CG_RECORD_OK
                          && (missing & record.declined) >> i & 1;
    }

    return missing;
}


bool
ctl_pending_found(const redisReply *values)
{
    size_t  i;

    for (i = 0; i < values->elements; i++) {
        if (values->element[i]->type == REDIS_REPLY_STRING) {
            return true;
        }
    }

    /* or something else is under its key */

    return values->type == REDIS_REPLY_ERROR;
}


json_t *
ctl_pending_names(const ctl_pending_t *p, cg_docs_t docs)
{
    size_t   i;
    json_t  *names;

    names = json_array();

    for (i = 0; i < p->policies.n; i++) {
        if (docs >> i & 1) {
            json_array_append_new(names, json_string(p->policies.names[i]));
        }
    }

    return names;
}


static ctl_exit_e
ctl_pending_require(ctl_t *ctl, ctl_pending_t *p)
{
    const char  *words;
    ctl_exit_e   rc;

    words = ctl_option(ctl, "require");

    if (words != NULL && *words == '\0') {
        return ctl_fail(ctl, CTL_USAGE, "--require: \"\" is not "
                        "DOCUMENT=VERSION");
    }

    rc = ctl_policies_load(ctl, &p->policies, words != NULL);

    return rc == CTL_OK && words != NULL
           ? ctl_pending_given(ctl, &p->policies, words) : rc;
}


/* What is published counts before what is said here, as in the gate. */

static ctl_exit_e
ctl_pending_given(ctl_t *ctl, ctl_policies_t *policies, const char *words)
{
    char          name[CG_MAX_NAME + 1];
    size_t        len;
    uint64_t      version;
    cg_str_t      word;
    cg_policy_t  *policy;

    for ( /* void */ ; *words != '\0'; words += words[len] == ',' ? len + 1
                                                                  : len)
    {
        len = strcspn(words, ",");
        word.len = strcspn(words, "=,");
        word.data = (const uint8_t *) words;

        if (!cg_name_valid(word) || words[word.len] != '='
            || !cg_parse_uint((cg_str_t) { len - word.len - 1,
                                           word.data + word.len + 1 },
                              CG_MAX_VERSION, &version)
            || version == 0)
        {
            return ctl_fail(ctl, CTL_USAGE, "--require: \"%.*s\" is not "
                            "DOCUMENT=VERSION", (int) len, words);
        }

        memcpy(name, word.data, word.len);
        name[word.len] = '\0';

        if (ctl_policies_find(policies, name) != -1) {
            continue;
        }

        if (policies->n == CG_MAX_DOCUMENTS) {
            return ctl_fail(ctl, CTL_USAGE, "--require: more than %d "
                            "documents", CG_MAX_DOCUMENTS);
        }

        policy = &policies->policies.docs[policies->n];
        policy->version = (uint32_t) version;
        cg_policy_finish(policy);

        strcpy(policies->names[policies->n++], name);
        policies->policies.ndocs = policies->n;
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_pending_wanted(ctl_t *ctl, ctl_pending_t *p)
{
    int          i;
    char         name[CG_MAX_NAME + 1];
    size_t       len;
    const char  *words;

    words = ctl_option(ctl, "document");

    if (words != NULL && *words == '\0') {
        return ctl_fail(ctl, CTL_USAGE, "--document names none");
    }

    if (words == NULL) {
        p->wanted = (cg_docs_t) ((1u << p->policies.n) - 1);
        return CTL_OK;
    }

    for ( /* void */ ; *words != '\0'; words += words[len] == ',' ? len + 1
                                                                  : len)
    {
        len = strcspn(words, ",");
        snprintf(name, sizeof(name), "%.*s", (int) len, words);
        i = len <= CG_MAX_NAME ? ctl_policies_find(&p->policies, name) : -1;

        if (i == -1) {
            return ctl_fail(ctl, CTL_ABSENT, "no document \"%.*s\" is "
                            "published", (int) len, words);
        }

        p->wanted |= (cg_docs_t) (1u << i);
    }

    return CTL_OK;
}


static void
ctl_pending_fields(ctl_pending_t *p)
{
    size_t  i, n;

    for (i = 0; i < CG_FIELD_DOCUMENTS; i++) {
        p->fields[i] = cg_field_name((cg_field_e) i);
    }

    for (i = 0; i < p->policies.n; i++) {
        n = (size_t) snprintf(p->names[i], sizeof(p->names[i]), "d.%s",
                              p->policies.names[i]);
        p->fields[CG_FIELD_DOCUMENTS + i] = (cg_str_t) {
            n, (const uint8_t *) p->names[i] };
    }

    p->nfields = CG_FIELD_DOCUMENTS + p->policies.n;
}


static ctl_exit_e
ctl_pending_scan(ctl_t *ctl, ctl_pending_t *p)
{
    return ctl_scan_records(ctl, p->nfields, p->fields, ctl_pending_each, p);
}


static ctl_exit_e
ctl_pending_each(ctl_t *ctl, cg_str_t key, const redisReply *values,
    void *data)
{
    json_t         *line;
    cg_str_t        name;
    cg_docs_t       missing;
    ctl_pending_t  *p;

    p = data;

    /* it has expired since SCAN told of it */

    if (!ctl_pending_found(values)) {
        return CTL_OK;
    }

    missing = ctl_pending_count(p, values, NULL);
    ctl_progress(ctl, "subjects", p->subjects, 0);

    if (missing == 0 || ctl_option(ctl, "pseudonyms") == NULL
        || !ctl_key_pseudonym(key, &name))
    {
        return CTL_OK;
    }

    if (!ctl->json) {
        ctl_say(ctl, "%.*s", (int) name.len, name.data);
        return CTL_OK;
    }

    line = json_pack("{s:o, s:o}", "pseudonym", ctl_json_str(name),
                     "missing", ctl_pending_names(p, missing));

    return ctl_put_line(ctl, line);
}


/* On standard error, where lines of output would be disturbed by it. */

static ctl_exit_e
ctl_pending_sum(ctl_t *ctl, const ctl_pending_t *p)
{
    bool     lines;
    size_t   i;
    json_t  *value, *documents;

    lines = ctl_option(ctl, "summary") == NULL
            && (ctl_option(ctl, "scan") == NULL
                || ctl_option(ctl, "pseudonyms") != NULL);

    (lines ? ctl_note : ctl_say)(ctl, "%llu of %llu subjects have not "
                                 "accepted what is in force; %llu of them "
                                 "have no record",
                                 (unsigned long long) p->pending,
                                 (unsigned long long) p->subjects,
                                 (unsigned long long) p->absent);

    if (p->unreadable > 0) {
        (lines ? ctl_note : ctl_say)(ctl, "%llu of them have a record that "
                                     "cannot be read",
                                     (unsigned long long) p->unreadable);
    }

    if (lines) {
        return CTL_OK;
    }

    documents = json_object();

    for (i = 0; i < p->policies.n; i++) {

        if ((p->wanted >> i & 1) == 0) {
            continue;
        }

        ctl_say(ctl, "  %-16s %llu have not; %llu of them have declined",
                p->policies.names[i], (unsigned long long) p->missing[i],
                (unsigned long long) p->declined[i]);
        json_object_set_new(documents, p->policies.names[i],
                            json_pack("{s:I, s:I}",
                                      "missing", (json_int_t) p->missing[i],
                                      "declined",
                                      (json_int_t) p->declined[i]));
    }

    value = json_pack("{s:I, s:I, s:I, s:I, s:o}",
                      "subjects", (json_int_t) p->subjects,
                      "pending", (json_int_t) p->pending,
                      "absent", (json_int_t) p->absent,
                      "unreadable", (json_int_t) p->unreadable,
                      "documents", documents);

    return ctl_put(ctl, value);
}
