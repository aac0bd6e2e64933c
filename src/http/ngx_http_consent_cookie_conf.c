/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static ngx_uint_t ngx_http_consent_cookie_name_valid(ngx_str_t *name);
static char *ngx_http_consent_cookie_param(ngx_conf_t *cf,
    ngx_http_consent_srv_conf_t *scf, ngx_str_t *param);
static ngx_uint_t ngx_http_consent_cookie_prefixed(ngx_str_t *name,
    const char *prefix);
static ngx_uint_t ngx_http_consent_server_tls(ngx_conf_t *cf);
static ngx_uint_t ngx_http_consent_tls_address(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf);


static ngx_uint_t
ngx_http_consent_cookie_name_valid(ngx_str_t *name)
{
    size_t  i;
    u_char  ch;

    if (name->len == 0 || name->len > 64) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        /* a token without the characters that some servers trip over */

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'))
        {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_http_consent_cookie_param(ngx_conf_t *cf,
    ngx_http_consent_srv_conf_t *scf, ngx_str_t *param)
{
    size_t     i;
    ngx_str_t  s;

    if (ngx_strncmp(param->data, "max_age=", 8) == 0) {
        s.data = param->data + 8;
        s.len = param->len - 8;

        scf->cookie_max_age = ngx_parse_time(&s, 1);

        return scf->cookie_max_age == (time_t) NGX_ERROR
               || scf->cookie_max_age == 0
               || scf->cookie_max_age > NGX_HTTP_CONSENT_MAX_TIME
               ? ngx_http_consent_invalid(cf, param) : NGX_CONF_OK;
    }

    if (ngx_strncmp(param->data, "domain=", 7) == 0) {
        s.data = param->data + 7;
        s.len = param->len - 7;

        for (i = 0; i < s.len; i++) {
            if (!((s.data[i] >= 'a' && s.data[i] <= 'z')
                  || (s.data[i] >= '0' && s.data[i] <= '9')
                  || s.data[i] == '-' || s.data[i] == '.'))
            {
                return ngx_http_consent_invalid(cf, param);
            }
        }

        scf->cookie_domain = s;

        return s.len ? NGX_CONF_OK : ngx_http_consent_invalid(cf, param);
    }

    if (ngx_strcmp(param->data, "secure=auto") == 0) {
        scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_AUTO;

    } else if (ngx_strcmp(param->data, "secure=on") == 0) {
        scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_ON;

    } else if (ngx_strcmp(param->data, "secure=off") == 0) {
        scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_OFF;

    } else {
        return ngx_http_consent_invalid(cf, param);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_consent_visitor_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_srv_conf_t *scf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (scf->cookie.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_http_consent_cookie_name_valid(&value[1])) {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    scf->cookie = value[1];

    if (ngx_strcmp(value[1].data, "default") == 0) {

        /* the name follows from the rest: ngx_http_consent_cookie_name() */

        scf->cookie.len = 0;
    }

    scf->cookie_max_age = 182 * 86400;
    scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_AUTO;
    ngx_str_set(&scf->cookie_domain, "");

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_consent_cookie_param(cf, scf, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    /* browsers drop these in silence (RFC 6265bis, 4.1.3) */

    if (scf->cookie_secure == NGX_HTTP_CONSENT_SECURE_OFF
        && (ngx_http_consent_cookie_prefixed(&scf->cookie, "__Host-")
            || ngx_http_consent_cookie_prefixed(&scf->cookie, "__Secure-")))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot have \"secure=off\" in "
                           "\"consent_visitor_cookie\" directive",
                           &scf->cookie);
        return NGX_CONF_ERROR;
    }

    if (scf->cookie_domain.len
        && ngx_http_consent_cookie_prefixed(&scf->cookie, "__Host-"))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot have a domain in "
                           "\"consent_visitor_cookie\" directive",
                           &scf->cookie);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Browsers look at the prefix whatever its case is. */

static ngx_uint_t
ngx_http_consent_cookie_prefixed(ngx_str_t *name, const char *prefix)
{
    size_t  len;

    len = ngx_strlen(prefix);

    return name->len >= len
           && ngx_strncasecmp(name->data, (u_char *) prefix, len) == 0;
}


/*
 * "Secure" follows the connection, and none of this server's is TLS: every
 * browser would drop the cookie, and every answer would be "cookies are off".
 * A warning and no more, for the server may do nothing but redirect.
 */

void
ngx_http_consent_cookie_check(ngx_conf_t *cf, ngx_http_consent_srv_conf_t *scf)
{
    if (scf->cookie_checked) {
        return;
    }

    scf->cookie_checked = 1;

    if (scf->cookie_secure == NGX_HTTP_CONSENT_SECURE_AUTO
        && (ngx_http_consent_cookie_prefixed(&scf->cookie, "__Host-")
            || ngx_http_consent_cookie_prefixed(&scf->cookie, "__Secure-"))
        && !ngx_http_consent_server_tls(cf))
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"%V\" in \"consent_visitor_cookie\" directive is "
                      "dropped by browsers without TLS: this server listens "
                      "without \"ssl\"; where TLS ends before nginx, say "
                      "\"secure=on\"", &scf->cookie);
    }
}


/* Whether any address that this server listens on has TLS. */

static ngx_uint_t
ngx_http_consent_server_tls(ngx_conf_t *cf)
{
    ngx_uint_t                  i, k;
    ngx_http_conf_port_t       *port;
    ngx_http_conf_addr_t       *addr;
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_core_main_conf_t  *cmcf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return 0;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (k = 0; k < port[i].addrs.nelts; k++) {
            if (ngx_http_consent_tls_address(&addr[k], cscf)) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_consent_tls_address(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  i;
    ngx_http_core_srv_conf_t  **servers;

    if (!addr->opt.ssl) {
        return 0;
    }

    servers = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        if (servers[i] == cscf) {
            return 1;
        }
    }

    return 0;
}
