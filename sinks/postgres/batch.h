/* SPDX-License-Identifier: Apache-2.0
 *
 * A run of rows for one table, all put the same way (struct shape), held back to be sent as one
 * statement. Pure memory of a bounded size; values are copied in.
 *
 * In a run of updates a row whose key occurs again takes the later values: in the end the row looks
 * the same. All rows of a run of updates or deletes have different keys, byte by byte. A run that
 * commutes knows the keys of its inserts, too, so that it can be said which rows of other runs of
 * the table may be sent before or behind it.
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
#define BATCH_LISTED    32u                /* at most so many values are set by a list of rows */

/* A row's values in the order of the statement's parameters, each as an array's element: length, or
 * -1 for NULL, and bytes. The key's values are the last of them; those of an insert that commutes
 * come once more behind its parameters. */
struct batch_image {
    struct buf bytes;
    uint32_t values; /* bytes of the parameters */
    uint32_t key_len;
    uint32_t hash; /* of the key */
    bool commutes;
};

struct batch_row {
    uint32_t at, values; /* in `images` */
    uint32_t end;        /* where its key ends */
    uint32_t key_len;
    uint32_t hash;
    uint32_t cursor; /* for batch_bind */
};

struct cache_table;

struct batch {
    struct batch *next; /* for its owner */
    struct cache_table *table;
    struct shape shape; /* of one row */
    bool commutes;
    uint32_t len, cap;
    struct buf images;
    struct batch_row *rows;
    uint16_t *slots;                      /* 2 * cap, by hash of the key: row + 1; 0: none */
    struct flight_entry notes[BATCH_FEW]; /* of the first rows, for errors */
};

/* Rows put like this may be joined, if their values are all binary. */
bool batch_possible(const struct target *t, const struct shape *s);
/* ... and may change places with rows of the table that have other keys: every key is the same
 * bytes whenever it is the same, and nothing but the key has to be unique. */
bool batch_commutes(const struct target *t, const struct shape *s);

void batch_image_init(struct batch_image *i);
void batch_image_done(struct batch_image *i); /* accepts an all-zero one */
/* Puts the row's values behind each other; false when it is to go alone. `commutes`: what
 * batch_commutes says of shape and target, or false. */
bool batch_image(struct batch_image *out, const struct change *c, const struct shape *s,
    const struct target *t, bool commutes);

struct batch *batch_new(void);
void batch_free(struct batch *b); /* accepts NULL */
/* Begins a run; it must be empty. */
void batch_begin(struct batch *b, struct cache_table *table, const struct shape *s, bool commutes);
bool batch_same(const struct batch *b, const struct shape *s); /* the run is put like this */
/* The row with the image's key; NULL when there is none, or when the run does not know its keys. */
struct batch_row *batch_find(const struct batch *b, const struct batch_image *image);
/* Adds a row whose key the run does not have; false: no room, send what there is first. */
bool batch_add(struct batch *b, const struct batch_image *image, const struct change *c,
    const struct relation *relation);
/* Gives the row other values; false: no room. */
bool batch_replace(struct batch *b, struct batch_row *row, const struct batch_image *image);
/* As what kind of statement the run is best sent; SHAPE_ROW: as one for each row. */
enum shape_rows batch_rows(const struct batch *b, const struct target *t);
/* Ends the run; gives back memory that only long ones needed. */
void batch_reset(struct batch *b);

/* The parameters for all rows, one array each. Valid until the batch or `out` changes. */
bool batch_bind(
    struct batch *b, const struct target *t, struct bind *out, struct err *err) must_use;
/* ... or those of one row's own statement. */
void batch_bind_row(const struct batch *b, uint32_t row, struct bind *out);

#endif
