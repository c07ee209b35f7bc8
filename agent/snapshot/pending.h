/* SPDX-License-Identifier: Apache-2.0
 *
 * What of the schema is still to be made on the target: the graph of everything behind the data,
 * with what the ledger names marked as done, and what belongs to tables that are not carried as
 * skipped.
 */
#ifndef TG_SNAPSHOT_PENDING_H
#define TG_SNAPSHOT_PENDING_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/pg/catalog.h"
#include "agent/snapshot/create.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/post.h"
#include "agent/snapshot/reporter.h"
#include "agent/snapshot/schema.h"
#include "agent/snapshot/snapshot.h"

#define PENDING_NONE_ITEM "post *" /* everything is made, what waits for the cutover too */

/* Borrowed. */
struct pending_input {
    const struct snapshot_options *o;
    const struct schema *schema;    /* may be an empty one */
    const struct pg_tables *tables; /* that the filter means */
    const struct ledger *done;
    bool ends; /* adds the end of the work for each table, with its ANALYZE */
};
bool pending_build(
    const struct pending_input *in, PGconn *source, struct post *out, struct err *err) must_use;

/* Makes, one after the other, all entries that wait in stages up to `last`. A foreign key goes in
 * as NOT VALID where that is possible; one that does not hold is named to the reporter and left. */
bool pending_make(struct post *p, enum post_stage last, struct create *c, struct reporter *report,
    struct err *err) must_use;

#endif
