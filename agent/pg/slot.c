/* SPDX-License-Identifier: Apache-2.0
 *
 * A slot that a cut-off walsender still holds becomes free only when the server notices. Dropping
 * one therefore ends that walsender first and tries again for a moment.
 */
#include "agent/pg/slot.h"

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define DROP_ATTEMPTS 50
#define DROP_PAUSE_US 100000

bool
pg_slot_read(PGconn *conn, const char *slot, struct pg_slot *out, struct err *err)
{
    *out = (struct pg_slot){0};
    /* wal_status exists from 13 on; 14 is the oldest source. */
    const char *sql =
        "SELECT active, coalesce(active_pid, 0), coalesce(wal_status = 'lost', false), plugin,"
        " database, confirmed_flush_lsn, restart_lsn,"
        " coalesce(pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()"
        "   THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,"
        "   restart_lsn), 0)::bigint"
        " FROM pg_catalog.pg_replication_slots WHERE slot_name = $1";
    PGresult *res = NULL;
    if (!pg_query(conn, "read replication slot", sql, 1, &slot, &res, err)) {
        return false;
    }
    if (PQntuples(res) == 1) {
        out->exists = true;
        out->active = pg_bool(res, 0, 0);
        out->active_pid = (int)pg_i64(res, 0, 1);
        out->lost = pg_bool(res, 0, 2);
        snprintf(out->plugin, sizeof(out->plugin), "%s", pg_str(res, 0, 3));
        snprintf(out->database, sizeof(out->database), "%s", pg_str(res, 0, 4));
        out->confirmed = pg_lsn(res, 0, 5);
        out->restart = pg_lsn(res, 0, 6);
        int64_t retained = pg_i64(res, 0, 7);
        out->retained_bytes = retained > 0 ? (uint64_t)retained : 0;
    }
    PQclear(res);
    return true;
}

static bool
end_walsender(PGconn *conn, const char *slot, struct err *err)
{
    PGresult *res = NULL;
    bool ok = pg_query(conn, "end the slot's walsender",
        "SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots"
        " WHERE slot_name = $1 AND active",
        1, &slot, &res, err);
    PQclear(res);
    return ok;
}

bool
pg_slot_drop(PGconn *conn, const char *slot, struct err *err)
{
    char what[160];
    snprintf(what, sizeof(what), "drop replication slot '%s'", slot);
    for (int i = 0;; i++) {
        struct pg_slot state;
        if (!pg_slot_read(conn, slot, &state, err)) {
            return false;
        }
        if (!state.exists) {
            return true;
        }
        if (state.active && !end_walsender(conn, slot, err)) {
            return false;
        }
        PGresult *res = NULL;
        bool ok = pg_query(
            conn, what, "SELECT pg_catalog.pg_drop_replication_slot($1)", 1, &slot, &res, err);
        PQclear(res);
        if (ok || strcmp(err->sqlstate, "42704") == 0) {
            err_clear(err);
            return true;
        }
        if (err->class != ERR_RETRY || i >= DROP_ATTEMPTS) {
            return false;
        }
        err_clear(err);
        clock_system.sleep_us(&clock_system, DROP_PAUSE_US);
    }
}

bool
pg_publication_exists(PGconn *conn, const char *name, bool *exists, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, "read publication",
            "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = $1", 1, &name, &res, err)) {
        return false;
    }
    *exists = PQntuples(res) == 1;
    PQclear(res);
    return true;
}

bool
pg_publication_drop(PGconn *conn, const char *name, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 1024);
    buf_str(&sql, "SET client_min_messages = 'error'; DROP PUBLICATION IF EXISTS ");
    sql_ident(&sql, name);
    char what[160];
    snprintf(what, sizeof(what), "drop publication '%s'", name);
    bool ok = pg_exec(conn, what, buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

bool
pg_write_mark(PGconn *conn, const char *content, uint64_t *lsn, struct err *err)
{
    /* Transactional, so that its commit is flushed and sent; a bare message may linger unflushed
     * until somebody else commits. */
    PGresult *res = NULL;
    bool ok = pg_query(conn, "write mark",
        "SELECT pg_catalog.pg_logical_emit_message(true, 'tidegate', $1),"
        " pg_catalog.set_config('synchronous_commit', 'local', true)",
        1, &content, &res, err);
    if (ok) {
        *lsn = pg_lsn(res, 0, 0);
    }
    PQclear(res);
    return ok;
}
