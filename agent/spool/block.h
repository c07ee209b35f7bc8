/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds blocks in memory: records go into one buffer behind room for the header, the header is
 * written when the block is closed. A record too large for the buffer becomes a block whose payload
 * is not copied.
 */
#ifndef TG_SPOOL_BLOCK_H
#define TG_SPOOL_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/spool/format.h"

struct block {
    uint8_t *data;    /* BLOCK_HEADER_SIZE bytes of room, then records */
    size_t used, cap; /* with the header's room */
    uint32_t records, commits, flags;
    int64_t received_us;
    struct record_base base;
    bool side; /* of a side file */
};

/* What the writer knows and a block has to say. */
struct block_place {
    uint64_t offset, position, synced;
    bool open;
    bool side; /* of a side file */
};

void block_init(struct block *b, size_t size);
void block_done(struct block *b);
/* The same room for records as block_init(b, size) gives; keeps what is in it. */
void block_grow(struct block *b, size_t size);
void block_reset(struct block *b);

/* Can it ever be buffered? */
static inline bool
block_takes(const struct block *b, size_t payload_len)
{
    return payload_len <= b->cap - BLOCK_HEADER_SIZE - RECORD_HEADER_MAX;
}
/* Is there room now? */
static inline bool
block_has_room(const struct block *b, size_t payload_len)
{
    return payload_len + RECORD_HEADER_MAX <= b->cap - b->used;
}
static inline bool
block_empty(const struct block *b)
{
    return b->records == 0;
}
/* Needs room. */
void block_add(struct block *b, const struct record *rec, bool repeated);
/* Writes the header; the whole block is borrowed from the buffer until reset. */
struct slice block_close(struct block *b, const struct block_place *where);

#define BLOCK_SINGLE_MAX (BLOCK_HEADER_SIZE + RECORD_HEADER_MAX)
/* The block of one large record: these bytes, then rec->payload. Returns their number. */
size_t block_single(const struct record *rec, bool repeated, const struct block_place *where,
    uint8_t out[BLOCK_SINGLE_MAX]);

#endif
