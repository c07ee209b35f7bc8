/* SPDX-License-Identifier: Apache-2.0
 *
 * A pipeline of its own. Behind a statement that is refused the server skips the others up to the
 * sync, and says so for each of them.
 */
#include "agent/pg/prepare.h"

#include "agent/pg/conn.h"

static bool
send_all(PGconn *conn, const struct pg_statement *s, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        ok = PQsendPrepare(conn, s[i].name, s[i].sql, s[i].parameters, s[i].types) == 1;
    }
    return ok && PQpipelineSync(conn) == 1;
}

/* Up to the sync, or the end of the connection; the first refusal is kept. */
static bool
take_all(PGconn *conn, const char *what, struct err *err)
{
    bool ok = true;
    for (;;) {
        PGresult *res = PQgetResult(conn);
        ExecStatusType status = PQresultStatus(res);
        if (!res && PQstatus(conn) == CONNECTION_BAD) {
            return ok && pg_conn_error(err, conn, "%s", what);
        }
        if (res && ok && status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_SYNC) {
            ok = pg_result_error(err, conn, res, "%s", what);
        }
        PQclear(res);
        if (status == PGRES_PIPELINE_SYNC) {
            return ok;
        }
    }
}

bool
pg_prepare(PGconn *conn, const char *what, const struct pg_statement *statements, size_t n,
    struct err *err)
{
    if (PQenterPipelineMode(conn) != 1 || !send_all(conn, statements, n)) {
        return pg_conn_error(err, conn, "%s", what);
    }
    bool ok = take_all(conn, what, err);
    return (PQexitPipelineMode(conn) == 1 || (ok && pg_conn_error(err, conn, "%s", what))) && ok;
}
