/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_status.h"


static void ngx_http_consent_family(cg_out_t *out, const char *name,
    const char *type, const char *help);
static void ngx_http_consent_sample(cg_out_t *out, const char *name,
    const char *label, cg_str_t value, uint64_t n);
static void ngx_http_consent_one(cg_out_t *out, const char *name,
    const char *type, const char *help, uint64_t n);
static void ngx_http_consent_many(cg_out_t *out, const char *name,
    const char *help, const char *label, const char **names, ngx_atomic_t *n,
    ngx_uint_t count);
static void ngx_http_consent_text_nodes(ngx_http_consent_report_t *report);
static void ngx_http_consent_text_decisions(ngx_http_consent_report_t *report);
static size_t ngx_http_consent_seconds(u_char *buf, uint64_t us);
static void ngx_http_consent_text_latency(ngx_http_consent_report_t *report);
static void ngx_http_consent_text_documents(ngx_http_consent_report_t *report);


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


void
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
    ngx_http_consent_many(out, "visits_total",
                          "Visits to be remembered by what came of them.",
                          "result", ngx_http_consent_write_names, sum->visits,
                          NGX_HTTP_CONSENT_WRITE_RESULTS);
    ngx_http_consent_many(out, "merges_total",
                          "Accounts that met a visitor's record by what came "
                          "of it.", "result", ngx_http_consent_write_names,
                          sum->merges, NGX_HTTP_CONSENT_WRITE_RESULTS);
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
    ngx_http_consent_text_nodes(report);
    ngx_http_consent_one(out, "feed_invalidations_total", "counter",
                         "Records that were told of as changed.",
                         sum->invalidations);
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

    if (mcf->anonymizers) {
        ngx_http_consent_one(out, "anonymizers_build_timestamp_seconds",
                             "gauge",
                             "When the database of anonymizers was built.",
                             cg_geo_epoch(mcf->anonymizers->db));
    }

    ngx_http_consent_text_documents(report);
}


/* A family for each of what is known of a node. */

static void
ngx_http_consent_text_nodes(ngx_http_consent_report_t *report)
{
    ngx_consent_node_status_t  node;

    ngx_uint_t            i, j, value[4];
    ngx_consent_store_t  *client;

    static const char  *families[][2] = {
        { "node_breaker_open", "Whether a master is taken as down." },
        { "node_failures", "Failures of a master in a row." },
        { "node_feed_up", "Whether changes at a master are heard." },
        { "node_slots", "Slots of a master of a cluster." }
    };

    client = report->mcf->client;

    for (i = 0; i < 4; i++) {
        ngx_http_consent_family(&report->out, families[i][0], "gauge",
                                families[i][1]);

        for (j = 0; ngx_consent_store_node_status(client, j, &node); j++) {
            value[0] = node.open;
            value[1] = node.failures;
            value[2] = node.feed_up;
            value[3] = node.slots;

            ngx_http_consent_sample(&report->out, families[i][0], "node",
                                    ngx_http_consent_cstr(&node.name),
                                    value[i]);
        }
    }
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
