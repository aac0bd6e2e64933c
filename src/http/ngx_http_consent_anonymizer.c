/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


/*
 * Looked for only where it can change something, or a variable is read: most
 * sites have no such database.
 */

cg_anonymizer_e
ngx_http_consent_anonymizer(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    cg_anonymizer_e                kind;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);

    if (!ctx->anonymizer) {
        ctx->anonymizer = 1;

        /* who is elsewhere, or behind another, is not behind this one */

        if (mcf->anonymizers
            && (ctx->override == NULL
                || !(ctx->override->o.has_country
                     || ctx->override->o.anonymizer)))
        {
            ctx->facts.anonymizer = cg_geo_anonymizer(mcf->anonymizers->db,
                                                     r->connection->sockaddr);
        }
    }

    kind = cg_anonymizer_of(ctx->facts.country);

    return ngx_max(kind, (cg_anonymizer_e) ctx->facts.anonymizer);
}
