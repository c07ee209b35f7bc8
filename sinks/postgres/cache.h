/* SPDX-License-Identifier: Apache-2.0
 *
 * What the session knows about the tables of the feed: the target's catalog, the least recently
 * used table going first, and the prepared statements, any of which may go: a feed that goes round
 * more shapes than may be kept would find none of them if the oldest went. Relations in here
 * outlive the feed's own, so entries in flight may point to them.
 */
#ifndef TG_SINKS_POSTGRES_CACHE_H
#define TG_SINKS_POSTGRES_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/held.h"
#include "sinks/postgres/pipe.h"
#include "sinks/postgres/shape.h"
#include "sinks/postgres/target.h"

struct cache_table;

struct cache_statement {
    struct cache_statement *next; /* of its table */
    struct cache_table *table;
    uint32_t at; /* in cache.all */
    char name[16];
    uint32_t parameters;
    uint8_t op;
    uint8_t rows;
    uint8_t stores;
    bool any_row, counted;
    uint8_t use[]; /* one for each column */
};

struct cache_table {
    struct cache_table *next; /* in its bucket */
    uint64_t used;
    uint32_t version;
    struct relation *relation; /* our own copy */
    struct target target;
    struct cache_statement *statements; /* the one used last first */
    struct held_table held;
};

#define CACHE_BUCKETS 1024

struct cache {
    struct cache_table *buckets[CACHE_BUCKETS];
    struct cache_statement **all; /* every statement, in no order; room for statements_max */
    uint64_t tick;
    uint32_t tables, statements;
    uint32_t tables_max, statements_max; /* each at least 1 */
    uint32_t names;                      /* statements named so far */
    uint32_t dice;                       /* state of a generator: which one goes */
};

void cache_init(struct cache *c, uint32_t tables_max, uint32_t statements_max);
void cache_done(struct cache *c); /* accepts an all-zero one */

/* The table as it is known, NULL when cache_table would have to look. */
struct cache_table *cache_known(struct cache *c, const struct relation *r);
/* The table that a relation goes to. NULL on failure. Valid until the next call. A new version of a
 * relation, and a table's first use, wait for the pipe's answers; no row may be held back then. */
struct cache_table *cache_table(
    struct cache *c, struct pipe *p, const struct relation *r, struct err *err) must_use;
/* The statement for a shape, prepared when it is new; `about` notes the change that a failure to
 * prepare is about. */
struct cache_statement *cache_statement(struct cache *c, struct pipe *p, struct cache_table *t,
    const struct shape *s, const struct flight_entry *about, struct err *err) must_use;
/* Forgets the statement that was asked for last: the server refused to prepare it. */
void cache_drop_statement(struct cache *c, struct cache_table *t);

/* Forgets what was read of the target's catalog, with the statements made from it: it has changed.
 * Waits for the pipe's answers; no row may be held back. */
bool cache_forget(struct cache *c, struct pipe *p, struct err *err) must_use;

#endif
