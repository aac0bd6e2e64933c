/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cg_tree.h"


#define CG_TREE_LOW        (32 - CG_TREE_BITS)
#define CG_TREE_SEPARATOR  16       /* bytes between the tree and the data */


static void cg_tree_fill(cg_tree_t *tree, uint32_t node, uint32_t first,
    unsigned bits);
static inline uint32_t cg_tree_child(const MMDB_s *mmdb, uint32_t node,
    uint32_t right);
static inline uint32_t cg_tree_number(const uint8_t *p);


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


bool
cg_tree_find(const cg_tree_t *tree, uint32_t address, MMDB_entry_s *entry)
{
    uint32_t       node, count;
    unsigned       bit;
    const MMDB_s  *mmdb;

    mmdb = tree->mmdb;
    count = mmdb->metadata.node_count;

    node = tree->top[address >> CG_TREE_LOW];

    for (bit = CG_TREE_LOW; node < count && bit != 0; bit--) {
        node = cg_tree_child(mmdb, node, address >> (bit - 1) & 1);
    }

    /* the number of nodes says that there is nothing */

    if (node <= count) {
        return false;
    }

    entry->mmdb = mmdb;
    entry->offset = node - count - CG_TREE_SEPARATOR;

    return true;
}


/*
 * A node is two records of 24, 28 or 32 bits, from the highest byte on; of 28
 * bits, they share the byte between them for their highest four.
 */

static inline uint32_t
cg_tree_child(const MMDB_s *mmdb, uint32_t node, uint32_t right)
{
    const uint8_t  *p;

    p = mmdb->file_content + (size_t) node * mmdb->full_record_byte_size;

    switch (mmdb->metadata.record_size) {

    case 24:
        return cg_tree_number(p + 3 * right);

    case 28:
        return cg_tree_number(p + 4 * right)
               | (uint32_t) (right ? p[3] & 0x0f : p[3] >> 4) << 24;

    default: /* 32 */
        p += 4 * right;
        return (uint32_t) p[0] << 24 | cg_tree_number(p + 1);
    }
}


static inline uint32_t
cg_tree_number(const uint8_t *p)
{
    return (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];
}
