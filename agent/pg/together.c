/* SPDX-License-Identifier: Apache-2.0
 *
 * A pipeline of its own. Behind a statement that is refused the server skips the others up to the
 * sync, and says so for each of them.
 */
#include "agent/pg/together.h"

#include "agent/pg/conn.h"

static bool
is_good(ExecStatusType status)
{
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_PIPELINE_SYNC;
}

/* Up to the sync, or the end of the connection; the first refusal is kept. Each
 * question has one answer, in their order. */
static bool
take_all(PGconn *conn, const char *what, struct pg_question *questions, struct err *err)
{
    bool ok = true;
    for (size_t at = 0;;) {
        PGresult *res = PQgetResult(conn);
        ExecStatusType status = PQresultStatus(res);
        if (!res && PQstatus(conn) == CONNECTION_BAD) {
            return ok && pg_conn_error(err, conn, "%s", what);
        }
        if (res && ok && !is_good(status)) {
            ok = pg_result_error(err, conn, res, "%s", what);
        }
        if (questions && (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)) {
            questions[at++].res = res;
        } else {
            PQclear(res);
        }
        if (status == PGRES_PIPELINE_SYNC) {
            return ok;
        }
    }
}

/* Behind what was sent, or was not. */
static bool
finish(PGconn *conn, const char *what, bool sent, struct pg_question *questions, struct err *err)
{
    if (!sent || PQpipelineSync(conn) != 1) {
        return pg_conn_error(err, conn, "%s", what);
    }
    bool ok = take_all(conn, what, questions, err);
    return (PQexitPipelineMode(conn) == 1 || (ok && pg_conn_error(err, conn, "%s", what))) && ok;
}

bool
pg_prepare_together(
    PGconn *conn, const char *what, const struct pg_statement *s, size_t n, struct err *err)
{
    bool sent = PQenterPipelineMode(conn) == 1;
    for (size_t i = 0; sent && i < n; i++) {
        sent = PQsendPrepare(conn, s[i].name, s[i].sql, s[i].parameters, s[i].types) == 1;
    }
    return finish(conn, what, sent, NULL, err);
}

bool
pg_exec_together(
    PGconn *conn, const char *what, const char *const *statements, size_t n, struct err *err)
{
    bool sent = PQenterPipelineMode(conn) == 1;
    for (size_t i = 0; sent && i < n; i++) {
        sent = PQsendQueryParams(conn, statements[i], 0, NULL, NULL, NULL, NULL, 0) == 1;
    }
    return finish(conn, what, sent, NULL, err);
}

bool
pg_query_together(PGconn *conn, const char *what, struct pg_question *q, size_t n, struct err *err)
{
    bool sent = PQenterPipelineMode(conn) == 1;
    for (size_t i = 0; i < n; i++) {
        q[i].res = NULL;
        sent = sent && PQsendQueryParams(
                           conn, q[i].sql, q[i].parameters, NULL, q[i].values, NULL, NULL, 0) == 1;
    }
    bool ok = finish(conn, what, sent, q, err);
    for (size_t i = 0; !ok && i < n; i++) {
        PQclear(q[i].res);
        q[i].res = NULL;
    }
    return ok;
}
