/* SPDX-License-Identifier: Apache-2.0
 *
 * A session reads the database's settings when it starts. So: change the setting, take the time,
 * and end every session that started before that time; those that start later are born read-only.
 */
#include "agent/pipeline/fence.h"

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/failpoint.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pipeline/two_phase.h"

#define SETTING       "default_transaction_read_only"
#define ROUND_WAIT_US 20000

/* Sessions of the application in this database; part of a printf format. $1: exempt names, an
 * array. */
#define THEIR_SESSIONS                                                                             \
    " FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"              \
    " AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend'"                  \
    " AND NOT (usename = CURRENT_USER AND application_name LIKE 'tidegate%%')"                     \
    " AND NOT (application_name = ANY ($1::text[]) OR usename = ANY ($1::text[]))"

static bool
open_source(const struct config *config, PGconn **out, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate fence", .timeout_us = config->network.timeout_us};
    return pg_connect(config->source.dsn, &o, out, err);
}

/* {"a","b"} */
static char *
exempt_array(const struct string_list *names)
{
    struct buf b;
    buf_init(&b, 65536);
    buf_str(&b, "{");
    for (size_t i = 0; i < names->len; i++) {
        buf_str(&b, i ? ",\"" : "\"");
        for (const char *p = names->items[i]; *p; p++) {
            if (*p == '"' || *p == '\\') {
                buf_u8(&b, '\\');
            }
            buf_u8(&b, (uint8_t)*p);
        }
        buf_str(&b, "\"");
    }
    buf_str(&b, "}");
    char *out = x_strdup(buf_cstr(&b));
    buf_done(&b);
    return out;
}

static bool
alter_database(PGconn *conn, const char *value, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "ALTER DATABASE ");
    sql_ident(&sql, PQdb(conn));
    if (value) {
        buf_str(&sql, " SET " SETTING " = ");
        sql_literal(&sql, value);
    } else {
        buf_str(&sql, " RESET " SETTING);
    }
    bool ok = pg_exec(conn, "set the database's " SETTING, buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

/* What the database's own setting was before us: a value, or "" for none. */
static bool
remember_setting(PGconn *conn, struct store *store, struct err *err)
{
    char *state = NULL;
    if (!store_get(store, "fence", &state, err)) {
        return false;
    }
    bool raised = state && strcmp(state, "raised") == 0;
    x_free(state);
    if (raised) {
        return true; /* the setting there now is our own */
    }
    PGresult *res = NULL;
    if (!pg_query(conn, "read the database's settings",
            "SELECT pg_catalog.split_part(c, '=', 2) FROM pg_catalog.pg_db_role_setting s"
            " JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,"
            " pg_catalog.unnest(setconfig) c"
            " WHERE s.setrole = 0 AND d.datname = pg_catalog.current_database()"
            " AND c LIKE '" SETTING "=%'",
            0, NULL, &res, err)) {
        return false;
    }
    const char *keys[] = {"fence", "fence_setting_before"};
    const char *values[] = {"raised", PQntuples(res) ? pg_str(res, 0, 0) : ""};
    bool ok = store_set_many(store, keys, values, 2, err);
    PQclear(res);
    return ok;
}

static bool
source_time(PGconn *conn, int64_t *offset_us, char **stamp, struct err *err)
{
    int64_t before = clock_wall_us(&clock_system);
    PGresult *res = NULL;
    if (!pg_query(conn, "read the source's clock",
            "SELECT pg_catalog.clock_timestamp(),"
            " (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint",
            0, NULL, &res, err)) {
        return false;
    }
    int64_t after = clock_wall_us(&clock_system);
    *stamp = x_strdup(pg_str(res, 0, 0));
    *offset_us = pg_i64(res, 0, 1) - (before + after) / 2;
    PQclear(res);
    return true;
}

/* One round: tells every session of before to end; *left is how many were there. */
static bool
end_sessions(PGconn *conn, const char *exempt, const char *condition, const char *stamp,
    uint32_t *left, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_printf(
        &sql, "SELECT pg_catalog.pg_terminate_backend(pid)" THEIR_SESSIONS " AND %s", condition);
    const char *params[] = {exempt, stamp};
    PGresult *res = NULL;
    bool ok = pg_query(conn, "end sessions", buf_cstr(&sql), 2, params, &res, err);
    if (ok) {
        *left = (uint32_t)PQntuples(res);
    } else if (err->class == ERR_CONFIG) {
        err_hint(err,
            "grant pg_signal_backend to the role of the source connection, exempt the session by "
            "cutover.exempt, or stop the writers yourself and use --no-fence");
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

struct round {
    const char *exempt, *stamp;
    int64_t deadline_us; /* monotonic */
    const struct stop *stop;
};

static bool
end_all_of_before(PGconn *conn, const struct round *r, uint32_t *ended, struct err *err)
{
    *ended = 0;
    for (bool first = true;; first = false) {
        uint32_t left = 0;
        if (!end_sessions(
                conn, r->exempt, "backend_start <= $2::timestamptz", r->stamp, &left, err)) {
            return false;
        }
        *ended = first ? left : *ended;
        if (left == 0) {
            return true;
        }
        if (clock_mono_us(&clock_system) > r->deadline_us) {
            return err_set(err, ERR_RETRY, "fence: %u sessions did not end in time", left);
        }
        if (stop_sleep(r->stop, ROUND_WAIT_US)) {
            return err_set(err, ERR_CANCELLED, "fence: stopped");
        }
    }
}

bool
fence_check(const struct config *config, struct store *store, struct err *err)
{
    PGconn *conn = NULL;
    PGresult *res = NULL;
    bool ok = open_source(config, &conn, err) && two_phase_at_targets(config, store, NULL, err) &&
              pg_query(conn, "read rights",
                  "SELECT pg_catalog.pg_has_role(d.datdba, 'USAGE'),"
                  " r.rolsuper OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')"
                  " FROM pg_catalog.pg_database d, pg_catalog.pg_roles r"
                  " WHERE d.datname = pg_catalog.current_database() AND r.rolname = CURRENT_USER",
                  0, NULL, &res, err);
    if (ok && !(pg_bool(res, 0, 0) && pg_bool(res, 0, 1))) {
        ok = err_set(err, ERR_CONFIG, "the source's role may not raise the fence: it must %s",
            pg_bool(res, 0, 0) ? "be a member of pg_signal_backend" : "own the database");
        err_hint(err, "grant that right, or stop the writers yourself and use --no-fence");
    }
    PQclear(res);
    PQfinish(conn);
    return ok;
}

bool
fence_raise(const struct config *config, struct store *store, int64_t deadline_us,
    const struct stop *stop, struct fence_result *out, struct err *err)
{
    *out = (struct fence_result){0};
    PGconn *conn = NULL;
    char *exempt = exempt_array(&config->cutover.exempt);
    char *stamp = NULL;
    bool ok = open_source(config, &conn, err) && remember_setting(conn, store, err);
    FAILPOINT("fence.remembered");
    out->raised_us = clock_wall_us(&clock_system);
    ok = ok && alter_database(conn, "on", err) &&
         source_time(conn, &out->clock_offset_us, &stamp, err) &&
         store_set(store, "fence_stamp", stamp, err);
    FAILPOINT("fence.raised");
    struct round round = {
        .exempt = exempt, .stamp = stamp, .deadline_us = deadline_us, .stop = stop};
    ok = ok && end_all_of_before(conn, &round, &out->ended, err);
    x_free(exempt);
    x_free(stamp);
    PQfinish(conn);
    return ok;
}

static bool
lift(const struct config *config, struct store *store, const char *before, struct err *err)
{
    PGconn *conn = NULL;
    char *stamp = NULL;
    char *exempt = exempt_array(&config->cutover.exempt);
    uint32_t ended = 0;
    bool ok = open_source(config, &conn, err) &&
              alter_database(conn, before && before[0] ? before : NULL, err) &&
              store_get(store, "fence_stamp", &stamp, err) &&
              (!stamp || end_sessions(
                             conn, exempt, "backend_start >= $2::timestamptz", stamp, &ended, err));
    PQfinish(conn);
    x_free(stamp);
    x_free(exempt);
    return ok && store_set(store, "fence", "lifted", err);
}

bool
fence_lift(const struct config *config, struct store *store, struct err *err)
{
    char *state = NULL, *before = NULL;
    bool ok = store_get(store, "fence", &state, err) &&
              store_get(store, "fence_setting_before", &before, err);
    if (ok && state && strcmp(state, "raised") == 0) {
        ok = lift(config, store, before, err);
    }
    x_free(state);
    x_free(before);
    return ok;
}
