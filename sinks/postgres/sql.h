/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of the statements that change rows. Pure. Statements of a shape take their parameters in
 * the order that shape.h defines. A statement for many rows takes each of them as an array, the
 * rows' values in the same order everywhere; the target columns' types are those of the source.
 */
#ifndef TG_SINKS_POSTGRES_SQL_H
#define TG_SINKS_POSTGRES_SQL_H

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/change/relation.h"
#include "sinks/postgres/shape.h"
#include "sinks/postgres/target.h"

void sql_statement(
    const struct relation *r, const struct target *t, const struct shape *s, struct buf *out);
/* Type oids of the parameters: s->parameters and s->stores of them. Returns how many. */
uint32_t sql_parameter_types(
    const struct relation *r, const struct target *t, const struct shape *s, uint32_t *types);

/* COPY FROM STDIN, in binary, of what an insert of the shape sets. */
void sql_copy(
    const struct relation *r, const struct target *t, const struct shape *s, struct buf *out);

struct sql_table {
    const struct relation *relation;
    char kind; /* pg_class.relkind on the target */
};
void sql_truncate(const struct sql_table *tables, uint32_t len, bool cascade, bool restart_identity,
    struct buf *out);
/* Empties one table and touches no other. */
void sql_delete_all(const struct sql_table *table, struct buf *out);

#endif
