/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/* return= may hold CG_MAX_RETURN bytes, three for each when encoded */

#define NGX_HTTP_CONSENT_ARGS                                                 \
    (3 * CG_MAX_RETURN + CG_MAX_DOCUMENTS * (CG_MAX_NAME + 1) + 128)

#define NGX_HTTP_CONSENT_BODY  (NGX_HTTP_CONSENT_ARGS * 2 + 2048)


/* way: the words of the link to what can be done, or NULL */

typedef struct {
    const char  *title;
    const char  *text;
    const char  *way;
} ngx_http_consent_saying_t;


static ngx_int_t ngx_http_consent_html(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_uint_t status, ngx_str_t *link);
static ngx_int_t ngx_http_consent_nothing(ngx_http_request_t *r);
static ngx_int_t ngx_http_consent_page_link(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *link);


/* CG_PAGE is of what a redirect would lose: a form, or another method. */

static const ngx_http_consent_saying_t
ngx_http_consent_sayings[CG_OUTCOMES] = {

    [CG_PAGE] = {
        "We need your answer first",
        "What you have sent was not taken. Please answer for the policies "
        "that are in force; then go back and send it again.",
        "Read and answer"
    },

    [CG_AGE_PAGE] = {
        "You have told us that you are too young",
        "Before this can be done a parent or guardian has to help you.",
        "What you and a guardian can do"
    },

    [CG_REFUSE] = {
        "You have not allowed this",
        "This part of the site needs a purpose that you have not agreed to.",
        "Look at your choices"
    },

    [CG_UNAVAILABLE] = {
        "Please try again in a moment",
        "We cannot check at the moment what you have agreed to.",
        NULL
    }
};


ngx_table_elt_t *
ngx_http_consent_add_header(ngx_http_request_t *r, const char *key,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value = *value;

    return h;
}


/*
 * An answer to one person must not be kept for another (RFC 9111, 5.2.2.5).
 * Referrer-Policy keeps Origin in the form's POST, whatever the site's policy.
 */

ngx_int_t
ngx_http_consent_own_headers(ngx_http_request_t *r)
{
    ngx_uint_t               i;
    ngx_http_consent_ctx_t  *ctx;

    static ngx_str_t  same_origin = ngx_string("same-origin");
    static ngx_str_t  no_referrer = ngx_string("no-referrer");

    static struct {
        const char  *key;
        ngx_str_t    value;
    } headers[] = {
        { "Cache-Control", ngx_string("no-store") },
        { "Content-Security-Policy", ngx_string("frame-ancestors 'none'") },
        { "X-Content-Type-Options", ngx_string("nosniff") }
    };

    ctx = ngx_http_consent_get_ctx(r);

    if (ngx_http_consent_add_header(r, "Referrer-Policy",
                                    ctx && ctx->secret ? &no_referrer
                                                       : &same_origin)
        == NULL)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_http_consent_add_header(r, headers[i].key, &headers[i].value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_consent_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.status_line.len = 0;
    r->err_status = 0;
    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (body->len == 0) {
        r->header_only = 1;
        r->headers_out.content_type.len = 0;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_consent_page_args(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_str_t back, cg_docs_t need, const char *problem, ngx_str_t *args)
{
    size_t                         size;
    cg_out_t                       out;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    if (!cg_return_valid(back)) {
        back = cg_str("/");
    }

    size = NGX_HTTP_CONSENT_ARGS - 3 * (CG_MAX_RETURN - back.len);

    args->data = ngx_pnalloc(r->pool, size);
    if (args->data == NULL) {
        return NGX_ERROR;
    }

    cg_out_init(&out, args->data, size);
    cg_out_str(&out, cg_str("return="));
    cg_out_query(&out, back);

    if (need) {
        cg_out_str(&out, cg_str("&need="));
        ngx_http_consent_doc_names(mcf, need, &out);
    }

    if (problem) {
        cg_out_str(&out, cg_str("&problem="));
        cg_out_bytes(&out, problem, ngx_strlen(problem));
    }

    args->len = cg_out_len(&out);

    return out.overflow ? NGX_ERROR : NGX_OK;
}


/*
 * Where the page is: a path, for a client behind a proxy knows the site by
 * another host and port than nginx does.
 */

static ngx_int_t
ngx_http_consent_page_link(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_str_t *link)
{
    cg_str_t                      back;
    ngx_str_t                     args, *page;
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    page = &scf->page;

    if (ctx->decision.outcome == CG_AGE_PAGE && scf->age_page.len) {
        page = &scf->age_page;

    } else if (ctx->decision.outcome == CG_REFUSE && scf->choices_page.len) {
        page = &scf->choices_page;
    }

    back = (ctx->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           ? ngx_http_consent_cstr(&r->unparsed_uri) : cg_str("/");

    if (ngx_http_consent_page_args(r, ctx, back, ctx->decision.missing, NULL,
                                   &args)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_consent_page_uri(r, page, &args, link);
}


ngx_int_t
ngx_http_consent_page_uri(ngx_http_request_t *r, ngx_str_t *page,
    ngx_str_t *args, ngx_str_t *uri)
{
    u_char  *p;

    uri->len = page->len + 1 + args->len;
    uri->data = ngx_pnalloc(r->pool, uri->len);
    if (uri->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(uri->data, page->data, page->len);
    *p++ = '?';
    ngx_memcpy(p, args->data, args->len);

    return NGX_OK;
}


/*
 * Not through headers_out.location: absolute_redirect would make an address
 * of it with the host and port that nginx listens on.
 */

ngx_int_t
ngx_http_consent_redirect(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *location)
{
    ngx_str_t  empty;

    if (ngx_http_consent_add_header(r, "Location", location) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_null(&empty);

    return ngx_http_consent_send(r, status, "", &empty);
}


ngx_int_t
ngx_http_consent_retry_after(ngx_http_request_t *r)
{
    ngx_str_t  retry;

    ngx_str_set(&retry, NGX_HTTP_CONSENT_RETRY);

    return ngx_http_consent_add_header(r, "Retry-After", &retry) ? NGX_OK
                                                                 : NGX_ERROR;
}


static ngx_int_t
ngx_http_consent_html(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_uint_t status, ngx_str_t *link)
{
    cg_out_t                         out;
    ngx_str_t                        body;
    const ngx_http_consent_saying_t  *words;

    body.data = ngx_pnalloc(r->pool, NGX_HTTP_CONSENT_BODY);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    words = &ngx_http_consent_sayings[ctx->decision.outcome];

    cg_out_init(&out, body.data, NGX_HTTP_CONSENT_BODY);
    cg_out_str(&out, cg_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
               "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
               "content=\"width=device-width, initial-scale=1\">\n<meta "
               "name=\"color-scheme\" content=\"light dark\">\n<title>"));
    cg_out_bytes(&out, words->title, ngx_strlen(words->title));
    cg_out_str(&out, cg_str("</title>\n</head>\n<body>\n<main>\n<h1>"));
    cg_out_bytes(&out, words->title, ngx_strlen(words->title));
    cg_out_str(&out, cg_str("</h1>\n<p>"));
    cg_out_bytes(&out, words->text, ngx_strlen(words->text));
    cg_out_str(&out, cg_str("</p>\n"));

    if (words->way) {
        cg_out_str(&out, cg_str("<p><a href=\""));
        cg_out_html(&out, ngx_http_consent_cstr(link));
        cg_out_str(&out, cg_str("\">"));
        cg_out_bytes(&out, words->way, ngx_strlen(words->way));
        cg_out_str(&out, cg_str("</a></p>\n"));
    }

    cg_out_str(&out, cg_str("</main>\n</body>\n</html>\n"));

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = cg_out_len(&out);

    return ngx_http_consent_send(r, status, "text/html; charset=utf-8", &body);
}


ngx_int_t
ngx_http_consent_problem(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_uint_t status, const char *type, const char *title,
    const char *detail, cg_str_t reason, cg_docs_t missing)
{
    cg_out_t                       out;
    ngx_str_t                      body, link;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    body.data = ngx_pnalloc(r->pool, NGX_HTTP_CONSENT_BODY);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cg_out_init(&out, body.data, NGX_HTTP_CONSENT_BODY);
    cg_out_str(&out, cg_str("{\"type\":\"urn:consent-gate:"));
    cg_out_bytes(&out, type, ngx_strlen(type));
    cg_out_str(&out, cg_str("\",\"title\":\""));
    cg_out_bytes(&out, title, ngx_strlen(title));
    cg_out_str(&out, cg_str("\",\"status\":"));
    cg_out_uint(&out, status);
    cg_out_str(&out, cg_str(",\"detail\":\""));
    cg_out_bytes(&out, detail, ngx_strlen(detail));
    cg_out_str(&out, cg_str("\",\"reason\":"));
    cg_out_json(&out, reason);

    if (scf->page.len) {
        if (ngx_http_consent_page_link(r, ctx, &link) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        cg_out_str(&out, cg_str(",\"policy_url\":"));
        cg_out_json(&out, ngx_http_consent_cstr(&link));
    }

    cg_out_str(&out, cg_str(",\"missing\":"));
    ngx_http_consent_doc_json(mcf, missing, &out);
    cg_out_str(&out, cg_str("}\n"));

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = cg_out_len(&out);

    return ngx_http_consent_send(r, status, "application/problem+json", &body);
}


static ngx_int_t
ngx_http_consent_gate_problem(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_uint_t status)
{
    cg_str_t    reason;
    const char *type, *title, *detail;

    reason = cg_reason_name(ctx->decision.reason);

    switch (ctx->decision.outcome) {

    case CG_REFUSE:
        type = "purpose-refused";
        title = "A purpose is not granted";
        detail = "This resource needs a purpose that the visitor has not "
                 "granted.";
        break;

    case CG_AGE_PAGE:
        type = "consent-required";
        title = "Consent is required";
        detail = "The visitor is under the age at which to consent alone.";
        break;

    case CG_UNAVAILABLE:
        type = "unavailable";
        title = "Consent cannot be checked";
        detail = "The record of consents does not answer at the moment.";
        break;

    default:
        type = "consent-required";
        title = "Consent is required";
        detail = "The visitor has not accepted the policies in force.";
    }

    return ngx_http_consent_problem(r, ctx, status, type, title, detail,
                                    reason, ctx->decision.missing);
}


/* An answer that a script or an image can do without. */

static ngx_int_t
ngx_http_consent_nothing(ngx_http_request_t *r)
{
    ngx_str_t  empty;

    ngx_str_null(&empty);

    return ngx_http_consent_send(r, NGX_HTTP_NO_CONTENT, "", &empty);
}


/* The answer is ours alone: it is sent and finalized here. */

ngx_int_t
ngx_http_consent_answer(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_action_e action)
{
    ngx_int_t                     rc;
    ngx_str_t                     link;
    ngx_uint_t                    status;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    status = ctx->decision.outcome == CG_REFUSE && lcf->purpose_status
             ? lcf->purpose_status : lcf->refuse_status;

    /* as ngx_http_special_response_handler(): ask for no body to discard */

    r->expect_tested = 1;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_consent_own_headers(r) != NGX_OK
        || ngx_http_consent_replace_visitor(r, ctx) != NGX_OK
        || ngx_http_consent_page_link(r, ctx, &link) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->decision.outcome == CG_UNAVAILABLE) {
        if (ngx_http_consent_retry_after(r) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (ngx_http_consent_send_gated(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    switch (action) {

    case CG_ACTION_REDIRECT:
        rc = ngx_http_consent_redirect(r, NGX_HTTP_MOVED_TEMPORARILY, &link);
        break;

    case CG_ACTION_HTML:
        rc = status == NGX_HTTP_NO_CONTENT
             ? ngx_http_consent_nothing(r)
             : ngx_http_consent_html(r, ctx, status, &link);
        break;

    case CG_ACTION_PROBLEM:
        rc = status == NGX_HTTP_NO_CONTENT
             ? ngx_http_consent_nothing(r)
             : ngx_http_consent_gate_problem(r, ctx, status);
        break;

    case CG_ACTION_HTML_UNAVAILABLE:
        rc = ngx_http_consent_html(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                   &link);
        break;

    default: /* CG_ACTION_PROBLEM_UNAVAILABLE */
        rc = ngx_http_consent_gate_problem(r, ctx,
                                           NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}
