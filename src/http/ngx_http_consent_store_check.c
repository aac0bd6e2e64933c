/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/* What the settings of consent_store are together. */

/* How many there are, and where a port was left out. */

char *
ngx_http_consent_store_servers(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    ngx_uint_t             i;
    const char            *sentinel;
    ngx_consent_server_t  *server;

    ngx_conf_init_uint_value(conf->topology, NGX_CONSENT_SINGLE);

    server = conf->servers.elts;

    if (conf->topology == NGX_CONSENT_SINGLE && conf->servers.nelts > 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"server %V\" in \"consent_store\" is one server "
                           "too many for \"topology single\"",
                           &server[1].name);
        return NGX_CONF_ERROR;
    }

    if (conf->topology == NGX_CONSENT_CLUSTER
        && conf->database != NGX_CONF_UNSET_UINT && conf->database)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"database %ui\" in \"consent_store\" with "
                           "\"topology cluster\", which has only database 0",
                           conf->database);
        return NGX_CONF_ERROR;
    }

    sentinel = (conf->topology == NGX_CONSENT_SENTINEL) ? NULL
                                                        : "topology sentinel";

    if (ngx_http_consent_store_lone(cf, "sentinel_username",
                                    &conf->sentinel_username,
                                    conf->sentinel_password.len
                                    ? sentinel : "sentinel_password_file"))
    {
        return NGX_CONF_ERROR;
    }

    if (conf->sentinel_password.len && sentinel) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sentinel_password_file\" without \"%s\" in "
                           "\"consent_store\"", sentinel);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < conf->servers.nelts; i++) {
        if (!server[i].no_port || conf->topology != NGX_CONSENT_SENTINEL) {
            continue;
        }

        server[i].port = NGX_HTTP_CONSENT_SENTINEL_PORT;

        if (server[i].addr.sockaddr) {
            ngx_inet_set_port(server[i].addr.sockaddr, server[i].port);
        }
    }

    return NGX_CONF_OK;
}


/* What belongs together, and where TLS cannot be. */

char *
ngx_http_consent_store_tls(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    ngx_uint_t             i;
    const char            *on;
    ngx_consent_server_t  *server;

    on = conf->tls ? NULL : "tls on";

    if (ngx_http_consent_store_lone(cf, "tls_trusted_certificate",
                                    &conf->tls_trusted_certificate, on)
        || ngx_http_consent_store_lone(cf, "tls_server_name",
                                       &conf->tls_server_name, on)
        || ngx_http_consent_store_lone(cf, "tls_certificate",
                                       &conf->tls_certificate,
                                       conf->tls_certificate_key.len
                                       ? on : "tls_certificate_key")
        || ngx_http_consent_store_lone(cf, "tls_certificate_key",
                                       &conf->tls_certificate_key,
                                       conf->tls_certificate.len
                                       ? on : "tls_certificate"))
    {
        return NGX_CONF_ERROR;
    }

    server = conf->servers.elts;

    for (i = 0; conf->tls && i < conf->servers.nelts; i++) {

        if (server[i].addr.sockaddr
            && server[i].addr.sockaddr->sa_family == AF_UNIX)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"tls on\" in \"consent_store\" with "
                               "\"server %V\": Redis has no TLS on a Unix "
                               "socket", &server[i].name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* True if a setting has a value and the other one, which it needs, is not. */

ngx_uint_t
ngx_http_consent_store_lone(ngx_conf_t *cf, const char *name,
    ngx_str_t *value, const char *other)
{
    if (value->len == 0 || other == NULL) {
        return 0;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s %V\" without \"%s\" in \"consent_store\"",
                       name, value, other);

    return 1;
}


/*
 * Hosts, when the whole block is read: left to the resolver of the http block
 * if there is one, else resolved here and now.
 */

char *
ngx_http_consent_store_resolve(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    ngx_url_t                  u;
    ngx_uint_t                 i;
    ngx_consent_server_t      *server;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        conf->resolver = clcf->resolver;
        return NGX_CONF_OK;
    }

    server = conf->servers.elts;

    for (i = 0; i < conf->servers.nelts; i++) {

        if (server[i].addr.sockaddr) {
            continue;
        }

        ngx_memzero(&u, sizeof(ngx_url_t));

        u.url = server[i].name;
        u.default_port = server[i].port;

        if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"server %V\" in \"consent_store\": %s",
                               &server[i].name,
                               u.err ? u.err : "no memory");
            return NGX_CONF_ERROR;
        }

        server[i].addr = u.addrs[0];
    }

    return NGX_CONF_OK;
}
