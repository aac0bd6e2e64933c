/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static char *ngx_http_consent_override_allow(ngx_conf_t *cf,
    ngx_http_consent_loc_conf_t *lcf, ngx_str_t *word);


/* "off", or "allow=" and "signed" in any order. */

char *
ngx_http_consent_override(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_consent_main_conf_t  *mcf;

    if (lcf->override_allow != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    lcf->override_allow = NULL;
    lcf->override_signed = 0;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "signed") == 0
            && !lcf->override_signed)
        {
            lcf->override_signed = 1;

        } else if (ngx_strncmp(value[i].data, "allow=", 6) != 0
                   || lcf->override_allow)
        {
            return ngx_http_consent_invalid(cf, &value[i]);

        } else if (ngx_http_consent_override_allow(cf, lcf, &value[i])
                   != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);
    mcf->overrides = 1;

    return ngx_http_consent_note(cf, conf);
}


/* A word without "$" would allow it to everyone. */

static char *
ngx_http_consent_override_allow(ngx_conf_t *cf,
    ngx_http_consent_loc_conf_t *lcf, ngx_str_t *word)
{
    ngx_str_t                  s;
    ngx_http_complex_value_t  *cv;

    s.data = word->data + 6;
    s.len = word->len - 6;

    if (ngx_http_script_variables_count(&s) == 0) {
        return ngx_http_consent_invalid(cf, word);
    }

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->override_allow = cv;

    return ngx_http_consent_compile(cf, &s, cv);
}
