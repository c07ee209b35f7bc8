/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables that leave the stream of a sink alone, as the agent sees them: what an operator asks for,
 * the job of each lane, and what is shown of it.
 */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/conn.h"
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/setup.h"

#define STAGE "agent"

static bool
is_database(const struct lane *l)
{
    return strcmp(l->config->type, "postgresql") == 0;
}

/* --- life ----------------------------------------------------------------------------------- */

/* What a copy that was begun needs of the spool, before anything of it can go. */
static bool
hold_spool(struct lane *l, struct err *err)
{
    struct resync_row *rows = NULL;
    size_t n = 0;
    uint64_t least = UINT64_MAX;
    if (!store_resyncs(l->agent->store, l->config->name, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool begun = rows[i].state == RESYNC_COPYING || rows[i].state == RESYNC_COPIED;
        least = begun && rows[i].sync < least ? rows[i].sync : least;
    }
    x_free(rows);
    resync_view_keep(l->view, least);
    return true;
}

bool
agent_resync_begin(struct agent *a, struct err *err)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        struct resync_view_options o = {.store = a->store,
            .sink = l->config->name,
            .keys = a->keys,
            .stops = l->config->on_error == ON_ERROR_STOP_TABLE};
        pthread_mutex_lock(&a->lock);
        l->view = resync_view_new(&o);
        pthread_mutex_unlock(&a->lock);
        l->resync_seen = UINT64_MAX;
        if (!hold_spool(l, err)) {
            return false;
        }
    }
    return true;
}

void
agent_resync_done(struct agent *a)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        resync_view_free(a->lanes[i].view);
        a->lanes[i].view = NULL;
    }
}

static struct resync_job *
take_job(struct lane *l)
{
    pthread_mutex_lock(&l->agent->lock);
    struct resync_job *job = l->resync;
    l->resync = NULL;
    pthread_mutex_unlock(&l->agent->lock);
    return job;
}

void
agent_resync_join(struct agent *a)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        resync_job_free(take_job(&a->lanes[i]));
    }
}

static bool
start_job(struct lane *l, struct err *err)
{
    struct agent *a = l->agent;
    struct resync_job_options o = {.config = a->config,
        .store = a->store,
        .keys = a->keys,
        .lane = l->view,
        .steps = agent_lane_steps(l),
        .sink = l->config->name,
        .dsn = l->config->dsn,
        .number = (size_t)(l - a->lanes),
        .two_phase = a->two_phase_from != 0,
        .target = agent_lane_target,
        .arg = l};
    struct resync_job *job = NULL;
    bool ok = resync_job_start(&o, &job, err);
    pthread_mutex_lock(&a->lock);
    l->resync = job;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* *any: there is a table that somebody has asked for. */
static bool
is_asked(const struct lane *l, bool *any, struct err *err)
{
    struct resync_row *rows = NULL;
    size_t n = 0;
    *any = false;
    if (!store_resyncs(l->agent->store, l->config->name, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *any = *any || rows[i].state != RESYNC_STOPPED;
    }
    x_free(rows);
    return true;
}

void
agent_resync_look(struct lane *l)
{
    struct err err = ERR_INIT;
    bool any = false;
    if (l->resync && resync_job_ended(l->resync)) {
        resync_job_free(take_job(l));
        l->resync_seen = UINT64_MAX; /* what came after its last look */
    }
    uint64_t generation = store_resyncs_generation(l->agent->store);
    if (l->resync || !l->deliver || !is_database(l) || generation == l->resync_seen) {
        return;
    }
    if (!is_asked(l, &any, &err) || (any && !start_job(l, &err))) {
        log_err(LOG_WARN, STAGE, &err);
        return;
    }
    l->resync_seen = generation;
}

/* --- what an operator asks for -------------------------------------------------------------- */

static bool
is_ready(struct agent *a, const char *sink, struct err *err)
{
    bool found = false;
    if (!a->store || a->phase < PHASE_CATCHUP) {
        err_set(err, ERR_CONFIG, "the copy of the whole database is not complete");
        return err_hint(err, "wait for it: `tidegate wait --phase streaming --timeout 1h`");
    }
    if (a->phase > PHASE_STREAMING) {
        return err_set(
            err, ERR_CONFIG, "no table is copied anew in phase %s", phase_name(a->phase));
    }
    for (size_t i = 0; i < a->lanes_len; i++) {
        const struct lane *l = &a->lanes[i];
        bool meant = !sink || strcmp(sink, l->config->name) == 0;
        found = found || (meant && is_database(l));
        if (meant && sink && !is_database(l)) {
            return err_set(err, ERR_CONFIG, "sink '%s' holds no tables", sink);
        }
        if (meant && is_database(l) && !l->copied) {
            err_set(err, ERR_CONFIG, "sink '%s' has not got its first copy yet", l->config->name);
            return err_hint(err, "wait until `tidegate status` shows it running");
        }
    }
    if (!found) {
        err_set(err, ERR_CONFIG, "there is no sink '%s'", sink ? sink : "that is a database");
        return err_hint(err, "`tidegate status` lists them");
    }
    return true;
}

static bool
is_listed(struct store *store, uint32_t oid, bool *is, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    *is = false;
    if (!store_tables(store, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *is = *is || rows[i].oid == oid;
    }
    x_free(rows);
    return true;
}

/* A copy that is on its way already is not begun anew. */
static bool
is_under_way(struct store *store, const char *sink, uint32_t oid, bool *is, struct err *err)
{
    struct resync_row *rows = NULL;
    size_t n = 0;
    *is = false;
    if (!store_resyncs(store, sink, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *is = *is || (rows[i].oid == oid && rows[i].state != RESYNC_STOPPED);
    }
    x_free(rows);
    return true;
}

static bool
request(
    struct agent *a, PGconn *source, const struct pg_table *t, const char *sink, struct err *err)
{
    struct resync_table table = {
        .oid = t->oid, .schema = t->schema, .name = t->name, .bytes = t->bytes, .create = true};
    bool listed = false;
    if (!is_listed(a->store, t->oid, &listed, err) ||
        (!listed &&
            !setup_publish_table(a->config, a->store, source, t, &table.identity_changed, err))) {
        return false;
    }
    for (size_t i = 0; i < a->lanes_len; i++) {
        const char *name = a->lanes[i].config->name;
        bool under_way = false;
        if (!is_database(&a->lanes[i]) || (sink && strcmp(sink, name) != 0)) {
            continue;
        }
        if (!is_under_way(a->store, name, t->oid, &under_way, err) ||
            (!under_way &&
                !resync_request(a->store, name, &table, "an operator asked for it", err))) {
            return false;
        }
        log_info(STAGE, "'%s.%s' is to be copied anew to sink '%s'", t->schema, t->name, name);
    }
    return true;
}

bool
agent_resync(struct agent *a, const char *table, const char *sink, size_t *n, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate resync", .timeout_us = a->config->network.timeout_us};
    PGconn *source = NULL;
    struct setup_found found = {.len = 0};
    *n = 0;
    pthread_mutex_lock(&a->lock);
    bool ok = is_ready(a, sink, err);
    pthread_mutex_unlock(&a->lock);
    ok = ok && pg_connect(a->config->source.dsn, &o, &source, err) &&
         setup_find_tables(a->config, source, table, &found, err);
    *n = found.len;
    for (size_t i = 0; ok && i < *n; i++) {
        ok = request(a, source, &found.all.items[found.items[i]], sink, err);
    }
    setup_found_done(&found);
    PQfinish(source);
    return ok;
}

/* --- status --------------------------------------------------------------------------------- */

static void
table_status(struct lane *l, const struct resync_row *row, struct table_status *out)
{
    snprintf(out->schema, sizeof(out->schema), "%s", row->schema);
    snprintf(out->name, sizeof(out->name), "%s", row->name);
    snprintf(out->state, sizeof(out->state), "%s", resync_state_name(row->state));
    out->position = row->position;
    if (l->resync) {
        resync_job_error(l->resync, row->oid, out->error, sizeof(out->error));
    }
    if (!out->error[0] && row->state == RESYNC_STOPPED) {
        resync_reason(row, l->agent->keys, out->error, sizeof(out->error));
    }
}

void
agent_resync_status(struct lane *l, struct sink_status *out)
{
    struct resync_row *rows = NULL;
    size_t n = 0;
    struct err ignored = ERR_INIT;
    if (!l->view || !l->agent->store ||
        !store_resyncs(l->agent->store, l->config->name, &rows, &n, &ignored)) {
        return;
    }
    out->tables_stopped = n;
    out->tables_len = n < TABLES_STOPPED_MAX ? n : TABLES_STOPPED_MAX;
    for (size_t i = 0; i < out->tables_len; i++) {
        table_status(l, &rows[i], &out->tables[i]);
    }
    x_free(rows);
}
