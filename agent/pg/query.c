/* SPDX-License-Identifier: Apache-2.0
 *
 * Every statement is sent without blocking and waited for in poll(2), so that a stop request can
 * cancel it. After a cancel the answers are read to the end: the connection stays usable.
 */
#include "agent/pg/query.h"

#include <errno.h>
#include <poll.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"

#define TRIP_FAR_US 2000 /* both of two answers as late: a third would tell nothing new */

/* Waits until a result can be taken without blocking. False only when the connection broke. */
static bool
wait_readable(PGconn *conn, const struct stop *stop, bool *cancelled)
{
    while (PQisBusy(conn)) {
        struct pollfd p[2] = {
            {.fd = PQsocket(conn), .events = POLLIN},
            {.fd = stop && !*cancelled ? stop->event_fd : -1, .events = POLLIN},
        };
        if (pg_poll((PGconn *[]){conn, NULL}, p, 2, -1) < 0 && errno != EINTR) {
            return false;
        }
        if (stop && !*cancelled && stop_requested(stop)) {
            pg_cancel(conn);
            *cancelled = true;
        }
        if ((p[0].revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(conn)) {
            return false;
        }
    }
    return true;
}

/* Takes all results; keeps the first failed one, else the last. NULL: the connection broke. */
static PGresult *
collect(PGconn *conn, const struct stop *stop, bool *cancelled)
{
    PGresult *kept = NULL;
    for (;;) {
        if (!wait_readable(conn, stop, cancelled)) {
            PQclear(kept);
            return NULL;
        }
        PGresult *res = PQgetResult(conn);
        if (!res) {
            return kept;
        }
        if (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
            PQclear(res);
        } else {
            PQclear(kept);
            kept = res;
        }
    }
}

static bool
run(PGconn *conn, const char *what, const struct stop *stop, PGresult **out, struct err *err)
{
    bool cancelled = false;
    PGresult *res = collect(conn, stop, &cancelled);
    ExecStatusType status = PQresultStatus(res);
    if (res && (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)) {
        *out = res;
        return true;
    }
    if (cancelled) {
        err_set(err, ERR_CANCELLED, "%s: stopped", what);
    } else {
        pg_result_error(err, conn, res, "%s", what);
    }
    PQclear(res);
    return false;
}

bool
pg_exec_long(
    PGconn *conn, const char *what, const char *sql, const struct stop *stop, struct err *err)
{
    if (stop && stop_requested(stop)) {
        return err_set(err, ERR_CANCELLED, "%s: stopped", what);
    }
    if (!PQsendQuery(conn, sql)) {
        return pg_conn_error(err, conn, "%s", what);
    }
    PGresult *res = NULL;
    bool ok = run(conn, what, stop, &res, err);
    PQclear(res);
    return ok;
}

bool
pg_exec(PGconn *conn, const char *what, const char *sql, struct err *err)
{
    return pg_exec_long(conn, what, sql, NULL, err);
}

bool
pg_query_long(PGconn *conn, const char *what, const char *sql, int n, const char *const *params,
    const struct stop *stop, PGresult **out, struct err *err)
{
    *out = NULL;
    if (stop && stop_requested(stop)) {
        return err_set(err, ERR_CANCELLED, "%s: stopped", what);
    }
    /* Without parameters the simple protocol serves walsender connections too. */
    int sent =
        n ? PQsendQueryParams(conn, sql, n, NULL, params, NULL, NULL, 0) : PQsendQuery(conn, sql);
    if (!sent) {
        return pg_conn_error(err, conn, "%s", what);
    }
    return run(conn, what, stop, out, err);
}

bool
pg_query(PGconn *conn, const char *what, const char *sql, int n, const char *const *params,
    PGresult **out, struct err *err)
{
    return pg_query_long(conn, what, sql, n, params, NULL, out, err);
}

bool
pg_query_value(PGconn *conn, const char *what, const char *sql, int n, const char *const *params,
    char **out, struct err *err)
{
    *out = NULL;
    PGresult *res = NULL;
    if (!pg_query(conn, what, sql, n, params, &res, err)) {
        return false;
    }
    bool ok = PQntuples(res) == 1 && PQnfields(res) == 1;
    if (!ok) {
        err_set(err, ERR_DATA, "%s: expected one value, got %d rows", what, PQntuples(res));
    } else if (!PQgetisnull(res, 0, 0)) {
        *out = x_strdup(PQgetvalue(res, 0, 0));
    }
    PQclear(res);
    return ok;
}

bool
pg_trip(PGconn *conn, int64_t *out_us, struct err *err)
{
    *out_us = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t began = clock_mono_us(&clock_system);
        if (!pg_exec(conn, "measure the way to the server", "SELECT 1", err)) {
            return false;
        }
        int64_t took = clock_mono_us(&clock_system) - began;
        *out_us = took < *out_us ? took : *out_us;
        if (i > 0 && *out_us > TRIP_FAR_US) {
            break;
        }
    }
    return true;
}

const char *
pg_str(const PGresult *res, int row, int column)
{
    return PQgetvalue(res, row, column);
}

int64_t
pg_i64(const PGresult *res, int row, int column)
{
    int64_t v = 0;
    (void)parse_i64(pg_str(res, row, column), INT64_MIN, INT64_MAX, &v);
    return v;
}

uint64_t
pg_u64(const PGresult *res, int row, int column)
{
    uint64_t v = 0;
    (void)parse_u64(pg_str(res, row, column), 0, UINT64_MAX, &v);
    return v;
}

uint32_t
pg_oid(const PGresult *res, int row, int column)
{
    uint32_t v = 0;
    (void)parse_u32(pg_str(res, row, column), &v);
    return v;
}

bool
pg_bool(const PGresult *res, int row, int column)
{
    return pg_str(res, row, column)[0] == 't';
}

uint64_t
pg_lsn(const PGresult *res, int row, int column)
{
    uint64_t v = 0;
    (void)parse_lsn(pg_str(res, row, column), &v);
    return v;
}
