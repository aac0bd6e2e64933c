/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_override.h"


ngx_int_t
ngx_http_consent_derive(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx)
{
    u_char                        *p;
    cg_str_t                       id, realm;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    if (ctx->derived) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_consent_gate_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    realm = ngx_http_consent_cstr(&scf->realm);

    if (ctx->account.len) {
        id = ngx_http_consent_cstr(&ctx->account);

    } else {
        id.data = ctx->visitor;
        id.len = CG_VISITOR_ID_LEN;
    }

    if (ctx->facts.subject == CG_SUBJECT_TEST) {

        /* one kind for two sorts of ids: the first byte tells them apart */

        p = ngx_pnalloc(r->pool, 1 + id.len + sizeof(ctx->override->salt));
        if (p == NULL) {
            return NGX_ERROR;
        }

        *p = ctx->account.len ? 'a' : 'v';
        ngx_memcpy(p + 1, id.data, id.len);
        id.data = p;
        id.len++;

        if (ctx->override && ctx->override->salted) {
            ngx_memcpy(p + id.len, ctx->override->salt,
                       sizeof(ctx->override->salt));
            id.len += sizeof(ctx->override->salt);
        }
    }

    if (!cg_subject_derive(&ctx->subject, mcf->keys, ctx->facts.subject, realm,
                           id))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "consent gate: libcrypto failed to make a pseudonym");
        return NGX_ERROR;
    }

    ctx->derived = 1;

    return NGX_OK;
}
