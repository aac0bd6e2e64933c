/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_status.h"


static void ngx_http_consent_member(cg_out_t *out, const char *name,
    uint64_t n);
static void ngx_http_consent_object(cg_out_t *out, const char *name,
    const char **names, ngx_atomic_t *n, ngx_uint_t count);
static void ngx_http_consent_json_nodes(ngx_http_consent_report_t *report);
static void ngx_http_consent_json_database(cg_out_t *out, const char *name,
    ngx_http_consent_geo_t *geo);
static void ngx_http_consent_json_decisions(ngx_http_consent_report_t *report);
static void ngx_http_consent_json_latency(ngx_http_consent_report_t *report);
static void ngx_http_consent_json_documents(ngx_http_consent_report_t *report);


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


void
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
    ngx_http_consent_object(out, "visits",
                            ngx_http_consent_write_names, sum->visits,
                            NGX_HTTP_CONSENT_WRITE_RESULTS);
    ngx_http_consent_object(out, "merges",
                            ngx_http_consent_write_names, sum->merges,
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

    ngx_http_consent_json_nodes(report);

    ngx_http_consent_member(out, "feed_invalidations", sum->invalidations);
    ngx_http_consent_member(out, "epoch", report->store.epoch);
    cg_out_str(out, report->store.policies_read
                    ? cg_str(",\"policies_read\":true")
                    : cg_str(",\"policies_read\":false"));
    ngx_http_consent_member(out, "overrides", sum->overrides);
    ngx_http_consent_member(out, "overrides_ignored", sum->overrides_ignored);

    ngx_http_consent_json_database(out, "database", mcf->geo);
    ngx_http_consent_json_database(out, "anonymizers", mcf->anonymizers);
    ngx_http_consent_json_documents(report);

    cg_out_str(out, cg_str("}\n"));
}


static void
ngx_http_consent_json_nodes(ngx_http_consent_report_t *report)
{
    cg_out_t                   *out;
    ngx_uint_t                  i;
    ngx_consent_store_t        *client;
    ngx_consent_node_status_t   node;

    out = &report->out;
    client = report->mcf->client;

    cg_out_str(out, cg_str(",\"topology\":\""));
    cg_out_bytes(out, report->store.topology,
                 ngx_strlen(report->store.topology));
    cg_out_str(out, cg_str("\",\"nodes\":["));

    for (i = 0; ngx_consent_store_node_status(client, i, &node); i++) {
        cg_out_str(out, i ? cg_str(",{\"address\":") : cg_str("{\"address\":"));
        cg_out_json(out, ngx_http_consent_cstr(&node.name));
        cg_out_str(out, node.open ? cg_str(",\"breaker\":\"open\"")
                                  : cg_str(",\"breaker\":\"closed\""));
        ngx_http_consent_member(out, "failures", node.failures);
        cg_out_str(out, node.feed_up ? cg_str(",\"feed\":\"up\"")
                                     : cg_str(",\"feed\":\"down\""));

        if (node.feed_heard >= 0) {
            ngx_http_consent_member(out, "feed_heard_ms", node.feed_heard);
        }

        if (node.slots) {
            ngx_http_consent_member(out, "slots", node.slots);
        }

        cg_out_str(out, cg_str("}"));
    }

    cg_out_str(out, cg_str("]"));
}


static void
ngx_http_consent_json_database(cg_out_t *out, const char *name,
    ngx_http_consent_geo_t *geo)
{
    const char  *type;

    if (geo == NULL) {
        return;
    }

    type = cg_geo_type(geo->db);

    cg_out_str(out, cg_str(",\""));
    cg_out_bytes(out, name, ngx_strlen(name));
    cg_out_str(out, cg_str("\":{\"type\":"));
    cg_out_json(out, (cg_str_t) { ngx_strlen(type), (const uint8_t *) type });
    ngx_http_consent_member(out, "built", cg_geo_epoch(geo->db));
    cg_out_str(out, cg_str("}"));
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
