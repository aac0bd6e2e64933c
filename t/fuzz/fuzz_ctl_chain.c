/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _GNU_SOURCE

/*
 * Buckets of events that are signed as they should be, and what somebody may
 * have done to them: four bytes of the input make an event. What was left
 * alone has no fault; whatever was done, the check ends and names one.
 */

#include <stdio.h>

#include "ctl_proof.h"
#include "fuzz_ctl.h"


#define FUZZ_EVENTS   64
#define FUZZ_BUCKET   0x0a3

/* What is done to an event: bits of its second byte. */

#define FUZZ_BODY     0x01      /* altered behind the MAC */
#define FUZZ_MAC      0x02
#define FUZZ_LINK     0x04
#define FUZZ_PREV     0x08      /* names any other one before */
#define FUZZ_AGAIN    0x10      /* has the id of another */
#define FUZZ_GONE     0x20      /* is deleted, and the next one shows it */
#define FUZZ_AWAY     0x40      /* of a subject of another bucket */
#define FUZZ_NONSENSE 0x80      /* signed, and no event */


typedef struct {
    uint8_t  id[CG_EVENT_ID_LEN];
    uint8_t  link[CTL_LINK];
} fuzz_event_t;

typedef struct {
    ctl_t         *ctl;
    FILE          *out;
    bool           tampered;
    size_t         n;
    size_t         last[4];                     /* 1 + a subject's last */
    fuzz_event_t   made[FUZZ_EVENTS];
} fuzz_chain_t;


static void
fuzz_id(char *text, const uint8_t *id, size_t n)
{
    cg_out_t  out;

    cg_out_init(&out, text, 2 * CG_EVENT_ID_LEN);

    if (n > 0) {
        cg_out_hex(&out, id, CG_EVENT_ID_LEN);
    }

    text[cg_out_len(&out)] = '\0';
}


static int
fuzz_body(fuzz_chain_t *c, const uint8_t *op, char *body, size_t size)
{
    char            id[2 * CG_EVENT_ID_LEN + 1], prev[2 * CG_EVENT_ID_LEN + 1];
    size_t          before;
    uint8_t         text[CG_PSEUDONYM_LEN];
    fuzz_event_t   *e;
    cg_pseudonym_t  p;

    e = &c->made[c->n];
    memset(e->id, 0, sizeof(e->id));
    e->id[0] = 1;
    e->id[15] = op[1] & FUZZ_AGAIN ? op[2] % (c->n + 1) : (uint8_t) c->n;

    before = c->last[op[0] % 4];

    if (op[1] & FUZZ_PREV) {
        before = op[3] % (c->n + 1);
    }

    fuzz_id(id, e->id, 1);
    fuzz_id(prev, before > 0 ? c->made[before - 1].id : e->id, before);

    memset(&p, 0, sizeof(p));
    p.id[0] = FUZZ_BUCKET >> 4;
    p.id[1] = (uint8_t) ((op[1] & FUZZ_AWAY ? 0x50 : FUZZ_BUCKET << 4)
                         | op[0] % 4);
    cg_subject_text(&p, text);

    if (op[1] & FUZZ_NONSENSE) {
        return snprintf(body, size, "{\"v\":%u,\"kid\":\"k1\"}", op[2]);
    }

    return snprintf(body, size, "{\"v\":1,\"id\":\"%s\",\"time\":%u,"
                    "\"subject\":\"%.*s\",\"kid\":\"k1\",\"prev\":\"%s\"}", id,
                    op[2], (int) sizeof(text), text, prev);
}


static void
fuzz_add(fuzz_chain_t *c, const uint8_t *op)
{
    int            len;
    char           body[512], at[32];
    uint8_t        mac[CTL_MAC];
    cg_str_t       before, text;
    fuzz_event_t  *e;

    e = &c->made[c->n];
    len = fuzz_body(c, op, body, sizeof(body));
    text = (cg_str_t) { (size_t) len, (const uint8_t *) body };
    before = c->n > 0
             ? (cg_str_t) { CTL_LINK, c->made[c->n - 1].link }
             : (cg_str_t) { 0, NULL };

    require(cg_event_sign(&c->ctl->keys, text, mac));

    body[op[2] % (size_t) len] ^= op[1] & FUZZ_BODY;
    mac[0] ^= op[1] & FUZZ_MAC ? 1 : 0;

    require(ctl_event_link(before, text, (cg_str_t) { CTL_MAC, mac },
                           e->link));
    e->link[0] ^= op[1] & FUZZ_LINK ? 1 : 0;

    c->tampered = c->tampered || op[1] != 0;
    c->last[op[0] % 4] = ++c->n;

    if (op[1] & FUZZ_GONE) {
        return;
    }

    snprintf(at, sizeof(at), "%zu-1", c->n);

    fprintf(c->out, "*2\r\n$%zu\r\n%s\r\n*6\r\n$1\r\nb\r\n$%d\r\n", strlen(at),
            at, len);
    fwrite(body, 1, (size_t) len, c->out);
    fprintf(c->out, "\r\n$1\r\nm\r\n$64\r\n%.64s\r\n$1\r\nl\r\n$40\r\n"
            "%.40s\r\n", (char *) mac, (char *) e->link);
}


static void
fuzz_check(ctl_t *ctl, redisReply *reply, bool tampered)
{
    size_t          i;
    json_t         *value;
    ctl_bucket_t    b;
    ctl_orphans_t   orphans;
    ctl_finding_t   finding;

    memset(&b, 0, sizeof(b));
    memset(&orphans, 0, sizeof(orphans));

    b.bucket = FUZZ_BUCKET;
    b.n = reply->elements;
    b.events = calloc(b.n + 1, sizeof(ctl_event_t));
    require(b.events != NULL);

    for (i = 0; i < b.n; i++) {
        ctl_event_read(ctl, &b.events[i], FUZZ_BUCKET, reply->element[i]);
    }

    require(ctl_chain_check(ctl, &b, (cg_str_t) { 0, NULL }, false, &orphans,
                            &finding)
            == CTL_OK);
    require(finding.fault < CTL_FAULTS && orphans.n <= b.n);
    require(tampered || (finding.fault == CTL_FAULT_NONE && orphans.n == 0));

    ctl_finding_say(ctl, &finding);
    value = ctl_finding_json(&finding);
    require(value != NULL);
    json_decref(value);

    free(orphans.list);
    free(b.events);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *text;
    void          *reply;
    size_t         i, len, n;
    redisReader   *reader;
    fuzz_chain_t   c;
    static bool    ready;
    static ctl_t   ctl;

    if (!ready) {
        fuzz_ctl_init(&ctl);
        ready = true;
    }

    if (size > 4 * FUZZ_EVENTS) {
        return -1;
    }

    memset(&c, 0, sizeof(c));
    c.ctl = &ctl;
    c.out = open_memstream(&text, &len);
    require(c.out != NULL);

    for (i = 0, n = 0; i + 4 <= size; i += 4) {
        n += !(data[i + 1] & FUZZ_GONE);
    }

    fprintf(c.out, "*%zu\r\n", n);

    for (i = 0; i + 4 <= size; i += 4) {
        fuzz_add(&c, data + i);
    }

    require(fclose(c.out) == 0);

    reader = redisReaderCreate();
    require(reader != NULL && redisReaderFeed(reader, text, len) == REDIS_OK);
    require(redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL);

    fuzz_check(&ctl, reply, c.tampered);

    freeReplyObject(reply);
    redisReaderFree(reader);
    free(text);

    return 0;
}
