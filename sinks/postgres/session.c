/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings that the sink needs are an error when they are refused; those that only help are tried.
 */
#include "sinks/postgres/session.h"

#include "agent/base/buf.h"
#include "agent/pg/query.h"

#define LOCK_TIMEOUT_MIN_MS 10000

/* Plans are made once and kept, so they must not be those of a table that happens to be small
 * today: rows are found by index wherever there is one. A lock that somebody else keeps ends the
 * session in reasonable time, with an error that tells of it. */
static bool
necessary_settings(PGconn *conn, const struct sink_params *p, struct err *err)
{
    int version = PQserverVersion(conn);
    int64_t lock_ms = p->timeout_us / 1000;
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "SET enable_seqscan = off; SET enable_bitmapscan = off;");
    buf_str(&sql, version >= 110000 ? "SET jit = off;" : "");
    buf_str(&sql, version >= 120000 ? "SET plan_cache_mode = force_generic_plan;" : "");
    /* A client that vanished must not hold position and locks for hours. */
    buf_str(&sql, "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;"
                  "SET tcp_keepalives_count = 3;");
    buf_printf(&sql, "SET lock_timeout = %lld",
        (long long)(lock_ms > LOCK_TIMEOUT_MIN_MS ? lock_ms : LOCK_TIMEOUT_MIN_MS));
    bool ok = pg_exec(conn, "set up the session on the target", buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

/* Settings that a role or a platform may refuse; the sink works without them. */
static bool
optional_setting(PGconn *conn, const char *sql, struct err *err)
{
    if (pg_exec(conn, "set up the session on the target", sql, err)) {
        return true;
    }
    if (err->class == ERR_RECONNECT) {
        return false;
    }
    err_clear(err);
    return true;
}

bool
session_settings(PGconn *conn, const struct sink_params *p, struct err *err)
{
    return necessary_settings(conn, p, err) &&
           optional_setting(conn, "SET session_replication_role = replica", err) &&
           (PQserverVersion(conn) < 140000 ||
               optional_setting(conn, "SET client_connection_check_interval = '5s'", err));
}
