/* SPDX-License-Identifier: Apache-2.0
 *
 * What was sent to the target and is not yet answered, oldest first. Answers come in the order of
 * the statements, so the head says whose answer is next: what it must look like, and, when it is an
 * error, which relation, key, operation and position it is about.
 *
 * Pure memory of a fixed size: the key's bytes are copied (cut to FLIGHT_KEY_BYTES) because the
 * change is gone when the answer arrives. Relations are borrowed: their owner keeps them while
 * flight.len > 0.
 */
#ifndef TG_SINKS_POSTGRES_FLIGHT_H
#define TG_SINKS_POSTGRES_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/change/change.h"

enum flight_kind {
    FLIGHT_CONTROL = 1, /* must succeed */
    FLIGHT_PREPARE,     /* must succeed; an error is about the change that needed the statement */
    FLIGHT_ROW,         /* must touch exactly one row */
    FLIGHT_BATCH,       /* must touch exactly `rows`; the change noted is the first of them */
    FLIGHT_TRUNCATE,
    FLIGHT_COMMIT,
    FLIGHT_FLUSHED, /* everything up to `commit` survives a crash once answered */
    FLIGHT_QUERY,   /* its rows go to the caller */
    FLIGHT_SYNC,    /* end of a protocol sequence, not a statement */
};

/* What a COMMIT of the target, or a flush, makes true once it is answered. */
struct flight_commit {
    uint64_t position;
    int64_t commit_us; /* source's time of the last transaction in it */
    uint64_t transactions, rows;
    bool durable; /* a flush is part of the commit */
};

#define FLIGHT_KEY_BYTES 112

struct flight_entry {
    uint8_t kind; /* enum flight_kind */
    uint8_t op;   /* enum change_kind; 0: none */
    uint8_t key_len;
    uint8_t key_columns;
    bool counted; /* of a ROW or BATCH: the server itself refuses a wrong number of rows */
    bool stores;  /* it stores the position, too, in the table's row (ORIGIN_ROW) */
    uint32_t rows;
    size_t bytes; /* sent for it */
    struct position position;
    const struct relation *relation; /* NULL: none */
    const char *label;               /* static text: what it does, when it is not about a change */
    union {
        struct flight_commit commit;
        uint8_t key[FLIGHT_KEY_BYTES];
    };
};

struct flight {
    struct flight_entry *entries;
    uint32_t cap, head, len;
    uint32_t commits; /* entries of kind FLIGHT_COMMIT */
    uint32_t awaited; /* entries whose answers a COMMIT waits for: rows of which only we look at
                         the number, and syncs, behind which the server takes statements again
                         whatever failed in front */
    uint64_t bytes;   /* sum over the entries */
};

void flight_init(struct flight *f, uint32_t cap);
void flight_done(struct flight *f); /* accepts an all-zero one */

static inline bool
flight_full(const struct flight *f)
{
    return f->len == f->cap;
}
/* The entry behind the last one, emptied, to be filled and then pushed. There must be room. */
struct flight_entry *flight_next(struct flight *f);
/* Bytes of the entry that was filled and not yet pushed. */
static inline size_t
flight_next_bytes(const struct flight *f)
{
    return f->entries[(f->head + f->len) % f->cap].bytes;
}
void flight_push(struct flight *f);
struct flight_entry *flight_head(struct flight *f); /* there must be one */
void flight_pop(struct flight *f);

/* Notes operation, position, relation and key of a change; `relation` is the one to keep, of the
 * same shape as the change's. */
void flight_note(struct flight_entry *e, const struct change *c, const struct relation *relation);
/* What was noted there, here. */
void flight_copy_note(struct flight_entry *e, const struct flight_entry *from);
/* "apply update public.orders key (id=17) at 16/B374D848+3", at most cap bytes. */
const char *flight_describe(const struct flight_entry *e, char *out, size_t cap);

#endif
