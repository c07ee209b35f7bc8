/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot of the source whose place in the change feed is known: made by creating a logical slot
 * with an exported snapshot on a replication connection, which must stay open and idle until the
 * snapshot was imported elsewhere.
 *
 * Locking: one thread at a time.
 */
#ifndef TG_PIPELINE_ANCHOR_H
#define TG_PIPELINE_ANCHOR_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/pg/repl.h"
#include "config/config.h"

struct anchor {
    PGconn *conn; /* NULL: let go, or never made */
    struct pg_new_slot slot;
};

/* The connection alone. */
bool anchor_connect(const struct config *config, struct anchor *out, struct err *err) must_use;
/* The migration's own slot, which stays. `out` is connected or zero; released when false. */
bool anchor_create(const struct config *config, struct anchor *out, struct err *err) must_use;
/* A further snapshot later on, by a temporary slot that goes with the connection. `number` tells
 * those of several at a time apart. */
bool anchor_temporary(
    const struct config *config, size_t number, struct anchor *out, struct err *err) must_use;
void anchor_release(struct anchor *a); /* accepts a released one */

#endif
