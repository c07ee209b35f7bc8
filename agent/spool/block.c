/* SPDX-License-Identifier: Apache-2.0
 *
 * block_add is the hot path of capture: a header of a few bytes and one memcpy.
 */
#include "agent/spool/block.h"

#include <xxhash.h>

#include "agent/base/arena.h"

void
block_init(struct block *b, size_t size)
{
    *b = (struct block){.cap = BLOCK_HEADER_SIZE + RECORD_HEADER_MAX + size};
    b->data = x_malloc(b->cap);
    block_reset(b);
}

void
block_grow(struct block *b, size_t size)
{
    b->cap = BLOCK_HEADER_SIZE + RECORD_HEADER_MAX + size;
    b->data = x_realloc(b->data, b->cap);
}

void
block_done(struct block *b)
{
    x_free(b->data);
    b->data = NULL;
}

void
block_reset(struct block *b)
{
    b->used = BLOCK_HEADER_SIZE;
    b->records = b->commits = b->flags = 0;
}

static uint32_t
record_flags(const struct record *rec, bool repeated)
{
    bool schema = rec->kind == RECORD_SCHEMA || rec->kind == RECORD_LINK;
    uint32_t flags = schema ? BLOCK_SCHEMA : 0;
    return repeated ? flags | BLOCK_CARRIED : flags;
}

void
block_add(struct block *b, const struct record *rec, bool repeated)
{
    if (b->records++ == 0) {
        b->received_us = rec->received_us;
        b->base = (struct record_base){0, rec->received_us, b->side};
    }
    b->commits += rec->kind == RECORD_COMMIT;
    b->flags |= record_flags(rec, repeated);
    b->used += record_header_encode(rec, repeated, &b->base, b->data + b->used);
    if (rec->payload.len > 0) {
        memcpy(b->data + b->used, rec->payload.data, rec->payload.len);
        b->used += rec->payload.len;
    }
}

struct slice
block_close(struct block *b, const struct block_place *where)
{
    size_t length = b->used - BLOCK_HEADER_SIZE;
    struct block_header h = {
        .payload_sum = format_sum(b->data + BLOCK_HEADER_SIZE, length),
        .offset = where->offset,
        .position = where->position,
        .synced = where->synced,
        .length = (uint32_t)length,
        .records = b->records,
        .commits = b->commits,
        .flags = b->flags | (where->open ? (uint32_t)BLOCK_OPEN : 0),
        .received_us = b->received_us,
    };
    block_header_encode(&h, b->data);
    return slice_of(b->data, b->used);
}

/* The sum of two pieces that follow each other. */
static uint64_t
sum_of_two(const void *a, size_t a_len, struct slice b)
{
    uint64_t sum = 0;
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL) {
        fputs("tidegate: out of memory\n", stderr);
        abort();
    }
    (void)XXH3_64bits_reset(state);
    (void)XXH3_64bits_update(state, a, a_len);
    (void)XXH3_64bits_update(state, b.data, b.len);
    sum = XXH3_64bits_digest(state);
    (void)XXH3_freeState(state);
    return sum;
}

size_t
block_single(const struct record *rec, bool repeated, const struct block_place *where,
    uint8_t out[BLOCK_SINGLE_MAX])
{
    struct record_base base = {0, rec->received_us, where->side};
    uint8_t *head = out + BLOCK_HEADER_SIZE;
    size_t head_len = record_header_encode(rec, repeated, &base, head);
    struct block_header h = {
        .payload_sum = sum_of_two(head, head_len, rec->payload),
        .offset = where->offset,
        .position = where->position,
        .synced = where->synced,
        .length = (uint32_t)(head_len + rec->payload.len),
        .records = 1,
        .commits = rec->kind == RECORD_COMMIT,
        .flags = record_flags(rec, repeated) | (where->open ? (uint32_t)BLOCK_OPEN : 0),
        .received_us = rec->received_us,
    };
    block_header_encode(&h, out);
    return BLOCK_HEADER_SIZE + head_len;
}
