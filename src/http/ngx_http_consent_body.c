/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"

#include <jansson.h>


static ngx_int_t ngx_http_consent_parse_form(ngx_http_request_t *r,
    ngx_str_t *body, ngx_http_consent_post_t *post);
static ngx_int_t ngx_http_consent_parse_json(ngx_http_request_t *r,
    ngx_str_t *body, ngx_http_consent_post_t *post);
static ngx_int_t ngx_http_consent_form_single(cg_str_t name, cg_str_t value,
    ngx_http_consent_post_t *post, ngx_uint_t *seen);
static void ngx_http_consent_tick(ngx_http_request_t *r, cg_str_t field,
    cg_str_t value, ngx_http_consent_post_t *post);
static void ngx_http_consent_say_age(cg_str_t value,
    ngx_http_consent_post_t *post);
static ngx_int_t ngx_http_consent_json_residence(ngx_http_request_t *r,
    json_t *json, ngx_http_consent_post_t *post);
static ngx_int_t ngx_http_consent_json_age(ngx_http_request_t *r,
    json_t *json, ngx_http_consent_post_t *post);
static ngx_uint_t ngx_http_consent_media_type(ngx_http_request_t *r,
    const char *type);


/* The body in one piece, out of buffers and, if it went there, the file. */

ngx_int_t
ngx_http_consent_collect(ngx_http_request_t *r, ngx_str_t *body)
{
    size_t        size;
    ssize_t       n;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_str_null(body);

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);

        if (size > NGX_HTTP_CONSENT_MAX_BODY) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }
    }

    p = ngx_pnalloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->data = p;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            /* the mark of the end of a body in chunks */
            continue;
        }

        n = ngx_read_file(b->file, p, (size_t) (b->file_last - b->file_pos),
                          b->file_pos);
        if (n != b->file_last - b->file_pos) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p += n;
    }

    body->len = p - body->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_consent_media_type(ngx_http_request_t *r, const char *type)
{
    size_t      len;
    ngx_str_t  *value;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    value = &r->headers_in.content_type->value;
    len = ngx_strlen(type);

    return value->len >= len
           && ngx_strncasecmp(value->data, (u_char *) type, len) == 0
           && (value->len == len || value->data[len] == ';'
               || value->data[len] == ' ');
}


ngx_int_t
ngx_http_consent_parse_body(ngx_http_request_t *r,
    ngx_http_consent_post_t *post)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    ngx_memzero(post, sizeof(ngx_http_consent_post_t));
    post->back = cg_str("/");

    post->json = ngx_http_consent_media_type(r, "application/json");

    if (!post->json
        && !ngx_http_consent_media_type(r, "application/x-www-form-urlencoded"))
    {
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    rc = ngx_http_consent_collect(r, &body);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = post->json ? ngx_http_consent_parse_json(r, &body, post)
                    : ngx_http_consent_parse_form(r, &body, post);

    if (rc == NGX_OK && !cg_return_valid(post->back)) {
        post->back = cg_str("/");
    }

    return rc;
}


static void
ngx_http_consent_tick(ngx_http_request_t *r, cg_str_t field, cg_str_t value,
    ngx_http_consent_post_t *post)
{
    uint16_t                      *set;
    ngx_int_t                      n;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    if (cg_str_eq(field, cg_str("document"))) {
        n = ngx_http_consent_find_document(mcf, value);
        set = &post->documents;

    } else {
        n = ngx_http_consent_find_purpose(mcf, value);
        set = &post->purposes;
    }

    if (n == NGX_ERROR) {
        post->unknown = 1;
        return;
    }

    *set |= (uint16_t) (1 << n);
}


/* "yes": of the age that was asked for; "no": younger. */

static void
ngx_http_consent_say_age(cg_str_t value, ngx_http_consent_post_t *post)
{
    if (cg_str_eq(value, cg_str("yes"))) {
        post->age_state = CG_AGE_OK;

    } else if (cg_str_eq(value, cg_str("no"))) {
        post->age_state = CG_AGE_MINOR;
    }
}


static ngx_int_t
ngx_http_consent_parse_form(ngx_http_request_t *r, ngx_str_t *body,
    ngx_http_consent_post_t *post)
{
    int         rc;
    cg_str_t    name, value;
    cg_form_t   form;
    ngx_uint_t  seen;

    seen = 0;
    form.pos = body->data;
    form.end = body->data + body->len;

    while ((rc = cg_form_next(&form, &name, &value)) == 1) {

        if (cg_str_eq(name, cg_str("document"))
            || cg_str_eq(name, cg_str("purpose")))
        {
            ngx_http_consent_tick(r, name, value, post);

        } else if (ngx_http_consent_form_single(name, value, post, &seen)
                   != NGX_OK)
        {
            return NGX_HTTP_BAD_REQUEST;
        }
    }

    return rc == 0 ? NGX_OK : NGX_HTTP_BAD_REQUEST;
}


/* A form that says "yes" and "no" says nothing that one could prove. */

static ngx_int_t
ngx_http_consent_form_single(cg_str_t name, cg_str_t value,
    ngx_http_consent_post_t *post, ngx_uint_t *seen)
{
    ngx_uint_t  i;

    static const cg_str_t  names[] = {
        cg_str("token"), cg_str("return"), cg_str("residence"), cg_str("age")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (cg_str_eq(name, names[i])) {
            break;
        }
    }

    if (*seen & (1 << i)) {
        return NGX_DECLINED;
    }

    switch (i) {

    case 0:
        post->token = value;
        break;

    case 1:
        post->back = value;
        break;

    case 2:
        post->residence = value;
        post->resides = 1;
        break;

    case 3:
        ngx_http_consent_say_age(value, post);
        break;

    default:
        return NGX_OK;
    }

    *seen |= 1 << i;

    return NGX_OK;
}


/* A string of the JSON, copied: its memory goes with the parsed tree. */

static ngx_int_t
ngx_http_consent_json_string(ngx_http_request_t *r, json_t *json,
    cg_str_t *s)
{
    u_char  *p;

    if (!json_is_string(json)) {
        return NGX_HTTP_BAD_REQUEST;
    }

    s->len = json_string_length(json);

    p = ngx_pnalloc(r->pool, s->len + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(p, json_string_value(json), s->len);
    s->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_consent_json_list(ngx_http_request_t *r, json_t *json,
    cg_str_t field, ngx_http_consent_post_t *post)
{
    size_t     i;
    json_t    *item;
    cg_str_t   s;
    ngx_int_t  rc;

    if (!json_is_array(json)) {
        return NGX_HTTP_BAD_REQUEST;
    }

    json_array_foreach(json, i, item) {
        rc = ngx_http_consent_json_string(r, item, &s);

        if (rc != NGX_OK) {
            return rc;
        }

        ngx_http_consent_tick(r, field, s, post);
    }

    return NGX_OK;
}


/* A country, or null for none. */

static ngx_int_t
ngx_http_consent_json_residence(ngx_http_request_t *r, json_t *json,
    ngx_http_consent_post_t *post)
{
    post->resides = 1;

    return json_is_null(json)
           ? NGX_OK : ngx_http_consent_json_string(r, json, &post->residence);
}


static ngx_int_t
ngx_http_consent_json_age(ngx_http_request_t *r, json_t *json,
    ngx_http_consent_post_t *post)
{
    cg_str_t   s;
    ngx_int_t  rc;

    rc = ngx_http_consent_json_string(r, json, &s);

    if (rc == NGX_OK) {
        ngx_http_consent_say_age(s, post);
    }

    return rc;
}


static ngx_int_t
ngx_http_consent_parse_json(ngx_http_request_t *r, ngx_str_t *body,
    ngx_http_consent_post_t *post)
{
    json_t       *root, *value;
    ngx_int_t     rc;
    const char   *key;
    json_error_t  error;

    root = json_loadb((char *) body->data, body->len, JSON_REJECT_DUPLICATES,
                      &error);

    if (!json_is_object(root)) {
        json_decref(root);
        return NGX_HTTP_BAD_REQUEST;
    }

    rc = NGX_OK;

    json_object_foreach(root, key, value) {

        if (ngx_strcmp(key, "token") == 0) {
            rc = ngx_http_consent_json_string(r, value, &post->token);

        } else if (ngx_strcmp(key, "return") == 0) {
            rc = ngx_http_consent_json_string(r, value, &post->back);

        } else if (ngx_strcmp(key, "documents") == 0) {
            rc = ngx_http_consent_json_list(r, value, cg_str("document"),
                                            post);

        } else if (ngx_strcmp(key, "purposes") == 0) {
            rc = ngx_http_consent_json_list(r, value, cg_str("purpose"), post);

        } else if (ngx_strcmp(key, "residence") == 0) {
            rc = ngx_http_consent_json_residence(r, value, post);

        } else if (ngx_strcmp(key, "age") == 0) {
            rc = ngx_http_consent_json_age(r, value, post);
        }

        if (rc != NGX_OK) {
            break;
        }
    }

    json_decref(root);

    return rc;
}
