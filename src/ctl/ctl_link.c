/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#include "../core/cg_link.h"
#include "ctl_commands.h"
#include "ctl_subject.h"


#define CTL_LINK_BATCH    500       /* records asked for at once */
#define CTL_LINK_EVERY    10000     /* links between two lines of progress */
#define CTL_LINK_TTL      2592000   /* seconds, of a link: 30 days */


/* One run: links are made by the batch, for their records are asked for. */

typedef struct {
    const char   *url;              /* NULL: only the token */
    int64_t       expires;          /* seconds since 1970 */
    bool          list;             /* many: with names; else one, alone */
    bool          lines;            /* JSON Lines; else CSV */
    size_t        n;
    char         *ids[CTL_LINK_BATCH];
    cg_subject_t  subjects[CTL_LINK_BATCH];
    ctl_batch_t   batch;
    uint64_t      made;
} ctl_links_t;


static ctl_exit_e ctl_link_set(ctl_t *ctl, ctl_links_t *links);
static ctl_exit_e ctl_link_read(ctl_t *ctl, ctl_links_t *links);
static ctl_exit_e ctl_link_add(ctl_t *ctl, ctl_links_t *links, cg_str_t id);
static ctl_exit_e ctl_link_ask(ctl_t *ctl, ctl_links_t *links,
    const cg_pseudonym_t *p);
static ctl_exit_e ctl_link_flush(ctl_t *ctl, ctl_links_t *links);
static ctl_exit_e ctl_link_make(ctl_t *ctl, ctl_links_t *links, size_t i,
    uint32_t rev);
static ctl_exit_e ctl_link_put(ctl_t *ctl, ctl_links_t *links, const char *id,
    const char *link);
static uint32_t ctl_link_rev(const redisReply *reply);
static void ctl_link_csv(const char *value);


const ctl_option_t  ctl_link_options[] = {
    { "subject", "ID",
      "one account, as consent_subject names it;\n"
      "without it a list is read on standard input" },
    { "expires", "TIME",
      "how long the link is good: 30d by default, at\n"
      "most 90d" },
    { "url", "URL",
      "where the API's link is:\n"
      "https://example.com/consent/link" },
    CTL_INPUT_OPTIONS,
    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_link(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e    rc;
    ctl_links_t  *links;

    (void) argc;
    (void) argv;

    links = calloc(1, sizeof(ctl_links_t));
    if (links == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    rc = ctl_link_set(ctl, links);

    if (rc == CTL_OK) {
        rc = ctl_keys_load(ctl);
    }

    if (rc == CTL_OK) {
        rc = ctl_redis_open(ctl);
    }

    if (rc == CTL_OK) {
        rc = ctl_link_read(ctl, links);
    }

    for (size_t i = 0; i < links->n; i++) {
        free(links->ids[i]);
    }

    ctl_batch_free(&links->batch);
    free(links);

    return rc;
}


static ctl_exit_e
ctl_link_set(ctl_t *ctl, ctl_links_t *links)
{
    int64_t      ttl;
    const char  *expires, *format;

    ttl = CTL_LINK_TTL;
    expires = ctl_option(ctl, "expires");

    if (expires != NULL
        && (!ctl_time_span(expires, &ttl) || ttl < 1 || ttl > CG_LINK_MAX_TTL))
    {
        return ctl_fail(ctl, CTL_USAGE, "--expires: \"%s\" is not a time of at "
                        "most 90d", expires);
    }

    links->expires = time(NULL) + ttl;

    format = ctl_option(ctl, "format");
    links->list = ctl_option(ctl, "subject") == NULL;
    links->lines = ctl->json || (format && strcmp(format, "jsonl") == 0);

    if (!links->list && (format || ctl_option(ctl, "column"))) {
        return ctl_fail(ctl, CTL_USAGE, "--format and --column are of a list, "
                        "--subject is one");
    }

    return ctl_option_url(ctl, &links->url);
}


static ctl_exit_e
ctl_link_read(ctl_t *ctl, ctl_links_t *links)
{
    int           more;
    cg_str_t      id;
    ctl_exit_e    rc;
    ctl_input_t   in;
    const char   *subject;

    subject = ctl_option(ctl, "subject");

    if (subject != NULL) {
        rc = ctl_link_add(ctl, links, (cg_str_t) { strlen(subject),
                                               (const uint8_t *) subject });

        return rc == CTL_OK ? ctl_link_flush(ctl, links) : rc;
    }

    rc = ctl_input_open(ctl, &in, stdin);

    if (rc == CTL_OK && !links->lines) {
        puts("subject,link,expires");
    }

    more = 1;

    while (rc == CTL_OK && more == 1) {
        more = ctl_input_next(ctl, &in, &id);

        rc = more == 1 ? ctl_link_add(ctl, links, id)
             : more == 0 ? ctl_link_flush(ctl, links) : ctl->failed;
    }

    ctl_input_close(&in);

    if (rc == CTL_OK) {
        ctl_note(ctl, "%llu link%s", (unsigned long long) links->made,
                 ctl_s(links->made));
    } else {
        ctl_note(ctl, "%llu link%s made before that",
                 (unsigned long long) links->made, ctl_s(links->made));
    }

    return rc;
}


static ctl_exit_e
ctl_link_add(ctl_t *ctl, ctl_links_t *links, cg_str_t id)
{
    cg_subject_t  *subject;
    ctl_exit_e     rc;

    subject = &links->subjects[links->n];

    rc = ctl_who_account(ctl, id, subject);
    if (rc != CTL_OK) {
        return rc;
    }

    links->ids[links->n] = strndup((const char *) id.data, id.len);
    if (links->ids[links->n] == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    links->n++;

    /* two questions for each: under the previous key there may be one, too */

    rc = ctl_link_ask(ctl, links, &subject->current);

    if (rc == CTL_OK) {
        rc = ctl_link_ask(ctl, links, subject->has_previous
                                      ? &subject->previous
                                      : &subject->current);
    }

    if (rc == CTL_OK && links->n == CTL_LINK_BATCH) {
        rc = ctl_link_flush(ctl, links);
    }

    return rc;
}


static ctl_exit_e
ctl_link_ask(ctl_t *ctl, ctl_links_t *links, const cg_pseudonym_t *p)
{
    size_t   len;
    uint8_t  key[CG_MAX_KEY];

    len = ctl_key_record(ctl, p, key);

    return ctl_batch_add(ctl, &links->batch, (cg_str_t) { len, key },
                         "HGET %b rev", key, len);
}


static ctl_exit_e
ctl_link_flush(ctl_t *ctl, ctl_links_t *links)
{
    uint32_t     rev;
    ctl_call_t  *calls;
    ctl_exit_e   rc;

    rc = ctl_batch_run(ctl, &links->batch);
    calls = links->batch.calls;

    for (size_t i = 0; rc == CTL_OK && i < links->n; i++) {
        rev = ctl_link_rev(calls[2 * i].reply);
        rev = rev != 0 ? rev : ctl_link_rev(calls[2 * i + 1].reply);
        rc = ctl_link_make(ctl, links, i, rev);
    }

    ctl_batch_clear(&links->batch);

    for (size_t i = 0; i < links->n; i++) {
        free(links->ids[i]);
    }

    links->n = 0;

    fflush(stdout);

    return rc == CTL_OK ? ctl_out_check(ctl) : rc;
}


static uint32_t
ctl_link_rev(const redisReply *reply)
{
    uint64_t  n;

    return cg_parse_uint(ctl_reply_str(reply), UINT32_MAX, &n) ? (uint32_t) n
                                                               : 0;
}


static ctl_exit_e
ctl_link_make(ctl_t *ctl, ctl_links_t *links, size_t i, uint32_t rev)
{
    char         link[CTL_MAX_URL + CG_MAX_TOKEN + 8];
    size_t       n;
    uint8_t      token[CG_MAX_TOKEN];
    cg_link_t    t;
    const char  *realm, *url;

    memset(&t, 0, sizeof(cg_link_t));

    realm = ctl_setting(ctl, CTL_REALM);

    t.expires = links->expires;
    t.rev = rev;
    t.subject = links->subjects[i];
    t.realm_len = strlen(realm);

    if (t.realm_len > CG_MAX_REALM) {
        return ctl_fail(ctl, CTL_USAGE, "realm: longer than %d bytes",
                        CG_MAX_REALM);
    }

    memcpy(t.realm, realm, t.realm_len);

    n = RAND_bytes(t.nonce, CG_LINK_NONCE) == 1
        ? cg_link_seal(&ctl->keys, &t, token) : 0;

    if (n == 0) {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed to make a link");
    }

    url = links->url;

    snprintf(link, sizeof(link), "%s%s%.*s", url ? url : "",
             url == NULL ? "" : strchr(url, '?') ? "&t=" : "?t=", (int) n,
             (const char *) token);

    return ctl_link_put(ctl, links, links->ids[i], link);
}


static ctl_exit_e
ctl_link_put(ctl_t *ctl, ctl_links_t *links, const char *id, const char *link)
{
    char     expires[32];
    json_t  *value;

    links->made++;

    if (links->list && links->made % CTL_LINK_EVERY == 0) {
        ctl_note(ctl, "%llu links", (unsigned long long) links->made);
    }

    if (!links->list && !links->lines) {
        puts(link);
        return CTL_OK;
    }

    ctl_time_text(links->expires, expires);

    if (links->lines) {
        value = json_pack("{s:o, s:s, s:s}", "subject",
                          ctl_json_str((cg_str_t) { strlen(id),
                                                    (const uint8_t *) id }),
                          "link", link, "expires", expires);

        return ctl_put_line(ctl, value);
    }

    ctl_link_csv(id);
    printf(",%s,%s\n", link, expires);

    return CTL_OK;
}


/* Quoted where it must be (RFC 4180, 2). */

static void
ctl_link_csv(const char *value)
{
    if (strpbrk(value, "\",\r\n") == NULL) {
        fputs(value, stdout);
        return;
    }

    putchar('"');

    for ( /* void */ ; *value != '\0'; value++) {
        if (*value == '"') {
            putchar('"');
        }

        putchar(*value);
    }

    putchar('"');
}
