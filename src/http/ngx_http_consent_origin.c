/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


char *
ngx_http_consent_note(ngx_conf_t *cf, void *conf)
{
    ngx_str_t                     *value;
    ngx_http_consent_origin_t     *origin;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);

    origin = ngx_array_push(&mcf->origins);
    if (origin == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    /* that of a server is found by the location's of the same level */

    origin->conf = conf ? ngx_http_conf_get_module_loc_conf(cf,
                                                  ngx_http_consent_gate_module)
                        : NULL;
    origin->directive = value[0];
    origin->file = cf->conf_file->file.name;
    origin->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


/* Only who asks pays: the list is walked for each level of the location. */

ngx_http_consent_origin_t *
ngx_http_consent_origin(ngx_http_request_t *r, const char *directive)
{
    size_t                         len;
    ngx_uint_t                     i;
    ngx_http_consent_origin_t     *origin;
    ngx_http_consent_loc_conf_t   *conf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    conf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    len = ngx_strlen(directive);
    origin = mcf->origins.elts;

    /* at last NULL, for what is of the whole configuration */

    for ( ;; ) {

        for (i = mcf->origins.nelts; i > 0; i--) {
            if (origin[i - 1].conf == conf
                && origin[i - 1].directive.len == len
                && ngx_memcmp(origin[i - 1].directive.data, directive, len)
                   == 0)
            {
                return &origin[i - 1];
            }
        }

        if (conf == NULL) {
            return NULL;
        }

        conf = conf->parent;
    }
}
