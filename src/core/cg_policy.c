/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_policy.h"


/* 9999-12-31T23:59:59Z: a date in milliseconds is noticed as a mistake */
#define CG_MAX_EFFECTIVE  253402300799


typedef const char *(*cg_policy_set_pt)(cg_policy_t *p, cg_str_t value);

typedef struct {
    cg_str_t          name;
    cg_policy_set_pt  set;
} cg_policy_word_t;


static size_t cg_policy_find(cg_str_t word, cg_str_t *value);
static const char *cg_policy_next(cg_str_t *rest, uint8_t *buf,
    cg_str_t *word);
static const char *cg_policy_quoted(cg_str_t *rest, uint8_t **out);
static bool cg_policy_number(cg_str_t value, uint32_t min, uint32_t *n);
static const char *cg_policy_version(cg_policy_t *p, cg_str_t value);
static const char *cg_policy_required(cg_policy_t *p, cg_str_t value);
static const char *cg_policy_before(cg_policy_t *p, cg_str_t value);
static const char *cg_policy_effective(cg_policy_t *p, cg_str_t value);
static const char *cg_policy_sha256(cg_policy_t *p, cg_str_t value);
static const char *cg_policy_title(cg_policy_t *p, cg_str_t value);
static const char *cg_policy_url(cg_policy_t *p, cg_str_t value);
static bool cg_policy_url_valid(cg_str_t url);
static bool cg_starts_with(cg_str_t s, cg_str_t prefix);
static bool cg_letter(uint8_t c);


static const cg_policy_word_t  cg_policy_words[] = {
    { cg_str("version"), cg_policy_version },
    { cg_str("required"), cg_policy_required },
    { cg_str("before"), cg_policy_before },
    { cg_str("effective"), cg_policy_effective },
    { cg_str("sha256"), cg_policy_sha256 },
    { cg_str("title"), cg_policy_title },
    { cg_str("url"), cg_policy_url }
};

#define CG_POLICY_WORDS  (sizeof(cg_policy_words) / sizeof(cg_policy_words[0]))


bool
cg_name_valid(cg_str_t name)
{
    if (name.len == 0 || name.len > CG_MAX_NAME || !cg_letter(name.data[0])) {
        return false;
    }

    for (size_t i = 1; i < name.len; i++) {
        uint8_t  c = name.data[i];

        if (!cg_letter(c) && !(c >= '0' && c <= '9') && c != '_') {
            return false;
        }
    }

    return true;
}


const char *
cg_policy_word(cg_policy_t *p, cg_str_t word)
{
    size_t    i;
    cg_str_t  value;

    i = cg_policy_find(word, &value);

    if (i == CG_POLICY_WORDS) {
        return "unknown word";
    }

    return cg_policy_words[i].set(p, value);
}


const char *
cg_policy_finish(cg_policy_t *p)
{
    if (p->version == 0) {
        return "\"version\" is missing";
    }

    if (p->required == 0) {
        p->required = p->version;
    }

    if (p->required > p->version) {
        return "\"required\" is above \"version\"";
    }

    if (p->before > p->required) {
        return "\"before\" is above \"required\"";
    }

    p->known = true;

    return NULL;
}


const char *
cg_policy_parse(cg_policy_t *p, cg_str_t field)
{
    size_t       i;
    uint8_t      buf[CG_MAX_POLICY];
    uint32_t     seen;
    cg_str_t     word, value;
    const char  *err;
    cg_policy_t  policy;

    if (field.len > CG_MAX_POLICY) {
        return "too long";
    }

    memset(&policy, 0, sizeof(cg_policy_t));
    seen = 0;

    for ( ;; ) {
        err = cg_policy_next(&field, buf, &word);

        if (err != NULL) {
            return err;
        }

        if (word.data == NULL) {
            break;
        }

        i = cg_policy_find(word, &value);

        if (i == CG_POLICY_WORDS) {
            return "unknown word";
        }

        if (seen & (1u << i)) {
            return "a word is given twice";
        }

        seen |= 1u << i;

        err = cg_policy_words[i].set(&policy, value);

        if (err != NULL) {
            return err;
        }
    }

    err = cg_policy_finish(&policy);

    if (err == NULL) {
        *p = policy;
    }

    return err;
}


/* The row of "name=value", or CG_POLICY_WORDS. */

static size_t
cg_policy_find(cg_str_t word, cg_str_t *value)
{
    size_t    i;
    cg_str_t  name;

    for (i = 0; i < CG_POLICY_WORDS; i++) {
        name = cg_policy_words[i].name;

        if (cg_starts_with(word, name) && word.len > name.len
            && word.data[name.len] == '=')
        {
            value->data = word.data + name.len + 1;
            value->len = word.len - name.len - 1;
            break;
        }
    }

    return i;
}


/*
 * Cuts the next word off `rest` and takes its quotes off into `buf`, which
 * holds CG_MAX_POLICY bytes. At the end word->data is NULL.
 */

static const char *
cg_policy_next(cg_str_t *rest, uint8_t *buf, cg_str_t *word)
{
    size_t       n;
    uint8_t     *out;
    const char  *err;

    while (rest->len > 0 && *rest->data == ' ') {
        rest->data++;
        rest->len--;
    }

    word->data = rest->len > 0 ? buf : NULL;
    out = buf;

    while (rest->len > 0 && *rest->data != ' ') {

        if (*rest->data == '"') {
            n = (size_t) (out - buf);

            if (n > 0 && memchr(buf, '=', n) != out - 1) {
                return "a quote inside a word";
            }

            err = cg_policy_quoted(rest, &out);

            if (err != NULL) {
                return err;
            }

            break;
        }

        *out++ = *rest->data++;
        rest->len--;
    }

    word->len = (size_t) (out - buf);

    return NULL;
}


static const char *
cg_policy_quoted(cg_str_t *rest, uint8_t **out)
{
    const uint8_t  *p, *end;

    p = rest->data + 1;
    end = rest->data + rest->len;

    while (p < end && *p != '"') {
        if (*p == '\\' && ++p == end) {
            break;
        }

        *(*out)++ = *p++;
    }

    if (p == end) {
        return "a quote is not closed";
    }

    p++;
    rest->data = p;
    rest->len = (size_t) (end - p);

    if (p < end && *p != ' ') {
        return "text behind a closing quote";
    }

    return NULL;
}


static bool
cg_policy_number(cg_str_t value, uint32_t min, uint32_t *n)
{
    uint64_t  number;

    if (!cg_parse_uint(value, CG_MAX_VERSION, &number) || number < min) {
        return false;
    }

    *n = (uint32_t) number;

    return true;
}


static const char *
cg_policy_version(cg_policy_t *p, cg_str_t value)
{
    return cg_policy_number(value, 1, &p->version)
           ? NULL : "\"version\" is not a number from 1 to 4294967295";
}


static const char *
cg_policy_required(cg_policy_t *p, cg_str_t value)
{
    return cg_policy_number(value, 1, &p->required)
           ? NULL : "\"required\" is not a number from 1 to 4294967295";
}


static const char *
cg_policy_before(cg_policy_t *p, cg_str_t value)
{
    return cg_policy_number(value, 0, &p->before)
           ? NULL : "\"before\" is not a number from 0 to 4294967295";
}


static const char *
cg_policy_effective(cg_policy_t *p, cg_str_t value)
{
    uint64_t  n;

    if (!cg_parse_uint(value, CG_MAX_EFFECTIVE, &n)) {
        return "\"effective\" is not a time in seconds since 1970";
    }

    p->effective = (int64_t) n;

    return NULL;
}


static const char *
cg_policy_sha256(cg_policy_t *p, cg_str_t value)
{
    uint8_t  sha256[32];

    if (!cg_parse_hex(value, sha256, sizeof(sha256))) {
        return "\"sha256\" is not 64 hexadecimal digits";
    }

    memcpy(p->sha256, sha256, sizeof(sha256));
    p->has_sha256 = true;

    return NULL;
}


static const char *
cg_policy_title(cg_policy_t *p, cg_str_t value)
{
    if (value.len > CG_MAX_TITLE) {
        return "\"title\" is longer than 128 bytes";
    }

    if (!cg_utf8_printable(value)) {
        return "\"title\" is not printable UTF-8";
    }

    memcpy(p->title, value.data, value.len);
    p->title_len = (uint16_t) value.len;

    return NULL;
}


static const char *
cg_policy_url(cg_policy_t *p, cg_str_t value)
{
    if (value.len > CG_MAX_URL) {
        return "\"url\" is longer than 512 bytes";
    }

    if (!cg_utf8_printable(value)) {
        return "\"url\" is not printable UTF-8";
    }

    if (!cg_policy_url_valid(value)) {
        return "\"url\" is not a path or an http or https URL";
    }

    memcpy(p->url, value.data, value.len);
    p->url_len = (uint16_t) value.len;

    return NULL;
}


/* Browsers read "/\host" as "//host" (WHATWG URL, 4.4). */

static bool
cg_policy_url_valid(cg_str_t url)
{
    static const cg_str_t  schemes[] = {
        cg_str("https://"),
        cg_str("http://")
    };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (cg_starts_with(url, schemes[i])) {
            return url.len > schemes[i].len
                   && url.data[schemes[i].len] != '/';
        }
    }

    if (url.len == 0 || url.data[0] != '/') {
        return false;
    }

    return url.len == 1 || (url.data[1] != '/' && url.data[1] != '\\');
}


static bool
cg_starts_with(cg_str_t s, cg_str_t prefix)
{
    return s.len >= prefix.len && memcmp(s.data, prefix.data, prefix.len) == 0;
}


static bool
cg_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
