/* SPDX-License-Identifier: Apache-2.0
 *
 * Executes entries of the schema on the target, each in one transaction with its row in the ledger.
 */
#ifndef TG_SNAPSHOT_CREATE_H
#define TG_SNAPSHOT_CREATE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/snapshot/entry.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/toc.h"

struct create {
    PGconn *target;
    const char *migration;
    const struct stop *stop; /* may be NULL */
    struct tablespaces tablespaces;
};
/* The other fields are set by the caller. */
bool create_init(struct create *c, struct err *err) must_use;
void create_done(struct create *c); /* accepts an all-zero one; leaves the connection alone */

/* Makes everything that comes before the data, except privileges: in one transaction when the
 * target's lock table is large enough for it, else in batches that the ledger records. What `done`
 * names is left out. Tolerated failures are logged. */
bool create_before_data(struct create *c, const struct toc *before, const struct ledger *done,
    struct err *err) must_use;

/* One entry that comes behind the data; `sql` is executed in its place when it is not NULL.
 * *tolerated when it could not be made and that may be so. */
bool create_entry(struct create *c, const struct toc_entry *e, const char *item, const char *sql,
    bool *tolerated, struct err *err) must_use;

#endif
