/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static ngx_uint_t ngx_http_consent_said(ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_consent_new_name(ngx_conf_t *cf, ngx_str_t *name);


static char *
ngx_http_consent_new_name(ngx_conf_t *cf, ngx_str_t *name)
{
    if (!cg_name_valid(ngx_http_consent_cstr(name))) {
        return ngx_http_consent_invalid(cf, name);
    }

    return NGX_CONF_OK;
}


/* Whether "name=" of value[n] stands before it too, behind value[1]. */

static ngx_uint_t
ngx_http_consent_said(ngx_str_t *value, ngx_uint_t n)
{
    size_t      len;
    u_char     *p;
    ngx_uint_t  i;

    p = (u_char *) ngx_strchr(value[n].data, '=');
    len = p ? (size_t) (p - value[n].data) + 1 : value[n].len;

    for (i = 2; i < n; i++) {
        if (value[i].len >= len
            && ngx_memcmp(value[i].data, value[n].data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


char *
ngx_http_consent_document(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    ngx_str_t                    *value;
    ngx_uint_t                    i, kind, words;
    const char                   *error;
    ngx_http_consent_document_t  *doc;

    value = cf->args->elts;

    if (ngx_http_consent_new_name(cf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_find_document(mcf, ngx_http_consent_cstr(&value[1]))
        != NGX_ERROR)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate document \"%V\" in "
                           "\"consent_document\" directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (mcf->ndocs == CG_MAX_DOCUMENTS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is one too many for \"consent_document\": "
                           "at most %d", &value[1], CG_MAX_DOCUMENTS);
        return NGX_CONF_ERROR;
    }

    doc = &mcf->docs[mcf->ndocs];
    doc->name = value[1];

    kind = 0;
    words = 0;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_consent_said(value, i)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V\" in \"consent_document\" "
                               "directive is one too many", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (ngx_strcmp(value[i].data, "kind=accept") == 0) {
            kind = 1;
            continue;
        }

        if (ngx_strcmp(value[i].data, "kind=acknowledge") == 0) {
            kind = 1;
            doc->acknowledge = 1;
            continue;
        }

        error = cg_policy_word(&doc->policy, ngx_http_consent_cstr(&value[i]));

        if (error) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in "
                               "\"consent_document\" directive: %s",
                               &value[i], error);
            return NGX_CONF_ERROR;
        }

        words |= ngx_strncmp(value[i].data, "version=", 8) == 0
                 || ngx_strncmp(value[i].data, "required=", 9) == 0
                 || ngx_strncmp(value[i].data, "effective=", 10) == 0
                 || ngx_strncmp(value[i].data, "before=", 7) == 0;
    }

    if (!kind) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "document \"%V\" has no \"kind=accept\" or "
                           "\"kind=acknowledge\" in \"consent_document\" "
                           "directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    /* without a version the document exists once the store tells of it */

    error = words ? cg_policy_finish(&doc->policy) : NULL;

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "document \"%V\" in \"consent_document\" "
                           "directive: %s", &value[1], error);
        return NGX_CONF_ERROR;
    }

    mcf->ndocs++;

    return NGX_CONF_OK;
}


char *
ngx_http_consent_purpose(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_consent_purpose_t  *purpose;

    value = cf->args->elts;

    if (ngx_http_consent_new_name(cf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_find_purpose(mcf, ngx_http_consent_cstr(&value[1]))
        != NGX_ERROR)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate purpose \"%V\" in "
                           "\"consent_purpose\" directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (mcf->npurposes == CG_MAX_PURPOSES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is one too many for \"consent_purpose\": "
                           "at most %d", &value[1], CG_MAX_PURPOSES);
        return NGX_CONF_ERROR;
    }

    purpose = &mcf->purposes[mcf->npurposes++];
    purpose->name = value[1];

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "necessary") == 0) {
            purpose->necessary = 1;

        } else if (ngx_strcmp(value[i].data, "gpc=deny") == 0) {
            purpose->gpc_deny = 1;

        } else if (ngx_strncmp(value[i].data, "title=", 6) == 0) {
            purpose->title.data = value[i].data + 6;
            purpose->title.len = value[i].len - 6;

            if (purpose->title.len > CG_MAX_TITLE
                || !cg_utf8_printable(ngx_http_consent_cstr(&purpose->title)))
            {
                return ngx_http_consent_invalid(cf, &value[i]);
            }

        } else {
            return ngx_http_consent_invalid(cf, &value[i]);
        }
    }

    return NGX_CONF_OK;
}
