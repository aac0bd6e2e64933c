/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_CONSENT_GATE_MODULE_H
#define NGX_HTTP_CONSENT_GATE_MODULE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "../core/cg_event.h"
#include "../core/cg_link.h"
#include "../core/cg_path.h"
#include "../core/cg_receipt.h"
#include "../core/cg_tcf.h"
#include "../core/cg_token.h"
#include "../cache/ngx_consent_cache.h"
#include "../geo/cg_geo.h"
#include "../store/ngx_consent_store.h"


#define NGX_HTTP_CONSENT_VERSION  CG_VERSION

#define NGX_HTTP_CONSENT_FORM_TTL   CG_FORM_TTL         /* seconds */
#define NGX_HTTP_CONSENT_GATED_TTL  600     /* seconds from gate to page */
#define NGX_HTTP_CONSENT_TOMBSTONE_TTL  CG_TOMBSTONE_TTL
#define NGX_HTTP_CONSENT_MAX_BODY   32768   /* bytes of a POST to the API */
#define NGX_HTTP_CONSENT_RETRY      "5"     /* seconds, of Retry-After */
#define NGX_HTTP_CONSENT_MAX_ACCOUNT  1024  /* bytes of an account's id */

/* seconds, a hundred years: Redis and the sum with the clock take as much */
#define NGX_HTTP_CONSENT_MAX_TIME   3153600000


/* $consent_cache; the order is that of its names */

typedef enum {
    NGX_HTTP_CONSENT_CACHE_BYPASS = 0,
    NGX_HTTP_CONSENT_CACHE_HIT,
    NGX_HTTP_CONSENT_CACHE_MISS,
    NGX_HTTP_CONSENT_CACHE_STALE
} ngx_http_consent_cache_e;

typedef struct ngx_http_consent_flights_s  ngx_http_consent_flights_t;
typedef struct ngx_http_consent_counters_s  ngx_http_consent_counters_t;
typedef struct ngx_http_consent_visits_s  ngx_http_consent_visits_t;
typedef struct ngx_http_consent_override_s  ngx_http_consent_override_t;
typedef struct ngx_http_consent_adoptions_s  ngx_http_consent_adoptions_t;


typedef struct {
    ngx_str_t                  name;
    unsigned                   acknowledge:1;  /* kind: acknowledge or accept */
    cg_policy_t                policy;         /* static parameters */
} ngx_http_consent_document_t;


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  title;
    unsigned                   necessary:1;
    unsigned                   gpc_deny:1;
} ngx_http_consent_purpose_t;


/* consent_tcf: where a purpose stands in the string of a consent manager. */

typedef struct {
    ngx_str_t                  name;
    cg_tcf_map_t               map;
} ngx_http_consent_tcf_t;


/* Where a directive stands, to be told to who asks why. */

typedef struct {
    void                      *conf;        /* that it sets */
    ngx_str_t                  directive;
    ngx_str_t                  file;
    ngx_uint_t                 line;
} ngx_http_consent_origin_t;


/* A database of the configuration, and its watch in a worker. */

typedef struct {
    const char                *directive;
    cg_geo_t                *(*open)(const char *path, char *err);
    ngx_str_t                  path;
    ngx_msec_t                 reload;
    cg_geo_t                  *db;
    ngx_event_t                timer;
    unsigned                   failed:1;    /* the new file was reported */
} ngx_http_consent_geo_t;


typedef struct {
    ngx_consent_store_conf_t  *store;
    ngx_consent_store_t       *client;      /* of this worker */
    cg_keys_t                 *keys;
    ngx_http_consent_geo_t    *geo;         /* of countries */
    ngx_http_consent_geo_t    *anonymizers;
    ngx_consent_cache_t       *cache;       /* NULL: none */
    ngx_http_consent_flights_t  *flights;   /* of this worker, with a cache */
    ngx_http_consent_visits_t *visits;      /* of this worker */
    ngx_http_consent_adoptions_t  *adoptions;  /* of this worker */
    ngx_http_consent_counters_t  *counters;  /* shared; NULL: no store */

    ngx_uint_t                 ndocs;
    ngx_http_consent_document_t  docs[CG_MAX_DOCUMENTS];
    ngx_uint_t                 npurposes;
    ngx_http_consent_purpose_t   purposes[CG_MAX_PURPOSES];

    ngx_array_t               *tcf;         /* ngx_http_consent_tcf_t; or NULL */
    cg_tcf_map_t               tcf_maps[CG_MAX_PURPOSES];
    uint16_t                   tcf_vendors[CG_MAX_PURPOSES];

    ngx_array_t                variables;   /* ngx_uint_t: indexes in use */
    unsigned                   record_variables:1;  /* one needs the record */
    unsigned                   overrides:1;     /* allowed somewhere */
    unsigned                   accounts:1;  /* consent_subject is in use */

    ngx_array_t                origins;     /* ngx_http_consent_origin_t */
} ngx_http_consent_main_conf_t;


typedef struct {
    ngx_str_t                  realm;
    ngx_str_t                  page;
    ngx_str_t                  age_page;
    ngx_str_t                  choices_page;

    ngx_flag_t                 ask_age;
    cg_ages_t                 *ages;            /* NULL: nothing is set */

    ngx_str_t                  cookie;          /* empty: by the default */
    time_t                     cookie_max_age;
    ngx_str_t                  cookie_domain;
    ngx_uint_t                 cookie_secure;   /* auto, on, off */
    unsigned                   cookie_checked:1;

    /* of the cache's tags, by kind of subject and whether by account */
    uint8_t                    tag_keys[CG_SUBJECT_TEST + 1][2][16];
} ngx_http_consent_srv_conf_t;


typedef struct {
    ngx_uint_t                 mode;            /* cg_mode_e, or ..._VARIABLE */
    ngx_http_complex_value_t  *mode_value;

    ngx_http_complex_value_t  *country;
    ngx_http_complex_value_t  *subject;
    ngx_array_t               *territory;       /* ngx_str_t: its words */
    ngx_array_t               *require;         /* ngx_str_t: documents */
    ngx_array_t               *require_purpose; /* ngx_str_t */
    ngx_uint_t                 unknown_country; /* 1: gate */
    ngx_uint_t                 anonymizer;      /* 1: gate */
    time_t                     remember;        /* seconds, 0: off */
    ngx_uint_t                 closed;          /* 1: on_error closed */
    ngx_uint_t                 refuse_status;
    ngx_uint_t                 purpose_status;  /* 0: as refuse_status */

    ngx_array_t               *exempt;          /* complex values */
    ngx_array_t               *exempt_uri;      /* ngx_str_t: patterns */
    ngx_array_t               *exempt_agent;
#if (NGX_PCRE)
    ngx_regex_t               *exempt_uri_regex;
    ngx_regex_t               *exempt_agent_regex;
#endif

    ngx_http_complex_value_t  *override_allow;
    ngx_uint_t                 override_signed;
    ngx_http_complex_value_t  *explain;

    cg_settings_t              settings;        /* made of the above */
    void                      *parent;          /* what it inherits from */
    unsigned                   api:1;
    unsigned                   qa:1;
    ngx_uint_t                 status;          /* ..._STATUS_AUTO etc. */
} ngx_http_consent_loc_conf_t;

#define NGX_HTTP_CONSENT_MODE_VARIABLE  (CG_MODE_REPORT + 1)

#define NGX_HTTP_CONSENT_STATUS_AUTO        1    /* as the client accepts */
#define NGX_HTTP_CONSENT_STATUS_JSON        2
#define NGX_HTTP_CONSENT_STATUS_PROMETHEUS  3

#define NGX_HTTP_CONSENT_SECURE_AUTO    0
#define NGX_HTTP_CONSENT_SECURE_ON      1
#define NGX_HTTP_CONSENT_SECURE_OFF     2


/* The headers of testers, X-Consent-Country and so on. */

typedef enum {
    NGX_HTTP_CONSENT_X_OVERRIDE = 0,
    NGX_HTTP_CONSENT_X_COUNTRY,
    NGX_HTTP_CONSENT_X_ANONYMIZER,
    NGX_HTTP_CONSENT_X_TIME,
    NGX_HTTP_CONSENT_X_RECORD,
    NGX_HTTP_CONSENT_X_RESIDENCE,
    NGX_HTTP_CONSENT_X_HISTORY,
    NGX_HTTP_CONSENT_X_HEADERS
} ngx_http_consent_x_e;


/* The request headers that matter, collected in one walk over the list. */

typedef struct {
    ngx_str_t                  sec_fetch_mode;
    ngx_str_t                  sec_fetch_dest;
    ngx_str_t                  sec_fetch_site;
    ngx_str_t                  accept;
    ngx_str_t                  accept_language;
    ngx_str_t                  x_requested_with;
    ngx_str_t                  origin;
    ngx_str_t                  override[NGX_HTTP_CONSENT_X_HEADERS];
    ngx_str_t                  gpc;
} ngx_http_consent_headers_t;


/*
 * Of one client request: lives in the main request's pool inside a cleanup
 * record, by which it is found again when an internal redirect has cleared
 * r->ctx.
 */

typedef struct {
    ngx_http_request_t           *request;
    ngx_http_consent_main_conf_t *mcf;
    ngx_table_elt_t              *explain;     /* the header sent with a pass */
    ngx_http_consent_headers_t   *headers;     /* NULL: not walked yet */

    cg_facts_t                    facts;
    cg_decision_t                 decision;
    cg_decision_t                 would;       /* if it were not our page */
    ngx_uint_t                    mode;        /* cg_mode_e */
    uint8_t                       country[2];

    ngx_str_t                     uri;         /* the client's, normalized */
    ngx_uint_t                    method;      /* the client's */
    ngx_str_t                     account;     /* the id of an account */
    uint8_t                       visitor[CG_VISITOR_ID_LEN];
    cg_subject_t                  subject;     /* valid if `derived` */
    uint8_t                       tag[CG_TAG_LEN];     /* if `tagged` */
    cg_record_t                   record;      /* with CG_LOOKUP_FOUND */
    cg_record_t                  *receipt;     /* of the cookie; or NULL */
    ngx_str_t                     receipt_text;  /* the same, not opened */
    ngx_consent_call_t            call;        /* a question of its own */
    ngx_queue_t                   waiter;      /* for a flight */
    ngx_event_t                   resume;      /* when that has landed */
    uint64_t                      asked;       /* us, when `call` was made */
    uint8_t                       cache;       /* ngx_http_consent_cache_e */
    bool                          found;       /* there, with a record */

    ngx_str_t                     token;       /* the form token, once made */
    cg_link_t                    *link;        /* by which the subject came */
    struct ngx_http_consent_change_s  *change; /* a POST under way */
    struct ngx_http_consent_adopt_s   *adopt;  /* a merge under way */
    ngx_consent_walk_t           *walk;        /* an export under way */

    ngx_http_consent_override_t  *override;    /* a tester's; or NULL */
    ngx_http_consent_override_t  *held;        /* by this browser, on the
                                                * page for testers */
    ngx_str_t                     fields;      /* of that page's forms */
    ngx_str_t                     override_token;  /* to be moved */
    int64_t                       tester_until; /* of a token; 0: no end */
    const char                   *override_error;  /* of words in a query */

    uint64_t                      began;       /* us, to ask for the record */
    uint64_t                      place_us;    /* what it took, if `timed` */
    uint64_t                      record_us;

    unsigned                      gathered:1;
    unsigned                      waiting:1;
    unsigned                      looked_up:1;     /* the record was asked for */
    unsigned                      fetched:1;       /* and the policies */
    unsigned                      in_flight:1;   /* linked by `waiter` */
    unsigned                      stale:1;       /* `record` is, so far */
    unsigned                      previous:1;    /* found by the old key */
    unsigned                      derived:1;
    unsigned                      classified:1;
    unsigned                      anonymizer:1;    /* looked for */
    unsigned                      tagged:1;
    unsigned                      tcf:1;       /* the cookie is read */
    unsigned                      tcf_found:1;     /* and of use */
    unsigned                      has_visitor:1;   /* a valid visitor id */
    unsigned                      gated:1;     /* subject by the gated cookie */
    unsigned                      adopted:1;   /* the visitor was seen to */
    unsigned                      spent:1;     /* and is to be replaced */
    unsigned                      page:1;      /* one of our pages */
    unsigned                      page_headers:1;  /* sent with this answer */
    unsigned                      secret:1;    /* the URI is: no referrer */
    unsigned                      done:1;      /* a decision is there */
    unsigned                      pretending:1;    /* `record` is pretended */
    unsigned                      override_moves:1;  /* to a cookie, or away */
    unsigned                      tester:1;    /* may set an override here */
    unsigned                      timed:1;     /* somebody asks how long */
} ngx_http_consent_ctx_t;


extern ngx_module_t  ngx_http_consent_gate_module;


/* A cg_str_t that points where an ngx_str_t points, and the reverse. */

#define ngx_http_consent_cstr(s)                                              \
    ((cg_str_t) { (s)->len, (s)->data })

static ngx_inline ngx_str_t
ngx_http_consent_nstr(cg_str_t s)
{
    ngx_str_t  n;

    n.len = s.len;
    n.data = (u_char *) s.data;

    return n;
}


/* What is on record about the subject; NULL: nothing, or not known. */

static ngx_inline const cg_record_t *
ngx_http_consent_record(const ngx_http_consent_ctx_t *ctx)
{
    return ctx->facts.lookup == CG_LOOKUP_FOUND ? &ctx->record : NULL;
}


/* The same, or what a receipt says while the record cannot be read. */

static ngx_inline const cg_record_t *
ngx_http_consent_answers(const ngx_http_consent_ctx_t *ctx)
{
    return ctx->facts.lookup == CG_LOOKUP_FAILED
           ? ctx->facts.receipt : ngx_http_consent_record(ctx);
}


/*
 * Whether NGX_AGAIN says that the request waits for the store. It may as well
 * come of an answer that could not be sent at once, and then the request is
 * to be finalized with it.
 */

static ngx_inline ngx_uint_t
ngx_http_consent_waits(const ngx_http_consent_ctx_t *ctx, ngx_int_t rc)
{
    return rc == NGX_AGAIN && ctx->waiting;
}


/* ngx_http_consent_handler.c */

/* Decides in the precontent phase. */
ngx_int_t ngx_http_consent_handler(ngx_http_request_t *r);
/* The context of the main request, over internal redirects; or NULL. */
ngx_http_consent_ctx_t *ngx_http_consent_get_ctx(ngx_http_request_t *r);
/* Forgets the record that was read, so that the next run reads it again. */
void ngx_http_consent_forget(ngx_http_consent_ctx_t *ctx);


/*
 * The request waits for the store, and its client is watched meanwhile: one
 * who leaves frees it. NGX_AGAIN, or NGX_ERROR.
 */
ngx_int_t ngx_http_consent_wait(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* It waits no longer. Whoever calls it goes on with the request, and then
 * runs posted requests. */
void ngx_http_consent_wake(ngx_http_consent_ctx_t *ctx);
/* The facts are complete: goes on with the request that waited for them. */
void ngx_http_consent_resume(ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_own.c: our own pages */

/* What the decision would be if it were not one: ctx->would. */
void ngx_http_consent_suppose(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_loc_conf_t *lcf);
/* What goes out with one; then it is served by what the location has. */
ngx_int_t ngx_http_consent_show_page(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_lookup.c */

/* In a worker, when there is a cache. */
ngx_int_t ngx_http_consent_flights_init(ngx_http_consent_main_conf_t *mcf,
    ngx_cycle_t *cycle);
/*
 * Reads the record of the subject. NGX_OK: it is known, or known not to be to
 * be had (ctx->facts.lookup); NGX_AGAIN: ngx_http_consent_resume() will be
 * called.
 */
ngx_int_t ngx_http_consent_look_up(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* The same for the policies, as long as nobody has read them. */
ngx_int_t ngx_http_consent_fetch_policies(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Waits no longer, for whatever it was. */
void ngx_http_consent_leave(ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_cache.c */

char *ngx_http_consent_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* When all is configured: the key of tags, and who hears the feed. */
ngx_int_t ngx_http_consent_cache_init(ngx_conf_t *cf,
    ngx_http_consent_main_conf_t *mcf);
/* Then, for each server: the keys for its realm. */
void ngx_http_consent_cache_keys(ngx_consent_cache_t *cache,
    ngx_http_consent_srv_conf_t *scf);


/* ngx_http_consent_facts.c */

/*
 * Finds out what does not need the store. Done once for each client request,
 * from the client's own URI. NGX_ERROR when out of memory.
 */
ngx_int_t ngx_http_consent_gather(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* What the gate is at this location: on, off or report. */
ngx_uint_t ngx_http_consent_mode(ngx_http_request_t *r,
    ngx_http_consent_loc_conf_t *lcf);
/* A value is true unless it is empty or "0", as everywhere in nginx. */
ngx_uint_t ngx_http_consent_truth(ngx_str_t *value);
/* Whether a value of the configuration says no: empty, "0" or "off". */
ngx_uint_t ngx_http_consent_off(ngx_str_t *value);


/* ngx_http_consent_headers.c */

/* The class of the request, cross-site and GPC: walks the headers once. */
ngx_int_t ngx_http_consent_classify(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Whether the browser sends Sec-GPC: 1. */
ngx_uint_t ngx_http_consent_gpc(ngx_http_consent_ctx_t *ctx);
/* The headers, walked once. NULL when out of memory. */
ngx_http_consent_headers_t *ngx_http_consent_headers(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_override.c */

/* NGX_OK: the facts are what a tester asks for; NGX_DECLINED: they are not. */
ngx_int_t ngx_http_consent_overridden(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);
/* The time of a tester: seconds since 1970. */
int64_t ngx_http_consent_test_time(ngx_http_consent_ctx_t *ctx);

/* The time by which policies count. What expires does so by ngx_time(). */

static ngx_inline int64_t
ngx_http_consent_now(ngx_http_consent_ctx_t *ctx)
{
    return ctx->override ? ngx_http_consent_test_time(ctx) : ngx_time();
}


/* ngx_http_consent_anonymizer.c */

/* What the address is known as, looked for once; unless it is overridden. */
cg_anonymizer_e ngx_http_consent_anonymizer(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_visit.c */

/* In a worker, with a store; and when it exits. */
ngx_int_t ngx_http_consent_visits_init(ngx_http_consent_main_conf_t *mcf,
    ngx_cycle_t *cycle);
void ngx_http_consent_visits_done(ngx_http_consent_main_conf_t *mcf);
/* A visit from inside, of a day that the record does not have: see to it. */
void ngx_http_consent_visited(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_loc_conf_t *lcf);


/* ngx_http_consent_event.c */

/*
 * The event of a write: fills in what every event has and what the write
 * says, makes its body and signs it. NGX_ERROR when out of memory.
 */
ngx_int_t ngx_http_consent_seal_event(ngx_http_request_t *r, cg_event_t *e,
    ngx_consent_write_t *write);


/* ngx_http_consent_adopt.c: what a visitor has said, and an account has not */

/* In a worker, with a store. */
ngx_int_t ngx_http_consent_adoptions_init(ngx_http_consent_main_conf_t *mcf,
    ngx_cycle_t *cycle);
/*
 * An account comes with a visitor's cookie, and its record is known. NGX_OK:
 * it has what it takes over; NGX_AGAIN: ngx_http_consent_resume() will be
 * called, then ask again.
 */
ngx_int_t ngx_http_consent_adopt(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* The request ends. */
void ngx_http_consent_adopt_leave(ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_given.c: the cookie that says what was accepted here */

/* Sends it, for what a visitor has accepted: the change that was written. */
ngx_int_t ngx_http_consent_send_given(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const ngx_consent_write_t *write);
/* Takes it back. */
ngx_int_t ngx_http_consent_clear_given(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_derive.c */

/* The subject's pseudonym, derived once. NGX_ERROR when libcrypto fails. */
ngx_int_t ngx_http_consent_derive(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_uri.c */

/*
 * With a slash behind it too: nginx redirects to it when the page is a
 * directory, and to send that back here would never end.
 */

static ngx_inline ngx_uint_t
ngx_http_consent_uri_is(ngx_str_t *page, ngx_str_t *uri)
{
    return uri->len - page->len < 2 && page->len
           && ngx_memcmp(uri->data, page->data, page->len) == 0
           && (uri->len == page->len || uri->data[page->len] == '/');
}


/* Whether the client's URI is that of one of our pages. */

static ngx_inline ngx_uint_t
ngx_http_consent_is_page(ngx_http_consent_srv_conf_t *scf, ngx_str_t *uri)
{
    return ngx_http_consent_uri_is(&scf->page, uri)
           || ngx_http_consent_uri_is(&scf->age_page, uri)
           || ngx_http_consent_uri_is(&scf->choices_page, uri);
}


/* The same of a request that a rewrite, or a redirect within nginx, has sent
 * elsewhere. */
ngx_uint_t ngx_http_consent_was_page(ngx_http_request_t *r);
/* The client's URI, normalized, whatever rewrites have made of r->uri. */
ngx_int_t ngx_http_consent_client_uri(ngx_http_request_t *r, ngx_str_t *uri);
/*
 * Whether the path of the request line may be another one to who is behind
 * us: no page of ours then, nor exempt by its path.
 */
ngx_uint_t ngx_http_consent_ambiguous(ngx_http_request_t *r);
/* The method of the request line. */
ngx_uint_t ngx_http_consent_client_method(ngx_http_request_t *r);


/* ngx_http_consent_tcf.c */

char *ngx_http_consent_tcf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* When all purposes are known. */
ngx_int_t ngx_http_consent_tcf_init(ngx_conf_t *cf,
    ngx_http_consent_main_conf_t *mcf);
/* Reads the string of a consent manager once, where consent_tcf is there. */
ngx_int_t ngx_http_consent_know_tcf(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* The purposes that count as granted, all that is known taken together. */
cg_purposes_t ngx_http_consent_granted(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_cookie.c */

/* The first value of a cookie that `open` takes; NGX_DECLINED: none. */
typedef ngx_uint_t (*ngx_http_consent_open_pt)(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);

ngx_int_t ngx_http_consent_find_cookie(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *name,
    ngx_http_consent_open_pt open);

/* The same for a cookie named after the visitor's, with a suffix. */
ngx_int_t ngx_http_consent_read_other(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const char *suffix,
    ngx_http_consent_open_pt open);
ngx_int_t ngx_http_consent_send_other(ngx_http_request_t *r,
    const char *suffix, ngx_str_t *value, time_t max_age);
/* A new visitor: random bytes, and the cookie for the session. */
ngx_int_t ngx_http_consent_new_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* With an answer of ours: a new visitor for one whose record is merged. */
ngx_int_t ngx_http_consent_replace_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Whether browsers take our cookies from this host over TLS only. */
ngx_uint_t ngx_http_consent_host_cookies(ngx_http_request_t *r);
/* Of cookies that stand for an answer: seconds; a day for a tester's. */
time_t ngx_http_consent_cookie_life(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Sends the visitor cookie for its full life: the visitor has answered. */
ngx_int_t ngx_http_consent_keep_visitor(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Takes it back. */
ngx_int_t ngx_http_consent_clear_visitor(ngx_http_request_t *r);


/* ngx_http_consent_gated.c: who was sent to the page */

ngx_int_t ngx_http_consent_read_gated(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Sends the ten-minute cookie that names the gated account. */
ngx_int_t ngx_http_consent_send_gated(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Takes that cookie back. */
ngx_int_t ngx_http_consent_clear_gated(ngx_http_request_t *r);
/* The same cookie with the link of an email in it. */
ngx_int_t ngx_http_consent_send_link(ngx_http_request_t *r, ngx_str_t *token,
    time_t max_age);
/* Sets ctx->link if the account that is signed in came by one of its own. */
ngx_int_t ngx_http_consent_read_link(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_receipt.c */

/* The store does not answer: facts.receipt, if a valid one came along. */
ngx_int_t ngx_http_consent_read_receipt(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Takes it back. */
ngx_int_t ngx_http_consent_clear_receipt(ngx_http_request_t *r);
/* ctx->receipt_text: the cookie as it is; empty if there is none. */
ngx_int_t ngx_http_consent_receipt_text(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Sends a receipt for `record`, which is what the store has now. */
ngx_int_t ngx_http_consent_send_receipt(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, const cg_record_t *record);


/* ngx_http_consent_names.c */

/* The number of a document or purpose; NGX_ERROR: there is none so called. */
ngx_int_t ngx_http_consent_find_document(ngx_http_consent_main_conf_t *mcf,
    cg_str_t name);
ngx_int_t ngx_http_consent_find_purpose(ngx_http_consent_main_conf_t *mcf,
    cg_str_t name);
/* The names of a set of documents, with commas between. */
void ngx_http_consent_doc_names(ngx_http_consent_main_conf_t *mcf,
    cg_docs_t docs, cg_out_t *out);
/* The same as a list of JSON. */
void ngx_http_consent_doc_json(ngx_http_consent_main_conf_t *mcf,
    cg_docs_t docs, cg_out_t *out);
/* A set of documents from names with commas between; others are ignored. */
cg_docs_t ngx_http_consent_doc_set(ngx_http_consent_main_conf_t *mcf,
    cg_str_t names);


/* ngx_http_consent_answer.c */

/* The gate's own answer to an action other than pass; finalizes r. */
ngx_int_t ngx_http_consent_answer(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_action_e action);
/* Adds a response header; key and value must live as long as r. */
ngx_table_elt_t *ngx_http_consent_add_header(ngx_http_request_t *r,
    const char *key, ngx_str_t *value);
/* The headers that every answer of ours has: no-store and the like. */
ngx_int_t ngx_http_consent_own_headers(ngx_http_request_t *r);
/* Sends a body that lives as long as r. Returns what to finalize with. */
ngx_int_t ngx_http_consent_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body);
/*
 * "/page?return=...&need=...", in the pool of r. `problem` (or NULL) becomes
 * another argument.
 */
ngx_int_t ngx_http_consent_page_args(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_str_t back, cg_docs_t need,
    const char *problem, ngx_str_t *args);
/* "PAGE?ARGS", in the pool of r. */
ngx_int_t ngx_http_consent_page_uri(ngx_http_request_t *r, ngx_str_t *page,
    ngx_str_t *args, ngx_str_t *uri);
/* Location and no body. Returns what to finalize with. */
ngx_int_t ngx_http_consent_redirect(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *location);
/* When to try again: with every 503. */
ngx_int_t ngx_http_consent_retry_after(ngx_http_request_t *r);
/* problem+json (RFC 9457) with the members that the design lists. */
ngx_int_t ngx_http_consent_problem(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_uint_t status, const char *type,
    const char *title, const char *detail, cg_str_t reason, cg_docs_t missing);


/* ngx_http_consent_explain.c */

/* The Consent-Gate header, when the location asks for it. */
ngx_int_t ngx_http_consent_explain(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* Names of $consent_cache. */
cg_str_t ngx_http_consent_cache_name(ngx_uint_t cache);


/* ngx_http_consent_qa.c */

char *ngx_http_consent_qa(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* Who may see the page for testers, and what they want to look at. */
ngx_int_t ngx_http_consent_qa_override(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_int_t allowed);


/* ngx_http_consent_origin.c */

/* Remembers where a directive stands. conf: of its level; NULL: of all. */
char *ngx_http_consent_note(ngx_conf_t *cf, void *conf);
/* Where a location has it from; NULL: nowhere, it is the default. */
ngx_http_consent_origin_t *ngx_http_consent_origin(ngx_http_request_t *r,
    const char *directive);


/* ngx_http_consent_variables.c */

ngx_int_t ngx_http_consent_add_variables(ngx_conf_t *cf);
/* After the configuration: which of ours are in use. */
ngx_int_t ngx_http_consent_find_variables(ngx_cycle_t *cycle,
    ngx_http_consent_main_conf_t *mcf);
/* Values that were read before the decision are read again after it. */
void ngx_http_consent_flush_variables(ngx_http_request_t *r,
    ngx_http_consent_main_conf_t *mcf);
/* What a variable writes: never more than this, except the tokens. */

#define NGX_HTTP_CONSENT_VALUE  1024    /* bytes */

/* Hands a value to nginx, in the pool of r. */
ngx_int_t ngx_http_consent_set_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, cg_out_t *out);


/* ngx_http_consent_document_variables.c */

/* $consent_document_NAME_FIELD */
ngx_int_t ngx_http_consent_document_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* ngx_http_consent_purpose_variables.c */

/* $consent_purpose_NAME, $consent_purpose_NAME_FIELD */
ngx_int_t ngx_http_consent_purpose_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* ngx_http_consent_form.c: what the page is about */

/* The checked path to return to, from the query; "/" otherwise. */
cg_str_t ngx_http_consent_return(ngx_http_request_t *r);
/*
 * The documents that the page of this request is about: what is missing of
 * those that need= names or else the location requires; and what need= names
 * in a version that is newer than the accepted one, enforced or not yet.
 */
cg_docs_t ngx_http_consent_open(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* The language asked for. Returns its length. */
size_t ngx_http_consent_locale(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, uint8_t locale[CG_MAX_LOCALE]);
/* The age in years that the page asks for; 0: none. */
uint8_t ngx_http_consent_min_age(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/* What is known of it: "ok", "minor", "unconfirmed"; empty: not asked. */
cg_str_t ngx_http_consent_age_state(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);
/*
 * The form token for what is open, made once. NGX_DECLINED: no subject, or no
 * answer is taken.
 */
ngx_int_t ngx_http_consent_form_token(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *token);


/* ngx_http_consent_api.c */

char *ngx_http_consent_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* Sends a problem of the API; what to finalize with. */
ngx_int_t ngx_http_consent_api_problem(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, const char *title,
    const char *detail, cg_docs_t missing);


/* ngx_http_consent_link.c */

/* Content handler of GET and HEAD of a link. */
ngx_int_t ngx_http_consent_link(ngx_http_request_t *r, ngx_uint_t what);
/* 303 to the page, which tells what is wrong with it. */
ngx_int_t ngx_http_consent_link_refuse(ngx_http_request_t *r,
    cg_link_e state);
/* Sets ctx->link, if the value is a good one. */
ngx_uint_t ngx_http_consent_open_link(ngx_http_consent_ctx_t *ctx,
    cg_str_t value);
/* The key that tells whether ctx->link is spent. */
ngx_int_t ngx_http_consent_link_key(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_str_t *key);
/* Whether the subject is known by a link alone, which only lets accept. */
ngx_uint_t ngx_http_consent_only_link(ngx_http_consent_ctx_t *ctx);


/* ngx_http_consent_body.c: what a POST brings */

typedef struct {
    cg_str_t                   token;
    cg_str_t                   back;         /* return=, checked */
    cg_docs_t                  documents;    /* ticked */
    cg_purposes_t              purposes;     /* granted */
    cg_str_t                   residence;    /* if `resides`; empty: none */
    uint8_t                    age_state;    /* cg_age_e; NONE: not said */
    unsigned                   json:1;       /* else a form */
    unsigned                   unknown:1;    /* a name we do not have */
    unsigned                   resides:1;    /* residence= is there */
} ngx_http_consent_post_t;

/*
 * Reads a form or JSON out of the request's body. NGX_OK, or the status to
 * answer with: 400, 413, 415, 500.
 */
ngx_int_t ngx_http_consent_parse_body(ngx_http_request_t *r,
    ngx_http_consent_post_t *post);


/* The body in one piece; NGX_OK, or the status to answer with. */
ngx_int_t ngx_http_consent_collect(ngx_http_request_t *r, ngx_str_t *body);


/* ngx_http_consent_post.c: whatever changes a record */

/* Whether a POST comes from a page of this site, as the browser says. */
ngx_uint_t ngx_http_consent_same_origin(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx);

/* Content handler of a POST; `what` is a cg_event_e, not _MERGE or _LINK. */
ngx_int_t ngx_http_consent_post(ngx_http_request_t *r, ngx_uint_t what);


/* ngx_http_consent_export.c */

/* Content handler of GET export; `what` does not matter. */
ngx_int_t ngx_http_consent_export(ngx_http_request_t *r, ngx_uint_t what);


/* ngx_http_consent_status.c */

char *ngx_http_consent_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* ngx_http_consent_geo.c */

char *ngx_http_consent_geoip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_anonymizer_db(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* Starts the watch of the file in a worker. */
void ngx_http_consent_geo_watch(ngx_http_consent_geo_t *geo,
    ngx_cycle_t *cycle);


/* Setters: ngx_http_consent_{conf,key_file,documents,cookie_conf}.c */

/* Compiles a value with variables; NGX_CONF_OK or _ERROR. */
char *ngx_http_consent_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv);
/* Logs the value and the directive. Returns NGX_CONF_ERROR. */
char *ngx_http_consent_invalid(ngx_conf_t *cf, ngx_str_t *value);

char *ngx_http_consent_gate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_document(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_purpose(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_uri(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_ask_age(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_age(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_visitor_cookie(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* Warns of a name that browsers will not take; once for a server. */
void ngx_http_consent_cookie_check(ngx_conf_t *cf,
    ngx_http_consent_srv_conf_t *scf);
char *ngx_http_consent_subject(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_country(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_switch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* As ngx_conf_set_enum_slot, with the directive's name in the message. */
char *ngx_http_consent_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_words(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_remember(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_consent_exempt(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_consent_override(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_consent_store_conf.c: the block consent_store */

#define NGX_HTTP_CONSENT_REDIS_PORT     6379
#define NGX_HTTP_CONSENT_SENTINEL_PORT  26379

char *ngx_http_consent_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_consent_store_check.c: a line in the log, or NGX_CONF_OK */

char *ngx_http_consent_store_servers(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);
/* A setting that has a value and needs another one, if there is none. */
ngx_uint_t ngx_http_consent_store_lone(ngx_conf_t *cf, const char *name,
    ngx_str_t *value, const char *other);
char *ngx_http_consent_store_tls(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);
/* When all of the http block is read. */
char *ngx_http_consent_store_resolve(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);

/* ngx_http_consent_merge.c: merging, and checks of the whole */

void *ngx_http_consent_create_main_conf(ngx_conf_t *cf);
char *ngx_http_consent_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_consent_create_srv_conf(ngx_conf_t *cf);
char *ngx_http_consent_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
void *ngx_http_consent_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_consent_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

#endif /* NGX_HTTP_CONSENT_GATE_MODULE_H */
