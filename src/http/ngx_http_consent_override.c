/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


/*
 * The country that a tester asks for. Who is not allowed to gets what
 * everyone gets.
 */

ngx_int_t
ngx_http_consent_overridden(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf)
{
    cg_cc_t                       country;
    ngx_str_t                     value;
    ngx_http_consent_headers_t   *headers;
    ngx_http_consent_counters_t  *counters;

    if (lcf->override_allow == NULL) {
        return NGX_DECLINED;
    }

    headers = ngx_http_consent_headers(r, ctx);
    if (headers == NULL) {
        return NGX_ERROR;
    }

    if (headers->override_country.len == 0) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, lcf->override_allow, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    counters = ngx_http_consent_counters(ctx->mcf);

    if (!ngx_http_consent_truth(&value)) {
        ngx_http_consent_count(&counters->overrides_ignored);
        return NGX_DECLINED;
    }

    country = cg_country_setting(
                       ngx_http_consent_cstr(&headers->override_country));

    if (country == CG_CC_UNKNOWN) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "consent_override: \"%V\" is not a country",
                      &headers->override_country);
        return NGX_DECLINED;
    }

    ngx_http_consent_count(&counters->overrides);

    ctx->facts.country = country;
    ctx->facts.overridden = 1;

    return NGX_OK;
}
