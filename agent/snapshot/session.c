/* SPDX-License-Identifier: Apache-2.0
 *
 * synchronous_commit is on in every writer, whatever the target's default: a commit answered here
 * is what the local store relies on when it says COPIED or READY.
 */
#include "agent/snapshot/session.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pg/spares.h"

#define LEFTOVER_WAIT_US 30000000
#define LEFTOVER_TICK_US 20000

static void
session_name(const struct snapshot_options *o, const char *role, char out[64])
{
    snprintf(out, 64, "tidegate %.40s %s", o->name, role);
}

static bool
connect_as(const struct snapshot_options *o, const char *dsn, const char *role,
    const char *encoding, PGconn **out, struct err *err)
{
    char name[64];
    session_name(o, role, name);
    struct pg_options p = {
        .application_name = name, .encoding = encoding, .timeout_us = o->timeout_us};
    return pg_connect(dsn, &p, out, err);
}

static PGconn *
spare(const struct snapshot_options *o, const char *dsn, const char *role)
{
    char name[64];
    session_name(o, role, name);
    return pg_spares_take(o->spares, dsn, name);
}

bool
session_source(const struct snapshot_options *o, const char *role, PGconn **out, struct err *err)
{
    *out = spare(o, o->source_dsn, role);
    return *out || connect_as(o, o->source_dsn, role, NULL, out, err) || err_wrap(err, "source");
}

bool
session_reader(const struct snapshot_options *o, const char *role, const char *encoding,
    const char *snapshot, PGconn **out, struct err *err)
{
    if (!connect_as(o, o->source_dsn, role, encoding, out, err)) {
        return err_wrap(err, "source");
    }
    struct buf sql;
    buf_init(&sql, 512);
    buf_str(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    if (snapshot) {
        buf_str(&sql, "; SET TRANSACTION SNAPSHOT ");
        sql_literal(&sql, snapshot);
    }
    bool ok = pg_exec(*out, "source: use the shared snapshot", buf_cstr(&sql), err);
    buf_done(&sql);
    if (!ok) {
        if (snapshot && err->class == ERR_DATA) {
            err->class = ERR_RECONNECT;
        }
        PQfinish(*out);
        *out = NULL;
    }
    return ok;
}

/* In one go; what the role may not set is set, or left, alone. */
static bool
prepare_writer(PGconn *conn, bool *replica, struct err *err)
{
    /* Enough for index builds to sort in memory what is worth it; a larger setting of the server's
     * stays. */
#define WRITER                                                                                     \
    "SET synchronous_commit = on; SET check_function_bodies = off;"                                \
    "SET client_min_messages = warning;"                                                           \
    "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false)"                         \
    " WHERE pg_catalog.pg_size_bytes("                                                             \
    "pg_catalog.current_setting('maintenance_work_mem')) < 268435456"
#define REPLICA "SET session_replication_role = replica"
    struct err refused = ERR_INIT;
    *replica = pg_exec(conn, "", WRITER ";" REPLICA, &refused);
    if (*replica) {
        return true;
    }
    if (!pg_exec(conn, "target: prepare the session", WRITER, err)) {
        return false;
    }
    err_clear(&refused);
    *replica = pg_exec(conn, "", REPLICA, &refused);
    if (!*replica && refused.class == ERR_RECONNECT) {
        *err = refused;
        return err_wrap(err, "target");
    }
    return true;
#undef WRITER
#undef REPLICA
}

bool
session_target(const struct snapshot_options *o, const char *role, const char *encoding,
    PGconn **out, bool *replica, struct err *err)
{
    bool set;
    *out = encoding || replica ? NULL : spare(o, o->target_dsn, role);
    if (*out) {
        return true;
    }
    if (!connect_as(o, o->target_dsn, role, encoding, out, err)) {
        return err_wrap(err, "target");
    }
    if (!prepare_writer(*out, replica ? replica : &set, err)) {
        PQfinish(*out);
        *out = NULL;
        return false;
    }
    return true;
}

bool
session_open_ahead(const struct snapshot_options *given, const char *role, struct err *err)
{
    struct snapshot_options o = *given;
    char name[64];
    PGconn *conn = NULL;
    session_name(given, role, name);
    o.spares = NULL; /* a new one each */
    if (!session_source(&o, role, &conn, err)) {
        return false;
    }
    pg_spares_put(given->spares, o.source_dsn, name, conn);
    if (!session_target(&o, role, NULL, &conn, NULL, err)) {
        return false;
    }
    pg_spares_put(given->spares, o.target_dsn, name, conn);
    return true;
}

/* Ends those of the application names $1, $2, $3, or of them the process $4, and waits until they
 * are gone. */
static bool
end_sessions(
    const struct snapshot_options *o, PGconn *target, const char *const *params, struct err *err)
{
    for (int64_t waited = 0;; waited += LEFTOVER_TICK_US) {
        PGresult *res = NULL;
        if (!pg_query(target, "target: end sessions of an earlier run",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN"
                " ($1, $2, $3) AND usename = current_user AND datname = current_database()"
                " AND pid <> pg_backend_pid() AND ($4::int4 IS NULL OR pid = $4)",
                4, params, &res, err)) {
            return false;
        }
        int left = PQntuples(res);
        PQclear(res);
        if (left == 0) {
            return true;
        }
        if (waited >= LEFTOVER_WAIT_US) {
            return err_set(err, ERR_RETRY, "target: a session of an earlier run does not end");
        }
        if (o->stop && stop_sleep(o->stop, LEFTOVER_TICK_US)) {
            return err_set(err, ERR_CANCELLED, "the copy was stopped");
        }
    }
}

bool
session_end_leftovers(const struct snapshot_options *o, PGconn *target, struct err *err)
{
    char copy[64], indexes[64], snapshot[64];
    session_name(o, SESSION_COPY, copy);
    session_name(o, SESSION_INDEXES, indexes);
    session_name(o, SESSION_SNAPSHOT, snapshot);
    const char *params[] = {copy, indexes, snapshot, NULL};
    return end_sessions(o, target, params, err);
}

bool
session_end_lost(
    const struct snapshot_options *o, const char *role, int pid, PGconn *target, struct err *err)
{
    char name[64], process[16];
    session_name(o, role, name);
    snprintf(process, sizeof(process), "%d", pid);
    const char *params[] = {name, name, name, process};
    return end_sessions(o, target, params, err);
}

bool
session_end_role(
    const struct snapshot_options *o, const char *role, PGconn *target, struct err *err)
{
    char name[64];
    session_name(o, role, name);
    const char *params[] = {name, name, name, NULL};
    return end_sessions(o, target, params, err);
}
