/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_gate_module.h"


static ngx_int_t ngx_http_consent_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_consent_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_consent_init_process(ngx_cycle_t *cycle);
static void ngx_http_consent_exit_process(ngx_cycle_t *cycle);
static ngx_http_consent_main_conf_t *ngx_http_consent_cycle_conf(
    ngx_cycle_t *cycle);


#define NGX_HTTP_CONSENT_ANYWHERE                                             \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)

#define NGX_HTTP_CONSENT_MAIN_OFFSET  NGX_HTTP_MAIN_CONF_OFFSET


static ngx_conf_enum_t  ngx_http_consent_unknown_values[] = {
    { ngx_string("pass"), 0 },
    { ngx_string("gate"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_consent_anonymizer_values[] = {
    { ngx_string("pass"), 0 },
    { ngx_string("gate"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_consent_on_error_values[] = {
    { ngx_string("open"), 0 },
    { ngx_string("closed"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_consent_refuse_values[] = {
    { ngx_string("403"), 403 },
    { ngx_string("451"), 451 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_consent_purpose_status_values[] = {
    { ngx_string("403"), 403 },
    { ngx_string("451"), 451 },
    { ngx_string("204"), 204 },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_consent_commands[] = {

    { ngx_string("consent_gate"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_gate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS,
      ngx_http_consent_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_http_consent_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_consent_key_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_realm"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_consent_realm,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_consent_srv_conf_t, realm),
      NULL },

    { ngx_string("consent_geoip"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_consent_geoip,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_anonymizer_db"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_consent_anonymizer_db,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_country"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_country,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, country),
      NULL },

    { ngx_string("consent_document"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_consent_document,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_purpose"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_consent_purpose,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_tcf"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_consent_tcf,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_territory"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_consent_words,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, territory),
      NULL },

    { ngx_string("consent_unknown_country"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, unknown_country),
      &ngx_http_consent_unknown_values },

    { ngx_string("consent_anonymizer"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, anonymizer),
      &ngx_http_consent_anonymizer_values },

    { ngx_string("consent_remember_eea"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_remember,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, remember),
      NULL },

    { ngx_string("consent_subject"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_subject,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, subject),
      NULL },

    { ngx_string("consent_visitor_cookie"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1234,
      ngx_http_consent_visitor_cookie,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_require"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_consent_words,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, require),
      NULL },

    { ngx_string("consent_require_purpose"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_consent_words,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, require_purpose),
      NULL },

    { ngx_string("consent_page"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_consent_uri,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_consent_srv_conf_t, page),
      NULL },

    { ngx_string("consent_age_page"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_consent_uri,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_consent_srv_conf_t, age_page),
      NULL },

    { ngx_string("consent_choices_page"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_consent_uri,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_consent_srv_conf_t, choices_page),
      NULL },

    { ngx_string("consent_ask_age"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_FLAG,
      ngx_http_consent_ask_age,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_consent_srv_conf_t, ask_age),
      NULL },

    { ngx_string("consent_age"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_consent_age,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_exempt"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_consent_exempt,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, exempt),
      NULL },

    { ngx_string("consent_exempt_uri"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_consent_words,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, exempt_uri),
      NULL },

    { ngx_string("consent_exempt_agent"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_consent_words,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, exempt_agent),
      NULL },

    { ngx_string("consent_refuse_status"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, refuse_status),
      &ngx_http_consent_refuse_values },

    { ngx_string("consent_purpose_status"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, purpose_status),
      &ngx_http_consent_purpose_status_values },

    { ngx_string("consent_on_error"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, closed),
      &ngx_http_consent_on_error_values },

    { ngx_string("consent_override"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE12,
      ngx_http_consent_override,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, override_allow),
      NULL },

    { ngx_string("consent_explain"),
      NGX_HTTP_CONSENT_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_consent_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_consent_loc_conf_t, explain),
      NULL },

    { ngx_string("consent_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_consent_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_qa"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_consent_qa,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("consent_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_consent_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_consent_gate_module_ctx = {
    ngx_http_consent_add_variables,        /* preconfiguration */
    ngx_http_consent_init,                 /* postconfiguration */

    ngx_http_consent_create_main_conf,     /* create main configuration */
    ngx_http_consent_init_main_conf,       /* init main configuration */

    ngx_http_consent_create_srv_conf,      /* create server configuration */
    ngx_http_consent_merge_srv_conf,       /* merge server configuration */

    ngx_http_consent_create_loc_conf,      /* create location configuration */
    ngx_http_consent_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_consent_gate_module = {
    NGX_MODULE_V1,
    &ngx_http_consent_gate_module_ctx,     /* module context */
    ngx_http_consent_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_consent_init_module,          /* init module */
    ngx_http_consent_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_consent_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * PRECONTENT is after access and authentication and outside of "satisfy".
 * Handlers of a phase run in the reverse order of their registration, so as
 * the last one to come ours runs before try_files and mirror.
 */

static ngx_int_t
ngx_http_consent_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_consent_handler;

    return NGX_OK;
}


/* NULL if the cycle has no http block. */

static ngx_http_consent_main_conf_t *
ngx_http_consent_cycle_conf(ngx_cycle_t *cycle)
{
    if (cycle->conf_ctx[ngx_http_module.index] == NULL) {
        return NULL;
    }

    return ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_consent_gate_module);
}


static ngx_int_t
ngx_http_consent_init_module(ngx_cycle_t *cycle)
{
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_consent_cycle_conf(cycle);

    if (mcf == NULL) {
        return NGX_OK;
    }

    return ngx_http_consent_find_variables(cycle, mcf);
}


static ngx_int_t
ngx_http_consent_init_process(ngx_cycle_t *cycle)
{
    ngx_http_consent_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_consent_cycle_conf(cycle);

    if (mcf == NULL) {
        return NGX_OK;
    }

    if (mcf->geo) {
        ngx_http_consent_geo_watch(mcf->geo, cycle);
    }

    if (mcf->anonymizers) {
        ngx_http_consent_geo_watch(mcf->anonymizers, cycle);
    }

    if (mcf->cache
        && ngx_http_consent_flights_init(mcf, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (mcf->store) {
        mcf->client = ngx_consent_store_create(cycle, mcf->store);
        if (mcf->client == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_consent_visits_init(mcf, cycle) != NGX_OK
            || ngx_http_consent_adoptions_init(mcf, cycle) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_consent_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_consent_cycle_conf(cycle);

    if (mcf) {
        ngx_http_consent_visits_done(mcf);
    }

    if (mcf && mcf->client) {
        ngx_consent_store_destroy(mcf->client);
        mcf->client = NULL;
    }
}
