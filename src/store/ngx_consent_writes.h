/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_WRITES_H
#define NGX_CONSENT_WRITES_H


/*
 * What changes a record, and the connection that it goes over. Part of
 * ngx_consent_store_internal.h, which includes it.
 */

/* ngx_consent_words.c: what the script is told */

typedef struct {
    ngx_uint_t               nwords;    /* keys, arguments, changes */
    ngx_uint_t               moves;
    ngx_uint_t               erases;    /* under the key before as well */
    cg_pseudonym_t           current;
    cg_pseudonym_t           previous;
    u_char                   previous_key[CG_MAX_KEY];
    size_t                   previous_len;
    ngx_consent_buf_t        words;     /* keys to "what" */
    ngx_consent_buf_t        base;      /* pairs */
    ngx_uint_t               nbase;
    ngx_consent_buf_t        changes;   /* pairs */
} ngx_consent_words_t;

/* NULL: out of memory. On the heap, as all that it holds. */
ngx_consent_words_t *ngx_consent_words_create(ngx_consent_store_t *store,
    const ngx_consent_write_t *write);
/* Takes a record as it is: a reply to HGETALL. NGX_ERROR: it is none. */
ngx_int_t ngx_consent_words_base(ngx_consent_words_t *words,
    const ngx_consent_reply_t *reply);
/* Adds all of them behind the number of the command's words, and its name. */
void ngx_consent_words_add(const ngx_consent_words_t *words,
    ngx_consent_buf_t *b);
void ngx_consent_words_free(void *data);

/* ngx_consent_write.c */

void ngx_consent_write_init(ngx_consent_store_t *store);
/* The script has answered, and replicas have it if they need to. */
void ngx_consent_write_done(ngx_consent_command_t *cmd,
    ngx_consent_status_e status);
/* By what EVALSHA calls a script. */
void ngx_consent_script_sha(u_char sha[40], const char *script, size_t len);
/* The ngx_consent_written_e that a script answers with; NGX_ERROR: none. */
ngx_int_t ngx_consent_script_result(cg_str_t word);

/* ngx_consent_touch.c */

void ngx_consent_touch_init(ngx_consent_store_t *store);

/*
 * ngx_consent_writer.c
 *
 * Writes go over a connection of their own, for they may be held up where
 * lookups are not: by WAIT, and by CLIENT PAUSE in a planned failover. It is
 * made for the first write, when the node's other connection is there or about
 * to be.
 */

void ngx_consent_writer_init(ngx_consent_node_t *node);
void ngx_consent_writer_destroy(ngx_consent_node_t *node);
/*
 * As ngx_consent_route(), but for a write. What is sent over it must be marked:
 * cmd->write.
 */
ngx_consent_conn_t *ngx_consent_writer_route(ngx_consent_store_t *store,
    const cg_pseudonym_t *pseudonym);
/* The connection of a node that this command goes over; NULL: none now. */
ngx_consent_conn_t *ngx_consent_writer_choose(ngx_consent_node_t *node,
    const ngx_consent_command_t *cmd);

/* ngx_consent_confirm.c: "write_replicas" */

/*
 * The script of `cmd` has answered. NGX_DONE: the command is kept, and
 * ngx_consent_write_done() follows when enough replicas have what is written,
 * or with the status that tells why nobody can say so. NGX_DECLINED: replicas
 * are not waited for.
 */
ngx_int_t ngx_consent_confirm(ngx_consent_command_t *cmd);
/* How long a connection may be silent before that is a fault, milliseconds. */
ngx_msec_t ngx_consent_confirm_stall(const ngx_consent_conn_t *conn);

#endif /* NGX_CONSENT_WRITES_H */
