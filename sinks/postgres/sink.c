/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens each connection in this order: settings, position (taken for this session, then read),
 * prepared statements, pipeline mode. From then on everything goes through apply.c, or through
 * parallel.c when there are several.
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
#include "sinks/postgres/parallel.h"
#include "sinks/postgres/replay.h"
#include "sinks/postgres/session.h"

struct postgres_sink {
    struct sink base;
    struct apply_course course;
    struct parallel_job jobs[TURNS_JOBS_MAX];
    uint32_t jobs_len;        /* open ones */
    struct parallel parallel; /* with more than one */
};

static struct postgres_sink *
of(struct sink *s)
{
    return (struct postgres_sink *)s;
}

static struct apply *
first(struct sink *s)
{
    return &of(s)->jobs[0].apply;
}

static bool
is_parallel(const struct sink *s)
{
    return ((const struct postgres_sink *)s)->jobs_len > 1;
}

static bool
connect_job(struct parallel_job *job, const struct sink_params *p, struct err *err)
{
    char *application = x_printf("tidegate sink %s", p->name);
    struct pg_options options = {
        .application_name = application, .bytes = true, .timeout_us = p->timeout_us};
    bool ok = pg_connect(p->dsn, &options, &job->conn, err);
    x_free(application);
    return ok && session_settings(job->conn, p, err);
}

/* With the position taken. */
static bool
ready_job(struct postgres_sink *s, const struct sink_params *p, bool native, struct err *err)
{
    struct parallel_job *job = &s->jobs[s->jobs_len];
    bool ok = pg_exec(job->conn, "set up the session on the target",
                  "SET synchronous_commit TO off", err) &&
              apply_prepare(job->conn, err) && target_prepare(job->conn, err) &&
              apply_init(&job->apply, &s->course, job->conn, p, native, err);
    s->jobs_len += ok;
    return ok;
}

static bool
open_more(struct postgres_sink *s, const struct sink_params *p, uint32_t jobs,
    const struct origin *origin, struct err *err)
{
    for (uint32_t i = 1; i < jobs; i++) {
        if (!connect_job(&s->jobs[i], p, err) ||
            !origin_join(s->jobs[i].conn, p->origin, origin, i + 1, err) ||
            !ready_job(s, p, false, err)) {
            return err_wrap(err, "connection %u of %u to the target (apply_jobs)", i + 1, jobs);
        }
    }
    return jobs == 1 || parallel_init(&s->parallel, s->jobs, jobs, &s->course, err);
}

static bool
open_all(struct postgres_sink *s, const struct sink_params *given, uint64_t start, uint64_t *resume,
    struct err *err)
{
    struct sink_params p = *given;
    struct origin origin;
    /* Row by row there is one after the other. The position stays where it is then. */
    bool shared = p.apply_jobs > 1;
    uint32_t jobs = !shared || p.row_by_row ? 1 : p.apply_jobs;
    jobs = jobs < TURNS_JOBS_MAX ? jobs : TURNS_JOBS_MAX;
    p.prepared_statements /= jobs;
    if (!connect_job(&s->jobs[0], &p, err) ||
        !origin_open(s->jobs[0].conn, p.origin, shared, &origin, err)) {
        return false;
    }
    /* What lies before the copy is in the copy. */
    *resume = origin.stored > start ? origin.stored : start;
    apply_course_init(&s->course, &p, *resume);
    return ready_job(s, &p, origin.native, err) && open_more(s, &p, jobs, &origin, err);
}

static void
postgres_free(struct sink *base)
{
    struct postgres_sink *s = of(base);
    if (!s) {
        return;
    }
    parallel_done(&s->parallel);
    for (uint32_t i = 0; i < TURNS_JOBS_MAX; i++) {
        apply_done(&s->jobs[i].apply);
        PQfinish(s->jobs[i].conn);
    }
    x_free(s);
}

static bool
postgres_open(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
    struct err *err)
{
    struct postgres_sink *s = x_zalloc(sizeof *s);
    s->base.ops = &sink_postgresql_ops;
    if (!open_all(s, p, start, resume, err)) {
        postgres_free(&s->base);
        return false;
    }
    *out = &s->base;
    return true;
}

static bool
postgres_apply(struct sink *s, const struct change *c, struct err *err)
{
    return is_parallel(s) ? parallel_change(&of(s)->parallel, c, err)
                          : apply_change(first(s), c, err);
}

static bool
postgres_ddl(struct sink *s, const struct sink_ddl *d, struct err *err)
{
    return is_parallel(s) ? parallel_ddl(&of(s)->parallel, d, err) : ddl_execute(first(s), d, err);
}

static bool
postgres_table(struct sink *s, const struct relation *r, struct arena *arena,
    struct sink_table *out, struct err *err)
{
    return is_parallel(s) ? parallel_table(&of(s)->parallel, r, arena, out, err)
                          : ddl_table(first(s), r, arena, out, err);
}

static bool
postgres_flush(struct sink *s, struct err *err)
{
    return is_parallel(s) ? parallel_flush(&of(s)->parallel, err) : apply_flush(first(s), err);
}

static bool
postgres_poll(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err)
{
    if (is_parallel(s)) {
        return parallel_poll(&of(s)->parallel, timeout_ms, out, err);
    }
    struct apply *a = first(s);
    if (!apply_idle(a, false, err) || !pipe_turn(&a->pipe, timeout_ms, err)) {
        return false;
    }
    apply_progress(a, out);
    return true;
}

static bool
postgres_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    if (is_parallel(s)) {
        return parallel_sync(&of(s)->parallel, out, err);
    }
    struct apply *a = first(s);
    if (!apply_idle(a, true, err) || !pipe_drain(&a->pipe, err)) {
        return false;
    }
    apply_progress(a, out);
    return true;
}

static int
postgres_fd(const struct sink *base)
{
    const struct postgres_sink *s = (const struct postgres_sink *)base;
    return is_parallel(base) ? s->parallel.fd : PQsocket(s->jobs[0].conn);
}

static bool
postgres_undone(const struct sink *s)
{
    return ((const struct postgres_sink *)s)->jobs[0].apply.undone;
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
