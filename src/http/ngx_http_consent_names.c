/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/* Documents and purposes go by number here, and by name everywhere else. */


ngx_int_t
ngx_http_consent_find_document(ngx_http_consent_main_conf_t *mcf,
    cg_str_t name)
{
    ngx_uint_t  i;

    for (i = 0; i < mcf->ndocs; i++) {
        if (cg_str_eq(name, ngx_http_consent_cstr(&mcf->docs[i].name))) {
            return i;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_consent_find_purpose(ngx_http_consent_main_conf_t *mcf,
    cg_str_t name)
{
    ngx_uint_t  i;

    for (i = 0; i < mcf->npurposes; i++) {
        if (cg_str_eq(name, ngx_http_consent_cstr(&mcf->purposes[i].name))) {
            return i;
        }
    }

    return NGX_ERROR;
}


void
ngx_http_consent_doc_names(ngx_http_consent_main_conf_t *mcf, cg_docs_t docs,
    cg_out_t *out)
{
    ngx_uint_t  i, n;

    for (i = 0, n = 0; i < mcf->ndocs; i++) {
        if (docs & (1 << i)) {
            cg_out_str(out, n++ ? cg_str(",") : cg_str(""));
            cg_out_str(out, ngx_http_consent_cstr(&mcf->docs[i].name));
        }
    }
}


void
ngx_http_consent_doc_json(ngx_http_consent_main_conf_t *mcf, cg_docs_t docs,
    cg_out_t *out)
{
    ngx_uint_t  i, n;

    cg_out_str(out, cg_str("["));

    for (i = 0, n = 0; i < mcf->ndocs; i++) {
        if (docs & (1 << i)) {
            cg_out_str(out, n++ ? cg_str(",") : cg_str(""));
            cg_out_json(out, ngx_http_consent_cstr(&mcf->docs[i].name));
        }
    }

    cg_out_str(out, cg_str("]"));
}


cg_docs_t
ngx_http_consent_doc_set(ngx_http_consent_main_conf_t *mcf, cg_str_t names)
{
    size_t     start, end;
    cg_docs_t  docs;
    ngx_int_t  n;

    docs = 0;

    for (start = 0; start < names.len; start = end + 1) {

        for (end = start; end < names.len && names.data[end] != ','; end++) {
            /* void */
        }

        n = ngx_http_consent_find_document(mcf,
                        (cg_str_t) { end - start, names.data + start });

        if (n != NGX_ERROR) {
            docs |= (cg_docs_t) (1 << n);
        }
    }

    return docs;
}
