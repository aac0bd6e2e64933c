/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What comes in as tokens and cookies, before the MAC and behind it: what a
 * decoder takes, its encoder writes with the same bytes.
 */

#include <stdlib.h>

#include "cg_link.h"
#include "cg_receipt.h"
#include "cg_token_internal.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static cg_keys_t *
fuzz_keys(void)
{
    unsigned          line;
    static bool       ready;
    static cg_keys_t  keys;

    if (!ready) {
        require(cg_keys_parse(&keys, cg_str(
            "subject 000102030405060708090a0b0c0d0e0f\n"
            "subject-previous 101112131415161718191a1b1c1d1e1f\n"
            "sign k1 202122232425262728292a2b2c2d2e2f\n"
            "sign k 303132333435363738393a3b3c3d3e3f\n"), &line) == NULL);
        ready = true;
    }

    return &keys;
}


static void
fuzz_payload(cg_str_t s)
{
    uint8_t           payload[CG_MAX_PAYLOAD];
    cg_link_t         link;
    cg_receipt_t      receipt;
    cg_form_token_t   form;
    cg_gated_token_t  gated;

    if (cg_form_token_decode(&form, s)) {
        require(cg_form_token_encode(&form, payload) == s.len);
        require(cg_str_eq((cg_str_t) { s.len, payload }, s));
    }

    if (cg_gated_decode(&gated, s)) {
        require(cg_gated_encode(&gated, payload) == s.len);
        require(cg_str_eq((cg_str_t) { s.len, payload }, s));
    }

    if (cg_receipt_decode(&receipt, s)) {
        require(cg_receipt_encode(&receipt, payload) == s.len);
        require(cg_str_eq((cg_str_t) { s.len, payload }, s));
    }

    if (cg_link_decode(&link, s)) {
        require(cg_link_encode(&link, payload) == s.len);
        require(cg_str_eq((cg_str_t) { s.len, payload }, s));
        require(cg_link_key(&link, cg_str("gc:"), payload) != 0);
        (void) cg_link_check(&link, NULL);
    }
}


static void
fuzz_open(cg_keys_t *keys, cg_str_t s)
{
    uint8_t  payload[CG_MAX_PAYLOAD], id[CG_VISITOR_ID_LEN];

    /* a MAC of 128 bits is not found by chance */

    require(cg_token_open(keys, CG_TOKEN_FORM, s, payload) == -1);

    if (cg_visitor_open(keys, s, id)) {
        require(s.len == CG_VISITOR_TEXT);
    }
}


static void
fuzz_seal(cg_keys_t *keys, cg_str_t s)
{
    int       n;
    size_t    len;
    uint8_t   text[CG_MAX_TOKEN], payload[CG_MAX_PAYLOAD];

    len = cg_token_seal(keys, CG_TOKEN_GATED, s, text);
    require((len != 0) == (s.len <= CG_MAX_PAYLOAD));

    if (len == 0) {
        return;
    }

    n = cg_token_open(keys, CG_TOKEN_GATED, (cg_str_t) { len, text }, payload);
    require(cg_str_eq((cg_str_t) { (size_t) n, payload }, s));

    text[s.len % len] ^= 1;
    require(cg_token_open(keys, CG_TOKEN_GATED, (cg_str_t) { len, text },
                          payload) == -1);
}


static void
fuzz_visitor(cg_keys_t *keys, cg_str_t s)
{
    uint8_t  text[CG_VISITOR_TEXT], id[CG_VISITOR_ID_LEN];

    if (s.len < CG_VISITOR_ID_LEN) {
        return;
    }

    cg_visitor_seal(keys, s.data, text);
    require(cg_visitor_open(keys, (cg_str_t) { CG_VISITOR_TEXT, text }, id));
    require(memcmp(id, s.data, CG_VISITOR_ID_LEN) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_str_t    s = { size, data };
    cg_keys_t  *keys;

    keys = fuzz_keys();

    fuzz_payload(s);
    fuzz_open(keys, s);
    fuzz_seal(keys, s);
    fuzz_visitor(keys, s);

    return 0;
}
