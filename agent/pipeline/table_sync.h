/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule that joins copy and stream: changes of a table in transactions that end at or before the
 * table's sync position are in its copy already and are not applied again.
 *
 * Locking: filled before the deliver threads start, then read-only.
 */
#ifndef TG_PIPELINE_TABLE_SYNC_H
#define TG_PIPELINE_TABLE_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/change/change.h"

struct table_sync_item {
    uint32_t oid;
    uint64_t sync;
};

struct table_sync {
    struct table_sync_item *items; /* ordered by oid */
    size_t len;
    uint64_t highest; /* of all sync positions */
    uint64_t lowest;  /* everything committed at or before it is in the copy; 0: there is none */
};

/* Copies the items. */
void table_sync_init(struct table_sync *t, const struct table_sync_item *items, size_t len);
void table_sync_done(struct table_sync *t);

/* Whether a transaction whose commit record stands at `commit_record` is to be applied to the
 * table. A table that is not listed came later: everything of it is applied. Pure. */
bool table_sync_wants(const struct table_sync *t, uint32_t oid, uint64_t commit_record);

/* Of the tables that a change is about and that do not want it: their least sync position; 0: they
 * all want it. */
uint64_t table_sync_left_out(
    const struct table_sync *t, uint64_t commit_record, const struct change *c);

/* Decides about a change: false means drop it. A TRUNCATE of several tables keeps those that want
 * it; the shortened list is allocated from `arena`. `commit_record` is that of the transaction's
 * BEGIN. */
bool table_sync_filter(
    const struct table_sync *t, uint64_t commit_record, struct change *c, struct arena *arena);

#endif
