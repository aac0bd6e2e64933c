/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _GNU_SOURCE

/*
 * The files, lists and words that consentctl reads: raw, and signed, so that
 * the MAC does not keep all out. The first byte chooses.
 */

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl_proof.h"
#include "ctl_subject.h"
#include "fuzz_ctl.h"


/* "b" and "m" of a text, as somebody with the keys would make them. */

static char *
fuzz_sign(ctl_t *ctl, const char *text, size_t len)
{
    char     *line;
    json_t   *value;
    uint8_t   mac[CTL_MAC];

    require(cg_event_sign(&ctl->keys, (cg_str_t) {
                              len, (const uint8_t *) text }, mac));

    value = json_pack("{s:s%, s:s%}", "b", text, len, "m", mac, sizeof(mac));
    line = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);

    return line;
}


/* The first line is of an empty file: "prev" is empty. */

static void
fuzz_ledger(ctl_t *ctl, const char *line, size_t len)
{
    const ctl_mark_t     *mark;
    static ctl_ledger_t   ledger;

    ledger.last_len = 0;
    ledger.n = 0;
    memset(ledger.latest, 0, sizeof(ledger.latest));

    if (ctl_ledger_line(ctl, &ledger, line, len) != NULL) {
        require(ledger.n == 0 && ledger.last_len == 0);
        return;
    }

    require(ledger.n == 1 && ledger.last_len == CTL_SHA256);

    mark = &ledger.marks[0];
    require(mark->bucket < CTL_BUCKETS && mark->what <= CTL_LEDGER_TRIM);
    require(ctl_ledger_before(&ledger, mark) == NULL);
    require(ctl_ledger_line(ctl, &ledger, line, len) != NULL);
}


static void
fuzz_manifest(ctl_t *ctl, const char *text, size_t len)
{
    size_t                  i;
    static ctl_manifest_t   manifest;

    if (ctl_manifest_read(ctl, &manifest, text, len) == NULL) {
        require(manifest.n <= CTL_BUCKETS);
        require(strchr(manifest.file, '/') == NULL);

        for (i = 0; i < manifest.n; i++) {
            require(manifest.buckets[i].bucket < CTL_BUCKETS);
        }
    }

    ctl_manifest_free(&manifest);
}


static void
fuzz_list(ctl_t *ctl, const char *text, size_t len, uint8_t how)
{
    FILE         *file;
    size_t        n;
    int           i, argc;
    char         *argv[3], *words[3];
    ctl_t         run;
    cg_str_t      id;
    ctl_input_t   in;

    static char *const  formats[] = {
        "--format=lines", "--format=csv", "--format=jsonl"
    };

    words[0] = strdup("pending");
    words[1] = strdup(formats[how % 3]);
    words[2] = strdup(how % 3 && how & 0x10 ? "--column=id" : "--summary");
    memcpy(argv, words, sizeof(argv));

    run = *ctl;
    argc = 3;
    require(ctl_options_parse(&run, &argc, argv) == CTL_OK);

    file = fmemopen((void *) text, len, "r");
    require(file != NULL);

    n = 0;

    if (ctl_input_open(&run, &in, file) == CTL_OK) {
        while (ctl_input_next(&run, &in, &id) == 1) {
            require(id.len > 0 && id.len <= CTL_MAX_LINE);
            require(memchr(id.data, '\0', id.len) == NULL);
            n += id.len;
        }

        require(n <= 4 * len);
    }

    ctl_input_close(&in);
    fclose(file);

    for (i = 0; i < 3; i++) {
        free(words[i]);
    }
}


static void
fuzz_conf(const char *text, size_t len)
{
    int          i;
    char         path[64];
    ctl_t        ctl;
    static int   fd = -1;

    if (fd == -1) {
        fd = memfd_create("conf", 0);
        require(fd != -1);
    }

    require(ftruncate(fd, 0) == 0);
    require(pwrite(fd, text, len, 0) == (ssize_t) len);

    memset(&ctl, 0, sizeof(ctl));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ctl.conf = path;

    if (ctl_conf_load(&ctl) == CTL_OK) {
        require(strlen(ctl_setting(&ctl, CTL_PREFIX)) <= CG_MAX_PREFIX);
        require(strlen(ctl_setting(&ctl, CTL_REALM)) <= CG_MAX_REALM);
        require(ctl_setting_span(&ctl, CTL_PROOF) > 0);
    }

    for (i = 0; i < CTL_SETTINGS; i++) {
        free(ctl.setting[i]);
    }
}


static void
fuzz_words(const char *text, size_t len)
{
    int       bucket;
    char      at_text[CTL_AT], when[32];
    int64_t   seconds, again;
    ctl_at_t  at, same, next;

    if (ctl_time_span(text, &seconds)) {
        require(seconds >= 0 && seconds <= INT32_MAX);
    }

    if (ctl_time_point(text, &seconds)) {
        require(seconds >= 0);
        require(ctl_time_point(ctl_time_text(seconds, when), &again));
        require(again == seconds);
    }

    bucket = ctl_bucket_parse(text);
    require(bucket >= -1 && bucket < CTL_BUCKETS);

    if (ctl_at_parse((cg_str_t) { len, (const uint8_t *) text }, &at)) {
        ctl_at_text(at, at_text);
        require(ctl_at_parse((cg_str_t) { strlen(at_text),
                                          (const uint8_t *) at_text }, &same));
        require(ctl_at_cmp(at, same) == 0);
        require(!ctl_at_next(at, &next) || ctl_at_cmp(at, next) < 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *text, *line;
    size_t         len;
    static bool    ready;
    static ctl_t   ctl;

    if (!ready) {
        fuzz_ctl_init(&ctl);
        ready = true;
    }

    if (size < 2) {
        return 0;
    }

    len = size - 1;
    text = malloc(len + 1);
    require(text != NULL);
    memcpy(text, data + 1, len);
    text[len] = '\0';
    line = data[0] & 0x80 ? fuzz_sign(&ctl, text, len) : strdup(text);

    switch (data[0] % 5) {

    case 0:
        if (line != NULL) {
            fuzz_ledger(&ctl, line, strlen(line));
        }
        break;

    case 1:
        if (line != NULL) {
            fuzz_manifest(&ctl, line, strlen(line));
        }
        break;

    case 2:
        fuzz_list(&ctl, text, len, data[0] / 5);
        break;

    case 3:
        fuzz_conf(text, len);
        break;

    default:
        fuzz_words(text, len);
        break;
    }

    free(line);
    free(text);

    return 0;
}
