/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TREE_H
#define CG_TREE_H

#include <stdbool.h>

#include <maxminddb.h>


/*
 * A shortcut for IPv4 in the search tree of an MMDB file. From the root of
 * IPv4 on the library reads a node for each bit, one after the other, and
 * most of the time for a lookup goes into waiting for these. Here the first
 * CG_TREE_BITS of them are one read out of a table of 256 kB.
 */

#define CG_TREE_BITS  16

typedef struct {
    const MMDB_s  *mmdb;
    uint32_t       top[1 << CG_TREE_BITS];   /* nodes, or records */
} cg_tree_t;

/* Makes the table of an open database, which has to outlive it. */
void cg_tree_init(cg_tree_t *tree, const MMDB_s *mmdb);
/*
 * Finds the entry of an address in host order. False: there is none, or the
 * tree is damaged. An offset is not checked against the data section.
 */
bool cg_tree_find(const cg_tree_t *tree, uint32_t address,
    MMDB_entry_s *entry);

#endif /* CG_TREE_H */
