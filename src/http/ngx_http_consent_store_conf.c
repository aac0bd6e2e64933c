/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


#define NGX_HTTP_CONSENT_PASSWORD_SIZE  1024    /* bytes */
#define NGX_HTTP_CONSENT_MAX_REPLICAS   64


typedef struct {
    ngx_str_t   name;
    char     *(*set)(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
                     ngx_str_t *value, ngx_uint_t offset);
    ngx_uint_t  offset;
} ngx_http_consent_setting_t;


static char *ngx_http_consent_store_setting(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_consent_store_server(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_topology(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_str(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_prefix(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_password(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_number(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_msec(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_replicas(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_time(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_flag(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_path(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset);
static char *ngx_http_consent_store_defaults(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);


#define ngx_http_consent_offset(field)                                        \
    offsetof(ngx_consent_store_conf_t, field)

static ngx_http_consent_setting_t  ngx_http_consent_settings[] = {

    { ngx_string("server"), ngx_http_consent_store_server, 0 },
    { ngx_string("topology"), ngx_http_consent_store_topology, 0 },
    { ngx_string("username"), ngx_http_consent_store_str,
      ngx_http_consent_offset(username) },
    { ngx_string("password_file"), ngx_http_consent_store_password,
      ngx_http_consent_offset(password) },
    { ngx_string("sentinel_username"), ngx_http_consent_store_str,
      ngx_http_consent_offset(sentinel_username) },
    { ngx_string("sentinel_password_file"), ngx_http_consent_store_password,
      ngx_http_consent_offset(sentinel_password) },
    { ngx_string("database"), ngx_http_consent_store_number,
      ngx_http_consent_offset(database) },
    { ngx_string("prefix"), ngx_http_consent_store_prefix, 0 },
    { ngx_string("connect_timeout"), ngx_http_consent_store_msec,
      ngx_http_consent_offset(connect_timeout) },
    { ngx_string("timeout"), ngx_http_consent_store_msec,
      ngx_http_consent_offset(timeout) },
    { ngx_string("write_timeout"), ngx_http_consent_store_msec,
      ngx_http_consent_offset(write_timeout) },
    { ngx_string("write_replicas"), ngx_http_consent_store_replicas, 0 },
    { ngx_string("retention"), ngx_http_consent_store_time,
      ngx_http_consent_offset(retention) },
    { ngx_string("proof"), ngx_http_consent_store_time,
      ngx_http_consent_offset(proof) },
    { ngx_string("tls"), ngx_http_consent_store_flag,
      ngx_http_consent_offset(tls) },
    { ngx_string("tls_trusted_certificate"), ngx_http_consent_store_path,
      ngx_http_consent_offset(tls_trusted_certificate) },
    { ngx_string("tls_server_name"), ngx_http_consent_store_str,
      ngx_http_consent_offset(tls_server_name) },
    { ngx_string("tls_certificate"), ngx_http_consent_store_path,
      ngx_http_consent_offset(tls_certificate) },
    { ngx_string("tls_certificate_key"), ngx_http_consent_store_path,
      ngx_http_consent_offset(tls_certificate_key) },
    { ngx_null_string, NULL, 0 }
};


char *
ngx_http_consent_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    char                      *rv;
    ngx_conf_t                 save;
    ngx_consent_store_conf_t  *store;

    if (mcf->store) {
        return "is duplicate";
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_consent_store_conf_t));
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_array_init(&store->servers, cf->pool, 1,
                       sizeof(ngx_consent_server_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    store->topology = NGX_CONF_UNSET_UINT;
    store->database = NGX_CONF_UNSET_UINT;
    store->connect_timeout = NGX_CONF_UNSET_MSEC;
    store->timeout = NGX_CONF_UNSET_MSEC;
    store->write_timeout = NGX_CONF_UNSET_MSEC;
    store->write_replicas = NGX_CONF_UNSET_UINT;
    store->replicas_timeout = NGX_CONF_UNSET_MSEC;
    store->retention = NGX_CONF_UNSET;
    store->proof = NGX_CONF_UNSET;
    store->tls = NGX_CONF_UNSET;
    store->log = &cf->cycle->new_log;

    mcf->store = store;

    save = *cf;
    cf->handler = ngx_http_consent_store_setting;
    cf->handler_conf = (void *) store;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_consent_store_defaults(cf, store);
}


static char *
ngx_http_consent_store_setting(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    char                        *rv;
    ngx_str_t                   *value;
    ngx_http_consent_setting_t  *s;

    value = cf->args->elts;

    for (s = ngx_http_consent_settings; s->name.len; s++) {

        if (s->name.len != value[0].len
            || ngx_strncmp(s->name.data, value[0].data, s->name.len) != 0)
        {
            continue;
        }

        /* these may have another value behind it, and look after that */

        if (cf->args->nelts != 2
            && (cf->args->nelts != 3
                || (s->set != ngx_http_consent_store_topology
                    && s->set != ngx_http_consent_store_replicas)))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" of "
                               "\"consent_store\"", &value[0]);
            return NGX_CONF_ERROR;
        }

        rv = s->set(cf, conf, &value[1], s->offset);

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V %V\" in \"consent_store\" %s",
                               &value[0], &value[1], rv);
        }

        return rv == NGX_CONF_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in \"consent_store\"",
                       &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_consent_store_server(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    ngx_url_t              u;
    ngx_consent_server_t  *server;

    if (conf->servers.nelts == NGX_CONSENT_MAX_SERVERS) {
        return "is one server too many";
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = NGX_HTTP_CONSENT_REDIS_PORT;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return u.err ? u.err : NGX_CONF_ERROR;
    }

    server = ngx_array_push(&conf->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_consent_server_t));

    server->name = u.url;
    server->host = u.host;
    server->port = u.port;
    server->no_port = u.no_port;

    if (u.naddrs) {
        server->addr = u.addrs[0];
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_store_topology(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset)
{
    ngx_uint_t  nelts;

    if (conf->topology != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    nelts = cf->args->nelts;

    if (ngx_strcmp(value->data, "sentinel") == 0) {

        if (nelts != 3 || value[1].len == 0 || value[1].len > 255) {
            return "needs the name of the master behind it";
        }

        conf->topology = NGX_CONSENT_SENTINEL;
        conf->master = value[1];

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "single") == 0) {
        conf->topology = NGX_CONSENT_SINGLE;

    } else if (ngx_strcmp(value->data, "cluster") == 0) {
        conf->topology = NGX_CONSENT_CLUSTER;

    } else {
        return "is not a topology: \"single\", \"sentinel\" and the name of "
               "a master, or \"cluster\"";
    }

    return nelts == 2 ? NGX_CONF_OK : "takes no other value";
}


static char *
ngx_http_consent_store_str(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    ngx_str_t  *field;

    field = (ngx_str_t *) ((u_char *) conf + offset);

    if (field->data) {
        return "is duplicate";
    }

    if (value->len == 0 || value->len > 255) {
        return "has no useful length";
    }

    *field = *value;

    return NGX_CONF_OK;
}


/*
 * '{' would move the hash tag, which keeps a record and its events in one
 * slot of a cluster.
 */

static char *
ngx_http_consent_store_prefix(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    size_t  i;

    if (conf->prefix.data) {
        return "is duplicate";
    }

    if (value->len == 0 || value->len > CG_MAX_PREFIX) {
        return "is empty or too long";
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] <= ' ' || value->data[i] >= 0x7f
            || value->data[i] == '{' || value->data[i] == '}')
        {
            return "has a character that keys here do not take";
        }
    }

    conf->prefix = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_store_password(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset)
{
    char            *rv;
    u_char           buf[NGX_HTTP_CONSENT_PASSWORD_SIZE];
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_str_t        path, *name, *password;
    ngx_file_info_t  fi;

    name = value - 1;
    password = (ngx_str_t *) ((u_char *) conf + offset);

    if (password->data) {
        return "is duplicate";
    }

    path = *value;

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" in \"consent_store\": "
                           ngx_open_file_n " \"%V\" failed", name, &path);
        return NGX_CONF_ERROR;
    }

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && (ngx_file_access(&fi) & S_IROTH))
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" in \"consent_store\": \"%V\" is readable "
                           "by others", name, &path);
    }

    rv = "cannot be read";
    n = ngx_read_fd(fd, buf, sizeof(buf));

    (void) ngx_close_file(fd);

    while (n > 0 && (buf[n - 1] == LF || buf[n - 1] == CR)) {
        n--;
    }

    if (n == 0) {
        rv = "is empty";

    } else if (n == sizeof(buf)) {
        rv = "is too long for a password";

    } else if (n > 0) {
        password->data = ngx_pnalloc(cf->pool, n);

        if (password->data) {
            ngx_memcpy(password->data, buf, n);
            password->len = n;
            rv = NGX_CONF_OK;
        }
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    return rv;
}


static char *
ngx_http_consent_store_number(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    ngx_int_t    n;
    ngx_uint_t  *field;

    field = (ngx_uint_t *) ((u_char *) conf + offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n > 65535) {
        return "is not a number that fits";
    }

    *field = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_store_msec(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    ngx_msec_t  ms, *field;

    field = (ngx_msec_t *) ((u_char *) conf + offset);

    if (*field != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    ms = ngx_parse_time(value, 0);

    if (ms == (ngx_msec_t) NGX_ERROR || ms == 0 || ms > 60000) {
        return "is not a time between 1ms and 60s";
    }

    *field = ms;

    return NGX_CONF_OK;
}


/* A number, and perhaps how long to wait for them. */

static char *
ngx_http_consent_store_replicas(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, ngx_str_t *value, ngx_uint_t offset)
{
    ngx_int_t  n;

    if (conf->write_replicas != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n > NGX_HTTP_CONSENT_MAX_REPLICAS) {
        return "is not a number of replicas";
    }

    conf->write_replicas = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (n == 0) {
        return "takes no time";
    }

    return ngx_http_consent_store_msec(cf, conf, &value[1],
                                       ngx_http_consent_offset(
                                           replicas_timeout));
}


static char *
ngx_http_consent_store_time(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    time_t  t, *field;

    field = (time_t *) ((u_char *) conf + offset);

    if (*field != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    t = ngx_parse_time(value, 1);

    if (t == (time_t) NGX_ERROR || t < 86400
        || t > NGX_HTTP_CONSENT_MAX_TIME)
    {
        return "is not a time from a day to a hundred years";
    }

    *field = t;

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_store_flag(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    ngx_flag_t  *field;

    field = (ngx_flag_t *) ((u_char *) conf + offset);

    if (*field != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    if (ngx_strcmp(value->data, "on") == 0) {
        *field = 1;

    } else if (ngx_strcmp(value->data, "off") == 0) {
        *field = 0;

    } else {
        return "is neither \"on\" nor \"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_store_path(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    ngx_str_t *value, ngx_uint_t offset)
{
    ngx_str_t  *field;

    field = (ngx_str_t *) ((u_char *) conf + offset);

    if (field->data) {
        return "is duplicate";
    }

    if (value->len == 0) {
        return "is no path";
    }

    *field = *value;

    return ngx_conf_full_name(cf->cycle, field, 1) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_consent_store_defaults(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    if (conf->servers.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"server\" in \"consent_store\"");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_store_lone(cf, "username", &conf->username,
                                    conf->password.len ? NULL
                                                       : "password_file"))
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_store_servers(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->prefix.data == NULL) {
        ngx_str_set(&conf->prefix, "gc:");
    }

    ngx_conf_init_uint_value(conf->database, 0);
    ngx_conf_init_msec_value(conf->connect_timeout, 100);
    ngx_conf_init_msec_value(conf->timeout, 50);
    ngx_conf_init_msec_value(conf->write_timeout, 1000);
    ngx_conf_init_uint_value(conf->write_replicas, 0);
    ngx_conf_init_msec_value(conf->replicas_timeout,
                             conf->write_replicas ? conf->write_timeout / 2
                                                  : 0);
    ngx_conf_init_value(conf->retention, 400 * 86400);
    ngx_conf_init_value(conf->proof, 6 * 365 * 86400);
    ngx_conf_init_value(conf->tls, 0);

    if (conf->replicas_timeout >= conf->write_timeout) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the time of \"write_replicas\" in "
                           "\"consent_store\" must be shorter than "
                           "\"write_timeout\", %M ms", conf->write_timeout);
        return NGX_CONF_ERROR;
    }

    return ngx_http_consent_store_tls(cf, conf);
}
