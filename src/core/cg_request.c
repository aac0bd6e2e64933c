/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_request.h"


static cg_class_e cg_classify_fetch(const cg_request_t *rq);
static cg_class_e cg_classify_plain(const cg_request_t *rq);
static cg_class_e cg_document(const cg_request_t *rq);
static bool cg_accepts_html(cg_str_t accept);
static bool cg_accepts_part(cg_str_t accept);
static cg_str_t cg_media_type(cg_str_t range);
static bool cg_static_extension(cg_str_t path);
static bool cg_in(cg_str_t s, const cg_str_t *table, size_t n);
static bool cg_path_clean(const uint8_t *p, size_t len);
static bool cg_query_clean(const uint8_t *p, size_t len);
static int cg_unescape(const uint8_t *p, size_t len);
static bool cg_escapes_whole(const uint8_t *p, size_t len);
static size_t cg_path_decode(uint8_t *out, const uint8_t *p, size_t len);
static bool cg_host_split(cg_str_t text, cg_str_t *host, uint64_t *port);
static bool cg_eq_nocase(cg_str_t a, cg_str_t b);
static bool cg_prefix_nocase(cg_str_t s, cg_str_t prefix);
static uint8_t cg_lower(uint8_t c);


#define cg_is_in(s, table)  cg_in(s, table, sizeof(table) / sizeof(table[0]))
#define cg_control(c)       ((c) < 0x20 || (c) == 0x7f)


/*
 * Destinations of Fetch (fetch.spec.whatwg.org, 2.2.5) that are parts of a
 * page. A frame is none of them: it may hold a whole page.
 */

static const cg_str_t  cg_part_dests[] = {
    cg_str("script"),
    cg_str("style"),
    cg_str("image"),
    cg_str("font"),
    cg_str("audio"),
    cg_str("video"),
    cg_str("track"),
    cg_str("manifest"),
    cg_str("worker"),
    cg_str("sharedworker"),
    cg_str("serviceworker"),
    cg_str("audioworklet"),
    cg_str("paintworklet"),
    cg_str("xslt"),
    cg_str("embed"),
    cg_str("object")
};


static const cg_str_t  cg_html_types[] = {
    cg_str("text/html"),
    cg_str("application/xhtml+xml")
};


static const cg_str_t  cg_part_types[] = {
    cg_str("text/css"),
    cg_str("image/"),
    cg_str("audio/"),
    cg_str("video/"),
    cg_str("font/")
};


static const cg_str_t  cg_part_extensions[] = {
    cg_str("css"),
    cg_str("js"),
    cg_str("mjs"),
    cg_str("map"),
    cg_str("png"),
    cg_str("jpg"),
    cg_str("jpeg"),
    cg_str("gif"),
    cg_str("svg"),
    cg_str("webp"),
    cg_str("avif"),
    cg_str("ico"),
    cg_str("woff"),
    cg_str("woff2"),
    cg_str("ttf"),
    cg_str("otf"),
    cg_str("eot"),
    cg_str("mp4"),
    cg_str("webm"),
    cg_str("mp3"),
    cg_str("ogg"),
    cg_str("wav"),
    cg_str("vtt"),
    cg_str("wasm")
};


cg_class_e
cg_classify(const cg_request_t *rq)
{
    if (rq->websocket) {
        return CG_CLASS_API;
    }

    return rq->sec_fetch_mode.len > 0 ? cg_classify_fetch(rq)
                                      : cg_classify_plain(rq);
}


bool
cg_return_valid(cg_str_t path)
{
    size_t          len;
    uint8_t         buf[CG_MAX_RETURN];
    const uint8_t  *query;

    if (path.len == 0 || path.len > CG_MAX_RETURN || path.data[0] != '/') {
        return false;
    }

    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] <= 0x20 || path.data[i] >= 0x7f
            || path.data[i] == '#')
        {
            return false;
        }
    }

    query = memchr(path.data, '?', path.len);
    len = query != NULL ? (size_t) (query - path.data) : path.len;

    if (!cg_query_clean(path.data + len, path.len - len)
        || !cg_escapes_whole(path.data, len)
        || !cg_path_clean(path.data, len))
    {
        return false;
    }

    /* a proxy or the application behind may decode once more than we do */

    len = cg_path_decode(buf, path.data, len);

    if (!cg_path_clean(buf, len)) {
        return false;
    }

    len = cg_path_decode(buf, buf, len);

    return cg_path_clean(buf, len);
}


bool
cg_origin_matches(cg_str_t origin, cg_str_t host)
{
    size_t    skip;
    cg_str_t  ours, theirs;
    uint64_t  port, our_port, default_port;

    if (cg_prefix_nocase(origin, cg_str("https://"))) {
        skip = 8;
        default_port = 443;

    } else if (cg_prefix_nocase(origin, cg_str("http://"))) {
        skip = 7;
        default_port = 80;

    } else {
        return false;
    }

    origin.data += skip;
    origin.len -= skip;

    if (!cg_host_split(origin, &theirs, &port)
        || !cg_host_split(host, &ours, &our_port))
    {
        return false;
    }

    port = port != 0 ? port : default_port;
    our_port = our_port != 0 ? our_port : default_port;

    return port == our_port && cg_eq_nocase(ours, theirs);
}


/* Browsers send these since 2020-2023, on HTTPS and localhost only. */

static cg_class_e
cg_classify_fetch(const cg_request_t *rq)
{
    if (cg_str_eq(rq->sec_fetch_mode, cg_str("navigate"))) {

        if (rq->sec_fetch_dest.len == 0
            || cg_str_eq(rq->sec_fetch_dest, cg_str("document"))
            || cg_str_eq(rq->sec_fetch_dest, cg_str("empty")))
        {
            return cg_document(rq);
        }

        return CG_CLASS_API;
    }

    if (cg_str_eq(rq->sec_fetch_mode, cg_str("nested-navigate"))
        || cg_str_eq(rq->sec_fetch_mode, cg_str("websocket")))
    {
        return CG_CLASS_API;
    }

    return cg_is_in(rq->sec_fetch_dest, cg_part_dests) ? CG_CLASS_SUBRESOURCE
                                                       : CG_CLASS_API;
}


static cg_class_e
cg_classify_plain(const cg_request_t *rq)
{
    if (cg_eq_nocase(rq->x_requested_with, cg_str("XMLHttpRequest"))) {
        return CG_CLASS_API;
    }

    if (cg_accepts_html(rq->accept)) {
        return cg_document(rq);
    }

    if (cg_accepts_part(rq->accept)
        || (rq->safe && cg_static_extension(rq->path)))
    {
        return CG_CLASS_SUBRESOURCE;
    }

    return CG_CLASS_API;
}


static cg_class_e
cg_document(const cg_request_t *rq)
{
    return rq->safe ? CG_CLASS_NAVIGATION : CG_CLASS_UNSAFE;
}


static bool
cg_accepts_html(cg_str_t accept)
{
    cg_str_t  range;

    while (cg_list_next(&accept, &range)) {
        if (cg_is_in(cg_media_type(range), cg_html_types)) {
            return true;
        }
    }

    return false;
}


/* What a tag of a page asks for comes first: "image/avif,image/webp". */

static bool
cg_accepts_part(cg_str_t accept)
{
    cg_str_t  range;

    if (!cg_list_next(&accept, &range)) {
        return false;
    }

    for (size_t i = 0; i < sizeof(cg_part_types) / sizeof(cg_part_types[0]);
         i++)
    {
        if (cg_prefix_nocase(range, cg_part_types[i])) {
            return true;
        }
    }

    return false;
}


/* A media range without its parameters. */

static cg_str_t
cg_media_type(cg_str_t range)
{
    const uint8_t  *p;

    p = memchr(range.data, ';', range.len);

    if (p != NULL) {
        range.len = (size_t) (p - range.data);
    }

    while (range.len > 0 && (range.data[range.len - 1] == ' '
                             || range.data[range.len - 1] == '\t'))
    {
        range.len--;
    }

    return range;
}


static bool
cg_static_extension(cg_str_t path)
{
    size_t    i;
    cg_str_t  extension;

    for (i = path.len; i > 0 && path.data[i - 1] != '/'; i--) {

        if (path.data[i - 1] == '.') {
            extension.data = path.data + i;
            extension.len = path.len - i;

            return cg_is_in(extension, cg_part_extensions);
        }
    }

    return false;
}


static bool
cg_in(cg_str_t s, const cg_str_t *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cg_eq_nocase(s, table[i])) {
            return true;
        }
    }

    return false;
}


/*
 * "//host" is another site, and browsers read '\' as '/' and leave out tabs
 * and newlines (WHATWG URL, 4.4), so that "/\host" is one too.
 */

static bool
cg_path_clean(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (cg_control(p[i]) || p[i] == '\\'
            || (p[i] == '/' && i > 0 && p[i - 1] == '/'))
        {
            return false;
        }
    }

    return true;
}


static bool
cg_query_clean(const uint8_t *p, size_t len)
{
    int  c;

    for (size_t i = 0; i < len; i++) {
        c = cg_unescape(p + i, len - i);

        if (c >= 0 && cg_control(c)) {
            return false;
        }
    }

    return true;
}


/* The byte that the escape at `p` stands for, or -1 when it is none. */

static int
cg_unescape(const uint8_t *p, size_t len)
{
    uint8_t  c;

    if (len < 3 || p[0] != '%'
        || !cg_parse_hex((cg_str_t) { 2, p + 1 }, &c, 1))
    {
        return -1;
    }

    return c;
}


static bool
cg_escapes_whole(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] == '%' && cg_unescape(p + i, len - i) < 0) {
            return false;
        }
    }

    return true;
}


/* Decodes once; what is no escape stays. `out` may be `p`. */

static size_t
cg_path_decode(uint8_t *out, const uint8_t *p, size_t len)
{
    int     c;
    size_t  n;

    n = 0;

    for (size_t i = 0; i < len; i++) {
        c = cg_unescape(p + i, len - i);

        if (c >= 0) {
            out[n++] = (uint8_t) c;
            i += 2;

        } else {
            out[n++] = p[i];
        }
    }

    return n;
}


/* "host", "host:port", "[::1]:port" (RFC 3986, 3.2). No port is 0. */

static bool
cg_host_split(cg_str_t text, cg_str_t *host, uint64_t *port)
{
    size_t  i;

    *host = text;
    *port = 0;

    for (i = 0; i < text.len && text.data[i] != ':'; i++) {

        if (text.data[i] == '[') {
            while (i < text.len && text.data[i] != ']') {
                i++;
            }
        }

        if (i == text.len || text.data[i] <= 0x20
            || memchr("/\\@?#,", text.data[i], 6) != NULL)
        {
            return false;
        }
    }

    host->len = i;

    if (i < text.len) {
        i++;

        if (!cg_parse_uint((cg_str_t) { text.len - i, text.data + i }, 65535,
                           port)
            || *port == 0)
        {
            return false;
        }
    }

    return host->len > 0;
}


static bool
cg_eq_nocase(cg_str_t a, cg_str_t b)
{
    return a.len == b.len && cg_prefix_nocase(a, b);
}


static bool
cg_prefix_nocase(cg_str_t s, cg_str_t prefix)
{
    if (s.len < prefix.len) {
        return false;
    }

    for (size_t i = 0; i < prefix.len; i++) {
        if (cg_lower(s.data[i]) != cg_lower(prefix.data[i])) {
            return false;
        }
    }

    return true;
}


static uint8_t
cg_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}
