/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static char *ngx_http_consent_noted_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* One line for every mistake: the value and the directive. */

char *
ngx_http_consent_invalid(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_str_t  *directive;

    directive = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive",
                       value, directive);

    return NGX_CONF_ERROR;
}


char *
ngx_http_consent_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Days, for that is how a visit is remembered. */

char *
ngx_http_consent_remember(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->remember != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 3 && ngx_strncmp(value[1].data, "off", 3) == 0) {
        lcf->remember = 0;
        return ngx_http_consent_note(cf, conf);
    }

    lcf->remember = ngx_parse_time(&value[1], 1);

    if (lcf->remember == (time_t) NGX_ERROR || lcf->remember < 86400
        || lcf->remember > NGX_HTTP_CONSENT_MAX_TIME)
    {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    return ngx_http_consent_note(cf, conf);
}


char *
ngx_http_consent_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t        *value;
    ngx_uint_t       *np, i;
    ngx_conf_enum_t  *e;

    np = (ngx_uint_t *) (p + cmd->offset);

    if (*np != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    e = cmd->post;

    for (i = 0; e[i].name.len != 0; i++) {
        if (e[i].name.len == value[1].len
            && ngx_strncmp(e[i].name.data, value[1].data, value[1].len) == 0)
        {
            *np = e[i].value;
            return ngx_http_consent_note(cf, conf);
        }
    }

    return ngx_http_consent_invalid(cf, &value[1]);
}


char *
ngx_http_consent_gate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_complex_value_t  *cv;

    if (lcf->mode != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->mode = CG_MODE_OFF;
        return ngx_http_consent_note(cf, conf);
    }

    if (ngx_strcmp(value[1].data, "on") == 0) {
        lcf->mode = CG_MODE_ON;
        return ngx_http_consent_note(cf, conf);
    }

    if (ngx_strcmp(value[1].data, "report") == 0) {
        lcf->mode = CG_MODE_REPORT;
        return ngx_http_consent_note(cf, conf);
    }

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->mode = NGX_HTTP_CONSENT_MODE_VARIABLE;
    lcf->mode_value = cv;

    if (ngx_http_consent_compile(cf, &value[1], cv) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_consent_note(cf, conf);
}


char *
ngx_http_consent_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_srv_conf_t *scf = conf;

    ngx_str_t  *value;

    if (scf->realm.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > CG_MAX_REALM
        || !cg_utf8_printable(ngx_http_consent_cstr(&value[1])))
    {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    scf->realm = value[1];

    return NGX_CONF_OK;
}


/* The path of a page: what goes into Location, so as clean as a return. */

char *
ngx_http_consent_uri(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t  *value, *field;

    field = (ngx_str_t *) (p + cmd->offset);

    if (field->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!cg_return_valid(ngx_http_consent_cstr(&value[1]))
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '?')
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '%'))
    {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    *field = value[1];

    return ngx_http_consent_note(cf, conf);
}


static char *
ngx_http_consent_noted_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rc;

    rc = ngx_http_set_complex_value_slot(cf, cmd, conf);

    return rc == NGX_CONF_OK ? ngx_http_consent_note(cf, conf) : rc;
}


char *
ngx_http_consent_ask_age(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rc;

    rc = ngx_conf_set_flag_slot(cf, cmd, conf);

    return rc == NGX_CONF_OK ? ngx_http_consent_note(cf, conf) : rc;
}


/* Ages of a level stand for themselves: none is taken from the one above. */

char *
ngx_http_consent_age(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_srv_conf_t *scf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (scf->ages == NULL) {
        scf->ages = ngx_pcalloc(cf->pool, sizeof(cg_ages_t));
        if (scf->ages == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (!cg_age_word(scf->ages, ngx_http_consent_cstr(&value[i]))) {
            return ngx_http_consent_invalid(cf, &value[i]);
        }
    }

    return NGX_CONF_OK;
}


/*
 * A client writes its own cookies, arguments and headers: an account taken
 * from one of these is whatever the client says.
 */

char *
ngx_http_consent_subject(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                     *value;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);
    mcf->accounts = 1;

    value = cf->args->elts;

    /* a word without "$" would make one account of everyone; "" is nobody */

    if (value[1].len && ngx_http_script_variables_count(&value[1]) == 0) {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    if (ngx_strncmp(value[1].data, "$cookie_", 8) == 0
        || ngx_strncmp(value[1].data, "$arg_", 5) == 0
        || ngx_strncmp(value[1].data, "$http_", 6) == 0)
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" in \"consent_subject\" directive is what "
                           "the client says, not an authenticated account",
                           &value[1]);
    }

    if (ngx_strcmp(value[1].data, "$remote_user") == 0) {

        /* nginx fills it from the header, checked or not */

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" in \"consent_subject\" directive is what "
                           "the client says wherever no authentication runs",
                           &value[1]);
    }

    return ngx_http_consent_noted_slot(cf, cmd, conf);
}


/* A word without "$" is the country of every client: it has to be one. */

char *
ngx_http_consent_country(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1]) == 0
        && cg_country_parse(ngx_http_consent_cstr(&value[1]))
           == CG_CC_UNKNOWN)
    {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    return ngx_http_consent_noted_slot(cf, cmd, conf);
}


/* "on", "off", or what a variable says. */

char *
ngx_http_consent_switch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1]) == 0
        && ngx_strcmp(value[1].data, "on") != 0
        && ngx_strcmp(value[1].data, "off") != 0)
    {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    return ngx_http_consent_noted_slot(cf, cmd, conf);
}


/* Keeps the words; what they mean is known when the whole is merged. */

char *
ngx_http_consent_words(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t    *value, *word;
    ngx_uint_t    i;
    ngx_array_t **a;

    a = (ngx_array_t **) (p + cmd->offset);

    if (*a == NGX_CONF_UNSET_PTR) {
        *a = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (*a == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (value[i].len == 0) {
            return ngx_http_consent_invalid(cf, &value[i]);
        }

        word = ngx_array_push(*a);
        if (word == NULL) {
            return NGX_CONF_ERROR;
        }

        *word = value[i];
    }

    return ngx_http_consent_note(cf, conf);
}


char *
ngx_http_consent_exempt(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    if (lcf->exempt == NGX_CONF_UNSET_PTR) {
        lcf->exempt = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_complex_value_t));
        if (lcf->exempt == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_script_variables_count(&value[i]) == 0) {
            return ngx_http_consent_invalid(cf, &value[i]);
        }

        cv = ngx_array_push(lcf->exempt);
        if (cv == NULL
            || ngx_http_consent_compile(cf, &value[i], cv) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_consent_note(cf, conf);
}
