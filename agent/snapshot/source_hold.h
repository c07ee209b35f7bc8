/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot does not protect against TRUNCATE: a table that was emptied after the snapshot was
 * taken reads as empty under it, although the snapshot's moment had rows. The same goes for
 * rewrites by ALTER TABLE. So each table is held by a weak lock while it is read, and its storage
 * is compared with what the snapshot's catalog says; a table whose storage has changed must be
 * copied from a later snapshot.
 */
#ifndef TG_SNAPSHOT_SOURCE_HOLD_H
#define TG_SNAPSHOT_SOURCE_HOLD_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pg/catalog.h"

/* Inside a session's snapshot transaction. *moved: the storage is not the snapshot's any more. The
 * lock is ACCESS SHARE, which only stands in the way of TRUNCATE and DDL, and lasts until
 * source_let_go. */
bool source_hold(PGconn *source, const struct pg_table *t, const struct stop *stop, bool *moved,
    struct err *err) must_use;
/* The same for several tables, and never waiting: an application that locks them in another order
 * would wait for us as we wait for it, and one of both would be ended. *held is false when it would
 * have had to wait; then, too, source_let_go belongs to it. *moved: of any of them. */
bool source_hold_all(PGconn *source, const struct pg_table *const *tables, size_t n, bool *held,
    bool *moved, struct err *err) must_use;
bool source_let_go(PGconn *source, struct err *err) must_use;

#endif
