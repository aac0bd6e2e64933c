/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * A node that is named by a host is resolved by nginx's resolver each time
 * that it is connected to; the resolver keeps what it is told for as long as
 * DNS says, so this costs little. All addresses are tried in one attempt, in
 * the order of the resolver, which is another one each time.
 */

struct ngx_consent_resolve_s {
    ngx_resolver_ctx_t      *ctx;       /* NULL: nothing is asked */
    ngx_uint_t               naddrs;
    ngx_uint_t               next;
    struct {
        ngx_sockaddr_t       sockaddr;
        socklen_t            socklen;
    } addrs[NGX_CONSENT_ADDRS_MAX];
};


static void ngx_consent_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_consent_resolve_failed(ngx_consent_conn_t *conn,
    const char *text);
static void ngx_consent_resolve_take(ngx_consent_resolve_t *resolve,
    ngx_resolver_ctx_t *ctx, in_port_t port);


ngx_int_t
ngx_consent_resolve_start(ngx_consent_conn_t *conn)
{
    ngx_resolver_ctx_t        *ctx;
    ngx_consent_resolve_t     *resolve;
    ngx_consent_store_conf_t  *conf;

    conf = conn->node->store->conf;

    if (conn->resolve == NULL) {
        conn->resolve = ngx_calloc(sizeof(ngx_consent_resolve_t),
                                   conn->node->store->log);
        if (conn->resolve == NULL) {
            return ngx_consent_resolve_failed(conn, "no memory");
        }
    }

    resolve = conn->resolve;
    resolve->naddrs = 0;
    resolve->next = 0;

    if (conf->resolver == NULL) {
        return ngx_consent_resolve_failed(conn, "no \"resolver\"");
    }

    ctx = ngx_resolve_start(conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return ngx_consent_resolve_failed(conn, "no memory");
    }

    ctx->name = conn->node->host;
    ctx->handler = ngx_consent_resolve_handler;
    ctx->data = conn;
    ctx->timeout = conf->connect_timeout;
    ctx->cancelable = 1;

    resolve->ctx = ctx;

    /* which may call the handler at once */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        resolve->ctx = NULL;
        return ngx_consent_resolve_failed(conn, "no memory");
    }

    return NGX_OK;
}


static void
ngx_consent_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_int_t            state;
    ngx_consent_conn_t  *conn;

    conn = ctx->data;
    state = ctx->state;

    conn->resolve->ctx = NULL;

    if (state == NGX_OK) {
        ngx_consent_resolve_take(conn->resolve, ctx, conn->node->port);
    }

    ngx_resolve_name_done(ctx);

    if (!ngx_consent_resolve_next(conn)) {
        (void) ngx_consent_resolve_failed(conn, ngx_resolver_strerror(state));
        ngx_consent_conn_fail(conn);
        return;
    }

    ngx_consent_conn_dial(conn);
}


static ngx_int_t
ngx_consent_resolve_failed(ngx_consent_conn_t *conn, const char *text)
{
    return ngx_consent_fault(conn, NGX_CONSENT_FAULT_RESOLVE, 0,
                             "\"%V\" could not be resolved (%s): check "
                             "\"server\" in \"consent_store\", and "
                             "\"resolver\"", &conn->node->host, text);
}


static void
ngx_consent_resolve_take(ngx_consent_resolve_t *resolve,
    ngx_resolver_ctx_t *ctx, in_port_t port)
{
    ngx_uint_t  i;
    socklen_t   len;

    for (i = 0; i < ctx->naddrs && i < NGX_CONSENT_ADDRS_MAX; i++) {
        len = ngx_min(ctx->addrs[i].socklen, sizeof(ngx_sockaddr_t));

        ngx_memcpy(&resolve->addrs[i].sockaddr, ctx->addrs[i].sockaddr, len);
        ngx_inet_set_port(&resolve->addrs[i].sockaddr.sockaddr, port);

        resolve->addrs[i].socklen = len;
    }

    resolve->naddrs = i;
}


ngx_uint_t
ngx_consent_resolve_next(ngx_consent_conn_t *conn)
{
    ngx_uint_t              i;
    ngx_consent_resolve_t  *resolve;

    resolve = conn->resolve;

    if (resolve == NULL || resolve->next == resolve->naddrs) {
        return 0;
    }

    i = resolve->next++;

    conn->peer.sockaddr = &resolve->addrs[i].sockaddr.sockaddr;
    conn->peer.socklen = resolve->addrs[i].socklen;

    return 1;
}


ngx_uint_t
ngx_consent_resolve_left(ngx_consent_conn_t *conn)
{
    return conn->resolve ? conn->resolve->naddrs - conn->resolve->next : 0;
}


void
ngx_consent_resolve_cancel(ngx_consent_conn_t *conn)
{
    if (conn->resolve && conn->resolve->ctx) {
        ngx_resolve_name_done(conn->resolve->ctx);
        conn->resolve->ctx = NULL;
    }
}


void
ngx_consent_resolve_done(ngx_consent_conn_t *conn)
{
    ngx_consent_resolve_cancel(conn);

    if (conn->resolve) {
        ngx_free(conn->resolve);
        conn->resolve = NULL;
    }
}


/* "redis.internal:6379", "127.0.0.1", "[::1]:6379": what is before the port. */

void
ngx_consent_host(const ngx_str_t *name, ngx_str_t *host)
{
    u_char  *p, *last;

    *host = *name;
    last = name->data + name->len;

    if (name->len && name->data[0] == '[') {
        host->data++;
        p = ngx_strlchr(host->data, last, ']');

    } else {
        p = ngx_strlchr(host->data, last, ':');
    }

    host->len = (p ? p : last) - host->data;
}
