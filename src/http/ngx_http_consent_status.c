/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_counters.h"


/*
 * The state of the gate, out of shared memory. One table of metrics gives the
 * Prometheus text (exposition format 0.0.4); JSON has the same numbers under
 * the names without prefix and unit.
 */

#define NGX_HTTP_CONSENT_STATUS_SIZE  65536     /* bytes of an answer */
#define NGX_HTTP_CONSENT_SAMPLE       1024      /* buckets looked at */


typedef struct {
    ngx_http_request_t            *r;
    ngx_http_consent_main_conf_t  *mcf;
    ngx_http_consent_counters_t    sum;
    ngx_consent_store_status_t     store;
    cg_out_t                       out;
} ngx_http_consent_report_t;


static ngx_int_t ngx_http_consent_status_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_consent_wants_json(ngx_http_request_t *r,
    ngx_uint_t format);
static void ngx_http_consent_status_json(ngx_http_consent_report_t *report);
static void ngx_http_consent_status_text(ngx_http_consent_report_t *report);
static void ngx_http_consent_text_decisions(
    ngx_http_consent_report_t *report);
static void ngx_http_consent_text_latency(ngx_http_consent_report_t *report);
static void ngx_http_consent_text_documents(
    ngx_http_consent_report_t *report);
static void ngx_http_consent_json_decisions(
    ngx_http_consent_report_t *report);
static void ngx_http_consent_json_latency(ngx_http_consent_report_t *report);
static void ngx_http_consent_json_documents(
    ngx_http_consent_report_t *report);


static const char  *ngx_http_consent_cache_names[] = {
    "bypass", "hit", "miss", "stale"
};

static const char  *ngx_http_consent_lookup_names[] = {
    "ok", "down", "full", "timeout", "lost", "protocol", "refused"
};

static const char  *ngx_http_consent_write_names[] = {
    "written", "unchanged", "repeated", "conflict", "foreign", "failed"
};


char *
ngx_http_consent_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_consent_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->status) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->status = NGX_HTTP_CONSENT_STATUS_AUTO;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "json") == 0) {
            lcf->status = NGX_HTTP_CONSENT_STATUS_JSON;

        } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
            lcf->status = NGX_HTTP_CONSENT_STATUS_PROMETHEUS;

        } else {
            return ngx_http_consent_invalid(cf, &value[1]);
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_consent_status_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_consent_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_str_t                     body;
    const char                   *type;
    ngx_http_consent_report_t    *report;
    ngx_http_consent_loc_conf_t  *lcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    report = ngx_pcalloc(r->pool, sizeof(ngx_http_consent_report_t));
    body.data = ngx_palloc(r->pool, NGX_HTTP_CONSENT_STATUS_SIZE);

    if (report == NULL || body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    report->r = r;
    report->mcf = ngx_http_get_module_main_conf(r,
                                                ngx_http_consent_gate_module);
    cg_out_init(&report->out, body.data, NGX_HTTP_CONSENT_STATUS_SIZE);

    ngx_http_consent_counters_sum(report->mcf, &report->sum);
    ngx_consent_store_status(report->mcf->client, &report->store);

    if (ngx_http_consent_wants_json(r, lcf->status)) {
        type = "application/json";
        ngx_http_consent_status_json(report);

    } else {
        type = "text/plain; version=0.0.4; charset=utf-8";
        ngx_http_consent_status_text(report);
    }

    body.len = cg_out_len(&report->out);

    if (report->out.overflow || ngx_http_consent_own_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_consent_send(r, NGX_HTTP_OK, type, &body);
}


/* Prometheus asks for text/plain or OpenMetrics by name; others get JSON. */

static ngx_uint_t
ngx_http_consent_wants_json(ngx_http_request_t *r, ngx_uint_t format)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (format != NGX_HTTP_CONSENT_STATUS_AUTO) {
        return format == NGX_HTTP_CONSENT_STATUS_JSON;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == 6
                && ngx_strncmp(h[i].lowcase_key, "accept", 6) == 0)
            {
                return ngx_strstr(h[i].value.data, "text/plain") == NULL
                       && ngx_strstr(h[i].value.data, "openmetrics") == NULL;
            }
        }
    }

    return 1;
}


/* HELP and TYPE, once for each family. */

static void
ngx_http_consent_family(cg_out_t *out, const char *name, const char *type,
    const char *help)
{
    cg_out_str(out, cg_str("# HELP consent_gate_"));
    cg_out_bytes(out, name, ngx_strlen(name));
    cg_out_str(out, cg_str(" "));
    cg_out_bytes(out, help, ngx_strlen(help));
    cg_out_str(out, cg_str("\n# TYPE consent_gate_"));
    cg_out_bytes(out, name, ngx_strlen(name));
    cg_out_str(out, cg_str(" "));
    cg_out_bytes(out, type, ngx_strlen(type));
    cg_out_str(out, cg_str("\n"));
}


/* One sample; `label` may be NULL. */

static void
ngx_http_consent_sample(cg_out_t *out, const char *name, const char *label,
    cg_str_t value, uint64_t n)
{
    cg_out_str(out, cg_str("consent_gate_"));
    cg_out_bytes(out, name, ngx_strlen(name));

    if (label) {
        cg_out_str(out, cg_str("{"));
        cg_out_bytes(out, label, ngx_strlen(label));
        cg_out_str(out, cg_str("=\""));
        cg_out_str(out, value);
        cg_out_str(out, cg_str("\"}"));
    }

    cg_out_str(out, cg_str(" "));
    cg_out_uint(out, n);
    cg_out_str(out, cg_str("\n"));
}


static void
ngx_http_consent_one(cg_out_t *out, const char *name, const char *type,
    const char *help, uint64_t n)
{
    ngx_http_consent_family(out, name, type, help);
    ngx_http_consent_sample(out, name, NULL, cg_str(""), n);
}


static void
ngx_http_consent_many(cg_out_t *out, const char *name, const char *help,
    const char *label, const char **names, ngx_atomic_t *n, ngx_uint_t count)
{
    cg_str_t    value;
    ngx_uint_t  i;

    ngx_http_consent_family(out, name, "counter", help);

    for (i = 0; i < count; i++) {
        value.data = (const uint8_t *) names[i];
        value.len = ngx_strlen(names[i]);

        ngx_http_consent_sample(out, name, label, value, n[i]);
    }
}


static void
ngx_http_consent_status_text(ngx_http_consent_report_t *report)
{
    cg_out_t                      *out;
    ngx_http_consent_counters_t   *sum;
    ngx_http_consent_main_conf_t  *mcf;

    out = &report->out;
    sum = &report->sum;
    mcf = report->mcf;

    ngx_http_consent_family(out, "build_info", "gauge",
                            "The version of the gate.");
    ngx_http_consent_sample(out, "build_info", "version",
                            cg_str(NGX_HTTP_CONSENT_VERSION), 1);

    ngx_http_consent_text_decisions(report);

    ngx_http_consent_one(out, "reported_total", "counter",
                         "Decisions made in report mode, and not enforced.",
                         sum->reported);
    ngx_http_consent_many(out, "cache_lookups_total",
                          "Records by where they came from.", "result",
                          ngx_http_consent_cache_names, sum->cache,
                          NGX_HTTP_CONSENT_CACHE_RESULTS);
    ngx_http_consent_many(out, "store_lookups_total",
                          "Questions to the store by what came of them.",
                          "result", ngx_http_consent_lookup_names,
                          sum->lookups, NGX_HTTP_CONSENT_STATUSES);

    ngx_http_consent_text_latency(report);

    ngx_http_consent_many(out, "store_writes_total",
                          "Answers of visitors by what came of them.",
                          "result", ngx_http_consent_write_names, sum->writes,
                          NGX_HTTP_CONSENT_WRITE_RESULTS);
    ngx_http_consent_one(out, "overrides_total", "counter",
                         "Requests with an override that was allowed.",
                         sum->overrides);
    ngx_http_consent_one(out, "overrides_ignored_total", "counter",
                         "Requests with an override that was not allowed.",
                         sum->overrides_ignored);

    ngx_http_consent_one(out, "store_breaker_open", "gauge",
                         "Whether the store is taken as down.",
                         report->store.open);
    ngx_http_consent_one(out, "feed_up", "gauge",
                         "Whether changes are heard of as they happen.",
                         report->store.feed_up);
    ngx_http_consent_one(out, "policies_read", "gauge",
                         "Whether the policies were ever read.",
                         report->store.policies_read);

    if (mcf->cache) {
        ngx_http_consent_one(out, "cache_capacity_entries", "gauge",
                             "How many records the cache can hold.",
                             cg_table_capacity(mcf->cache->table));
        ngx_http_consent_one(out, "cache_entries", "gauge",
                             "How many places are taken, by a sample.",
                             cg_table_count(mcf->cache->table,
                                            NGX_HTTP_CONSENT_SAMPLE));
    }

    if (mcf->geo) {
        ngx_http_consent_one(out, "database_build_timestamp_seconds", "gauge",
                             "When the country database was built.",
                             cg_geo_epoch(mcf->geo->db));
    }

    ngx_http_consent_text_documents(report);
}


static void
ngx_http_consent_text_decisions(ngx_http_consent_report_t *report)
{
    uint64_t     n;
    cg_out_t    *out;
    ngx_uint_t   outcome, reason;

    out = &report->out;

    ngx_http_consent_family(out, "decisions_total", "counter",
                            "Requests by outcome and reason.");

    for (outcome = 0; outcome < CG_OUTCOMES; outcome++) {
        for (reason = 0; reason < CG_REASONS; reason++) {
            n = report->sum.decisions[outcome][reason];

            if (n == 0) {
                continue;
            }

            cg_out_str(out, cg_str("consent_gate_decisions_total{outcome=\""));
            cg_out_str(out, cg_outcome_name(outcome));
            cg_out_str(out, cg_str("\",reason=\""));
            cg_out_str(out, cg_reason_name(reason));
            cg_out_str(out, cg_str("\"} "));
            cg_out_uint(out, n);
            cg_out_str(out, cg_str("\n"));
        }
    }
}


/* Microseconds as seconds, without a float. */

static size_t
ngx_http_consent_seconds(u_char *buf, uint64_t us)
{
    return ngx_sprintf(buf, "%uL.%06uL", us / 1000000, us % 1000000) - buf;
}


static void
ngx_http_consent_text_latency(ngx_http_consent_report_t *report)
{
    u_char       buf[64];
    uint64_t     n;
    cg_out_t    *out;
    ngx_uint_t   i;

    static const char  *name = "store_lookup_duration_seconds";

    out = &report->out;

    ngx_http_consent_family(out, name, "histogram",
                            "How long questions to the store took.");

    for (i = 0, n = 0; i < NGX_HTTP_CONSENT_BOUNDS; i++) {
        n += report->sum.latency[i];

        ngx_http_consent_sample(out, "store_lookup_duration_seconds_bucket",
                                "le",
                                (cg_str_t) { ngx_http_consent_seconds(buf,
                                                 ngx_http_consent_bounds[i]),
                                             buf },
                                n);
    }

    n += report->sum.latency[i];

    ngx_http_consent_sample(out, "store_lookup_duration_seconds_bucket", "le",
                            cg_str("+Inf"), n);

    cg_out_str(out, cg_str("consent_gate_store_lookup_duration_seconds_sum "));
    cg_out_bytes(out, buf, ngx_http_consent_seconds(buf,
                                               report->sum.latency_sum));
    cg_out_str(out, cg_str("\n"));

    ngx_http_consent_sample(out, "store_lookup_duration_seconds_count", NULL,
                            cg_str(""), n);
}


static void
ngx_http_consent_text_documents(ngx_http_consent_report_t *report)
{
    ngx_uint_t                     i;
    const cg_policies_t           *policies;
    ngx_http_consent_main_conf_t  *mcf;

    mcf = report->mcf;
    policies = ngx_consent_store_policies(mcf->client);

    ngx_http_consent_family(&report->out, "document_version", "gauge",
                            "The current version of each document.");

    for (i = 0; i < mcf->ndocs; i++) {
        if (policies->docs[i].known) {
            ngx_http_consent_sample(&report->out, "document_version",
                                "document",
                                ngx_http_consent_cstr(&mcf->docs[i].name),
                                policies->docs[i].version);
        }
    }
}


static void
ngx_http_consent_member(cg_out_t *out, const char *name, uint64_t n)
{
    cg_out_str(out, cg_str(",\""));
    cg_out_bytes(out, name, ngx_strlen(name));
    cg_out_str(out, cg_str("\":"));
    cg_out_uint(out, n);
}


static void
ngx_http_consent_object(cg_out_t *out, const char *name, const char **names,
    ngx_atomic_t *n, ngx_uint_t count)
{
    ngx_uint_t  i;

    cg_out_str(out, cg_str(",\""));
    cg_out_bytes(out, name, ngx_strlen(name));
    cg_out_str(out, cg_str("\":{"));

    for (i = 0; i < count; i++) {
        cg_out_str(out, i ? cg_str(",\"") : cg_str("\""));
        cg_out_bytes(out, names[i], ngx_strlen(names[i]));
        cg_out_str(out, cg_str("\":"));
        cg_out_uint(out, n[i]);
    }

    cg_out_str(out, cg_str("}"));
}


static void
ngx_http_consent_status_json(ngx_http_consent_report_t *report)
{
    cg_out_t                      *out;
    ngx_http_consent_counters_t   *sum;
    ngx_http_consent_main_conf_t  *mcf;

    out = &report->out;
    sum = &report->sum;
    mcf = report->mcf;

    cg_out_str(out, cg_str("{\"version\":\"" NGX_HTTP_CONSENT_VERSION "\""));

    ngx_http_consent_json_decisions(report);

    ngx_http_consent_member(out, "reported", sum->reported);
    ngx_http_consent_object(out, "cache_lookups",
                            ngx_http_consent_cache_names, sum->cache,
                            NGX_HTTP_CONSENT_CACHE_RESULTS);

    if (mcf->cache) {
        ngx_http_consent_member(out, "cache_capacity",
                                cg_table_capacity(mcf->cache->table));
        ngx_http_consent_member(out, "cache_entries",
                                cg_table_count(mcf->cache->table,
                                               NGX_HTTP_CONSENT_SAMPLE));
    }

    ngx_http_consent_object(out, "store_lookups",
                            ngx_http_consent_lookup_names, sum->lookups,
                            NGX_HTTP_CONSENT_STATUSES);

    ngx_http_consent_json_latency(report);

    ngx_http_consent_object(out, "store_writes",
                            ngx_http_consent_write_names, sum->writes,
                            NGX_HTTP_CONSENT_WRITE_RESULTS);

    cg_out_str(out, report->store.open
                    ? cg_str(",\"breaker\":\"open\"")
                    : cg_str(",\"breaker\":\"closed\""));
    cg_out_str(out, report->store.feed_up ? cg_str(",\"feed\":\"up\"")
                                          : cg_str(",\"feed\":\"down\""));

    if (report->store.feed_heard >= 0) {
        ngx_http_consent_member(out, "feed_heard_ms",
                                report->store.feed_heard);
    }

    ngx_http_consent_member(out, "epoch", report->store.epoch);
    cg_out_str(out, report->store.policies_read
                    ? cg_str(",\"policies_read\":true")
                    : cg_str(",\"policies_read\":false"));
    ngx_http_consent_member(out, "overrides", sum->overrides);
    ngx_http_consent_member(out, "overrides_ignored", sum->overrides_ignored);

    if (mcf->geo) {
        cg_out_str(out, cg_str(",\"database\":{\"type\":"));
        cg_out_json(out, (cg_str_t) { ngx_strlen(cg_geo_type(mcf->geo->db)),
                                      (const uint8_t *)
                                      cg_geo_type(mcf->geo->db) });
        ngx_http_consent_member(out, "built", cg_geo_epoch(mcf->geo->db));
        cg_out_str(out, cg_str("}"));
    }

    ngx_http_consent_json_documents(report);

    cg_out_str(out, cg_str("}\n"));
}


static void
ngx_http_consent_json_decisions(ngx_http_consent_report_t *report)
{
    uint64_t     n;
    cg_out_t    *out;
    ngx_uint_t   outcome, reason, some;

    out = &report->out;

    cg_out_str(out, cg_str(",\"decisions\":{"));

    for (outcome = 0; outcome < CG_OUTCOMES; outcome++) {
        cg_out_str(out, outcome ? cg_str(",\"") : cg_str("\""));
        cg_out_str(out, cg_outcome_name(outcome));
        cg_out_str(out, cg_str("\":{"));

        for (reason = 0, some = 0; reason < CG_REASONS; reason++) {
            n = report->sum.decisions[outcome][reason];

            if (n) {
                cg_out_str(out, some++ ? cg_str(",") : cg_str(""));
                cg_out_json(out, cg_reason_name(reason));
                cg_out_str(out, cg_str(":"));
                cg_out_uint(out, n);
            }
        }

        cg_out_str(out, cg_str("}"));
    }

    cg_out_str(out, cg_str("}"));
}


static void
ngx_http_consent_json_latency(ngx_http_consent_report_t *report)
{
    cg_out_t    *out;
    ngx_uint_t   i;

    out = &report->out;

    cg_out_str(out, cg_str(",\"store_latency_us\":{"));

    for (i = 0; i <= NGX_HTTP_CONSENT_BOUNDS; i++) {
        cg_out_str(out, i ? cg_str(",\"") : cg_str("\""));

        if (i < NGX_HTTP_CONSENT_BOUNDS) {
            cg_out_uint(out, ngx_http_consent_bounds[i]);

        } else {
            cg_out_str(out, cg_str("more"));
        }

        cg_out_str(out, cg_str("\":"));
        cg_out_uint(out, report->sum.latency[i]);
    }

    cg_out_str(out, cg_str("}"));
}


static void
ngx_http_consent_json_documents(ngx_http_consent_report_t *report)
{
    cg_out_t                      *out;
    ngx_uint_t                     i, some;
    const cg_policies_t           *policies;
    ngx_http_consent_main_conf_t  *mcf;

    out = &report->out;
    mcf = report->mcf;
    policies = ngx_consent_store_policies(mcf->client);

    cg_out_str(out, cg_str(",\"documents\":{"));

    for (i = 0, some = 0; i < mcf->ndocs; i++) {
        if (policies->docs[i].known) {
            cg_out_str(out, some++ ? cg_str(",") : cg_str(""));
            cg_out_json(out, ngx_http_consent_cstr(&mcf->docs[i].name));
            cg_out_str(out, cg_str(":"));
            cg_out_uint(out, policies->docs[i].version);
        }
    }

    cg_out_str(out, cg_str("}"));
}
