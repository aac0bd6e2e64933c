/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_cookie.h"


static uint32_t cg_language_weight(cg_str_t element, cg_str_t *tag);
static uint32_t cg_quality(cg_str_t value);
static size_t cg_language_tag(cg_str_t tag, uint8_t locale[CG_MAX_LOCALE]);
static size_t cg_subtag(const uint8_t *p, const uint8_t *end, bool digits);
static bool cg_form_decode(uint8_t *start, const uint8_t *end, cg_str_t *text);


bool
cg_list_next(cg_str_t *list, cg_str_t *element)
{
    const uint8_t  *p, *comma, *end;

    while (list->len > 0) {
        p = list->data;
        end = p + list->len;
        comma = memchr(p, ',', list->len);

        if (comma == NULL) {
            comma = end;
            list->len = 0;

        } else {
            list->data = comma + 1;
            list->len = (size_t) (end - comma) - 1;
        }

        *element = cg_trim(p, comma);

        if (element->len > 0) {
            return true;
        }
    }

    return false;
}


size_t
cg_locale(cg_str_t accept_language, uint8_t locale[CG_MAX_LOCALE])
{
    size_t    len, n;
    uint8_t   buf[CG_MAX_LOCALE];
    uint32_t  best, weight;
    cg_str_t  element, tag;

    len = 0;
    best = 0;

    while (cg_list_next(&accept_language, &element)) {
        weight = cg_language_weight(element, &tag);

        if (weight <= best) {
            continue;
        }

        n = cg_language_tag(tag, buf);

        if (n > 0) {
            memcpy(locale, buf, n);
            len = n;
            best = weight;
        }
    }

    return len;
}


int
cg_form_next(cg_form_t *form, cg_str_t *name, cg_str_t *value)
{
    uint8_t  *start, *end, *eq;

    while (form->pos < form->end && *form->pos == '&') {
        form->pos++;
    }

    if (form->pos == form->end) {
        return 0;
    }

    start = form->pos;
    end = memchr(start, '&', (size_t) (form->end - start));

    if (end == NULL) {
        end = form->end;
    }

    form->pos = end;

    eq = memchr(start, '=', (size_t) (end - start));

    if (eq == NULL) {
        *value = cg_str("");

    } else if (!cg_form_decode(eq + 1, end, value)) {
        goto malformed;
    }

    if (!cg_form_decode(start, eq != NULL ? eq : end, name)) {
        goto malformed;
    }

    return 1;

malformed:

    form->pos = form->end;

    return -1;
}


/* Thousandths; 0 when the language is not wanted or cannot be read. */

static uint32_t
cg_language_weight(cg_str_t element, cg_str_t *tag)
{
    cg_str_t        weight;
    const uint8_t  *end, *semicolon;

    end = element.data + element.len;
    semicolon = memchr(element.data, ';', element.len);

    if (semicolon == NULL) {
        *tag = element;
        return 1000;
    }

    *tag = cg_trim(element.data, semicolon);
    weight = cg_trim(semicolon + 1, end);

    if (weight.len < 3 || (weight.data[0] | 0x20) != 'q'
        || weight.data[1] != '=')
    {
        return 0;
    }

    weight.data += 2;
    weight.len -= 2;

    return cg_quality(weight);
}


/* "1", "0.8", "1.000": RFC 9110, 12.4.2. */

static uint32_t
cg_quality(cg_str_t value)
{
    uint8_t   c;
    uint32_t  n, unit;

    c = value.data[0];

    if ((c != '0' && c != '1') || value.len > 5
        || (value.len > 1 && value.data[1] != '.'))
    {
        return 0;
    }

    n = c == '1' ? 1000 : 0;
    unit = 100;

    for (size_t i = 2; i < value.len; i++) {
        c = value.data[i];

        if (c < '0' || c > '9') {
            return 0;
        }

        n += (uint32_t) (c - '0') * unit;
        unit /= 10;
    }

    return n <= 1000 ? n : 0;
}


/*
 * A language range (RFC 4647, 2.1). What is too long loses subtags from its
 * end, as in a lookup (3.4).
 */

static size_t
cg_language_tag(cg_str_t tag, uint8_t locale[CG_MAX_LOCALE])
{
    size_t          n, len;
    const uint8_t  *p, *end;

    p = tag.data;
    end = p + tag.len;

    n = cg_subtag(p, end, false);

    if (n == 0) {
        return 0;
    }

    for (size_t i = 0; i < n; i++) {
        locale[i] = p[i] | 0x20;
    }

    len = n;
    p += n;

    while (p < end) {

        if (*p != '-') {
            return 0;
        }

        n = cg_subtag(p + 1, end, true);

        if (n == 0) {
            return 0;
        }

        if (len + 1 + n > CG_MAX_LOCALE) {
            break;
        }

        memcpy(locale + len, p, n + 1);
        len += n + 1;
        p += n + 1;
    }

    return len;
}


/* The length of the 1 to 8 letters, or letters and digits, at `p`, or 0. */

static size_t
cg_subtag(const uint8_t *p, const uint8_t *end, bool digits)
{
    size_t   n;
    uint8_t  c;

    for (n = 0; p + n < end; n++) {
        c = p[n] | 0x20;

        if (!(c >= 'a' && c <= 'z')
            && !(digits && p[n] >= '0' && p[n] <= '9'))
        {
            break;
        }
    }

    return n <= 8 ? n : 0;
}


static bool
cg_form_decode(uint8_t *start, const uint8_t *end, cg_str_t *text)
{
    uint8_t  c, *out;

    out = start;

    for (const uint8_t *p = start; p < end; p++) {
        c = *p == '+' ? ' ' : *p;

        if (c == '%') {
            if (end - p < 3
                || !cg_parse_hex((cg_str_t) { 2, p + 1 }, &c, 1))
            {
                return false;
            }

            p += 2;
        }

        if (c == '\0') {
            return false;
        }

        *out++ = c;
    }

    text->data = start;
    text->len = (size_t) (out - start);

    return true;
}
