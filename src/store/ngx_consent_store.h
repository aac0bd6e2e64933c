/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_STORE_H
#define NGX_CONSENT_STORE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "../core/cg_decide.h"
#include "../core/cg_subject.h"


/*
 * The store client of a worker: one pipelined connection to each Redis, on
 * which nginx does the I/O and hiredis reads the protocol.
 *
 * Who owns what: the configuration lives in the pool of its cycle; the client
 * (ngx_consent_store_t) in the pool of the cycle too, one for each worker;
 * nodes, buffers and queues on the heap, freed when a connection closes. A
 * caller embeds an ngx_consent_call_t in memory of its own and must call
 * ngx_consent_store_cancel() before that memory goes (a pool cleanup): the
 * command then stays in the queue, without a caller, until its reply came.
 */

typedef struct ngx_consent_store_s    ngx_consent_store_t;
typedef struct ngx_consent_command_s  ngx_consent_command_t;
typedef struct ngx_consent_call_s     ngx_consent_call_t;
typedef struct ngx_consent_walk_s     ngx_consent_walk_t;
typedef struct ngx_consent_walks_s    ngx_consent_walks_t;


typedef enum {
    NGX_CONSENT_STORE_OK = 0,
    NGX_CONSENT_STORE_DOWN,        /* no connection, or the breaker is open */
    NGX_CONSENT_STORE_FULL,        /* the queue is full */
    NGX_CONSENT_STORE_TIMEOUT,
    NGX_CONSENT_STORE_LOST,        /* the connection closed before the reply */
    NGX_CONSENT_STORE_PROTOCOL,    /* not a reply to what was asked */
    NGX_CONSENT_STORE_REFUSED,     /* an error reply */
    NGX_CONSENT_STORE_UNCONFIRMED  /* too few replicas have what was written */
} ngx_consent_status_e;

typedef enum {
    NGX_CONSENT_WRITTEN = 0,
    NGX_CONSENT_UNCHANGED,         /* nothing to change, nothing written */
    NGX_CONSENT_REPEATED,          /* this very event is written already */
    NGX_CONSENT_CONFLICT,          /* the record is not of the expected rev */
    NGX_CONSENT_FOREIGN,           /* the key holds another subject's record */
    NGX_CONSENT_SPENT              /* so is the link that it came by */
} ngx_consent_written_e;


/*
 * Who wants to hear what the feeds tell: one worker of all listens to a node
 * of the store (client-side caching in broadcast mode) and tells the others
 * through shared memory. The functions are called from the event loop of that
 * worker. `source` is the number of the node, the same for all workers; an
 * answer has it as `call->source`.
 */

typedef struct {
    void            (*forget)(void *data, const cg_pseudonym_t *p);
                                   /* a record has changed */
    void            (*begin)(void *data, uint8_t source);
                                   /* from now on nothing is missed; what was
                                    * read before may be out of date */
    void            (*alive)(void *data, uint8_t source);
                                   /* nothing was missed so far */
    void            (*lost)(void *data, uint8_t source);
                                   /* changes may be missed */
    void             *data;
} ngx_consent_feed_handler_t;


#define NGX_CONSENT_MAX_SERVERS  32      /* sentinels, or nodes to start from */

typedef enum {
    NGX_CONSENT_SINGLE = 0,
    NGX_CONSENT_SENTINEL,
    NGX_CONSENT_CLUSTER
} ngx_consent_topology_e;


/* The settings of consent_store, and what a lookup asks for. */

typedef struct {
    ngx_uint_t        topology;          /* ngx_consent_topology_e */
    ngx_str_t         master;            /* its name, for sentinels */
    ngx_array_t       servers;           /* ngx_consent_server_t */
    ngx_str_t         username;          /* empty: none */
    ngx_str_t         password;          /* empty: none */
    ngx_str_t         sentinel_username;      /* the same, of the sentinels */
    ngx_str_t         sentinel_password;
    ngx_uint_t        database;
    ngx_str_t         prefix;            /* "gc:" */
    ngx_msec_t        connect_timeout;
    ngx_msec_t        timeout;           /* of a lookup, from call to answer */
    ngx_msec_t        write_timeout;
    ngx_uint_t        write_replicas;    /* that must have a write */
    ngx_msec_t        replicas_timeout;  /* to have it */
    time_t            retention;         /* seconds; of a record */
    time_t            proof;             /* seconds; of an event */

    ngx_flag_t        tls;
    ngx_str_t         tls_trusted_certificate;   /* empty: the system's */
    ngx_str_t         tls_server_name;           /* empty: the node's */
    ngx_str_t         tls_certificate;           /* empty: none */
    ngx_str_t         tls_certificate_key;
    ngx_resolver_t   *resolver;          /* NULL: none is configured */
    ngx_ssl_t        *ssl;               /* made by init; NULL: no TLS */

    ngx_uint_t        ndocs;
    ngx_str_t         docs[CG_MAX_DOCUMENTS];       /* names */
    cg_policy_t       statics[CG_MAX_DOCUMENTS];    /* until the store tells */
    ngx_uint_t        npurposes;
    ngx_str_t         purposes[CG_MAX_PURPOSES];
    cg_purposes_t     necessary;
    cg_purposes_t     gpc_deny;

    ngx_str_t         fields;    /* RESP of HMGET's field names, made by init */
    ngx_uint_t        nfields;
    ngx_shm_zone_t   *zone;
    uint8_t           sources;   /* where numbers of nodes begin: another store
                                  * has others, while the old workers leave */
    ngx_log_t        *log;

    ngx_consent_feed_handler_t  *feed;    /* NULL: nobody but ourselves */
} ngx_consent_store_conf_t;

typedef struct {
    ngx_str_t         name;      /* as written, for messages */
    ngx_addr_t        addr;      /* no sockaddr: the host is to be resolved */
    ngx_str_t         host;
    in_port_t         port;
    ngx_uint_t        no_port;   /* none was written */
} ngx_consent_server_t;


/* A question to the store, embedded in its asker. */

struct ngx_consent_call_s {
    void                    (*done)(ngx_consent_call_t *call);
    void                     *data;          /* of the asker */
    ngx_consent_command_t    *command;       /* NULL: not in the queue */
    ngx_event_t               event;         /* posts `done` */
    const cg_subject_t       *subject;
    ngx_msec_t                deadline;
    uint8_t                   status;        /* ngx_consent_status_e */

    /* the answer of a lookup */
    uint8_t                   found;         /* CG_RECORD_OK or _ABSENT */
    uint8_t                   source;        /* whose answer it is */
    bool                      previous;      /* found under the old key */
    cg_record_t               record;

    /* the answer of a write */
    uint8_t                   written;       /* ngx_consent_written_e */
    uint32_t                  rev;           /* of the record now */

    bool                      spent;         /* the link is */
};


/*
 * A change of one record together with its event. A withdrawal removes every
 * document and refuses every purpose of the record, and what else is set here
 * comes on top; what is erased leaves a tombstone: the number of its writes
 * and its last event, by which an old form is known for what it is. It reads
 * as a record with nothing in it.
 */

typedef enum {
    NGX_CONSENT_WRITE_SET = 0,
    NGX_CONSENT_WRITE_WITHDRAW,
    NGX_CONSENT_WRITE_ERASE
} ngx_consent_write_e;

typedef struct {
    ngx_consent_write_e   what;
    time_t                ttl;        /* seconds; 0: retention */
    const cg_subject_t   *subject;
    const cg_record_t    *moved;      /* found under the old key; or NULL */
    uint32_t              rev;        /* that the record must have; 0: none */
    ngx_str_t             link;       /* key of the link that this spends */
    const uint8_t        *event;      /* its id, 16 bytes */
    ngx_str_t             body;       /* of the event */
    ngx_str_t             mac;        /* over the body, hexadecimal */
    cg_docs_t             accept;
    cg_docs_t             decline;
    uint32_t              versions[CG_MAX_DOCUMENTS];   /* of `accept` */
    cg_purposes_t         granted;
    cg_purposes_t         answered;   /* whose values are set */
    uint8_t               age_state;  /* cg_age_e; CG_AGE_NONE: leave it */
    uint8_t               age;        /* years, of `age_state` */
    cg_cc_t               residence;  /* CG_CC_UNKNOWN: remove it */
    unsigned              resides:1;  /* `residence` is set */
    uint32_t              eea_day;    /* days since 1970; 0: leave it */
} ngx_consent_write_t;


/*
 * A visit from the EEA, to be added to what is known of its subject. It is no
 * answer: no event, and "rev" stays.
 */

typedef struct {
    const cg_subject_t   *subject;
    uint32_t              day;        /* since 1970 */
    unsigned              account:1;  /* which need not have answered */
    unsigned              create:1;   /* a record, if there is none */
} ngx_consent_touch_t;


/*
 * At configuration time, when documents and purposes are known: prepares
 * `conf->fields` and adds the shared zone, which keeps policies and breakers
 * over a reload. `tag` is the module. NGX_ERROR when out of memory.
 */
ngx_int_t ngx_consent_store_init_conf(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf, void *tag);

/*
 * In a worker (and a single process), never in a helper process. Connects
 * from the first turn of the event loop on; NULL when out of memory.
 */
ngx_consent_store_t *ngx_consent_store_create(ngx_cycle_t *cycle,
    ngx_consent_store_conf_t *conf);
/* Closes every connection: when the worker exits. */
void ngx_consent_store_destroy(ngx_consent_store_t *store);

/*
 * Each of the five asks; `call->done`, `data` and, for the first, `subject`
 * (that must live as long as the call) are set by the asker. NGX_AGAIN:
 * `done` will be called once, from the event loop, never from within. NGX_OK:
 * answered at once, `done` is not called. Look at `call->status` either way.
 */
ngx_int_t ngx_consent_store_lookup(ngx_consent_store_t *store,
    ngx_consent_call_t *call);
ngx_int_t ngx_consent_store_write(ngx_consent_store_t *store,
    ngx_consent_call_t *call, const ngx_consent_write_t *write);
/*
 * NGX_CONSENT_WRITTEN, _UNCHANGED (this day or a later one is there), _FOREIGN,
 * or _CONFLICT: there is no record that it could be added to.
 */
ngx_int_t ngx_consent_store_touch(ngx_consent_store_t *store,
    ngx_consent_call_t *call, const ngx_consent_touch_t *touch);
/* Whether the link with this key, of call->subject, is spent: call->spent. */
ngx_int_t ngx_consent_store_spent(ngx_consent_store_t *store,
    ngx_consent_call_t *call, const ngx_str_t *key);
/* Fetches the policies; after it ngx_consent_store_policies() is fresh. */
ngx_int_t ngx_consent_store_fetch(ngx_consent_store_t *store,
    ngx_consent_call_t *call);

/*
 * What is kept of one subject, for the subject. `record` is called once, with
 * `n` pairs of field and value (none: no record); `entry` with each event of
 * its bucket, those of others among them, the newest first. NGX_OK: go on;
 * NGX_DONE: all of it was there; anything else: that is enough. Then `done`,
 * once, from the event loop. What they are given lives until they return.
 */

typedef struct {
    cg_str_t                  id;       /* of the stream's entry */
    cg_str_t                  body;     /* empty: it has none */
    cg_str_t                  mac;
    cg_str_t                  link;
} ngx_consent_entry_t;

struct ngx_consent_walk_s {
    ngx_int_t               (*record)(ngx_consent_walk_t *walk,
                                      const cg_str_t *pairs, size_t n);
    ngx_int_t               (*entry)(ngx_consent_walk_t *walk,
                                     const ngx_consent_entry_t *entry);
    void                    (*done)(ngx_consent_walk_t *walk);
    void                     *data;          /* of the asker */
    const cg_subject_t       *subject;       /* lives as long as the walk */
    uint8_t                   status;        /* ngx_consent_status_e */
    unsigned                  whole:1;       /* `entry` said NGX_DONE */

    /* of the store */
    ngx_consent_walks_t      *walks;
    ngx_queue_t               queue;
    ngx_event_t               event;
    ngx_msec_t                deadline;
};

/* NGX_AGAIN: `done` will be called. NGX_OK: too many wait. */
ngx_int_t ngx_consent_store_walk(ngx_consent_store_t *store,
    ngx_consent_walk_t *walk);
/* As ngx_consent_store_cancel(). */
void ngx_consent_store_walk_cancel(ngx_consent_walk_t *walk);

/* Forgets a call, in whatever state; its `done` will not be called. */
void ngx_consent_store_cancel(ngx_consent_call_t *call);

/*
 * The policies as last read by any worker, else the static ones. Valid until
 * the next call. Costs one read of shared memory when nothing has changed.
 */
const cg_policies_t *ngx_consent_store_policies(ngx_consent_store_t *store);
/* Whether policies were read from the store since it is in use. */
bool ngx_consent_store_policies_read(ngx_consent_store_t *store);

/* For a status page. */

typedef struct {
    ngx_str_t         name;             /* "10.0.0.1:6379" */
    bool              open;             /* the breaker: nobody asks it */
    ngx_uint_t        failures;         /* in a row, of all workers */
    bool              feed_up;          /* changes are heard at once */
    ngx_msec_int_t    feed_heard;       /* ms ago; -1: never */
    ngx_uint_t        slots;            /* of a cluster */
} ngx_consent_node_status_t;

typedef struct {
    const char       *topology;         /* "single", "sentinel", "cluster" */
    ngx_uint_t        nnodes;           /* masters */
    bool              open;             /* nobody can be asked */
    ngx_uint_t        failures;         /* of the worst node */
    bool              feed_up;          /* of all nodes */
    ngx_msec_int_t    feed_heard;       /* of the one heard longest ago */
    bool              policies_read;    /* from the store, ever */
    uint64_t          epoch;            /* of the policies; 0: none */
} ngx_consent_store_status_t;

void ngx_consent_store_status(ngx_consent_store_t *store,
    ngx_consent_store_status_t *status);
/*
 * The masters one by one: `i` from 0 to nnodes - 1, right after the above.
 * False: no such node.
 */
bool ngx_consent_store_node_status(ngx_consent_store_t *store, ngx_uint_t i,
    ngx_consent_node_status_t *status);

/* A word for the log: "timed out". */
const char *ngx_consent_status_text(ngx_consent_status_e status);

/* Whether nobody may be asked now: the breaker of every node is open. */
bool ngx_consent_store_down(ngx_consent_store_t *store);

#endif /* NGX_CONSENT_STORE_H */
