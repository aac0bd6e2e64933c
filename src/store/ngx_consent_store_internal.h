/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_STORE_INTERNAL_H
#define NGX_CONSENT_STORE_INTERNAL_H

#include "ngx_consent_store.h"
#include "ngx_consent_reply.h"
#include "ngx_consent_slots.h"


/*
 * store -> nodes -> connections -> commands -> (at most) one call each. A node
 * is a master and what all workers know of it; its connections, one for
 * questions and one for writes, are this worker's. Nodes come and go as the
 * topology says. Only ngx_consent_route.c chooses the node of a call; one that
 * cannot be chosen yet waits in the lobby, a connection to nowhere.
 */

#define NGX_CONSENT_QUEUE_MAX       4096            /* commands */
#define NGX_CONSENT_OUT_MAX         (1024 * 1024)   /* bytes unsent */
#define NGX_CONSENT_READ_SIZE       16384           /* bytes of one read */
#define NGX_CONSENT_SPARE_MAX       64      /* commands kept on the heap */
#define NGX_CONSENT_KEEP_BUFFER     65536   /* bytes kept when all is sent */

/* milliseconds */
#define NGX_CONSENT_STALL           1000    /* of silence, then close */
#define NGX_CONSENT_BACKOFF_MIN     50
#define NGX_CONSENT_BACKOFF_MAX     800
#define NGX_CONSENT_BACKOFF_DENIED  5000    /* wrong password: no hurry */
#define NGX_CONSENT_PROBE           300     /* one worker's turn */
#define NGX_CONSENT_POLL            10000   /* policies */
#define NGX_CONSENT_POLL_JITTER     2000
#define NGX_CONSENT_POLL_UNREAD     1000    /* as long as there are none */
#define NGX_CONSENT_QUIET           1000    /* between lines of one kind */

#define NGX_CONSENT_FEED_TICK       1000    /* renew the lease, and PING */
#define NGX_CONSENT_FEED_STALL      2000    /* since a PING, then close */
#define NGX_CONSENT_FEED_SILENCE    3000    /* then nobody counts on it */
#define NGX_CONSENT_FEED_LEASE      2000    /* of a worker that was killed */
#define NGX_CONSENT_FEED_HURRY      100     /* between tries of a new worker */
#define NGX_CONSENT_FEED_NEW        3000    /* how long a worker is new */
#define NGX_CONSENT_FEED_REFUSED    10000   /* the server will not have it */

#define NGX_CONSENT_SCOUT_PATIENCE  200     /* with one that is asked */
#define NGX_CONSENT_TOPOLOGY_POLL   10000   /* when all is well */
#define NGX_CONSENT_TOPOLOGY_FEED   1000    /* by a worker with a feed */
#define NGX_CONSENT_TOPOLOGY_QUIET  100     /* between questions in doubt */
#define NGX_CONSENT_TOPOLOGY_RETRY  400     /* when nobody has answered */
#define NGX_CONSENT_TOPOLOGY_SWEEP  100     /* nodes that leave */
#define NGX_CONSENT_GUEST           10000   /* a node without slots stays */
#define NGX_CONSENT_PARKED          15      /* between tries in the lobby */

#define NGX_CONSENT_MAX_HOPS        3       /* MOVED and ASK */
#define NGX_CONSENT_NO_NODE         255     /* in the table of slots */
#define NGX_CONSENT_TAGS            4096    /* hash tags of subjects */
#define NGX_CONSENT_KEEP_COPY       4096    /* bytes kept with a command */
#define NGX_CONSENT_ANY             255     /* a reply of any type */

#define NGX_CONSENT_FEED_ELEMENTS   65536   /* keys of one message */
#define NGX_CONSENT_FEED_SIZE       (4 * 1024 * 1024)

#define NGX_CONSENT_BREAKER_LIMIT   5       /* failures in a row */
#define NGX_CONSENT_MAX_NODES       128     /* masters */
#define NGX_CONSENT_ZONE_NODES      256     /* those of some time ago, too */
#define NGX_CONSENT_ZONE_UNUSED     600000  /* ms; then another's place */
#define NGX_CONSENT_ZONE_DOCUMENTS  32
#define NGX_CONSENT_ZONE_LAYOUT     3       /* count up when it changes */
#define NGX_CONSENT_ZONE_SIZE       (256 * 1024)
#define NGX_CONSENT_HELLO_MAX       8       /* commands of a handshake */
#define NGX_CONSENT_FEED_CHANNEL    "__redis__:invalidate"
#define NGX_CONSENT_FAULT_TEXT      320
#define NGX_CONSENT_NOTE_LEN        128
#define NGX_CONSENT_ADDRS_MAX       8       /* of a host, that are tried */
#define NGX_CONSENT_HOST_LEN        255     /* of a name in DNS, at most */

#define ngx_consent_past(at)                                                  \
    ((ngx_msec_int_t) ((at) - ngx_current_msec) <= 0)

/* The shorter of a delay and the time that is left until `at`. */

static ngx_inline ngx_msec_t
ngx_consent_sooner(ngx_msec_t delay, ngx_msec_t at)
{
    return ngx_consent_past(at) ? 0 : ngx_min(delay, at - ngx_current_msec);
}


typedef struct ngx_consent_conn_s  ngx_consent_conn_t;
typedef struct ngx_consent_node_s  ngx_consent_node_t;
typedef struct ngx_consent_feed_s  ngx_consent_feed_t;
typedef struct ngx_consent_resolve_s  ngx_consent_resolve_t;

/*
 * What a connection is for: questions of this worker, or the feed. `failed`
 * and `leave` close it, for the fault that was noted and because the worker
 * exits.
 */

typedef struct {
    const char              *name;       /* for CLIENT SETNAME */
    ngx_msec_t               stall;      /* of silence, then it has failed */
    size_t                   elements;   /* of one reply; 0: the default */
    size_t                   size;       /* bytes of one reply */
    void                   (*ready)(ngx_consent_conn_t *conn);
    ngx_int_t              (*message)(ngx_consent_conn_t *conn,
                                      const ngx_consent_reply_t *reply);
                                         /* NGX_DECLINED: it is an answer */
    void                   (*failed)(ngx_consent_conn_t *conn);
    void                   (*leave)(ngx_consent_conn_t *conn);
    ngx_msec_t               patience;   /* to connect; 0: as configured */
    unsigned                 breaker:1;  /* answers tell of the node's health,
                                          * and are waited for at exit */
    unsigned                 scripts:1;  /* it runs the write script */
    unsigned                 data:1;     /* to a master, for keys */
    unsigned                 movable:1;  /* commands may go elsewhere */
    unsigned                 waits:1;    /* WAIT may hold it up */
    unsigned                 sentinel:1; /* to a sentinel */
} ngx_consent_conn_role_t;

/*
 * `reply` is NULL when none will come; cmd->status then tells why. `call` may
 * be gone. NGX_ERROR: the connection is not to be trusted any more, the fault
 * is noted. NGX_DECLINED: an answer, but no sign of health. NGX_DONE: the
 * handler keeps the command.
 */
typedef ngx_int_t (*ngx_consent_reply_pt)(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);

typedef enum {
    NGX_CONSENT_CONN_IDLE = 0,      /* closed; connects when asked */
    NGX_CONSENT_CONN_RESOLVING,
    NGX_CONSENT_CONN_CONNECTING,
    NGX_CONSENT_CONN_TLS,           /* its handshake */
    NGX_CONSENT_CONN_HANDSHAKE,     /* ours */
    NGX_CONSENT_CONN_READY,
    NGX_CONSENT_CONN_BACKOFF        /* closed; connects in a while */
} ngx_consent_conn_state_e;

typedef enum {
    NGX_CONSENT_FAULT_CONNECT = 0,
    NGX_CONSENT_FAULT_HANDSHAKE,
    NGX_CONSENT_FAULT_DENIED,       /* by password */
    NGX_CONSENT_FAULT_GRANT,        /* by ACL */
    NGX_CONSENT_FAULT_TOPOLOGY,     /* another kind of server */
    NGX_CONSENT_FAULT_ROLE,
    NGX_CONSENT_FAULT_LOADING,
    NGX_CONSENT_FAULT_LOST,
    NGX_CONSENT_FAULT_STALL,
    NGX_CONSENT_FAULT_PROTOCOL,
    NGX_CONSENT_FAULT_TIMEOUT,      /* of a call; the connection stays */
    NGX_CONSENT_FAULT_RESOLVE,
    NGX_CONSENT_FAULT_TLS,          /* the other side speaks none, or another */
    NGX_CONSENT_FAULT_TLS_NAME,     /* its certificate is somebody else's */
    NGX_CONSENT_FAULT_TLS_TRUST,    /* or nobody's that we trust */
    NGX_CONSENT_FAULT_TLS_OURS,     /* it does not like ours, or that of none */
    NGX_CONSENT_FAULT_CLUSTER       /* the cluster as a whole does not serve */
} ngx_consent_fault_e;

typedef struct {
    ngx_consent_fault_e      kind;
    ngx_err_t                err;
    ngx_str_t                text;
    u_char                   buf[NGX_CONSENT_FAULT_TEXT];
} ngx_consent_fault_t;

/* Lines that a busy server would write too often: one a second of a kind. */

typedef enum {
    NGX_CONSENT_LINE_TIMEOUT = 0,
    NGX_CONSENT_LINE_REFUSED,
    NGX_CONSENT_LINE_RECORD,
    NGX_CONSENT_LINE_GRANT,
    NGX_CONSENT_LINE_TOPOLOGY,
    NGX_CONSENT_LINE_REPLICAS,
    NGX_CONSENT_LINES
} ngx_consent_line_e;

typedef struct {
    ngx_msec_t               next;
    ngx_uint_t               dropped;
    u_char                   more[NGX_INT_T_LEN + sizeof(" ( more before)")];
} ngx_consent_line_t;

/* What to do about an error reply: ": " and a few words, or nothing. */

typedef struct {
    ngx_str_t                text;
    u_char                   buf[NGX_CONSENT_FAULT_TEXT];
} ngx_consent_advice_t;

/* Bytes on the heap that grow. After a failure nothing is added any more. */

typedef struct {
    u_char                  *start;
    u_char                  *pos;
    u_char                  *last;
    u_char                  *end;
    ngx_uint_t               failed;
} ngx_consent_buf_t;

#define ngx_consent_buf_size(b)  ((size_t) ((b)->last - (b)->pos))


struct ngx_consent_command_s {
    ngx_queue_t              queue;
    ngx_consent_conn_t      *conn;
    ngx_consent_call_t      *call;       /* NULL: nobody waits */
    ngx_consent_reply_pt     handler;    /* NULL: the reply is dropped */
    ngx_msec_t               deadline;
    u_char                  *bytes;      /* in conn->out, until it is sent;
                                          * or in `copy` */
    size_t                   len;
    u_char                  *copy;       /* on the heap, to send it again */
    size_t                   copy_size;
    ngx_msec_t               retry_at;   /* in the lobby */
    void                    *data;       /* goes with the command */
    void                   (*cleanup)(void *data);
    ngx_atomic_uint_t        changes;    /* of the policies, when asked */
    uint8_t                  status;     /* ngx_consent_status_e */
    uint8_t                  type;       /* ngx_consent_type_e of the reply */
    uint8_t                  hops;       /* MOVED and ASK so far */
    unsigned                 kept:1;     /* `bytes` are in `copy` */
    unsigned                 asking:1;   /* ASKING goes before it */
    unsigned                 repeat:1;   /* no harm if it is done twice */
    unsigned                 write:1;    /* over the connection for writes */
    unsigned                 whole:1;    /* with the script, not by its name */
};

struct ngx_consent_conn_s {
    ngx_consent_node_t      *node;
    const ngx_consent_conn_role_t  *role;
    ngx_connection_t        *connection;
    ngx_peer_connection_t    peer;
    ngx_log_t                log;

    ngx_consent_resolve_t   *resolve;    /* NULL: there was no need yet */
    void                    *session;    /* of TLS, to resume; NULL: none */
    ngx_str_t                note;       /* the last word about TLS */
    u_char                   note_buf[NGX_CONSENT_NOTE_LEN];

    ngx_consent_reader_t    *reader;
    u_char                  *in;
    ngx_consent_buf_t        hello;
    ngx_consent_buf_t        out;
    ngx_queue_t              commands;
    ngx_uint_t               ncommands;
    ngx_uint_t               live;       /* commands somebody waits for */

    ngx_event_t              timer;
    ngx_event_t              flush;
    ngx_msec_t               until;      /* of connect and handshake */
    ngx_msec_t               turn;       /* until when, of this address */
    ngx_msec_t               heard;      /* the last reply, or none due */
    ngx_msec_t               retry_at;
    ngx_msec_t               tried;      /* to connect, the last time */
    ngx_atomic_uint_t        closings;   /* of the breaker, at backoff */
    ngx_uint_t               failures;   /* since the last good reply */
    ngx_consent_fault_t      fault;

    uint8_t                  asked[NGX_CONSENT_HELLO_MAX];
    uint8_t                  nasked;
    uint8_t                  nanswered;
    uint8_t                  state;      /* ngx_consent_conn_state_e */
    unsigned                 wait:1;     /* calls wait for this attempt */
    unsigned                 retry:1;    /* retry_at is set */
    unsigned                 stalled:1;  /* counted as a failure already */
};

/* In shared memory: what the workers know together of a node. */

typedef struct {
    ngx_atomic_t             key;        /* hash of its name; 0: free */
    ngx_atomic_t             used;       /* msec; a worker has it */
    ngx_atomic_t             failures;   /* in a row */
    ngx_atomic_t             open;
    ngx_atomic_t             closings;   /* times that it came back */
    ngx_atomic_t             probe;      /* msec: claimed until; 0: free */
    ngx_atomic_t             down_since; /* msec, never 0; 0: it is up */
    ngx_atomic_t             faults;     /* bits: kinds logged since then */
    ngx_atomic_t             logged;     /* msec of the last line "down" */
    ngx_atomic_t             loud;       /* that line was not held back */
} ngx_consent_breaker_t;

typedef struct {
    ngx_atomic_t             lease;      /* process and expiry; 0: free */
    ngx_atomic_t             up;         /* msec: complete since; 0: down */
    ngx_atomic_t             heard;      /* msec; 0: never */
    ngx_atomic_t             told;       /* in the log that it is up */
} ngx_consent_feed_shared_t;

struct ngx_consent_feed_s {
    ngx_consent_node_t         *node;
    ngx_consent_feed_shared_t  *sh;
    ngx_consent_conn_t          conn;
    ngx_event_t                 timer;
    ngx_atomic_uint_t           lease;      /* sh->lease while we hold it */
    ngx_msec_t                  new_until;
    ngx_msec_t                  retry_at;   /* to connect */
    ngx_uint_t                  failures;   /* since the last PONG */
    ngx_uint_t                  faults;     /* bits: kinds logged since then */
    unsigned                    up:1;
    unsigned                    proven:1;   /* a PONG came since it is up */
    unsigned                    refused:1;
    unsigned                    told:1;     /* that it is refused, or lost */
};

typedef struct {
    ngx_consent_conn_t       conn;
    ngx_queue_t              written;    /* commands: replicas may lack it */
    ngx_consent_command_t   *wait;       /* WAIT for these; NULL: for none */
} ngx_consent_writer_t;

struct ngx_consent_node_s {
    ngx_consent_store_t     *store;
    ngx_queue_t              queue;      /* store->leaving */
    ngx_str_t                name;       /* "host:port", "unix:/path" */
    ngx_addr_t               addr;
    ngx_str_t                host;       /* to resolve; empty: addr is it */
    in_port_t                port;
    ngx_consent_breaker_t   *breaker;
    ngx_consent_conn_t       conn;
    ngx_consent_writer_t     writer;
    ngx_consent_feed_t       feed;
    ngx_uint_t               number;     /* in store->nodes */
    uint8_t                  source;     /* the same for all workers */
    ngx_uint_t               nslots;
    ngx_msec_t               stays;      /* until then, without slots */
    unsigned                 leaving:1;  /* no master any more */
    unsigned                 moved:1;    /* slots have left it */
    unsigned                 dynamic:1;  /* on the heap */
};


/*
 * Where the masters are, as far as this worker knows: asked for at the start,
 * in doubt, and from time to time.
 */

typedef struct {
    ngx_consent_node_t       scout;      /* whoever is asked now */
    ngx_event_t              timer;
    ngx_msec_t               asked;      /* the last time */
    ngx_msec_t               due;        /* the next time */
    ngx_msec_t               sweep;      /* look at those that leave */
    ngx_uint_t               next;       /* candidate */
    ngx_uint_t               tried;      /* in this round */
    uint32_t                 map;        /* checksum of what we know */
    unsigned                 asking:1;
    unsigned                 again:1;    /* once more when it is answered */
    unsigned                 known:1;    /* ever */
    unsigned                 wait:1;     /* calls wait for what comes of it */
    unsigned                 told:1;     /* in the log, that nobody answers */
} ngx_consent_topology_t;


/* Exports: one at a time, on a connection of its own. */

struct ngx_consent_walks_s {
    ngx_consent_node_t       node;         /* whoever is asked now */
    ngx_consent_store_t     *store;
    ngx_queue_t              queue;        /* ngx_consent_walk_t that wait */
    ngx_uint_t               nqueue;
    ngx_consent_walk_t      *active;
    ngx_sockaddr_t           sockaddr;
    u_char                   name[NGX_CONSENT_HOST_LEN];
    u_char                   host[NGX_CONSENT_HOST_LEN];
    ngx_event_t              next;         /* the next one, or the end */
    unsigned                 previous:1;   /* reads under the previous key */
    unsigned                 aimed:1;      /* `node` is set */
};


/* In shared memory: the documents as read from the store. */

typedef enum {
    NGX_CONSENT_DOCUMENT_OK = 0,
    NGX_CONSENT_DOCUMENT_MALFORMED,
    NGX_CONSENT_DOCUMENT_GONE
} ngx_consent_document_e;

typedef struct {
    uint8_t                  state;      /* ngx_consent_document_e */
    uint8_t                  name_len;
    u_char                   name[CG_MAX_NAME];
    u_char                   good[20];   /* SHA-1 of the text of `policy` */
    u_char                   bad[20];    /* of the malformed text logged */
    cg_policy_t              policy;     /* last good one; or not known */
} ngx_consent_document_t;

typedef struct {
    uint64_t                 epoch;
    ngx_uint_t               ignored;    /* fields that are no documents */
    ngx_uint_t               ndocs;
    ngx_consent_document_t   docs[NGX_CONSENT_ZONE_DOCUMENTS];
} ngx_consent_documents_t;

typedef struct {
    ngx_uint_t               layout;
    ngx_atomic_t             read;       /* ever */
    ngx_atomic_t             poll_at;    /* msec; the next one is due */
    ngx_atomic_t             generation; /* its low bit is the slot in use */
    ngx_atomic_t             changes;    /* that the feed has told of */
    ngx_consent_documents_t  slots[2];
    ngx_atomic_t             map;        /* checksum of the last topology */
    ngx_consent_breaker_t    breakers[NGX_CONSENT_ZONE_NODES];
    ngx_consent_feed_shared_t  feeds[NGX_CONSENT_ZONE_NODES];
} ngx_consent_shared_t;

typedef struct {
    ngx_slab_pool_t         *shpool;
    ngx_consent_shared_t    *sh;
} ngx_consent_zone_t;


struct ngx_consent_store_s {
    ngx_consent_store_conf_t  *conf;
    ngx_log_t                 *log;
    ngx_consent_zone_t        *zone;

    ngx_consent_node_t        *nodes[NGX_CONSENT_MAX_NODES];  /* or NULL */
    ngx_uint_t                 nnodes;    /* places looked at */
    ngx_consent_node_t        *master;    /* but of a cluster; or NULL */
    ngx_queue_t                leaving;   /* ngx_consent_node_t */
    ngx_consent_node_t         lobby;     /* its connection: who waits */
    ngx_consent_topology_t     topology;
    uint8_t                   *slots;     /* of a cluster: numbers of nodes */
    uint16_t                  *tags;      /* the slots of subjects' tags */
    uint16_t                   slot;      /* of the policies */
    unsigned                   closing:1;

    ngx_queue_t                spare;     /* commands */
    ngx_uint_t                 nspare;
    ngx_consent_line_t         lines[NGX_CONSENT_LINES];

    ngx_str_t                  hmget;     /* the command, but for the key */
    size_t                     hmget_key; /* where it goes */
    ngx_str_t                  script;    /* that writes */
    u_char                     sha[40];   /* its */
    u_char                     touch_sha[40];
    u_char                     foreign[CG_SUBJECT_ID_LEN];
    ngx_consent_walks_t       *walks;     /* exports */

    ngx_event_t                poll;
    ngx_uint_t                 fetches;   /* of the policies, in flight */
    ngx_uint_t                 refresh;   /* they have changed: fetch them */
    cg_policies_t              policies;
    ngx_atomic_uint_t          generation;
};


/* ngx_consent_store.c */

/* Prepares a call; NULL when it is answered: call->status tells. */
ngx_consent_conn_t *ngx_consent_call_start(ngx_consent_store_t *store,
    ngx_consent_call_t *call, ngx_msec_t timeout);
/* The same for a call that changes call->subject. */
ngx_consent_conn_t *ngx_consent_call_write(ngx_consent_store_t *store,
    ngx_consent_call_t *call);
/*
 * An error reply: writes the line and finishes the call. NGX_ERROR when it
 * means that this is no server to talk to.
 */
ngx_int_t ngx_consent_refused(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
/* A reply that cannot be meant for what was asked. Returns NGX_ERROR. */
ngx_int_t ngx_consent_unexpected(ngx_consent_command_t *cmd);
/*
 * Whether a line of this kind may be written now. `more` tells of those that
 * might not, for the end of the line, until the next call.
 */
ngx_uint_t ngx_consent_line(ngx_consent_store_t *store,
    ngx_consent_line_e line, ngx_str_t *more);

/* ngx_consent_conn.c */

void ngx_consent_conn_init(ngx_consent_conn_t *conn, ngx_consent_node_t *node,
    const ngx_consent_conn_role_t *role);
void ngx_consent_conn_destroy(ngx_consent_conn_t *conn);
/* `wait`: calls may wait in the queue for what comes of it. */
void ngx_consent_conn_connect(ngx_consent_conn_t *conn, ngx_uint_t wait);
/* The address of conn->peer, or the next ones: fails or connects. */
void ngx_consent_conn_dial(ngx_consent_conn_t *conn);
/* The next address instead, or NGX_ERROR. */
ngx_int_t ngx_consent_conn_next(ngx_consent_conn_t *conn);
/* Closes and answers all calls; the state is left to the caller. */
void ngx_consent_conn_close(ngx_consent_conn_t *conn,
    ngx_consent_status_e status);

/* ngx_consent_retry.c */

extern const ngx_consent_conn_role_t  ngx_consent_ask_role;
extern const ngx_consent_conn_role_t  ngx_consent_member_role;

/* What the fault that was noted is to the calls in the queue. */
ngx_consent_status_e ngx_consent_conn_status(const ngx_consent_conn_t *conn);
/* Closes it because the worker exits. */
void ngx_consent_conn_leave(ngx_consent_conn_t *conn);
/* Whether a command may be queued now; connects if that may help. */
ngx_int_t ngx_consent_conn_open(ngx_consent_conn_t *conn);
/* Connects, or waits for its turn if the breaker is open. */
void ngx_consent_conn_resume(ngx_consent_conn_t *conn, ngx_uint_t wait);
/* Good news: the node answers. */
void ngx_consent_conn_good(ngx_consent_conn_t *conn);
/* Closes for the fault that was noted, and sees to what comes next. */
#define ngx_consent_conn_fail(conn)  (conn)->role->failed(conn)
/* Sees to it that the timer fires at `at` or before. */
void ngx_consent_conn_wake(ngx_consent_conn_t *conn, ngx_msec_t at);
void ngx_consent_conn_timer(ngx_event_t *ev);

/* ngx_consent_fault.c */

/* Notes why the connection fails, for the log. Returns NGX_ERROR. */
ngx_int_t ngx_consent_fault(ngx_consent_conn_t *conn,
    ngx_consent_fault_e kind, ngx_err_t err, const char *fmt, ...);
/* Whether it will not mend itself, so that there is no hurry to try again. */
ngx_uint_t ngx_consent_fault_lasting(ngx_consent_fault_e kind);
/* The kind of fault that an error reply stands for; NGX_DECLINED: none. */
ngx_int_t ngx_consent_fault_kind(const ngx_consent_reply_t *reply);
/* The fault that an error reply stands for, in words. Returns NGX_ERROR. */
ngx_int_t ngx_consent_fault_reply(ngx_consent_conn_t *conn,
    ngx_consent_fault_e kind, const ngx_consent_reply_t *reply);

/* What it means that these are no replies of Redis. Returns NGX_ERROR. */
ngx_int_t ngx_consent_fault_protocol(ngx_consent_conn_t *conn);

/* ngx_consent_advice.c */

void ngx_consent_advice(ngx_consent_store_t *store,
    const ngx_consent_reply_t *reply, ngx_consent_advice_t *advice);

/* ngx_consent_tls.c */

/* "tls on": reads the certificates, sets conf->ssl. */
ngx_int_t ngx_consent_tls_init_conf(ngx_conf_t *cf,
    ngx_consent_store_conf_t *conf);
/* On a connection that is there; NGX_ERROR: a fault. */
ngx_int_t ngx_consent_tls_start(ngx_consent_conn_t *conn);
/*
 * NGX_AGAIN: more to come, and the handlers of the events are nginx's; NGX_OK:
 * it is who it should be; NGX_ERROR: a fault.
 */
ngx_int_t ngx_consent_tls_handshake(ngx_consent_conn_t *conn);
/* Whether TLS is why the connection failed: the fault is noted then. */
ngx_uint_t ngx_consent_tls_fault(ngx_consent_conn_t *conn);
/* Before the connection closes, with TLS or without. */
void ngx_consent_tls_close(ngx_consent_conn_t *conn);
/* The connection will not be made again. */
void ngx_consent_tls_done(ngx_consent_conn_t *conn);

/* ngx_consent_resolve.c */

/*
 * Asks for the addresses of node->host, and dials when they are there, which
 * may be before it returns. NGX_ERROR: a fault.
 */
ngx_int_t ngx_consent_resolve_start(ngx_consent_conn_t *conn);
/* Sets conn->peer to the next address. False: there is none. */
ngx_uint_t ngx_consent_resolve_next(ngx_consent_conn_t *conn);
/* How many there are after this one. */
ngx_uint_t ngx_consent_resolve_left(ngx_consent_conn_t *conn);
void ngx_consent_resolve_cancel(ngx_consent_conn_t *conn);
/* The connection will not be made again. */
void ngx_consent_resolve_done(ngx_consent_conn_t *conn);

/* The host of "host:port", without brackets. */
void ngx_consent_host(const ngx_str_t *name, ngx_str_t *host);

/* ngx_consent_handshake.c */

/* Fills conn->hello; NGX_ERROR when out of memory. */
ngx_int_t ngx_consent_handshake_start(ngx_consent_conn_t *conn);
/* NGX_AGAIN: more to come; NGX_OK: all is well; NGX_ERROR: a fault. */
ngx_int_t ngx_consent_handshake_reply(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);

/* ngx_consent_queue.c */

/*
 * Puts a command's bytes into conn->out. NULL: the queue is full. Set handler
 * and deadline, the type of its reply if it is no array, change cmd->bytes if
 * need be, then send it.
 */
ngx_consent_command_t *ngx_consent_command_new(ngx_consent_conn_t *conn,
    const u_char *data, size_t len);
/* The same of a buffer, which it frees; NULL also if something is missing. */
ngx_consent_command_t *ngx_consent_command_buf(ngx_consent_conn_t *conn,
    ngx_consent_buf_t *b);
void ngx_consent_command_send(ngx_consent_command_t *cmd,
    ngx_consent_call_t *call);
/*
 * The same, for a second command that carries on for `cmd`. NULL: the queue
 * was full, which `cmd` is then told.
 */
void ngx_consent_command_follow(ngx_consent_command_t *next,
    ngx_consent_command_t *cmd);
/* Answers the call, if there still is one. */
void ngx_consent_command_finish(ngx_consent_command_t *cmd,
    ngx_consent_status_e status);
void ngx_consent_command_forget(ngx_consent_command_t *cmd);
/*
 * Takes a kept command, which is in no queue, to another connection: NGX_ERROR
 * if the queue there is full.
 */
ngx_int_t ngx_consent_command_move(ngx_consent_command_t *cmd,
    ngx_consent_conn_t *conn);
/* It is for this connection alone, whatever the answer. */
void ngx_consent_command_stays(ngx_consent_command_t *cmd);
/* Tells its handler that there will be no reply. */
void ngx_consent_command_fail(ngx_consent_command_t *cmd,
    ngx_consent_status_e status);
/* Gives it back; it is in no queue. */
void ngx_consent_command_release(ngx_consent_command_t *cmd);
ngx_int_t ngx_consent_queue_reply(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);
/* Returns how many expired; *delay is shortened for those that did not. */
ngx_uint_t ngx_consent_queue_expire(ngx_consent_conn_t *conn,
    ngx_msec_t *delay);
void ngx_consent_queue_fail(ngx_consent_conn_t *conn,
    ngx_consent_status_e status);
void ngx_consent_queue_trim(ngx_consent_store_t *store, ngx_uint_t keep);

/* ngx_consent_buf.c: RESP in the making */

ngx_int_t ngx_consent_buf_reserve(ngx_consent_buf_t *b, size_t len);
void ngx_consent_buf_add(ngx_consent_buf_t *b, const void *data, size_t len);
void ngx_consent_buf_array(ngx_consent_buf_t *b, ngx_uint_t n);
void ngx_consent_buf_bulk(ngx_consent_buf_t *b, const void *data, size_t len);
void ngx_consent_buf_word(ngx_consent_buf_t *b, const char *word);
void ngx_consent_buf_number(ngx_consent_buf_t *b, uint64_t n);
void ngx_consent_buf_hex(ngx_consent_buf_t *b, const uint8_t *data,
    size_t len);
void ngx_consent_buf_free(ngx_consent_buf_t *b);

/* ngx_consent_breaker.c */

ngx_consent_breaker_t *ngx_consent_breaker_find(ngx_consent_shared_t *sh,
    ngx_str_t *name);
/* True if this worker may try the node while the breaker is open. */
ngx_uint_t ngx_consent_breaker_claim(ngx_consent_breaker_t *breaker,
    ngx_msec_t length);
/* Logs conn->fault and counts it as so many failures: 0 or 1. */
void ngx_consent_breaker_fail(ngx_consent_conn_t *conn, ngx_uint_t failures);
void ngx_consent_breaker_good(ngx_consent_node_t *node);

/* ngx_consent_lookup.c */

ngx_int_t ngx_consent_lookup_init(ngx_cycle_t *cycle,
    ngx_consent_store_t *store);
/* A question that only a healthy node of a cluster answers; NULL: none. */
ngx_consent_command_t *ngx_consent_lookup_probe(ngx_consent_conn_t *conn);

/* ngx_consent_walk.c */

ngx_int_t ngx_consent_walk_init(ngx_cycle_t *cycle,
    ngx_consent_store_t *store);
void ngx_consent_walks_done(ngx_consent_store_t *store);
/* Tells the asker, from the event loop, and goes on with the next one. */
void ngx_consent_walk_end(ngx_consent_walks_t *walks,
    ngx_consent_status_e status);
ngx_consent_walks_t *ngx_consent_walks_of(ngx_consent_conn_t *conn);

/* ngx_consent_walk_read.c */

/* Asks for the record of walks->active, and for all that follows. */
void ngx_consent_walk_ask_record(ngx_consent_walks_t *walks);

/* ngx_consent_zone.c, ngx_consent_policies.c */

ngx_int_t ngx_consent_zone_add(ngx_conf_t *cf, ngx_consent_store_conf_t *conf,
    void *tag);
void ngx_consent_policies_init(ngx_consent_store_t *store);
void ngx_consent_policies_done(ngx_consent_store_t *store);
/* The node answers: reads the policies if it is time to. */
void ngx_consent_policies_poll(ngx_consent_store_t *store);
/* The feed says that they have changed: reads them now. */
void ngx_consent_policies_changed(ngx_consent_store_t *store);
/* The same, if the last one came to nothing. */
void ngx_consent_policies_refresh(ngx_consent_store_t *store);

/* ngx_consent_feed.c: the feed of a node, which one worker of all has */

void ngx_consent_feed_start(ngx_consent_node_t *node);
void ngx_consent_feed_stop(ngx_consent_node_t *node);
/* The node answers: connects at once, if it is ours to. */
void ngx_consent_feed_wake(ngx_consent_feed_t *feed);
/* From now on it is complete, but for what was read before. */
void ngx_consent_feed_begin(ngx_consent_feed_t *feed);
/* A PONG: NGX_ERROR if the feed is another worker's now. */
ngx_int_t ngx_consent_feed_alive(ngx_consent_feed_t *feed);

/* ngx_consent_feed_lease.c */

/* Whether the lease is ours now. */
ngx_uint_t ngx_consent_lease_take(ngx_consent_feed_t *feed);
/* False: it was too late, another worker has it. */
ngx_uint_t ngx_consent_lease_renew(ngx_consent_feed_t *feed);
void ngx_consent_lease_give(ngx_consent_feed_t *feed);

/* ngx_consent_feed_talk.c: what is said on its connection */

/* Asks for what is to be told. */
void ngx_consent_feed_subscribe(ngx_consent_conn_t *conn);
void ngx_consent_feed_ping(ngx_consent_feed_t *feed);
ngx_int_t ngx_consent_feed_message(ngx_consent_conn_t *conn,
    const ngx_consent_reply_t *reply);

/* ngx_consent_documents.c: the documents, outside shared memory */

/* Returns whether anything changed. */
ngx_uint_t ngx_consent_documents_apply(ngx_consent_store_t *store,
    ngx_consent_documents_t *docs, const ngx_consent_reply_t *reply);

#include "ngx_consent_nodes.h"
#include "ngx_consent_writes.h"

#endif /* NGX_CONSENT_STORE_INTERNAL_H */
