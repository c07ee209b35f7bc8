/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns that name objects of the database: regclass and its relatives, also inside of arrays,
 * domains, ranges and composite types. As text they are names; in binary they are the number that
 * the object has on this one server.
 */
#ifndef TG_PG_REFERENCES_H
#define TG_PG_REFERENCES_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"

/* Rows (schema, table), ordered, of all tables with such a column. */
extern const char pg_references_sql[];
/* *any: a table of the publication has such a column. */
bool pg_references_published(
    PGconn *conn, const char *publication, bool *any, struct err *err) must_use;

#endif
