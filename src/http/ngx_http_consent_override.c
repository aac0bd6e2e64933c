/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"
#include "ngx_http_consent_override.h"


static ngx_int_t ngx_http_consent_words_override(
    ngx_http_consent_override_t *override, ngx_http_consent_headers_t *h,
    ngx_log_t *log);
static ngx_int_t ngx_http_consent_looks(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf,
    ngx_http_consent_headers_t *h);
static ngx_int_t ngx_http_consent_token_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf,
    ngx_http_consent_headers_t *h);
static ngx_int_t ngx_http_consent_open_first(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *header, ngx_str_t *argument);
static ngx_uint_t ngx_http_consent_open_override(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static ngx_uint_t ngx_http_consent_any_value(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
static void ngx_http_consent_ignore_override(ngx_http_consent_ctx_t *ctx,
    const char *what);
static ngx_int_t ngx_http_consent_apply_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* The words that have a header each. */

static const struct {
    cg_str_t    name;
    ngx_uint_t  header;
} ngx_http_consent_override_words[] = {
    { cg_str("country"), NGX_HTTP_CONSENT_X_COUNTRY },
    { cg_str("anonymizer"), NGX_HTTP_CONSENT_X_ANONYMIZER },
    { cg_str("time"), NGX_HTTP_CONSENT_X_TIME },
    { cg_str("record"), NGX_HTTP_CONSENT_X_RECORD },
    { cg_str("residence"), NGX_HTTP_CONSENT_X_RESIDENCE },
    { cg_str("history"), NGX_HTTP_CONSENT_X_HISTORY }
};

#define NGX_HTTP_CONSENT_WORDS                                                \
    (sizeof(ngx_http_consent_override_words)                                  \
     / sizeof(ngx_http_consent_override_words[0]))


ngx_int_t
ngx_http_consent_allowed(ngx_http_request_t *r,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_str_t  value;

    if (lcf->override_allow == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, lcf->override_allow, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_consent_truth(&value) ? NGX_OK : NGX_DECLINED;
}


/*
 * What a tester asks to be taken for. Who is not allowed to gets what
 * everyone gets. Words count before a token: they are of this very request.
 */

ngx_int_t
ngx_http_consent_overridden(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    ngx_int_t                     rc;
    ngx_http_consent_headers_t   *h;
    ngx_http_consent_override_t   override;

    if (lcf->override_allow == NULL && !lcf->override_signed) {
        return NGX_DECLINED;
    }

    h = ngx_http_consent_headers(r, ctx);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&override, sizeof(ngx_http_consent_override_t));

    rc = ngx_http_consent_words_override(&override, h, r->connection->log);

    if (lcf->qa) {
        return ngx_http_consent_looks(r, ctx, lcf, h);
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_consent_token_override(r, ctx, lcf, h);

        return rc == NGX_OK ? ngx_http_consent_apply_override(r, ctx) : rc;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_consent_allowed(r, lcf);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_http_consent_ignore_override(ctx, NULL);
        return NGX_DECLINED;
    }

    ctx->override = ngx_palloc(r->pool, sizeof(override));
    if (ctx->override == NULL) {
        return NGX_ERROR;
    }

    *ctx->override = override;

    return ngx_http_consent_apply_override(r, ctx);
}


/* The page for testers: what it shows is what its query says. */

static ngx_int_t
ngx_http_consent_looks(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf, ngx_http_consent_headers_t *h)
{
    ngx_int_t  rc, allowed;

    allowed = ngx_http_consent_allowed(r, lcf);

    if (allowed == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = ngx_http_consent_token_override(r, ctx, lcf, h);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = ngx_http_consent_qa_override(r, ctx, allowed);

    return rc == NGX_OK ? ngx_http_consent_apply_override(r, ctx) : rc;
}


/* NGX_DECLINED: there are none. NGX_ABORT: one is wrong, so none counts. */

static ngx_int_t
ngx_http_consent_words_override(ngx_http_consent_override_t *override,
    ngx_http_consent_headers_t *h, ngx_log_t *log)
{
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;
    const char  *err;

    rc = NGX_DECLINED;

    for (i = 0; i < NGX_HTTP_CONSENT_WORDS; i++) {
        value = &h->override[ngx_http_consent_override_words[i].header];

        if (value->len == 0) {
            continue;
        }

        err = cg_override_word(&override->o,
                               ngx_http_consent_override_words[i].name,
                               ngx_http_consent_cstr(value));

        if (err) {
            ngx_log_error(NGX_LOG_INFO, log, 0,
                          "consent gate: an override is ignored: \"%V\" is %s",
                          value, err);
            rc = NGX_ABORT;

        } else if (rc == NGX_DECLINED) {
            rc = NGX_OK;
        }
    }

    return rc;
}


/* The first of header, argument and cookie that holds a good one. */

static ngx_int_t
ngx_http_consent_token_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf,
    ngx_http_consent_headers_t *h)
{
    ngx_int_t   rc;
    ngx_str_t   argument, *header;
    ngx_uint_t  has_cookie;

    header = &h->override[NGX_HTTP_CONSENT_X_OVERRIDE];

    if (ngx_http_arg(r, (u_char *) "consent_override", 16, &argument)
        != NGX_OK)
    {
        ngx_str_null(&argument);
    }

    rc = ngx_http_consent_read_other(r, ctx, ngx_http_consent_override_suffix,
                                     ngx_http_consent_any_value);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    has_cookie = (rc == NGX_OK);

    if (header->len == 0 && argument.len == 0 && !has_cookie) {
        return NGX_DECLINED;
    }

    rc = lcf->override_signed ? NGX_OK : ngx_http_consent_allowed(r, lcf);

    if (rc != NGX_OK) {
        if (rc == NGX_DECLINED) {
            ngx_http_consent_ignore_override(ctx, NULL);
        }

        return rc;
    }

    if (argument.len == 3 && ngx_strncmp(argument.data, "off", 3) == 0) {

        if (has_cookie) {
            ctx->override_moves = 1;
        }

        return NGX_DECLINED;
    }

    return ngx_http_consent_open_first(r, ctx, header, &argument);
}


static ngx_int_t
ngx_http_consent_open_first(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *header, ngx_str_t *argument)
{
    ngx_uint_t  by;

    if (header->len
        && ngx_http_consent_open_override(ctx, ngx_http_consent_cstr(header)))
    {
        by = NGX_HTTP_CONSENT_BY_HEADER;

    } else if (argument->len
               && ngx_http_consent_open_override(ctx,
                                             ngx_http_consent_cstr(argument)))
    {
        by = NGX_HTTP_CONSENT_BY_ARGUMENT;
        ctx->override_token = *argument;
        ctx->override_moves = 1;

    } else if (ngx_http_consent_read_other(r, ctx,
                                           ngx_http_consent_override_suffix,
                                           ngx_http_consent_open_override)
               == NGX_OK)
    {
        by = NGX_HTTP_CONSENT_BY_COOKIE;

    } else {
        ngx_http_consent_ignore_override(ctx, "a token is not valid here, "
                                              "or not now");
        return NGX_DECLINED;
    }

    ctx->override->by = by;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_consent_open_override(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    cg_override_t                 o;
    ngx_http_request_t           *r;
    ngx_http_consent_srv_conf_t  *scf;

    r = ctx->request;
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (ctx->mcf->keys == NULL
        || !cg_override_open(ctx->mcf->keys, &o, value,
                             ngx_http_consent_cstr(&scf->realm), ngx_time()))
    {
        return 0;
    }

    ctx->override = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_override_t));
    if (ctx->override == NULL) {
        return 0;
    }

    ctx->override->o = o;

    return 1;
}


static ngx_uint_t
ngx_http_consent_any_value(ngx_http_consent_ctx_t *ctx, cg_str_t value)
{
    return value.len != 0;
}


/* Once for a request. The token itself is not for the log. */

static void
ngx_http_consent_ignore_override(ngx_http_consent_ctx_t *ctx, const char *what)
{
    ngx_http_consent_counters_t  *counters;

    counters = ngx_http_consent_counters(ctx->mcf);

    ngx_http_consent_count(&counters->overrides_ignored);

    if (what) {
        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "consent gate: %s", what);
    }
}


static ngx_int_t
ngx_http_consent_apply_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx)
{
    cg_facts_t                   *facts;
    ngx_http_consent_counters_t  *counters;
    ngx_http_consent_override_t  *override;

    override = ctx->override;
    facts = &ctx->facts;

    if (ngx_http_consent_test_cookie(r, &override->cookie) != NGX_OK) {
        return NGX_ERROR;
    }

    counters = ngx_http_consent_counters(ctx->mcf);
    ngx_http_consent_count(&counters->overrides);

    if (ctx->mcf->keys) {
        override->salted = cg_override_salt(&override->o, ctx->mcf->keys,
                                            override->salt);
    }

    override->pretends = cg_override_pretends(&override->o);

    facts->overridden = 1;
    facts->country = override->o.country;
    facts->anonymizer = override->o.anonymizer;

    return NGX_OK;
}


int64_t
ngx_http_consent_test_time(ngx_http_consent_ctx_t *ctx)
{
    return cg_override_now(&ctx->override->o, ngx_time());
}


/*
 * A record of the test subject itself stands before what is pretended: it
 * begins there and may go on, as a visitor's does.
 */

void
ngx_http_consent_pretend(ngx_http_consent_ctx_t *ctx)
{
    cg_facts_t     *facts;
    cg_record_t     record;
    cg_lookup_e     lookup;
    cg_override_t  *o;

    facts = &ctx->facts;
    o = &ctx->override->o;

    lookup = cg_override_record(o, &record,
                                ngx_consent_store_policies(ctx->mcf->client),
                                ngx_http_consent_now(ctx));

    facts->pretended = 1;

    if (lookup == CG_LOOKUP_FAILED) {
        facts->lookup = CG_LOOKUP_FAILED;
        return;
    }

    if (facts->lookup == CG_LOOKUP_FAILED) {
        return;
    }

    if (facts->lookup == CG_LOOKUP_FOUND && !ctx->pretending) {

        if (ctx->record.residence == CG_CC_UNKNOWN) {
            ctx->record.residence = record.residence;
        }

        ctx->record.eea_day = ngx_max(ctx->record.eea_day, record.eea_day);
        return;
    }

    ctx->pretending = 1;
    ctx->record = record;
    facts->lookup = lookup;
}


void
ngx_http_consent_seed(ngx_http_consent_ctx_t *ctx, ngx_consent_write_t *write)
{
    ngx_uint_t  i;

    if (!ctx->pretending || ctx->facts.lookup != CG_LOOKUP_FOUND) {
        return;
    }

    if (write->what == NGX_CONSENT_WRITE_WITHDRAW) {

        /*
         * of nothing there is nothing to take back, and what is pretended
         * would stand again: a day long ago makes a record that is empty
         */

        write->eea_day = 1;
        return;
    }

    if (write->what != NGX_CONSENT_WRITE_SET) {
        return;
    }

    for (i = 0; i < ctx->mcf->ndocs; i++) {
        if (ctx->record.accepted[i] && !(write->accept >> i & 1)
            && !(write->decline >> i & 1))
        {
            write->accept |= (cg_docs_t) (1 << i);
            write->versions[i] = ctx->record.accepted[i];
        }
    }

    write->granted |= ctx->record.granted & ~write->answered;
    write->answered |= ctx->record.answered;
}


void
ngx_http_consent_override_text(ngx_http_consent_ctx_t *ctx, cg_out_t *out)
{
    ngx_http_consent_override_t  *override;

    static const cg_str_t  names[] = {
        cg_str("by=words"), cg_str("by=header"), cg_str("by=argument"),
        cg_str("by=cookie"), cg_str("by=preview")
    };

    override = ctx->override;

    cg_override_text(&override->o, out);

    if (cg_out_len(out)) {
        cg_out_str(out, cg_str("; "));
    }

    cg_out_str(out, names[override->by]);

    if (override->o.expires) {
        cg_out_str(out, cg_str("; expires="));
        cg_out_uint(out, (uint64_t) override->o.expires);
    }
}
