/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


typedef ngx_int_t (*ngx_http_consent_find_pt)(
    ngx_http_consent_main_conf_t *mcf, cg_str_t name);


static char *ngx_http_consent_resolve(ngx_conf_t *cf, ngx_array_t *names,
    ngx_http_consent_find_pt find, const char *directive, uint16_t *set);
static char *ngx_http_consent_resolve_territory(ngx_conf_t *cf,
    ngx_array_t *words, cg_territory_t *territory);
static char *ngx_http_consent_check(ngx_conf_t *cf,
    ngx_http_consent_loc_conf_t *conf);
#if (NGX_PCRE)
static ngx_regex_t *ngx_http_consent_patterns(ngx_conf_t *cf,
    ngx_array_t *patterns, const char *directive);
static size_t ngx_http_consent_pattern(ngx_str_t *word, u_char *p);
#endif


void *
ngx_http_consent_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_consent_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->variables, cf->pool, 8, sizeof(ngx_uint_t))
        != NGX_OK
        || ngx_array_init(&mcf->origins, cf->pool, 16,
                          sizeof(ngx_http_consent_origin_t))
           != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


/* The store needs to know what the whole configuration asks for. */

char *
ngx_http_consent_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_consent_main_conf_t *mcf = conf;

    ngx_uint_t                 i;
    ngx_consent_store_conf_t  *store;

    store = mcf->store;

    if (mcf->cache && (store == NULL || mcf->keys == NULL)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"%s\" for \"consent_cache\" directive",
                      store ? "consent_key_file" : "consent_store");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_tcf_init(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (store == NULL) {
        return NGX_CONF_OK;
    }

    store->ndocs = mcf->ndocs;

    for (i = 0; i < mcf->ndocs; i++) {
        store->docs[i] = mcf->docs[i].name;
        store->statics[i] = mcf->docs[i].policy;
    }

    store->npurposes = mcf->npurposes;

    for (i = 0; i < mcf->npurposes; i++) {
        store->purposes[i] = mcf->purposes[i].name;
        store->necessary |= (cg_purposes_t) mcf->purposes[i].necessary << i;
        store->gpc_deny |= (cg_purposes_t) mcf->purposes[i].gpc_deny << i;
    }

    if (ngx_http_consent_counters_add(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (mcf->cache && ngx_http_consent_cache_init(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_store_resolve(cf, store) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_consent_store_init_conf(cf, store, &ngx_http_consent_gate_module)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void *
ngx_http_consent_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_consent_srv_conf_t  *scf;

    /*
     * set by ngx_pcalloc():
     *
     *     scf->realm, page, age_page, choices_page = { 0, NULL };
     *     scf->cookie, cookie_domain = { 0, NULL };
     *     scf->ages = NULL;
     */

    scf = ngx_pcalloc(cf->pool, sizeof(ngx_http_consent_srv_conf_t));
    if (scf == NULL) {
        return NULL;
    }

    scf->ask_age = NGX_CONF_UNSET;
    scf->cookie_max_age = NGX_CONF_UNSET;
    scf->cookie_secure = NGX_CONF_UNSET_UINT;

    return scf;
}


char *
ngx_http_consent_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_consent_srv_conf_t *prev = parent;
    ngx_http_consent_srv_conf_t *conf = child;

    const char                    *page;
    ngx_http_consent_main_conf_t  *mcf;

    ngx_conf_merge_str_value(conf->realm, prev->realm, "default");
    ngx_conf_merge_str_value(conf->page, prev->page, "");
    ngx_conf_merge_str_value(conf->age_page, prev->age_page, "");
    ngx_conf_merge_str_value(conf->choices_page, prev->choices_page, "");
    ngx_conf_merge_value(conf->ask_age, prev->ask_age, 0);

    if (conf->ages == NULL) {
        conf->ages = prev->ages;
    }

    if (conf->ask_age && conf->age_page.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"consent_age_page\" for \"consent_ask_age\" "
                      "directive");
        return NGX_CONF_ERROR;
    }

    /* the directive sets the four together */

    ngx_conf_merge_str_value(conf->cookie, prev->cookie, "");
    ngx_conf_merge_str_value(conf->cookie_domain, prev->cookie_domain, "");
    ngx_conf_merge_sec_value(conf->cookie_max_age, prev->cookie_max_age,
                             182 * 86400);
    ngx_conf_merge_uint_value(conf->cookie_secure, prev->cookie_secure,
                              NGX_HTTP_CONSENT_SECURE_AUTO);

    /* the page shows what is on record, wherever the gate is off */

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);

    page = conf->page.len ? "consent_page"
           : conf->age_page.len ? "consent_age_page"
           : conf->choices_page.len ? "consent_choices_page" : NULL;

    if (page && (mcf->store == NULL || mcf->keys == NULL))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"%s\" for \"%s\" directive",
                      mcf->store ? "consent_key_file" : "consent_store",
                      page);
        return NGX_CONF_ERROR;
    }

    if (mcf->cache) {
        ngx_http_consent_cache_keys(mcf->cache, conf);
    }

    return NGX_CONF_OK;
}


void *
ngx_http_consent_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_consent_loc_conf_t  *lcf;

    /*
     * set by ngx_pcalloc():
     *
     *     lcf->mode_value = NULL;
     *     lcf->exempt_uri_regex = NULL;
     *     lcf->exempt_agent_regex = NULL;
     *     lcf->override_signed = 0;
     *     lcf->settings = { 0 };
     *     lcf->parent = NULL;
     *     lcf->qa = 0;
     *     lcf->api = 0;
     */

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_consent_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->mode = NGX_CONF_UNSET_UINT;
    lcf->country = NULL;
    lcf->subject = NULL;
    lcf->territory = NGX_CONF_UNSET_PTR;
    lcf->require = NGX_CONF_UNSET_PTR;
    lcf->require_purpose = NGX_CONF_UNSET_PTR;
    lcf->unknown_country = NGX_CONF_UNSET_UINT;
    lcf->anonymizer = NGX_CONF_UNSET_UINT;
    lcf->remember = NGX_CONF_UNSET;
    lcf->closed = NGX_CONF_UNSET_UINT;
    lcf->refuse_status = NGX_CONF_UNSET_UINT;
    lcf->purpose_status = NGX_CONF_UNSET_UINT;
    lcf->exempt = NGX_CONF_UNSET_PTR;
    lcf->exempt_uri = NGX_CONF_UNSET_PTR;
    lcf->exempt_agent = NGX_CONF_UNSET_PTR;
    lcf->override_allow = NGX_CONF_UNSET_PTR;
    lcf->explain = NULL;

    return lcf;
}


char *
ngx_http_consent_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_consent_loc_conf_t *prev = parent;
    ngx_http_consent_loc_conf_t *conf = child;

    cg_settings_t                *s;
    ngx_http_consent_srv_conf_t  *scf;

    conf->parent = prev;

    if (conf->mode == NGX_CONF_UNSET_UINT) {
        conf->mode_value = prev->mode_value;
    }

    ngx_conf_merge_uint_value(conf->mode, prev->mode, CG_MODE_OFF);

    if (conf->country == NULL) {
        conf->country = prev->country;
    }

    if (conf->subject == NULL) {
        conf->subject = prev->subject;
    }

    ngx_conf_merge_ptr_value(conf->territory, prev->territory, NULL);
    ngx_conf_merge_ptr_value(conf->require, prev->require, NULL);
    ngx_conf_merge_ptr_value(conf->require_purpose, prev->require_purpose,
                             NULL);
    ngx_conf_merge_uint_value(conf->unknown_country, prev->unknown_country, 0);
    ngx_conf_merge_uint_value(conf->anonymizer, prev->anonymizer, 0);
    ngx_conf_merge_sec_value(conf->remember, prev->remember, 180 * 86400);
    ngx_conf_merge_uint_value(conf->closed, prev->closed, 0);
    ngx_conf_merge_uint_value(conf->refuse_status, prev->refuse_status,
                              NGX_HTTP_FORBIDDEN);
    ngx_conf_merge_uint_value(conf->purpose_status, prev->purpose_status, 0);
    ngx_conf_merge_ptr_value(conf->exempt, prev->exempt, NULL);
    ngx_conf_merge_ptr_value(conf->exempt_uri, prev->exempt_uri, NULL);
    ngx_conf_merge_ptr_value(conf->exempt_agent, prev->exempt_agent, NULL);

    if (conf->override_allow == NGX_CONF_UNSET_PTR) {
        conf->override_signed = prev->override_signed;
    }

    ngx_conf_merge_ptr_value(conf->override_allow, prev->override_allow, NULL);

    if (conf->explain == NULL) {
        conf->explain = prev->explain;
    }

    s = &conf->settings;
    s->mode = CG_MODE_ON;
    s->closed = conf->closed;
    s->gate_unknown = conf->unknown_country;
    s->gate_anonymizer = conf->anonymizer;
    s->remember_days = (uint32_t) (conf->remember / 86400);

    scf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_consent_gate_module);
    s->ask_age = scf->ask_age;
    s->ages = scf->ages;

    return ngx_http_consent_check(cf, conf);
}


static char *
ngx_http_consent_resolve(ngx_conf_t *cf, ngx_array_t *names,
    ngx_http_consent_find_pt find, const char *directive, uint16_t *set)
{
    ngx_str_t                     *name;
    ngx_int_t                      n;
    ngx_uint_t                     i;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {
        n = find(mcf, ngx_http_consent_cstr(&name[i]));

        if (n == NGX_ERROR) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown name \"%V\" in \"%s\" directive",
                          &name[i], directive);
            return NGX_CONF_ERROR;
        }

        *set |= (uint16_t) (1 << n);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_consent_resolve_territory(ngx_conf_t *cf, ngx_array_t *words,
    cg_territory_t *territory)
{
    ngx_str_t   *word;
    ngx_uint_t   i;

    cg_territory_eea(territory);

    if (words == NULL) {
        return NGX_CONF_OK;
    }

    word = words->elts;

    for (i = 0; i < words->nelts; i++) {

        /* a word that names a whole set throws away what stood before it */

        if ((i && word[i].data[0] != '+' && word[i].data[0] != '-')
            || !cg_territory_word(territory, ngx_http_consent_cstr(&word[i])))
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "invalid value \"%V\" in \"consent_territory\" "
                          "directive", &word[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


#if (NGX_PCRE)

/*
 * "~*" in front makes a pattern case-insensitive, "~" does nothing, as in
 * "location". Returns the length; `p` may be NULL.
 */

static size_t
ngx_http_consent_pattern(ngx_str_t *word, u_char *p)
{
    ngx_str_t   s;
    const char  *open;

    s = *word;
    open = "(?:";

    if (s.data[0] == '~') {
        s.data++;
        s.len--;

        if (s.len && s.data[0] == '*') {
            s.data++;
            s.len--;
            open = "(?i:";
        }
    }

    if (p) {
        p = ngx_cpymem(p, open, ngx_strlen(open));
        p = ngx_cpymem(p, s.data, s.len);
        *p = ')';
    }

    return ngx_strlen(open) + s.len + 1;
}


/*
 * All patterns as one, so that a request costs one match. The branch reset
 * group lets back references count from 1 in each of them. Each is compiled
 * alone at first, for the message to name the one that is wrong.
 */

static ngx_regex_t *
ngx_http_consent_patterns(ngx_conf_t *cf, ngx_array_t *patterns,
    const char *directive)
{
    u_char               *p, errstr[NGX_MAX_CONF_ERRSTR];
    size_t                len;
    ngx_str_t            *word;
    ngx_uint_t            i;
    ngx_regex_compile_t   rc;

    word = patterns->elts;
    len = sizeof("(?|)") - 1;

    for (i = 0; i < patterns->nelts; i++) {
        len += ngx_http_consent_pattern(&word[i], NULL) + 1;
    }

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pool = cf->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    p = ngx_pnalloc(cf->pool, len + 1);
    if (p == NULL) {
        return NULL;
    }

    for (i = 0; i < patterns->nelts; i++) {

        /* an empty pattern matches all: "~* ^/x" is written "~*^/x" here */

        if (ngx_strcmp(word[i].data, "~") == 0
            || ngx_strcmp(word[i].data, "~*") == 0)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "invalid value \"%V\" in \"%s\" directive: "
                          "no pattern, a space behind it has cut it off",
                          &word[i], directive);
            return NULL;
        }

        rc.pattern.data = p;
        rc.pattern.len = ngx_http_consent_pattern(&word[i], p);
        rc.err.len = NGX_MAX_CONF_ERRSTR;
        p[rc.pattern.len] = '\0';

        if (ngx_regex_compile(&rc) != NGX_OK) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "invalid value \"%V\" in \"%s\" directive: %V",
                          &word[i], directive, &rc.err);
            return NULL;
        }
    }

    rc.pattern.data = p;
    p = ngx_cpymem(p, "(?|", 3);

    for (i = 0; i < patterns->nelts; i++) {
        p += ngx_http_consent_pattern(&word[i], p);
        *p++ = '|';
    }

    p[-1] = ')';
    *p = '\0';

    rc.pattern.len = p - rc.pattern.data;
    rc.err.len = NGX_MAX_CONF_ERRSTR;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the values of \"%s\" directive do not go together: %V",
                      directive, &rc.err);
        return NULL;
    }

    return rc.regex;
}

#endif


/* What a gate that is on needs; and the names, now that all are known. */

static char *
ngx_http_consent_check(ngx_conf_t *cf, ngx_http_consent_loc_conf_t *conf)
{
    const char                    *need;
    cg_settings_t                 *s;
    ngx_http_consent_srv_conf_t   *scf;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_consent_gate_module);
    scf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_consent_gate_module);

    s = &conf->settings;
    s->documents = (cg_docs_t) ((1u << mcf->ndocs) - 1);

    if (conf->require) {
        s->documents = 0;

        if (ngx_http_consent_resolve(cf, conf->require,
                                     ngx_http_consent_find_document,
                                     "consent_require", &s->documents)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->require_purpose
        && ngx_http_consent_resolve(cf, conf->require_purpose,
                                    ngx_http_consent_find_purpose,
                                    "consent_require_purpose", &s->purposes)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_consent_resolve_territory(cf, conf->territory, &s->territory)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

#if (NGX_PCRE)

    if (conf->exempt_uri) {
        conf->exempt_uri_regex = ngx_http_consent_patterns(cf,
                                      conf->exempt_uri, "consent_exempt_uri");
        if (conf->exempt_uri_regex == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->exempt_agent) {
        conf->exempt_agent_regex = ngx_http_consent_patterns(cf,
                                  conf->exempt_agent, "consent_exempt_agent");
        if (conf->exempt_agent_regex == NULL) {
            return NGX_CONF_ERROR;
        }
    }

#else

    if (conf->exempt_uri || conf->exempt_agent) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"consent_exempt_uri\" and \"consent_exempt_agent\" "
                      "need nginx with PCRE");
        return NGX_CONF_ERROR;
    }

#endif

    if (conf->mode == CG_MODE_OFF && !conf->api && !conf->status && !conf->qa)
    {
        return NGX_CONF_OK;
    }

    need = mcf->store == NULL ? "consent_store"
           : mcf->keys == NULL ? "consent_key_file"
           : mcf->ndocs == 0 ? "consent_document"
           : conf->qa && conf->override_allow == NULL
             && !conf->override_signed ? "consent_override"
           : conf->mode == CG_MODE_OFF ? NULL
           : scf->page.len == 0 ? "consent_page"
           : mcf->geo == NULL && conf->country == NULL
             && !s->territory.all ? "consent_geoip\" or \"consent_country"
           : NULL;

    if (need) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"%s\" for \"%s\" directive", need,
                      conf->qa ? "consent_qa" : conf->mode != CG_MODE_OFF ? "consent_gate"
                      : conf->api ? "consent_api" : "consent_status");
        return NGX_CONF_ERROR;
    }

    if (conf->mode != CG_MODE_OFF) {
        ngx_http_consent_cookie_check(cf, scf);
    }

    return NGX_CONF_OK;
}
