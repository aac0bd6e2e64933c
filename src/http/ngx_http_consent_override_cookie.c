/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


ngx_int_t
ngx_http_consent_test_cookie(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    return ngx_http_consent_suffixed(r, ngx_http_consent_real_name(r, scf),
                                     "-test", name);
}


/* That of the browser, whoever it is taken for. */

ngx_int_t
ngx_http_consent_send_override(ngx_http_request_t *r, ngx_str_t *token,
    int64_t expires)
{
    ngx_str_t                     name, cache;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (ngx_http_consent_suffixed(r, ngx_http_consent_real_name(r, scf),
                                  ngx_http_consent_override_suffix, &name)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* what the browser has kept is of somebody else */

    ngx_str_set(&cache, "\"cache\"");

    if (ngx_http_consent_add_header(r, "Clear-Site-Data", &cache) == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_consent_set_cookie(r, &name, token,
                                       ngx_max(expires - ngx_time(), 0));
}


ngx_int_t
ngx_http_consent_clear_override(ngx_http_request_t *r)
{
    ngx_str_t  empty;

    ngx_str_null(&empty);

    return ngx_http_consent_send_override(r, &empty, 0);
}
