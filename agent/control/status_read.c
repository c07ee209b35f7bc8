/* SPDX-License-Identifier: Apache-2.0
 *
 * Every access tolerates a key that is not there or of another type, because agent and command line
 * may be of different versions. (jansson and agent/base/json_writer.h cannot be included together:
 * both name functions json_string and json_null. That is why reading and writing are two files.)
 */
#include "agent/control/status_read.h"

#include <jansson.h>
#include <string.h>

#include "agent/base/parse.h"

static void
get_text(const json_t *o, const char *key, char *out, size_t cap)
{
    const char *s = json_string_value(json_object_get(o, key));
    snprintf(out, cap, "%s", s ? s : "");
}

static uint64_t
get_u64(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v > 0 ? (uint64_t)v : 0;
}

static uint32_t
get_u32(const json_t *o, const char *key)
{
    uint64_t v = get_u64(o, key);
    return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* A duration in `unit`s per microsecond; `fallback` when there is none or it is absurd. */
static int64_t
get_us(const json_t *o, const char *key, double unit, int64_t fallback)
{
    const json_t *v = json_object_get(o, key);
    double us = json_is_number(v) ? json_number_value(v) * unit : -1;
    return us >= 0 && us < 9e18 ? (int64_t)us : fallback;
}

static uint64_t
get_lsn(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    uint64_t lsn = 0;
    if (s && !parse_lsn(s, &lsn)) {
        lsn = 0;
    }
    return lsn;
}

static bool
get_bool(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

/* null, or not there: no limit. */
static uint64_t
get_limit(const json_t *o, const char *key)
{
    return json_is_integer(json_object_get(o, key)) ? get_u64(o, key) : UINT64_MAX;
}

static int
get_name(const json_t *o, const char *key, const char *const *names, int n)
{
    const char *s = json_string_value(json_object_get(o, key));
    for (int i = 0; s && i < n; i++) {
        if (strcmp(names[i], s) == 0) {
            return i;
        }
    }
    return -1;
}

static void
read_table(const json_t *o, struct table_status *t)
{
    get_text(o, "schema", t->schema, sizeof t->schema);
    get_text(o, "name", t->name, sizeof t->name);
    get_text(o, "state", t->state, sizeof t->state);
    t->position = get_lsn(o, "position");
    get_text(o, "error", t->error, sizeof t->error);
}

static void
read_sink(const json_t *o, struct sink_status *k)
{
    get_text(o, "name", k->name, sizeof k->name);
    get_text(o, "type", k->type, sizeof k->type);
    static const enum sink_state states[] = {SINK_WAITING, SINK_COPYING, SINK_CONNECTING,
        SINK_RUNNING, SINK_PAUSED, SINK_STOPPED, SINK_FAILED};
    const char *state = json_string_value(json_object_get(o, "state"));
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++) {
        if (strcmp(sink_state_name(states[i]), state) == 0) {
            k->state = states[i];
        }
    }
    k->applied_position = get_lsn(o, "applied_position");
    k->durable_position = get_lsn(o, "durable_position");
    k->lag_bytes = get_u64(o, "lag_bytes");
    k->lag_seconds = json_number_value(json_object_get(o, "lag_seconds"));
    k->transactions = get_u64(o, "transactions");
    k->rows = get_u64(o, "rows");
    k->dead_letters = get_u64(o, "dead_letters");
    k->upserted = get_u64(o, "upserted");
    k->tables_stopped = get_u64(o, "tables_stopped_total");
    const json_t *tables = json_object_get(o, "tables_stopped");
    for (size_t i = 0; i < json_array_size(tables) && i < TABLES_STOPPED_MAX; i++) {
        read_table(json_array_get(tables, i), &k->tables[k->tables_len++]);
    }
    k->ddl_applied = get_u64(o, "ddl_applied");
    k->ddl_ignored = get_u64(o, "ddl_ignored");
    get_text(o, "error", k->error, sizeof k->error);
}

static void
read_budget(const json_t *o, struct room_state *r)
{
    const char *stage = json_string_value(json_object_get(o, "stage"));
    if (!stage || !budget_stage_parse(stage, &r->budget.stage)) {
        r->budget.stage = BUDGET_OK;
    }
    r->budget.percent = get_u32(o, "used_percent");
    r->budget.limit = get_limit(o, "limit_bytes");
    r->budget.left = get_limit(o, "left_bytes");
    const json_t *seconds = json_object_get(o, "seconds_left");
    r->seconds_left = json_is_number(seconds) ? json_number_value(seconds) : -1;
}

static void
read_copy(const json_t *o, const struct status_time *now, struct agent_status *out)
{
    struct snapshot_progress *p = &out->copy;
    out->copying = get_bool(o, "running");
    get_text(o, "step", p->step, sizeof p->step);
    p->paused = get_bool(o, "paused");
    p->tables_total = get_u32(o, "tables_total");
    p->tables_done = get_u32(o, "tables_done");
    p->rows = get_u64(o, "rows");
    p->bytes = get_u64(o, "bytes");
    p->bytes_total = get_u64(o, "bytes_total");
    p->indexes_total = get_u32(o, "indexes_total");
    p->indexes_done = get_u32(o, "indexes_done");
    p->started_us = now->mono_us - get_us(o, "elapsed_seconds", 1e6, 0);
    p->eta_us = get_us(o, "eta_seconds", 1e6, -1);
}

bool
status_read(const json_t *root, const struct status_time *now, struct agent_status *out)
{
    *out = (struct agent_status){0};
    const char *phase = json_string_value(json_object_get(root, "phase"));
    if (!phase || !phase_parse(phase, &out->phase)) {
        return false;
    }
    get_text(root, "name", out->name, sizeof out->name);
    out->started_wall_us = now->wall_us - get_us(root, "uptime_seconds", 1e6, 0);
    const json_t *source = json_object_get(root, "source");
    get_text(source, "type", out->source.type, sizeof out->source.type);
    out->source.connected = get_bool(source, "connected");
    out->source.position = get_lsn(source, "position");
    out->source.confirmed = get_lsn(source, "confirmed_position");
    out->source.lag_bytes = get_u64(source, "lag_bytes");
    out->source.blocked = get_bool(source, "blocked");
    out->source.retained_bytes = get_u64(source, "retained_bytes");
    out->source.safe_bytes = get_limit(source, "safe_bytes");
    get_text(source, "error", out->source.error, sizeof out->source.error);
    const json_t *spool = json_object_get(root, "spool");
    out->spool.bytes = get_u64(spool, "bytes");
    out->spool.segments = get_u32(spool, "segments");
    out->spool.records = get_u64(spool, "records");
    out->spool.durable = get_lsn(spool, "durable_position");
    out->spool.appended = get_lsn(spool, "appended_position");
    out->spool.oldest = get_lsn(spool, "oldest_position");
    out->spool.kept_bytes = get_u64(spool, "kept_bytes");
    out->spool.sides = get_u32(spool, "side_files");
    out->spool.side_bytes = get_u64(spool, "side_bytes");
    out->spool.packed_segments = get_u64(spool, "packed_segments");
    out->spool.saved_bytes = get_u64(spool, "saved_bytes");
    read_budget(spool, &out->room);
    out->spool_oldest_unread_seconds =
        json_number_value(json_object_get(spool, "oldest_unread_seconds"));
    read_copy(json_object_get(root, "copy"), now, out);
    out->constraints_failed = get_u32(root, "constraints_failed");
    const json_t *sinks = json_object_get(root, "sinks");
    for (size_t i = 0; i < json_array_size(sinks) && i < CONFIG_SINKS_MAX; i++) {
        read_sink(json_array_get(sinks, i), &out->sinks[out->sinks_len++]);
    }
    return true;
}

void
status_read_error(const json_t *root, struct err *err)
{
    err_clear(err);
    err->class = ERR_FATAL;
    const char *class = json_string_value(json_object_get(root, "class"));
    for (int c = ERR_RETRY; class && c <= ERR_FATAL; c++) {
        if (strcmp(err_class_name((enum err_class)c), class) == 0) {
            err->class = (enum err_class)c;
        }
    }
    get_text(root, "error", err->text, sizeof err->text);
    get_text(root, "hint", err->hint, sizeof err->hint);
    get_text(root, "sqlstate", err->sqlstate, sizeof err->sqlstate);
}

bool
status_read_cutover(const json_t *root, struct cutover_report *out)
{
    *out = (struct cutover_report){0};
    int state = get_name(root, "state", status_json_cutover_states, CUTOVER_ABORTED + 1);
    if (state < 0) {
        return false;
    }
    out->state = (enum cutover_state)state;
    out->dry_run = get_bool(root, "dry_run");
    out->barrier = get_lsn(root, "barrier");
    out->write_downtime_us = get_us(root, "write_downtime_ms", 1e3, 0);
    out->tables_compared = get_u64(root, "tables_compared");
    out->rows_compared = get_u64(root, "rows_compared");
    const json_t *steps = json_object_get(root, "steps");
    for (size_t i = 0; i < json_array_size(steps) && i < CUTOVER_STEPS_MAX; i++) {
        const json_t *o = json_array_get(steps, i);
        struct cutover_step *step = &out->steps[out->steps_len++];
        get_text(o, "name", step->name, sizeof step->name);
        int s = get_name(o, "state", status_json_step_states, STEP_SKIPPED + 1);
        step->state = s < 0 ? STEP_WAITING : (enum cutover_step_state)s;
        step->took_us = get_us(o, "took_ms", 1e3, 0);
        get_text(o, "detail", step->detail, sizeof step->detail);
    }
    if (out->state == CUTOVER_ABORTED) {
        status_read_error(root, &out->error);
    }
    return true;
}
