/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Overrides as they come in: payloads, whose encoder writes what the decoder
 * takes with the same bytes, and words, whose spelling is read as the same.
 */

#include <stdlib.h>

#include "cg_override.h"


#define require(condition)  do { if (!(condition)) abort(); } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_spelling(const cg_override_t *o)
{
    size_t         i;
    uint8_t        text[CG_OVERRIDE_TEXT];
    cg_out_t       out;
    cg_override_t  again;

    static const cg_str_t  names[] = {
        cg_str("country"), cg_str("anonymizer"), cg_str("time"),
        cg_str("record"), cg_str("residence"), cg_str("history"),
        cg_str("label")
    };

    again = *o;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cg_out_init(&out, text, sizeof(text));
        cg_override_value(o, names[i], &out);
        require(!out.overflow);
        (void) cg_override_word(&again, names[i],
                                (cg_str_t) { cg_out_len(&out), text });
    }

    cg_out_init(&out, text, sizeof(text));
    cg_override_text(o, &out);
    require(!out.overflow);
}


static void
fuzz_payload(cg_str_t s)
{
    uint8_t        payload[CG_MAX_PAYLOAD];
    cg_override_t  o;

    if (cg_override_decode(&o, s)) {
        require(cg_override_encode(&o, payload) == s.len);
        require(cg_str_eq((cg_str_t) { s.len, payload }, s));
        (void) cg_override_now(&o, 1527249600);
        fuzz_spelling(&o);
    }
}


/* "name=value" */

static void
fuzz_word(cg_str_t s)
{
    cg_str_t        name, value;
    uint8_t         text[64];
    cg_out_t        out;
    cg_override_t   o, again;
    const uint8_t  *equals;

    equals = s.len ? memchr(s.data, '=', s.len) : NULL;

    if (equals == NULL) {
        return;
    }

    name = (cg_str_t) { (size_t) (equals - s.data), s.data };
    value = (cg_str_t) { s.len - name.len - 1, equals + 1 };

    memset(&o, 0, sizeof(o));

    if (cg_override_word(&o, name, value) != NULL) {
        return;
    }

    cg_out_init(&out, text, sizeof(text));
    cg_override_value(&o, name, &out);
    require(!out.overflow);

    memset(&again, 0, sizeof(again));
    require(cg_override_word(&again, name,
                             (cg_str_t) { cg_out_len(&out), text }) == NULL);
    require(memcmp(&o, &again, sizeof(o)) == 0);

    (void) cg_override_ttl(value);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_str_t  s = { size, data };

    fuzz_payload(s);
    fuzz_word(s);

    return 0;
}
