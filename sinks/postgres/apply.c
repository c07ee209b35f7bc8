/* SPDX-License-Identifier: Apache-2.0
 *
 * A commit is sent only after every row before it was answered with its right count. The server
 * would commit a transaction that missed a row as gladly as any other, and its position with it.
 * This costs one round trip per target transaction, which is what grouping is for. It is not waited
 * for: COMMIT and the next BEGIN are owed (pipe_owe) while the next rows are collected.
 *
 * Where transactions are small and not grouped, the round trip would be a good part of the work,
 * and of the delay of a target that has caught up. Their statements have the server count the rows
 * (rows_flush_last): a wrong number is an error there, behind which it takes nothing up to the next
 * sync, the COMMIT included. The last of them stores the position, too, which saves a statement.
 * The COMMIT then follows without waiting, unless a sync is unanswered: a COMMIT
 * in front of that may have failed (deferred constraints), and what comes behind would be committed
 * with a position that passes over what was lost.
 *
 * Durability: the session commits asynchronously; once per second what was committed is flushed.
 * With an origin by asking for its flushed progress, with the table by a commit with
 * synchronous_commit on. (The latter would not do for an origin: a commit whose transaction wrote
 * nothing else is never flushed.) "Durable" never runs ahead of the position stored in the target,
 * so a restart resumes at or behind what was reported.
 *
 * Every target transaction gets a transaction id, if only from storing the position, because
 * without one no commit record is written and the position would be lost.
 *
 * A source transaction that is cut off (DISCARD) after rows were sent: alone in the target
 * transaction it is rolled back. With complete ones before it nothing can take back the rows alone,
 * so the session ends and the sink is opened again at what the target holds; the feed, cut-off
 * transaction included, comes again from there. So that this gets somewhere, a session begins with
 * a group of one transaction and doubles it at each commit: every session commits at least the
 * first one before it fails.
 */
#include "sinks/postgres/apply.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pg/together.h"
#include "sinks/postgres/group_size.h"
#include "sinks/postgres/inflight.h"
#include "sinks/postgres/isolate.h"
#include "sinks/postgres/origin.h"
#include "sinks/postgres/prepared.h"
#include "sinks/postgres/sql.h"
#include "sinks/postgres/sync_interval.h"

#define BEGIN_NAME          "tg_begin"
#define COMMIT_NAME         "tg_commit"
#define CHAIN_NAME          "tg_chain"
#define ROLLBACK_NAME       "tg_rollback"
#define DURABLE_NAME        "tg_durable"

#define DURABLE_INTERVAL_US 1000000

static bool
can_chain(const PGconn *conn)
{
    return PQserverVersion(conn) >= 120000;
}

bool
apply_prepare(PGconn *conn, struct err *err)
{
    static const struct pg_statement statements[] = {
        {.name = BEGIN_NAME, .sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"},
        {.name = COMMIT_NAME, .sql = "COMMIT"},
        {.name = ROLLBACK_NAME, .sql = "ROLLBACK"},
        {.name = DURABLE_NAME, .sql = "SET LOCAL synchronous_commit TO on"},
        {.name = CHAIN_NAME, .sql = "COMMIT AND CHAIN"},
    };
    size_t n = sizeof statements / sizeof statements[0] - (can_chain(conn) ? 0 : 1);
    return pg_prepare_together(conn, "prepare the session on the target", statements, n, err);
}

void
apply_course_init(struct apply_course *c, const struct sink_params *p, uint64_t resume)
{
    *c = (struct apply_course){
        .clock = &clock_system,
        .seen = resume,
        .durable_sent = resume,
        .group_now = 1,
        /* Row by row, what is refused is the first that is missing: everything before it is
         * committed. */
        .group_max = p->row_by_row || p->group_transactions < 1 ? 1 : p->group_transactions,
        .group_bytes = p->group_bytes,
        .group_time_us = p->group_time_us,
        .group_rows = UINT64_MAX,
    };
    c->durable_us = clock_mono_us(c->clock);
}

bool
apply_init(struct apply *a, struct apply_course *course, PGconn *conn, const struct sink_params *p,
    bool native, struct err *err)
{
    memset(a, 0, sizeof *a);
    a->course = course;
    a->origin = p->origin;
    a->copied = p->copied;
    a->native = native;
    a->chains = can_chain(conn);
    a->isolate = p->row_by_row && p->refusal != SINK_REFUSAL_ENDS;
    a->refusal = p->refusal;
    a->sync_us = clock_mono_us(course->clock);
    int64_t trip_us;
    if (!pg_trip(conn, &trip_us, err)) {
        return false;
    }
    rows_init(&a->rows, &a->pipe, trip_us, p->row_by_row, p->prepared_statements);
    if (!pipe_init(&a->pipe, conn, inflight_bound(p->inflight_bytes, trip_us), err)) {
        return false;
    }
    a->pipe.commit.position = a->pipe.durable = course->seen;
    return true;
}

void
apply_done(struct apply *a)
{
    pipe_done(&a->pipe);
    rows_done(&a->rows);
    memset(a, 0, sizeof *a);
}

static void
owe(struct apply *a, const char *name, const char *label)
{
    struct flight_entry *e = pipe_owe(&a->pipe, name);
    e->kind = name ? FLIGHT_CONTROL : FLIGHT_SYNC;
    e->label = label;
}

bool
apply_open_group(struct apply *a, struct err *err)
{
    (void)err;
    if (a->group.open) {
        return true;
    }
    a->group = (struct apply_group){.open = true, .opened_us = clock_mono_us(a->course->clock)};
    if (a->chains && pipe_chain(&a->pipe, CHAIN_NAME)) {
        return true;
    }
    owe(a, BEGIN_NAME, "open a transaction on the target");
    return true;
}

static bool
store_position(struct apply *a, const struct origin_values *v, struct err *err)
{
    const char *values[ORIGIN_VALUES_MAX];
    int lengths[ORIGIN_VALUES_MAX];
    static const int formats[ORIGIN_VALUES_MAX] = {1, 1, 1};
    for (uint32_t i = 0; i < v->place; i++) {
        values[i] = origin_value(v, i, &lengths[i]);
    }
    struct flight_entry *e = pipe_next(&a->pipe, 80, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_ROW;
    e->counted = true;
    e->stores = v->place == ORIGIN_ROW;
    e->label = "store the position on the target";
    return pipe_execute(&a->pipe,
        &(struct pipe_statement){ORIGIN_STORE, (int)v->place, values, lengths, formats}, err);
}

static void
owe_commit(struct apply *a, bool durable)
{
    struct flight_entry *e = pipe_owe(&a->pipe, COMMIT_NAME);
    e->kind = FLIGHT_COMMIT;
    e->commit = (struct flight_commit){
        .position = a->group.position,
        .commit_us = a->group.commit_us,
        .transactions = a->group.transactions,
        .rows = a->group.rows,
        .durable = durable,
    };
}

static void
sync_when_due(struct apply *a, int64_t now, bool at_once)
{
    if (at_once || now - a->sync_us >= sync_interval_us(a->rows.trip_us)) {
        a->sync_us = now;
        owe(a, NULL, "answer of the target");
    }
}

/* After a commit: what was committed so far is made durable. */
static void
owe_flush(struct apply *a)
{
    struct flight_entry *e = pipe_owe(&a->pipe, ORIGIN_FLUSH);
    e->kind = FLIGHT_FLUSHED;
    e->label = "make the target flush";
    e->commit.position = a->group.position;
}

/* Rows, position, answers to all of them, and only then the commit: rows held back go first, and
 * when they are few their last statement takes the position along. */
static bool
send_group(struct apply *a, bool durable, struct err *err)
{
    struct origin_values position = origin_values(
        a->native ? ORIGIN_NATIVE : ORIGIN_ROW, a->origin, a->group.position, a->group.commit_us);
    bool stored = false;
    if (!rows_flush_last(&a->rows, &position, &stored, err)) {
        return false;
    }
    bool synchronous = durable && !a->native;
    if (synchronous && !pipe_control(&a->pipe, DURABLE_NAME, "ask the target for a flush", err)) {
        return false;
    }
    if (!stored && !store_position(a, &position, err)) {
        return false;
    }
    owe_commit(a, synchronous);
    if (durable && a->native) {
        owe_flush(a);
    }
    return true;
}

void
apply_end_group(struct apply *a)
{
    if (!a->group.full) {
        a->group.full = true;
        a->group.position = a->course->seen;
        a->group.commit_us = a->course->seen_commit_us;
    }
}

/* What is not answered may only be so much: to hand a group over takes as long as the target works
 * on one, as soon as it is behind. Groups on several connections have a pace of their own. */
static void
grow(struct apply *a)
{
    struct apply_course *c = a->course;
    int64_t now = clock_mono_us(c->clock);
    int64_t began = a->group.opened_us > a->sent_us ? a->group.opened_us : a->sent_us;
    c->group_now = group_size_next(c->group_now, c->group_max, a->group.transactions, now - began,
        a->waits ? 0 : c->group_time_us);
    a->sent_us = now;
}

bool
apply_commit_group(struct apply *a, bool at_once, struct err *err)
{
    struct apply_course *c = a->course;
    int64_t now = clock_mono_us(c->clock);
    bool durable = at_once || a->group.durable || now - c->durable_us >= DURABLE_INTERVAL_US;
    apply_end_group(a);
    if (!send_group(a, durable, err)) {
        return false;
    }
    if (durable) {
        c->durable_sent = a->group.position;
        c->durable_us = now;
    }
    grow(a);
    a->upserted += a->group.upserted;
    a->group = (struct apply_group){0};
    /* A flush stands outside of transactions: the sync behind it ends what it began. */
    sync_when_due(a, now, durable);
    return true;
}

static bool
put_row(struct apply *a, const struct change *c, bool upsert, struct err *err)
{
    size_t bytes = 0;
    bool ok = upsert ? rows_upsert(&a->rows, c, &bytes, err) : rows_put(&a->rows, c, &bytes, err);
    if (!ok) {
        return false;
    }
    a->source_rows++;
    a->group.rows++;
    a->group.bytes += bytes;
    return true;
}

static bool
send_emptying(struct apply *a, const struct change *c, const struct sql_table *first,
    struct buf *sql, struct err *err)
{
    bool ok = buf_ok(sql, "truncate", err);
    struct flight_entry *e = ok ? pipe_next(&a->pipe, sql->len + 64, err) : NULL;
    if (e) {
        e->kind = FLIGHT_TRUNCATE;
        e->op = CHANGE_TRUNCATE;
        e->position = c->position;
        e->relation = first->relation;
        ok = pipe_sql(&a->pipe, buf_cstr(sql), err);
    }
    return ok && e;
}

/* TRUNCATE wants every table that refers to one of these, or takes it along with CASCADE. */
static bool
send_truncate(struct apply *a, const struct change *c, const struct sql_table *tables, uint32_t len,
    struct err *err)
{
    struct buf sql;
    bool ok = true;
    buf_init(&sql, (size_t)1 << 24);
    if (!c->partial) {
        sql_truncate(tables, len, c->cascade, c->restart_identity, &sql);
        ok = send_emptying(a, c, &tables[0], &sql, err);
    }
    for (uint32_t i = 0; c->partial && ok && i < len; i++) {
        buf_reset(&sql);
        sql_delete_all(&tables[i], &sql);
        ok = send_emptying(a, c, &tables[0], &sql, err);
    }
    buf_done(&sql);
    return ok;
}

/* Tables that the target does not have are left out: there is nothing to empty. A lookup may drop
 * what an earlier one found, so names come from the feed's relations, and the one that the flight
 * entry keeps is looked up last. */
static bool
put_truncate(struct apply *a, const struct change *c, struct err *err)
{
    if (!rows_flush(&a->rows, err)) {
        return false;
    }
    struct sql_table *tables = x_malloc((c->truncated_len + 1u) * sizeof *tables);
    uint32_t len = 0;
    bool ok = true;
    for (uint32_t i = 0; ok && i < c->truncated_len; i++) {
        const struct cache_table *t = cache_table(&a->rows.cache, &a->pipe, c->truncated[i], err);
        ok = t != NULL;
        if (ok && t->target.present) {
            tables[len++] = (struct sql_table){c->truncated[i], t->target.kind};
        }
    }
    if (ok && len > 0) {
        const struct cache_table *t =
            cache_table(&a->rows.cache, &a->pipe, tables[0].relation, err);
        tables[0].relation = t ? t->relation : NULL;
        ok = t && send_truncate(a, c, tables, len, err);
        a->source_rows++;
    }
    x_free(tables);
    return ok;
}

bool
apply_put(struct apply *a, const struct change *c, bool upsert, struct err *err)
{
    return c->kind == CHANGE_TRUNCATE ? put_truncate(a, c, err) : put_row(a, c, upsert, err);
}

static bool
apply_row(struct apply *a, const struct change *c, struct err *err)
{
    return apply_open_group(a, err) &&
           (a->isolate ? isolate_change(a, c, err) : apply_put(a, c, false, err));
}

static bool
handed_over_again(const struct apply *a, const struct change *c, struct err *err)
{
    char at[POSITION_SIZE], seen[POSITION_SIZE];
    return err_set(err, ERR_FATAL,
        "transaction at %s was handed over although the target holds everything up to %s",
        position_format((struct position){.commit = c->position.commit}, at),
        position_format((struct position){.commit = a->course->seen}, seen));
}

static bool
source_begin(struct apply *a, const struct change *c, struct err *err)
{
    a->in_source = true;
    a->source_rows = 0;
    a->prepared.active = c->gid != NULL;
    return !a->prepared.active || prepared_begin(a, c, err);
}

static bool
source_prepared(struct apply *a, const struct change *c, struct err *err)
{
    a->in_source = false;
    if (c->position.commit <= a->course->seen || !a->prepared.active) {
        return handed_over_again(a, c, err);
    }
    a->prepared.active = false;
    return prepared_end(a, c, err);
}

static bool
is_full(const struct apply_group *g, const struct apply_course *c)
{
    return g->ddl || g->transactions >= c->group_now || g->bytes >= c->group_bytes ||
           g->rows >= c->group_rows;
}

static bool
source_commit(struct apply *a, const struct change *c, struct err *err)
{
    struct apply_course *course = a->course;
    a->in_source = false;
    bool passed_over = a->prepared.active && a->prepared.there;
    a->prepared.active = false;
    if (passed_over || (a->source_rows > 0 && c->position.commit <= course->seen)) {
        return handed_over_again(a, c, err);
    }
    if (c->position.commit > course->seen) {
        course->seen = c->position.commit;
        course->seen_commit_us = c->commit_us;
    }
    if (!a->group.open) {
        course->empty++;
        return true;
    }
    a->group.transactions++;
    if (!is_full(&a->group, course)) {
        return true;
    }
    if (a->waits) {
        apply_end_group(a);
        return true;
    }
    /* A commit that is refused is an error of this very call when changes go one by one. */
    return apply_commit_group(a, false, err) && (!a->isolate || pipe_drain(&a->pipe, err));
}

static bool
source_discard(struct apply *a, struct err *err)
{
    bool rows = a->in_source && a->source_rows > 0;
    a->in_source = a->prepared.active = false;
    if (!rows) {
        return true;
    }
    if (a->group.transactions > 0) {
        /* The commits sent before must have been done, or the next session would be no further. */
        return pipe_drain(&a->pipe, err) &&
               err_set(err, ERR_RECONNECT,
                   "transaction was cut off at the source, and earlier ones are "
                   "not yet committed on the target");
    }
    bool ddl = a->group.ddl;
    rows_drop(&a->rows);
    a->group = (struct apply_group){0};
    return pipe_control(
               &a->pipe, ROLLBACK_NAME, "roll back a transaction cut off at the source", err) &&
           (!ddl || cache_forget(&a->rows.cache, &a->pipe, err));
}

static bool
misplaced(const struct change *c, struct err *err)
{
    char at[POSITION_SIZE];
    return err_set(err, ERR_FATAL, "feed is out of order: '%s' at %s", change_kind_name(c->kind),
        position_format(c->position, at));
}

bool
apply_change(struct apply *a, const struct change *c, struct err *err)
{
    bool outside = c->kind == CHANGE_BEGIN || c->kind == CHANGE_MARK;
    bool anywhere = c->kind == CHANGE_DISCARD || c->kind == CHANGE_MESSAGE;
    if (!anywhere && a->in_source == outside) {
        return misplaced(c, err);
    }
    if (a->prepared.active && a->prepared.there &&
        (c->kind == CHANGE_INSERT || c->kind == CHANGE_UPDATE || c->kind == CHANGE_DELETE ||
            c->kind == CHANGE_TRUNCATE)) {
        return true; /* its rows are in the prepared transaction */
    }
    switch (c->kind) {
    case CHANGE_BEGIN:
        return source_begin(a, c, err);
    case CHANGE_COMMIT:
        return source_commit(a, c, err);
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
        return source_prepared(a, c, err);
    case CHANGE_DISCARD:
        return source_discard(a, err);
    case CHANGE_MARK:
        a->course->seen =
            c->position.commit > a->course->seen ? c->position.commit : a->course->seen;
        return true;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
        return apply_row(a, c, err);
    case CHANGE_MESSAGE:
        return true;
    }
    return misplaced(c, err);
}

bool
apply_flush(struct apply *a, struct err *err)
{
    if (!a->in_source && a->group.open) {
        a->sync_us = 0; /* nothing more is coming: a good time for it */
        if (!apply_commit_group(a, false, err)) {
            return false;
        }
    }
    /* Inside a source transaction: there is time to send what was held back. */
    return rows_flush(&a->rows, err) && pipe_push(&a->pipe, err);
}

bool
apply_idle_due(const struct apply *a, bool now)
{
    const struct apply_course *c = a->course;
    bool behind = a->group.open || c->durable_sent < c->seen;
    bool late = !a->group.open && clock_mono_us(c->clock) - c->durable_us >= DURABLE_INTERVAL_US;
    return !a->in_source && behind && (now || late);
}

bool
apply_idle(struct apply *a, bool now, struct err *err)
{
    if (!apply_idle_due(a, now)) {
        return true;
    }
    return apply_open_group(a, err) && apply_commit_group(a, true, err) && pipe_push(&a->pipe, err);
}

void
apply_progress(const struct apply *a, struct sink_progress *out)
{
    const struct flight_commit *c = &a->pipe.commit;
    const struct apply_course *course = a->course;
    /* With no commit under way and no complete transaction held back, positions passed without work
     * count as applied, too. */
    bool all = pipe_commits(&a->pipe) == 0 && a->group.transactions == 0;
    *out = (struct sink_progress){
        .applied = all ? course->seen : c->position,
        .durable = a->pipe.durable,
        .applied_commit_us = all && course->seen_commit_us ? course->seen_commit_us : c->commit_us,
        .transactions = c->transactions + course->empty,
        .rows = c->rows,
        .upserted = a->upserted,
    };
}
