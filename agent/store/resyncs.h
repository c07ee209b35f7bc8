/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables that one sink leaves out of its stream: stopped by an error, or asked to be copied anew. A
 * row stands for the whole time, from the moment the first change is left out until the copy has
 * joined the stream again:
 *
 *   STOPPED -> ASKED -> COPYING -> COPIED -> (the row goes, the table is READY with a new sync)
 *      ^________|__________|__________|  an error that waiting does not heal
 *
 * Every request and stop raises `wish`; whoever works on an earlier one finds that out when it
 * notes its progress, and begins anew.
 *
 * Locking: any thread. What returns true is durable.
 */
#ifndef TG_STORE_RESYNCS_H
#define TG_STORE_RESYNCS_H

#include "agent/base/buf.h"
#include "agent/store/store.h"

enum resync_state { RESYNC_STOPPED, RESYNC_ASKED, RESYNC_COPYING, RESYNC_COPIED };

#define RESYNC_REASON_SIZE 1200

struct resync_row {
    char sink[64];
    uint32_t oid; /* on the source */
    char schema[64], name[64];
    enum resync_state state;
    uint64_t wish;
    uint64_t position; /* of the transaction whose change was refused; 0: none was */
    uint64_t sync;     /* COPYING, COPIED: consistent point of the copy's snapshot */
    bool brought;      /* only of a put: what its targets have came by the stream, so `joins` is not
                          meant */
    bool joins;  /* new to the migration: rows that its target has already are not ours to remove */
    bool create; /* the copy makes the table where the target has none */
    int64_t since_us;                /* wall clock of the last request or stop */
    char reason[RESYNC_REASON_SIZE]; /* bytes as given: clear, or sealed by the caller */
    size_t reason_len;
};

/* Whatever the row's state was, it is the given one (STOPPED or ASKED) with a wish of its own; but
 * what is ASKED for stays so when it is stopped: the copy brings what was refused. `joins` and
 * `create` only take effect when they are first said. A table that is not in the list of tables is
 * entered, and then every other sink of type postgresql leaves it out, too, as stopped with
 * `other_reason`, until its copy is asked for there. Fields wish and sync are not read. */
bool store_resync_put(struct store *s, const struct resync_row *row, const struct table_row *table,
    const char *other_reason, struct err *err) must_use;
/* Notes progress of the given wish: state and sync of `row`. *moved: false when the wish is not the
 * row's any more, and nothing was changed. */
bool store_resync_move(
    struct store *s, const struct resync_row *row, bool *moved, struct err *err) must_use;
/* The copy has joined: the row goes, and the sink's table is READY with `row->sync`, all at once.
 * *moved as above. */
bool store_resync_end(struct store *s, const struct resync_row *row, uint64_t rows, bool *moved,
    struct err *err) must_use;
/* New array (x_free), ordered by sink, schema, name; sink NULL: of all. */
bool store_resyncs(struct store *s, const char *sink, struct resync_row **out, size_t *n,
    struct err *err) must_use;
/* Grows with every change of a row: whoever holds an earlier number reads them again. Cheap. */
uint64_t store_resyncs_generation(struct store *s);

const char *resync_state_name(enum resync_state state); /* "stopped", ... */

#endif
