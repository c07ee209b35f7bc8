/* SPDX-License-Identifier: Apache-2.0
 *
 * The object, and what happens to the target after the copy: each step opens its own sessions,
 * reads from the ledger what is still missing, and can be called again.
 */
#include "agent/snapshot/snapshot.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/catalog.h"
#include "agent/snapshot/database.h"
#include "agent/snapshot/large_object_sync.h"
#include "agent/snapshot/large_objects.h"
#include "agent/snapshot/matviews.h"
#include "agent/snapshot/newcomers.h"
#include "agent/snapshot/pass.h"
#include "agent/snapshot/pending.h"
#include "agent/snapshot/sequences.h"
#include "agent/snapshot/session.h"
#include "agent/snapshot/table_again.h"
#include "agent/snapshot/validate.h"

#define STAGE    "snapshot"
#define JOBS_MAX 64

bool
snapshot_open(const struct snapshot_options *o, struct snapshot **out, struct err *err)
{
    (void)err;
    struct snapshot *s = x_zalloc(sizeof(*s));
    s->o = *o;
    s->o.jobs = o->jobs < 1 ? 1 : o->jobs > JOBS_MAX ? JOBS_MAX : o->jobs;
    s->o.index_jobs = o->index_jobs < 1 ? 1 : o->index_jobs > JOBS_MAX ? JOBS_MAX : o->index_jobs;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    *out = s;
    return true;
}

void
snapshot_free(struct snapshot *s)
{
    if (!s) {
        return;
    }
    PQfinish(s->spare);
    schema_free(&s->schema);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    x_free(s);
}

void
snapshot_progress(const struct snapshot *s, struct snapshot_progress *out)
{
    progress_read(&s->progress, clock_mono_us(s->o.clock), out);
}

void
snapshot_pause(struct snapshot *s, bool pause)
{
    pthread_mutex_lock(&s->lock);
    s->paused = pause;
    atomic_store(&s->progress.paused, pause);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool
snapshot_run(struct snapshot *s, const char *exported, uint64_t sync, void (*imported)(void *arg),
    void *arg, struct err *err)
{
    return pass_run(s, exported, sync, imported, arg, err);
}

bool
snapshot_needs_copy(struct snapshot *s, bool *needs, struct err *err)
{
    struct table_row *rows = NULL;
    struct ledger ledger = {0};
    PGconn *target = NULL;
    size_t n = 0;
    bool ok = session_target(&s->o, SESSION_SNAPSHOT, NULL, &target, NULL, err) &&
              ledger_read(target, s->o.name, &ledger, err) &&
              pass_read_rows(s, &ledger, &rows, &n, err);
    *needs = false;
    ok = ok && (!s->o.copy_schema || newcomers_possible(&s->o, needs, err));
    for (size_t i = 0; ok && i < n; i++) {
        *needs = *needs || pass_is_unfinished(&rows[i]);
    }
    x_free(rows);
    ledger_free(&ledger);
    PQfinish(s->spare);
    s->spare = target;
    s->spare_us = clock_mono_us(s->o.clock);
    return ok;
}

/* --- after the copy ------------------------------------------------------------------------- */

/* Sessions and ledger of one of the steps below. */
struct step {
    struct snapshot *s;
    PGconn *source, *target;
    struct ledger ledger;
    const struct stop *stop;
    bool quiet; /* nobody else uses the target's tables */
};

static bool
step_open(struct step *t, struct snapshot *s, const struct stop *stop, struct err *err)
{
    *t = (struct step){.s = s, .stop = stop};
    return session_target(&s->o, SESSION_SNAPSHOT, NULL, &t->target, NULL, err) &&
           session_source(&s->o, SESSION_SNAPSHOT, &t->source, err) &&
           ledger_read_at_once(t->target, s->o.name, &t->ledger, err);
}

static void
step_close(struct step *t)
{
    PQfinish(t->source);
    PQfinish(t->target);
    ledger_free(&t->ledger);
}

static void
log_line(const char *line, void *arg)
{
    (void)arg;
    log_warn(STAGE, "%s", line);
}

/* Makes what the ledger does not name, up to the given stage. */
static bool
make_pending(struct step *t, enum post_stage last, struct reporter *report, struct err *err)
{
    struct snapshot *s = t->s;
    struct pg_tables tables = {0};
    struct post post = {0};
    struct create c = {
        .target = t->target, .migration = s->o.name, .stop = t->stop, .together = t->quiet};
    const struct pending_input in = {
        .o = &s->o, .schema = &s->schema, .tables = &tables, .done = &t->ledger};
    if (!s->o.copy_schema || ledger_has(&t->ledger, PENDING_NONE_ITEM)) {
        return true;
    }
    bool ok = schema_load(&s->o, PQserverVersion(t->source), &s->schema, err) &&
              (table_filter_is_all(&s->o.filter) ||
                  pg_tables_read(t->source, &s->o.filter, &tables, err)) &&
              pending_build(&in, t->source, &post, err) && create_init(&c, err) &&
              pending_make(&post, last, &c, report, err);
    create_done(&c);
    post_free(&post);
    pg_tables_free(&tables);
    return ok;
}

bool
snapshot_validate(struct snapshot *s, const struct stop *stop,
    void (*report)(const char *line, void *arg), void *arg, uint32_t *failed, struct err *err)
{
    struct step t;
    struct reporter r = {.line = report, .arg = arg};
    bool ok = step_open(&t, s, stop, err) && make_pending(&t, POST_LATE, &r, err) &&
              validate_constraints(t.source, t.target, stop, &r, err);
    *failed = r.failed;
    step_close(&t);
    return ok;
}

bool
snapshot_is_settled(const struct snapshot *s)
{
    return s->settled;
}

_Static_assert(sizeof(((struct snapshot_objects *)0)->mark) == LARGE_OBJECT_MARK_SIZE, "one size");

static bool
any_objects(PGconn *source, PGconn *target, bool *any, struct err *err)
{
    bool there = false;
    *any = false;
    if (!large_objects_exist(source, any, err) || !large_objects_exist(target, &there, err)) {
        return false;
    }
    *any = *any || there;
    return true;
}

bool
snapshot_large_objects(struct snapshot *s, struct snapshot_objects *o,
    struct large_object_counts *out, struct err *err)
{
    PGconn *source = NULL, *target = NULL;
    char mark[LARGE_OBJECT_MARK_SIZE] = "";
    bool any = false;
    *out = (struct large_object_counts){0};
    bool ok = session_source(&s->o, SESSION_SNAPSHOT, &source, err) &&
              session_target(&s->o, SESSION_SNAPSHOT, NULL, &target, NULL, err) &&
              any_objects(source, target, &any, err);
    if (ok && any) {
        const struct copier c = {
            .source = source, .target = target, .migration = s->o.name, .stop = s->o.stop};
        const struct large_object_sync sync = {.c = &c,
            .owner = s->o.owner,
            .grants = s->o.grants,
            .since = o->mark,
            .in_use = o->in_use,
            .go_on = o->go_on,
            .arg = o->arg};
        ok = large_object_mark(source, mark, err) && ledger_ensure(target, err) &&
             large_objects_sync(&sync, out, err);
    }
    if (ok) {
        memcpy(o->mark, mark, sizeof(mark));
    }
    PQfinish(source);
    PQfinish(target);
    return ok;
}

bool
snapshot_finish(struct snapshot *s, bool *again, struct err *err)
{
    struct step t;
    uint32_t count;
    struct reporter r = {.line = log_line};
    bool ok = step_open(&t, s, s->o.stop, err);
    t.quiet = true;
    *again = ok && table_again_is_left(&t.ledger);
    ok = ok && sequences_carry(t.source, t.target, s->o.sequence_margin, &count, err) &&
         make_pending(&t, POST_FINISH, &r, err) &&
         (!s->o.copy_schema || !s->o.database || database_is_handed_over(&t.ledger) ||
             database_hand_over(t.source, t.target, s->o.name, s->o.owner, s->o.grants, err));
    step_close(&t);
    return ok;
}

bool
snapshot_open_ahead(const struct snapshot_options *o, struct err *err)
{
    return session_open_ahead(o, SESSION_SNAPSHOT, err) &&
           session_open_ahead(o, SESSION_SNAPSHOT, err);
}

bool
snapshot_after_cutover(
    struct snapshot *s, void (*report)(const char *line, void *arg), void *arg, struct err *err)
{
    struct step t;
    struct reporter r = {.line = report, .arg = arg};
    bool ok = step_open(&t, s, s->o.stop, err) &&
              matviews_refresh(t.source, t.target, s->o.stop, &r, err) &&
              make_pending(&t, POST_FINISH, &r, err) &&
              validate_constraints(t.source, t.target, s->o.stop, &r, err);
    step_close(&t);
    return ok;
}
