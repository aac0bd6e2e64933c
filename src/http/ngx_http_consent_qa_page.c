/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_qa.h"


static void ngx_http_consent_qa_browser(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_results(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_caption(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, cg_out_t *out);
static void ngx_http_consent_qa_link(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_steps(ngx_http_request_t *r,
    ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_evidence(const cg_trace_t *trace,
    cg_out_t *out);
static void ngx_http_consent_qa_facts(ngx_http_request_t *r,
    ngx_http_consent_ctx_t *ctx, ngx_http_consent_qa_t *qa, cg_out_t *out);
static void ngx_http_consent_qa_database(ngx_http_consent_geo_t *geo,
    cg_out_t *out);
static void ngx_http_consent_qa_documents(ngx_http_consent_ctx_t *ctx,
    cg_out_t *out);
static void ngx_http_consent_qa_config(ngx_http_request_t *r, cg_out_t *out);
static void ngx_http_consent_qa_where(ngx_http_request_t *r,
    const char *directive, cg_out_t *out);
static void ngx_http_consent_qa_time(int64_t time, cg_out_t *out);

#define put(s)  ngx_http_consent_put(out, s)


static const char  ngx_http_consent_qa_head[] =
"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
"<meta name=\"robots\" content=\"noindex\">\n"
"<title>Consent Gate for testers</title>\n<style>\n"
":root{color-scheme:light dark;--line:#8886;--accent:#0a5bd3;--soft:#8881;"
"--yes:#0a7a3d;--stop:#b3261e}\n"
"@media(prefers-color-scheme:dark){:root{--accent:#8ab4ff;--yes:#6fd695;"
"--stop:#ff9c94}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0;font:1rem/1.5 system-ui,sans-serif}\n"
"main{max-width:60rem;margin:auto;padding:1rem}\n"
"h1{font-size:1.5rem;line-height:1.2;margin:.5rem 0}\n"
"h2{font-size:1.2rem;margin:1.75rem 0 .5rem}\n"
"form{margin:0}\nfieldset{border:1px solid var(--line);border-radius:.5rem;"
"margin:0 0 .75rem;padding:.5rem .75rem .75rem;min-width:0;display:grid;"
"grid-template-columns:repeat(auto-fit,minmax(min(13rem,100%),1fr));"
"gap:.5rem 1rem;align-items:end}\nlegend{font-weight:600;padding:0 .25rem}\n"
".field{min-width:0}\nlabel{display:block}\n"
"small{display:block;opacity:.8;font-size:.8rem;line-height:1.3}\n"
"input,select,button{font:inherit;padding:.4rem .5rem;border-radius:.35rem;"
"border:1px solid #777}\ninput,select{width:100%}\n"
"button{cursor:pointer;padding:.5rem .9rem}\n"
"button:first-child{background:var(--accent);border-color:var(--accent);"
"color:Canvas;font-weight:600}\n"
":focus-visible{outline:3px solid var(--accent);outline-offset:2px}\n"
".buttons{display:flex;flex-wrap:wrap;gap:.5rem;margin:.75rem 0}\n"
".box{background:var(--soft);border:1px solid var(--line);"
"border-radius:.5rem;padding:.6rem .75rem;margin:.75rem 0;"
"overflow-wrap:anywhere}\n.box p{margin:0 0 .4rem}\n"
".box.alert{border-color:var(--stop)}\n"
".wide{overflow-x:auto}\n"
"table{border-collapse:collapse;width:100%;font-size:.95rem}\n"
"caption{text-align:left;padding:.25rem 0;opacity:.8;font-size:.9rem}\n"
"th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;"
"border-top:1px solid var(--line);overflow-wrap:anywhere}\n"
"thead th{border-top:0}\ntbody th{font-weight:normal}\n"
"tr.on,tr.on th{background:var(--soft);font-weight:600}\n"
".go{color:var(--yes)}.no{color:var(--stop)}\n"
"code{font-size:.9em;overflow-wrap:anywhere}\n"
"dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;"
"gap:.25rem 1rem;margin:0}\ndt{opacity:.8}\ndd{margin:0;"
"overflow-wrap:anywhere}\n"
"@media(max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:"
".4rem}table.stack thead{display:none}table.stack tr{display:block;"
"border-top:1px solid var(--line);padding:.4rem 0}table.stack th,"
"table.stack td{display:block;border:0;padding:.05rem 0}}\n"
"</style>\n</head>\n<body>\n<main>\n<h1>Consent Gate for testers</h1>\n";


ngx_int_t
ngx_http_consent_qa_page(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, ngx_uint_t status)
{
    size_t     size;
    cg_out_t   page, *out;
    ngx_str_t  body;

    size = ngx_http_consent_qa_size(ctx);

    body.data = ngx_pnalloc(r->pool, size);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    out = &page;
    cg_out_init(out, body.data, size);

    put(ngx_http_consent_qa_head);

    if (qa->error) {
        put("<div class=\"box alert\" role=\"alert\">");
        cg_out_html(out, (cg_str_t) { ngx_strlen(qa->error),
                                      (const uint8_t *) qa->error });
        put("</div>\n");
    }

    ngx_http_consent_qa_browser(ctx, qa, out);

    put("<h2>Who to be</h2>\n");
    ngx_http_consent_qa_form(ctx, qa, out);

    ngx_http_consent_qa_results(r, ctx, qa, out);
    ngx_http_consent_qa_link(r, ctx, qa, out);
    ngx_http_consent_qa_steps(r, qa, out);
    ngx_http_consent_qa_evidence(&qa->traces[qa->klass], out);
    ngx_http_consent_qa_facts(r, ctx, qa, out);
    ngx_http_consent_qa_documents(ctx, out);
    ngx_http_consent_qa_config(r, out);

    put("</main>\n</body>\n</html>\n");

    if (out->overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = cg_out_len(out);

    return ngx_http_consent_send(r, status, "text/html; charset=utf-8", &body);
}


static void
ngx_http_consent_qa_browser(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    u_char    words[CG_OVERRIDE_TEXT];
    cg_out_t  part;

    put("<div class=\"box\" role=\"status\">\n");

    if (ctx->held == NULL) {
        put("<p>This browser has <strong>no override</strong>: the site "
            "takes it for what it is.</p>\n</div>\n");
        return;
    }

    cg_out_init(&part, words, sizeof(words));
    cg_override_text(&ctx->held->o, &part);

    put("<p>The site takes this browser for <code>");
    cg_out_html(out, (cg_str_t) { cg_out_len(&part), words });
    put("</code> until ");
    ngx_http_consent_qa_time(ctx->held->o.expires, out);
    put(".</p>\n<form method=\"post\">"
        "<input type=\"hidden\" name=\"action\" value=\"clear\">"
        "<button name=\"token\" value=\"");
    cg_out_html(out, ngx_http_consent_cstr(&qa->token));
    put("\">Be yourself again</button></form>\n</div>\n");
}


static void
ngx_http_consent_qa_results(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    cg_class_e      klass;
    cg_action_e     action;
    cg_decision_t  *d;

    static const char  *names[CG_CLASSES] = {
        "A page is opened", "A form is sent", "A script asks",
        "An image, a style"
    };

    put("<h2 id=\"result\">What happens</h2>\n<div class=\"wide\">"
        "<table class=\"stack\">\n<caption>");

    ngx_http_consent_qa_caption(r, ctx, out);

    put("</caption>\n"
        "<thead><tr><th scope=\"col\">Request</th>"
        "<th scope=\"col\">Client gets</th><th scope=\"col\">Decision</th>"
        "<th scope=\"col\">Reason</th><th scope=\"col\">Missing</th></tr>"
        "</thead>\n<tbody>\n");

    for (klass = 0; klass < CG_CLASSES; klass++) {
        d = &qa->decisions[klass];
        action = cg_action(d->outcome, klass);

        put("<tr><th scope=\"row\">");
        put(names[klass]);
        put("</th><td class=\"");
        put(action == CG_ACTION_PASS ? "go" : "no");
        put("\">");
        cg_out_str(out, cg_action_text(action));
        put("</td><td><code>");
        cg_out_str(out, cg_outcome_name(d->outcome));
        put("</code></td><td><code>");
        cg_out_str(out, cg_reason_name(d->reason));
        put("</code></td><td>");
        ngx_http_consent_doc_names(ctx->mcf, d->missing, out);
        put("</td></tr>\n");
    }

    put("</tbody>\n</table></div>\n");
}


/* Whom and where it is about: other locations may have other settings. */

static void
ngx_http_consent_qa_caption(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    cg_out_t *out)
{
    u_char                     words[NGX_HTTP_CONSENT_OVERRIDE_TEXT];
    cg_out_t                   part;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ctx->override) {
        cg_out_init(&part, words, sizeof(words));
        cg_override_text(&ctx->override->o, &part);
        put("As <code>");
        cg_out_html(out, (cg_str_t) { cg_out_len(&part), words });
        put("</code>");

    } else {
        put("As this browser is");
    }

    put(", by the settings of location <code>");
    cg_out_html(out, ngx_http_consent_cstr(&clcf->name));
    put("</code>, where this page stands. Where others count, another "
        "<code>consent_qa</code> may stand, or <code>consent_explain</code>.");
}


static void
ngx_http_consent_qa_link(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    u_char     *p;
    size_t      size;
    cg_out_t    url;
    ngx_str_t   path;
    cg_str_t    link;

    if (qa->link.len == 0) {
        return;
    }

    path = ngx_http_consent_qa_arg(ctx, "path");

    if (!cg_return_valid(ngx_http_consent_cstr(&path))
        || ngx_strlchr(path.data, path.data + path.len, '?'))
    {
        ngx_str_set(&path, "/");
    }

    size = qa->link.len + path.len + sizeof("https://?consent_override=")
           + (r->headers_in.host ? r->headers_in.host->value.len : 0);

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return;
    }

    cg_out_init(&url, p, size);
    ngx_http_consent_qa_site(r, &url);
    cg_out_str(&url, ngx_http_consent_cstr(&path));
    cg_out_str(&url, cg_str("?consent_override="));
    cg_out_str(&url, ngx_http_consent_cstr(&qa->link));

    link = (cg_str_t) { cg_out_len(&url), p };

    put("<h2>A link to share</h2>\n<div class=\"box\"><p>Whoever opens it ");

    if (!((ngx_http_consent_loc_conf_t *)
          ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module))
         ->override_signed)
    {
        put("and is allowed to be a tester ");
    }

    put("is taken for the same, until it expires.</p>\n<p><a href=\"");
    cg_out_html(out, link);
    put("\" rel=\"noreferrer\">");
    cg_out_html(out, link);
    put("</a></p></div>\n");
}


static void
ngx_http_consent_qa_steps(ngx_http_request_t *r, ngx_http_consent_qa_t *qa,
    cg_out_t *out)
{
    cg_step_e       step;
    const char     *directive;
    cg_trace_t     *trace;
    cg_decision_t  *d;

    trace = &qa->traces[qa->klass];
    d = &qa->decisions[qa->klass];
    directive = ngx_http_consent_deciding(d, trace);

    put("<h2>Why</h2>\n<div class=\"wide\"><table>\n<caption>"
        "The questions of the gate for class <code>");
    cg_out_str(out, cg_class_name(qa->klass));
    put("</code>. The last yes decides.</caption>\n<thead><tr>"
        "<th scope=\"col\">Question</th><th scope=\"col\">Answer</th></tr>"
        "</thead>\n<tbody>\n");

    for (step = 0; step < CG_STEPS; step++) {
        put(trace->decided == step ? "<tr class=\"on\">" : "<tr>");
        put("<th scope=\"row\">");
        cg_out_str(out, cg_step_question(step));
        put("</th><td>");

        if (trace->answers[step] == CG_ANSWER_NOT_ASKED) {
            put("-");

        } else {
            cg_out_str(out, cg_answer_name(trace->answers[step]));
        }

        if (trace->decided == step) {
            put(", decides");
        }

        put("</td></tr>\n");
    }

    put("</tbody>\n</table></div>\n");

    if (directive[0]) {
        put("<p>The directive behind it: <code>");
        put(directive);
        put("</code>, ");
        ngx_http_consent_qa_where(r, directive, out);
        put(".</p>\n");
    }
}


static void
ngx_http_consent_qa_evidence(const cg_trace_t *trace, cg_out_t *out)
{
    cg_source_e  source;

    static const char  *says[CG_EVIDENCES] = {
        "says nothing", "says outside", "would say inside, is told to pass",
        "would say inside, the residence cancels it", "says inside"
    };

    put("<h2>Inside or outside?</h2>\n<div class=\"wide\"><table>\n<thead><tr>"
        "<th scope=\"col\">Evidence</th><th scope=\"col\">Says</th></tr>"
        "</thead>\n<tbody>\n");

    for (source = 0; source < CG_SOURCE_OVERRIDE; source++) {
        put(trace->source == source ? "<tr class=\"on\">" : "<tr>");
        put("<th scope=\"row\"><code>");
        cg_out_str(out, cg_source_name(source));
        put("</code></th><td>");
        put(says[trace->evidence[source]]);
        put(trace->source == source ? ", counts" : "");
        put("</td></tr>\n");
    }

    put("</tbody>\n</table></div>\n");
}


static void
ngx_http_consent_qa_facts(ngx_http_request_t *r, ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    size_t                        n;
    uint8_t                       code[2];
    cg_str_t                      kind;
    ngx_http_consent_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_consent_gate_module);

    n = cg_country_code(ctx->facts.country, code);
    kind = cg_anonymizer_name(ngx_http_consent_anonymizer(r, ctx));

    put("<h2>Where it comes from</h2>\n<dl>\n<dt>Country</dt><dd><code>");
    cg_out_str(out, n ? (cg_str_t) { n, code } : cg_str("unknown"));
    put("</code>, from: ");
    put(ngx_http_consent_country_from(ctx, lcf));
    put(", in ");
    cg_out_uint(out, ctx->place_us);
    put(" \xc2\xb5s</dd>\n<dt>Anonymizer</dt><dd>");
    cg_out_str(out, kind.len ? kind : cg_str("none"));
    put("</dd>\n<dt>Time</dt><dd>");
    ngx_http_consent_qa_time(qa->now, out);
    put("</dd>\n<dt>Record</dt><dd>");
    cg_out_str(out, cg_lookup_name(ctx->facts.lookup));
    put(", from: ");
    put(ngx_http_consent_record_from(ctx));
    put(", in ");
    cg_out_uint(out, ctx->record_us);
    put(" \xc2\xb5s</dd>\n<dt>Database of countries</dt><dd>");
    ngx_http_consent_qa_database(ctx->mcf->geo, out);
    put("</dd>\n<dt>Database of anonymizers</dt><dd>");
    ngx_http_consent_qa_database(ctx->mcf->anonymizers, out);
    put("</dd>\n</dl>\n");
}


static void
ngx_http_consent_qa_database(ngx_http_consent_geo_t *geo, cg_out_t *out)
{
    const char  *type;

    if (geo == NULL) {
        put("none");
        return;
    }

    type = cg_geo_type(geo->db);

    put("<code>");
    cg_out_html(out, ngx_http_consent_cstr(&geo->path));
    put("</code>, ");
    cg_out_html(out, (cg_str_t) { ngx_strlen(type), (const uint8_t *) type });
    put(", built ");
    ngx_http_consent_qa_time(cg_geo_epoch(geo->db), out);
}


static void
ngx_http_consent_qa_documents(ngx_http_consent_ctx_t *ctx, cg_out_t *out)
{
    ngx_uint_t           i;
    const cg_policy_t   *p;
    const cg_record_t   *record;

    record = ngx_http_consent_record(ctx);

    put("<h2>Documents</h2>\n<div class=\"wide\"><table>\n<thead><tr>"
        "<th scope=\"col\">Name</th><th scope=\"col\">Current</th>"
        "<th scope=\"col\">Enforced</th><th scope=\"col\">From</th>"
        "<th scope=\"col\">Accepted</th></tr></thead>\n<tbody>\n");

    for (i = 0; i < ctx->mcf->ndocs; i++) {
        p = &ngx_consent_store_policies(ctx->mcf->client)->docs[i];

        put("<tr><th scope=\"row\"><code>");
        cg_out_html(out, ngx_http_consent_cstr(&ctx->mcf->docs[i].name));
        put("</code></th><td>");
        cg_out_uint(out, p->version);
        put("</td><td>");
        cg_out_uint(out, cg_policy_enforced(p, ngx_http_consent_now(ctx)));
        put("</td><td>");

        if (p->effective) {
            ngx_http_consent_qa_time(p->effective, out);
        }

        put("</td><td>");

        if (record && (record->declined >> i & 1)) {
            put("declined");

        } else if (record && record->accepted[i]) {
            cg_out_uint(out, record->accepted[i]);

        } else {
            put("-");
        }

        put("</td></tr>\n");
    }

    put("</tbody>\n</table></div>\n");
}


static void
ngx_http_consent_qa_config(ngx_http_request_t *r, cg_out_t *out)
{
    ngx_uint_t  i;

    put("<details><summary>Where the settings of this location stand"
        "</summary>\n<div class=\"wide\"><table>\n<thead><tr>"
        "<th scope=\"col\">Directive</th><th scope=\"col\">File and line</th>"
        "</tr></thead>\n<tbody>\n");

    for (i = 0; ngx_http_consent_qa_directives[i]; i++) {
        put("<tr><th scope=\"row\"><code>");
        put(ngx_http_consent_qa_directives[i]);
        put("</code></th><td>");
        ngx_http_consent_qa_where(r, ngx_http_consent_qa_directives[i], out);
        put("</td></tr>\n");
    }

    put("</tbody>\n</table></div>\n</details>\n");
}


static void
ngx_http_consent_qa_where(ngx_http_request_t *r, const char *directive,
    cg_out_t *out)
{
    ngx_http_consent_origin_t  *origin;

    origin = ngx_http_consent_origin(r, directive);

    if (origin == NULL) {
        put("not set: the default");
        return;
    }

    put("<code>");
    cg_out_html(out, ngx_http_consent_cstr(&origin->file));
    put(":");
    cg_out_uint(out, origin->line);
    put("</code>");
}


static void
ngx_http_consent_qa_time(int64_t time, cg_out_t *out)
{
    u_char    buf[sizeof("9999-12-31 23:59:59 UTC")];
    ngx_tm_t  tm;

    ngx_gmtime((time_t) time, &tm);

    cg_out_bytes(out, buf,
                 ngx_sprintf(buf, "%4d-%02d-%02d %02d:%02d:%02d UTC",
                             tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                             tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec)
                 - buf);
}
