/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl_net.h"


#define CTL_MAX_HOST      256      /* bytes */


static bool ctl_net_unix(ctl_t *ctl, ctl_net_t *net, const char *path);
static bool ctl_net_tcp(ctl_t *ctl, ctl_net_t *net, const char *host,
    const char *port);
static bool ctl_net_dial(ctl_t *ctl, ctl_net_t *net, int family,
    const struct sockaddr *addr, socklen_t len);
static bool ctl_net_split(const char *address, char *host, const char **port);
static bool ctl_net_handshake(ctl_t *ctl, ctl_net_t *net,
    const char *host, SSL_CTX *tls);
static bool ctl_net_failed(ctl_net_t *net, const char *what);
static bool ctl_net_ssl_failed(ctl_net_t *net, const char *what, int rc);
static void ctl_net_timeouts(ctl_t *ctl, int fd);


ctl_exit_e
ctl_net_tls(ctl_t *ctl, SSL_CTX **tls)
{
    SSL_CTX     *ctx;
    const char  *ca, *cert, *key;

    *tls = NULL;

    if (!ctl_setting_on(ctl, CTL_TLS)) {
        return CTL_OK;
    }

    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "libssl failed");
    }

    ca = ctl_setting(ctl, CTL_TLS_TRUSTED);
    cert = ctl_setting(ctl, CTL_TLS_CERTIFICATE);
    key = ctl_setting(ctl, CTL_TLS_CERTIFICATE_KEY);

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);

    if ((ca != NULL ? SSL_CTX_load_verify_file(ctx, ca)
                    : SSL_CTX_set_default_verify_paths(ctx)) != 1)
    {
        SSL_CTX_free(ctx);
        return ctl_fail(ctl, CTL_FILE, "cannot read the certificates in "
                        "\"%s\"", ca != NULL ? ca : "the system's place");
    }

    if (cert != NULL
        && (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1
            || SSL_CTX_use_PrivateKey_file(ctx, key != NULL ? key : cert,
                                           SSL_FILETYPE_PEM) != 1))
    {
        SSL_CTX_free(ctx);
        return ctl_fail(ctl, CTL_FILE, "cannot use the certificate \"%s\" and "
                        "its key", cert);
    }

    *tls = ctx;

    return CTL_OK;
}


bool
ctl_net_connect(ctl_t *ctl, ctl_net_t *net, const char *address,
    const char *port, SSL_CTX *tls)
{
    char  host[CTL_MAX_HOST];

    net->fd = -1;
    net->ssl = NULL;

    if (strncmp(address, "unix:", 5) == 0) {
        strcpy(host, "localhost");

        if (!ctl_net_unix(ctl, net, address + 5)) {
            return false;
        }

    } else {
        if (!ctl_net_split(address, host, &port)) {
            snprintf(net->error, sizeof(net->error), "not HOST:PORT");
            return false;
        }

        if (!ctl_net_tcp(ctl, net, host, port)) {
            return false;
        }
    }

    if (tls != NULL && !ctl_net_handshake(ctl, net, host, tls)) {
        ctl_net_close(net);
        return false;
    }

    return true;
}


void
ctl_net_address(char *address, size_t size, cg_str_t host, unsigned port)
{
    snprintf(address, size, memchr(host.data, ':', host.len) != NULL
             ? "[%.*s]:%u" : "%.*s:%u", (int) host.len, host.data, port);
}


bool
ctl_net_host(const char *address, cg_str_t *host)
{
    size_t       len;
    const char  *colon;

    if (strncmp(address, "unix:", 5) == 0) {
        return false;
    }

    if (*address == '[') {
        address++;
        len = strcspn(address, "]");

    } else {
        colon = strrchr(address, ':');
        len = colon != NULL ? (size_t) (colon - address) : strlen(address);
    }

    *host = (cg_str_t) { len, (const uint8_t *) address };

    return true;
}


bool
ctl_net_write(ctl_net_t *net, const char *data, size_t len)
{
    ssize_t  n;

    while (len > 0) {

        if (net->ssl != NULL) {
            n = SSL_write(net->ssl, data, len > INT32_MAX ? INT32_MAX
                                                          : (int) len);
            if (n <= 0) {
                return ctl_net_ssl_failed(net, "write", (int) n);
            }

        } else {
            n = send(net->fd, data, len, MSG_NOSIGNAL);

            if (n == -1 && errno == EINTR) {
                continue;
            }

            if (n == -1) {
                return ctl_net_failed(net, "write");
            }
        }

        data += n;
        len -= (size_t) n;
    }

    return true;
}


size_t
ctl_net_read(ctl_net_t *net, char *data, size_t len)
{
    ssize_t  n;

    if (net->ssl != NULL) {
        n = SSL_read(net->ssl, data, (int) len);

        if (n <= 0) {
            ctl_net_ssl_failed(net, "read", (int) n);
            return 0;
        }

        return (size_t) n;
    }

    do {
        n = recv(net->fd, data, len, 0);
    } while (n == -1 && errno == EINTR);

    if (n == 0) {
        snprintf(net->error, sizeof(net->error), "it closed the connection");

    } else if (n == -1) {
        ctl_net_failed(net, "read");
        n = 0;
    }

    return (size_t) n;
}


void
ctl_net_close(ctl_net_t *net)
{
    if (net->ssl != NULL) {
        SSL_free(net->ssl);
        net->ssl = NULL;
    }

    if (net->fd != -1) {
        close(net->fd);
        net->fd = -1;
    }
}


static bool
ctl_net_unix(ctl_t *ctl, ctl_net_t *net, const char *path)
{
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;

    if (strlen(path) >= sizeof(sun.sun_path)) {
        snprintf(net->error, sizeof(net->error), "the path is too long");
        return false;
    }

    strcpy(sun.sun_path, path);

    return ctl_net_dial(ctl, net, AF_UNIX, (struct sockaddr *) &sun,
                        sizeof(sun));
}


/* Each address of the name in turn. */

static bool
ctl_net_tcp(ctl_t *ctl, ctl_net_t *net, const char *host,
    const char *port)
{
    int               rc;
    struct addrinfo   hints, *list, *ai;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        snprintf(net->error, sizeof(net->error), "%s", gai_strerror(rc));
        return false;
    }

    for (ai = list; ai != NULL; ai = ai->ai_next) {
        if (ctl_net_dial(ctl, net, ai->ai_family, ai->ai_addr,
                         ai->ai_addrlen))
        {
            break;
        }
    }

    freeaddrinfo(list);

    return ai != NULL;
}


static bool
ctl_net_dial(ctl_t *ctl, ctl_net_t *net, int family,
    const struct sockaddr *addr, socklen_t len)
{
    int  one;

    net->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (net->fd == -1) {
        return ctl_net_failed(net, "socket");
    }

    /* on Linux the send timeout is that of connect(), too: socket(7) */

    ctl_net_timeouts(ctl, net->fd);

    if (connect(net->fd, addr, len) == -1) {
        ctl_net_failed(net, "connect");
        ctl_net_close(net);
        return false;
    }

    if (family != AF_UNIX) {
        one = 1;
        setsockopt(net->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }

    return true;
}


/* *port is left alone if the address has none. */

static bool
ctl_net_split(const char *address, char *host, const char **port)
{
    cg_str_t     name;
    const char  *rest;

    if (!ctl_net_host(address, &name)
        || name.len == 0 || name.len >= CTL_MAX_HOST)
    {
        return false;
    }

    rest = (const char *) name.data + name.len;

    if (*address == '[' && *rest++ != ']') {
        return false;
    }

    if (*rest == ':') {
        *port = rest + 1;

    } else if (*rest != '\0') {
        return false;
    }

    memcpy(host, name.data, name.len);
    host[name.len] = '\0';

    return **port != '\0';
}


static bool
ctl_net_handshake(ctl_t *ctl, ctl_net_t *net, const char *host,
    SSL_CTX *tls)
{
    int                 rc;
    const char         *name;
    X509_VERIFY_PARAM  *param;

    name = ctl_setting(ctl, CTL_TLS_SERVER_NAME);
    name = name != NULL ? name : host;

    net->ssl = SSL_new(tls);

    if (net->ssl == NULL || SSL_set_fd(net->ssl, net->fd) != 1) {
        return ctl_net_ssl_failed(net, "TLS", -1);
    }

    /* an address stands in another part of the certificate than a name */

    param = SSL_get0_param(net->ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1
        && (SSL_set_tlsext_host_name(net->ssl, name) != 1
            || SSL_set1_host(net->ssl, name) != 1))
    {
        return ctl_net_ssl_failed(net, "TLS", -1);
    }

    rc = SSL_connect(net->ssl);

    if (rc == 1) {
        return true;
    }

    if (SSL_get_verify_result(net->ssl) != X509_V_OK) {
        snprintf(net->error, sizeof(net->error),
                 "the certificate is refused for \"%s\": %s", name,
                 X509_verify_cert_error_string(
                     SSL_get_verify_result(net->ssl)));
        return false;
    }

    return ctl_net_ssl_failed(net, "TLS", rc);
}


static bool
ctl_net_failed(ctl_net_t *net, const char *what)
{
    int  err;

    err = errno;

    if (err == EAGAIN || err == EWOULDBLOCK || err == EINPROGRESS) {
        snprintf(net->error, sizeof(net->error), "no reply in time (%s)",
                 what);

    } else {
        snprintf(net->error, sizeof(net->error), "%s: %s", what,
                 strerror(err));
    }

    return false;
}


static bool
ctl_net_ssl_failed(ctl_net_t *net, const char *what, int rc)
{
    int            err;
    unsigned long  code;

    err = errno;
    code = ERR_get_error();

    if (code != 0) {
        snprintf(net->error, sizeof(net->error), "%s: %s", what,
                 ERR_reason_error_string(code));

    } else if (net->ssl != NULL
               && SSL_get_error(net->ssl, rc) == SSL_ERROR_SYSCALL && err != 0)
    {
        errno = err;
        return ctl_net_failed(net, what);

    } else if (err == EAGAIN) {
        return ctl_net_failed(net, what);

    } else {
        snprintf(net->error, sizeof(net->error),
                 "%s: it closed the connection", what);
    }

    return false;
}


static void
ctl_net_timeouts(ctl_t *ctl, int fd)
{
    struct timeval  tv;

    tv.tv_sec = (time_t) ctl_setting_span(ctl, CTL_TIMEOUT);
    tv.tv_usec = 0;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}
