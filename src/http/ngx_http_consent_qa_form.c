/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_consent_qa.h"


typedef struct {
    const char  *value;
    const char  *text;      /* NULL: a group called `value` begins */
} ngx_http_consent_option_t;


static void ngx_http_consent_qa_value(ngx_http_consent_ctx_t *ctx,
    const char *name, ngx_str_t *value);
static void ngx_http_consent_qa_select(ngx_http_consent_ctx_t *ctx,
    const char *name, const char *label, const char *hint,
    const ngx_http_consent_option_t *options, cg_out_t *out);
static void ngx_http_consent_qa_input(ngx_http_consent_ctx_t *ctx,
    const char *name, const char *label, const char *hint,
    const char *attributes, const char *fallback, cg_out_t *out);
static void ngx_http_consent_qa_label(const char *name, const char *label,
    const char *hint, cg_out_t *out);
static void ngx_http_consent_qa_option(ngx_str_t *chosen, const char *value,
    const char *text, ngx_uint_t *found, cg_out_t *out);

#define put(s)  ngx_http_consent_put(out, s)


/* Those where visitors are asked by default, and those worth a look. */

static const ngx_http_consent_option_t  ngx_http_consent_countries[] = {
    { "", "that of this address" },
    { "unknown", "unknown" },

    { "European Union", NULL },
    { "AT", "Austria" }, { "BE", "Belgium" }, { "BG", "Bulgaria" },
    { "HR", "Croatia" }, { "CY", "Cyprus" }, { "CZ", "Czechia" },
    { "DK", "Denmark" }, { "EE", "Estonia" }, { "FI", "Finland" },
    { "FR", "France" }, { "DE", "Germany" }, { "GR", "Greece" },
    { "HU", "Hungary" }, { "IE", "Ireland" }, { "IT", "Italy" },
    { "LV", "Latvia" }, { "LT", "Lithuania" }, { "LU", "Luxembourg" },
    { "MT", "Malta" }, { "NL", "Netherlands" }, { "PL", "Poland" },
    { "PT", "Portugal" }, { "RO", "Romania" }, { "SK", "Slovakia" },
    { "SI", "Slovenia" }, { "ES", "Spain" }, { "SE", "Sweden" },
    { "EU", "somewhere in the EU" },

    { "EEA, and land of the EU with a code of its own", NULL },
    { "IS", "Iceland" }, { "LI", "Liechtenstein" }, { "NO", "Norway" },
    { "AX", "\xc3\x85land" }, { "GF", "French Guiana" },
    { "GP", "Guadeloupe" }, { "MQ", "Martinique" }, { "YT", "Mayotte" },
    { "RE", "R\xc3\xa9union" }, { "MF", "Saint Martin" },

    { "Outside, and often mistaken", NULL },
    { "GB", "United Kingdom" }, { "CH", "Switzerland" },
    { "GL", "Greenland" }, { "FO", "Faroe Islands" }, { "AD", "Andorra" },
    { "MC", "Monaco" }, { "SM", "San Marino" }, { "VA", "Vatican City" },
    { "XK", "Kosovo" }, { "GI", "Gibraltar" }, { "JE", "Jersey" },
    { "GG", "Guernsey" }, { "IM", "Isle of Man" },
    { "SJ", "Svalbard and Jan Mayen" }, { "NC", "New Caledonia" },
    { "PF", "French Polynesia" }, { "AW", "Aruba" },
    { "CW", "Cura\xc3\xa7" "ao" },

    { "Outside", NULL },
    { "AR", "Argentina" }, { "AU", "Australia" }, { "BR", "Brazil" },
    { "CA", "Canada" }, { "CN", "China" }, { "IN", "India" },
    { "ID", "Indonesia" }, { "IL", "Israel" }, { "JP", "Japan" },
    { "KE", "Kenya" }, { "MX", "Mexico" }, { "NZ", "New Zealand" },
    { "NG", "Nigeria" }, { "RS", "Serbia" }, { "SG", "Singapore" },
    { "ZA", "South Africa" }, { "KR", "South Korea" }, { "TR", "Turkey" },
    { "UA", "Ukraine" }, { "US", "United States" }, { NULL, NULL }
};


static const ngx_http_consent_option_t  ngx_http_consent_kinds[] = {
    { "", "none" }, { "vpn", "a VPN" }, { "tor", "Tor" },
    { "proxy", "a public proxy" },
    { "residential_proxy", "a residential proxy" },
    { "relay", "a private relay" }, { "hosting", "a data center" },
    { "anonymous", "of an unknown kind" }, { NULL, NULL }
};


static const ngx_http_consent_option_t  ngx_http_consent_records[] = {
    { "", "what the test subject answers" },
    { "new", "nothing: a new visitor" },
    { "accepted", "all accepted" },
    { "notice", "accepted, a newer version is announced" },
    { "outdated", "accepted, but too old a version" },
    { "declined", "declined" },
    { "refused", "accepted, without any purpose" },
    { "no_age", "accepted, no age told" }, { "minor", "under age" },
    { "failed", "not to be had: the store is down" }, { NULL, NULL }
};


static const ngx_http_consent_option_t  ngx_http_consent_classes[] = {
    { "navigation", "a page is opened" }, { "unsafe", "a form is sent" },
    { "api", "a script asks" }, { "subresource", "an image, a style" },
    { NULL, NULL }
};


static const ngx_http_consent_option_t  ngx_http_consent_ttls[] = {
    { "1h", "1 hour" }, { "8h", "8 hours" }, { "1d", "1 day" },
    { "7d", "7 days" }, { "30d", "30 days" }, { NULL, NULL }
};


void
ngx_http_consent_qa_form(ngx_http_consent_ctx_t *ctx,
    ngx_http_consent_qa_t *qa, cg_out_t *out)
{
    put("<form method=\"get\">\n"
        "<input type=\"hidden\" name=\"preview\" value=\"1\">\n"
        "<fieldset><legend>Where</legend>\n");
    ngx_http_consent_qa_select(ctx, "country", "Country", NULL,
                               ngx_http_consent_countries, out);
    ngx_http_consent_qa_select(ctx, "anonymizer", "Behind", NULL,
                               ngx_http_consent_kinds, out);
    put("</fieldset>\n<fieldset><legend>When</legend>\n");
    ngx_http_consent_qa_input(ctx, "time", "Time", "now, or such as +30d, "
                              "-12h, 2026-12-01, 2026-12-01T12:00",
                              "autocomplete=\"off\" maxlength=\"24\"", "",
                              out);
    put("</fieldset>\n<fieldset><legend>On record</legend>\n");
    ngx_http_consent_qa_select(ctx, "record", "Answers", NULL,
                               ngx_http_consent_records, out);
    ngx_http_consent_qa_input(ctx, "residence", "Lives in",
                              "two letters, such as US",
                              "autocomplete=\"off\" maxlength=\"2\"", "",
                              out);
    ngx_http_consent_qa_input(ctx, "history", "Last seen in the EEA",
                              "days ago", "inputmode=\"numeric\" "
                              "autocomplete=\"off\" maxlength=\"5\"", "",
                              out);
    put("</fieldset>\n<fieldset><legend>Look, and link</legend>\n");
    ngx_http_consent_qa_select(ctx, "class", "Explain", NULL,
                               ngx_http_consent_classes, out);
    ngx_http_consent_qa_select(ctx, "ttl", "Good for", NULL,
                               ngx_http_consent_ttls, out);
    ngx_http_consent_qa_input(ctx, "path", "Link to",
                              "a path of this site", "autocomplete=\"off\" "
                              "maxlength=\"512\"", "/", out);
    ngx_http_consent_qa_input(ctx, "label", "Your name",
                              "in logs and headers: letters, digits, ._@-",
                              "autocomplete=\"off\" maxlength=\"32\"", "",
                              out);
    put("</fieldset>\n<p class=\"buttons\">\n"
        "<button>Show what happens</button>\n"
        "<button formmethod=\"post\" name=\"token\" value=\"");
    cg_out_html(out, ngx_http_consent_cstr(&qa->token));
    put("\">Set for this browser</button>\n</p>\n</form>\n");
}


/* As it was sent; else as the browser holds it. */

static void
ngx_http_consent_qa_value(ngx_http_consent_ctx_t *ctx, const char *name,
    ngx_str_t *value)
{
    u_char    *p;
    cg_out_t   part;

    *value = ngx_http_consent_qa_arg(ctx, name);

    if (ctx->fields.len || ctx->held == NULL) {
        return;
    }

    p = ngx_pnalloc(ctx->request->pool, 64);
    if (p == NULL) {
        return;
    }

    cg_out_init(&part, p, 64);
    cg_override_value(&ctx->held->o,
                      (cg_str_t) { ngx_strlen(name), (const uint8_t *) name },
                      &part);

    value->len = cg_out_len(&part);
    value->data = p;
}


static void
ngx_http_consent_qa_label(const char *name, const char *label,
    const char *hint, cg_out_t *out)
{
    put("<div class=\"field\"><label for=\"");
    put(name);
    put("\">");
    put(label);
    put("</label>");

    if (hint) {
        put("<small id=\"");
        put(name);
        put("-hint\">");
        put(hint);
        put("</small>");
    }
}


static void
ngx_http_consent_qa_select(ngx_http_consent_ctx_t *ctx, const char *name,
    const char *label, const char *hint,
    const ngx_http_consent_option_t *options, cg_out_t *out)
{
    ngx_str_t   chosen;
    ngx_uint_t  found, grouped;

    ngx_http_consent_qa_value(ctx, name, &chosen);

    if (chosen.len == 0 && ngx_strcmp(name, "ttl") == 0) {
        ngx_str_set(&chosen, NGX_HTTP_CONSENT_LINK_TTL);
    }

    found = 0;
    grouped = 0;

    ngx_http_consent_qa_label(name, label, hint, out);
    put("<select id=\"");
    put(name);
    put("\" name=\"");
    put(name);
    put("\">\n");

    for ( /* void */ ; options->value; options++) {

        if (options->text) {
            ngx_http_consent_qa_option(&chosen, options->value,
                                       options->text, &found, out);
            continue;
        }

        if (grouped) {
            put("</optgroup>\n");
        }

        grouped = 1;
        put("<optgroup label=\"");
        put(options->value);
        put("\">\n");
    }

    if (grouped) {
        put("</optgroup>\n");
    }

    /* what a link has chosen and the list does not have */

    if (!found && chosen.len) {
        put("<option selected>");
        cg_out_html(out, ngx_http_consent_cstr(&chosen));
        put("</option>\n");
    }

    put("</select></div>\n");
}


static void
ngx_http_consent_qa_option(ngx_str_t *chosen, const char *value,
    const char *name, ngx_uint_t *found, cg_out_t *out)
{
    put("<option value=\"");
    put(value);
    put("\"");

    if (chosen->len && chosen->len == ngx_strlen(value)
        && ngx_memcmp(chosen->data, value, chosen->len) == 0)
    {
        *found = 1;
        put(" selected");
    }

    put(">");
    put(name);

    if (ngx_strlen(value) == 2 && value[0] >= 'A') {
        put(" (");
        put(value);
        put(")");
    }

    put("</option>\n");
}


static void
ngx_http_consent_qa_input(ngx_http_consent_ctx_t *ctx, const char *name,
    const char *label, const char *hint, const char *attributes,
    const char *fallback, cg_out_t *out)
{
    ngx_str_t  value;

    ngx_http_consent_qa_value(ctx, name, &value);

    ngx_http_consent_qa_label(name, label, hint, out);
    put("<input id=\"");
    put(name);
    put("\" name=\"");
    put(name);
    put("\" ");
    put(attributes);
    put(" aria-describedby=\"");
    put(name);
    put("-hint\" value=\"");

    if (value.len) {
        cg_out_html(out, ngx_http_consent_cstr(&value));

    } else {
        put(fallback);
    }

    put("\"></div>\n");
}


/* TLS may end before us: where cookies are to be Secure it does. */

void
ngx_http_consent_qa_site(ngx_http_request_t *r, cg_out_t *out)
{
    ngx_http_consent_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_consent_gate_module);

    if (r->headers_in.host == NULL) {
        return;
    }

    if (ngx_http_consent_secure(r, scf)) {
        put("https://");

    } else {
        put("http://");
    }

    cg_out_bytes(out, r->headers_in.host->value.data,
                 r->headers_in.host->value.len);
}
