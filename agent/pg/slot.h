/* SPDX-License-Identifier: Apache-2.0
 *
 * Replication slots and publications as objects of the source, through an ordinary connection.
 */
#ifndef TG_PG_SLOT_H
#define TG_PG_SLOT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

struct pg_slot {
    bool exists, active, lost; /* lost: invalidated, its WAL is gone */
    int active_pid;
    char plugin[64], database[64];
    uint64_t confirmed, restart;
    uint64_t retained_bytes; /* WAL that the slot keeps on the source */
};
bool pg_slot_read(PGconn *conn, const char *slot, struct pg_slot *out, struct err *err) must_use;
/* Nothing there is fine. Ends a walsender that still holds it (our own, cut off). */
bool pg_slot_drop(PGconn *conn, const char *slot, struct err *err) must_use;

bool pg_publication_exists(PGconn *conn, const char *name, bool *exists, struct err *err) must_use;
bool pg_publication_drop(PGconn *conn, const char *name, struct err *err) must_use;

/* Writes a transactional logical message into the WAL; every transaction committed before this call
 * has a commit position at or below *lsn, and a later position will be reported by the feed. */
bool pg_write_mark(PGconn *conn, const char *content, uint64_t *lsn, struct err *err) must_use;

#endif
