/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_tree.h"


static void cg_tree_fill(cg_tree_t *tree, uint32_t node, uint32_t first,
    unsigned bits);


void
cg_tree_init(cg_tree_t *tree, const MMDB_s *mmdb)
{
    tree->mmdb = mmdb;

    cg_tree_fill(tree, mmdb->metadata.ip_version == 6
                       ? mmdb->ipv4_start_node.node_value : 0,
                 0, CG_TREE_BITS);
}


/* All addresses of `first` and `bits` more are below this node. */

static void
cg_tree_fill(cg_tree_t *tree, uint32_t node, uint32_t first, unsigned bits)
{
    if (bits != 0 && node < tree->mmdb->metadata.node_count) {
        bits--;
        cg_tree_fill(tree, cg_tree_child(tree->mmdb, node, 0), first, bits);
        cg_tree_fill(tree, cg_tree_child(tree->mmdb, node, 1),
                     first + (1u << bits), bits);
        return;
    }

    for (uint32_t i = 0; i < 1u << bits; i++) {
        tree->top[first + i] = node;
    }
}
