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
    bool together;           /* nobody else uses the tables: pending_make may lock many at a time */
    struct tablespaces tablespaces;
};
/* The other fields are set by the caller. */
bool create_init(struct create *c, struct err *err) must_use;
void create_done(struct create *c); /* accepts an all-zero one; leaves the connection alone */

/* Makes everything that comes before the data, except privileges: in one transaction when the
 * target's lock table is large enough for it, else in several, which the ledger records. What
 * `done` names is left out. Tolerated failures are logged. */
bool create_before_data(struct create *c, const struct toc *before, const struct ledger *done,
    struct err *err) must_use;

/* An entry that comes behind the data. */
struct create_item {
    const struct toc_entry
        *entry;       /* NULL: `sql` alone, which may be NULL, too, and is not recorded */
    const char *item; /* of the ledger */
    const char *sql;  /* executed in the entry's place when it is not NULL */
};
/* *tolerated when it could not be made and that may be so. */
bool create_entry(
    struct create *c, const struct create_item *it, bool *tolerated, struct err *err) must_use;
#define CREATE_TOGETHER_MAX 100
/* Several in one transaction, which locks what they are about until all are made. Not *made: one of
 * them was refused, and none is there. False: the connection is lost, or it was stopped. */
bool create_together(struct create *c, const struct create_item *items, size_t n, bool *made,
    struct err *err) must_use;

#endif
