/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_qa.h"

#include <openssl/rand.h>


/*
 * consent_qa: what the gate would do, and an override for this browser. The
 * query says what to look at, a POST sets it or takes it back.
 */

#define NGX_HTTP_CONSENT_QA_BODY  4096      /* bytes of a POST */

static ngx_int_t ngx_http_consent_qa_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_consent_qa_forbidden(ngx_http_request_t *r);
static ngx_int_t ngx_http_consent_qa_show(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_uint_t status, const char *error);
static void ngx_http_consent_qa_evaluate(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa);
static ngx_uint_t ngx_http_consent_qa_wants_json(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static void ngx_http_consent_qa_posted(ngx_http_request_t *r);
static ngx_int_t ngx_http_consent_qa_post(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_int_t ngx_http_consent_qa_subject(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_subject_t *subject);
static ngx_int_t ngx_http_consent_qa_token(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *token);
static ngx_uint_t ngx_http_consent_qa_token_good(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static const char *ngx_http_consent_qa_words(ngx_http_consent_ctx_t *ctx,
    cg_override_t *o);
static const char *ngx_http_consent_qa_seal(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_override_t *o, ngx_str_t *token);


char *
ngx_http_consent_qa(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->qa) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    lcf->qa = 1;
    clcf->handler = ngx_http_consent_qa_handler;

    return NGX_CONF_OK;
}


/*
 * Who may look: whom `allow=` allows, and with `signed` who holds a token, for
 * as long as it lives. What is looked at stands for an override, so that all
 * facts are found as they would be under it.
 */

ngx_int_t
ngx_http_consent_qa_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_int_t allowed)
{
    cg_override_t                 o;
    ngx_http_consent_override_t  *preview;

    ctx->held = ctx->override;

    if (allowed == NGX_OK) {
        ctx->tester = 1;

    } else if (ctx->held) {
        ctx->tester = 1;
        ctx->tester_until = ctx->held->o.expires;

    } else {
        return NGX_DECLINED;
    }

    ctx->fields = r->args;

    if (r->method == NGX_HTTP_POST
        || ngx_http_consent_qa_arg(ctx, "preview").len == 0)
    {
        return ctx->override ? NGX_OK : NGX_DECLINED;
    }

    ngx_memzero(&o, sizeof(cg_override_t));

    ctx->override = NULL;
    ctx->override_error = ngx_http_consent_qa_words(ctx, &o);

    if (ctx->override_error || cg_override_empty(&o)) {
        return NGX_DECLINED;
    }

    /* it would be another test subject than all before */

    preview = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_override_t));
    if (preview == NULL || RAND_bytes(o.id, CG_OVERRIDE_ID) != 1) {
        return NGX_ERROR;
    }

    preview->o = o;
    preview->by = NGX_HTTP_CONSENT_BY_PREVIEW;
    ctx->override = preview;

    return NGX_OK;
}


/* All that are wrong are refused with the first of them. */

static const char *
ngx_http_consent_qa_words(ngx_http_consent_ctx_t *ctx, cg_override_t *o)
{
    ngx_str_t    value;
    ngx_uint_t   i;
    const char  *err;

    static const char  *names[] = {
        "country", "anonymizer", "time", "record", "residence", "history",
        "label"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        value = ngx_http_consent_qa_arg(ctx, names[i]);

        err = cg_override_word(o,
                   (cg_str_t) { ngx_strlen(names[i]),
                                (const uint8_t *) names[i] },
                   ngx_http_consent_cstr(&value));

        if (err) {
            return err;
        }
    }

    return NULL;
}


ngx_str_t
ngx_http_consent_qa_arg(ngx_http_consent_ctx_t *ctx, const char *name)
{
    int        rc;
    u_char    *copy;
    cg_str_t   key, value;
    cg_form_t  form;
    ngx_str_t  none;

    ngx_str_null(&none);

    if (ctx->fields.len == 0) {
        return none;
    }

    copy = ngx_pnalloc(ctx->request->pool, ctx->fields.len);
    if (copy == NULL) {
        return none;
    }

    ngx_memcpy(copy, ctx->fields.data, ctx->fields.len);

    form.pos = copy;
    form.end = copy + ctx->fields.len;

    while ((rc = cg_form_next(&form, &key, &value)) == 1) {
        if (key.len == ngx_strlen(name)
            && ngx_memcmp(key.data, name, key.len) == 0)
        {
            return ngx_http_consent_nstr(value);
        }
    }

    return none;
}


static ngx_int_t
ngx_http_consent_qa_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    if (r != r->main || ctx == NULL || !ctx->tester) {
        return ngx_http_consent_qa_forbidden(r);
    }

    if (r->method == NGX_HTTP_POST) {

        if (r->headers_in.content_length_n > NGX_HTTP_CONSENT_QA_BODY) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

        rc = ngx_http_read_client_request_body(r, ngx_http_consent_qa_posted);

        return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_consent_qa_show(r, ctx, ctx->override_error ? 422 : 200,
                                    ctx->override_error);
}


static ngx_int_t
ngx_http_consent_qa_forbidden(ngx_http_request_t *r)
{
    if (r == r->main && ngx_http_consent_own_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_FORBIDDEN;
}


static ngx_int_t
ngx_http_consent_qa_show(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_uint_t status, const char *error)
{
    cg_override_t           o;
    ngx_http_consent_qa_t  *qa;

    qa = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_qa_t));
    if (qa == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    qa->error = error;
    ngx_http_consent_qa_evaluate(r, ctx, qa);

    if (ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_qa_token(r, ctx, &qa->token) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->override && error == NULL) {
        o = ctx->override->o;

        qa->error = ngx_http_consent_qa_seal(r, ctx, &o, &qa->link);

        if (qa->error) {
            status = 422;
        }
    }

    if (ngx_http_consent_qa_wants_json(r, ctx)) {
        return ngx_http_consent_qa_json(r, ctx, qa, status);
    }

    return ngx_http_consent_qa_page(r, ctx, qa, status);
}


/* As each of the classes would meet it at a location like this one. */

static void
ngx_http_consent_qa_evaluate(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa)
{
    cg_facts_t   facts;
    ngx_str_t    value;
    cg_class_e   klass;

    value = ngx_http_consent_qa_arg(ctx, "class");

    qa->now = ngx_http_consent_now(ctx);

    for (klass = 0; klass < CG_CLASSES; klass++) {

        if (cg_str_eq(cg_class_name(klass), ngx_http_consent_cstr(&value))) {
            qa->klass = klass;
        }

        facts = ctx->facts;
        facts.own = 0;
        facts.exempt = 0;
        facts.preflight = 0;
        facts.error_page = 0;
        facts.cross_site = 0;
        facts.klass = klass;

        ngx_http_consent_trace(r, ctx, &facts, &qa->decisions[klass],
                               &qa->traces[klass]);
    }
}


static ngx_uint_t
ngx_http_consent_qa_wants_json(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t                    value;
    ngx_http_consent_headers_t  *h;

    value = ngx_http_consent_qa_arg(ctx, "format");

    if (value.len) {
        return value.len == 4 && ngx_memcmp(value.data, "json", 4) == 0;
    }

    h = ngx_http_consent_headers(r, ctx);

    return h && h->accept.len
           && ngx_strlcasestrn(h->accept.data, h->accept.data + h->accept.len,
                               (u_char *) "application/json", 16 - 1)
           && ngx_strlcasestrn(h->accept.data, h->accept.data + h->accept.len,
                               (u_char *) "text/html", 9 - 1)
              == NULL;
}


static void
ngx_http_consent_qa_posted(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_consent_ctx_t  *ctx;

    ctx = ngx_http_consent_get_ctx(r);

    rc = ngx_http_consent_collect(r, &ctx->fields);

    ngx_http_finalize_request(r, rc == NGX_OK
                                 ? ngx_http_consent_qa_post(r, ctx) : rc);
}


static ngx_int_t
ngx_http_consent_qa_post(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    u_char         *args;
    ngx_int_t       rc;
    ngx_str_t       value, uri;
    const char     *error;
    cg_override_t   o;

    if (!ngx_http_consent_same_origin(r, ctx)
        || !ngx_http_consent_qa_token_good(r, ctx))
    {
        return ngx_http_consent_qa_show(r, ctx, NGX_HTTP_FORBIDDEN,
                                        "The form is too old, or comes from "
                                        "another site: send it again.");
    }

    value = ngx_http_consent_qa_arg(ctx, "action");

    if (value.len == 5 && ngx_memcmp(value.data, "clear", 5) == 0) {
        rc = ngx_http_consent_clear_override(r);

    } else {
        ngx_memzero(&o, sizeof(cg_override_t));

        error = ngx_http_consent_qa_words(ctx, &o);

        if (error == NULL && cg_override_empty(&o)) {
            error = "nothing to be taken for: choose something";
        }

        if (error == NULL) {
            error = ngx_http_consent_qa_seal(r, ctx, &o, &value);
        }

        if (error) {
            return ngx_http_consent_qa_show(r, ctx, 422, error);
        }

        rc = ngx_http_consent_send_override(r, &value, o.expires);
    }

    if (rc != NGX_OK || ngx_http_consent_own_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    uri = r->unparsed_uri;
    args = ngx_strlchr(uri.data, uri.data + uri.len, '?');

    if (args) {
        uri.len = args - uri.data;
    }

    /* "//example.org/..%2fqa" is this page, too, and another site's */

    if (!cg_return_valid(ngx_http_consent_cstr(&uri))) {
        ngx_str_set(&uri, "/");
    }

    return ngx_http_consent_redirect(r, NGX_HTTP_SEE_OTHER, &uri);
}


/*
 * A tester by a token cannot make one that lives longer. Each has an id of its
 * own, and so a test subject that begins anew.
 */

static const char *
ngx_http_consent_qa_seal(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_override_t *o, ngx_str_t *token)
{
    uint32_t                      ttl;
    ngx_str_t                     value;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    value = ngx_http_consent_qa_arg(ctx, "ttl");

    if (value.len == 0) {
        ngx_str_set(&value, NGX_HTTP_CONSENT_LINK_TTL);
    }

    ttl = cg_override_ttl(ngx_http_consent_cstr(&value));

    if (ttl == 0) {
        return "not a time that a token may live";
    }

    o->expires = ngx_time() + ttl;

    if (ctx->tester_until) {
        o->expires = ngx_min(o->expires, ctx->tester_until);
    }

    o->realm_len = scf->realm.len;
    ngx_memcpy(o->realm, scf->realm.data, scf->realm.len);

    token->data = ngx_pnalloc(r->pool, CG_MAX_TOKEN);

    if (token->data == NULL || RAND_bytes(o->id, CG_OVERRIDE_ID) != 1) {
        return "no token could be made";
    }

    token->len = cg_override_seal(ctx->mcf->keys, o, token->data);

    return token->len ? NULL : "no token could be made";
}


/* The form is for whoever comes from this address: nobody is known here. */

static ngx_int_t
ngx_http_consent_qa_subject(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_subject_t *subject)
{
    u_char                       *p;
    cg_str_t                      id;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    p = ngx_pnalloc(r->pool, 1 + r->connection->addr_text.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id.data = p;
    id.len = 1 + r->connection->addr_text.len;

    /* 'a' and 'v' are those of test subjects */

    *p++ = 'q';
    ngx_memcpy(p, r->connection->addr_text.data, r->connection->addr_text.len);

    return cg_subject_derive(subject, ctx->mcf->keys, CG_SUBJECT_TEST,
                             ngx_http_consent_cstr(&scf->realm), id)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_consent_qa_token(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_str_t *token)
{
    cg_form_token_t               t;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    ngx_memzero(&t, sizeof(cg_form_token_t));

    t.expires = ngx_time() + NGX_HTTP_CONSENT_FORM_TTL;
    t.realm_len = scf->realm.len;
    ngx_memcpy(t.realm, scf->realm.data, scf->realm.len);

    token->data = ngx_pnalloc(r->pool, CG_MAX_TOKEN);

    if (token->data == NULL
        || ngx_http_consent_qa_subject(r, ctx, &t.subject) != NGX_OK)
    {
        return NGX_ERROR;
    }

    token->len = cg_form_token_seal(ctx->mcf->keys, &t, token->data);

    return token->len ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_http_consent_qa_token_good(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    ngx_str_t                     value;
    cg_subject_t                  subject;
    cg_form_token_t               t;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    value = ngx_http_consent_qa_arg(ctx, "token");

    return cg_form_token_open(ctx->mcf->keys, &t,
                              ngx_http_consent_cstr(&value),
                              ngx_http_consent_cstr(&scf->realm), ngx_time())
           && ngx_http_consent_qa_subject(r, ctx, &subject) == NGX_OK
           && cg_subject_same(&t.subject, &subject);
}
