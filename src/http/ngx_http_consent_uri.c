/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


ngx_uint_t
ngx_http_consent_was_page(ngx_http_request_t *r)
{
    ngx_str_t                     uri;
    ngx_http_consent_ctx_t       *ctx;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (scf->page.len == 0 && scf->age_page.len == 0
        && scf->choices_page.len == 0)
    {
        return 0;
    }

    ctx = ngx_http_consent_get_ctx(r);

    if (ctx) {
        return ctx->page;
    }

    return ngx_http_consent_client_uri(r, &uri) == NGX_OK
           && ngx_http_consent_is_page(scf, &uri);
}


/*
 * r->uri is the client's as long as valid_unparsed_uri says so; a rewrite or
 * an internal redirect clears it. Then the request line is parsed again, as
 * ngx_http_process_request_uri() does.
 */

ngx_int_t
ngx_http_consent_client_uri(ngx_http_request_t *r, ngx_str_t *uri)
{
    ngx_http_request_t        *scratch;
    ngx_http_core_srv_conf_t  *cscf;

    if (r->valid_unparsed_uri) {
        *uri = r->uri;
        return NGX_OK;
    }

    scratch = ngx_pcalloc(r->pool, sizeof(ngx_http_request_t));
    if (scratch == NULL) {
        return NGX_ERROR;
    }

    scratch->connection = r->connection;
    scratch->pool = r->pool;
    scratch->uri_start = ngx_pnalloc(r->pool, r->unparsed_uri.len + 1);
    scratch->uri.data = ngx_pnalloc(r->pool, r->unparsed_uri.len + 2);

    if (scratch->uri_start == NULL || scratch->uri.data == NULL) {
        return NGX_ERROR;
    }

    /* the parser looks at one byte behind the end */

    ngx_memcpy(scratch->uri_start, r->unparsed_uri.data, r->unparsed_uri.len);
    scratch->uri_end = scratch->uri_start + r->unparsed_uri.len;
    *scratch->uri_end = ' ';

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (r->unparsed_uri.len == 0 || r->unparsed_uri.data[0] != '/'
        || ngx_http_parse_complex_uri(scratch, cscf->merge_slashes) != NGX_OK)
    {
        ngx_str_set(uri, "/");
        return NGX_OK;
    }

    *uri = scratch->uri;

    return NGX_OK;
}


ngx_uint_t
ngx_http_consent_ambiguous(ngx_http_request_t *r)
{
    return cg_path_ambiguous(ngx_http_consent_cstr(&r->unparsed_uri));
}


/*
 * error_page makes a GET of any other method; the request line keeps what the
 * client has sent.
 */

ngx_uint_t
ngx_http_consent_client_method(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t   name;
        ngx_uint_t  method;
    } methods[] = {
        { ngx_string("GET "), NGX_HTTP_GET },
        { ngx_string("HEAD "), NGX_HTTP_HEAD },
        { ngx_string("OPTIONS "), NGX_HTTP_OPTIONS }
    };

    if (!r->internal) {
        return r->method;
    }

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (r->request_line.len > methods[i].name.len
            && ngx_strncmp(r->request_line.data, methods[i].name.data,
                           methods[i].name.len)
               == 0)
        {
            return methods[i].method;
        }
    }

    return NGX_HTTP_UNKNOWN;
}
