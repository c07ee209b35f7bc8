/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables that came or went by DDL since the migration began, for a sink that is copied now. Nothing
 * is done where DDL is not captured.
 */
#ifndef TG_SNAPSHOT_NEWCOMERS_H
#define TG_SNAPSHOT_NEWCOMERS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/snapshot.h"
#include "agent/store/store.h"

struct newcomers_snapshot {
    PGconn *source; /* a transaction under the snapshot */
    uint64_t sync;  /* the snapshot's consistent point */
    bool first;     /* the target's schema will be made of it */
};

/* True when the sink has no schema yet: its copy needs a snapshot even if no table is listed. */
bool newcomers_possible(const struct snapshot_options *o, bool *possible, struct err *err) must_use;
/* Enters tables that the snapshot has and the list lacks, when they are published; tables that are
 * gone from the source count as copied. Before the list is read for the copy. */
bool newcomers_take(const struct snapshot_options *o, const struct newcomers_snapshot *at,
    struct err *err) must_use;

#endif
