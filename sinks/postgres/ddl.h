/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements of the source that change the schema, executed on the target in the transaction and at
 * the place where the source had them; and what the target has to compare with.
 */
#ifndef TG_SINKS_POSTGRES_DDL_H
#define TG_SINKS_POSTGRES_DDL_H

#include "sinks/postgres/apply.h"

/* As sink_ops.ddl. */
bool ddl_execute(struct apply *a, const struct sink_ddl *d, struct err *err) must_use;
/* As sink_ops.table; what the target transaction has altered so far counts. */
bool ddl_table(struct apply *a, const struct relation *r, struct arena *arena,
    struct sink_table *out, struct err *err) must_use;

#endif
