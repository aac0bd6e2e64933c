/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_tcf.h"


#define CG_TCF_FORMAT     2
#define CG_TCF_DAY        86400     /* seconds */

/* RestrictionType: 0 not allowed at all, 1 by consent, 2 by interest */

#define CG_TCF_BY_CONSENT  1
#define CG_TCF_UNDEFINED   3


typedef enum {
    CG_TCF_CORE = 0,
    CG_TCF_SEG_DISCLOSED,
    CG_TCF_SEG_ALLOWED,
    CG_TCF_SEG_PUBLISHER
} cg_tcf_segment_e;


/*
 * Bits of a segment: six a character, the highest first. What fills up the
 * last character or byte differs among encoders, and is not looked at.
 */

typedef struct {
    const uint8_t  *text;
    size_t          pos;             /* bits */
    size_t          end;
    bool            bad;             /* something was read past the end */
} cg_bits_t;

/* Vendors from `first` to `last`: what is to be done with those we know. */

typedef void (*cg_tcf_mark_pt)(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);


static cg_tcf_e cg_tcf_core(cg_tcf_t *t, cg_bits_t *b);
static cg_tcf_e cg_tcf_head(cg_tcf_t *t, cg_bits_t *b);
static cg_tcf_e cg_tcf_segment(cg_tcf_t *t, cg_bits_t *b);
static cg_tcf_e cg_tcf_publisher(cg_tcf_t *t, cg_bits_t *b);
static cg_tcf_e cg_tcf_vendors(cg_tcf_t *t, cg_bits_t *b,
    cg_tcf_mark_pt mark);
static cg_tcf_e cg_tcf_field(cg_tcf_t *t, cg_bits_t *b, uint16_t max,
    cg_tcf_mark_pt mark);
static cg_tcf_e cg_tcf_ranges(cg_tcf_t *t, cg_bits_t *b, uint16_t max,
    cg_tcf_mark_pt mark, cg_tcf_set_t purposes);
static cg_tcf_e cg_tcf_restrictions(cg_tcf_t *t, cg_bits_t *b);
static void cg_tcf_mark_consent(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);
static void cg_tcf_mark_interest(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);
static void cg_tcf_mark_disclosed(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);
static void cg_tcf_mark_allowed(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);
static void cg_tcf_mark_barred(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);
static void cg_tcf_mark_nothing(cg_tcf_vendor_t *v, cg_tcf_set_t purposes);
static bool cg_tcf_grants(const cg_tcf_t *t, const cg_tcf_map_t *m);

static bool cg_bits_init(cg_bits_t *b, cg_str_t text);
static uint64_t cg_bits(cg_bits_t *b, size_t n);
static uint64_t cg_bits_set(cg_bits_t *b, size_t n);
static bool cg_bits_letters(cg_bits_t *b, uint8_t letters[2]);


static const cg_str_t  cg_tcf_errors[CG_TCF_ERRORS] = {
    cg_str("good"),
    cg_str("empty"),
    cg_str("too long"),
    cg_str("not base64url"),
    cg_str("not of version 2"),
    cg_str("of an unknown version of the policies"),
    cg_str("cut off"),
    cg_str("of global scope"),
    cg_str("a language or country without letters"),
    cg_str("a bad range of vendors"),
    cg_str("a bad restriction"),
    cg_str("an unknown or repeated segment"),
    cg_str("without disclosed vendors")
};


cg_str_t
cg_tcf_error(cg_tcf_e error)
{
    return error < CG_TCF_ERRORS ? cg_tcf_errors[error] : cg_str("");
}


cg_tcf_e
cg_tcf_parse(cg_tcf_t *t, cg_str_t text, const uint16_t *vendors, size_t n)
{
    bool            core;
    cg_str_t        part;
    cg_tcf_e        error;
    cg_bits_t       b;
    const uint8_t  *dot;

    memset(t, 0, sizeof(cg_tcf_t));

    for (size_t i = 0; i < n && i < CG_MAX_PURPOSES; i++) {
        t->vendors[t->nvendors++].id = vendors[i];
    }

    if (text.len == 0) {
        return CG_TCF_EMPTY;
    }

    if (text.len > CG_MAX_TCF) {
        return CG_TCF_TOO_LONG;
    }

    for (core = true; /* void */ ; core = false) {
        dot = memchr(text.data, '.', text.len);

        part.data = text.data;
        part.len = dot != NULL ? (size_t) (dot - text.data) : text.len;

        if (!cg_bits_init(&b, part)) {
            return CG_TCF_BASE64;
        }

        error = core ? cg_tcf_core(t, &b) : cg_tcf_segment(t, &b);

        if (error != CG_TCF_OK) {
            return error;
        }

        if (dot == NULL) {
            break;
        }

        text.len -= part.len + 1;
        text.data = dot + 1;

        if (text.len == 0) {
            return CG_TCF_TRUNCATED;
        }
    }

    if (!t->has_disclosed && t->updated >= CG_TCF_DISCLOSE) {
        return CG_TCF_UNDISCLOSED;
    }

    return CG_TCF_OK;
}


cg_purposes_t
cg_tcf_granted(const cg_tcf_t *t, const cg_tcf_map_t *maps, size_t n,
    int64_t now)
{
    cg_purposes_t  granted;

    /* the day may be over where the string was made, and not yet here */

    if (t->updated > now + CG_TCF_DAY
        || now - t->updated > (int64_t) CG_TCF_LIFE * CG_TCF_DAY)
    {
        return 0;
    }

    granted = 0;

    for (size_t i = 0; i < n && i < CG_MAX_PURPOSES; i++) {
        if (maps[i].purposes != 0 && cg_tcf_grants(t, &maps[i])) {
            granted |= (cg_purposes_t) (1u << i);
        }
    }

    return granted;
}


static bool
cg_tcf_grants(const cg_tcf_t *t, const cg_tcf_map_t *m)
{
    cg_tcf_set_t            consents;
    const cg_tcf_vendor_t  *v;

    /* without its segment the publisher's set is empty */

    consents = m->publisher ? t->publisher_consents : t->consents;

    if (m->purposes & ~consents) {
        return false;
    }

    if (m->vendor == 0) {
        return true;
    }

    for (size_t i = 0; i < t->nvendors; i++) {
        v = &t->vendors[i];

        if (v->id == m->vendor) {
            return v->consent
                   && (v->disclosed || !t->has_disclosed)
                   && (v->barred & m->purposes) == 0;
        }
    }

    return false;
}


static cg_tcf_e
cg_tcf_core(cg_tcf_t *t, cg_bits_t *b)
{
    cg_tcf_e  error;

    error = cg_tcf_head(t, b);

    if (error == CG_TCF_OK) {
        error = cg_tcf_vendors(t, b, cg_tcf_mark_consent);
    }

    if (error == CG_TCF_OK) {
        error = cg_tcf_vendors(t, b, cg_tcf_mark_interest);
    }

    if (error == CG_TCF_OK) {
        error = cg_tcf_restrictions(t, b);
    }

    return error;
}


/* The fields of fixed length; the widths are those of the specification. */

static cg_tcf_e
cg_tcf_head(cg_tcf_t *t, cg_bits_t *b)
{
    bool  letters, local;

    if (cg_bits(b, 6) != CG_TCF_FORMAT) {
        return b->bad ? CG_TCF_TRUNCATED : CG_TCF_VERSION;
    }

    /* in tenths of a second */

    t->created = (int64_t) (cg_bits(b, 36) / 10);
    t->updated = (int64_t) (cg_bits(b, 36) / 10);

    t->cmp = (uint16_t) cg_bits(b, 12);
    t->cmp_version = (uint16_t) cg_bits(b, 12);
    t->screen = (uint8_t) cg_bits(b, 6);
    letters = cg_bits_letters(b, t->language);
    t->list_version = (uint16_t) cg_bits(b, 12);
    t->policy = (uint8_t) cg_bits(b, 6);
    local = cg_bits(b, 1);
    t->other_texts = cg_bits(b, 1);
    t->features = (uint16_t) cg_bits_set(b, 12);
    t->consents = (cg_tcf_set_t) cg_bits_set(b, CG_TCF_PURPOSES);
    t->interests = (cg_tcf_set_t) cg_bits_set(b, CG_TCF_PURPOSES);
    t->no_purpose_one = cg_bits(b, 1);
    letters &= cg_bits_letters(b, t->publisher_country);

    if (b->bad) {
        return CG_TCF_TRUNCATED;
    }

    if (t->policy < CG_TCF_POLICY_MIN || t->policy > CG_TCF_POLICY_MAX) {
        return CG_TCF_POLICY;
    }

    if (!local) {
        return CG_TCF_GLOBAL;
    }

    return letters ? CG_TCF_OK : CG_TCF_LETTER;
}


static cg_tcf_e
cg_tcf_segment(cg_tcf_t *t, cg_bits_t *b)
{
    bool            *has;
    cg_tcf_mark_pt   mark;

    switch (cg_bits(b, 3)) {

    case CG_TCF_SEG_DISCLOSED:
        has = &t->has_disclosed;
        mark = cg_tcf_mark_disclosed;
        break;

    case CG_TCF_SEG_ALLOWED:
        has = &t->has_allowed;
        mark = cg_tcf_mark_allowed;
        break;

    case CG_TCF_SEG_PUBLISHER:
        has = &t->has_publisher;
        mark = NULL;
        break;

    default:
        return b->bad ? CG_TCF_TRUNCATED : CG_TCF_SEGMENT;
    }

    if (*has) {
        return CG_TCF_SEGMENT;
    }

    *has = true;

    return mark != NULL ? cg_tcf_vendors(t, b, mark) : cg_tcf_publisher(t, b);
}


static cg_tcf_e
cg_tcf_publisher(cg_tcf_t *t, cg_bits_t *b)
{
    t->publisher_consents = (cg_tcf_set_t) cg_bits_set(b, CG_TCF_PURPOSES);
    t->publisher_interests = (cg_tcf_set_t) cg_bits_set(b, CG_TCF_PURPOSES);
    t->ncustom = (uint8_t) cg_bits(b, 6);
    t->custom_consents = cg_bits_set(b, t->ncustom);
    t->custom_interests = cg_bits_set(b, t->ncustom);

    return b->bad ? CG_TCF_TRUNCATED : CG_TCF_OK;
}


static cg_tcf_e
cg_tcf_vendors(cg_tcf_t *t, cg_bits_t *b, cg_tcf_mark_pt mark)
{
    bool      ranges;
    uint16_t  max;

    max = (uint16_t) cg_bits(b, 16);
    ranges = cg_bits(b, 1);

    if (b->bad) {
        return CG_TCF_TRUNCATED;
    }

    return ranges ? cg_tcf_ranges(t, b, max, mark, 0)
                  : cg_tcf_field(t, b, max, mark);
}


/* A bit for each vendor from 1 on: only those that we know are looked at. */

static cg_tcf_e
cg_tcf_field(cg_tcf_t *t, cg_bits_t *b, uint16_t max, cg_tcf_mark_pt mark)
{
    cg_bits_t         one;
    cg_tcf_vendor_t  *v;

    if (b->end - b->pos < max) {
        return CG_TCF_TRUNCATED;
    }

    for (size_t i = 0; i < t->nvendors; i++) {
        v = &t->vendors[i];

        if (v->id == 0 || v->id > max) {
            continue;
        }

        one = *b;
        one.pos += v->id - 1u;

        if (cg_bits(&one, 1)) {
            mark(v, 0);
        }
    }

    b->pos += max;

    return CG_TCF_OK;
}


/* An entry takes 17 bits at least: the string bounds their number. */

static cg_tcf_e
cg_tcf_ranges(cg_tcf_t *t, cg_bits_t *b, uint16_t max, cg_tcf_mark_pt mark,
    cg_tcf_set_t purposes)
{
    bool      range;
    uint16_t  n, first, last;

    n = (uint16_t) cg_bits(b, 12);

    while (n-- > 0) {
        range = cg_bits(b, 1);
        first = (uint16_t) cg_bits(b, 16);
        last = range ? (uint16_t) cg_bits(b, 16) : first;

        if (b->bad) {
            return CG_TCF_TRUNCATED;
        }

        if (first == 0 || last < first || last > max) {
            return CG_TCF_RANGE;
        }

        for (size_t i = 0; i < t->nvendors; i++) {
            if (t->vendors[i].id >= first && t->vendors[i].id <= last) {
                mark(&t->vendors[i], purposes);
            }
        }
    }

    return b->bad ? CG_TCF_TRUNCATED : CG_TCF_OK;
}


static cg_tcf_e
cg_tcf_restrictions(cg_tcf_t *t, cg_bits_t *b)
{
    uint8_t   purpose, type;
    uint16_t  n;
    cg_tcf_e  error;

    n = (uint16_t) cg_bits(b, 12);

    while (n-- > 0) {
        purpose = (uint8_t) cg_bits(b, 6);
        type = (uint8_t) cg_bits(b, 2);

        if (b->bad) {
            return CG_TCF_TRUNCATED;
        }

        if (purpose == 0 || purpose > CG_TCF_PURPOSES
            || type == CG_TCF_UNDEFINED)
        {
            return CG_TCF_RESTRICTION;
        }

        error = cg_tcf_ranges(t, b, CG_TCF_MAX_VENDOR,
                              type == CG_TCF_BY_CONSENT ? cg_tcf_mark_nothing
                                                        : cg_tcf_mark_barred,
                              (cg_tcf_set_t) 1 << (purpose - 1));

        if (error != CG_TCF_OK) {
            return error;
        }
    }

    return b->bad ? CG_TCF_TRUNCATED : CG_TCF_OK;
}


static void
cg_tcf_mark_consent(cg_tcf_vendor_t *v, cg_tcf_set_t purposes)
{
    (void) purposes;

    v->consent = true;
}


static void
cg_tcf_mark_interest(cg_tcf_vendor_t *v, cg_tcf_set_t purposes)
{
    (void) purposes;

    v->interest = true;
}


static void
cg_tcf_mark_disclosed(cg_tcf_vendor_t *v, cg_tcf_set_t purposes)
{
    (void) purposes;

    v->disclosed = true;
}


static void
cg_tcf_mark_allowed(cg_tcf_vendor_t *v, cg_tcf_set_t purposes)
{
    (void) purposes;

    v->allowed = true;
}


static void
cg_tcf_mark_barred(cg_tcf_vendor_t *v, cg_tcf_set_t purposes)
{
    v->barred |= purposes;
}


/* Consent is what we ask for anyway. */

static void
cg_tcf_mark_nothing(cg_tcf_vendor_t *v, cg_tcf_set_t purposes)
{
    (void) v;
    (void) purposes;
}


static bool
cg_bits_init(cg_bits_t *b, cg_str_t text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (cg_base64url_value[text.data[i]] >= 64) {
            return false;
        }
    }

    *b = (cg_bits_t) { text.data, 0, text.len * 6, false };

    return true;
}


/* The next `n` bits, at most 64, as a number. */

static uint64_t
cg_bits(cg_bits_t *b, size_t n)
{
    uint32_t  six;
    uint64_t  v;

    if (b->bad || b->end - b->pos < n) {
        b->bad = true;
        return 0;
    }

    v = 0;

    for ( /* void */ ; n > 0; n--) {
        six = cg_base64url_value[b->text[b->pos / 6]];
        v = v << 1 | (six >> (5 - b->pos % 6) & 1);
        b->pos++;
    }

    return v;
}


/* The next `n` bits as a set: the first of them is bit 0. */

static uint64_t
cg_bits_set(cg_bits_t *b, size_t n)
{
    uint64_t  v, set;

    v = cg_bits(b, n);
    set = 0;

    for (size_t i = 0; i < n; i++) {
        set |= (v >> (n - 1 - i) & 1) << i;
    }

    return set;
}


/* Two letters of 6 bits each: 0 is A. */

static bool
cg_bits_letters(cg_bits_t *b, uint8_t letters[2])
{
    bool      ok;
    uint64_t  v;

    ok = true;

    for (size_t i = 0; i < 2; i++) {
        v = cg_bits(b, 6);
        ok &= v < 26;
        letters[i] = (uint8_t) ('A' + v);
    }

    return ok;
}
