/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/evp.h>
#include <stdlib.h>

#include "ctl_publish.h"


#define CTL_MAX_DOCUMENT  67108864     /* bytes of a document's text */


static ctl_exit_e ctl_publish_numbers(ctl_t *ctl, ctl_publish_t *p);
static ctl_exit_e ctl_publish_schedule(ctl_t *ctl, ctl_publish_t *p);
static ctl_exit_e ctl_publish_texts(ctl_t *ctl, ctl_publish_t *p);
static ctl_exit_e ctl_publish_word(ctl_t *ctl, ctl_publish_t *p,
    const char *word, const char *value);
static ctl_exit_e ctl_publish_sha256(ctl_t *ctl, ctl_publish_t *p,
    const char *path);
static ctl_exit_e ctl_publish_field(ctl_t *ctl, ctl_publish_t *p);
static void ctl_publish_quoted(cg_out_t *out, const char *name,
    const uint8_t *text, size_t len);


ctl_exit_e
ctl_publish_fill(ctl_t *ctl, ctl_publish_t *p)
{
    const char  *err;
    ctl_exit_e   rc;

    if ((rc = ctl_publish_numbers(ctl, p)) != CTL_OK
        || (rc = ctl_publish_texts(ctl, p)) != CTL_OK)
    {
        return rc;
    }

    err = cg_policy_finish(&p->policy);

    return err == NULL ? ctl_publish_field(ctl, p)
                       : ctl_fail(ctl, CTL_USAGE, "%s", err);
}


static ctl_exit_e
ctl_publish_numbers(ctl_t *ctl, ctl_publish_t *p)
{
    bool         minor;
    const char  *version;
    ctl_exit_e   rc;

    version = ctl_option(ctl, "version");

    if (version == NULL) {
        return ctl_fail(ctl, CTL_USAGE, "--version is missing");
    }

    rc = ctl_publish_word(ctl, p, "version", version);
    if (rc != CTL_OK) {
        return rc;
    }

    if (p->exists && p->policy.version <= p->old.version
        && ctl_option(ctl, "force") == NULL)
    {
        return ctl_fail(ctl, CTL_REFUSED, "version %u is not above the one "
                        "that is published, %u: --force takes it",
                        p->policy.version, p->old.version);
    }

    if (p->schedule) {
        return ctl_publish_schedule(ctl, p);
    }

    minor = ctl_option(ctl, "minor") != NULL;

    if (minor && !p->exists) {
        return ctl_fail(ctl, CTL_REFUSED, "--minor: \"%s\" is not published, "
                        "so that nobody knows what is required", p->name);
    }

    if (minor) {
        p->policy.required = p->old.required;
        p->policy.before = p->old.before;
        p->policy.effective = p->old.effective;
    }

    return CTL_OK;
}


/*
 * Until the day what counts now goes on to count: without "before" nobody
 * would be asked for anything, not even who has accepted nothing.
 */

static ctl_exit_e
ctl_publish_schedule(ctl_t *ctl, ctl_publish_t *p)
{
    const char  *date, *before;

    date = ctl_option(ctl, "effective");
    before = ctl_option(ctl, "before");

    if (date == NULL) {
        return ctl_fail(ctl, CTL_USAGE, "--effective is missing");
    }

    if (!ctl_time_point(date, &p->policy.effective)) {
        return ctl_fail(ctl, CTL_USAGE, "--effective: \"%s\" is not a date",
                        date);
    }

    if (p->policy.effective <= p->at) {
        return ctl_fail(ctl, CTL_USAGE, "--effective: %s has passed: publish "
                        "it", date);
    }

    if (before != NULL) {
        return ctl_publish_word(ctl, p, "before", before);
    }

    if (!p->exists) {
        return ctl_fail(ctl, CTL_REFUSED, "\"%s\" is not published: say by "
                        "--before which version counts until then, such as "
                        "that of the configuration", p->name);
    }

    p->policy.before = cg_policy_enforced(&p->old, p->at);

    return CTL_OK;
}


static ctl_exit_e
ctl_publish_texts(ctl_t *ctl, ctl_publish_t *p)
{
    const char  *title, *url, *file;
    ctl_exit_e   rc;

    title = ctl_option(ctl, "title");
    url = ctl_option(ctl, "url");
    file = ctl_option(ctl, "file");

    p->policy.title_len = p->old.title_len;
    memcpy(p->policy.title, p->old.title, p->old.title_len);
    p->policy.url_len = p->old.url_len;
    memcpy(p->policy.url, p->old.url, p->old.url_len);

    rc = title != NULL ? ctl_publish_word(ctl, p, "title", title) : CTL_OK;

    if (rc == CTL_OK && url != NULL) {
        rc = ctl_publish_word(ctl, p, "url", url);
    }

    if (rc == CTL_OK && file != NULL) {
        rc = ctl_publish_sha256(ctl, p, file);
    }

    if (rc == CTL_OK && file == NULL && p->old.has_sha256) {
        ctl_note(ctl, "without --file the answers no longer record a SHA-256 "
                 "of the text");
    }

    return rc;
}


static ctl_exit_e
ctl_publish_word(ctl_t *ctl, ctl_publish_t *p, const char *word,
    const char *value)
{
    char        *text;
    const char  *err;

    if (asprintf(&text, "%s=%s", word, value) == -1) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    err = cg_policy_word(&p->policy, (cg_str_t) { strlen(text),
                                                  (const uint8_t *) text });
    free(text);

    return err == NULL ? CTL_OK
                       : ctl_fail(ctl, CTL_USAGE, "--%s: %s", word, err);
}


static ctl_exit_e
ctl_publish_sha256(ctl_t *ctl, ctl_publish_t *p, const char *path)
{
    int          ok;
    char        *text;
    size_t       len;
    uint8_t      digest[EVP_MAX_MD_SIZE];
    ctl_exit_e   rc;

    rc = ctl_file_read(ctl, path, CTL_MAX_DOCUMENT, &text, &len);
    if (rc != CTL_OK) {
        return rc;
    }

    ok = EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL);
    free(text);

    if (ok != 1) {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed");
    }

    memcpy(p->policy.sha256, digest, sizeof(p->policy.sha256));
    p->policy.has_sha256 = true;

    return CTL_OK;
}


/* In the words of the directive; what the gate would read is read again. */

static ctl_exit_e
ctl_publish_field(ctl_t *ctl, ctl_publish_t *p)
{
    cg_out_t            out;
    const char         *err;
    cg_policy_t         again;
    const cg_policy_t  *n;

    n = &p->policy;

    cg_out_init(&out, p->field, CG_MAX_POLICY);
    cg_out_str(&out, cg_str("version="));
    cg_out_uint(&out, n->version);
    cg_out_str(&out, cg_str(" required="));
    cg_out_uint(&out, n->required);

    if (n->effective > 0) {
        cg_out_str(&out, cg_str(" effective="));
        cg_out_uint(&out, (uint64_t) n->effective);
        cg_out_str(&out, cg_str(" before="));
        cg_out_uint(&out, n->before);
    }

    ctl_publish_quoted(&out, "title", n->title, n->title_len);
    ctl_publish_quoted(&out, "url", n->url, n->url_len);

    if (n->has_sha256) {
        cg_out_str(&out, cg_str(" sha256="));
        cg_out_hex(&out, n->sha256, sizeof(n->sha256));
    }

    *out.pos = '\0';

    err = out.overflow
          ? "too long"
          : cg_policy_parse(&again, (cg_str_t) {
                cg_out_len(&out), (const uint8_t *) p->field });

    if (err != NULL) {
        return ctl_fail(ctl, CTL_USAGE, "the gate could not read this: %s",
                        err);
    }

    return CTL_OK;
}


static void
ctl_publish_quoted(cg_out_t *out, const char *name, const uint8_t *text,
    size_t len)
{
    size_t  i;

    if (len == 0) {
        return;
    }

    cg_out_str(out, cg_str(" "));
    cg_out_bytes(out, name, strlen(name));
    cg_out_str(out, cg_str("=\""));

    for (i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            cg_out_str(out, cg_str("\\"));
        }

        cg_out_bytes(out, &text[i], 1);
    }

    cg_out_str(out, cg_str("\""));
}
