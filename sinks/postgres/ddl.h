/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements of the source that change the schema, executed on the target in the transaction and at
 * the place where the source had them.
 */
#ifndef TG_SINKS_POSTGRES_DDL_H
#define TG_SINKS_POSTGRES_DDL_H

#include "sinks/postgres/apply.h"

/* As sink_ops.ddl. */
bool ddl_execute(struct apply *a, const struct sink_ddl *d, struct err *err) must_use;

#endif
