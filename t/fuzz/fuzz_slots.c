/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ngx_consent_slots.h"


#define require(x)  do { if (!(x)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check_host(cg_str_t host)
{
    size_t  i, sum;

    require(host.len <= CG_MAX_HOST);

    for (i = 0, sum = 0; i < host.len; i++) {
        require(host.data[i] > ' ' && host.data[i] < 0x7f);
        sum += host.data[i];
    }

    require(host.len == 0 || sum);
}


static void
check_reply(const ngx_consent_reply_t *reply)
{
    int                  rc;
    size_t               pos, before;
    cg_str_t             host;
    uint16_t             port;
    ngx_consent_range_t  range;

    pos = 0;

    for ( ;; ) {
        before = pos;
        rc = ngx_consent_slots_next(reply, &pos, &range);

        if (rc != 1) {
            break;
        }

        require(pos > before && pos <= reply->nitems);
        require(range.first <= range.last && range.last < CG_SLOTS);
        require(range.port);
        check_host(range.host);
    }

    if (ngx_consent_master_parse(reply, &host, &port) == 1) {
        require(host.len && port);
        check_host(host);
    }
}


/* The bytes as replies; and as the text of an error, and as a key. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_str_t               text;
    cg_redirect_t          redirect;
    ngx_consent_reply_t    reply;
    ngx_consent_reader_t  *reader;

    text = (cg_str_t) { size, data };

    require(cg_slot(text) < CG_SLOTS);

    if (cg_redirect_parse(&redirect, text)) {
        require(redirect.slot < CG_SLOTS && redirect.port);
        check_host(redirect.host);
    }

    reader = ngx_consent_reader_create();
    require(reader != NULL);

    if (ngx_consent_reader_feed(reader, data, size)) {
        while (ngx_consent_reader_next(reader, &reply) == 1) {
            check_reply(&reply);
        }
    }

    ngx_consent_reader_free(reader);

    return 0;
}
