/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the target's large objects equal to the source's: creates, changes, removes, and carries
 * owner, privileges and comment. For the cutover, because the change feed has nothing of them.
 *
 * Each object is compared by the digests of its pieces, computed by the servers, and only pieces
 * that differ travel. Called twice: while the source is in use, and again behind the fence with the
 * mark of the first call; the second one then looks only at what was written since.
 */
#ifndef TG_SNAPSHOT_LARGE_OBJECT_SYNC_H
#define TG_SNAPSHOT_LARGE_OBJECT_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/table_copy.h"

#define LARGE_OBJECT_MARK_SIZE 24

struct large_object_counts {
    uint64_t objects;  /* on the source */
    uint64_t compared; /* by content */
    uint64_t created, changed, removed, described;
    uint64_t foreign; /* on the target alone, and before this migration: left alone */
    uint64_t bytes;   /* that travelled */
};

struct large_object_sync {
    const struct copier *c; /* its progress is not called */
    bool owner, grants;     /* carry them */
    const char *since;      /* mark of an earlier call; NULL or "": everything is compared */
    bool in_use;            /* objects may vanish while they are read */
    /* Called often; false, with the error, ends the work. NULL: not called. */
    bool (*go_on)(const struct large_object_counts *so_far, void *arg, struct err *err);
    void *arg;
};

/* To be taken before a call whose results are to be built upon; "" when the role may not read
 * pg_largeobject, which holds what tells what was written. */
bool large_object_mark(PGconn *source, char mark[LARGE_OBJECT_MARK_SIZE], struct err *err) must_use;
/* Sessions must be without an open transaction, the target's ledger must be there. What is done
 * stays done when it fails. */
bool large_objects_sync(
    const struct large_object_sync *s, struct large_object_counts *out, struct err *err) must_use;

#endif
