/* SPDX-License-Identifier: Apache-2.0
 *
 * The sessions of the copy: readers under the shared snapshot on the source, writers on the target.
 */
#ifndef TG_SNAPSHOT_SESSION_H
#define TG_SNAPSHOT_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/snapshot/snapshot.h"

/* Roles: they stand in the application name. */
#define SESSION_SNAPSHOT "snapshot" /* of the thread that owns the object */
#define SESSION_COPY     "copy"
#define SESSION_INDEXES  "indexes"

/* An ordinary session. */
bool session_source(
    const struct snapshot_options *o, const char *role, PGconn **out, struct err *err) must_use;
/* In a read-only repeatable-read transaction; with `snapshot` (may be NULL) it sees exactly that
 * one. A snapshot that is gone is ERR_RECONNECT: a new one is needed. */
bool session_reader(const struct snapshot_options *o, const char *role, const char *encoding,
    const char *snapshot, PGconn **out, struct err *err) must_use;
/* encoding: of the data that is to be written, NULL: UTF8. *replica (may be NULL): whether
 * session_replication_role could be set. */
bool session_target(const struct snapshot_options *o, const char *role, const char *encoding,
    PGconn **out, bool *replica, struct err *err) must_use;

/* One of each for later (o->spares): session_source finds it, and session_target without encoding
 * and `replica`. */
bool session_open_ahead(
    const struct snapshot_options *o, const char *role, struct err *err) must_use;

/* Ends sessions on the target that an agent killed before has left behind, and waits until they are
 * gone: a commit that is still under way there would come after we have looked at what is done.
 * ERR_RETRY when one does not go. */
bool session_end_leftovers(
    const struct snapshot_options *o, PGconn *target, struct err *err) must_use;

/* The same for one session of a role, by its process on the server: its connection was cut, but
 * what it was told goes on there, up to a COMMIT that came along. */
bool session_end_lost(const struct snapshot_options *o, const char *role, int pid, PGconn *target,
    struct err *err) must_use;

/* The same for one role. */
bool session_end_role(
    const struct snapshot_options *o, const char *role, PGconn *target, struct err *err) must_use;

#endif
