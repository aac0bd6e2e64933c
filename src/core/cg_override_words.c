/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_override.h"


#define CG_DAY    86400         /* seconds */
#define CG_YEARS  3155760000    /* a hundred of them, in seconds */


typedef struct {
    cg_str_t      name;
    const char  *(*parse)(cg_override_t *o, cg_str_t value);
    void         (*write)(const cg_override_t *o, cg_out_t *out);
    void         (*unset)(cg_override_t *o);
} cg_word_t;


static const char *cg_word_country(cg_override_t *o, cg_str_t value);
static const char *cg_word_anonymizer(cg_override_t *o, cg_str_t value);
static const char *cg_word_time(cg_override_t *o, cg_str_t value);
static const char *cg_word_record(cg_override_t *o, cg_str_t value);
static const char *cg_word_residence(cg_override_t *o, cg_str_t value);
static const char *cg_word_history(cg_override_t *o, cg_str_t value);
static const char *cg_word_label(cg_override_t *o, cg_str_t value);

static void cg_write_country(const cg_override_t *o, cg_out_t *out);
static void cg_write_anonymizer(const cg_override_t *o, cg_out_t *out);
static void cg_write_time(const cg_override_t *o, cg_out_t *out);
static void cg_write_record(const cg_override_t *o, cg_out_t *out);
static void cg_write_residence(const cg_override_t *o, cg_out_t *out);
static void cg_write_history(const cg_override_t *o, cg_out_t *out);
static void cg_write_label(const cg_override_t *o, cg_out_t *out);

static void cg_unset_country(cg_override_t *o);
static void cg_unset_anonymizer(cg_override_t *o);
static void cg_unset_time(cg_override_t *o);
static void cg_unset_record(cg_override_t *o);
static void cg_unset_residence(cg_override_t *o);
static void cg_unset_history(cg_override_t *o);
static void cg_unset_label(cg_override_t *o);

static void cg_write_code(cg_cc_t cc, cg_out_t *out);
static bool cg_span_parse(cg_str_t s, int64_t *seconds);
static bool cg_date_parse(cg_str_t s, int64_t *time);
static bool cg_digits(cg_str_t s, size_t from, size_t n, uint32_t *value);
static void cg_write_digits(cg_out_t *out, uint64_t n, size_t width);
static int64_t cg_days_of(int64_t year, unsigned month, unsigned day);
static int64_t cg_year_of(int64_t days, unsigned *month, unsigned *day);


/* In the order in which they are written. */

static const cg_word_t  cg_words[] = {
    { cg_str("country"), cg_word_country, cg_write_country,
      cg_unset_country },
    { cg_str("anonymizer"), cg_word_anonymizer, cg_write_anonymizer,
      cg_unset_anonymizer },
    { cg_str("time"), cg_word_time, cg_write_time, cg_unset_time },
    { cg_str("record"), cg_word_record, cg_write_record, cg_unset_record },
    { cg_str("residence"), cg_word_residence, cg_write_residence,
      cg_unset_residence },
    { cg_str("history"), cg_word_history, cg_write_history,
      cg_unset_history },
    { cg_str("label"), cg_word_label, cg_write_label, cg_unset_label }
};

#define CG_WORDS  (sizeof(cg_words) / sizeof(cg_words[0]))


static const struct {
    uint8_t  unit;
    int64_t  seconds;
} cg_units[] = {
    { 'w', 604800 },
    { 'd', CG_DAY },
    { 'h', 3600 },
    { 'm', 60 },
    { 's', 1 }
};

#define CG_UNITS  (sizeof(cg_units) / sizeof(cg_units[0]))


const char *
cg_override_word(cg_override_t *o, cg_str_t name, cg_str_t value)
{
    for (size_t i = 0; i < CG_WORDS; i++) {
        if (!cg_str_eq(name, cg_words[i].name)) {
            continue;
        }

        if (value.len == 0) {
            cg_words[i].unset(o);
            return NULL;
        }

        return cg_words[i].parse(o, value);
    }

    return "there is no such word";
}


void
cg_override_text(const cg_override_t *o, cg_out_t *out)
{
    uint8_t   value[64];
    cg_out_t  part;
    bool      first;

    first = true;

    for (size_t i = 0; i < CG_WORDS; i++) {
        cg_out_init(&part, value, sizeof(value));
        cg_words[i].write(o, &part);

        if (cg_out_len(&part) == 0) {
            continue;
        }

        cg_out_str(out, first ? cg_str("") : cg_str("; "));
        cg_out_str(out, cg_words[i].name);
        cg_out_str(out, cg_str("="));
        cg_out_bytes(out, value, cg_out_len(&part));
        first = false;
    }
}


void
cg_override_value(const cg_override_t *o, cg_str_t name, cg_out_t *out)
{
    for (size_t i = 0; i < CG_WORDS; i++) {
        if (cg_str_eq(name, cg_words[i].name)) {
            cg_words[i].write(o, out);
        }
    }
}


uint32_t
cg_override_ttl(cg_str_t text)
{
    int64_t  seconds;

    return cg_span_parse(text, &seconds) && seconds > 0
           && seconds <= CG_OVERRIDE_MAX_TTL ? (uint32_t) seconds : 0;
}


static const char *
cg_word_country(cg_override_t *o, cg_str_t value)
{
    cg_cc_t  cc;

    cc = cg_country_setting(value);

    if (cc == CG_CC_UNKNOWN && !cg_str_eq(value, cg_str("unknown"))) {
        return "not a country";
    }

    o->has_country = true;
    o->country = cc;

    return NULL;
}


static void
cg_write_country(const cg_override_t *o, cg_out_t *out)
{
    if (o->has_country && o->country == CG_CC_UNKNOWN) {
        cg_out_str(out, cg_str("unknown"));

    } else {
        cg_write_code(o->country, out);
    }
}


static void
cg_unset_country(cg_override_t *o)
{
    o->has_country = false;
    o->country = CG_CC_UNKNOWN;
}


static const char *
cg_word_anonymizer(cg_override_t *o, cg_str_t value)
{
    cg_anonymizer_e  kind;

    kind = cg_anonymizer_parse(value);

    if (kind == CG_ANONYMIZER_NONE) {
        return "not a kind of anonymizer";
    }

    o->anonymizer = (uint8_t) kind;

    return NULL;
}


static void
cg_write_anonymizer(const cg_override_t *o, cg_out_t *out)
{
    cg_out_str(out, cg_anonymizer_name(o->anonymizer));
}


static void
cg_unset_anonymizer(cg_override_t *o)
{
    o->anonymizer = CG_ANONYMIZER_NONE;
}


static const char *
cg_word_time(cg_override_t *o, cg_str_t value)
{
    bool      back;
    int64_t   time;
    uint64_t  n;
    cg_str_t  span;

    if (value.data[0] == '+' || value.data[0] == '-') {
        back = (value.data[0] == '-');
        span = (cg_str_t) { value.len - 1, value.data + 1 };

        if (!cg_span_parse(span, &time)) {
            return "not a span of time";
        }

        o->clock = CG_TIME_OFFSET;
        o->time = back ? -time : time;

        return NULL;
    }

    if (cg_parse_uint(value, 253402300799, &n)) {
        time = (int64_t) n;

    } else if (!cg_date_parse(value, &time)) {
        return "not a time";
    }

    o->clock = CG_TIME_AT;
    o->time = time;

    return NULL;
}


/* The largest unit that says it exactly. */

static void
cg_write_time(const cg_override_t *o, cg_out_t *out)
{
    size_t    i;
    int64_t   span, year;
    unsigned  month, day, second;

    if (o->clock == CG_TIME_OFFSET) {
        span = o->time < 0 ? -o->time : o->time;

        for (i = 0; i < CG_UNITS - 1 && span % cg_units[i].seconds; i++) {
            /* void */
        }

        cg_out_str(out, o->time < 0 ? cg_str("-") : cg_str("+"));
        cg_out_uint(out, (uint64_t) (span / cg_units[i].seconds));
        cg_out_bytes(out, &cg_units[i].unit, 1);

    } else if (o->clock == CG_TIME_AT) {
        year = cg_year_of(o->time / CG_DAY, &month, &day);
        second = (unsigned) (o->time % CG_DAY);

        cg_write_digits(out, (uint64_t) year, 4);
        cg_out_str(out, cg_str("-"));
        cg_write_digits(out, month, 2);
        cg_out_str(out, cg_str("-"));
        cg_write_digits(out, day, 2);
        cg_out_str(out, cg_str("T"));
        cg_write_digits(out, second / 3600, 2);
        cg_out_str(out, cg_str(":"));
        cg_write_digits(out, second / 60 % 60, 2);
        cg_out_str(out, cg_str(":"));
        cg_write_digits(out, second % 60, 2);
        cg_out_str(out, cg_str("Z"));
    }
}


static void
cg_unset_time(cg_override_t *o)
{
    o->clock = CG_TIME_NOW;
    o->time = 0;
}


static const char *
cg_word_record(cg_override_t *o, cg_str_t value)
{
    for (uint8_t i = CG_PRETEND_NEW; i < CG_PRETENDS; i++) {
        if (cg_str_eq(value, cg_pretend_name(i))) {
            o->pretend = i;
            return NULL;
        }
    }

    return "not a state of a record";
}


static void
cg_write_record(const cg_override_t *o, cg_out_t *out)
{
    cg_out_str(out, cg_pretend_name(o->pretend));
}


static void
cg_unset_record(cg_override_t *o)
{
    o->pretend = CG_PRETEND_NOTHING;
}


static const char *
cg_word_residence(cg_override_t *o, cg_str_t value)
{
    cg_cc_t  cc;

    cc = cg_country_setting(value);

    if (cc == CG_CC_UNKNOWN || cc >= CG_CC_ANONYMIZER) {
        return "not a country";
    }

    o->residence = cc;

    return NULL;
}


static void
cg_write_residence(const cg_override_t *o, cg_out_t *out)
{
    cg_write_code(o->residence, out);
}


static void
cg_unset_residence(cg_override_t *o)
{
    o->residence = CG_CC_UNKNOWN;
}


static const char *
cg_word_history(cg_override_t *o, cg_str_t value)
{
    uint64_t  days;

    if (!cg_parse_uint(value, 36525, &days)) {
        return "not a number of days";
    }

    o->has_history = true;
    o->history = (uint32_t) days;

    return NULL;
}


static void
cg_write_history(const cg_override_t *o, cg_out_t *out)
{
    if (o->has_history) {
        cg_out_uint(out, o->history);
    }
}


static void
cg_unset_history(cg_override_t *o)
{
    o->has_history = false;
    o->history = 0;
}


static const char *
cg_word_label(cg_override_t *o, cg_str_t value)
{
    if (!cg_label_valid(value)) {
        return "not a label of letters, digits and . _ @ -";
    }

    memcpy(o->label, value.data, value.len);
    memset(o->label + value.len, 0, CG_MAX_LABEL - value.len);
    o->label_len = value.len;

    return NULL;
}


static void
cg_write_label(const cg_override_t *o, cg_out_t *out)
{
    cg_out_bytes(out, o->label, o->label_len);
}


static void
cg_unset_label(cg_override_t *o)
{
    memset(o->label, 0, CG_MAX_LABEL);
    o->label_len = 0;
}


static void
cg_write_code(cg_cc_t cc, cg_out_t *out)
{
    uint8_t  code[2];

    cg_out_bytes(out, code, cg_country_code(cc, code));
}


/* "90s", "30d": a number and a unit, at most a hundred years. */

static bool
cg_span_parse(cg_str_t s, int64_t *seconds)
{
    uint64_t  n;

    if (s.len < 2) {
        return false;
    }

    for (size_t i = 0; i < CG_UNITS; i++) {
        if (s.data[s.len - 1] != cg_units[i].unit) {
            continue;
        }

        if (!cg_parse_uint((cg_str_t) { s.len - 1, s.data },
                           (uint64_t) (CG_YEARS / cg_units[i].seconds), &n))
        {
            return false;
        }

        *seconds = (int64_t) n * cg_units[i].seconds;
        return true;
    }

    return false;
}


/* RFC 3339, 5.6, in UTC; the time, its seconds and the "Z" may be left out. */

static bool
cg_date_parse(cg_str_t s, int64_t *time)
{
    int64_t   days;
    uint32_t  year, month, day, hour, minute, second;
    unsigned  m, d;

    hour = minute = second = 0;

    if (s.len > 10 && s.data[s.len - 1] == 'Z') {
        s.len--;
    }

    if ((s.len != 10 && s.len != 16 && s.len != 19)
        || !cg_digits(s, 0, 4, &year) || s.data[4] != '-'
        || !cg_digits(s, 5, 2, &month) || s.data[7] != '-'
        || !cg_digits(s, 8, 2, &day))
    {
        return false;
    }

    if (s.len > 10
        && (s.data[10] != 'T' || !cg_digits(s, 11, 2, &hour)
            || s.data[13] != ':' || !cg_digits(s, 14, 2, &minute)))
    {
        return false;
    }

    if (s.len > 16
        && (s.data[16] != ':' || !cg_digits(s, 17, 2, &second)))
    {
        return false;
    }

    if (year < 1970 || month < 1 || month > 12 || day < 1
        || hour > 23 || minute > 59 || second > 59)
    {
        return false;
    }

    days = cg_days_of(year, month, day);

    /* 31 February is a day of March */

    if (cg_year_of(days, &m, &d) != (int64_t) year || m != month || d != day) {
        return false;
    }

    *time = days * CG_DAY + hour * 3600 + minute * 60 + second;

    return true;
}


static bool
cg_digits(cg_str_t s, size_t from, size_t n, uint32_t *value)
{
    uint8_t  c;

    *value = 0;

    for (size_t i = from; i < from + n; i++) {
        c = s.data[i];

        if (c < '0' || c > '9') {
            return false;
        }

        *value = *value * 10 + (c - '0');
    }

    return true;
}


static void
cg_write_digits(cg_out_t *out, uint64_t n, size_t width)
{
    uint8_t  digits[4];

    for (size_t i = width; i > 0; i--) {
        digits[i - 1] = (uint8_t) ('0' + n % 10);
        n /= 10;
    }

    cg_out_bytes(out, digits, width);
}


/*
 * Days since 1970-01-01 in the proleptic Gregorian calendar, and back. Years
 * begin in March, so that the leap day is the last of one.
 */

static int64_t
cg_days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t  era, y, doy;

    y = month <= 2 ? year - 1 : year;
    era = y / 400;
    y -= era * 400;
    doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + y * 365 + y / 4 - y / 100 + doy - 719468;
}


static int64_t
cg_year_of(int64_t days, unsigned *month, unsigned *day)
{
    int64_t  era, doe, y, doy, mp;

    days += 719468;
    era = days / 146097;
    doe = days - era * 146097;
    y = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * y + y / 4 - y / 100);
    mp = (5 * doy + 2) / 153;

    *day = (unsigned) (doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned) (mp < 10 ? mp + 3 : mp - 9);

    return y + era * 400 + (*month <= 2 ? 1 : 0);
}
