/* SPDX-License-Identifier: Apache-2.0
 *
 * A session of its own, with the same settings as the sink's, that neither takes nor moves the
 * sink's position. It commits with synchronous_commit on: what is reported as applied is durable.
 */
#include "sinks/postgres/replay.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "sinks/postgres/apply.h"
#include "sinks/postgres/isolate.h"
#include "sinks/postgres/session.h"

#define WHAT "open a session for dead letters on the target"

static const char table_sql[] =
    "CREATE SCHEMA IF NOT EXISTS tidegate;"
    "CREATE TABLE IF NOT EXISTS tidegate.replayed (token text PRIMARY KEY, origin text NOT NULL,"
    " at timestamptz NOT NULL DEFAULT pg_catalog.now())";

struct postgres_replay {
    struct sink_replay base;
    PGconn *conn;
    struct apply_course course;
    struct apply apply;
    char *origin;
};

static struct postgres_replay *
of(struct sink_replay *s)
{
    return (struct postgres_replay *)s;
}

static void
replay_free(struct sink_replay *base)
{
    struct postgres_replay *s = of(base);
    if (s) {
        apply_done(&s->apply);
        PQfinish(s->conn);
        x_free(s->origin);
        x_free(s);
    }
}

/* Not by IF NOT EXISTS alone, which asks for rights even where everything is there. */
static bool
make_table(struct postgres_replay *s, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(s->conn, WHAT, "SELECT pg_catalog.to_regclass('tidegate.replayed') IS NULL", 0,
            NULL, &res, err)) {
        return false;
    }
    bool missing = pg_bool(res, 0, 0);
    PQclear(res);
    if (!missing || pg_exec(s->conn, WHAT, table_sql, err)) {
        return true;
    }
    if (strcmp(err->sqlstate, "42501") == 0) {
        err_hint(err, "grant the role CREATE on the target's database");
    }
    return false;
}

/* Two at once could both apply a letter, when one takes the token away that the other looks for. */
static bool
lock_replay(struct postgres_replay *s, struct err *err)
{
    PGresult *res = NULL;
    const char *params[1] = {s->origin};
    if (!pg_query(s->conn, WHAT,
            "SELECT pg_catalog.pg_try_advisory_lock("
            "pg_catalog.hashtextextended('tidegate replay ' || $1, 0))",
            1, params, &res, err)) {
        return false;
    }
    bool locked = pg_bool(res, 0, 0);
    PQclear(res);
    return locked || err_set(err, ERR_RETRY, "another replay of dead letters is running");
}

static bool
prepare_session(struct postgres_replay *s, const struct sink_params *p, struct err *err)
{
    struct sink_params alone = *p;
    alone.row_by_row = true;
    if (alone.refusal == SINK_REFUSAL_ENDS) {
        alone.refusal = SINK_REFUSAL_UNDONE;
    }
    apply_course_init(&s->course, &alone, 0);
    return session_settings(s->conn, p, err) && lock_replay(s, err) && make_table(s, err) &&
           apply_prepare(s->conn, err) && target_prepare(s->conn, err) &&
           apply_init(&s->apply, &s->course, s->conn, &alone, false, err);
}

static bool
replay_open(const struct sink_params *p, struct sink_replay **out, struct err *err)
{
    struct postgres_replay *s = x_zalloc(sizeof *s);
    s->base.ops = &replay_postgresql_ops;
    s->origin = x_strdup(p->origin);
    char *application = x_printf("tidegate replay %s", p->name);
    struct pg_options options = {
        .application_name = application, .bytes = true, .timeout_us = p->timeout_us};
    bool ok = pg_connect(p->dsn, &options, &s->conn, err);
    x_free(application);
    if (!ok || !prepare_session(s, p, err)) {
        replay_free(&s->base);
        return false;
    }
    *out = &s->base;
    return true;
}

/* Waits until everything sent is answered well. */
static bool
settle(struct apply *a, struct err *err)
{
    return pipe_sync(&a->pipe, err) && pipe_drain(&a->pipe, err);
}

static bool
write_token(struct postgres_replay *s, const char *token, bool *before, struct err *err)
{
    struct pipe *p = &s->apply.pipe;
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "INSERT INTO tidegate.replayed (token, origin) VALUES (");
    sql_literal(&sql, token);
    buf_str(&sql, ", ");
    sql_literal(&sql, s->origin);
    buf_str(&sql, ") ON CONFLICT (token) DO NOTHING RETURNING token");
    bool ok = buf_ok(&sql, "note a dead letter", err);
    struct flight_entry *e = ok ? pipe_next(p, sql.len + 64, err) : NULL;
    if (e) {
        e->kind = FLIGHT_QUERY;
        e->label = "note a dead letter on the target";
        ok = pipe_sql(p, buf_cstr(&sql), err) && settle(&s->apply, err);
    }
    buf_done(&sql);
    *before = ok && e && PQntuples(p->rows) == 0;
    return ok && e;
}

static bool
end(struct apply *a, const char *sql, const char *label, struct err *err)
{
    struct flight_entry *e = pipe_next(&a->pipe, 64, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_CONTROL;
    e->label = label;
    a->group = (struct apply_group){0};
    return pipe_sql(&a->pipe, sql, err) && settle(a, err);
}

/* A constraint that is checked at the commit refuses it: the server has rolled back. */
static bool
commit(struct apply *a, struct err *err)
{
    a->pipe.refused = 0;
    if (end(a, "COMMIT", "commit a dead letter on the target", err)) {
        FAILPOINT("replay.committed");
        return true;
    }
    struct err failed = ERR_INIT;
    if (err->class == ERR_DATA && !pipe_recover(&a->pipe, &failed)) {
        *err = failed;
    }
    return false;
}

static bool
roll_back(struct apply *a, struct err *err)
{
    return end(a, "ROLLBACK", "roll back a dead letter on the target", err);
}

static bool
replay_apply(struct sink_replay *base, const char *token, const struct change *c, bool *before,
    struct err *err)
{
    struct postgres_replay *s = of(base);
    struct apply *a = &s->apply;
    *before = false;
    if (!apply_open_group(a, err) || !write_token(s, token, before, err)) {
        /* Nothing here is about the change. */
        err->class = err->class == ERR_DATA ? ERR_FATAL : err->class;
        return false;
    }
    if (*before) {
        return roll_back(a, err);
    }
    if (isolate_change(a, c, err)) {
        return commit(a, err);
    }
    struct err failed = ERR_INIT;
    if (a->undone && !roll_back(a, &failed)) {
        *err = failed;
    }
    if (!a->undone && err->class == ERR_DATA) {
        err->class = ERR_FATAL;
    }
    return false;
}

static bool
replay_forget(struct sink_replay *base, const char *token, struct err *err)
{
    struct apply *a = &of(base)->apply;
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "DELETE FROM tidegate.replayed WHERE token = ");
    sql_literal(&sql, token);
    bool ok = buf_ok(&sql, "forget a dead letter", err) &&
              end(a, buf_cstr(&sql), "forget a dead letter on the target", err);
    buf_done(&sql);
    return ok;
}

const struct sink_replay_ops replay_postgresql_ops = {
    .open = replay_open,
    .apply = replay_apply,
    .forget = replay_forget,
    .free = replay_free,
};
