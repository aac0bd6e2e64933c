/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_override.h"
#include "cg_wire.h"


#define CG_OVERRIDE_FORMAT  1

#define CG_DAY              86400           /* seconds */
#define CG_OVERRIDE_SHIFT   3155760000      /* a hundred years, in seconds */
#define CG_OVERRIDE_LAST    253402300799    /* the end of 9999 */
#define CG_MAX_HISTORY      36525           /* days */
#define CG_PRETEND_AGE      99              /* years: enough everywhere */
#define CG_PRETEND_YOUNG    16


static bool cg_override_valid(const cg_override_t *o);
static bool cg_override_time_valid(uint8_t clock, int64_t time);
static void cg_pretend_documents(cg_record_t *record, cg_pretend_e pretend,
    const cg_policies_t *policies, int64_t now);


static const cg_str_t  cg_pretend_names[CG_PRETENDS] = {
    cg_str(""),
    cg_str("new"),
    cg_str("accepted"),
    cg_str("notice"),
    cg_str("outdated"),
    cg_str("declined"),
    cg_str("refused"),
    cg_str("no_age"),
    cg_str("minor"),
    cg_str("failed")
};


cg_str_t
cg_pretend_name(cg_pretend_e pretend)
{
    return pretend < CG_PRETENDS ? cg_pretend_names[pretend] : cg_str("");
}


bool
cg_override_empty(const cg_override_t *o)
{
    return !o->has_country && o->anonymizer == CG_ANONYMIZER_NONE
           && o->clock == CG_TIME_NOW && !cg_override_pretends(o);
}


int64_t
cg_override_now(const cg_override_t *o, int64_t now)
{
    switch (o->clock) {

    case CG_TIME_OFFSET:
        now += o->time;
        return now < 0 ? 0 : now;

    case CG_TIME_AT:
        return o->time;

    default:
        return now;
    }
}


bool
cg_override_pretends(const cg_override_t *o)
{
    return o->pretend != CG_PRETEND_NOTHING
           || o->residence != CG_CC_UNKNOWN || o->has_history;
}


cg_lookup_e
cg_override_record(const cg_override_t *o, cg_record_t *record,
    const cg_policies_t *policies, int64_t now)
{
    int64_t  today;

    memset(record, 0, sizeof(cg_record_t));

    if (!cg_override_pretends(o)) {
        return CG_LOOKUP_NONE;
    }

    if (o->pretend == CG_PRETEND_FAILED) {
        return CG_LOOKUP_FAILED;
    }

    record->residence = o->residence;

    if (o->has_history) {
        today = now / CG_DAY;

        /* day 0 would be "never" */

        record->eea_day = today > o->history ? (uint32_t) (today - o->history)
                                             : 1;
    }

    if (o->pretend > CG_PRETEND_NEW) {
        cg_pretend_documents(record, o->pretend, policies, now);

    } else if (o->residence == CG_CC_UNKNOWN && !o->has_history) {
        return CG_LOOKUP_ABSENT;
    }

    return CG_LOOKUP_FOUND;
}


static void
cg_pretend_documents(cg_record_t *record, cg_pretend_e pretend,
    const cg_policies_t *policies, int64_t now)
{
    uint32_t            enforced;
    const cg_policy_t  *p;

    for (size_t i = 0; i < policies->ndocs; i++) {
        p = &policies->docs[i];
        enforced = cg_policy_enforced(p, now);

        switch (pretend) {

        case CG_PRETEND_DECLINED:
            record->declined |= (cg_docs_t) (1u << i);
            break;

        case CG_PRETEND_OUTDATED:
            record->accepted[i] = enforced ? enforced - 1 : 0;
            break;

        case CG_PRETEND_NOTICE:
            record->accepted[i] = enforced;
            break;

        default:
            record->accepted[i] = p->version;
        }
    }

    if (pretend != CG_PRETEND_DECLINED) {
        record->answered = (cg_purposes_t) ((1u << policies->npurposes) - 1);
        record->granted = pretend == CG_PRETEND_REFUSED ? 0
                                                        : record->answered;
    }

    if (pretend == CG_PRETEND_MINOR) {
        record->age_state = CG_AGE_MINOR;
        record->age = CG_PRETEND_YOUNG;

    } else if (pretend != CG_PRETEND_NO_AGE) {
        record->age_state = CG_AGE_OK;
        record->age = CG_PRETEND_AGE;
    }
}


bool
cg_override_salt(const cg_override_t *o, const cg_keys_t *keys,
    uint8_t salt[8])
{
    uint8_t   message[CG_OVERRIDE_ID + 8];
    cg_out_t  out;
    uint64_t  hash;

    static const uint8_t  none[CG_OVERRIDE_ID];

    if (memcmp(o->id, none, sizeof(none)) == 0 && !cg_override_pretends(o)) {
        return false;
    }

    cg_out_init(&out, message, sizeof(message));
    cg_out_bytes(&out, o->id, CG_OVERRIDE_ID);
    cg_put_uint(&out, o->pretend, 1);
    cg_put_uint(&out, o->residence, 2);
    cg_put_uint(&out, o->has_history, 1);
    cg_put_uint(&out, o->history, 4);

    hash = cg_siphash64(keys->visitor, message, cg_out_len(&out));

    cg_out_init(&out, salt, 8);
    cg_put_uint(&out, hash, 8);

    return true;
}


size_t
cg_override_seal(cg_keys_t *keys, const cg_override_t *o, uint8_t *text)
{
    size_t   n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_override_encode(o, payload);
    if (n == 0) {
        return 0;
    }

    return cg_token_seal(keys, CG_TOKEN_OVERRIDE, (cg_str_t) { n, payload },
                         text);
}


bool
cg_override_open(cg_keys_t *keys, cg_override_t *o, cg_str_t text,
    cg_str_t realm, int64_t now)
{
    int      n;
    uint8_t  payload[CG_MAX_PAYLOAD];

    n = cg_token_open(keys, CG_TOKEN_OVERRIDE, text, payload);

    return n >= 0
           && cg_override_decode(o, (cg_str_t) { (size_t) n, payload })
           && cg_str_eq((cg_str_t) { o->realm_len, o->realm }, realm)
           && now < o->expires
           && o->expires - now <= CG_OVERRIDE_MAX_TTL;
}


size_t
cg_override_encode(const cg_override_t *o, uint8_t *payload)
{
    cg_out_t  out;

    if (!cg_override_valid(o)) {
        return 0;
    }

    cg_out_init(&out, payload, CG_MAX_PAYLOAD);

    cg_put_uint(&out, CG_OVERRIDE_FORMAT, 1);
    cg_put_uint(&out, (uint64_t) o->expires, 8);
    cg_out_bytes(&out, o->id, CG_OVERRIDE_ID);
    cg_put_uint(&out, o->has_country, 1);
    cg_put_uint(&out, o->country, 2);
    cg_put_uint(&out, o->anonymizer, 1);
    cg_put_uint(&out, o->clock, 1);
    cg_put_uint(&out, (uint64_t) o->time, 8);
    cg_put_uint(&out, o->pretend, 1);
    cg_put_uint(&out, o->residence, 2);
    cg_put_uint(&out, o->has_history, 1);
    cg_put_uint(&out, o->history, 4);
    cg_put_text(&out, o->realm, o->realm_len);
    cg_put_text(&out, o->label, o->label_len);

    return out.overflow ? 0 : cg_out_len(&out);
}


bool
cg_override_decode(cg_override_t *o, cg_str_t payload)
{
    cg_in_t  in;

    memset(o, 0, sizeof(cg_override_t));

    cg_in_init(&in, payload);

    if (cg_get_uint(&in, 1) != CG_OVERRIDE_FORMAT) {
        return false;
    }

    o->expires = cg_get_expires(&in);
    cg_get_bytes(&in, o->id, CG_OVERRIDE_ID);
    o->has_country = cg_get_bool(&in);
    o->country = (cg_cc_t) cg_get_uint(&in, 2);
    o->anonymizer = (uint8_t) cg_get_uint(&in, 1);
    o->clock = (uint8_t) cg_get_uint(&in, 1);
    o->time = (int64_t) cg_get_uint(&in, 8);
    o->pretend = (uint8_t) cg_get_uint(&in, 1);
    o->residence = (cg_cc_t) cg_get_uint(&in, 2);
    o->has_history = cg_get_bool(&in);
    o->history = (uint32_t) cg_get_uint(&in, 4);
    o->realm_len = cg_get_text(&in, o->realm, CG_MAX_REALM);
    o->label_len = cg_get_text(&in, o->label, CG_MAX_LABEL);

    return !in.bad && in.pos == in.end && cg_override_valid(o);
}


/* One check for both ways: what is not opened is not sealed either. */

static bool
cg_override_valid(const cg_override_t *o)
{
    return o->expires > 0
           && (o->has_country || o->country == CG_CC_UNKNOWN)
           && o->country < CG_CC_COUNT
           && o->anonymizer < CG_ANONYMIZERS
           && cg_override_time_valid(o->clock, o->time)
           && o->pretend < CG_PRETENDS
           && o->residence < CG_CC_ANONYMIZER
           && (o->has_history || o->history == 0)
           && o->history <= CG_MAX_HISTORY
           && o->realm_len <= CG_MAX_REALM
           && cg_label_valid((cg_str_t) { o->label_len, o->label });
}


static bool
cg_override_time_valid(uint8_t clock, int64_t time)
{
    switch (clock) {

    case CG_TIME_NOW:
        return time == 0;

    case CG_TIME_OFFSET:
        return time >= -CG_OVERRIDE_SHIFT && time <= CG_OVERRIDE_SHIFT;

    case CG_TIME_AT:
        return time >= 0 && time <= CG_OVERRIDE_LAST;

    default:
        return false;
    }
}


bool
cg_label_valid(cg_str_t label)
{
    uint8_t  c;

    if (label.len > CG_MAX_LABEL) {
        return false;
    }

    for (size_t i = 0; i < label.len; i++) {
        c = label.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z')
              || c == '.' || c == '_' || c == '@' || c == '-'))
        {
            return false;
        }
    }

    return true;
}
