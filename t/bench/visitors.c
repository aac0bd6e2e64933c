/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cg_event.h"
#include "cg_geo.h"


/*
 * visitors KEYS GEO VISITORS RECORDS COUNT [-e] DOCUMENT ...
 *
 * Makes COUNT visitors, always the same ones. A line in VISITORS for each: its
 * cookie, an IPv4 address inside the EEA and one outside. In RECORDS, as
 * commands for redis-cli --pipe, for each a record that has accepted version 1
 * of every DOCUMENT; with -e also the event, as the gate itself writes it.
 */

#define VISITORS_RETENTION  "34560000"      /* seconds: consent_store's 400d */
#define VISITORS_VERSION    1
#define VISITORS_KEY_FILE   16384           /* bytes */


typedef struct {
    cg_keys_t       keys;
    cg_geo_t       *geo;
    cg_territory_t  eea;
    FILE           *visitors;
    FILE           *records;
    size_t          ndocs;
    cg_shown_t      docs[CG_MAX_DOCUMENTS];
    bool            events;
    uint64_t        state;         /* of the generator */
} visitors_t;


static void
die(const char *what)
{
    fprintf(stderr, "visitors: %s\n", what);
    exit(1);
}


/* splitmix64 (Vigna): well mixed, and the same everywhere. */

static uint64_t
next(visitors_t *v)
{
    uint64_t  z;

    z = (v->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;

    return z ^ (z >> 31);
}


static void
next_bytes(visitors_t *v, uint8_t bytes[16])
{
    uint64_t  words[2];

    words[0] = next(v);
    words[1] = next(v);

    memcpy(bytes, words, 16);
}


static void
read_keys(visitors_t *v, const char *path)
{
    char         text[VISITORS_KEY_FILE];
    FILE        *f;
    size_t       len;
    unsigned     line;
    const char  *err;

    f = fopen(path, "r");

    if (f == NULL) {
        die(path);
    }

    len = fread(text, 1, sizeof(text), f);
    fclose(f);

    err = cg_keys_parse(&v->keys, (cg_str_t) { len, (uint8_t *) text }, &line);

    if (err != NULL) {
        die(err);
    }
}


static void
set_documents(visitors_t *v, char **names, size_t n)
{
    cg_shown_t  *doc;

    if (n == 0 || n > CG_MAX_DOCUMENTS) {
        die("1 to 16 documents");
    }

    v->ndocs = n;

    for (size_t i = 0; i < n; i++) {
        doc = &v->docs[i];

        if (!cg_name_valid((cg_str_t) { strlen(names[i]),
                                        (uint8_t *) names[i] }))
        {
            die("no name of a document");
        }

        memset(doc, 0, sizeof(cg_shown_t));
        doc->name_len = (uint8_t) strlen(names[i]);
        memcpy(doc->name, names[i], doc->name_len);
        doc->version = VISITORS_VERSION;
        doc->has_sha256 = true;
        memset(doc->sha256, 0xa5, sizeof(doc->sha256));
    }
}


/* Any address that the database knows, on the side that is asked for. */

static cg_cc_t
address(visitors_t *v, bool inside, char text[INET_ADDRSTRLEN])
{
    cg_cc_t             country;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(struct sockaddr_in));
    sin.sin_family = AF_INET;

    do {
        sin.sin_addr.s_addr = (in_addr_t) next(v);
        country = cg_geo_country(v->geo, (struct sockaddr *) &sin);

    } while (country == CG_CC_UNKNOWN || country >= CG_CC_ANONYMIZER
             || cg_territory_has(&v->eea, country) != inside);

    inet_ntop(AF_INET, &sin.sin_addr, text, INET_ADDRSTRLEN);

    return country;
}


/* A command in the protocol of Redis, word by word. */

static void
command(visitors_t *v, size_t words)
{
    fprintf(v->records, "*%zu\r\n", words);
}


static void
word(visitors_t *v, const void *data, size_t len)
{
    fprintf(v->records, "$%zu\r\n", len);
    fwrite(data, 1, len, v->records);
    fputs("\r\n", v->records);
}


static void
string(visitors_t *v, const char *s)
{
    word(v, s, strlen(s));
}


static void
hex(visitors_t *v, const uint8_t *data, size_t len)
{
    uint8_t   text[64];
    cg_out_t  out;

    cg_out_init(&out, text, sizeof(text));
    cg_out_hex(&out, data, len);

    word(v, text, cg_out_len(&out));
}


static void
record(visitors_t *v, const cg_pseudonym_t *p, const uint8_t event[16])
{
    char     field[CG_MAX_NAME + 3], version[11], today[21];
    size_t   len;
    uint8_t  key[CG_MAX_KEY];

    len = cg_subject_key(p, cg_str("gc:"), 's', key);

    snprintf(version, sizeof(version), "%d", VISITORS_VERSION);
    snprintf(today, sizeof(today), "%lld", (long long) time(NULL) / 86400);

    command(v, 2 + 2 * (4 + v->ndocs));
    string(v, "HSET");
    word(v, key, len);
    string(v, "k");
    hex(v, p->check, CG_SUBJECT_CHECK_LEN);
    string(v, "rev");
    string(v, "1");
    string(v, "eea");
    string(v, today);
    string(v, "ev");
    hex(v, event, CG_EVENT_ID_LEN);

    for (size_t i = 0; i < v->ndocs; i++) {
        snprintf(field, sizeof(field), "d.%.*s", v->docs[i].name_len,
                 (char *) v->docs[i].name);
        string(v, field);
        string(v, version);
    }

    command(v, 3);
    string(v, "EXPIRE");
    word(v, key, len);
    string(v, VISITORS_RETENTION);
}


/* The chained hash is left to chance: here only its size matters. */

static void
event(visitors_t *v, const cg_pseudonym_t *p, const uint8_t id[16],
    cg_cc_t country)
{
    size_t      len;
    uint8_t     body[CG_MAX_EVENT], mac[64], link[20], key[CG_MAX_KEY];
    cg_event_t  e;

    memset(&e, 0, sizeof(cg_event_t));
    memcpy(e.id, id, CG_EVENT_ID_LEN);
    e.time = 1760000000000 + (int64_t) (next(v) % 1000000000);
    e.what = CG_EVENT_ACCEPT;
    e.method = CG_METHOD_PAGE;
    e.kind = CG_SUBJECT_VISITOR;
    e.subject = *p;
    e.realm = cg_str("default");
    e.ndocs = v->ndocs;
    e.docs = v->docs;
    e.chosen = (cg_docs_t) ((1u << v->ndocs) - 1);
    e.locale = cg_str("de");
    e.country = country;
    e.source = CG_SOURCE_ADDRESS;
    e.reason = CG_REASON_MISSING;
    e.gate = cg_str("1.0.0");

    len = cg_event_body(&e, &v->keys, body);

    if (len == 0 || !cg_event_sign(&v->keys, (cg_str_t) { len, body }, mac)) {
        die("cannot make an event");
    }

    for (size_t i = 0; i < sizeof(link); i++) {
        link[i] = (uint8_t) next(v);
    }

    command(v, 9);
    string(v, "XADD");
    word(v, key, cg_subject_key(p, cg_str("gc:"), 'a', key));
    string(v, "*");
    string(v, "b");
    word(v, body, len);
    string(v, "m");
    word(v, mac, sizeof(mac));
    string(v, "l");
    hex(v, link, sizeof(link));
}


static void
visitor(visitors_t *v)
{
    char          inside[INET_ADDRSTRLEN], outside[INET_ADDRSTRLEN];
    uint8_t       id[CG_VISITOR_ID_LEN], cookie[CG_VISITOR_TEXT];
    uint8_t       ev[CG_EVENT_ID_LEN];
    cg_cc_t       country;
    cg_subject_t  subject;

    next_bytes(v, id);
    next_bytes(v, ev);

    cg_visitor_seal(&v->keys, id, cookie);
    country = address(v, true, inside);
    (void) address(v, false, outside);

    fprintf(v->visitors, "%.*s %s %s\n", (int) sizeof(cookie),
            (char *) cookie, inside, outside);

    if (!cg_subject_derive(&subject, &v->keys, CG_SUBJECT_VISITOR,
                           cg_str("default"),
                           (cg_str_t) { sizeof(id), id }))
    {
        die("cannot make a pseudonym");
    }

    record(v, &subject.current, ev);

    if (v->events) {
        event(v, &subject.current, ev, country);
    }
}


int
main(int argc, char **argv)
{
    int         arg;
    char        err[CG_GEO_ERROR];
    uint64_t    count;
    visitors_t  v;

    memset(&v, 0, sizeof(visitors_t));

    if (argc < 7) {
        die("KEYS GEO VISITORS RECORDS COUNT [-e] DOCUMENT ...");
    }

    read_keys(&v, argv[1]);
    cg_territory_eea(&v.eea);

    v.geo = cg_geo_open(argv[2], err);
    v.visitors = fopen(argv[3], "w");
    v.records = fopen(argv[4], "w");
    count = strtoull(argv[5], NULL, 10);

    arg = 6;
    v.events = strcmp(argv[arg], "-e") == 0;
    arg += v.events;

    if (v.geo == NULL) {
        die(err);
    }

    if (v.visitors == NULL || v.records == NULL) {
        die("cannot write");
    }

    set_documents(&v, argv + arg, (size_t) (argc - arg));

    while (count--) {
        visitor(&v);
    }

    if (fclose(v.visitors) != 0 || fclose(v.records) != 0) {
        die("cannot write");
    }

    cg_geo_close(v.geo);
    cg_keys_free(&v.keys);

    return 0;
}
