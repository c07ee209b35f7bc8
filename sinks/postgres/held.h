/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that are held back to be joined: for each table a short chain of runs (batch.h), in the
 * order in which they are to be sent. Pure memory of a bounded size.
 *
 *   table 17:   inserts 1 2 5 8 -> updates 3 1 -> deletes 2 7      (numbers are keys)
 *
 * Rows with one key are in the order in which they came; rows with different keys may change
 * places, where nothing can tell (batch_commutes). So a table whose inserts, updates and deletes
 * come mixed still has few and long runs.
 */
#ifndef TG_SINKS_POSTGRES_HELD_H
#define TG_SINKS_POSTGRES_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/change/change.h"
#include "sinks/postgres/batch.h"
#include "sinks/postgres/shape.h"

#define HELD_CHAIN   6u
#define HELD_BATCHES 4096u
#define HELD_BYTES   ((size_t)2 << 20) /* of the rows in all of them */

struct cache_table;

/* Of one table; a part of struct cache_table. */
struct held_table {
    struct batch *runs[HELD_CHAIN]; /* the first is to be sent first */
    uint8_t len;
    bool mixed;                        /* its rows are put in more than one way */
    struct cache_table *older, *newer; /* tables that hold something */
};

struct held {
    struct cache_table *oldest, *newest;
    uint32_t batches;
    size_t bytes;
    struct batch *spare;
    uint32_t spare_len;
};

enum held_answer {
    HELD_TAKEN,
    HELD_TABLE,  /* send what this table has first, and ask again */
    HELD_OLDEST, /* ... what the oldest has */
    HELD_ALL,    /* ... what all have */
};

void held_done(struct held *h); /* it must be empty; accepts an all-zero one */

/* A run of the table with rows that are put like this; NULL: there is none. */
const struct batch *held_like(const struct held_table *t, const struct shape *s);
/* Takes the row. */
enum held_answer held_put(struct held *h, struct cache_table *t, const struct shape *s,
    const struct batch_image *image, const struct change *c);
/* Takes the table's first run out, empties it and keeps it for later. */
void held_release(struct held *h, struct cache_table *t);

#endif
