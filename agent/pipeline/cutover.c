/* SPDX-License-Identifier: Apache-2.0
 *
 * The write downtime is taken conservatively: from the last commit that changed a row, or from the
 * moment the fence began to close when that is later, to the moment the target holds everything
 * durably and the phase DONE is stored. The source's clock is converted to ours by the offset
 * measured at the fence.
 */
#include "agent/pipeline/cutover.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/thread.h"
#include "agent/pg/spares.h"
#include "agent/pipeline/count_rows.h"
#include "agent/pipeline/fence.h"
#include "agent/pipeline/marks.h"
#include "agent/pipeline/missing_columns.h"
#include "agent/pipeline/setup.h"
#include "agent/pipeline/two_phase.h"
#include "agent/store/letters.h"
#include "agent/store/resyncs.h"

#define STAGE                "cutover"
#define DRAIN_WAIT_US        5000
#define SINKS_WAIT_US        10000000
#define ROOM_WAIT_US         50000
#define TOO_MANY_CONNECTIONS "53300" /* SQLSTATE */

struct cutover {
    struct cutover_env env;
    struct cutover_request req;
    struct thread thread;
    int64_t deadline_us; /* monotonic */
    struct fence_result fence;
    bool fenced;
    uint64_t barrier;
    pthread_mutex_t lock; /* guards report */
    struct cutover_report report;
};

typedef bool step_run(struct cutover *c, struct err *err);

static void detail(struct cutover *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int64_t
now_us(const struct cutover *c)
{
    return clock_mono_us(c->env.clock);
}

/* The line of the step that runs now. */
static void
detail(struct cutover *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->report.steps_len; i++) {
        struct cutover_step *s = &c->report.steps[i];
        if (s->state == STEP_RUNNING) {
            vsnprintf(s->detail, sizeof(s->detail), fmt, ap);
        }
    }
    pthread_mutex_unlock(&c->lock);
    va_end(ap);
}

static bool
several(const struct cutover *c)
{
    return c->env.config->sinks_len > 1;
}

/* A sink that reconnects gets time to do so; nothing is fenced yet. */
static bool
wait_for_sinks(struct cutover *c, struct cutover_sinks *sinks, struct err *err)
{
    int64_t give_up = now_us(c) + SINKS_WAIT_US;
    for (;;) {
        if (!c->env.sinks(c->env.arg, sinks, err)) {
            return false;
        }
        if (sinks->running) {
            return true;
        }
        if (now_us(c) > give_up || now_us(c) > c->deadline_us) {
            err_set(err, ERR_RETRY, "%s", sinks->waiting_for);
            return err_hint(err, "cut over again when `tidegate status` shows every sink running");
        }
        if (stop_sleep(c->env.stop, DRAIN_WAIT_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
}

static bool
no_uncarried_tables(struct cutover *c, struct err *err)
{
    char tables[512];
    if (!setup_uncarried_tables(c->env.config, c->env.store, tables, sizeof(tables), err)) {
        return false;
    }
    if (!tables[0]) {
        return true;
    }
    err_set(
        err, ERR_CONFIG, "tables that were created after the start are not carried: %s", tables);
    return err_hint(err, "`tidegate resync TABLE` lets one join; or name it in tables.exclude and "
                         "restart the agent");
}

/* Where event triggers tell, the policy has decided about each statement. */
static bool
no_missing_columns(struct cutover *c, struct err *err)
{
    char *token = NULL, columns[512] = "";
    if (!store_get(c->env.store, STORE_DDL_TOKEN, &token, err)) {
        return false;
    }
    bool told = token != NULL;
    x_free(token);
    for (size_t i = 0; !told && !columns[0] && i < c->env.config->sinks_len; i++) {
        const struct sink_config *s = &c->env.config->sinks[i];
        if (strcmp(s->type, "postgresql") != 0) {
            continue;
        }
        if (!missing_columns(c->env.config, s, c->env.store, columns, sizeof(columns), err)) {
            return false;
        }
        if (columns[0]) {
            err_set(err, ERR_CONFIG, "columns of the source are missing on the target '%s': %s",
                s->name, columns);
        }
    }
    return !columns[0] ||
           err_hint(err, "no row has told of them yet: alter the target's tables in the same way, "
                         "then `tidegate cutover` again");
}

/* A table that is out of a sink's stream would be opened as it was when it left. */
static bool
no_stopped_tables(struct cutover *c, struct err *err)
{
    struct resync_row *rows = NULL;
    size_t n = 0;
    char list[512] = "";
    if (!store_resyncs(c->env.store, NULL, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0, used = 0; i < n && used < sizeof(list) - 1; i++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s.%s (%s, sink '%s')",
            used ? ", " : "", rows[i].schema, rows[i].name, resync_state_name(rows[i].state),
            rows[i].sink);
    }
    x_free(rows);
    if (n == 0) {
        return true;
    }
    err_set(err, ERR_CONFIG, "tables are out of the stream: %s", list);
    return err_hint(err,
        "remove the cause (`tidegate status` says it), `tidegate resync TABLE` for "
        "those that are stopped, and wait until they are back");
}

/* Rows that wait as dead letters are rows that the target would open without. */
static bool
no_dead_letters(struct cutover *c, struct err *err)
{
    uint64_t n = 0;
    if (c->req.accept_dead_letters) {
        return true;
    }
    if (!letters_count(c->env.store, NULL, &n, err)) {
        return false;
    }
    if (n == 0) {
        return true;
    }
    err_set(err, ERR_CONFIG, "%llu dead letters wait: the target does not hold what they hold",
        (unsigned long long)n);
    return err_hint(err, "mend the target and `tidegate dead-letters replay --all`, or drop them; "
                         "--accept-dead-letters cuts over without them");
}

static bool
step_precheck(struct cutover *c, struct err *err)
{
    struct cutover_sinks sinks;
    if (!wait_for_sinks(c, &sinks, err) || !no_uncarried_tables(c, err) ||
        !no_missing_columns(c, err) || !no_stopped_tables(c, err) || !no_dead_letters(c, err)) {
        return false;
    }
    if (c->req.fence == FENCE_READ_ONLY && !fence_check(c->env.config, c->env.store, err)) {
        return false;
    }
    char lag[FORMAT_SIZE];
    detail(c, "%s behind the source", format_bytes(sinks.lag_bytes, lag));
    return true;
}

/* --- large objects -------------------------------------------------------------------------- */

static void
tell_objects(struct cutover *c, const struct large_object_counts *n)
{
    char bytes[FORMAT_SIZE];
    uint64_t altered = n->changed + n->described;
    detail(c, "%llu compared, %llu new, %llu changed, %llu removed, %s carried",
        (unsigned long long)n->compared, (unsigned long long)n->created,
        (unsigned long long)altered, (unsigned long long)n->removed, format_bytes(n->bytes, bytes));
}

static bool
go_on_in_time(const struct large_object_counts *so_far, void *arg, struct err *err)
{
    struct cutover *c = arg;
    tell_objects(c, so_far);
    if (now_us(c) <= c->deadline_us) {
        return true;
    }
    err_set(err, ERR_RETRY, "large objects: what was written to them is not carried in time");
    return err_hint(err, "raise --timeout; a source role that may read pg_largeobject makes this "
                         "short, because then only what was written is compared");
}

static bool
go_on_ahead(const struct large_object_counts *so_far, void *arg, struct err *err)
{
    (void)err;
    tell_objects(arg, so_far);
    return true;
}

static bool
sync_objects(struct cutover *c, bool in_use, struct err *err)
{
    struct large_object_counts n = {0};
    const struct cutover_objects o = {
        .in_use = in_use, .go_on = in_use ? go_on_ahead : go_on_in_time, .arg = c, .total = &n};
    if (!c->env.sync_large_objects(c->env.arg, &o, err)) {
        return false;
    }
    if (n.objects + n.removed == 0) {
        detail(c, "none");
    } else {
        tell_objects(c, &n);
    }
    if (n.foreign > 0 && !in_use) {
        log_warn(STAGE,
            "%llu large objects were on the target before this migration and are not on the "
            "source: left as they are",
            (unsigned long long)n.foreign);
    }
    return true;
}

/* --- sessions that the steps behind the fence use -------------------------------------------- */

/* When one cannot be opened, none is kept: a server that has no room left for sessions needs it for
 * the step at hand. They are opened when they are needed then. */
static void
open_ahead(const struct cutover *c)
{
    const struct marks marks = {c->env.config, c->env.spares};
    struct err err = ERR_INIT;
    if (!c->env.open_ahead(c->env.arg, &err) || !marks_open_ahead(&marks, &err) ||
        !two_phase_open_ahead(c->env.config, c->env.spares, &err) ||
        (c->req.verify && !count_rows_open_ahead(c->env.config, c->env.spares, &err))) {
        log_debug(STAGE, "no session is opened ahead: %s", err.text);
        pg_spares_drop(c->env.spares);
    }
}

/* Nothing is fenced yet: the time of this does not count. */
static bool
step_objects_ahead(struct cutover *c, struct err *err)
{
    int64_t began = now_us(c);
    c->env.take_snapshots(c->env.arg);
    bool ok = sync_objects(c, true, err);
    if (ok) {
        open_ahead(c);
    }
    c->deadline_us += now_us(c) - began;
    return ok;
}

static bool
step_objects(struct cutover *c, struct err *err)
{
    return sync_objects(c, false, err);
}

/* Sessions opened ahead may have been the last for which the source had room; the server takes a
 * moment to end them. */
static bool
raise_fence(struct cutover *c, struct err *err)
{
    for (int left = 20;
         !fence_raise(c->env.config, c->env.store, c->deadline_us, c->env.stop, &c->fence, err);
         left--) {
        if (strcmp(err->sqlstate, TOO_MANY_CONNECTIONS) != 0 || left == 0) {
            return false;
        }
        err_clear(err);
        pg_spares_drop(c->env.spares);
        if (stop_sleep(c->env.stop, ROOM_WAIT_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
    return true;
}

static bool
step_fence(struct cutover *c, struct err *err)
{
    if (c->req.fence == FENCE_NONE) {
        c->fence.raised_us = clock_wall_us(c->env.clock);
        detail(c, "none: the writers were stopped by the operator");
        return true;
    }
    c->fenced = true;
    if (!raise_fence(c, err)) {
        return false;
    }
    detail(c, "read only for new sessions, %u sessions ended", c->fence.ended);
    return true;
}

static bool
step_barrier(struct cutover *c, struct err *err)
{
    const struct marks marks = {c->env.config, c->env.spares};
    bool ok = mark_source(&marks, &c->barrier, err);
    if (ok) {
        char lsn[FORMAT_SIZE];
        detail(c, "at %s", format_lsn(c->barrier, lsn));
        pthread_mutex_lock(&c->lock);
        c->report.barrier = c->barrier;
        pthread_mutex_unlock(&c->lock);
    }
    return ok;
}

static bool
step_drain(struct cutover *c, struct err *err)
{
    for (;;) {
        struct cutover_sinks sinks;
        if (!c->env.sinks(c->env.arg, &sinks, err)) {
            return false;
        }
        if (sinks.applied >= c->barrier) {
            detail(c, several(c) ? "every sink holds everything up to the barrier"
                                 : "the target holds everything up to the barrier");
            /* One may have stopped on the way; nothing comes behind the barrier. What was prepared
             * and is not finished must be there to be finished. */
            return no_stopped_tables(c, err) &&
                   (c->req.fence != FENCE_READ_ONLY ||
                       two_phase_at_targets(c->env.config, c->env.store, c->env.spares, err));
        }
        if (now_us(c) > c->deadline_us) {
            char lag[FORMAT_SIZE];
            format_bytes(sinks.lag_bytes, lag);
            if (several(c)) {
                err_set(err, ERR_RETRY,
                    "drain: sink '%s' did not reach the barrier in time, %s are left",
                    sinks.slowest, lag);
            } else {
                err_set(err, ERR_RETRY,
                    "drain: the target did not reach the barrier in time, %s are left", lag);
            }
            err_hint(err, "wait until the lag is smaller (`tidegate status`), or raise --timeout");
            return false;
        }
        if (stop_sleep(c->env.stop, DRAIN_WAIT_US)) {
            return err_set(err, ERR_CANCELLED, "drain: stopped");
        }
    }
}

static bool
step_verify(struct cutover *c, struct err *err)
{
    struct count_result counts;
    if (!c->req.verify) {
        detail(c, "left out");
        return true;
    }
    const struct count_options o = {.config = c->env.config,
        .store = c->env.store,
        .spares = c->env.spares,
        .deadline_us = c->deadline_us,
        .stop = c->env.stop};
    if (!count_rows_compare(&o, &counts, err)) {
        return false;
    }
    detail(c, "%llu rows in %llu tables, equal counts", (unsigned long long)counts.rows,
        (unsigned long long)counts.tables);
    pthread_mutex_lock(&c->lock);
    c->report.tables_compared = counts.tables;
    c->report.rows_compared = counts.rows;
    pthread_mutex_unlock(&c->lock);
    return true;
}

static bool
step_sequences(struct cutover *c, struct err *err)
{
    c->env.take_snapshots(c->env.arg);
    if (!c->env.finish_targets(c->env.arg, err)) {
        return false;
    }
    detail(c, several(c) ? "set on every target" : "set on the target");
    return true;
}

static bool
make_durable(struct cutover *c, const struct sink_config *sink, struct err *err)
{
    const struct marks marks = {c->env.config, c->env.spares};
    return mark_target(&marks, sink, err) ||
           (several(c) ? err_wrap(err, "sink '%s'", sink->name) : false);
}

static bool
make_targets_durable(struct cutover *c, struct err *err)
{
    for (size_t i = 0; i < c->env.config->sinks_len; i++) {
        const struct sink_config *sink = &c->env.config->sinks[i];
        if (strcmp(sink->type, "postgresql") == 0 && !make_durable(c, sink, err)) {
            return false;
        }
    }
    return true;
}

static int64_t
downtime(const struct cutover *c)
{
    struct cutover_sinks sinks = {0};
    struct err ignored = ERR_INIT;
    (void)!c->env.sinks(c->env.arg, &sinks, &ignored);
    int64_t last_commit = sinks.rows_commit_us - c->fence.clock_offset_us;
    int64_t from = last_commit > c->fence.raised_us ? last_commit : c->fence.raised_us;
    return clock_wall_us(c->env.clock) - from;
}

static bool
step_open(struct cutover *c, struct err *err)
{
    if (!make_targets_durable(c, err) || stop_requested(c->env.stop)) {
        return err->class != ERR_NONE ? false : err_set(err, ERR_CANCELLED, "stopped");
    }
    FAILPOINT("cutover.before_done");
    if (!store_set(c->env.store, "phase", phase_name(PHASE_DONE), err)) {
        return false;
    }
    FAILPOINT("cutover.done");
    int64_t took = downtime(c);
    detail(c, several(c) ? "the targets are ready for writes" : "the target is ready for writes");
    pthread_mutex_lock(&c->lock);
    c->report.write_downtime_us = took;
    pthread_mutex_unlock(&c->lock);
    return true;
}

static const struct {
    const char *name;
    step_run *run;
    bool in_dry_run;
} steps[] = {
    {"precheck", step_precheck, true},
    {"lo ahead", step_objects_ahead, false},
    {"fence", step_fence, false},
    {"barrier", step_barrier, false},
    {"drain", step_drain, false},
    {"lo", step_objects, false},
    {"verify", step_verify, false},
    {"sequences", step_sequences, false},
    {"open", step_open, false},
};
#define STEPS_LEN (sizeof(steps) / sizeof(steps[0]))

static void
set_step(struct cutover *c, size_t i, enum cutover_step_state state, int64_t took_us)
{
    pthread_mutex_lock(&c->lock);
    c->report.steps[i].state = state;
    c->report.steps[i].took_us = took_us;
    pthread_mutex_unlock(&c->lock);
}

static bool
run_step(struct cutover *c, size_t i, struct err *err)
{
    if (c->req.dry_run && !steps[i].in_dry_run) {
        set_step(c, i, STEP_SKIPPED, 0);
        return true;
    }
    int64_t began = now_us(c);
    set_step(c, i, STEP_RUNNING, 0);
    bool ok = steps[i].run(c, err);
    set_step(c, i, ok ? STEP_OK : STEP_FAILED, now_us(c) - began);
    return ok;
}

/* The way back: writers first, then everything else. */
static void
abort_cutover(struct cutover *c, struct err *err)
{
    struct err lifted = ERR_INIT;
    if (c->fenced && !fence_lift(c->env.config, c->env.store, &lifted)) {
        log_err(LOG_ERROR, STAGE, &lifted);
        err_hint(err,
            "the fence could not be lifted (%.200s): run ALTER DATABASE ... RESET "
            "default_transaction_read_only on the source",
            lifted.text);
    }
}

static void
run(void *arg)
{
    struct cutover *c = arg;
    struct err err = ERR_INIT;
    bool ok = true;
    c->deadline_us = now_us(c) + c->req.timeout_us;
    for (size_t i = 0; ok && i < STEPS_LEN; i++) {
        ok = run_step(c, i, &err);
    }
    pg_spares_drop(c->env.spares);
    if (!ok) {
        log_err(LOG_WARN, STAGE, &err);
        abort_cutover(c, &err);
    }
    pthread_mutex_lock(&c->lock);
    c->report.error = err;
    c->report.state = ok ? CUTOVER_DONE : CUTOVER_ABORTED;
    pthread_mutex_unlock(&c->lock);
}

bool
cutover_start(const struct cutover_env *env, const struct cutover_request *req,
    struct cutover **out, struct err *err)
{
    struct cutover *c = x_zalloc(sizeof(*c));
    c->env = *env;
    c->req = *req;
    c->report.state = CUTOVER_RUNNING;
    c->report.dry_run = req->dry_run;
    c->report.steps_len = STEPS_LEN;
    for (size_t i = 0; i < STEPS_LEN; i++) {
        snprintf(c->report.steps[i].name, sizeof(c->report.steps[i].name), "%s", steps[i].name);
    }
    pthread_mutex_init(&c->lock, NULL);
    if (!thread_start(&c->thread, "cutover", run, c, err)) {
        cutover_free(c);
        return false;
    }
    *out = c;
    return true;
}

void
cutover_report(struct cutover *c, struct cutover_report *out)
{
    pthread_mutex_lock(&c->lock);
    *out = c->report;
    pthread_mutex_unlock(&c->lock);
}

void
cutover_free(struct cutover *c)
{
    if (c) {
        thread_join(&c->thread);
        pthread_mutex_destroy(&c->lock);
        x_free(c);
    }
}
