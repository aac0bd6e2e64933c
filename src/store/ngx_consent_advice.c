/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * What to do about an error reply, for the end of its line in the log. The
 * words are those of Redis 6 to 7.4 and of Valkey, which differ: of what is
 * not permitted some name the command, some do not.
 */

#define NGX_CONSENT_GRANT_NAME  40          /* bytes of "client|tracking" */


static u_char *ngx_consent_advice_grant(ngx_consent_store_t *store,
    cg_str_t text, u_char *p, u_char *last);
static u_char *ngx_consent_advice_command(cg_str_t text, u_char *p,
    u_char *last);
static u_char *ngx_consent_advice_script(ngx_consent_store_t *store,
    u_char *p, u_char *last);
static ngx_uint_t ngx_consent_advice_has(cg_str_t text, const char *what);


void
ngx_consent_advice(ngx_consent_store_t *store,
    const ngx_consent_reply_t *reply, ngx_consent_advice_t *advice)
{
    u_char     *p, *last;
    cg_str_t    text;
    ngx_str_t  *user;

    static ngx_str_t  nobody = ngx_string("default");

    text = reply->items[0].str;
    user = store->conf->username.len ? &store->conf->username : &nobody;

    p = advice->buf;
    last = p + sizeof(advice->buf);

    if (ngx_consent_reply_error(reply, "NOPERM")
        || ngx_consent_advice_has(text, "NOPERM")
        || ngx_consent_advice_has(text, "executing the script can't")
        || ngx_consent_advice_has(text, "ACL failure"))
    {
        p = ngx_slprintf(p, last, ": grant it: ACL SETUSER %V", user);
        p = ngx_consent_advice_grant(store, text, p, last);

    } else if (store->slots == NULL
               && (ngx_consent_reply_error(reply, "MOVED")
                   || ngx_consent_reply_error(reply, "CLUSTERDOWN")))
    {
        p = ngx_slprintf(p, last, ": set \"topology cluster\" in "
                         "\"consent_store\"");

    } else if (ngx_consent_reply_error(reply, "OOM")) {
        p = ngx_slprintf(p, last, ": raise \"maxmemory\" of Redis");

    } else if (ngx_consent_reply_error(reply, "NOREPLICAS")) {
        p = ngx_slprintf(p, last, ": fewer replicas are in reach than "
                         "\"min-replicas-to-write\" of Redis asks for");
    }

    advice->text.data = advice->buf;
    advice->text.len = p - advice->buf;
}


static u_char *
ngx_consent_advice_grant(ngx_consent_store_t *store, cg_str_t text, u_char *p,
    u_char *last)
{
    u_char  *end;

    end = ngx_consent_advice_command(text, p, last);

    if (end != p) {
        return end;
    }

    if (ngx_consent_advice_has(text, "channel")) {
        return ngx_slprintf(p, last, " &%s", NGX_CONSENT_FEED_CHANNEL);
    }

    if (ngx_consent_advice_has(text, "key")) {
        return ngx_slprintf(p, last, " ~%V*", &store->conf->prefix);
    }

    return ngx_consent_advice_script(store, p, last);
}


/* "... has no permissions to run the 'client|id' command" */

static u_char *
ngx_consent_advice_command(cg_str_t text, u_char *p, u_char *last)
{
    size_t   len;
    u_char  *name, *end;

    static char  run[] = "run the '";

    name = ngx_strnstr((u_char *) text.data, run, text.len);

    if (name == NULL) {
        return p;
    }

    name += sizeof(run) - 1;
    end = (u_char *) text.data + text.len;

    for (len = 0; name + len < end && name[len] != '\''; len++) {

        if (len == NGX_CONSENT_GRANT_NAME
            || ((name[len] < 'a' || name[len] > 'z')
                && name[len] != '|' && name[len] != '-' && name[len] != '_'))
        {
            return p;
        }
    }

    return ngx_slprintf(p, last, " +%*s", len, name);
}


/* A script may not run a command, and which one is not said: all it runs. */

static u_char *
ngx_consent_advice_script(ngx_consent_store_t *store, u_char *p, u_char *last)
{
    size_t   len;
    u_char  *s, *end, *start, *name, item[NGX_CONSENT_GRANT_NAME + 3];

    static char  call[] = "redis.call('";

    start = p;
    s = store->script.data;
    end = s + store->script.len;

    for ( ;; ) {
        s = ngx_strnstr(s, call, end - s);

        if (s == NULL) {
            return p;
        }

        s += sizeof(call) - 1;

        for (len = 0; s + len < end && s[len] != '\''; len++) { /* void */ }

        len = ngx_min(len, NGX_CONSENT_GRANT_NAME);

        name = ngx_cpymem(item, " +", 2);
        ngx_strlow(name, s, len);
        name[len] = '\0';

        if (ngx_strnstr(start, (char *) item, p - start) == NULL) {
            p = ngx_slprintf(p, last, "%s", item);
        }
    }
}


static ngx_uint_t
ngx_consent_advice_has(cg_str_t text, const char *what)
{
    return ngx_strnstr((u_char *) text.data, (char *) what, text.len) != NULL;
}
