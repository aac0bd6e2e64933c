/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


#define NGX_HTTP_CONSENT_KEY_FILE_SIZE  65536   /* bytes */


static ngx_int_t ngx_http_consent_read_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);
static void ngx_http_consent_keys_cleanup(void *data);


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
