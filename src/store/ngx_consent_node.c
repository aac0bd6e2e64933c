/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


static ngx_uint_t ngx_consent_node_address(ngx_sockaddr_t *sa, cg_str_t host,
    ngx_uint_t port, socklen_t *len);
static ngx_consent_node_t *ngx_consent_node_unresolved(
    ngx_consent_store_t *store, ngx_str_t *name);
static ngx_consent_node_t *ngx_consent_node_find(ngx_consent_store_t *store,
    ngx_str_t *name);
static ngx_consent_node_t *ngx_consent_node_create(ngx_consent_store_t *store,
    ngx_str_t *name, struct sockaddr *sa, socklen_t len);
static void ngx_consent_node_free(ngx_consent_node_t *node);


/*
 * Nodes are on the heap, for they come and go. Their name is their identity:
 * it finds what all workers know of one in shared memory.
 */

ngx_consent_node_t *
ngx_consent_node_server(ngx_consent_store_t *store,
    ngx_consent_server_t *server)
{
    ngx_consent_node_t  *node;

    node = ngx_consent_node_find(store, &server->name);

    if (node == NULL) {
        node = ngx_consent_node_create(store, &server->name,
                                       server->addr.sockaddr,
                                       server->addr.socklen);
    }

    if (node && node->addr.sockaddr == NULL) {
        node->host = server->host;
        node->port = server->port;
    }

    return node;
}


ngx_consent_node_t *
ngx_consent_node_get(ngx_consent_store_t *store, cg_str_t host,
    ngx_uint_t port, ngx_consent_node_t *asked)
{
    u_char               buf[CG_MAX_HOST + sizeof("[]:65535")];
    socklen_t            len;
    ngx_str_t            name, other;
    const char          *fmt;
    ngx_sockaddr_t       sa;
    ngx_consent_node_t  *node;

    if (host.len == 0
        && (asked->addr.sockaddr == NULL
            || asked->addr.sockaddr->sa_family != AF_UNIX))
    {
        ngx_consent_host(&asked->name, &other);
        host = (cg_str_t) { other.len, other.data };
    }

    if (!cg_host_valid(host)) {
        return NULL;
    }

    fmt = ngx_strlchr((u_char *) host.data, (u_char *) host.data + host.len,
                      ':')
          ? "[%*s]:%ui" : "%*s:%ui";

    name.data = buf;
    name.len = ngx_sprintf(buf, fmt, host.len, host.data, port) - buf;

    node = ngx_consent_node_find(store, &name);

    if (node) {
        return node;
    }

    if (ngx_consent_node_address(&sa, host, port, &len)) {
        return ngx_consent_node_create(store, &name, &sa.sockaddr, len);
    }

    if (store->conf->resolver == NULL) {
        return ngx_consent_node_unresolved(store, &name);
    }

    node = ngx_consent_node_create(store, &name, NULL, 0);

    if (node) {
        ngx_consent_host(&node->name, &node->host);
        node->port = (in_port_t) port;
    }

    return node;
}


/* A host in a reply: it takes a resolver, for nothing may block now. */

static ngx_consent_node_t *
ngx_consent_node_unresolved(ngx_consent_store_t *store, ngx_str_t *name)
{
    ngx_str_t  more;

    if (ngx_consent_line(store, NGX_CONSENT_LINE_TOPOLOGY, &more)) {
        ngx_log_error(NGX_LOG_ERR, store->log, 0,
                      "consent store %V: a host, and no \"resolver\" in the "
                      "http block%V", name, &more);
    }

    return NULL;
}


static ngx_uint_t
ngx_consent_node_address(ngx_sockaddr_t *sa, cg_str_t host, ngx_uint_t port,
    socklen_t *len)
{
    u_char  *text;

    ngx_memzero(sa, sizeof(ngx_sockaddr_t));

    text = (u_char *) host.data;

    sa->sockaddr_in.sin_addr.s_addr = ngx_inet_addr(text, host.len);

    if (sa->sockaddr_in.sin_addr.s_addr != INADDR_NONE) {
        sa->sockaddr_in.sin_family = AF_INET;
        sa->sockaddr_in.sin_port = htons((in_port_t) port);
        *len = sizeof(struct sockaddr_in);
        return 1;
    }

#if (NGX_HAVE_INET6)
    if (ngx_inet6_addr(text, host.len,
                       sa->sockaddr_in6.sin6_addr.s6_addr) == NGX_OK)
    {
        sa->sockaddr_in6.sin6_family = AF_INET6;
        sa->sockaddr_in6.sin6_port = htons((in_port_t) port);
        *len = sizeof(struct sockaddr_in6);
        return 1;
    }
#endif

    return 0;
}


static ngx_consent_node_t *
ngx_consent_node_find(ngx_consent_store_t *store, ngx_str_t *name)
{
    ngx_uint_t           i;
    ngx_consent_node_t  *node;

    for (i = 0; i < store->nnodes; i++) {
        node = store->nodes[i];

        if (node && node->name.len == name->len
            && ngx_memcmp(node->name.data, name->data, name->len) == 0)
        {
            return node;
        }
    }

    return NULL;
}


static ngx_consent_node_t *
ngx_consent_node_create(ngx_consent_store_t *store, ngx_str_t *name,
    struct sockaddr *sa, socklen_t len)
{
    u_char              *p;
    ngx_uint_t           i;
    ngx_consent_node_t  *node;

    for (i = 0; i < store->nnodes && store->nodes[i]; i++) { /* void */ }

    if (i == NGX_CONSENT_MAX_NODES) {
        return NULL;
    }

    /* the address comes first, it is to be aligned */

    node = ngx_calloc(sizeof(ngx_consent_node_t) + len + name->len,
                      store->log);
    if (node == NULL) {
        return NULL;
    }

    p = (u_char *) (node + 1);

    node->store = store;
    node->number = i;

    if (len) {
        node->addr.sockaddr = (struct sockaddr *) p;
        node->addr.socklen = len;
        p = ngx_cpymem(p, sa, len);
    }

    node->name.data = p;
    node->name.len = name->len;
    ngx_memcpy(node->name.data, name->data, name->len);

    node->breaker = ngx_consent_breaker_find(store->zone->sh, &node->name);

    /* a reload may have mended what was given some time to be mended */
    node->breaker->probe = 0;
    node->source = (uint8_t) (node->breaker - store->zone->sh->breakers
                              + store->conf->sources);

    ngx_consent_conn_init(&node->conn, node,
                          store->slots ? &ngx_consent_member_role
                                       : &ngx_consent_ask_role);
    ngx_consent_writer_init(node);
    ngx_consent_feed_start(node);

    store->nodes[i] = node;
    store->nnodes = ngx_max(store->nnodes, i + 1);

    return node;
}


/*
 * A connection of a node may be the one from which we come, and may have
 * commands in flight: it is closed later.
 */

void
ngx_consent_node_retire(ngx_consent_node_t *node)
{
    ngx_consent_store_t  *store;

    store = node->store;

    ngx_log_error(NGX_LOG_INFO, store->log, 0,
                  "consent store %V: is not asked any more", &node->name);

    store->nodes[node->number] = NULL;
    node->leaving = 1;

    ngx_consent_feed_stop(node);

    ngx_queue_insert_tail(&store->leaving, &node->queue);
}


ngx_uint_t
ngx_consent_node_sweep(ngx_consent_store_t *store)
{
    ngx_uint_t           n;
    ngx_queue_t         *q, *next;
    ngx_consent_node_t  *node;

    n = 0;

    for (q = ngx_queue_head(&store->leaving);
         q != ngx_queue_sentinel(&store->leaving);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_consent_node_t, queue);

        if (node->conn.ncommands || node->writer.conn.ncommands) {
            n++;
            continue;
        }

        ngx_queue_remove(q);
        ngx_consent_node_free(node);
    }

    return n;
}


void
ngx_consent_nodes_destroy(ngx_consent_store_t *store)
{
    ngx_uint_t    i;
    ngx_queue_t  *q;

    for (i = 0; i < store->nnodes; i++) {
        if (store->nodes[i]) {
            ngx_consent_feed_stop(store->nodes[i]);
            ngx_consent_node_free(store->nodes[i]);
            store->nodes[i] = NULL;
        }
    }

    while (!ngx_queue_empty(&store->leaving)) {
        q = ngx_queue_head(&store->leaving);
        ngx_queue_remove(q);
        ngx_consent_node_free(ngx_queue_data(q, ngx_consent_node_t, queue));
    }
}


static void
ngx_consent_node_free(ngx_consent_node_t *node)
{
    ngx_consent_writer_destroy(node);
    ngx_consent_conn_destroy(&node->conn);
    ngx_free(node);
}
