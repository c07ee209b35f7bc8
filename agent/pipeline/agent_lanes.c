/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of each sink. The main loop looks at every lane a few times a second and moves it on:
 * its copy has ended, so its changes are delivered; it has failed, so it stands still until
 * somebody asks for it. What a lane needs of the spool is held from the moment it is admitted.
 */
#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/pipeline/agent.intern.h"
#include "config/names.h"

#define STAGE            "agent"
#define CURSORS_EVERY_US 10000000

void
agent_lanes_init(struct agent *a)
{
    a->lanes_len = a->config->sinks_len;
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        l->agent = a;
        l->config = &a->config->sinks[i];
        l->ops = sink_find(l->config->type);
        if (a->lanes_len == 1) {
            snprintf(l->job_name, sizeof(l->job_name), "copy");
        } else {
            snprintf(l->job_name, sizeof(l->job_name), "copy %s", l->config->name);
        }
    }
}

void
agent_lanes_done(struct agent *a)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        snapshot_free(a->lanes[i].snapshot);
        table_sync_done(&a->lanes[i].sync);
    }
}

void
agent_lanes_fail(struct lane *l, const struct err *err)
{
    struct agent *a = l->agent;
    /* First the log: whoever sees the state may look there for the reason. */
    if (a->lanes_len > 1) {
        log_err(LOG_ERROR, STAGE, err);
        log_warn(STAGE, "sink '%s' stands still, the others go on; `tidegate resume %s` starts it",
            l->config->name, l->config->name);
    }
    pthread_mutex_lock(&a->lock);
    l->failed = true;
    l->error = *err;
    pthread_mutex_unlock(&a->lock);
}

/* --- start ---------------------------------------------------------------------------------- */

static bool
start_copy_job(struct lane *l, bool copy, struct err *err)
{
    struct agent *a = l->agent;
    struct copy_job_options o = {.config = a->config,
        .name = l->job_name,
        .number = (size_t)(l - a->lanes),
        .open = agent_lane_snapshot,
        .arg = l,
        .anchor = copy ? a->anchor : (struct anchor){0},
        .copy = copy,
        .wake_fd = a->wake_fd,
        .clock = a->clock};
    if (copy) {
        a->anchor = (struct anchor){0};
    }
    struct copy_job *job = NULL;
    bool ok = copy_job_start(&o, &job, err);
    pthread_mutex_lock(&a->lock);
    l->copy = job;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* A sink that was given its data from elsewhere wants every change behind its start, but of the
 * tables that were copied anew. */
static bool
load_table_sync(struct lane *l, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0, copied = 0;
    if (!store_sink_tables(l->agent->store, l->config->name, &rows, &n, err)) {
        return false;
    }
    struct table_sync_item *items = x_malloc((n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        if (rows[i].sync != 0) {
            items[copied++] = (struct table_sync_item){.oid = rows[i].oid, .sync = rows[i].sync};
        }
    }
    table_sync_done(&l->sync);
    table_sync_init(&l->sync, items, copied);
    l->sync.lowest = l->row.copies ? l->sync.lowest : 0;
    x_free(items);
    x_free(rows);
    return true;
}

struct delivery_options
agent_lane_steps(const struct lane *l)
{
    struct agent *a = l->agent;
    const struct config *c = a->config;
    const struct sink_config *s = l->config;
    return (struct delivery_options){.sink = l->ops,
        .params = {.name = s->name,
            .dsn = s->dsn,
            .origin = l->row.origin,
            .group_transactions = s->group_transactions,
            .group_bytes = s->group_bytes,
            .group_time_us = s->group_time_us,
            .inflight_bytes = s->inflight_bytes,
            .prepared_statements = s->prepared_statements,
            .apply_jobs = s->apply_jobs,
            .timeout_us = c->network.timeout_us,
            .copied = l->sync.lowest},
        .decoder = decoder_find(plugin_name(c->source.plugin)),
        .spool = a->spool,
        .sync = &l->sync,
        .start = agent_lane_start(l),
        .retry_max_us = c->network.retry_max_us,
        .give_up_us = c->network.give_up_us,
        .clock = a->clock,
        .letters = {.store = a->store,
            .sink = s->name,
            .keys = a->keys,
            .policy = s->on_error,
            .limit = s->dead_letter_limit,
            .clock = a->clock},
        .ddl = {.store = a->store,
            .sink = s->name,
            .publication = c->source.publication,
            .filter = {.include = (const char *const *)c->tables.include.items,
                .include_len = c->tables.include.len,
                .exclude = (const char *const *)c->tables.exclude.items,
                .exclude_len = c->tables.exclude.len},
            .config = &c->ddl,
            .sync = &l->sync,
            .owner = c->schema.owner,
            .source_dsn = c->source.dsn,
            .timeout_us = c->network.timeout_us},
        .resync = l->view};
}

static bool
start_deliver(struct lane *l, struct err *err)
{
    struct agent *a = l->agent;
    if (!load_table_sync(l, err)) {
        return false;
    }
    struct deliver_options o = {.steps = agent_lane_steps(l), .stop = &a->stop};
    struct deliver *d = NULL;
    bool ok = deliver_start(&o, &d, err);
    pthread_mutex_lock(&a->lock);
    l->deliver = d;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

bool
agent_lanes_are(const struct agent *a, bool settled)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        const struct lane *l = &a->lanes[i];
        if (!l->failed && (!l->copied || (settled && !l->constraints_settled))) {
            return false;
        }
    }
    return true;
}

bool
agent_ends_here(const struct agent *a)
{
    return a->until_copied && agent_lanes_are(a, true);
}

static bool
start_lane(struct lane *l, struct err *err)
{
    if (!l->copied) {
        return l->copy || start_copy_job(l, true, err);
    }
    return l->deliver || agent_ends_here(l->agent) || start_deliver(l, err);
}

void
agent_lanes_start(struct agent *a)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct err err = ERR_INIT;
        if (!l->failed && !start_lane(l, &err)) {
            agent_lanes_fail(l, &err);
        }
    }
    /* With nobody to take it, it would hold up the source's cleaning. */
    anchor_release(&a->anchor);
}

void
agent_lanes_validate(struct agent *a)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct err err = ERR_INIT;
        if (!l->copied || l->copy) {
            continue;
        }
        if (!l->row.copies) {
            l->constraints_settled = true;
        } else if (!start_copy_job(l, false, &err)) {
            log_err(LOG_WARN, l->job_name, &err);
        }
    }
}

/* --- look ----------------------------------------------------------------------------------- */

/* Stored first: from then on the copy is not looked at again. */
static bool
take_copied(struct lane *l, struct err *err)
{
    struct sink_row row = l->row;
    row.copied = true;
    if (!store_sink_put(l->agent->store, &row, err)) {
        return false;
    }
    FAILPOINT("lane.copied");
    pthread_mutex_lock(&l->agent->lock);
    l->row = row;
    l->copied = true;
    pthread_mutex_unlock(&l->agent->lock);
    return agent_ends_here(l->agent) || start_deliver(l, err);
}

static bool
look_at_copy(struct lane *l, struct err *err)
{
    struct copy_job_state s = {0};
    pthread_mutex_lock(&l->agent->lock);
    if (l->copy) {
        copy_job_state(l->copy, &s);
        l->constraints_failed = s.constraints_failed;
        l->constraints_settled = s.settled;
    }
    pthread_mutex_unlock(&l->agent->lock);
    if (s.failed) {
        *err = s.error;
        return l->agent->lanes_len == 1 ? false : err_wrap(err, "sink '%s'", l->config->name);
    }
    return l->copied || !s.copied || take_copied(l, err);
}

static bool
look_at_deliver(struct lane *l, struct err *err)
{
    struct deliver_state s;
    if (!l->deliver) {
        return true;
    }
    deliver_state(l->deliver, &s);
    pthread_mutex_lock(&l->agent->lock);
    l->at = s.progress;
    pthread_mutex_unlock(&l->agent->lock);
    if (s.failed) {
        *err = s.error;
        return err_wrap(err, "sink '%s' stopped", l->config->name);
    }
    if (s.progress.applied >= l->sync.highest) {
        pthread_mutex_lock(&l->agent->lock);
        if (l->copy) {
            copy_job_allow_validation(l->copy);
        }
        pthread_mutex_unlock(&l->agent->lock);
    }
    return true;
}

/* Starts again what had failed. Its threads have ended by themselves. */
static bool
try_again(struct lane *l, struct err *err)
{
    struct agent *a = l->agent;
    log_info(STAGE, "sink '%s' starts again", l->config->name);
    if (!l->admitted && !agent_roster_admit(l, err)) {
        return false;
    }
    if (!l->copied) {
        agent_lane_end_copy(l);
    }
    pthread_mutex_lock(&a->lock);
    struct deliver *d = l->deliver;
    l->deliver = NULL;
    pthread_mutex_unlock(&a->lock);
    deliver_free(d);
    pthread_mutex_lock(&a->lock);
    l->failed = false;
    err_clear(&l->error);
    pthread_mutex_unlock(&a->lock);
    return start_lane(l, err);
}

static void
look_at_lane(struct lane *l)
{
    struct err err = ERR_INIT;
    bool asked = atomic_exchange(&l->resume, false);
    if (l->failed) {
        if (asked && !try_again(l, &err)) {
            agent_lanes_fail(l, &err);
        }
    } else if (!look_at_copy(l, &err) || !look_at_deliver(l, &err)) {
        agent_lanes_fail(l, &err);
    } else {
        agent_resync_look(l);
    }
}

bool
agent_lanes_look(struct agent *a, struct err *err)
{
    bool works = false;
    for (size_t i = 0; i < a->lanes_len; i++) {
        look_at_lane(&a->lanes[i]);
        works = works || !a->lanes[i].failed;
    }
    if (!works) {
        *err = a->lanes[0].error;
    }
    agent_lanes_store_cursors(a, false);
    return works;
}

/* For those who look at the spool without the agent, and for sinks that keep no position. */
void
agent_lanes_store_cursors(struct agent *a, bool now)
{
    int64_t mono = clock_mono_us(a->clock);
    if (!now && mono - a->cursors_us < CURSORS_EVERY_US) {
        return;
    }
    a->cursors_us = mono;
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        uint64_t durable = l->deliver ? deliver_durable(l->deliver) : 0;
        char key[96];
        struct err err = ERR_INIT;
        if (durable <= l->cursor) {
            continue;
        }
        snprintf(key, sizeof(key), STORE_CURSOR "%s", l->config->name);
        if (!store_set_u64(a->store, key, durable, &err)) {
            log_err(LOG_WARN, STAGE, &err);
            continue;
        }
        pthread_mutex_lock(&a->lock);
        l->cursor = durable;
        pthread_mutex_unlock(&a->lock);
    }
}

bool
agent_lanes_pause(struct agent *a, const char *sink, bool pause, struct err *err)
{
    bool found = false, copies = !sink || strcmp(sink, "copy") == 0;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        bool meant = !sink || strcmp(sink, l->config->name) == 0;
        if (l->snapshot && (copies || (meant && !l->copied))) {
            snapshot_pause(l->snapshot, pause);
            found = true;
        }
        if (meant && l->failed && !pause) {
            atomic_store(&l->resume, true);
            found = true;
        } else if (meant && l->deliver && !l->failed) {
            deliver_pause(l->deliver, pause);
            found = true;
        }
    }
    pthread_mutex_unlock(&a->lock);
    if (!found) {
        err_set(err, ERR_CONFIG, "there is no sink '%s' running", sink ? sink : "");
        err_hint(err, "`tidegate status` lists them; \"copy\" is the bulk copy");
    }
    return found;
}
