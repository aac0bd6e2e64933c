/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


/*
 * consent_tcf: what a consent manager of the Transparency and Consent
 * Framework was told in this browser. Its cookie is read and never written.
 */

static char *ngx_http_consent_tcf_word(ngx_conf_t *cf, ngx_str_t *word,
    ngx_http_consent_tcf_t *tcf);
static ngx_uint_t ngx_http_consent_tcf_purposes(cg_str_t list,
    cg_tcf_set_t *set);
static ngx_int_t ngx_http_consent_read_tcf(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
static ngx_uint_t ngx_http_consent_open_tcf(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);


char *
ngx_http_consent_tcf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_http_consent_tcf_t   tcf, *all;

    value = cf->args->elts;

    ngx_memzero(&tcf, sizeof(ngx_http_consent_tcf_t));
    tcf.name = value[1];

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_consent_tcf_word(cf, &value[i], &tcf) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (tcf.map.purposes == 0) {
        return "has no \"purposes=\"";
    }

    if (tcf.map.publisher && tcf.map.vendor) {
        return "takes \"publisher\" or \"vendor=\", not both";
    }

    if (mcf->tcf == NULL) {
        mcf->tcf = ngx_array_create(cf->pool, 4,
                                    sizeof(ngx_http_consent_tcf_t));
        if (mcf->tcf == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    all = mcf->tcf->elts;

    for (i = 0; i < mcf->tcf->nelts; i++) {
        if (all[i].name.len == tcf.name.len
            && ngx_strncmp(all[i].name.data, tcf.name.data, tcf.name.len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate purpose \"%V\" in \"consent_tcf\" "
                               "directive", &tcf.name);
            return NGX_CONF_ERROR;
        }
    }

    all = ngx_array_push(mcf->tcf);
    if (all == NULL) {
        return NGX_CONF_ERROR;
    }

    *all = tcf;

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_tcf_word(ngx_conf_t *cf, ngx_str_t *word,
    ngx_http_consent_tcf_t *tcf)
{
    cg_str_t  s;
    uint64_t  n;

    s = ngx_http_consent_cstr(word);

    if (cg_str_eq(s, cg_str("publisher")) && !tcf->map.publisher) {
        tcf->map.publisher = 1;
        return NGX_CONF_OK;
    }

    if (s.len > 9 && ngx_strncmp(s.data, "purposes=", 9) == 0
        && tcf->map.purposes == 0)
    {
        if (ngx_http_consent_tcf_purposes((cg_str_t) { s.len - 9, s.data + 9 },
                                          &tcf->map.purposes))
        {
            return NGX_CONF_OK;
        }

    } else if (s.len > 7 && ngx_strncmp(s.data, "vendor=", 7) == 0
               && tcf->map.vendor == 0)
    {
        if (cg_parse_uint((cg_str_t) { s.len - 7, s.data + 7 },
                          CG_TCF_MAX_VENDOR, &n)
            && n != 0)
        {
            tcf->map.vendor = (uint16_t) n;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_consent_invalid(cf, word);
}


/* "1,7,8" */

static ngx_uint_t
ngx_http_consent_tcf_purposes(cg_str_t list, cg_tcf_set_t *set)
{
    cg_str_t        word;
    uint64_t        n;
    const uint8_t  *comma, *end;

    end = list.data + list.len;

    for ( ;; ) {
        comma = memchr(list.data, ',', end - list.data);

        word.data = list.data;
        word.len = (comma ? comma : end) - list.data;

        if (!cg_parse_uint(word, CG_TCF_PURPOSES, &n) || n == 0
            || (*set & (1 << (n - 1))))
        {
            return 0;
        }

        *set |= 1 << (n - 1);

        if (comma == NULL) {
            return 1;
        }

        list.data = comma + 1;
    }
}


ngx_int_t
ngx_http_consent_tcf_init(ngx_conf_t *cf, ngx_http_consent_main_conf_t *mcf)
{
    ngx_int_t                n;
    ngx_uint_t               i;
    ngx_http_consent_tcf_t  *tcf;

    if (mcf->tcf == NULL) {
        return NGX_OK;
    }

    tcf = mcf->tcf->elts;

    for (i = 0; i < mcf->tcf->nelts; i++) {
        n = ngx_http_consent_find_purpose(mcf,
                                          ngx_http_consent_cstr(&tcf[i].name));

        if (n == NGX_ERROR) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown name \"%V\" in \"consent_tcf\" directive",
                          &tcf[i].name);
            return NGX_ERROR;
        }

        mcf->tcf_maps[n] = tcf[i].map;
        mcf->tcf_vendors[n] = tcf[i].map.vendor;
    }

    return NGX_OK;
}


cg_purposes_t
ngx_http_consent_granted(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    /* a link may have been passed on: it tells nobody what else is on record */

    if (ngx_http_consent_only_link(ctx)) {
        return ngx_consent_store_policies(ctx->mcf->client)->necessary;
    }

    if (ngx_http_consent_know_tcf(r, ctx) != NGX_OK) {
        ctx->facts.tcf = 0;
    }

    return cg_purposes_granted(&ctx->facts,
                               ngx_consent_store_policies(ctx->mcf->client));
}


/* Strangers are not classified as a rule: Sec-GPC belongs to it. */

ngx_int_t
ngx_http_consent_know_tcf(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    if (ctx->mcf->tcf == NULL || ctx->tcf) {
        return NGX_OK;
    }

    ctx->tcf = 1;

    if (ngx_http_consent_classify(r->main, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_consent_read_tcf(r->main, ctx);
}


static ngx_int_t
ngx_http_consent_read_tcf(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    static ngx_str_t  name = ngx_string("euconsent-v2");

    return ngx_http_consent_find_cookie(r, ctx, &name,
                                        ngx_http_consent_open_tcf)
           == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/*
 * A string is not signed, and a sibling domain can set one beside that of the
 * consent manager, which a browser then sends first (RFC 6265, 5.4). Of
 * several that can be read what all of them grant counts: none is the last.
 */

static ngx_uint_t
ngx_http_consent_open_tcf(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    cg_tcf_e                       error;
    cg_tcf_t                       tcf;
    ngx_str_t                      why;
    cg_purposes_t                  granted;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ctx->mcf;

    error = cg_tcf_parse(&tcf, value, mcf->tcf_vendors, mcf->npurposes);

    if (error != CG_TCF_OK) {
        why = ngx_http_consent_nstr(cg_tcf_error(error));

        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "consent_tcf: the string of the consent manager is "
                      "not used: it is %V", &why);
        return 0;
    }

    granted = cg_tcf_granted(&tcf, mcf->tcf_maps, mcf->npurposes, ngx_time());

    ctx->facts.tcf = ctx->tcf_found ? ctx->facts.tcf & granted : granted;
    ctx->tcf_found = 1;

    return 0;
}
