/* SPDX-License-Identifier: Apache-2.0
 *
 * One call of snapshot_run. Private to this folder.
 */
#ifndef TG_SNAPSHOT_PASS_H
#define TG_SNAPSHOT_PASS_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/progress.h"
#include "agent/snapshot/schema.h"
#include "agent/snapshot/snapshot.h"
#include "agent/store/store.h"

struct snapshot {
    struct snapshot_options o;
    struct progress progress;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of everything that belongs to the lock */
    bool paused;            /* (lock) */
    struct schema schema;   /* loaded when first needed, kept */
    PGconn *spare;          /* of snapshot_needs_copy, for the next pass; NULL: none */
    int64_t spare_us;       /* when it answered last, monotonic */
    bool settled;           /* the last pass left nothing for snapshot_validate */
};

/* See snapshot_run. */
bool pass_run(struct snapshot *s, const char *exported, uint64_t sync, void (*imported)(void *arg),
    void *arg, struct err *err) must_use;

/* Rows of the store ordered by oid (x_free), with what the target's ledger knows better: a copy
 * whose end did not reach the store before the agent died. */
bool pass_read_rows(struct snapshot *s, const struct ledger *l, struct table_row **rows, size_t *n,
    struct err *err) must_use;
/* Data is to be copied. */
bool pass_is_unfinished(const struct table_row *row);

#endif
