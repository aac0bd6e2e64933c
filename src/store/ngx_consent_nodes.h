/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_NODES_H
#define NGX_CONSENT_NODES_H


/*
 * Which masters there are, and which of them a command goes to. Part of
 * ngx_consent_store_internal.h, which includes it.
 */

/* ngx_consent_route.c: who is asked */

ngx_int_t ngx_consent_route_init(ngx_cycle_t *cycle,
    ngx_consent_store_t *store);
/*
 * The connection for the record of a pseudonym, or for the policies if it is
 * NULL: one to a master, or the lobby. NULL when there is none to be had now.
 */
ngx_consent_conn_t *ngx_consent_route(ngx_consent_store_t *store,
    const cg_pseudonym_t *pseudonym);
/* The connection for the policies. */
#define ngx_consent_store_conn(store)  ngx_consent_route(store, NULL)
/* The same for a slot of a cluster. */
ngx_consent_conn_t *ngx_consent_route_slot(ngx_consent_store_t *store,
    ngx_uint_t slot);

/* ngx_consent_node.c */

/*
 * The node of this name, which is made if need be; NULL: out of memory, too
 * many, or no address. An empty host is that of `asked`.
 */
ngx_consent_node_t *ngx_consent_node_get(ngx_consent_store_t *store,
    cg_str_t host, ngx_uint_t port, ngx_consent_node_t *asked);
/* The same for a configured server. */
ngx_consent_node_t *ngx_consent_node_server(ngx_consent_store_t *store,
    ngx_consent_server_t *server);
/* Not a master any more: it goes when its queue is empty. */
void ngx_consent_node_retire(ngx_consent_node_t *node);
/* Frees those that may go. Returns how many still stay. */
ngx_uint_t ngx_consent_node_sweep(ngx_consent_store_t *store);
void ngx_consent_nodes_destroy(ngx_consent_store_t *store);

/* ngx_consent_topology.c */

ngx_int_t ngx_consent_topology_init(ngx_cycle_t *cycle,
    ngx_consent_store_t *store);
void ngx_consent_topology_done(ngx_consent_store_t *store);
/* Asks again, soon; `wait`: at once, and calls may wait in the lobby. */
void ngx_consent_topology_doubt(ngx_consent_store_t *store, ngx_uint_t wait);
/*
 * A connection to a master is to be made. True: sentinels are asked first,
 * and ngx_consent_conn_resume() follows.
 */
ngx_uint_t ngx_consent_topology_first(ngx_consent_conn_t *conn,
    ngx_uint_t wait);
/* What was asked has an answer: NGX_ERROR if it is none to go by. */
ngx_int_t ngx_consent_topology_answer(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply);
/*
 * A connection to a master has closed, or could not be made (`attempt`): it
 * may not be the master any more.
 */
void ngx_consent_topology_failed(ngx_consent_store_t *store,
    ngx_uint_t attempt);
/*
 * What was answered, as a checksum: the other workers shall ask too, if they
 * do not know already.
 */
void ngx_consent_topology_seen(ngx_consent_store_t *store, uint32_t map);
/* Nobody has answered. */
void ngx_consent_topology_unknown(ngx_consent_store_t *store);

/* ngx_consent_cluster.c */

/* A reply to CLUSTER SLOTS; as ngx_consent_topology_answer(). */
ngx_int_t ngx_consent_cluster_apply(ngx_consent_store_t *store,
    ngx_consent_node_t *asked, const ngx_consent_reply_t *reply);
/* "MOVED": the owner of a slot. */
void ngx_consent_cluster_patch(ngx_consent_store_t *store, ngx_uint_t slot,
    ngx_consent_node_t *node);

/* ngx_consent_scout.c: the connection that asks for the topology */

void ngx_consent_scout_init(ngx_consent_store_t *store);
/* Asks those that may know, one after the other. */
void ngx_consent_scout_start(ngx_consent_store_t *store);
void ngx_consent_scout_stop(ngx_consent_store_t *store);

/* ngx_consent_redirect.c: commands that go elsewhere, or wait */

void ngx_consent_lobby_init(ngx_consent_store_t *store);
void ngx_consent_lobby_done(ngx_consent_store_t *store);
/* The topology has changed: those who wait try again. */
void ngx_consent_lobby_retry(ngx_consent_store_t *store);
/*
 * An error reply to a command that may have to go elsewhere. NGX_OK: it has
 * gone, NGX_ERROR: it has, and the connection is to be closed for the fault
 * that was noted; NGX_DECLINED: no, it is for the command's handler.
 */
ngx_int_t ngx_consent_redirect(ngx_consent_command_t *cmd,
    const ngx_consent_reply_t *reply);
/*
 * The connection closes: whether the command has gone to the lobby instead of
 * failing. `sent`: it may have been done already.
 */
ngx_uint_t ngx_consent_redirect_lost(ngx_consent_command_t *cmd,
    ngx_uint_t sent);

#endif /* NGX_CONSENT_NODES_H */
