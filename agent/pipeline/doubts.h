/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared transactions some of whose rows a sink left to the copy of their tables: they were
 * prepared before the copy. Whether the copy has them is known with the outcome: when it stands in
 * front of the copy, it has; behind it, neither has. They are kept in the store, as the sink's
 * position goes on in between.
 *
 * Locking: everything belongs to one thread.
 */
#ifndef TG_PIPELINE_DOUBTS_H
#define TG_PIPELINE_DOUBTS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/store/store.h"

struct doubt {
    char *gid;
    uint64_t prepared; /* position of the prepare */
    uint64_t copied;   /* the least sync position of the tables whose rows were left out */
};

struct doubts {
    struct store *store; /* NULL: they last as long as this object */
    const char *sink;
    struct doubt *items;
    size_t len;
};

void doubts_init(struct doubts *d, struct store *store, const char *sink); /* borrows both */
void doubts_done(struct doubts *d);
/* What is stored. Without a store it changes nothing. */
bool doubts_load(struct doubts *d, struct err *err) must_use;
/* NULL: there is none. */
const struct doubt *doubts_find(const struct doubts *d, const char *gid);
/* Durable when they return true. Another one of the same name is replaced; one that is not there is
 * removed already. */
bool doubts_put(struct doubts *d, const char *gid, uint64_t prepared, uint64_t copied,
    struct err *err) must_use;
bool doubts_remove(struct doubts *d, const char *gid, struct err *err) must_use;

#endif
