/* SPDX-License-Identifier: Apache-2.0
 *
 * What belongs to the database itself, and which pg_dump writes only when it is to create one: its
 * settings, also those of single roles in it, comment, owner, privileges, limit of connections.
 */
#ifndef TG_SNAPSHOT_DATABASE_H
#define TG_SNAPSHOT_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"

/* Settings and comment; new sessions have them from then on, ours set what they need themselves.
 * One transaction with its row in the ledger; what the target refuses is logged. */
bool database_carry(
    PGconn *source, PGconn *target, const char *migration, struct err *err) must_use;

/* Owner, privileges and limit: at the end, because they may take rights away from us. */
struct ledger;
bool database_is_handed_over(const struct ledger *l);
bool database_hand_over(PGconn *source, PGconn *target, const char *migration, bool owner,
    bool grants, struct err *err) must_use;

#endif
