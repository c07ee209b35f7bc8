/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a run, and why:
 *
 *   target's session, ledger   a target that is away is found out before the snapshot is taken over
 *   keeper                     imports the caller's snapshot and exports it anew under its own name
 *   schema                     dumped and made before the data
 *   copy and index workers     side by side; the keeper goes when the last row is there. Tables
 *                              that were truncated since the snapshot end the run here (ERR_RETRY):
 *                              they need a later one
 *   foreign keys               when all tables have their keys
 *   triggers, privileges       when nothing of ours can be disturbed by them
 *   sequences, views, store    READY is written for all tables in one go: it means all of the above
 * is done
 *
 * Invariant: everything before READY can be repeated. What was done is in the target's ledger and
 * is left out; what was not, is not there.
 */
#include "agent/snapshot/pass.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/thread.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/database.h"
#include "agent/snapshot/identities.h"
#include "agent/snapshot/large_objects.h"
#include "agent/snapshot/matviews.h"
#include "agent/snapshot/newcomers.h"
#include "agent/snapshot/pending.h"
#include "agent/snapshot/roles.h"
#include "agent/snapshot/run.h"
#include "agent/snapshot/schema.h"
#include "agent/snapshot/sequences.h"
#include "agent/snapshot/session.h"
#include "agent/snapshot/validate.h"

#define STAGE    "snapshot"
#define JOBS_MAX 64
#define SPARE_US 5000000 /* older, a session may have been cut unnoticed */

/* What belongs to one call of snapshot_run. */
struct pass {
    struct snapshot *s;
    struct run run;
    PGconn *target, *keeper;
    struct ledger ledger;
};

static void
set_step(struct snapshot *s, enum progress_step step)
{
    atomic_store(&s->progress.step, (int)step);
}

static void
log_line(const char *line, void *arg)
{
    (void)arg;
    log_warn(STAGE, "%s", line);
}

/* --- tables --------------------------------------------------------------------------------- */

static bool
read_tables(struct pass *p, struct err *err)
{
    struct run *r = &p->run;
    struct table_row *rows = NULL;
    size_t n = 0;
    if (!pass_read_rows(p->s, &p->ledger, &rows, &n, err)) {
        return false;
    }
    r->tables = x_zalloc((n + 1) * sizeof(*r->tables));
    r->tables_len = n;
    for (size_t i = 0; i < n; i++) {
        struct run_table *t = &r->tables[i];
        t->row = rows[i];
        t->oid = t->row.oid;
        t->ready = t->row.state == TABLE_READY;
        t->wanted = pass_is_unfinished(&t->row);
        t->copied = !t->wanted;
        r->tables_left += t->wanted;
        uint64_t sync = t->wanted ? r->sync : t->row.sync;
        uint64_t first = r->tables[0].wanted ? r->sync : r->tables[0].row.sync;
        r->mixed = r->mixed || sync != first;
    }
    x_free(rows);
    return true;
}

static void
count_tables(struct pass *p)
{
    struct progress *c = &p->s->progress;
    uint64_t bytes = 0, rows = 0, total = 0;
    uint32_t ready = 0;
    for (size_t i = 0; i < p->run.tables_len; i++) {
        const struct run_table *t = &p->run.tables[i];
        total += t->wanted ? t->copy.table->bytes : t->row.bytes;
        bytes += t->wanted ? 0 : t->row.bytes;
        rows += t->wanted ? 0 : t->row.rows;
        ready += t->ready;
    }
    atomic_store(&c->tables_total, (uint_fast32_t)p->run.tables_len);
    atomic_store(&c->tables_done, ready);
    atomic_store(&c->bytes_total, total);
    atomic_store(&c->bytes_before, bytes);
    atomic_store(&c->bytes, bytes);
    atomic_store(&c->rows, rows);
}

/* Joins the store's rows with what the source has under the snapshot. */
static bool
plan_tables(struct pass *p, struct err *err)
{
    struct run *r = &p->run;
    if (!pg_tables_read(p->keeper, &p->s->o.filter, &r->info, err)) {
        return false;
    }
    for (size_t i = 0; i < r->info.len; i++) {
        struct run_table *t = run_find_table(r, r->info.items[i].oid);
        if (t) {
            t->copy.table = &r->info.items[i];
            t->copy.ours = ledger_touched(&p->ledger, t->oid);
        }
    }
    struct plan_table *list = x_zalloc((r->tables_len + 1) * sizeof(*list));
    r->planned = x_zalloc((r->tables_len + 1) * sizeof(*r->planned));
    size_t n = 0;
    for (size_t i = 0; i < r->tables_len; i++) {
        struct run_table *t = &r->tables[i];
        if (!t->wanted) {
            continue;
        }
        if (!t->copy.table) {
            x_free(list);
            err_set(err, ERR_DATA, "source: the table '%s.%s' is gone, or is not included any more",
                t->row.schema, t->row.name);
            return err_hint(
                err, "tables may not be dropped, created or renamed during a migration");
        }
        list[n] = (struct plan_table){t->copy.table->bytes, t->copy.table->pages};
        r->planned[n++] = i;
    }
    /* Ranges of ctid are found without reading the whole table from version 14 on. */
    bool ranges = PQserverVersion(p->keeper) >= 140000;
    plan_build(list, n, ranges ? p->s->o.split_above : 0, &r->plan);
    x_free(list);
    for (size_t i = 0; i < n; i++) {
        struct run_table *t = &r->tables[r->planned[i]];
        t->parts = t->parts_left = r->plan.parts_of[i];
    }
    r->part_state = x_zalloc((r->plan.len + 1) * sizeof(*r->part_state));
    count_tables(p);
    return true;
}

/* --- the beginning of a run ----------------------------------------------------------------- */

/* Values travel in UTF-8 between databases that have an encoding. SQL_ASCII is none: such bytes are
 * handed over as they are. */
static bool
choose_encoding(struct pass *p, struct err *err)
{
    struct pg_server source, target;
    if (!pg_server_read(p->keeper, &source, err) || !pg_server_read(p->target, &target, err)) {
        return false;
    }
    bool bytes =
        strcmp(source.encoding, "SQL_ASCII") == 0 || strcmp(target.encoding, "SQL_ASCII") == 0;
    snprintf(p->run.encoding, sizeof(p->run.encoding), "%s", bytes ? "SQL_ASCII" : "UTF8");
    return true;
}

static bool
open_keeper(struct pass *p, const char *exported, struct err *err)
{
    char *name = NULL;
    if (!session_reader(&p->s->o, SESSION_SNAPSHOT, NULL, exported, &p->keeper, err) ||
        !pg_query_value(p->keeper, "source: export the snapshot", "SELECT pg_export_snapshot()", 0,
            NULL, &name, err)) {
        return false;
    }
    snprintf(p->run.snapshot, sizeof(p->run.snapshot), "%s", name ? name : "");
    x_free(name);
    return choose_encoding(p, err);
}

/* Something of the schema was made on the target. */
static bool
has_begun(const struct pass *p)
{
    size_t first;
    return ledger_prefix(&p->ledger, "pre ", &first) > 0 ||
           ledger_prefix(&p->ledger, "post ", &first) > 0;
}

/* Statements of DDL that the feed brings from before this position are in the schema already. Noted
 * first: a dump that was made and not used yet is made again. */
static bool
note_schema_position(struct pass *p, struct err *err)
{
    char key[128];
    snprintf(key, sizeof(key), STORE_DDL_SCHEMA "%s", p->s->o.sink ? p->s->o.sink : "");
    return store_set_u64(p->s->o.store, key, p->run.sync, err);
}

static bool
make_schema(struct pass *p, struct err *err)
{
    struct snapshot *s = p->s;
    bool begun = has_begun(p);
    struct create c = {.target = p->target, .migration = s->o.name, .stop = s->o.stop};
    if (!begun) {
        schema_free(&s->schema);
    }
    bool ok = (begun || p->run.sync == 0 || note_schema_position(p, err)) &&
              schema_dump(&s->o, p->keeper, p->run.snapshot, begun, err) &&
              schema_load(&s->o, PQserverVersion(p->keeper), &s->schema, err) &&
              (!s->o.roles || roles_carry(p->keeper, p->target, s->o.name, s->o.passwords, err)) &&
              (!s->o.database || database_carry(p->keeper, p->target, s->o.name, err)) &&
              create_init(&c, err) && create_before_data(&c, &s->schema.before, &p->ledger, err);
    create_done(&c);
    return ok;
}

static void
count_entries(struct pass *p)
{
    uint32_t total = 0, done = 0;
    for (size_t i = 0; i < p->run.post.len; i++) {
        const struct post_item *it = &p->run.post.items[i];
        bool counts = it->entry && (it->stage == POST_TABLE || it->stage == POST_FK) &&
                      it->state != POST_SKIPPED;
        total += counts;
        done += counts && it->state == POST_DONE;
    }
    atomic_store(&p->s->progress.indexes_total, total);
    atomic_store(&p->s->progress.indexes_done, done);
}

/* The one that has just asked whether a copy is needed will do. */
static bool
take_target(struct pass *p, struct err *err)
{
    struct snapshot *s = p->s;
    if (clock_mono_us(s->o.clock) - s->spare_us < SPARE_US) {
        p->target = s->spare;
    } else {
        PQfinish(s->spare);
    }
    s->spare = NULL;
    return p->target || session_target(&s->o, SESSION_SNAPSHOT, NULL, &p->target, NULL, err);
}

static bool
prepare(
    struct pass *p, const char *exported, void (*imported)(void *arg), void *arg, struct err *err)
{
    struct snapshot *s = p->s;
    struct run *r = &p->run;
    bool objects = false;
    const struct pending_input pending = {
        .o = &s->o, .schema = &s->schema, .tables = &r->info, .done = &p->ledger, .ends = true};
    if (!take_target(p, err) || !session_end_leftovers(&s->o, p->target, err) ||
        !ledger_ensure(p->target, err) || !ledger_read(p->target, s->o.name, &p->ledger, err) ||
        !open_keeper(p, exported, err)) {
        return false;
    }
    if (exported && imported) {
        imported(arg);
    }
    struct newcomers_snapshot at = {
        .source = p->keeper, .sync = r->sync, .first = s->o.copy_schema && !has_begun(p)};
    if ((exported && !newcomers_take(&s->o, &at, err)) || !read_tables(p, err)) {
        return false;
    }
    if (r->tables_left && !exported) {
        return err_set(err, ERR_FATAL, "tables are left to copy, and there is no snapshot");
    }
    if (!plan_tables(p, err)) {
        return false;
    }
    set_step(s, STEP_SCHEMA);
    if (s->o.copy_schema && !make_schema(p, err)) {
        return false;
    }
    if (!pending_build(&pending, p->keeper, &r->post, err) ||
        !large_objects_exist(p->keeper, &objects, err)) {
        return false;
    }
    r->large_objects = objects ? PART_WAITING : PART_DONE;
    count_entries(p);
    return true;
}

/* --- threads -------------------------------------------------------------------------------- */

struct pool {
    struct thread threads[2 * JOBS_MAX];
    struct worker workers[2 * JOBS_MAX];
    int len;
};

static void
start(
    struct pool *pool, struct run *r, void (*run)(void *), const char *name, enum post_stage stage)
{
    struct err err = ERR_INIT;
    int i = pool->len;
    pool->workers[i] = (struct worker){.run = r, .number = i + 1, .stage = stage};
    char thread_name[16];
    snprintf(thread_name, sizeof(thread_name), "%s %d", name, i + 1);
    if (thread_start(&pool->threads[i], thread_name, run, &pool->workers[i], &err)) {
        pool->len++;
    } else {
        run_fail(r, &err);
        run_leave(r);
    }
}

static void
watch_keeper(struct pass *p, bool readable)
{
    if (!p->keeper) {
        return;
    }
    if (stop_requested(&p->run.copied)) {
        /* Nobody reads under it any more: the source may clean up behind it. */
        PQfinish(p->keeper);
        p->keeper = NULL;
        set_step(p->s, STEP_INDEXES);
    } else if (readable && !PQconsumeInput(p->keeper)) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_RECONNECT, "source: the connection that holds the snapshot is lost");
        run_fail(&p->run, &err);
    }
}

static void
wait_for_threads(struct pass *p)
{
    struct run *r = &p->run;
    while (!stop_requested(&r->finished)) {
        bool cancelled = stop_requested(&r->cancel);
        struct pollfd fds[4] = {
            {.fd = r->finished.event_fd, .events = POLLIN},
            {.fd = cancelled || !p->s->o.stop ? -1 : p->s->o.stop->event_fd, .events = POLLIN},
            {.fd = p->keeper && !cancelled ? r->copied.event_fd : -1, .events = POLLIN},
            {.fd = p->keeper && !cancelled ? PQsocket(p->keeper) : -1, .events = POLLIN},
        };
        (void)poll(fds, 4, 1000);
        if (!cancelled && p->s->o.stop && stop_requested(p->s->o.stop)) {
            struct err err = ERR_INIT;
            err_set(&err, ERR_CANCELLED, "the copy was stopped");
            run_fail(r, &err);
        } else if (!cancelled) {
            watch_keeper(p, fds[3].revents != 0);
        }
    }
}

static bool
finish_threads(struct pass *p, struct pool *pool, struct err *err)
{
    wait_for_threads(p);
    for (int i = 0; i < pool->len; i++) {
        thread_join(&pool->threads[i]);
    }
    if (p->run.failed) {
        *err = p->run.error;
        return false;
    }
    return true;
}

static bool
copy_and_index(struct pass *p, struct err *err)
{
    struct run *r = &p->run;
    struct pool *pool = x_zalloc(sizeof(*pool));
    /* Not kept idle for the hours that the threads may take: it could be lost meanwhile. */
    PQfinish(p->target);
    p->target = NULL;
    bool copies = r->tables_left > 0 || r->large_objects == PART_WAITING;
    int jobs = copies ? p->s->o.jobs : 0;
    if (!copies) {
        stop_request(&r->copied);
    }
    set_step(p->s, copies ? STEP_COPY : STEP_INDEXES);
    r->threads_left = jobs + p->s->o.index_jobs;
    for (int i = 0; i < jobs; i++) {
        start(pool, r, copy_main, "copy", POST_TABLE);
    }
    for (int i = 0; i < p->s->o.index_jobs; i++) {
        start(pool, r, post_main, "index", POST_TABLE);
    }
    bool ok = finish_threads(p, pool, err);
    x_free(pool);
    PQfinish(p->keeper);
    p->keeper = NULL;
    if (ok && r->set_aside) {
        ok = err_set(err, ERR_RETRY,
            "%zu tables were truncated or rewritten on the source since the snapshot was taken",
            r->set_aside);
    }
    return ok;
}

static bool
foreign_keys(struct pass *p, struct err *err)
{
    struct run *r = &p->run;
    if (post_left(&r->post, POST_FK) == 0) {
        return true;
    }
    set_step(p->s, STEP_FOREIGN_KEYS);
    struct pool *pool = x_zalloc(sizeof(*pool));
    stop_done(&r->finished);
    bool ok = stop_init(&r->finished) || err_set(err, ERR_FATAL, "out of file descriptors");
    if (ok) {
        r->threads_left = p->s->o.index_jobs;
        for (int i = 0; i < p->s->o.index_jobs; i++) {
            start(pool, r, post_main, "keys", POST_FK);
        }
        ok = finish_threads(p, pool, err);
    }
    x_free(pool);
    return ok;
}

/* --- the end of a run ----------------------------------------------------------------------- */

static bool
late_entries(struct pass *p, struct err *err)
{
    struct snapshot *s = p->s;
    struct create c = {.migration = s->o.name, .stop = s->o.stop, .together = true};
    struct reporter report = {.line = log_line};
    set_step(s, STEP_TRIGGERS);
    /* Foreign keys that were left are for snapshot_validate: not again here. */
    for (size_t i = 0; i < p->run.post.len; i++) {
        struct post_item *it = &p->run.post.items[i];
        if (it->stage == POST_FK && it->state == POST_WAITING) {
            it->state = POST_SKIPPED;
        }
    }
    bool ok = session_target(&s->o, SESSION_SNAPSHOT, NULL, &p->target, NULL, err);
    c.target = p->target;
    ok = ok && create_init(&c, err) && pending_make(&p->run.post, POST_LATE, &c, &report, err);
    create_done(&c);
    return ok;
}

static bool
carry_rest(struct pass *p, struct err *err)
{
    struct snapshot *s = p->s;
    PGconn *source = NULL;
    uint32_t count;
    struct reporter report = {.line = log_line};
    set_step(s, STEP_FINISH);
    bool ok = session_source(&s->o, SESSION_SNAPSHOT, &source, err) &&
              matviews_refresh(source, p->target, s->o.stop, &report, err);
    if (ok && !sequences_carry(source, p->target, 0, &count, err)) {
        /* Missing ones can still be made before the cutover, which will insist. */
        ok = err->class == ERR_DATA && !err->sqlstate[0];
        if (ok) {
            log_err(LOG_WARN, STAGE, err);
            err_clear(err);
        }
    }
    PQfinish(source);
    return ok && (!s->o.copy_schema || identities_reset(&p->run, p->target, err));
}

static bool
all_ready(struct pass *p, struct err *err)
{
    struct run *r = &p->run;
    struct table_row *rows = x_zalloc((r->tables_len + 1) * sizeof(*rows));
    for (size_t i = 0; i < r->tables_len; i++) {
        rows[i] = r->tables[i].row;
        rows[i].state = TABLE_READY;
    }
    FAILPOINT("snapshot.before_ready");
    bool all = true, late = true;
    for (size_t i = 0; i < r->post.len; i++) {
        const struct post_item *it = &r->post.items[i];
        all = all && it->state == POST_DONE;
        late = late && (it->state == POST_DONE || it->stage == POST_FINISH);
    }
    bool settled = false;
    bool ok = (!all || ledger_add(p->target, p->s->o.name, PENDING_NONE_ITEM, err)) &&
              (!late || validate_is_done(p->target, &settled, err));
    ok = ok && (r->tables_len == 0 ||
                   store_sink_tables_put(p->s->o.store, p->s->o.sink, rows, r->tables_len, err));
    x_free(rows);
    p->s->settled = ok && settled;
    return ok;
}

static void
pass_done(struct pass *p)
{
    struct run *r = &p->run;
    PQfinish(p->target);
    PQfinish(p->keeper);
    for (size_t i = 0; i < r->tables_len; i++) {
        table_copy_done(&r->tables[i].copy);
    }
    x_free(r->tables);
    x_free(r->planned);
    x_free(r->part_state);
    plan_free(&r->plan);
    post_free(&r->post);
    pg_tables_free(&r->info);
    ledger_free(&p->ledger);
    stop_done(&r->cancel);
    stop_done(&r->copied);
    stop_done(&r->finished);
    x_free(p);
}

bool
pass_run(struct snapshot *s, const char *exported, uint64_t sync, void (*imported)(void *arg),
    void *arg, struct err *err)
{
    struct pass *p = x_zalloc(sizeof(*p));
    p->s = s;
    p->run = (struct run){.o = &s->o,
        .progress = &s->progress,
        .lock = &s->lock,
        .changed = &s->changed,
        .paused = &s->paused,
        .sync = sync};
    bool ok = stop_init(&p->run.cancel) && stop_init(&p->run.copied) && stop_init(&p->run.finished);
    if (!ok) {
        err_set(err, ERR_FATAL, "out of file descriptors");
    }
    if (atomic_load(&s->progress.started_us) == 0) {
        atomic_store(&s->progress.started_us, clock_mono_us(s->o.clock));
    }
    ok = ok && prepare(p, exported, imported, arg, err) && copy_and_index(p, err) &&
         foreign_keys(p, err) && late_entries(p, err) && carry_rest(p, err) && all_ready(p, err);
    if (ok) {
        set_step(s, STEP_DONE);
    }
    pass_done(p);
    return ok;
}
