/* SPDX-License-Identifier: Apache-2.0
 *
 * The order that makes it exact:
 *
 *   1. the lane has left the table out, and nothing of it is on its way to the target
 *   2. dead letters of the table go: the copy holds what they hold
 *   3. the spool is kept from here on, and only then the snapshot is taken, at P
 *   4. P is noted; the copy is committed with P in the target's ledger; COPIED is noted
 *   5. everything that was prepared but open at P has ended, in front of the horizon
 *   6. the join (agent/pipeline/resync_join.h)
 *
 * Killed anywhere, the next start reads from the store where it was; between the copy's commit and
 * COPIED the ledger tells.
 */
#include "agent/pipeline/resync_job.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/retry.h"
#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pg/slot.h"
#include "agent/pipeline/anchor.h"
#include "agent/pipeline/resync_join.h"
#include "agent/pipeline/resync_letters.h"
#include "agent/pipeline/resync_refusals.h"
#include "agent/pipeline/two_phase.h"
#include "agent/snapshot/table_again.h"
#include "config/names.h"

#define LOOK_US        50000
#define FIRST_RETRY_US 500000
#define SLOTS_FROM     100 /* numbers below are those of the copies of everything */

struct resync_job {
    struct resync_job_options o;
    struct snapshot_options target;
    bool has_target;
    struct stop stop;
    struct thread thread;
    char stage[80];
    atomic_bool ended;
    struct retry retry;
    uint64_t rows;   /* of the copy made last */
    uint32_t failed; /* table whose turn it is after the others */
    uint64_t lane;   /* how far the lane had come when the attempt began */
    struct resync_refusals *refusals;
    pthread_mutex_t lock; /* guards what follows */
    uint32_t oid;
    char error[512];
};

static void
note(struct resync_job *j, uint32_t oid, const char *text)
{
    pthread_mutex_lock(&j->lock);
    j->oid = oid;
    snprintf(j->error, sizeof(j->error), "%.511s", text);
    pthread_mutex_unlock(&j->lock);
}

/* The next table that somebody has asked for; *found false: none is left. */
static bool
next_row(struct resync_job *j, struct resync_row *out, bool *found, struct err *err)
{
    struct resync_row *rows = NULL;
    size_t n = 0;
    *found = false;
    if (!store_resyncs(j->o.store, j->o.sink, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        /* One that was begun comes first: the spool is kept for it. */
        bool better = !*found || rows[i].state > out->state ||
                      (rows[i].state == out->state && out->oid == j->failed);
        if (rows[i].state != RESYNC_STOPPED && better) {
            *out = rows[i];
            *found = true;
        }
    }
    x_free(rows);
    return true;
}

static bool
wait_until_left_out(struct resync_job *j, const struct resync_row *row, struct err *err)
{
    uint64_t generation = store_resyncs_generation(j->o.store);
    for (int64_t waited = 0; !resync_view_left_out(j->o.lane, generation); waited += LOOK_US) {
        if (waited == 40 * LOOK_US) {
            note(j, row->oid, "waits for the sink's own stream, which does not run");
        }
        if (stop_sleep(&j->stop, LOOK_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
    note(j, row->oid, "");
    return true;
}

static bool
open_target(struct resync_job *j, struct err *err)
{
    j->has_target = j->has_target || j->o.target(j->o.arg, &j->target, err);
    j->target.stop = &j->stop;
    return j->has_target;
}

static void
on_waiting(const struct err *why, void *arg)
{
    struct resync_job *j = arg;
    log_err(LOG_WARN, j->stage, why);
    note(j, j->oid, why->text);
}

static void
release_anchor(void *arg)
{
    anchor_release(arg);
}

static bool
move(struct resync_job *j, struct resync_row *row, enum resync_state state, uint64_t sync,
    bool *moved, struct err *err)
{
    row->state = state;
    row->sync = sync;
    return store_resync_move(j->o.store, row, moved, err);
}

static bool
was_identity_changed(struct resync_job *j, uint32_t oid, bool *out, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    if (!store_tables(j->o.store, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *out = rows[i].oid == oid ? rows[i].identity_changed : *out;
    }
    x_free(rows);
    return true;
}

static bool
describe(
    struct resync_job *j, const struct resync_row *row, struct table_again *out, struct err *err)
{
    *out = (struct table_again){.o = j->target,
        .oid = row->oid,
        .schema = row->schema,
        .name = row->name,
        .ours = !row->joins,
        .create = row->create,
        .sync = row->sync};
    return was_identity_changed(j, row->oid, &out->identity_changed, err);
}

/* *row is COPIED then, or *moved is false. */
static bool
copy(struct resync_job *j, struct resync_row *row, bool *moved, struct err *err)
{
    struct anchor anchor = {0};
    struct table_again again;
    char lsn[FORMAT_SIZE];
    if (!describe(j, row, &again, err) ||
        !resync_letters_drop(j->o.store, j->o.keys, &j->o.steps, row, &j->stop, err)) {
        return false;
    }
    resync_view_keep(j->o.lane, spool_appended(j->o.steps.spool));
    if (!two_phase_wait_for_open(j->o.config, &j->stop, on_waiting, j, err) ||
        !anchor_temporary(j->o.config, SLOTS_FROM + j->o.number, &anchor, err)) {
        return false;
    }
    uint64_t sync = again.sync = anchor.slot.consistent_point;
    again.exported = anchor.slot.snapshot;
    log_info(j->stage, "copying '%s.%s' from a snapshot at %s", row->schema, row->name,
        format_lsn(sync, lsn));
    bool ok = move(j, row, RESYNC_COPYING, sync, moved, err);
    FAILPOINT("resync.copying");
    ok = ok && (!*moved || table_again_copy(&again, release_anchor, &anchor, &j->rows, err));
    anchor_release(&anchor);
    FAILPOINT("resync.filled");
    ok = ok && (!*moved || move(j, row, RESYNC_COPIED, sync, moved, err));
    FAILPOINT("resync.copied");
    return ok;
}

/* A copy that was committed before it could be noted. */
static bool
find_copy(struct resync_job *j, struct resync_row *row, bool *moved, struct err *err)
{
    struct table_again again;
    bool done = false;
    if (row->state != RESYNC_COPYING) {
        return true;
    }
    return describe(j, row, &again, err) && table_again_is_done(&again, &done, err) &&
           (!done || move(j, row, RESYNC_COPIED, row->sync, moved, err));
}

/* What was prepared before the copy and had not ended has to have done so, and what was going on
 * comes by the stream up to here. */
static bool
read_horizon(struct resync_job *j, uint64_t *horizon, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate resync", .timeout_us = j->o.config->network.timeout_us};
    PGconn *conn = NULL;
    bool ok =
        (!j->o.two_phase || two_phase_wait_for_open(j->o.config, &j->stop, on_waiting, j, err)) &&
        pg_connect(j->o.config->source.dsn, &o, &conn, err) &&
        pg_write_mark(conn, "resync", horizon, err);
    PQfinish(conn);
    return ok;
}

/* The join's position has done its work. One that is left over is behind every later copy. */
static void
forget_position(struct resync_job *j)
{
    struct pg_options o = {
        .application_name = "tidegate resync", .timeout_us = j->o.config->network.timeout_us};
    PGconn *conn = NULL;
    struct err ignored = ERR_INIT;
    char *origin = x_printf("%s" ORIGIN_RESYNC_SUFFIX, j->o.steps.params.origin);
    const char *params[] = {origin};
    PGresult *res = NULL;
    if (pg_connect(j->o.dsn, &o, &conn, &ignored)) {
        (void)!pg_query(conn, "forget the position of a copy",
            "SELECT pg_catalog.pg_replication_origin_drop(roname)"
            " FROM pg_catalog.pg_replication_origin WHERE roname = $1",
            1, params, &res, &ignored);
        PQclear(res);
        res = NULL;
        (void)!pg_query(conn, "forget the position of a copy",
            "DELETE FROM tidegate.progress WHERE origin = $1", 1, params, &res, &ignored);
        PQclear(res);
    }
    PQfinish(conn);
    x_free(origin);
}

static bool
join(struct resync_job *j, const struct resync_row *row, struct err *err)
{
    struct resync_join o = {.steps = j->o.steps,
        .lane = j->o.lane,
        .store = j->o.store,
        .keys = j->o.keys,
        .stop = &j->stop,
        .row = row,
        .rows = j->rows};
    enum resync_end end = RESYNC_AGAIN;
    resync_view_keep(j->o.lane, row->sync);
    if (!read_horizon(j, &o.horizon, err) || !resync_join_run(&o, &end, err)) {
        return false;
    }
    bool moved = false;
    switch (end) {
    case RESYNC_JOINED:
        log_info(j->stage, "'%s.%s' is back in the stream", row->schema, row->name);
        forget_position(j);
        break;
    case RESYNC_AGAIN:
        if (err->class != ERR_NONE) {
            struct resync_row again = *row;
            struct err why = *err;
            log_err(LOG_WARN, j->stage, err);
            err_clear(err);
            if (!move(j, &again, RESYNC_ASKED, 0, &moved, err)) {
                return false;
            }
            *err = why;
            return false;
        }
        break;
    case RESYNC_STOPS:
        log_warn(j->stage, "'%s.%s' was refused again, and stays stopped", row->schema, row->name);
        break;
    }
    return true;
}

/* One table, as far as it comes. */
static bool
bring_back(struct resync_job *j, struct resync_row *row, struct err *err)
{
    bool moved = true;
    resync_view_keep(j->o.lane, row->state == RESYNC_ASKED ? UINT64_MAX : row->sync);
    if (!wait_until_left_out(j, row, err) || !open_target(j, err)) {
        return false;
    }
    /* A refusal moves the row, and so has the lane settle before the next attempt. A join's does
     * not; there the lane is followed. */
    j->lane =
        row->state == RESYNC_COPIED ? resync_view_at(j->o.lane) : resync_view_settled(j->o.lane);
    if (!find_copy(j, row, &moved, err)) {
        return false;
    }
    if (moved && row->state != RESYNC_COPIED && !copy(j, row, &moved, err)) {
        return false;
    }
    return !moved || join(j, row, err);
}

static bool
may_heal(struct resync_job *j, const struct resync_row *row, const struct err *err)
{
    return err->class == ERR_RETRY || err->class == ERR_RECONNECT ||
           (err->class == ERR_DATA &&
               !resync_refusals_final(j->refusals, row->oid, j->lane, row->sync, err));
}

static void
stop_table(struct resync_job *j, struct resync_row *row, const struct err *why)
{
    struct err err = ERR_INIT;
    bool moved = false;
    const struct resync_table t = {.oid = row->oid, .schema = row->schema, .name = row->name};
    log_err(LOG_ERROR, j->stage, why);
    if (!move(j, row, RESYNC_STOPPED, 0, &moved, &err) ||
        (moved && !resync_stop(j->o.store, j->o.sink, j->o.keys, &t, why, &err))) {
        log_err(LOG_ERROR, j->stage, &err);
    }
}

/* Of the table, or with oid 0 of the list itself. False: the thread ends. */
static bool
after_failure(struct resync_job *j, struct resync_row *row, struct err *err)
{
    struct retry_policy policy = {
        .first_us = FIRST_RETRY_US, .max_us = j->o.config->network.retry_max_us};
    int64_t pause = 0;
    if (err->class == ERR_CANCELLED || stop_requested(&j->stop)) {
        return false;
    }
    j->failed = row->oid;
    if (row->oid != 0) {
        err_wrap(err, "copy of '%s.%s'", row->schema, row->name);
    }
    if (row->oid != 0 && !may_heal(j, row, err)) {
        resync_refusals_forget(j->refusals, row->oid);
        stop_table(j, row, err);
        return true;
    }
    if (j->retry.attempts == 0) {
        log_err(LOG_WARN, j->stage, err);
    }
    note(j, row->oid, err->text);
    struct err ignored = ERR_INIT;
    bool moved = false;
    if (row->state == RESYNC_COPYING) {
        (void)!move(j, row, RESYNC_ASKED, 0, &moved, &ignored);
    }
    uint32_t random = (uint32_t)clock_wall_us(j->o.steps.clock);
    if (!retry_next(&j->retry, &policy, clock_mono_us(j->o.steps.clock), random, &pause)) {
        pause = FIRST_RETRY_US;
    }
    return !stop_sleep(&j->stop, pause);
}

static void
run(void *arg)
{
    struct resync_job *j = arg;
    while (!stop_requested(&j->stop)) {
        struct resync_row row = {.oid = 0};
        struct err err = ERR_INIT;
        bool found = false, ok = next_row(j, &row, &found, &err);
        if (ok && !found) {
            break;
        }
        if (ok && bring_back(j, &row, &err)) {
            retry_success(&j->retry);
            resync_refusals_forget(j->refusals, row.oid);
            note(j, 0, "");
        } else if (!after_failure(j, &row, &err)) {
            break;
        }
    }
    if (!stop_requested(&j->stop)) {
        resync_view_keep(j->o.lane, UINT64_MAX);
    }
    atomic_store(&j->ended, true);
}

bool
resync_job_start(const struct resync_job_options *o, struct resync_job **out, struct err *err)
{
    struct resync_job *j = x_zalloc(sizeof(*j));
    j->o = *o;
    j->refusals = resync_refusals_new();
    snprintf(j->stage, sizeof(j->stage), "resync %s", o->sink);
    pthread_mutex_init(&j->lock, NULL);
    if (!stop_init(&j->stop)) {
        resync_job_free(j);
        return err_set(err, ERR_FATAL, "no file descriptor left");
    }
    if (!thread_start(&j->thread, "resync", run, j, err)) {
        resync_job_free(j);
        return false;
    }
    *out = j;
    return true;
}

bool
resync_job_ended(const struct resync_job *j)
{
    return atomic_load(&j->ended);
}

void
resync_job_error(struct resync_job *j, uint32_t oid, char *out, size_t cap)
{
    pthread_mutex_lock(&j->lock);
    snprintf(out, cap, "%s", j->oid == oid ? j->error : "");
    pthread_mutex_unlock(&j->lock);
}

void
resync_job_free(struct resync_job *j)
{
    if (!j) {
        return;
    }
    stop_request(&j->stop);
    thread_join(&j->thread);
    stop_done(&j->stop);
    resync_refusals_free(j->refusals);
    pthread_mutex_destroy(&j->lock);
    x_free(j);
}
