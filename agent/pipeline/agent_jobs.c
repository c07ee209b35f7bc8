/* SPDX-License-Identifier: Apache-2.0
 *
 * What each action of the phase machine means: which thread starts with which parameters.
 */
#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/fence.h"
#include "agent/pipeline/lag.h"
#include "agent/pipeline/phase.h"

#define STAGE "agent"

static struct room *
new_room(const struct agent *a, struct spool *spool)
{
    struct room_options o = {.spool = spool,
        .limits = {.max_size = a->config->spool.max_size,
            .min_free = a->config->spool.min_free,
            .warn_at = a->config->spool.warn_at,
            .compress_at = a->config->spool.compress_at,
            .pause_at = a->config->spool.pause_at},
        .clock = a->clock};
    return room_new(&o);
}

bool
agent_open_spool(struct agent *a, struct err *err)
{
    struct spool_options o = {.path = a->config->spool.path,
        .feed_id = a->feed_id,
        .segment_size = a->config->spool.segment_size,
        .max_size = a->config->spool.max_size,
        .min_free = a->config->spool.min_free,
        .keep_us = a->config->spool.keep_us,
        .keep_size = a->config->spool.keep_size,
        .keys = a->keys,
        .clock = a->clock};
    struct spool *spool = NULL;
    if (!spool_open(&o, &spool, err)) {
        return false;
    }
    struct room *room = new_room(a, spool);
    pthread_mutex_lock(&a->lock);
    a->spool = spool;
    a->room = room;
    pthread_mutex_unlock(&a->lock);
    return spool_appended(spool) != 0 || spool_set_start(spool, a->start, err);
}

/* Asked by trying: managed services grant it in ways of their own. */
static bool
may_set_replication_role(struct agent *a, bool *may, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate setup", .timeout_us = a->config->network.timeout_us};
    PGconn *conn = NULL;
    if (!pg_connect(a->config->sinks[0].dsn, &o, &conn, err)) {
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
decide_defer_firing(struct agent *a, struct err *err)
{
    char *stored = NULL;
    if (!store_get(a->store, "defer_firing", &stored, err)) {
        return false;
    }
    bool ok = true;
    if (stored) {
        a->defer_firing = strcmp(stored, "yes") == 0;
    } else {
        bool may = false;
        ok = may_set_replication_role(a, &may, err) &&
             store_set(a->store, "defer_firing", may ? "no" : "yes", err);
        a->defer_firing = !may;
    }
    x_free(stored);
    return ok;
}

bool
agent_open_snapshot(struct agent *a, struct err *err)
{
    const struct config *c = a->config;
    if (!decide_defer_firing(a, err)) {
        return false;
    }
    if (a->defer_firing) {
        log_warn(STAGE,
            "the target's role may not set session_replication_role: foreign keys, triggers and "
            "rules are created at the cutover");
    }
    struct snapshot_options o = {.name = c->name,
        .source_dsn = c->source.dsn,
        .target_dsn = c->sinks[0].dsn,
        .dir = c->dir,
        .filter = {.include = (const char *const *)c->tables.include.items,
            .include_len = c->tables.include.len,
            .exclude = (const char *const *)c->tables.exclude.items,
            .exclude_len = c->tables.exclude.len},
        .store = a->store,
        .jobs = (int)c->copy.jobs,
        .index_jobs = (int)c->copy.index_jobs,
        .split_above = c->copy.split_above,
        .copy_schema = c->schema.copy,
        .owner = c->schema.owner,
        .grants = c->schema.grants,
        .defer_firing = a->defer_firing,
        .timeout_us = c->network.timeout_us,
        .stop = &a->stop,
        .clock = a->clock};
    struct snapshot *s = NULL;
    bool ok = snapshot_open(&o, &s, err);
    pthread_mutex_lock(&a->lock);
    a->snapshot = s;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool
start_packer(struct agent *a, struct err *err)
{
    const struct packer_options o = {.spool = a->spool,
        .compression = a->config->spool.compression,
        .pressing = room_presses,
        .arg = a->room,
        .stop = &a->stop};
    struct packer *packer = NULL;
    bool ok = packer_start(&o, &packer, err);
    pthread_mutex_lock(&a->lock);
    a->packer = packer;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool
start_capture(struct agent *a, struct err *err)
{
    const struct config *c = a->config;
    struct capture_options o = {.source = source_find(c->source.type),
        .params = {.dsn = c->source.dsn,
            .slot = c->source.slot,
            .publication = c->source.publication,
            .streaming = c->source.streaming,
            .timeout_us = c->network.timeout_us},
        .spool = a->spool,
        .sync_interval_us = c->spool.sync_interval_us,
        .retry_max_us = c->network.retry_max_us,
        .give_up_us = c->network.give_up_us,
        .retire_below = agent_retire_below,
        .arg = a,
        .room = a->room,
        .clock = a->clock,
        .stop = &a->stop};
    struct capture *capture = NULL;
    struct probe *probe = NULL;
    bool ok = capture_start(&o, &capture, err) && probe_start(c->source.dsn, c->source.slot,
                                                      c->network.timeout_us, &a->stop, &probe, err);
    pthread_mutex_lock(&a->lock);
    a->capture = capture;
    a->probe = probe;
    pthread_mutex_unlock(&a->lock);
    return ok && start_packer(a, err);
}

static bool
start_copy(struct agent *a, bool copy, struct err *err)
{
    struct copy_job_options o = {.config = a->config,
        .snapshot = a->snapshot,
        .anchor = a->anchor,
        .copy = copy,
        .clock = a->clock};
    a->anchor = (struct anchor){0};
    struct copy_job *job = NULL;
    bool ok = copy_job_start(&o, &job, err);
    pthread_mutex_lock(&a->lock);
    a->copy = job;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool
load_table_sync(struct agent *a, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    if (!store_tables(a->store, &rows, &n, err)) {
        return false;
    }
    struct table_sync_item *items = x_malloc((n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        items[i] = (struct table_sync_item){.oid = rows[i].oid, .sync = rows[i].sync};
    }
    table_sync_init(&a->sync, items, n);
    x_free(items);
    x_free(rows);
    return true;
}

static bool
start_deliver(struct agent *a, size_t i, struct err *err)
{
    const struct config *c = a->config;
    const struct sink_config *s = &c->sinks[i];
    origin_name(c, i, a->origins[i], sizeof(a->origins[i]));
    struct deliver_options o = {.sink = sink_find(s->type),
        .params = {.name = s->name,
            .dsn = s->dsn,
            .origin = a->origins[i],
            .group_transactions = s->group_transactions,
            .group_bytes = s->group_bytes,
            .inflight_bytes = s->inflight_bytes,
            .timeout_us = c->network.timeout_us},
        .decoder = decoder_find("pgoutput"),
        .spool = a->spool,
        .sync = &a->sync,
        .start = a->start,
        .retry_max_us = c->network.retry_max_us,
        .give_up_us = c->network.give_up_us,
        .clock = a->clock,
        .stop = &a->stop};
    struct deliver *d = NULL;
    bool ok = deliver_start(&o, &d, err);
    pthread_mutex_lock(&a->lock);
    a->delivers[i] = d;
    a->delivers_len = i + (ok ? 1 : 0);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool
start_delivers(struct agent *a, struct err *err)
{
    bool ok = load_table_sync(a, err);
    for (size_t i = 0; ok && i < a->config->sinks_len; i++) {
        ok = start_deliver(a, i, err);
    }
    return ok;
}

/* The copy job of a run that copied goes on to validate by itself. */
static bool
start_validate(struct agent *a, struct err *err)
{
    return a->copy ? true : start_copy(a, false, err);
}

bool
agent_start_actions(struct agent *a, unsigned actions, struct err *err)
{
    if ((actions & ACTION_UNFENCE) && !fence_lift(a->config, a->store, err)) {
        return false;
    }
    if ((actions & ACTION_CAPTURE) && !start_capture(a, err)) {
        return false;
    }
    if ((actions & ACTION_COPY) && !start_copy(a, true, err)) {
        return false;
    }
    if ((actions & ACTION_DELIVER) && !start_delivers(a, err)) {
        return false;
    }
    return !(actions & ACTION_VALIDATE) || start_validate(a, err);
}

static void
end_copy_job(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    struct copy_job *job = a->copy;
    a->copy = NULL;
    pthread_mutex_unlock(&a->lock);
    copy_job_free(job);
}

/* Each job is taken out of everybody's sight before it goes. The cutover is first, because it looks
 * at the others. */
void
agent_join_jobs(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    struct cutover *cutover = a->cutover;
    a->cutover = NULL;
    pthread_mutex_unlock(&a->lock);
    cutover_free(cutover);
    end_copy_job(a);

    struct deliver *delivers[CONFIG_SINKS_MAX];
    pthread_mutex_lock(&a->lock);
    memcpy(delivers, a->delivers, sizeof(delivers));
    memset(a->delivers, 0, sizeof(a->delivers));
    a->delivers_len = 0;
    struct capture *capture = a->capture;
    a->capture = NULL;
    struct probe *probe = a->probe;
    a->probe = NULL;
    struct packer *packer = a->packer;
    a->packer = NULL;
    pthread_mutex_unlock(&a->lock);
    packer_free(packer);
    for (size_t i = 0; i < CONFIG_SINKS_MAX; i++) {
        deliver_free(delivers[i]);
    }
    capture_free(capture);
    probe_free(probe);
    anchor_release(&a->anchor);
}

uint64_t
agent_retire_below(void *arg)
{
    struct agent *a = arg;
    pthread_mutex_lock(&a->lock);
    uint64_t least = a->start;
    for (size_t i = 0; i < a->delivers_len; i++) {
        uint64_t durable = deliver_durable(a->delivers[i]);
        least = i == 0 || durable < least ? durable : least;
    }
    if (a->delivers_len < a->config->sinks_len) {
        least = a->start;
    }
    pthread_mutex_unlock(&a->lock);
    return least;
}

uint64_t
agent_applied(struct agent *a)
{
    uint64_t least = a->delivers_len ? UINT64_MAX : 0;
    for (size_t i = 0; i < a->delivers_len; i++) {
        struct deliver_state s;
        deliver_state(a->delivers[i], &s);
        least = s.progress.applied < least ? s.progress.applied : least;
    }
    return least;
}

bool
agent_sinks_position(void *arg, struct cutover_sinks *out, struct err *err)
{
    struct agent *a = arg;
    *out = (struct cutover_sinks){.running = true, .applied = UINT64_MAX};
    uint64_t head = probe_head(a->probe);
    for (size_t i = 0; i < a->delivers_len; i++) {
        struct deliver_state s;
        deliver_state(a->delivers[i], &s);
        if (s.failed) {
            *err = s.error;
            return err_wrap(err, "sink '%s'", a->config->sinks[i].name);
        }
        if (s.state != SINK_RUNNING) {
            out->running = false;
            snprintf(out->waiting_for, sizeof(out->waiting_for), "sink '%s' is %s%s%.400s",
                a->config->sinks[i].name, sink_state_name(s.state), s.error.text[0] ? ": " : "",
                s.error.text);
        }
        if (s.progress.applied < out->applied) {
            out->applied = s.progress.applied;
        }
        if (s.rows_commit_us > out->rows_commit_us) {
            out->rows_commit_us = s.rows_commit_us;
        }
    }
    out->lag_bytes = lag_bytes(head, out->applied);
    return true;
}

void
agent_take_snapshot(void *arg)
{
    end_copy_job(arg);
}
