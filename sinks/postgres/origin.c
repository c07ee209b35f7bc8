/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything here runs before pipeline mode, with synchronous_commit on. Order matters: first the
 * position is taken for this session, then it is read; the other way round a dying session could
 * commit in between and its transactions would come twice.
 *
 * Rights may be granted or revoked on the way. A position found in the table moves into the origin,
 * so that it never stands in both; one that may stand in an origin which the role can no longer
 * read refuses to open.
 */
#include "sinks/postgres/origin.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pg/together.h"
#include "config/names.h"

#define WHAT               "open the position on the target"
#define ABORT_MOVES_ORIGIN 160000 /* server version; see the header */

/* Session locks: one stands for the table's row, one is shared by all connections of a sink but the
 * first. */
#define ROW_LOCK           "tidegate "
#define JOBS_LOCK          "tidegate jobs "
#define LOCK_KEY           "pg_catalog.hashtextextended($1, 0)"

const uint32_t origin_value_types[ORIGIN_VALUES_MAX] = {3220, 1184, 25};

static void
put_u64(uint64_t v, uint8_t out[8])
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

struct origin_values
origin_values(enum origin_place place, const char *name, uint64_t position, int64_t commit_us)
{
    struct origin_values v = {.place = place, .name = name};
    put_u64(position, v.lsn);
    put_u64((uint64_t)(commit_us ? commit_us - PG_EPOCH_OFFSET_US : 0), v.stamp);
    return v;
}

const char *
origin_value(const struct origin_values *v, uint32_t i, int *len)
{
    *len = i < ORIGIN_NATIVE ? (int)sizeof v->lsn : (int)strlen(v->name);
    return i == 0 ? (const char *)v->lsn : i == 1 ? (const char *)v->stamp : v->name;
}

void
origin_store_with(enum origin_place place, uint32_t first, struct buf *sql)
{
    if (place == ORIGIN_ROW) {
        buf_printf(sql,
            "p AS (UPDATE tidegate.progress SET position = $%u, ordinal = 0, commit_time = $%u,"
            " updated_at = pg_catalog.clock_timestamp() WHERE origin = $%u RETURNING 1)",
            first, first + 1, first + 2);
    }
}

void
origin_store_select(enum origin_place place, uint32_t first, struct buf *sql)
{
    if (place == ORIGIN_NATIVE) {
        buf_printf(sql, "pg_catalog.pg_replication_origin_xact_setup($%u, $%u)", first, first + 1);
    } else {
        /* An error that no row's values are likely to be refused with (ORIGIN_GONE). */
        buf_str(sql, "pg_catalog.width_bucket(0, 0, 1, coalesce((SELECT 1 FROM p), 0))");
    }
}

static bool
flag(PGconn *conn, const char *sql, const char *name, bool *out, struct err *err)
{
    PGresult *res = NULL;
    const char *params[1] = {name};
    if (!pg_query(conn, WHAT, sql, name ? 1 : 0, params, &res, err)) {
        return false;
    }
    *out = PQntuples(res) > 0 && pg_bool(res, 0, 0);
    PQclear(res);
    return true;
}

static bool
may_use_origins(PGconn *conn, bool *out, struct err *err)
{
    /* Before 14 the functions themselves insist on a superuser, whatever was granted. */
    const char *sql =
        "SELECT pg_catalog.count(*) >= 5"
        " AND pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'execute'))"
        " AND (pg_catalog.current_setting('server_version_num')::int >= 140000"
        "  OR pg_catalog.current_setting('is_superuser') = 'on')"
        " AND coalesce(pg_catalog.current_setting('max_active_replication_origins', true),"
        "  pg_catalog.current_setting('max_replication_slots'))::int > 0"
        " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'pg_catalog' AND p.proname IN ('pg_replication_origin_create',"
        " 'pg_replication_origin_oid', 'pg_replication_origin_session_setup',"
        " 'pg_replication_origin_session_progress', 'pg_replication_origin_xact_setup')";
    return flag(conn, sql, NULL, out, err);
}

static bool
origin_exists(PGconn *conn, const char *name, bool *out, struct err *err)
{
    return flag(conn,
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_origin WHERE roname = $1)", name, out,
        err);
}

static bool
table_exists(PGconn *conn, bool *out, struct err *err)
{
    return flag(conn,
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = 'tidegate' AND c.relname = 'progress')",
        NULL, out, err);
}

static bool
run(PGconn *conn, const char *sql, const char *name, struct err *err)
{
    PGresult *res = NULL;
    const char *params[1] = {name};
    if (!pg_query(conn, WHAT, sql, 1, params, &res, err)) {
        return false;
    }
    PQclear(res);
    return true;
}

/* A position as the first column of one row; NULL or no row leaves *out. The higher one counts. */
static bool
read_position(PGconn *conn, const char *sql, const char *name, uint64_t *out, struct err *err)
{
    PGresult *res = NULL;
    const char *params[1] = {name};
    if (!pg_query(conn, WHAT, sql, name ? 1 : 0, params, &res, err)) {
        return false;
    }
    if (PQntuples(res) > 0 && !PQgetisnull(res, 0, 0)) {
        uint64_t position = pg_lsn(res, 0, 0);
        *out = position > *out ? position : *out;
    }
    PQclear(res);
    return true;
}

/* And, with an origin, what makes it durable. */
static bool
prepare_store(PGconn *conn, enum origin_place place, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, place == ORIGIN_ROW ? "WITH " : "");
    origin_store_with(place, 1, &sql);
    buf_str(&sql, place == ORIGIN_ROW ? " SELECT " : "SELECT pg_catalog.txid_current(), ");
    origin_store_select(place, 1, &sql);
    const struct pg_statement statements[] = {
        {ORIGIN_STORE, buf_cstr(&sql), (int)place, origin_value_types},
        {.name = ORIGIN_FLUSH,
            .sql = "SELECT pg_catalog.pg_replication_origin_session_progress(true)"},
    };
    bool ok = buf_ok(&sql, WHAT, err) &&
              pg_prepare_together(conn, WHAT, statements, place == ORIGIN_NATIVE ? 2 : 1, err);
    buf_done(&sql);
    return ok;
}

static bool
create_origin(PGconn *conn, const char *name, struct err *err)
{
    if (run(conn, "SELECT pg_catalog.pg_replication_origin_create($1)", name, err)) {
        return true;
    }
    if (strcmp(err->sqlstate, "42710") == 0 || strcmp(err->sqlstate, "23505") == 0) {
        err_clear(err); /* somebody else was faster */
        return true;
    }
    return false;
}

static bool
setup_origin(PGconn *conn, const char *name, struct err *err)
{
    if (run(conn, "SELECT pg_catalog.pg_replication_origin_session_setup($1)", name, err)) {
        return true;
    }
    if (strcmp(err->sqlstate, "55006") == 0) {
        err->class = ERR_RETRY;
        return err_hint(err,
            "another agent uses origin '%s', or the session of one that died has not "
            "ended yet: it ends by itself, or by pg_terminate_backend",
            name);
    }
    if (strcmp(err->sqlstate, "53400") == 0 || strcmp(err->sqlstate, "55000") == 0) {
        err->class = ERR_CONFIG;
        return err_hint(err, "raise max_replication_slots on the target (from PostgreSQL 18 "
                             "max_active_replication_origins)");
    }
    return false;
}

/* `kind` is ROW_LOCK or JOBS_LOCK; ERR_RETRY with the pid of one who has it. */
static bool
take_lock(PGconn *conn, const char *kind, const char *name, struct err *err)
{
    bool locked = false;
    char *key = x_printf("%s%s", kind, name);
    PGresult *res = NULL;
    const char *params[1] = {key};
    bool ok =
        flag(conn, "SELECT pg_catalog.pg_try_advisory_lock(" LOCK_KEY ")", key, &locked, err) &&
        (locked || pg_query(conn, WHAT,
                       "SELECT l.pid FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory'"
                       " AND l.granted AND l.objsubid = 1"
                       " AND (l.classid::bigint << 32) | l.objid::bigint = " LOCK_KEY
                       " AND l.database = (SELECT oid FROM pg_catalog.pg_database"
                       "  WHERE datname = pg_catalog.current_database())",
                       1, params, &res, err));
    x_free(key);
    if (!ok || locked) {
        return ok;
    }
    const char *pid = PQntuples(res) > 0 ? pg_str(res, 0, 0) : "unknown";
    err_set(err, ERR_RETRY, WHAT ": '%s' is in use by the session with pid %s", name, pid);
    PQclear(res);
    return err_hint(err,
        "another agent uses it, or the session of one that died has not ended yet: it "
        "ends by itself, or by pg_terminate_backend");
}

/* Asks with the key of the jobs' lock. */
static bool
jobs_lock(PGconn *conn, const char *sql, const char *name, struct err *err)
{
    bool done = false;
    char *key = x_printf(JOBS_LOCK "%s", name);
    bool ok = flag(conn, sql, key, &done, err) &&
              (done || err_set(err, ERR_RETRY, WHAT ": the lock of its connections is held"));
    x_free(key);
    return ok;
}

/* With the position taken: nobody else opens further connections. One that was left behind could
 * still commit, behind what is about to be read. */
static bool
no_jobs_left(PGconn *conn, const char *name, struct err *err)
{
    bool none = false;
    char *key = x_printf(JOBS_LOCK "%s", name);
    bool ok = flag(conn,
        "SELECT CASE WHEN pg_catalog.pg_try_advisory_lock(" LOCK_KEY ")"
        " THEN pg_catalog.pg_advisory_unlock(" LOCK_KEY ") ELSE false END",
        key, &none, err);
    x_free(key);
    /* Who has it, is asked for the sake of the error. */
    return ok && (none || (take_lock(conn, JOBS_LOCK, name, err) &&
                              jobs_lock(conn, "SELECT pg_catalog.pg_advisory_unlock(" LOCK_KEY ")",
                                  name, err)));
}

/* Takes the origin for this session; everything it commits is then marked with it. */
static bool
take_origin(PGconn *conn, const char *name, struct err *err)
{
    bool exists;
    return origin_exists(conn, name, &exists, err) && (exists || create_origin(conn, name, err)) &&
           setup_origin(conn, name, err);
}

static bool
read_origin(PGconn *conn, uint64_t *stored, struct err *err)
{
    /* `true`: what it tells is flushed */
    return read_position(
        conn, "SELECT pg_catalog.pg_replication_origin_session_progress(true)", NULL, stored, err);
}

/* From the table into the origin, in one transaction. */
static bool
move_position(PGconn *conn, const char *name, uint64_t position, struct err *err)
{
    char lsn[FORMAT_SIZE];
    struct buf sql;
    buf_init(&sql, 4096);
    buf_printf(&sql,
        "BEGIN; SELECT pg_catalog.pg_replication_origin_xact_setup('%s', pg_catalog.now());"
        "DELETE FROM tidegate.progress WHERE origin = ",
        format_lsn(position, lsn));
    sql_literal(&sql, name);
    buf_str(&sql, "; COMMIT");
    bool ok = buf_ok(&sql, WHAT, err) && pg_exec(conn, WHAT, buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

/* Another role made the table: whether our position stands in it cannot be known. */
static bool
table_is_closed(struct err *err)
{
    if (strcmp(err->sqlstate, "42501") == 0) {
        err_hint(err,
            "table 'tidegate.progress' belongs to another role: grant this one USAGE on schema "
            "'tidegate' and SELECT, INSERT, UPDATE, DELETE on the table, or drop the schema when "
            "it is left over");
    }
    return false;
}

static bool
adopt_row(PGconn *conn, const char *name, uint64_t *stored, struct err *err)
{
    bool table;
    uint64_t row = 0;
    if (!table_exists(conn, &table, err)) {
        return false;
    }
    if (!table) {
        return true;
    }
    if (!read_position(
            conn, "SELECT position FROM tidegate.progress WHERE origin = $1", name, &row, err)) {
        return table_is_closed(err);
    }
    if (row == 0) {
        return true;
    }
    *stored = row > *stored ? row : *stored;
    return take_lock(conn, ROW_LOCK, name, err) && move_position(conn, name, *stored, err);
}

static bool
open_native(PGconn *conn, const char *name, struct origin *o, struct err *err)
{
    return take_origin(conn, name, err) && no_jobs_left(conn, name, err) &&
           read_origin(conn, &o->stored, err) && adopt_row(conn, name, &o->stored, err) &&
           prepare_store(conn, ORIGIN_NATIVE, err);
}

static bool
may_not_create(const char *name, struct err *err)
{
    err->class = ERR_CONFIG;
    err_wrap(err, "create table 'tidegate.progress' for the position of '%s'", name);
    return err_hint(err,
        "grant the role CREATE on the target's database, or EXECUTE on the functions "
        "pg_replication_origin_* (PostgreSQL 14 and newer)");
}

static bool
create_table(PGconn *conn, const char *name, struct err *err)
{
    static const char sql[] =
        "CREATE SCHEMA IF NOT EXISTS tidegate;"
        "CREATE TABLE IF NOT EXISTS tidegate.progress (origin text PRIMARY KEY, position pg_lsn,"
        " ordinal int NOT NULL DEFAULT 0, commit_time timestamptz,"
        " updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()) WITH (fillfactor = 50)";
    /* IF NOT EXISTS does not keep two sessions from colliding; the second attempt finds it made. */
    for (int attempt = 0; attempt < 3; attempt++) {
        err_clear(err);
        if (pg_exec(conn, WHAT, sql, err)) {
            return true;
        }
        if (strcmp(err->sqlstate, "42501") == 0) {
            return may_not_create(name, err);
        }
        if (strcmp(err->sqlstate, "23505") != 0 && strncmp(err->sqlstate, "42P0", 4) != 0) {
            return false;
        }
    }
    return false;
}

/* Without a position in the table: it must not stand where we cannot see it. */
static bool
no_hidden_position(PGconn *conn, const char *name, struct err *err)
{
    bool exists;
    if (!origin_exists(conn, name, &exists, err)) {
        return false;
    }
    if (!exists) {
        return true;
    }
    err_set(err, ERR_CONFIG,
        WHAT ": it stands in replication origin '%s', which the role may not use", name);
    return err_hint(err,
        "grant the role EXECUTE on the functions pg_replication_origin_* again, or, "
        "when the origin is left over, drop it by pg_replication_origin_drop");
}

static bool
open_table(PGconn *conn, const char *name, struct origin *o, struct err *err)
{
    bool exists;
    if (!table_exists(conn, &exists, err) || (!exists && !create_table(conn, name, err)) ||
        !take_lock(conn, ROW_LOCK, name, err) || !no_jobs_left(conn, name, err)) {
        return false;
    }
    if (o->marked && (!take_origin(conn, name, err) || !read_origin(conn, &o->stored, err))) {
        return false;
    }
    /* Written, not only read: its commit makes all earlier ones durable. */
    if (!read_position(conn,
            "INSERT INTO tidegate.progress (origin) VALUES ($1) ON CONFLICT (origin)"
            " DO UPDATE SET updated_at = pg_catalog.now() RETURNING position",
            name, &o->stored, err)) {
        return table_is_closed(err);
    }
    if (o->stored == 0 && !o->marked && !no_hidden_position(conn, name, err)) {
        return false;
    }
    return prepare_store(conn, ORIGIN_ROW, err);
}

bool
origin_open(PGconn *conn, const char *name, bool shared, struct origin *out, struct err *err)
{
    *out = (struct origin){0};
    if (!may_use_origins(conn, &out->marked, err)) {
        return false;
    }
    out->native = out->marked && !shared && PQserverVersion(conn) < ABORT_MOVES_ORIGIN;
    return out->native ? open_native(conn, name, out, err) : open_table(conn, name, out, err);
}

bool
origin_join(
    PGconn *conn, const char *name, const struct origin *origin, uint32_t number, struct err *err)
{
    char *own = x_printf("%s" ORIGIN_JOB_SUFFIX "%u", name, number);
    bool ok =
        jobs_lock(conn, "SELECT pg_catalog.pg_try_advisory_lock_shared(" LOCK_KEY ")", name, err) &&
        (!origin->marked || take_origin(conn, own, err)) && prepare_store(conn, ORIGIN_ROW, err);
    x_free(own);
    return ok;
}
