/* SPDX-License-Identifier: Apache-2.0
 *
 * One function per object of the document. An empty text means "none" inside the program and is
 * null in JSON.
 */
#include "agent/control/status_json.h"

#include <unistd.h>

#include "agent/base/json_writer.h"
#include "agent/base/parse.h"

static void
kv_lsn(struct json_writer *w, const char *key, uint64_t lsn)
{
    char text[FORMAT_SIZE];
    json_kv_string(w, key, format_lsn(lsn, text));
}

static void
kv_text(struct json_writer *w, const char *key, const char *s)
{
    json_kv_string(w, key, s[0] != '\0' ? s : NULL);
}

static void
kv_seconds(struct json_writer *w, const char *key, int64_t us)
{
    json_kv_double(w, key, (double)us / 1e6);
}

/* UINT64_MAX: there is no limit. */
static void
kv_limit(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    if (v == UINT64_MAX) {
        json_null(w);
    } else {
        json_u64(w, v);
    }
}

static void
write_budget(struct json_writer *w, const struct room_state *r)
{
    json_kv_string(w, "stage", budget_stage_name(r->budget.stage));
    json_kv_u64(w, "used_percent", r->budget.percent);
    kv_limit(w, "limit_bytes", r->budget.limit);
    kv_limit(w, "left_bytes", r->budget.left);
    json_key(w, "seconds_left");
    if (r->seconds_left >= 0) {
        json_double(w, r->seconds_left);
    } else {
        json_null(w);
    }
}

static void
write_source(struct json_writer *w, const struct agent_status *s)
{
    json_key(w, "source");
    json_object_begin(w);
    json_kv_string(w, "type", s->source.type);
    json_kv_bool(w, "connected", s->source.connected);
    kv_lsn(w, "position", s->source.position);
    kv_lsn(w, "confirmed_position", s->source.confirmed);
    json_kv_u64(w, "lag_bytes", s->source.lag_bytes);
    json_kv_bool(w, "blocked", s->source.blocked);
    json_kv_u64(w, "retained_bytes", s->source.retained_bytes);
    kv_limit(w, "safe_bytes", s->source.safe_bytes);
    kv_text(w, "error", s->source.error);
    json_object_end(w);
}

static void
write_spool(struct json_writer *w, const struct agent_status *s)
{
    json_key(w, "spool");
    json_object_begin(w);
    json_kv_u64(w, "bytes", s->spool.bytes);
    json_kv_u64(w, "segments", s->spool.segments);
    kv_lsn(w, "durable_position", s->spool.durable);
    kv_lsn(w, "appended_position", s->spool.appended);
    kv_lsn(w, "oldest_position", s->spool.oldest);
    json_kv_double(w, "oldest_unread_seconds", s->spool_oldest_unread_seconds);
    json_kv_u64(w, "records", s->spool.records);
    json_kv_u64(w, "kept_bytes", s->spool.kept_bytes);
    json_kv_u64(w, "side_files", s->spool.sides);
    json_kv_u64(w, "side_bytes", s->spool.side_bytes);
    json_kv_u64(w, "packed_segments", s->spool.packed_segments);
    json_kv_u64(w, "saved_bytes", s->spool.saved_bytes);
    write_budget(w, &s->room);
    json_object_end(w);
}

static void
write_copy(struct json_writer *w, const struct agent_status *s, const struct status_time *now)
{
    const struct snapshot_progress *p = &s->copy;
    json_key(w, "copy");
    json_object_begin(w);
    json_kv_bool(w, "running", s->copying);
    kv_text(w, "step", p->step);
    json_kv_bool(w, "paused", p->paused);
    json_kv_u64(w, "tables_total", p->tables_total);
    json_kv_u64(w, "tables_done", p->tables_done);
    json_kv_u64(w, "rows", p->rows);
    json_kv_u64(w, "bytes", p->bytes);
    json_kv_u64(w, "bytes_total", p->bytes_total);
    json_kv_u64(w, "indexes_total", p->indexes_total);
    json_kv_u64(w, "indexes_done", p->indexes_done);
    kv_seconds(w, "elapsed_seconds", p->started_us > 0 ? now->mono_us - p->started_us : 0);
    json_key(w, "eta_seconds");
    if (s->copying && p->eta_us >= 0) {
        json_double(w, (double)p->eta_us / 1e6);
    } else {
        json_null(w);
    }
    json_object_end(w);
}

/* The first few, and how many there are. */
static void
write_tables(struct json_writer *w, const struct sink_status *k)
{
    json_kv_u64(w, "tables_stopped_total", k->tables_stopped);
    json_key(w, "tables_stopped");
    json_array_begin(w);
    for (size_t i = 0; i < k->tables_len; i++) {
        const struct table_status *t = &k->tables[i];
        char table[sizeof t->schema + sizeof t->name];
        snprintf(table, sizeof table, "%s.%s", t->schema, t->name);
        json_object_begin(w);
        json_kv_string(w, "table", table);
        json_kv_string(w, "schema", t->schema);
        json_kv_string(w, "name", t->name);
        json_kv_string(w, "state", t->state);
        if (t->position != 0) {
            kv_lsn(w, "position", t->position);
        } else {
            json_kv_string(w, "position", NULL);
        }
        kv_text(w, "error", t->error);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
write_sink(struct json_writer *w, const struct sink_status *k)
{
    json_object_begin(w);
    json_kv_string(w, "name", k->name);
    json_kv_string(w, "type", k->type);
    json_kv_string(w, "state", sink_state_name(k->state));
    kv_lsn(w, "applied_position", k->applied_position);
    kv_lsn(w, "durable_position", k->durable_position);
    json_kv_u64(w, "lag_bytes", k->lag_bytes);
    json_kv_double(w, "lag_seconds", k->lag_seconds);
    json_kv_u64(w, "transactions", k->transactions);
    json_kv_u64(w, "rows", k->rows);
    json_kv_u64(w, "dead_letters", k->dead_letters);
    json_kv_u64(w, "upserted", k->upserted);
    write_tables(w, k);
    json_kv_u64(w, "ddl_applied", k->ddl_applied);
    json_kv_u64(w, "ddl_ignored", k->ddl_ignored);
    kv_text(w, "error", k->error);
    json_object_end(w);
}

void
status_json_write(struct buf *out, const struct agent_status *s, const struct status_time *now)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_string(&w, "name", s->name);
    json_kv_string(&w, "version", TIDEGATE_VERSION);
    json_kv_i64(&w, "pid", getpid());
    json_kv_string(&w, "phase", phase_name(s->phase));
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(s->started_wall_us, iso);
    json_kv_string(&w, "started", iso);
    kv_seconds(&w, "uptime_seconds", now->wall_us - s->started_wall_us);
    write_source(&w, s);
    write_spool(&w, s);
    write_copy(&w, s, now);
    json_kv_u64(&w, "constraints_failed", s->constraints_failed);
    json_key(&w, "sinks");
    json_array_begin(&w);
    for (size_t i = 0; i < s->sinks_len; i++) {
        write_sink(&w, &s->sinks[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
}

const char *const status_json_cutover_states[CUTOVER_ABORTED + 1] = {
    [CUTOVER_NONE] = "none",
    [CUTOVER_RUNNING] = "running",
    [CUTOVER_DONE] = "done",
    [CUTOVER_ABORTED] = "aborted",
};
const char *const status_json_step_states[STEP_SKIPPED + 1] = {
    [STEP_WAITING] = "waiting",
    [STEP_RUNNING] = "running",
    [STEP_OK] = "ok",
    [STEP_FAILED] = "failed",
    [STEP_SKIPPED] = "skipped",
};

void
error_json_write(struct buf *out, const struct err *err)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_string(&w, "error", err->text);
    kv_text(&w, "hint", err->hint);
    json_kv_string(&w, "class", err_class_name(err->class));
    kv_text(&w, "sqlstate", err->sqlstate);
    json_object_end(&w);
}

void
cutover_json_write(struct buf *out, const struct cutover_report *r)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_string(&w, "state", status_json_cutover_states[r->state]);
    json_kv_bool(&w, "dry_run", r->dry_run);
    kv_lsn(&w, "barrier", r->barrier);
    json_kv_double(&w, "write_downtime_ms", (double)r->write_downtime_us / 1e3);
    json_kv_u64(&w, "tables_compared", r->tables_compared);
    json_kv_u64(&w, "rows_compared", r->rows_compared);
    json_key(&w, "steps");
    json_array_begin(&w);
    for (size_t i = 0; i < r->steps_len && i < CUTOVER_STEPS_MAX; i++) {
        const struct cutover_step *step = &r->steps[i];
        json_object_begin(&w);
        json_kv_string(&w, "name", step->name);
        json_kv_string(&w, "state", status_json_step_states[step->state]);
        json_kv_double(&w, "took_ms", (double)step->took_us / 1e3);
        kv_text(&w, "detail", step->detail);
        json_object_end(&w);
    }
    json_array_end(&w);
    bool failed = r->state == CUTOVER_ABORTED;
    kv_text(&w, "error", failed ? r->error.text : "");
    kv_text(&w, "hint", failed ? r->error.hint : "");
    json_kv_string(&w, "class", failed ? err_class_name(r->error.class) : NULL);
    json_object_end(&w);
}
