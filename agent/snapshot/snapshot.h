/* SPDX-License-Identifier: Apache-2.0
 *
 * The bulk copy: schema before the data, tables by a pool of workers under one shared snapshot,
 * indexes and constraints behind each table's data, statistics at the end. Restartable at any
 * moment: everything done on the target is entered into the target's ledger (table tidegate.ledger)
 * in the same transaction.
 *
 * Locking: snapshot_progress from any thread; the rest from the thread that owns the object.
 */
#ifndef TG_SNAPSHOT_SNAPSHOT_H
#define TG_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/change/table_filter.h"

struct store;
struct snapshot;

/* Strings are borrowed for the object's life. */
struct snapshot_options {
    const char *name; /* of the migration: keys the ledger, application names */
    const char *sink; /* whose tables in the store are meant; NULL: the list of tables itself */
    const char *source_dsn, *target_dsn;
    const char *dir; /* for the schema dump and scratch files */
    struct table_filter filter;
    struct store *store;
    int jobs;                /* tables or parts copied at a time */
    int index_jobs;          /* indexes and constraints built at a time */
    uint64_t split_above;    /* heaps larger than this are copied in several parts, bytes */
    bool analyze;            /* gather statistics of each table */
    const char *only_table;  /* as SQL: the schema is that of this table; NULL: everything */
    bool copy_schema;        /* false: the target's tables are there already */
    bool owner, grants;      /* carry ownership, privileges */
    bool database;           /* carry what belongs to the database itself */
    bool roles, passwords;   /* make missing roles; with their passwords */
    bool subscriptions;      /* make them, disabled */
    const char *publication; /* ours, which is not carried; NULL: those of our names alone */
    /* The apply session cannot set session_replication_role: foreign keys, triggers and rules that
     * would fire on replicated rows wait for snapshot_finish. */
    bool defer_firing;
    uint32_t sequence_margin; /* steps that sequences leave out at the cutover */
    struct pg_spares *spares; /* sessions opened ahead; NULL: none */
    int64_t timeout_us;
    const struct stop *stop;
    const struct clock *clock;
};

struct snapshot_progress {
    uint32_t tables_total, tables_done; /* done: data and its indexes and constraints */
    uint64_t rows, bytes, bytes_total;  /* copied; bytes as on the source's disk, scaled */
    uint32_t indexes_total, indexes_done;
    int64_t started_us, eta_us; /* monotonic; eta: duration left, < 0 unknown */
    char step[64];              /* "schema", "copy", "indexes", "foreign keys", "analyze", "done" */
    bool paused;
};

bool snapshot_open(
    const struct snapshot_options *o, struct snapshot **out, struct err *err) must_use;

/* Brings every table of the store that is not READY to READY, blocking, with its own worker
 * threads. `exported` names a snapshot exported on the source whose consistent point is `sync` (the
 * tables copied now get it as their sync position); as soon as it was imported, imported(arg) is
 * called, and whoever exported it may let go. ERR_RECONNECT and ERR_RETRY: call again with a new
 * snapshot; tables that are COPIED or READY are not copied again. When no table is left to copy,
 * `exported` may be NULL (indexes and the rest are completed). */
bool snapshot_run(struct snapshot *s, const char *exported, uint64_t sync,
    void (*imported)(void *arg), void *arg, struct err *err) must_use;
/* True when a table is left to copy, so that snapshot_run needs a snapshot. */
bool snapshot_needs_copy(struct snapshot *s, bool *needs, struct err *err) must_use;
void snapshot_progress(const struct snapshot *s, struct snapshot_progress *out);
void snapshot_pause(struct snapshot *s, bool pause); /* any thread; workers hold after their part */

/* VALIDATEs the foreign keys and check constraints that are NOT VALID on the target and valid on
 * the source, one at a time, while changes stream. Constraints that do not hold are left as they
 * are and counted in *failed; each is named through report(). */
bool snapshot_validate(struct snapshot *s, const struct stop *stop,
    void (*report)(const char *line, void *arg), void *arg, uint32_t *failed,
    struct err *err) must_use;

/* True when snapshot_run has left nothing that snapshot_validate would do. */
bool snapshot_is_settled(const struct snapshot *s);

/* Makes the target's large objects those of the source: at the cutover, once before the fence and
 * once behind it. `mark` is "" for the first call, which fills it; the second one compares what was
 * written since, in_use false. Sessions of its own: may run beside everything else here. */
struct large_object_counts;
struct snapshot_objects {
    char mark[24];
    bool in_use; /* the source's objects may change meanwhile */
    /* Called often; false, with the error, ends the work. */
    bool (*go_on)(const struct large_object_counts *so_far, void *arg, struct err *err);
    void *arg;
};
bool snapshot_large_objects(struct snapshot *s, struct snapshot_objects *o,
    struct large_object_counts *out, struct err *err) must_use;

/* At cutover, when the target has everything: sequences, and what defer_firing held back. *again:
 * the target has tables for table_again_finish, too. */
bool snapshot_finish(struct snapshot *s, bool *again, struct err *err) must_use;
/* The sessions that snapshot_large_objects and snapshot_finish will want, while there is time. */
bool snapshot_open_ahead(const struct snapshot_options *o, struct err *err) must_use;
/* After the target was opened: materialized views, validation of what is left. */
bool snapshot_after_cutover(struct snapshot *s, void (*report)(const char *line, void *arg),
    void *arg, struct err *err) must_use;

void snapshot_free(struct snapshot *s); /* accepts NULL */

#endif
