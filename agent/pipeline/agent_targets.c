/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot object of each lane: made when it is first needed, because making it may ask the
 * target, and kept, because it knows the progress of the copy.
 */
#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pipeline/agent.intern.h"
#include "agent/snapshot/table_again.h"

#define STAGE "agent"

/* Asked by trying: managed services grant it in ways of their own. */
static bool
may_set_replication_role(const struct lane *l, bool *may, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate setup", .timeout_us = l->agent->config->network.timeout_us};
    PGconn *conn = NULL;
    if (!pg_connect(l->config->dsn, &o, &conn, err)) {
        return false;
    }
    *may = pg_exec(
        conn, "set session_replication_role", "SET session_replication_role = replica", err);
    bool answered = *may || err->class != ERR_RECONNECT;
    if (answered) {
        err_clear(err);
    }
    PQfinish(conn);
    return answered;
}

/* Decided once: objects that waited must not be forgotten because a right was granted in between.
 */
static bool
decide_defer_firing(const struct lane *l, bool *defer, struct err *err)
{
    char key[96], *stored = NULL;
    snprintf(key, sizeof(key), STORE_DEFER_FIRING "%s", l->config->name);
    if (!store_get(l->agent->store, key, &stored, err)) {
        return false;
    }
    bool ok = true, may = false;
    if (stored) {
        *defer = strcmp(stored, "yes") == 0;
    } else {
        ok = may_set_replication_role(l, &may, err) &&
             store_set(l->agent->store, key, may ? "no" : "yes", err);
        *defer = !may;
    }
    x_free(stored);
    return ok;
}

static struct snapshot_options
snapshot_options(const struct lane *l, bool defer_firing)
{
    const struct agent *a = l->agent;
    const struct config *c = a->config;
    return (struct snapshot_options){.name = c->name,
        .sink = l->config->name,
        .source_dsn = c->source.dsn,
        .target_dsn = l->config->dsn,
        .dir = c->dir,
        .filter = {.include = (const char *const *)c->tables.include.items,
            .include_len = c->tables.include.len,
            .exclude = (const char *const *)c->tables.exclude.items,
            .exclude_len = c->tables.exclude.len},
        .store = a->store,
        .jobs = (int)c->copy.jobs,
        .index_jobs = (int)c->copy.index_jobs,
        .split_above = c->copy.split_above,
        .analyze = c->copy.analyze,
        /* A target that has its data from elsewhere has its schema, too. */
        .copy_schema = c->schema.copy && l->row.copies,
        .owner = c->schema.owner,
        .grants = c->schema.grants,
        .database = c->schema.database,
        .roles = c->schema.roles != ROLES_OFF,
        .passwords = c->schema.roles == ROLES_WITH_PASSWORDS,
        .publication = c->source.publication,
        .subscriptions = c->schema.subscriptions == SUBSCRIPTIONS_DISABLED,
        .defer_firing = defer_firing,
        .sequence_margin = c->cutover.sequence_margin,
        .spares = a->spares,
        .timeout_us = c->network.timeout_us,
        .stop = &a->stop,
        .clock = a->clock};
}

bool
agent_lane_target(void *lane, struct snapshot_options *out, struct err *err)
{
    struct lane *l = lane;
    bool defer = false;
    if (l->row.copies && !decide_defer_firing(l, &defer, err)) {
        return false;
    }
    *out = snapshot_options(l, defer);
    return true;
}

bool
agent_lane_snapshot(void *lane, struct snapshot **out, struct err *err)
{
    struct lane *l = lane;
    bool defer = false;
    *out = l->snapshot;
    if (l->snapshot) {
        return true;
    }
    if (l->row.copies && !decide_defer_firing(l, &defer, err)) {
        return false;
    }
    if (defer) {
        log_warn(STAGE,
            "the role at '%s' may not set session_replication_role: foreign keys, triggers and "
            "rules are created at the cutover",
            l->config->name);
    }
    struct snapshot_options o = snapshot_options(l, defer);
    bool ok = snapshot_open(&o, out, err);
    pthread_mutex_lock(&l->agent->lock);
    l->snapshot = *out;
    pthread_mutex_unlock(&l->agent->lock);
    return ok;
}

void
agent_lane_end_copy(struct lane *l)
{
    pthread_mutex_lock(&l->agent->lock);
    struct copy_job *job = l->copy;
    l->copy = NULL;
    pthread_mutex_unlock(&l->agent->lock);
    copy_job_free(job);
}

bool
agent_wants_sequences(void *arg, size_t sink)
{
    struct agent *a = arg;
    enum phase phase = a->phase;
    pthread_mutex_lock(&a->lock);
    const struct lane *l = &a->lanes[sink];
    bool ready = l->copied && !l->failed;
    pthread_mutex_unlock(&a->lock);
    return ready && (phase == PHASE_CATCHUP || phase == PHASE_STREAMING);
}

void
agent_take_snapshots(void *arg)
{
    struct agent *a = arg;
    sequence_watch_hold(a->sequences, true);
    for (size_t i = 0; i < a->lanes_len; i++) {
        agent_lane_end_copy(&a->lanes[i]);
    }
}

static void
add_counts(struct large_object_counts *to, const struct large_object_counts *n)
{
    to->objects += n->objects;
    to->compared += n->compared;
    to->created += n->created;
    to->changed += n->changed;
    to->removed += n->removed;
    to->described += n->described;
    to->foreign += n->foreign;
    to->bytes += n->bytes;
}

/* A call behind the fence builds on the one before it; one that stands alone compares everything.
 */
bool
agent_sync_large_objects(void *arg, const struct cutover_objects *o, struct err *err)
{
    struct agent *a = arg;
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct snapshot *s = NULL;
        struct large_object_counts n;
        struct snapshot_objects pass = {.in_use = o->in_use, .go_on = o->go_on, .arg = o->arg};
        if (strcmp(l->config->type, "postgresql") != 0) {
            continue;
        }
        if (!o->in_use) {
            memcpy(pass.mark, l->objects_mark, sizeof(pass.mark));
        }
        if (!agent_lane_snapshot(l, &s, err) || !snapshot_large_objects(s, &pass, &n, err)) {
            return a->lanes_len == 1 ? false : err_wrap(err, "sink '%s'", l->config->name);
        }
        memcpy(l->objects_mark, pass.mark, sizeof(pass.mark));
        add_counts(o->total, &n);
    }
    return true;
}

bool
agent_open_ahead(void *arg, struct err *err)
{
    struct agent *a = arg;
    bool ok = true;
    for (size_t i = 0; ok && i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct snapshot_options o;
        ok = strcmp(l->config->type, "postgresql") != 0 ||
             (agent_lane_target(l, &o, err) && snapshot_open_ahead(&o, err));
    }
    return ok;
}

bool
agent_finish_targets(void *arg, struct err *err)
{
    struct agent *a = arg;
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct snapshot *s = NULL;
        if (strcmp(l->config->type, "postgresql") != 0) {
            continue;
        }
        struct snapshot_options o;
        bool again = false;
        if (!agent_lane_snapshot(l, &s, err) || !snapshot_finish(s, &again, err) ||
            (again && (!agent_lane_target(l, &o, err) || !table_again_finish(&o, err)))) {
            return a->lanes_len == 1 ? false : err_wrap(err, "sink '%s'", l->config->name);
        }
    }
    return true;
}

static void
report_line(const char *line, void *arg)
{
    (void)arg;
    log_warn(STAGE, "%s", line);
}

/* Its own end is stored, so that a crash repeats it. */
static bool
finish_lane(struct lane *l, struct err *err)
{
    char key[96], *done = NULL;
    struct snapshot *s = NULL;
    snprintf(key, sizeof(key), STORE_AFTER_CUTOVER "%s", l->config->name);
    if (!store_get(l->agent->store, key, &done, err)) {
        return false;
    }
    bool ok = done || (agent_lane_snapshot(l, &s, err) &&
                          snapshot_after_cutover(s, report_line, NULL, err) &&
                          store_set(l->agent->store, key, "done", err));
    x_free(done);
    return ok;
}

bool
agent_finish_after_cutover(struct agent *a, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct err why = ERR_INIT;
        bool target = l->admitted && strcmp(l->config->type, "postgresql") == 0;
        if (!target || finish_lane(l, &why)) {
            continue;
        }
        if (a->lanes_len > 1) {
            err_wrap(&why, "sink '%s'", l->config->name);
        }
        /* The others get what is theirs all the same. */
        if (!ok) {
            log_err(LOG_WARN, STAGE, err);
        }
        *err = why;
        ok = false;
    }
    return ok;
}
