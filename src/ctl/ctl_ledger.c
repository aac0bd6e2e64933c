/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "ctl_proof.h"


/*
 * The file of checkpoints: JSON Lines, each signed, and each with the SHA-256
 * of the line before, so that none can be taken out of the middle.
 */

#define CTL_SHA256_HEX  64


static ctl_exit_e ctl_ledger_read(ctl_t *ctl, ctl_ledger_t *ledger);
static const char *ctl_ledger_line(ctl_t *ctl, ctl_ledger_t *ledger,
    const char *line, size_t len);
static const char *ctl_ledger_mark(json_t *body, ctl_mark_t *mark);
static bool ctl_ledger_keep(ctl_ledger_t *ledger, const ctl_mark_t *mark);
static bool ctl_sha256(const char *data, size_t len,
    uint8_t hex[CTL_SHA256_HEX]);


static const char *const  ctl_ledger_names[] = { "checkpoint", "trim" };


ctl_exit_e
ctl_ledger_open(ctl_t *ctl, ctl_ledger_t *ledger, bool write)
{
    ctl_exit_e  rc;

    memset(ledger, 0, sizeof(ctl_ledger_t));
    ledger->path = ctl_setting(ctl, CTL_CHECKPOINTS);

    rc = ctl_keys_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    ledger->file = fopen(ledger->path, write ? "a+e" : "re");

    if (ledger->file == NULL) {
        return errno == ENOENT && !write
               ? CTL_OK
               : ctl_fail(ctl, CTL_FILE, "cannot open \"%s\": %s",
                          ledger->path, strerror(errno));
    }

    if (write && flock(fileno(ledger->file), LOCK_EX | LOCK_NB) == -1) {
        return ctl_fail(ctl, CTL_FILE, "\"%s\" is being written by another "
                        "consentctl", ledger->path);
    }

    return ctl_ledger_read(ctl, ledger);
}


ctl_exit_e
ctl_ledger_add(ctl_t *ctl, ctl_ledger_t *ledger, const ctl_mark_t *mark)
{
    char         at[CTL_AT], bucket[8];
    json_t      *body;
    ctl_exit_e   rc;

    snprintf(bucket, sizeof(bucket), "%03x", mark->bucket);

    body = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:s%, s:s%}", "v", 1,
                     "type", ctl_ledger_names[mark->what],
                     "time", (json_int_t) time(NULL),
                     "prefix", ctl_setting(ctl, CTL_PREFIX),
                     "bucket", bucket,
                     "entry", ctl_at_text(mark->at, at),
                     "link", mark->link, (size_t) CTL_LINK,
                     "prev", ledger->last, ledger->last_len);

    rc = ctl_signed_write(ctl, ledger->file, body, ledger->last);
    ledger->last_len = CTL_SHA256_HEX;

    if (rc == CTL_OK && !ctl_ledger_keep(ledger, mark)) {
        rc = ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    return rc;
}


ctl_exit_e
ctl_ledger_flush(ctl_t *ctl, ctl_ledger_t *ledger)
{
    if (fflush(ledger->file) != 0 || fsync(fileno(ledger->file)) != 0) {
        return ctl_fail(ctl, CTL_FILE, "cannot write to \"%s\": %s",
                        ledger->path, strerror(errno));
    }

    return CTL_OK;
}


void
ctl_ledger_close(ctl_ledger_t *ledger)
{
    if (ledger->file != NULL) {
        fclose(ledger->file);
    }

    free(ledger->marks);
}


const ctl_mark_t *
ctl_ledger_last(const ctl_ledger_t *ledger, ctl_ledger_e what,
    unsigned bucket, ctl_at_t before)
{
    size_t             i;
    const ctl_mark_t  *mark;

    for (i = ledger->latest[bucket]; i > 0; i = mark->before) {
        mark = &ledger->marks[i - 1];

        if (mark->what == what && ctl_at_cmp(mark->at, before) < 0) {
            return mark;
        }
    }

    return NULL;
}


const ctl_mark_t *
ctl_ledger_before(const ctl_ledger_t *ledger, const ctl_mark_t *mark)
{
    return mark->before > 0 ? &ledger->marks[mark->before - 1] : NULL;
}


json_t *
ctl_signed_read(ctl_t *ctl, const char *line, size_t len, const char **err)
{
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

    json_decref(signature);

    if (*err != NULL) {
        json_decref(body);
        return NULL;
    }

    return body;
}


ctl_exit_e
ctl_signed_write(ctl_t *ctl, FILE *out, json_t *body, uint8_t digest[64])
{
    char                 *text, *line;
    size_t                len;
    json_t               *value;
    uint8_t               mac[64];
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
        return ctl_fail(ctl, CTL_FAILED, "cannot sign");
    }

    value = json_pack("{s:s, s:s%}", "b", text, "m", mac, sizeof(mac));
    line = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    free(text);

    if (line == NULL) {
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    }

    len = strlen(line);

    if (!ctl_sha256(line, len, digest)
        || fwrite(line, 1, len, out) != len || fputc('\n', out) == EOF)
    {
        free(line);
        return ctl_fail(ctl, CTL_FILE, "cannot write: %s", strerror(errno));
    }

    free(line);

    return CTL_OK;
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


static ctl_exit_e
ctl_ledger_read(ctl_t *ctl, ctl_ledger_t *ledger)
{
    char        *line;
    size_t       size, number;
    ssize_t      len;
    const char  *err;

    line = NULL;
    size = 0;
    err = NULL;

    for (number = 1;
         (len = getline(&line, &size, ledger->file)) > 0;
         number++)
    {
        err = line[len - 1] == '\n'
              ? ctl_ledger_line(ctl, ledger, line, (size_t) len - 1)
              : "it is cut short; take it out";

        if (err != NULL) {
            break;
        }
    }

    free(line);

    return err == NULL
           ? CTL_OK
           : ctl_fail(ctl, CTL_FILE, "\"%s\", line %zu: %s", ledger->path,
                      number, err);
}


static const char *
ctl_ledger_line(ctl_t *ctl, ctl_ledger_t *ledger, const char *line, size_t len)
{
    json_t      *body;
    const char  *err, *prev, *prefix;
    ctl_mark_t   mark;

    body = ctl_signed_read(ctl, line, len, &err);
    if (body == NULL) {
        return err;
    }

    prev = json_string_value(json_object_get(body, "prev"));
    prefix = json_string_value(json_object_get(body, "prefix"));

    if (prev == NULL || strlen(prev) != ledger->last_len
        || memcmp(prev, ledger->last, ledger->last_len) != 0)
    {
        err = "a line before it is missing or altered";

    } else if (prefix == NULL
               || strcmp(prefix, ctl_setting(ctl, CTL_PREFIX)) != 0)
    {
        err = "it is of another prefix";

    } else {
        err = ctl_ledger_mark(body, &mark);
    }

    json_decref(body);

    if (err != NULL) {
        return err;
    }

    ledger->last_len = CTL_SHA256_HEX;

    return ctl_sha256(line, len, ledger->last)
           && ctl_ledger_keep(ledger, &mark)
           ? NULL : "out of memory";
}


static const char *
ctl_ledger_mark(json_t *body, ctl_mark_t *mark)
{
    int          bucket;
    size_t       what;
    const char  *type, *text, *link;

    if (json_unpack(body, "{s:s, s:s, s:s}", "type", &type, "bucket", &text,
                    "link", &link)
        != 0)
    {
        return "it is no checkpoint";
    }

    for (what = 0; what <= CTL_LEDGER_TRIM; what++) {
        if (strcmp(type, ctl_ledger_names[what]) == 0) {
            break;
        }
    }

    bucket = ctl_bucket_parse(text);

    if (what > CTL_LEDGER_TRIM || bucket == -1 || strlen(link) != CTL_LINK
        || !ctl_json_at(body, "entry", &mark->at))
    {
        return "it is no checkpoint";
    }

    mark->what = (uint8_t) what;
    mark->bucket = (uint16_t) bucket;
    memcpy(mark->link, link, CTL_LINK);

    return NULL;
}


static bool
ctl_ledger_keep(ctl_ledger_t *ledger, const ctl_mark_t *mark)
{
    size_t       size;
    ctl_mark_t  *marks;

    if (ledger->n == ledger->size) {
        size = ledger->size != 0 ? ledger->size * 2 : 256;
        marks = realloc(ledger->marks, size * sizeof(ctl_mark_t));

        if (marks == NULL) {
            return false;
        }

        ledger->marks = marks;
        ledger->size = size;
    }

    marks = &ledger->marks[ledger->n++];
    *marks = *mark;
    marks->before = ledger->latest[mark->bucket];
    ledger->latest[mark->bucket] = ledger->n;
    ledger->trims += mark->what == CTL_LEDGER_TRIM;

    return true;
}


static bool
ctl_sha256(const char *data, size_t len, uint8_t hex[CTL_SHA256_HEX])
{
    uint8_t   digest[EVP_MAX_MD_SIZE];
    cg_out_t  out;

    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }

    cg_out_init(&out, hex, CTL_SHA256_HEX);
    cg_out_hex(&out, digest, CTL_SHA256_HEX / 2);

    return true;
}
