/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_TREE_H
#define CG_TREE_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include <maxminddb.h>


/*
 * A shortcut for IPv4 in the search tree of an MMDB file. From the root of
 * IPv4 on the library reads a node for each bit, one after the other, and
 * most of the time for a lookup goes into waiting for these. Here the first
 * CG_TREE_BITS of them are one read out of a table of 256 kB.
 */

#define CG_TREE_BITS       16
#define CG_TREE_LOW        (32 - CG_TREE_BITS)
#define CG_TREE_SEPARATOR  16       /* bytes between the tree and the data */

typedef struct {
    const MMDB_s  *mmdb;
    uint32_t       top[1 << CG_TREE_BITS];   /* nodes, or records */
} cg_tree_t;

/* Makes the table of an open database, which has to outlive it. */
void cg_tree_init(cg_tree_t *tree, const MMDB_s *mmdb);


static inline uint32_t
cg_tree_word(const uint8_t *p)
{
    uint32_t  word;

    memcpy(&word, p, sizeof(word));

    return ntohl(word);
}


/*
 * A node is two records of 24, 28 or 32 bits, from the highest byte on; of 28
 * bits, they share the byte between them for their highest four. A word is
 * read for each: what is behind the last node is the separator.
 */

static inline uint32_t
cg_tree_child(const MMDB_s *mmdb, uint32_t node, uint32_t right)
{
    const uint8_t  *p;

    p = mmdb->file_content + (size_t) node * mmdb->full_record_byte_size;

    switch (mmdb->metadata.record_size) {

    case 24:
        return cg_tree_word(p + 3 * right) >> 8;

    case 28:
        return cg_tree_word(p + 4 * right) >> 8
               | (uint32_t) (right ? p[3] & 0x0f : p[3] >> 4) << 24;

    default: /* 32 */
        return cg_tree_word(p + 4 * right);
    }
}


/*
 * Finds the entry of an address in host order. False: there is none, or the
 * tree is damaged. An offset is not checked against the data section.
 */

static inline bool
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

#endif /* CG_TREE_H */
