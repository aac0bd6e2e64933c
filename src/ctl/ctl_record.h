/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_RECORD_H
#define CTL_RECORD_H

#include "ctl_proof.h"
#include "ctl_subject.h"


/* ctl_record.c: the record of a subject, as it is, and writes to it. */

typedef struct {
    cg_subject_t   subject;
    bool           moves;           /* found under the previous key */
    cg_pseudonym_t *at;             /* current, or previous */
    redisReply    *hash;            /* HGETALL */
    int64_t        ttl;             /* seconds; -1: for ever */
    uint32_t       rev;
    uint8_t        event[CG_EVENT_ID_LEN];      /* "ev"; zeros: none */
    bool           foreign;         /* "k" is of another subject */
} ctl_record_t;

/*
 * Finds it by the options, or reports that there is none. Release it with
 * ctl_record_free() in any case.
 */
ctl_exit_e ctl_record_find(ctl_t *ctl, ctl_record_t *record);
/* The same, but none is a hash without elements. */
ctl_exit_e ctl_record_look(ctl_t *ctl, ctl_record_t *record);
void ctl_record_free(ctl_record_t *record);
/* A field of the hash; data NULL: none. */
cg_str_t ctl_record_field(const ctl_record_t *record, const char *name);
/* What is left is what erasing leaves. */
bool ctl_record_erased(const ctl_record_t *record);

/*
 * The events of a pseudonym, those that are good, among those of its bucket;
 * *n of them, in order. They point into `b`, which is to be freed.
 */
ctl_exit_e ctl_record_events(ctl_t *ctl, const cg_pseudonym_t *p,
    ctl_bucket_t *b, const ctl_event_t ***events, size_t *n);


/* cg_subject_e: a pseudonym does not tell what it is of; its events do. */
ctl_exit_e ctl_record_kind(ctl_t *ctl, const ctl_record_t *record,
    uint8_t *kind);


/*
 * ctl_field.c: what a field of a record says, in plain words, or nothing.
 * Writes to CTL_MAX_WORDS bytes; returns `words`.
 */

#define CTL_MAX_WORDS  80

char *ctl_field_words(cg_str_t name, cg_str_t value, char *words);


/* ctl_record_write.c: the same script as the gate, and its event. */

typedef struct {
    const char  *what;              /* "set" or "erase" */
    cg_event_e   event;
    cg_cc_t      residence;         /* of CG_EVENT_RESIDENCE */
    int64_t      ttl;               /* seconds that the record lives on */
    const char  *field;             /* NULL: no change but "what" */
    cg_str_t     value;             /* empty: the field goes */
} ctl_change_t;

typedef struct {
    char      result[16];           /* "written", "unchanged" */
    uint32_t  rev;
} ctl_written_t;

ctl_exit_e ctl_record_write(ctl_t *ctl, ctl_record_t *record,
    const ctl_change_t *change, ctl_written_t *written);

#endif /* CTL_RECORD_H */
