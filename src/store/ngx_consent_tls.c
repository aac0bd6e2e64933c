/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_consent_store_internal.h"


/*
 * TLS by nginx's own functions, between connect() and what is said first.
 * The server's certificate is verified by OpenSSL within its handshake, the
 * name or address included, so that nothing, not even our own certificate,
 * is shown to a server that is not the one.
 *
 * nginx writes a line about each fault of TLS, some of them at the crit level
 * and without a word about whom. Here they go into conn->note instead, and
 * from there into the one line that the breaker writes.
 */

#if (NGX_SSL)

#define NGX_CONSENT_TLS_PROTOCOLS  (NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3)
#define NGX_CONSENT_TLS_CHAIN      6    /* certificates above the server's */


typedef struct {
    const char           *word;             /* of the note */
    ngx_consent_fault_e   kind;
    const char           *advice;
} ngx_consent_tls_word_t;


static ngx_int_t ngx_consent_tls_trust(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);
static ngx_int_t ngx_consent_tls_certificate(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);
static ngx_int_t ngx_consent_tls_refused(ngx_conf_t *cf, const char *name,
    ngx_str_t *value);
static int ngx_consent_tls_no_passphrase(char *buf, int size, int rwflag,
    void *data);
static ngx_int_t ngx_consent_tls_expect(ngx_consent_conn_t *conn);
static void ngx_consent_tls_save(ngx_connection_t *c);
static void ngx_consent_tls_forget(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_tls_failed(ngx_consent_conn_t *conn);
static ngx_int_t ngx_consent_tls_verified(ngx_consent_conn_t *conn,
    long error);
static void ngx_consent_tls_log(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);
static void ngx_consent_tls_note(ngx_consent_conn_t *conn, u_char *text,
    u_char *last);


/* What OpenSSL says, and what is meant. The alerts are the server's. */

static const ngx_consent_tls_word_t  ngx_consent_tls_words[] = {

    { "wrong version number", NGX_CONSENT_FAULT_TLS,
      "this port does not speak TLS: name the TLS port, or \"tls off\"" },
    { "packet length too long", NGX_CONSENT_FAULT_TLS,
      "this port does not speak TLS: name the TLS port, or \"tls off\"" },

    { "alert certificate required", NGX_CONSENT_FAULT_TLS_OURS,
      "it asks for a certificate: set \"tls_certificate\"" },
    { "alert handshake failure", NGX_CONSENT_FAULT_TLS_OURS,
      "it may ask for a certificate: set \"tls_certificate\"" },
    { "alert unknown ca", NGX_CONSENT_FAULT_TLS_OURS,
      "it does not trust the CA of \"tls_certificate\"" },
    { "alert bad certificate", NGX_CONSENT_FAULT_TLS_OURS,
      "it refuses \"tls_certificate\"" },
    { "alert unsupported certificate", NGX_CONSENT_FAULT_TLS_OURS,
      "it refuses \"tls_certificate\": is it one for clients?" },
    { "alert certificate revoked", NGX_CONSENT_FAULT_TLS_OURS,
      "renew \"tls_certificate\"" },
    { "alert certificate expired", NGX_CONSENT_FAULT_TLS_OURS,
      "renew \"tls_certificate\"" },
    { "alert certificate unknown", NGX_CONSENT_FAULT_TLS_OURS,
      "it refuses \"tls_certificate\"" },

    { "alert protocol version", NGX_CONSENT_FAULT_TLS,
      "it has neither TLS 1.2 nor 1.3" },
    { "unsupported protocol", NGX_CONSENT_FAULT_TLS,
      "it has neither TLS 1.2 nor 1.3" },

    { NULL, NGX_CONSENT_FAULT_HANDSHAKE, NULL }
};


ngx_int_t
ngx_consent_tls_init_conf(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    if (!conf->tls) {
        return NGX_OK;
    }

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ssl == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_CONSENT_TLS_PROTOCOLS, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    conf->ssl = ssl;

    SSL_CTX_set_verify(ssl->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(ssl->ctx, NGX_CONSENT_TLS_CHAIN);

    /* what was not sent at once may have moved, and grown, when it is */
    SSL_CTX_set_mode(ssl->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                               |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (ngx_ssl_client_session_cache(cf, ssl, 1) != NGX_OK
        || ngx_consent_tls_trust(cf, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_consent_tls_certificate(cf, conf);
}


/* Without a file of its own: what the system trusts. */

static ngx_int_t
ngx_consent_tls_trust(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    int         rc;
    ngx_str_t  *path;

    path = &conf->tls_trusted_certificate;

    if (path->len) {
        rc = SSL_CTX_load_verify_file(conf->ssl->ctx, (char *) path->data);

    } else {
        rc = SSL_CTX_set_default_verify_paths(conf->ssl->ctx);
    }

    if (rc == 0) {
        return ngx_consent_tls_refused(cf, "tls_trusted_certificate", path);
    }

    ERR_clear_error();

    return NGX_OK;
}


static ngx_int_t
ngx_consent_tls_certificate(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    SSL_CTX    *ctx;
    ngx_str_t  *cert, *key;

    ctx = conf->ssl->ctx;
    cert = &conf->tls_certificate;
    key = &conf->tls_certificate_key;

    if (cert->len == 0) {
        return NGX_OK;
    }

    /* nobody is there to be asked for one */
    SSL_CTX_set_default_passwd_cb(ctx, ngx_consent_tls_no_passphrase);

    if (SSL_CTX_use_certificate_chain_file(ctx, (char *) cert->data) == 0) {
        return ngx_consent_tls_refused(cf, "tls_certificate", cert);
    }

    /* which sees, too, whether it is the key of that certificate */

    if (SSL_CTX_use_PrivateKey_file(ctx, (char *) key->data, SSL_FILETYPE_PEM)
        == 0)
    {
        return ngx_consent_tls_refused(cf, "tls_certificate_key", key);
    }

    ERR_clear_error();

    return NGX_OK;
}


static ngx_int_t
ngx_consent_tls_refused(ngx_conf_t *cf, const char *name, ngx_str_t *value)
{
    ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%s %V\" in \"consent_store\" cannot be used", name,
                  value);

    return NGX_ERROR;
}


static int
ngx_consent_tls_no_passphrase(char *buf, int size, int rwflag, void *data)
{
    return -1;
}


ngx_int_t
ngx_consent_tls_start(ngx_consent_conn_t *conn)
{
    ngx_ssl_t         *ssl;
    ngx_connection_t  *c;

    c = conn->connection;
    ssl = conn->node->store->conf->ssl;

    conn->note.len = 0;

    conn->log.writer = ngx_consent_tls_log;
    conn->log.wdata = conn;
    conn->log.handler = NULL;
    conn->log.next = NULL;
    conn->log.log_level = ngx_max(conn->log.log_level, NGX_LOG_INFO);

    c->pool = ngx_create_pool(512, conn->node->store->log);

    if (c->pool == NULL
        || ngx_ssl_create_connection(ssl, c, NGX_SSL_CLIENT) != NGX_OK
        || ngx_consent_tls_expect(conn) != NGX_OK
        || ngx_ssl_set_session(c, conn->session) != NGX_OK)
    {
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                                 "no memory for TLS");
    }

    c->ssl->save_session = ngx_consent_tls_save;

    return NGX_OK;
}


/* Whom we want to talk to. An address is in no SNI (RFC 6066, 3). */

static ngx_int_t
ngx_consent_tls_expect(ngx_consent_conn_t *conn)
{
    char               name[NGX_CONSENT_HOST_LEN + 1];
    ngx_str_t          host;
    ngx_ssl_conn_t    *ssl;
    X509_VERIFY_PARAM  *param;

    host = conn->node->store->conf->tls_server_name;

    if (host.len == 0) {
        ngx_consent_host(&conn->node->name, &host);
    }

    if (host.len > 1 && host.data[host.len - 1] == '.') {
        /* of DNS, and in no certificate */
        host.len--;
    }

    if (host.len == 0 || host.len > NGX_CONSENT_HOST_LEN) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn((u_char *) name, host.data, host.len + 1);

    ssl = conn->connection->ssl->connection;
    param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1) {
        return NGX_OK;
    }

    ERR_clear_error();

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    if (X509_VERIFY_PARAM_set1_host(param, name, host.len) != 1
        || SSL_set_tlsext_host_name(ssl, name) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* TLS 1.3 gives sessions after its handshake, and more than one. */

static void
ngx_consent_tls_save(ngx_connection_t *c)
{
    ngx_consent_conn_t  *conn;

    conn = c->data;

    if (SSL_get_verify_result(c->ssl->connection) == X509_V_OK) {
        ngx_consent_tls_forget(conn);
        conn->session = ngx_ssl_get_session(c);
    }
}


static void
ngx_consent_tls_forget(ngx_consent_conn_t *conn)
{
    if (conn->session) {
        ngx_ssl_free_session(conn->session);
        conn->session = NULL;
    }
}


ngx_int_t
ngx_consent_tls_handshake(ngx_consent_conn_t *conn)
{
    ngx_int_t  rc;

    rc = ngx_ssl_handshake(conn->connection);

    return rc == NGX_ERROR ? ngx_consent_tls_failed(conn) : rc;
}


static ngx_int_t
ngx_consent_tls_failed(ngx_consent_conn_t *conn)
{
    long  error;

    ngx_consent_tls_forget(conn);

    error = SSL_get_verify_result(conn->connection->ssl->connection);

    if (error != X509_V_OK) {
        return ngx_consent_tls_verified(conn, error);
    }

    if (ngx_consent_tls_fault(conn)) {
        return NGX_ERROR;
    }

    return ngx_consent_fault(conn, NGX_CONSENT_FAULT_HANDSHAKE, 0,
                             "TLS handshake failed: %V", &conn->note);
}


static ngx_int_t
ngx_consent_tls_verified(ngx_consent_conn_t *conn, long error)
{
    ngx_str_t    host;
    const char  *text;

    text = X509_verify_cert_error_string(error);

    switch (error) {

    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        host = conn->node->store->conf->tls_server_name;

        if (host.len == 0) {
            ngx_consent_host(&conn->node->name, &host);
        }

        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_TLS_NAME, 0,
                                 "its certificate is not for \"%V\": set "
                                 "\"tls_server_name\" to a name in it", &host);

    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_TLS_TRUST, 0,
                                 "its certificate is not valid (%s): renew "
                                 "it, or set the clock", text);

    default:
        return ngx_consent_fault(conn, NGX_CONSENT_FAULT_TLS_TRUST, 0,
                                 "its certificate is not trusted (%s): set "
                                 "\"tls_trusted_certificate\" to the CA that "
                                 "has signed it", text);
    }
}


ngx_uint_t
ngx_consent_tls_fault(ngx_consent_conn_t *conn)
{
    const ngx_consent_tls_word_t  *word;

    if (conn->note.len == 0) {
        return 0;
    }

    for (word = ngx_consent_tls_words; word->word; word++) {

        if (ngx_strnstr(conn->note.data, (char *) word->word, conn->note.len))
        {
            (void) ngx_consent_fault(conn, word->kind, 0,
                                     "TLS handshake failed (%V): %s",
                                     &conn->note, word->advice);
            return 1;
        }
    }

    return 0;
}


void
ngx_consent_tls_close(ngx_consent_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->connection;

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            /* no room for the good-bye */
            c->timedout = 1;
            (void) ngx_ssl_shutdown(c);
        }
    }

    if (c->pool) {
        ngx_destroy_pool(c->pool);
        c->pool = NULL;
    }
}


void
ngx_consent_tls_done(ngx_consent_conn_t *conn)
{
    ngx_consent_tls_forget(conn);
}


/* In the place of a file: "DATE [LEVEL] PID#TID: *CONNECTION TEXT". */

static void
ngx_consent_tls_log(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    u_char              *text, *last;
    ngx_consent_conn_t  *conn;

    conn = log->wdata;

    last = buf + len;
    text = ngx_strlchr(buf, last, '*');

    if (text == NULL) {
        return;
    }

    while (text < last && *text != ' ') {
        text++;
    }

    while (text < last && *text == ' ') {
        text++;
    }

    while (last > text && (last[-1] == LF || last[-1] == CR)) {
        last--;
    }

    if (level == NGX_LOG_DEBUG || level <= NGX_LOG_ALERT) {
        ngx_log_error_core(level, conn->node->store->log, 0, "*%uA %*s",
                           log->connection, (size_t) (last - text), text);
        return;
    }

    ngx_consent_tls_note(conn, text, last);
}


/*
 * Of "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong
 * version number)" what follows the colons.
 */

static void
ngx_consent_tls_note(ngx_consent_conn_t *conn, u_char *text, u_char *last)
{
    u_char  *p;
    size_t   len;

    p = ngx_strnstr(text, "routines::", last - text);

    if (p) {
        text = p + sizeof("routines::") - 1;

        p = text;

        while (p < last && *p != ':' && *p != ')') {
            p++;
        }

        last = p;
    }

    len = ngx_min((size_t) (last - text), sizeof(conn->note_buf));

    ngx_memcpy(conn->note_buf, text, len);

    conn->note.data = conn->note_buf;
    conn->note.len = len;
}

#else

ngx_int_t
ngx_consent_tls_init_conf(ngx_conf_t *cf, ngx_consent_store_conf_t *conf)
{
    if (conf->tls) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"tls on\" in \"consent_store\": this nginx is "
                           "built without TLS");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_consent_tls_start(ngx_consent_conn_t *conn)
{
    return NGX_ERROR;
}


ngx_int_t
ngx_consent_tls_handshake(ngx_consent_conn_t *conn)
{
    return NGX_ERROR;
}


ngx_uint_t
ngx_consent_tls_fault(ngx_consent_conn_t *conn)
{
    return 0;
}


void
ngx_consent_tls_close(ngx_consent_conn_t *conn)
{
}


void
ngx_consent_tls_done(ngx_consent_conn_t *conn)
{
}

#endif
