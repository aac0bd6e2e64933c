/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "cg_path.h"
#include "cg_request.h"


#define require(x)  do { if (!(x)) abort(); } while (0)

#define PARTS  5


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Lines of the input; what is missing is empty. */

static void
split(cg_str_t parts[PARTS], const uint8_t *p, size_t size)
{
    const uint8_t  *nl, *end = p + size;

    for (size_t i = 0; i < PARTS; i++) {
        nl = p < end ? memchr(p, '\n', (size_t) (end - p)) : NULL;

        if (nl == NULL || i == PARTS - 1) {
            nl = end;
        }

        parts[i].data = p;
        parts[i].len = (size_t) (nl - p);
        p = nl < end ? nl + 1 : end;
    }
}


static void
fuzz_classify(const uint8_t *data, size_t size)
{
    cg_str_t      parts[PARTS];
    cg_class_e    klass;
    cg_request_t  rq;

    if (size == 0) {
        return;
    }

    split(parts, data + 1, size - 1);

    rq.safe = data[0] & 1;
    rq.websocket = data[0] & 2;
    rq.sec_fetch_mode = parts[0];
    rq.sec_fetch_dest = parts[1];
    rq.x_requested_with = parts[2];
    rq.accept = parts[3];
    rq.path = parts[4];

    klass = cg_classify(&rq);
    require(klass < CG_CLASSES);

    /* a POST is never redirected */
    require(klass != CG_CLASS_NAVIGATION || rq.safe);
    require(klass != CG_CLASS_UNSAFE || !rq.safe);
    require(!rq.websocket || klass == CG_CLASS_API);
}


static int
digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}


/* Another decoder than the one that is tested. */

static size_t
decode(uint8_t *p, size_t len)
{
    size_t  in, out = 0;

    for (in = 0; in < len; in++) {
        if (p[in] == '%' && in + 2 < len && digit(p[in + 1]) >= 0
            && digit(p[in + 2]) >= 0)
        {
            p[out++] = (uint8_t) (digit(p[in + 1]) * 16 + digit(p[in + 2]));
            in += 2;

        } else {
            p[out++] = p[in];
        }
    }

    return out;
}


static void
check_path(const uint8_t *p, size_t len)
{
    require(len > 0 && p[0] == '/');

    for (size_t i = 0; i < len; i++) {
        require(p[i] >= 0x20 && p[i] != 0x7f && p[i] != '\\');
        require(i == 0 || p[i] != '/' || p[i - 1] != '/');
    }
}


static void
fuzz_return(const uint8_t *data, size_t size)
{
    size_t    len, all;
    uint8_t   buf[CG_MAX_RETURN];
    cg_str_t  path = { size, data };

    if (!cg_return_valid(path)) {
        return;
    }

    require(size <= CG_MAX_RETURN);
    memcpy(buf, data, size);

    for (len = 0; len < size && buf[len] != '?'; len++) {
        /* the path */
    }

    for (all = 0; all < size; all++) {
        require(buf[all] > 0x20 && buf[all] < 0x7f && buf[all] != '#');
    }

    check_path(buf, len);
    len = decode(buf, len);
    check_path(buf, len);
    len = decode(buf, len);
    check_path(buf, len);

    memcpy(buf, data, size);
    len = decode(buf, size);

    for (size_t i = 0; i < len; i++) {
        require(buf[i] >= 0x20 && buf[i] != 0x7f);
    }
}


static void
fuzz_cookie(const uint8_t *data, size_t size)
{
    size_t    next = 0, before;
    cg_str_t  header = { size, data }, value;

    for ( ;; ) {
        before = next;

        if (!cg_cookie_next(header, cg_str("consent"), &next, &value)) {
            break;
        }

        require(next > before && next <= size);
        require(value.data >= data && value.data + value.len <= data + size);
        require(memchr(value.data, ';', value.len) == NULL);
        require(value.data - data >= (int) sizeof("consent=") - 1);
    }

    require(next >= size);
}


static void
fuzz_locale(const uint8_t *data, size_t size)
{
    size_t    len;
    uint8_t   c, locale[CG_MAX_LOCALE + 1];
    cg_str_t  header = { size, data };

    locale[CG_MAX_LOCALE] = '#';
    len = cg_locale(header, locale);

    require(len <= CG_MAX_LOCALE && locale[CG_MAX_LOCALE] == '#');
    require(len == 0 || (locale[0] != '-' && locale[len - 1] != '-'));

    for (size_t i = 0; i < len; i++) {
        c = locale[i];
        require((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                || (c >= '0' && c <= '9') || c == '-');
    }
}


static void
fuzz_form(const uint8_t *data, size_t size)
{
    int        rc;
    uint8_t   *buf, *pos;
    cg_str_t   name, value;
    cg_form_t  form;

    buf = malloc(size);
    require(size == 0 || buf != NULL);

    if (size > 0) {
        memcpy(buf, data, size);
    }

    form.pos = buf;
    form.end = size > 0 ? buf + size : buf;

    do {
        pos = form.pos;
        rc = cg_form_next(&form, &name, &value);

        require(form.pos <= form.end);

        if (rc == 1) {
            require(form.pos > pos);
            require(name.len + value.len <= (size_t) (form.pos - pos));
            require(memchr(name.data, '\0', name.len) == NULL);
            require(memchr(value.data, '\0', value.len) == NULL);
        }

    } while (rc == 1);

    require(form.pos == form.end);
    free(buf);
}


static void
fuzz_origin(const uint8_t *data, size_t size)
{
    cg_str_t  parts[PARTS];

    split(parts, data, size);

    if (!cg_origin_matches(parts[0], parts[1])) {
        return;
    }

    /* nothing but a scheme, a host and a port can match */

    require(memchr(parts[0].data, '@', parts[0].len) == NULL);
    require(memchr(parts[0].data + 8, '/', parts[0].len - 8) == NULL);
    require(memchr(parts[0].data, '\\', parts[0].len) == NULL);
    require(memchr(parts[0].data, ' ', parts[0].len) == NULL);
    require(parts[1].len > 0);
}


/* What has none of these bytes in its path means one thing. */

static void
fuzz_path(const uint8_t *data, size_t size)
{
    size_t    len;
    cg_str_t  path = { size, data };

    for (len = 0; len < size && data[len] != '?'; len++) { /* void */ }

    require(cg_path_ambiguous(path)
            == cg_path_ambiguous((cg_str_t) { len, data }));
    require(!cg_path_ambiguous(path)
            || memchr(data, '%', len) != NULL
            || memchr(data, '#', len) != NULL
            || memchr(data, '\\', len) != NULL
            || memchr(data, '.', len) != NULL);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const  targets[])(const uint8_t *data, size_t size) = {
        fuzz_classify,
        fuzz_return,
        fuzz_cookie,
        fuzz_locale,
        fuzz_form,
        fuzz_origin,
        fuzz_path
    };

    if (size > 0) {
        targets[data[0] % 7](data + 1, size - 1);
    }

    return 0;
}
