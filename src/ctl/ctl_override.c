/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <openssl/rand.h>
#include <time.h>

#include "../core/cg_override.h"
#include "ctl_commands.h"


#define CTL_OVERRIDE_TTL      "1h"


static ctl_exit_e ctl_override_words(ctl_t *ctl, cg_override_t *o);
static ctl_exit_e ctl_override_seal(ctl_t *ctl, cg_override_t *o);
static ctl_exit_e ctl_override_put(ctl_t *ctl, const cg_override_t *o,
    const char *url, const char *token);
static cg_str_t ctl_override_str(const char *s);


/* The words of an override have the names of the options. */

const ctl_option_t  ctl_override_options[] = {
    { "country", "CC",
      "two letters, or \"unknown\"; without it that of the\n"
      "tester's address" },
    { "anonymizer", "KIND",
      "vpn, tor, proxy, residential_proxy, relay,\n"
      "hosting, anonymous" },
    { "time", "TIME",
      "+30d, -12h, 2026-12-01, 2026-12-01T12:00 (UTC)" },
    { "record", "STATE",
      "new, accepted, notice, outdated, declined,\n"
      "refused, no_age, minor, failed" },
    { "residence", "CC",
      "a declared residence" },
    { "history", "DAYS",
      "days since the last visit from the EEA" },
    { "label", "NAME",
      "who makes it: letters, digits, ._@-" },
    { "ttl", "TIME",
      "how long it is good: 1h by default, at most 30d" },
    { "url", "URL",
      "a page of the site: a link is made, not only\n"
      "the token" },
    { NULL, NULL, NULL }
};


ctl_exit_e
ctl_override(ctl_t *ctl, int argc, char **argv)
{
    ctl_exit_e     rc;
    cg_override_t  o;

    (void) argc;
    (void) argv;

    memset(&o, 0, sizeof(cg_override_t));

    rc = ctl_override_words(ctl, &o);

    if (rc == CTL_OK) {
        rc = ctl_keys_load(ctl);
    }

    return rc == CTL_OK ? ctl_override_seal(ctl, &o) : rc;
}


static ctl_exit_e
ctl_override_words(ctl_t *ctl, cg_override_t *o)
{
    uint32_t             ttl;
    const char          *value, *err, *realm;
    const ctl_option_t  *option;

    for (option = ctl_override_options; option->name; option++) {
        value = ctl_option(ctl, option->name);

        if (value == NULL || strcmp(option->name, "ttl") == 0
            || strcmp(option->name, "url") == 0)
        {
            continue;
        }

        err = cg_override_word(o, ctl_override_str(option->name),
                               ctl_override_str(value));
        if (err) {
            return ctl_fail(ctl, CTL_USAGE, "--%s: \"%s\" is %s",
                            option->name, value, err);
        }
    }

    if (cg_override_empty(o)) {
        return ctl_fail(ctl, CTL_USAGE, "nothing to be taken for: give "
                        "--country or another");
    }

    value = ctl_option(ctl, "ttl");
    value = value ? value : CTL_OVERRIDE_TTL;
    ttl = cg_override_ttl(ctl_override_str(value));

    if (ttl == 0) {
        return ctl_fail(ctl, CTL_USAGE, "--ttl: \"%s\" is not a time of at "
                        "most 30d", value);
    }

    o->expires = time(NULL) + ttl;

    realm = ctl_setting(ctl, CTL_REALM);
    o->realm_len = strlen(realm);

    if (o->realm_len > CG_MAX_REALM) {
        return ctl_fail(ctl, CTL_USAGE, "realm: longer than %d bytes",
                        CG_MAX_REALM);
    }

    memcpy(o->realm, realm, o->realm_len);

    return CTL_OK;
}


static ctl_exit_e
ctl_override_seal(ctl_t *ctl, cg_override_t *o)
{
    char         token[CG_MAX_TOKEN + 1];
    size_t       n;
    const char  *url;
    ctl_exit_e   rc;

    rc = ctl_option_url(ctl, &url);
    if (rc != CTL_OK) {
        return rc;
    }

    n = RAND_bytes(o->id, CG_OVERRIDE_ID) == 1
        ? cg_override_seal(&ctl->keys, o, (uint8_t *) token) : 0;

    if (n == 0) {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed to make a token");
    }

    token[n] = '\0';

    return ctl_override_put(ctl, o, url, token);
}


static ctl_exit_e
ctl_override_put(ctl_t *ctl, const cg_override_t *o, const char *url,
    const char *token)
{
    char      expires[32], link[CTL_MAX_URL + CG_MAX_TOKEN + 32];
    uint8_t   words[CG_OVERRIDE_TEXT];
    cg_out_t  out;
    json_t   *value;

    snprintf(link, sizeof(link), "%s%s%s", url ? url : "",
             url == NULL ? ""
             : strchr(url, '?') ? "&consent_override=" : "?consent_override=",
             token);

    if (!ctl->json) {
        puts(link);
        return CTL_OK;
    }

    cg_out_init(&out, words, sizeof(words));
    cg_override_text(o, &out);
    ctl_time_text(o->expires, expires);

    value = json_pack("{s:s%, s:s, s:s, s:s}", "override", words,
                      cg_out_len(&out), "token", token, "link",
                      url ? link : "", "expires", expires);

    return ctl_put_line(ctl, value);
}


static cg_str_t
ctl_override_str(const char *s)
{
    return (cg_str_t) { strlen(s), (const uint8_t *) s };
}
