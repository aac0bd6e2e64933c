/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl_proof.h"


json_t *
ctl_signed_read(ctl_t *ctl, const char *line, size_t len, const char **err)
{
    int            v;
    json_t        *signature, *body;
    cg_str_t       text, mac, kid;
    const char    *b, *m, *k;
    ctl_fault_e    fault;
    json_error_t   error;

    body = NULL;
    *err = "it cannot be read";

    signature = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

    if (json_unpack(signature, "{s:s, s:s}", "b", &b, "m", &m) == 0) {
        text = (cg_str_t) { strlen(b), (const uint8_t *) b };
        mac = (cg_str_t) { strlen(m), (const uint8_t *) m };

        body = json_loadb(b, text.len, JSON_REJECT_DUPLICATES, &error);
    }

    if (body != NULL && json_unpack(body, "{s:s}", "kid", &k) == 0) {
        kid = (cg_str_t) { strlen(k), (const uint8_t *) k };
        fault = ctl_mac_check(ctl, kid, text, mac);
        *err = fault == CTL_FAULT_NONE ? NULL
               : fault == CTL_FAULT_KEY ? "its key is not in the key file"
               : "the MAC is not that of the body";
    }

    if (*err == NULL
        && (json_unpack(body, "{s:i}", "v", &v) != 0 || v != CTL_SIGNED))
    {
        *err = "it is of a version that is not known here";
    }

    json_decref(signature);

    if (*err != NULL) {
        json_decref(body);
        return NULL;
    }

    return body;
}


char *
ctl_signed_line(ctl_t *ctl, json_t *body, size_t *len)
{
    char                 *text, *line;
    json_t               *value;
    uint8_t               mac[CTL_MAC];
    const cg_sign_key_t  *key;

    key = &ctl->keys.sign[0];

    json_object_set_new(body, "kid",
                        json_stringn((const char *) key->kid, key->kid_len));
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);

    if (text == NULL
        || !cg_event_sign(&ctl->keys,
                          (cg_str_t) { strlen(text), (const uint8_t *) text },
                          mac))
    {
        free(text);
        ctl_fail(ctl, CTL_FAILED, "cannot sign");
        return NULL;
    }

    value = json_pack("{s:s, s:s%}", "b", text, "m", mac, sizeof(mac));
    line = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    free(text);

    if (line == NULL) {
        ctl_fail(ctl, CTL_FAILED, "out of memory");
        return NULL;
    }

    *len = strlen(line);

    return line;
}


bool
ctl_json_at(json_t *object, const char *name, ctl_at_t *at)
{
    json_t  *value;

    value = json_object_get(object, name);

    return json_is_string(value)
           && ctl_at_parse((cg_str_t) {
                  json_string_length(value),
                  (const uint8_t *) json_string_value(value) }, at);
}


bool
ctl_sha256_hex(EVP_MD_CTX *md, uint8_t hex[CTL_SHA256])
{
    uint8_t   digest[EVP_MAX_MD_SIZE];
    cg_out_t  out;

    if (EVP_DigestFinal_ex(md, digest, NULL) != 1) {
        return false;
    }

    cg_out_init(&out, hex, CTL_SHA256);
    cg_out_hex(&out, digest, CTL_SHA256 / 2);

    return true;
}


bool
ctl_sha256(const char *data, size_t len, uint8_t hex[CTL_SHA256])
{
    bool         ok;
    EVP_MD_CTX  *md;

    md = EVP_MD_CTX_new();

    ok = md != NULL
         && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1
         && EVP_DigestUpdate(md, data, len) == 1
         && ctl_sha256_hex(md, hex);

    EVP_MD_CTX_free(md);

    return ok;
}
