/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings that the sink needs are an error when they are refused; those that only help are tried.
 */
#include "sinks/postgres/session.h"

#include "agent/base/buf.h"
#include "agent/pg/query.h"

#define LOCK_TIMEOUT_MIN_MS 10000
#define SQL_MAX             4096
#define WHAT                "set up the session on the target"
/* Each may be refused. */
#define REPLICA             "SET session_replication_role = replica"
#define WATCH               "SET client_connection_check_interval = '5s'"

/* Plans are made once and kept, so they must not be those of a table that happens to be small
 * today: rows are found by index wherever there is one. A lock that somebody else keeps ends the
 * session in reasonable time, with an error that tells of it. */
static void
necessary_settings(int version, const struct sink_params *p, struct buf *sql)
{
    int64_t lock_ms = p->timeout_us / 1000;
    buf_str(sql,
        "SET synchronous_commit TO on; SET enable_seqscan = off; SET enable_bitmapscan = off;");
    buf_str(sql, version >= 110000 ? "SET jit = off;" : "");
    buf_str(sql, version >= 120000 ? "SET plan_cache_mode = force_generic_plan;" : "");
    /* A client that vanished must not hold position and locks for hours. */
    buf_str(sql, "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;"
                 "SET tcp_keepalives_count = 3;");
    buf_printf(sql, "SET lock_timeout = %lld",
        (long long)(lock_ms > LOCK_TIMEOUT_MIN_MS ? lock_ms : LOCK_TIMEOUT_MIN_MS));
}

/* Settings that a role or a platform may refuse; the sink works without them. */
static bool
optional_setting(PGconn *conn, const char *sql, struct err *err)
{
    if (pg_exec(conn, WHAT, sql, err)) {
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
    int version = PQserverVersion(conn);
    bool watch = version >= 140000;
    struct buf all, necessary;
    buf_init(&all, SQL_MAX);
    buf_init(&necessary, SQL_MAX);
    necessary_settings(version, p, &necessary);
    buf_printf(&all, "%s; " REPLICA "%s", buf_cstr(&necessary), watch ? "; " WATCH : "");
    /* All in one go, as most roles may; else each for itself. */
    struct err refused = ERR_INIT;
    bool ok =
        pg_exec(conn, WHAT, buf_cstr(&all), &refused) ||
        (pg_exec(conn, WHAT, buf_cstr(&necessary), err) && optional_setting(conn, REPLICA, err) &&
            (!watch || optional_setting(conn, WATCH, err)));
    buf_done(&all);
    buf_done(&necessary);
    return ok;
}
