/* SPDX-License-Identifier: Apache-2.0
 *
 * Replica identities of the target's tables.
 */
#ifndef TG_SNAPSHOT_IDENTITIES_H
#define TG_SNAPSHOT_IDENTITIES_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/snapshot/run.h"

/* Gives the tables of the run the identity that they had on the source before the migration. */
bool identities_reset(const struct run *r, PGconn *target, struct err *err) must_use;

#endif
