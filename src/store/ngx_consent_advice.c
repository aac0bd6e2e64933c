/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"
#include "../core/cg_grant.h"


/*
 * What to do about an error reply, for the end of its line in the log.
 */

static u_char *ngx_consent_advice_grant(ngx_consent_store_t *store,
    cg_grant_e what, cg_str_t command, u_char *p, u_char *last);
static u_char *ngx_consent_advice_script(ngx_consent_store_t *store,
    u_char *p, u_char *last);


void
ngx_consent_advice(ngx_consent_store_t *store,
    const ngx_consent_reply_t *reply, ngx_consent_advice_t *advice)
{
    u_char      *p, *last;
    cg_str_t     command;
    cg_grant_e   what;

    p = advice->buf;
    last = p + sizeof(advice->buf);

    what = cg_grant_parse(reply->items[0].str, &command);

    if (what != CG_GRANT_NONE) {
        p = ngx_consent_advice_grant(store, what, command, p, last);

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
ngx_consent_advice_grant(ngx_consent_store_t *store, cg_grant_e what,
    cg_str_t command, u_char *p, u_char *last)
{
    ngx_str_t  *user;

    static ngx_str_t  nobody = ngx_string("default");

    user = store->conf->username.len ? &store->conf->username : &nobody;

    p = ngx_slprintf(p, last, ": grant it: ACL SETUSER %V", user);

    switch (what) {

    case CG_GRANT_COMMAND:
        return ngx_slprintf(p, last, " +%*s", command.len, command.data);

    case CG_GRANT_CHANNEL:
        return ngx_slprintf(p, last, " &%s", NGX_CONSENT_FEED_CHANNEL);

    case CG_GRANT_KEY:
        return ngx_slprintf(p, last, " ~%V*", &store->conf->prefix);

    default:
        return ngx_consent_advice_script(store, p, last);
    }
}


/* A script may not run a command, and which one is not said: all it runs. */

static u_char *
ngx_consent_advice_script(ngx_consent_store_t *store, u_char *p, u_char *last)
{
    size_t   len;
    u_char  *s, *end, *start, *name, item[CG_MAX_GRANT + 3];

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

        len = ngx_min(len, CG_MAX_GRANT);

        name = ngx_cpymem(item, " +", 2);
        ngx_strlow(name, s, len);
        name[len] = '\0';

        if (ngx_strnstr(start, (char *) item, p - start) == NULL) {
            p = ngx_slprintf(p, last, "%s", item);
        }
    }
}
