/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens the session, in this order: settings, position (taken for this session, then read),
 * prepared statements, pipeline mode. From then on everything goes through apply.c.
 */
#include "sinks/postgres/sink.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "sinks/postgres/apply.h"
#include "sinks/postgres/ddl.h"
#include "sinks/postgres/origin.h"
#include "sinks/postgres/replay.h"
#include "sinks/postgres/session.h"

struct postgres_sink {
    struct sink base;
    PGconn *conn;
    struct apply apply;
};

static struct postgres_sink *
of(struct sink *s)
{
    return (struct postgres_sink *)s;
}

static bool
open_session(struct postgres_sink *s, const struct sink_params *p, uint64_t start, uint64_t *resume,
    struct err *err)
{
    struct origin origin;
    if (!session_settings(s->conn, p, err)) {
        return false;
    }
    if (!origin_open(s->conn, p->origin, &origin, err) ||
        !pg_exec(
            s->conn, "set up the session on the target", "SET synchronous_commit TO off", err) ||
        !apply_prepare(s->conn, err) || !target_prepare(s->conn, err)) {
        return false;
    }
    /* What lies before the copy is in the copy. */
    *resume = origin.stored > start ? origin.stored : start;
    return apply_init(&s->apply, s->conn, p, origin.native, *resume, err);
}

static void
postgres_free(struct sink *base)
{
    struct postgres_sink *s = of(base);
    if (!s) {
        return;
    }
    apply_done(&s->apply);
    PQfinish(s->conn);
    x_free(s);
}

static bool
postgres_open(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
    struct err *err)
{
    struct postgres_sink *s = x_zalloc(sizeof *s);
    s->base.ops = &sink_postgresql_ops;
    char *application = x_printf("tidegate sink %s", p->name);
    struct pg_options options = {
        .application_name = application, .bytes = true, .timeout_us = p->timeout_us};
    bool ok = pg_connect(p->dsn, &options, &s->conn, err);
    x_free(application);
    if (!ok || !open_session(s, p, start, resume, err)) {
        postgres_free(&s->base);
        return false;
    }
    *out = &s->base;
    return true;
}

static bool
postgres_apply(struct sink *s, const struct change *c, struct err *err)
{
    return apply_change(&of(s)->apply, c, err);
}

static bool
postgres_ddl(struct sink *s, const struct sink_ddl *d, struct err *err)
{
    return ddl_execute(&of(s)->apply, d, err);
}

static bool
postgres_table(struct sink *s, const struct relation *r, struct arena *arena,
    struct sink_table *out, struct err *err)
{
    return ddl_table(&of(s)->apply, r, arena, out, err);
}

static bool
postgres_flush(struct sink *s, struct err *err)
{
    return apply_flush(&of(s)->apply, err);
}

static bool
postgres_poll(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err)
{
    struct apply *a = &of(s)->apply;
    if (!apply_idle(a, false, err) || !pipe_turn(&a->pipe, timeout_ms, err)) {
        return false;
    }
    apply_progress(a, out);
    return true;
}

static bool
postgres_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    struct apply *a = &of(s)->apply;
    if (!apply_idle(a, true, err) || !pipe_drain(&a->pipe, err)) {
        return false;
    }
    apply_progress(a, out);
    return true;
}

static int
postgres_fd(const struct sink *s)
{
    return PQsocket(((const struct postgres_sink *)s)->conn);
}

static bool
postgres_undone(const struct sink *s)
{
    return ((const struct postgres_sink *)s)->apply.undone;
}

const struct sink_ops sink_postgresql_ops = {
    .name = "postgresql",
    .summary = "applies changes to tables of a PostgreSQL database, exactly once",
    .features = SINK_OWNS_POSITION | SINK_TRUNCATE,
    .open = postgres_open,
    .apply = postgres_apply,
    .ddl = postgres_ddl,
    .table = postgres_table,
    .flush = postgres_flush,
    .poll = postgres_poll,
    .sync = postgres_sync,
    .fd = postgres_fd,
    .free = postgres_free,
    .undone = postgres_undone,
    .replay = &replay_postgresql_ops,
};
