/* SPDX-License-Identifier: Apache-2.0
 *
 * Several statements in one go: each alone costs a trip to the server. They go by a pipeline and
 * not as one text, so that each is parsed when its turn comes: one that this server does not
 * understand leaves done what stands before it.
 *
 * Both wait for all answers; outside of pipeline mode, before and behind it. `what` begins the
 * error text, which is of the first one that was refused; those behind it are not executed.
 */
#ifndef TG_PG_TOGETHER_H
#define TG_PG_TOGETHER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

struct pg_statement {
    const char *name, *sql;
    int parameters;
    const uint32_t *types; /* oids, one for each parameter; NULL: the server finds them out */
};

bool pg_prepare_together(PGconn *conn, const char *what, const struct pg_statement *statements,
    size_t n, struct err *err) must_use;

/* Without parameters, results thrown away. In one transaction, unless there are statements that
 * begin and end one. */
bool pg_exec_together(PGconn *conn, const char *what, const char *const *statements, size_t n,
    struct err *err) must_use;

struct pg_question {
    const char *sql;
    int parameters;
    const char *const *values; /* as text */
    PGresult *res; /* the rows, PQclear'ed by the caller; NULL unless all were answered */
};

bool pg_query_together(PGconn *conn, const char *what, struct pg_question *questions, size_t n,
    struct err *err) must_use;

#endif
