/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cg_policy.h"


#define require(x)  do { if (!(x)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check_policy(const cg_policy_t *p)
{
    cg_str_t  title = { p->title_len, p->title };
    cg_str_t  url = { p->url_len, p->url };

    require(p->known);
    require(p->version >= 1);
    require(p->required >= 1 && p->required <= p->version);
    require(p->before <= p->required);
    require(p->effective >= 0 && p->effective <= 253402300799);
    require(cg_policy_enforced(p, p->effective) == p->required);
    require(cg_policy_enforced(p, p->effective - 1) == p->before);

    require(p->title_len <= CG_MAX_TITLE && cg_utf8_printable(title));
    require(p->url_len <= CG_MAX_URL && cg_utf8_printable(url));

    if (url.len > 0 && url.data[0] == '/') {
        require(url.len == 1 || (url.data[1] != '/' && url.data[1] != '\\'));

    } else if (url.len > 0) {
        require(url.len > 7 && memcmp(url.data, "http", 4) == 0);
    }
}


static void
check_name(cg_str_t name)
{
    if (!cg_name_valid(name)) {
        return;
    }

    require(name.len >= 1 && name.len <= CG_MAX_NAME);
    require(memchr(name.data, '\0', name.len) == NULL);
    require(memchr(name.data, ' ', name.len) == NULL);
    require(memchr(name.data, '.', name.len) == NULL);
}


/* What is written back in the plainest way is read as the same. */

static void
check_again(const cg_policy_t *p)
{
    uint8_t      field[CG_MAX_POLICY];
    cg_out_t     out;
    cg_policy_t  again;

    cg_out_init(&out, field, sizeof(field));
    cg_out_str(&out, cg_str("version="));
    cg_out_uint(&out, p->version);
    cg_out_str(&out, cg_str(" required="));
    cg_out_uint(&out, p->required);
    cg_out_str(&out, cg_str(" before="));
    cg_out_uint(&out, p->before);
    cg_out_str(&out, cg_str(" effective="));
    cg_out_uint(&out, (uint64_t) p->effective);
    cg_out_str(&out, cg_str(" title=\""));

    for (size_t i = 0; i < p->title_len; i++) {
        cg_out_str(&out, cg_str("\\"));
        cg_out_bytes(&out, &p->title[i], 1);
    }

    cg_out_str(&out, cg_str("\""));
    require(!out.overflow);

    require(cg_policy_parse(&again, (cg_str_t) { cg_out_len(&out), field })
            == NULL);

    require(again.version == p->version && again.required == p->required
            && again.before == p->before && again.effective == p->effective
            && again.title_len == p->title_len
            && memcmp(again.title, p->title, p->title_len) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_str_t     text = { size, data };
    cg_policy_t  p, untouched;

    memset(&untouched, 0x5a, sizeof(untouched));
    p = untouched;

    if (cg_policy_parse(&p, text) == NULL) {
        check_policy(&p);
        check_again(&p);

    } else {
        require(memcmp(&p, &untouched, sizeof(p)) == 0);
    }

    memset(&p, 0, sizeof(p));

    if (cg_policy_word(&p, text) == NULL && cg_policy_finish(&p) == NULL) {
        check_policy(&p);
    }

    check_name(text);

    return 0;
}
