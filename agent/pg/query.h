/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements with a checked outcome. `what` begins the error text: "create publication 'x'".
 */
#ifndef TG_PG_QUERY_H
#define TG_PG_QUERY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

/* One or several statements without parameters, results thrown away. */
bool pg_exec(PGconn *conn, const char *what, const char *sql, struct err *err) must_use;
/* The same for work that may take long: waits on the socket, and cancels the statement when the
 * stop comes (ERR_CANCELLED). stop may be NULL. */
bool pg_exec_long(PGconn *conn, const char *what, const char *sql, const struct stop *stop,
    struct err *err) must_use;
/* Rows, as text. *out is PQclear'ed by the caller, NULL on failure. params may be NULL when n is 0.
 */
bool pg_query(PGconn *conn, const char *what, const char *sql, int n, const char *const *params,
    PGresult **out, struct err *err) must_use;
/* As pg_query, interruptible as pg_exec_long. */
bool pg_query_long(PGconn *conn, const char *what, const char *sql, int n,
    const char *const *params, const struct stop *stop, PGresult **out, struct err *err) must_use;
/* Exactly one row with one column, as a new string (x_free); NULL value gives NULL with true. */
bool pg_query_value(PGconn *conn, const char *what, const char *sql, int n,
    const char *const *params, char **out, struct err *err) must_use;

/* How long the way to the server and back takes, in microseconds: the shortest of two or three
 * questions, so that one slow answer does not make the server seem far away. Waits for the answers.
 */
bool pg_trip(PGconn *conn, int64_t *out_us, struct err *err) must_use;

/* Field access for results of pg_query; a NULL field gives "", 0, false. */
const char *pg_str(const PGresult *res, int row, int column);
int64_t pg_i64(const PGresult *res, int row, int column);
uint64_t pg_u64(const PGresult *res, int row, int column);
uint32_t pg_oid(const PGresult *res, int row, int column);
bool pg_bool(const PGresult *res, int row, int column);
uint64_t pg_lsn(const PGresult *res, int row, int column);

#endif
