/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_NET_H
#define CTL_NET_H

#include <openssl/ssl.h>

#include "ctl.h"


/*
 * A connection that waits. hiredis reads and writes the protocol; the bytes
 * come and go here, because the hiredis of Debian 12 (0.14) has no TLS.
 */

typedef struct {
    int   fd;                /* -1: closed */
    SSL  *ssl;               /* NULL: plain */
    char  error[512];        /* what went wrong last */
} ctl_net_t;

/* Makes what TLS needs, by the settings. Free with SSL_CTX_free. */
ctl_exit_e ctl_net_tls(ctl_t *ctl, SSL_CTX **tls);

/*
 * Connects to "HOST:PORT", "HOST" at `port`, "[::1]:6379" or "unix:PATH".
 * False: see net->error. `tls` may be NULL.
 */
bool ctl_net_connect(ctl_t *ctl, ctl_net_t *net, const char *address,
    const char *port, SSL_CTX *tls);
/* Writes "HOST:PORT"; an IPv6 address gets brackets. */
void ctl_net_address(char *address, size_t size, cg_str_t host,
    unsigned port);
/* The host of such an address; false: it is a socket of this machine. */
bool ctl_net_host(const char *address, cg_str_t *host);
/* All bytes, or false. */
bool ctl_net_write(ctl_net_t *net, const char *data, size_t len);
/* Some bytes, at least one; 0 after an error. */
size_t ctl_net_read(ctl_net_t *net, char *data, size_t len);
void ctl_net_close(ctl_net_t *net);

#endif /* CTL_NET_H */
