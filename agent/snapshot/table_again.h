/* SPDX-License-Identifier: Apache-2.0
 *
 * The copy of a single table while everything else streams: made when it is missing on the target,
 * emptied, filled from a snapshot of its own, in one transaction of the target with its row in the
 * ledger.
 *
 * Locking: one thread.
 */
#ifndef TG_SNAPSHOT_TABLE_AGAIN_H
#define TG_SNAPSHOT_TABLE_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/snapshot.h"

struct table_again {
    struct snapshot_options o; /* of the sink; its store, jobs and filter of schema are not used */
    uint32_t oid;              /* on the source */
    const char *schema, *name;
    bool ours;   /* rows that the target has may go */
    bool create; /* the target's table may be made */
    bool identity_changed;
    const char *exported; /* of table_again_copy: a snapshot that was exported on the source */
    uint64_t sync;        /* its consistent point, or that of the copy that is looked for */
};

/* Once the snapshot was imported, imported(arg) is called. ERR_RETRY and ERR_RECONNECT: call again
 * with a new snapshot. */
bool table_again_copy(const struct table_again *t, void (*imported)(void *arg), void *arg,
    uint64_t *rows, struct err *err) must_use;
/* Whether a copy with that sync position is complete on the target. */
bool table_again_is_done(const struct table_again *t, bool *done, struct err *err) must_use;

/* At the cutover: what was left for it of the tables that were made here. */
struct ledger;
bool table_again_is_left(const struct ledger *l); /* there is something for it to do */
bool table_again_finish(const struct snapshot_options *o, struct err *err) must_use;

#endif
