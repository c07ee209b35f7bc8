/* SPDX-License-Identifier: Apache-2.0
 *
 * A run of rows for one table, all put the same way (struct shape), held back to be sent as one
 * statement. Pure memory of a bounded size; values are copied in.
 *
 * In a run of updates a row whose key occurs again takes the later values: in the end the row looks
 * the same. All rows of a run of updates or deletes have different keys, byte by byte.
 */
#ifndef TG_SINKS_POSTGRES_BATCH_H
#define TG_SINKS_POSTGRES_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/change/change.h"
#include "sinks/postgres/bind.h"
#include "sinks/postgres/flight.h"
#include "sinks/postgres/shape.h"
#include "sinks/postgres/target.h"

#define BATCH_ROWS      1000u
#define BATCH_BYTES     ((size_t)256 << 10)
#define BATCH_ROW_BYTES ((size_t)16 << 10) /* larger rows go alone */
#define BATCH_FEW       3u                 /* no more rows than these are not worth joining */
#define BATCH_SLOTS     2048u

/* A row's values in the order of the statement's parameters, each as an array's element: length, or
 * -1 for NULL, and bytes. */
struct batch_row {
    uint32_t at, len; /* in `images` */
    uint32_t hash;    /* of the key */
    uint32_t key_len; /* the key is the last of the image */
    uint32_t cursor;  /* for batch_bind */
};

struct cache_table;

struct batch {
    struct cache_table *table;
    struct shape shape; /* of one row */
    uint32_t len;
    struct buf images;
    struct batch_row rows[BATCH_ROWS];
    uint16_t slots[BATCH_SLOTS];          /* by hash of the key: row + 1; 0: none */
    struct flight_entry notes[BATCH_FEW]; /* of the first rows, for errors */
};

enum batch_answer {
    BATCH_TAKEN,
    BATCH_FULL,  /* no room: send what there is first */
    BATCH_AGAIN, /* a row with this key is to be deleted already */
};

/* Rows put like this may be joined, if their values are all binary. */
bool batch_possible(const struct target *t, const struct shape *s);
/* Puts the row's values behind each other; false when it is to go alone. */
bool batch_image(
    const struct change *c, const struct shape *s, struct buf *image, uint32_t *key_at);

struct batch *batch_new(void);
void batch_free(struct batch *b); /* accepts NULL */
/* Begins a run; it must be empty. */
void batch_begin(struct batch *b, struct cache_table *table, const struct shape *s);
bool batch_same(const struct batch *b, const struct shape *s); /* the run is put like this */
enum batch_answer batch_add(struct batch *b, const struct buf *image, uint32_t key_at,
    const struct change *c, const struct relation *relation);
/* Ends the run; gives back memory that only large rows needed. */
void batch_reset(struct batch *b);

/* The parameters for all rows, one array each. Valid until the batch or `out` changes. */
bool batch_bind(
    struct batch *b, const struct target *t, struct bind *out, struct err *err) must_use;
/* ... or those of one row's own statement. */
void batch_bind_row(const struct batch *b, uint32_t row, struct bind *out);

#endif
