/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


#define NGX_HTTP_CONSENT_KEY_FILE_SIZE  65536


static char *ngx_http_consent_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv);
static ngx_int_t ngx_http_consent_read_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);
static void ngx_http_consent_keys_cleanup(void *data);
static ngx_uint_t ngx_http_consent_said(ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_consent_new_name(ngx_conf_t *cf, ngx_str_t *name);
static ngx_uint_t ngx_http_consent_cookie_name_valid(ngx_str_t *name);
static char *ngx_http_consent_cookie_param(ngx_conf_t *cf,
    ngx_http_consent_srv_conf_t *scf, ngx_str_t *param);


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


static char *
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
            return NGX_CONF_OK;
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
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "on") == 0) {
        lcf->mode = CG_MODE_ON;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "report") == 0) {
        lcf->mode = CG_MODE_REPORT;
        return NGX_CONF_OK;
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

    return ngx_http_consent_compile(cf, &value[1], cv);
}


/*
 * Reads a whole file that others must not be able to read or write: whoever
 * reads the keys can sign consents.
 */

static ngx_int_t
ngx_http_consent_read_file(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *text)
{
    size_t           size;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"consent_key_file\": " ngx_open_file_n
                           " \"%V\" failed", path);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"consent_key_file\": \"%V\" is not a file", path);
        goto failed;
    }

    if (ngx_file_access(&fi) & (S_IROTH|S_IWOTH)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"consent_key_file\": \"%V\" is readable or "
                           "writable by others (mode 0%ui%ui%ui), "
                           "it must be 0640 or stricter",
                           path, (ngx_uint_t) (ngx_file_access(&fi) >> 6 & 7),
                           (ngx_uint_t) (ngx_file_access(&fi) >> 3 & 7),
                           (ngx_uint_t) (ngx_file_access(&fi) & 7));
        goto failed;
    }

    size = (size_t) ngx_file_size(&fi);

    if (size > NGX_HTTP_CONSENT_KEY_FILE_SIZE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"consent_key_file\": \"%V\" is larger than %d "
                           "bytes", path, NGX_HTTP_CONSENT_KEY_FILE_SIZE);
        goto failed;
    }

    text->data = ngx_pnalloc(cf->temp_pool, size + 1);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_fd(fd, text->data, size);

    if (n == -1 || (size_t) n != size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"consent_key_file\": " ngx_read_fd_n
                           " \"%V\" failed", path);
        goto failed;
    }

    text->len = size;

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}


static void
ngx_http_consent_keys_cleanup(void *data)
{
    cg_keys_free(data);
}


char *
ngx_http_consent_key_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    unsigned             line;
    ngx_str_t           *value, path, text;
    const char          *error;
    ngx_pool_cleanup_t  *cln;

    if (mcf->keys) {
        return "is duplicate";
    }

    value = cf->args->elts;
    path = value[1];

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK
        || ngx_http_consent_read_file(cf, &path, &text) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(cg_keys_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    error = cg_keys_parse(cln->data, ngx_http_consent_cstr(&text), &line);

    ngx_explicit_memzero(text.data, text.len);

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"consent_key_file\": %s in \"%V\", line %ui",
                           error, &path, (ngx_uint_t) line);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_consent_keys_cleanup;
    mcf->keys = cln->data;

    return NGX_CONF_OK;
}


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

    for (i = 0; i < mcf->ndocs; i++) {
        if (cg_str_eq(ngx_http_consent_cstr(&mcf->docs[i].name),
                      ngx_http_consent_cstr(&value[1])))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate document \"%V\" in "
                               "\"consent_document\" directive", &value[1]);
            return NGX_CONF_ERROR;
        }
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

    for (i = 0; i < mcf->npurposes; i++) {
        if (cg_str_eq(ngx_http_consent_cstr(&mcf->purposes[i].name),
                      ngx_http_consent_cstr(&value[1])))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate purpose \"%V\" in "
                               "\"consent_purpose\" directive", &value[1]);
            return NGX_CONF_ERROR;
        }
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

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_consent_cookie_name_valid(ngx_str_t *name)
{
    size_t  i;
    u_char  ch;

    if (name->len == 0 || name->len > 64) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        /* a token without the characters that some servers trip over */

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'))
        {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_http_consent_cookie_param(ngx_conf_t *cf,
    ngx_http_consent_srv_conf_t *scf, ngx_str_t *param)
{
    size_t     i;
    ngx_str_t  s;

    if (ngx_strncmp(param->data, "max_age=", 8) == 0) {
        s.data = param->data + 8;
        s.len = param->len - 8;

        scf->cookie_max_age = ngx_parse_time(&s, 1);

        return scf->cookie_max_age == (time_t) NGX_ERROR
               || scf->cookie_max_age == 0
               ? ngx_http_consent_invalid(cf, param) : NGX_CONF_OK;
    }

    if (ngx_strncmp(param->data, "domain=", 7) == 0) {
        s.data = param->data + 7;
        s.len = param->len - 7;

        for (i = 0; i < s.len; i++) {
            if (!((s.data[i] >= 'a' && s.data[i] <= 'z')
                  || (s.data[i] >= '0' && s.data[i] <= '9')
                  || s.data[i] == '-' || s.data[i] == '.'))
            {
                return ngx_http_consent_invalid(cf, param);
            }
        }

        scf->cookie_domain = s;

        return s.len ? NGX_CONF_OK : ngx_http_consent_invalid(cf, param);
    }

    if (ngx_strcmp(param->data, "secure=auto") == 0) {
        scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_AUTO;

    } else if (ngx_strcmp(param->data, "secure=on") == 0) {
        scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_ON;

    } else if (ngx_strcmp(param->data, "secure=off") == 0) {
        scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_OFF;

    } else {
        return ngx_http_consent_invalid(cf, param);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_consent_visitor_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_srv_conf_t *scf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (scf->cookie.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_http_consent_cookie_name_valid(&value[1])) {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    scf->cookie = value[1];

    if (ngx_strcmp(value[1].data, "default") == 0) {

        /* the name follows from the rest: ngx_http_consent_cookie_name() */

        scf->cookie.len = 0;
    }

    scf->cookie_max_age = 182 * 86400;
    scf->cookie_secure = NGX_HTTP_CONSENT_SECURE_AUTO;
    ngx_str_set(&scf->cookie_domain, "");

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_consent_cookie_param(cf, scf, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    /* browsers drop these in silence (RFC 6265bis, 4.1.3) */

    if (scf->cookie_secure == NGX_HTTP_CONSENT_SECURE_OFF
        && (ngx_strncmp(scf->cookie.data, "__Host-", 7) == 0
            || ngx_strncmp(scf->cookie.data, "__Secure-", 9) == 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot have \"secure=off\" in "
                           "\"consent_visitor_cookie\" directive",
                           &scf->cookie);
        return NGX_CONF_ERROR;
    }

    if (scf->cookie_domain.len && scf->cookie.len
        && ngx_strncmp(scf->cookie.data, "__Host-", 7) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot have a domain in "
                           "\"consent_visitor_cookie\" directive",
                           &scf->cookie);
        return NGX_CONF_ERROR;
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
    ngx_str_t  *value;

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

    return ngx_http_set_complex_value_slot(cf, cmd, conf);
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

    return ngx_http_set_complex_value_slot(cf, cmd, conf);
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

    return ngx_http_set_complex_value_slot(cf, cmd, conf);
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

    return NGX_CONF_OK;
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

    return NGX_CONF_OK;
}


char *
ngx_http_consent_override(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t                 *value, s;
    ngx_http_complex_value_t  *cv;

    if (lcf->override_allow != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->override_allow = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "allow=", 6) != 0) {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    s.data = value[1].data + 6;
    s.len = value[1].len - 6;

    if (ngx_http_script_variables_count(&s) == 0) {
        return ngx_http_consent_invalid(cf, &value[1]);
    }

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->override_allow = cv;

    return ngx_http_consent_compile(cf, &s, cv);
}
