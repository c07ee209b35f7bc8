/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy worker takes a part of a table from the shared plan, moves it, and takes the next. Its two
 * sessions live as long as nothing goes wrong in them; after an error both are opened anew, and the
 * part begins again where its transaction began.
 *
 * The answer to a COMMIT can be lost with the connection. So a second attempt first asks the ledger
 * whether the first one has succeeded.
 *
 * Invariant: the store says COPIED only after the ledger does, and the ledger says it in the
 * transaction that completes the data, or, for a table in parts, in one that begins after all of
 * theirs have ended.
 */
#include <string.h>

#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/snapshot/large_objects.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/run.h"
#include "agent/snapshot/session.h"
#include "agent/snapshot/small_tables.h"
#include "agent/snapshot/source_hold.h"
#include "agent/snapshot/tables_describe.h"

struct task {
    struct run_table *table; /* NULL: the large objects */
    size_t part;             /* index in the plan */
    bool empties;            /* this worker empties the table before its first part */
    bool data_done;          /* the part is committed */
    bool last;               /* it was the last of its table */
};

struct copy_worker {
    struct run *run;
    struct copier copier;
    struct task task;
    struct task small[SMALL_TABLES_MAX]; /* instead of the one task */
    size_t small_len;
    int pid, lost_pid; /* the target's process of the session, and of one that was cut; or 0 */
    char stage[24];
    bool source_lost; /* the shared snapshot cannot be used any more */
    /* of the part that is being copied */
    uint64_t planned, rows, wire, counted;
    double rows_expected;
};

/* --- the queue ------------------------------------------------------------------------------ */

static struct run_table *
planned_table(struct run *r, size_t part)
{
    return &r->tables[r->planned[r->plan.parts[part].table]];
}

/* Whether it may be copied together with others. */
static bool
is_small(const struct run_table *t)
{
    return t->parts == 1 && !t->copy.ours && t->copy.table->bytes <= SMALL_TABLES_BYTES;
}

/* Under the lock. *blocked: there are parts, but another worker is still emptying their table. */
static bool
take_part(struct run *r, struct task *out, bool *blocked)
{
    for (size_t i = 0; i < r->plan.len; i++) {
        if (r->part_state[i] != PART_WAITING) {
            continue;
        }
        struct run_table *t = planned_table(r, i);
        if (t->parts > 1 && t->emptied == EMPTIED_BUSY) {
            *blocked = true;
            continue;
        }
        *out = (struct task){.table = t, .part = i};
        if (t->parts > 1 && t->emptied == EMPTIED_NOT) {
            t->emptied = EMPTIED_BUSY;
            out->empties = true;
        }
        r->part_state[i] = PART_RUNNING;
        return true;
    }
    return false;
}

static bool
take_large_objects(struct run *r, struct task *out)
{
    if (r->large_objects != PART_WAITING) {
        return false;
    }
    r->large_objects = PART_RUNNING;
    *out = (struct task){0};
    return true;
}

/* A fair part of what is left, so that no worker has twenty tables to go while another has none. */
static size_t
share_of_small(struct run *r)
{
    size_t waiting = 0, jobs = (size_t)r->o->jobs;
    for (size_t i = r->plan.len; i > 0 && waiting < jobs * SMALL_TABLES_MAX; i--) {
        waiting += r->part_state[i - 1] == PART_WAITING && is_small(planned_table(r, i - 1));
    }
    size_t share = (waiting + jobs) / jobs; /* with the one that is taken */
    return share < SMALL_TABLES_MAX ? share : SMALL_TABLES_MAX;
}

/* Under the lock: with a small table come others. The plan has the largest first. */
static void
take_small(struct copy_worker *w)
{
    struct run *r = w->run;
    w->small_len = 0;
    if (!w->task.table || !is_small(w->task.table)) {
        return;
    }
    size_t most = share_of_small(r);
    w->small[w->small_len++] = w->task;
    for (size_t i = 0; i < r->plan.len && w->small_len < most; i++) {
        struct run_table *t = planned_table(r, i);
        if (r->part_state[i] == PART_WAITING && is_small(t)) {
            r->part_state[i] = PART_RUNNING;
            w->small[w->small_len++] = (struct task){.table = t, .part = i};
        }
    }
}

static bool
take(struct copy_worker *w, bool objects_first)
{
    struct run *r = w->run;
    struct task *out = &w->task;
    bool got = false;
    pthread_mutex_lock(r->lock);
    while (!stop_requested(&r->cancel)) {
        bool blocked = false;
        if (!*r->paused) {
            got = (objects_first && take_large_objects(r, out)) || take_part(r, out, &blocked) ||
                  take_large_objects(r, out);
            if (got || !blocked) {
                break;
            }
        }
        pthread_cond_wait(r->changed, r->lock);
    }
    if (got) {
        take_small(w);
    }
    pthread_mutex_unlock(r->lock);
    return got;
}

/* --- sessions ------------------------------------------------------------------------------- */

static void
close_sessions(struct copy_worker *w)
{
    PQfinish(w->copier.source);
    PQfinish(w->copier.target);
    w->copier.source = w->copier.target = NULL;
    w->lost_pid = w->pid ? w->pid : w->lost_pid;
    w->pid = 0;
}

static bool
open_target(struct copy_worker *w, struct err *err)
{
    struct run *r = w->run;
    if (!session_target(
            r->o, SESSION_COPY, r->encoding, &w->copier.target, &w->copier.replica, err) ||
        (w->lost_pid &&
            !session_end_lost(r->o, SESSION_COPY, w->lost_pid, w->copier.target, err))) {
        return false;
    }
    w->pid = PQbackendPID(w->copier.target);
    w->lost_pid = 0;
    return true;
}

static bool
open_sessions(struct copy_worker *w, struct err *err)
{
    struct run *r = w->run;
    if (!w->copier.target && !open_target(w, err)) {
        return false;
    }
    if (!w->copier.source &&
        !session_reader(r->o, SESSION_COPY, r->encoding, r->snapshot, &w->copier.source, err)) {
        w->source_lost = true;
        return false;
    }
    return true;
}

/* --- progress ------------------------------------------------------------------------------- */

static void
on_rows(uint64_t rows, uint64_t bytes, void *arg)
{
    struct copy_worker *w = arg;
    w->rows += rows;
    w->wire += bytes;
    uint64_t share = progress_share(w->planned, w->rows_expected, w->rows, w->wire);
    atomic_fetch_add(&w->run->progress->rows, rows);
    if (share > w->counted) {
        atomic_fetch_add(&w->run->progress->bytes, share - w->counted);
        w->counted = share;
    }
}

static void
count_begin(struct copy_worker *w)
{
    const struct run_table *t = w->task.table;
    const struct plan_part *p = &w->run->plan.parts[w->task.part];
    w->rows = w->wire = w->counted = 0;
    w->planned = p->bytes;
    double share = t->copy.table->bytes ? (double)p->bytes / (double)t->copy.table->bytes : 1;
    w->rows_expected = t->copy.table->rows * share;
}

static void
count_undo(struct copy_worker *w)
{
    atomic_fetch_sub(&w->run->progress->rows, w->rows);
    atomic_fetch_sub(&w->run->progress->bytes, w->counted);
    w->rows = w->counted = 0;
}

/* Messages were counted so far; in binary the last one is no row. */
static void
count_end(struct copy_worker *w, uint64_t rows)
{
    atomic_fetch_add(&w->run->progress->rows, rows - w->rows);
    atomic_fetch_add(&w->run->progress->bytes, w->planned - w->counted);
    w->counted = w->planned;
}

/* --- one part ------------------------------------------------------------------------------- */

static bool
describe(struct copy_worker *w, struct err *err)
{
    struct run_table *t = w->task.table;
    pthread_mutex_lock(w->run->lock);
    bool described = t->copy.described;
    pthread_mutex_unlock(w->run->lock);
    if (described) {
        return true;
    }
    /* Only one worker has a table whose columns are not known: that which empties it, or the only
     * one. */
    struct table_copy found = t->copy;
    if (!tables_describe(&found, 1, &w->copier, err)) {
        table_copy_done(&found);
        return false;
    }
    pthread_mutex_lock(w->run->lock);
    t->copy = found;
    pthread_mutex_unlock(w->run->lock);
    return true;
}

static struct table_row
row_of(const struct run *r, const struct run_table *t, enum table_state state)
{
    struct table_row row = t->row;
    row.state = state;
    row.sync = r->sync;
    row.bytes = t->copy.table->bytes;
    row.rows = t->rows;
    return row;
}

static bool
store_state(struct copy_worker *w, enum table_state state, struct err *err)
{
    struct run_table *t = w->task.table;
    struct table_row row = row_of(w->run, t, state);
    if (!store_sink_tables_put(w->run->o->store, w->run->o->sink, &row, 1, err)) {
        return false;
    }
    t->row = row;
    return true;
}

static bool
begin_table(struct copy_worker *w, bool again, struct err *err)
{
    struct run *r = w->run;
    struct run_table *t = w->task.table;
    bool begun = false;
    if (t->row.state != TABLE_COPYING && !store_state(w, TABLE_COPYING, err)) {
        return false;
    }
    if (!w->task.empties) {
        return true;
    }
    if (again) {
        char item[LEDGER_ITEM_SIZE];
        if (!ledger_check(w->copier.target, r->o->name, ledger_start_item(t->oid, r->sync, item),
                &begun, err)) {
            return false;
        }
    }
    if (!begun && !table_copy_begin(&t->copy, &w->copier, err)) {
        return false;
    }
    w->task.empties = false;
    pthread_mutex_lock(r->lock);
    t->emptied = EMPTIED_DONE;
    pthread_cond_broadcast(r->changed);
    pthread_mutex_unlock(r->lock);
    return true;
}

static bool
was_committed(struct copy_worker *w, bool *committed, struct err *err)
{
    char item[LEDGER_ITEM_SIZE];
    const struct run_table *t = w->task.table;
    if (t->parts > 1) {
        ledger_part_item(t->oid, w->run->plan.parts[w->task.part].from, w->run->sync, item);
    } else {
        ledger_copied_item(t->oid, w->run->sync, item);
    }
    return ledger_check(w->copier.target, w->run->o->name, item, committed, err);
}

/* *moved: nothing was copied, the table has to wait for another snapshot. */
static bool
copy_data(struct copy_worker *w, uint64_t *rows, bool *moved, struct err *err)
{
    const struct run_table *t = w->task.table;
    const struct plan_part *p = &w->run->plan.parts[w->task.part];
    count_begin(w);
    if (!source_hold(w->copier.source, t->copy.table, w->copier.stop, moved, err)) {
        return false;
    }
    /* After a failure the counts stay until it is known whether a lost answer was a yes. */
    bool ok =
        *moved || (t->parts > 1 ? table_copy_part(&t->copy, &w->copier, p->from, p->to, rows, err)
                                : table_copy_whole(&t->copy, &w->copier, rows, err));
    return ok && source_let_go(w->copier.source, err);
}

static void
part_moved(struct copy_worker *w)
{
    struct run *r = w->run;
    struct run_table *t = w->task.table;
    pthread_mutex_lock(r->lock);
    r->part_state[w->task.part] = PART_DONE;
    t->moved = true;
    w->task.last = --t->parts_left == 0;
    pthread_mutex_unlock(r->lock);
    w->task.data_done = true;
}

static void
part_done(struct copy_worker *w, uint64_t rows)
{
    struct run *r = w->run;
    struct run_table *t = w->task.table;
    count_end(w, rows);
    pthread_mutex_lock(r->lock);
    r->part_state[w->task.part] = PART_DONE;
    t->rows += rows;
    w->task.last = --t->parts_left == 0;
    pthread_mutex_unlock(r->lock);
    w->task.data_done = true;
}

/* Its data is there, or it is left for another snapshot. */
static void
table_done(struct copy_worker *w)
{
    struct run *r = w->run;
    struct run_table *t = w->task.table;
    pthread_mutex_lock(r->lock);
    t->copied = !t->moved;
    r->set_aside += t->moved;
    bool all = --r->tables_left == 0 && r->large_objects == PART_DONE;
    pthread_cond_broadcast(r->changed);
    pthread_mutex_unlock(r->lock);
    if (t->moved) {
        log_info(w->stage,
            "'%s.%s' was truncated or rewritten since the snapshot: copied again later",
            t->row.schema, t->row.name);
    }
    if (all) {
        stop_request(&r->copied);
    }
}

/* The data of one part, once. */
static bool
try_data(struct copy_worker *w, bool again, struct err *err)
{
    uint64_t rows = w->rows;
    bool committed = false, moved = false;
    if (!describe(w, err) || !begin_table(w, again, err) ||
        (again && !was_committed(w, &committed, err))) {
        return false;
    }
    if (!committed) {
        count_undo(w);
        if (!copy_data(w, &rows, &moved, err)) {
            return false;
        }
    }
    if (moved) {
        part_moved(w);
    } else {
        part_done(w, rows);
    }
    return true;
}

static bool
try_part(struct copy_worker *w, bool again, struct err *err)
{
    if (!w->task.data_done && !try_data(w, again, err)) {
        return false;
    }
    if (!w->task.last) {
        return true;
    }
    if (!w->task.table->moved) {
        if (w->task.table->parts > 1 && !table_copy_end(&w->task.table->copy, &w->copier, err)) {
            return false;
        }
        FAILPOINT("copy.table_before_store");
        if (!store_state(w, TABLE_COPIED, err)) {
            return false;
        }
    }
    table_done(w);
    return true;
}

static bool
try_large_objects(struct copy_worker *w, struct err *err)
{
    struct run *r = w->run;
    struct copier quiet = w->copier;
    quiet.progress = NULL;
    if (!large_objects_copy(&quiet, r->o->owner, r->o->grants, err)) {
        return false;
    }
    pthread_mutex_lock(r->lock);
    r->large_objects = PART_DONE;
    bool all = r->tables_left == 0;
    pthread_mutex_unlock(r->lock);
    if (all) {
        stop_request(&r->copied);
    }
    return true;
}

/* `again`: it may have been done already, and whoever did it did not hear of it. */
static bool
work(struct copy_worker *w, bool again)
{
    struct worker_retry retry = {0};
    w->rows = w->counted = 0;
    for (;; again = true) {
        struct err err = ERR_INIT;
        if (open_sessions(w, &err) &&
            (w->task.table ? try_part(w, again, &err) : try_large_objects(w, &err))) {
            if (retry.attempts) {
                log_info(w->stage, "goes on after %d failed attempts", retry.attempts);
            }
            return true;
        }
        close_sessions(w);
        if (w->source_lost || !run_may_retry(w->run, &retry, w->stage, &err)) {
            run_fail(w->run, &err);
            return false;
        }
    }
}

/* --- small tables --------------------------------------------------------------------------- */

static bool
try_small(struct copy_worker *w, uint64_t *rows, bool *copied, struct err *err)
{
    struct table_copy found[SMALL_TABLES_MAX];
    size_t n = w->small_len;
    *copied = false;
    for (size_t i = 0; i < n; i++) {
        found[i] = w->small[i].table->copy;
    }
    bool ok = open_sessions(w, err) && tables_describe(found, n, &w->copier, err) &&
              small_tables_copy(found, n, &w->copier, rows, copied, err);
    for (size_t i = 0; i < n; i++) {
        table_copy_done(&found[i]);
    }
    return ok;
}

static bool
store_small(struct copy_worker *w, struct err *err)
{
    struct table_row rows[SMALL_TABLES_MAX];
    for (size_t i = 0; i < w->small_len; i++) {
        struct run_table *t = w->small[i].table;
        rows[i] = t->row = row_of(w->run, t, TABLE_COPIED);
    }
    FAILPOINT("copy.together_before_store");
    return store_sink_tables_put(w->run->o->store, w->run->o->sink, rows, w->small_len, err);
}

static bool
small_done(struct copy_worker *w, const uint64_t *rows)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < w->small_len; i++) {
        w->task = w->small[i];
        count_begin(w);
        part_done(w, rows[i]);
    }
    if (!store_small(w, &err)) {
        run_fail(w->run, &err);
        return false;
    }
    for (size_t i = 0; i < w->small_len; i++) {
        w->task = w->small[i];
        table_done(w);
    }
    return true;
}

/* What keeps them from going together is found out again with each alone, and said there. */
static bool
work_small(struct copy_worker *w)
{
    uint64_t rows[SMALL_TABLES_MAX] = {0};
    struct err err = ERR_INIT;
    bool copied = false, again = !try_small(w, rows, &copied, &err);
    if (copied && !again) {
        return small_done(w, rows);
    }
    if (!again) {
        log_debug(w->stage,
            "%zu small tables go one by one: one has rows, is locked or was rewritten",
            w->small_len);
    } else {
        close_sessions(w);
        if (err.class != ERR_CANCELLED) {
            log_info(w->stage, "one by one, because: %s", err.text);
        }
    }
    for (size_t i = 0; i < w->small_len; i++) {
        w->task = w->small[i];
        if (!work(w, again)) {
            return false;
        }
    }
    return true;
}

void
copy_main(void *worker)
{
    struct worker *given = worker;
    struct run *r = given->run;
    struct copy_worker w = {.run = r,
        .copier = {
            .migration = r->o->name, .sync = r->sync, .stop = &r->cancel, .progress = on_rows}};
    w.copier.arg = &w;
    snprintf(w.stage, sizeof(w.stage), "copy %d", given->number);
    /* Large objects go through one worker: begin with them, unless there is no other for the
     * tables. */
    while (take(&w, given->number == 1) && (w.small_len > 1 ? work_small(&w) : work(&w, false))) {
    }
    close_sessions(&w);
    run_leave(r);
}
