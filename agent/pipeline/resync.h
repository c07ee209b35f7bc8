/* SPDX-License-Identifier: Apache-2.0
 *
 * A table that leaves one sink's stream alone: stopped by an error, or because its copy is to be
 * made anew. From the moment one of the two functions below has returned true the sink leaves the
 * table's changes out, until a copy with a later sync position is there and has joined the stream
 * (agent/pipeline/resync_job.h).
 *
 * Locking: any thread. What returns true is durable; doing it twice does no harm.
 */
#ifndef TG_PIPELINE_RESYNC_H
#define TG_PIPELINE_RESYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/key.h"
#include "agent/store/resyncs.h"

struct resync_table {
    uint32_t oid; /* on the source */
    const char *schema, *name;
    uint64_t position;     /* of the transaction at which it stopped; 0: none */
    uint64_t bytes;        /* of a table new to the migration: size on the source, 0: not known */
    bool identity_changed; /* ... and tidegate has set REPLICA IDENTITY FULL for it */
    bool create; /* the copy makes the table on the target when it is missing there; false:
                    somebody else will, and the copy waits for it */
};

/* Asks for a new copy of the table at one sink: one whose snapshot is later than this call. A table
 * new to the migration is entered into the list of tables; who calls has put it into the
 * publication. Every other sink leaves a new table out, too, until it is asked for there. `reason`
 * is for people, and is kept in clear: no values of rows. */
bool resync_request(struct store *store, const char *sink, const struct resync_table *t,
    const char *reason, struct err *err) must_use;

/* Stops the table at one sink until somebody asks for a copy. `why` says the reason (sealed when
 * `keys`, which may be NULL, has a key). */
bool resync_stop(struct store *store, const char *sink, const struct key_ring *keys,
    const struct resync_table *t, const struct err *why, struct err *err) must_use;

/* The row's reason in clear, at most cap bytes. Without the key it says so. */
void resync_reason(
    const struct resync_row *row, const struct key_ring *keys, char *out, size_t cap);

#endif
