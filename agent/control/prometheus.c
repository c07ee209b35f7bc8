/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics without labels come from one table of (name, type, help, value); those of sinks from a
 * second one whose values are read per sink, because the format wants all samples of a metric
 * together.
 */
#include "agent/control/prometheus.h"

#include <math.h>

#include "agent/base/clock.h"

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP tidegate_%s %s\n# TYPE tidegate_%s %s\n", name, help, name, type);
}

static void
label_value(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '\n') {
            buf_str(out, "\\n");
            continue;
        }
        if (*s == '"' || *s == '\\') {
            buf_u8(out, '\\');
        }
        buf_u8(out, (uint8_t)*s);
    }
}

static void
number(struct buf *out, double v)
{
    if (isinf(v)) {
        buf_str(out, v > 0 ? " +Inf\n" : " -Inf\n");
    } else if (isfinite(v)) {
        buf_printf(out, " %.17g\n", v);
    } else {
        buf_str(out, " NaN\n");
    }
}

struct sample {
    const char *name, *type, *help;
    double value;
};

static void
write_samples(struct buf *out, const struct sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        head(out, samples[i].name, samples[i].type, samples[i].help);
        buf_printf(out, "tidegate_%s", samples[i].name);
        number(out, samples[i].value);
    }
}

static double
limited(uint64_t v)
{
    return v == UINT64_MAX ? (double)INFINITY : (double)v;
}

static void
write_plain(struct buf *out, const struct agent_status *s)
{
    const struct snapshot_progress *c = &s->copy;
    const struct sample samples[] = {
        {"start_time_seconds", "gauge", "Unix time at which the agent started.",
            (double)s->started_wall_us / 1e6},
        {"source_connected", "gauge", "1 while the replication connection stands.",
            s->source.connected ? 1 : 0},
        {"source_position_bytes", "gauge",
            "Source log position received and appended to the spool.", (double)s->source.position},
        {"source_confirmed_bytes", "gauge", "Source log position told to the source as durable.",
            (double)s->source.confirmed},
        {"source_lag_bytes", "gauge", "Source log that has not reached the spool.",
            (double)s->source.lag_bytes},
        {"source_blocked", "gauge",
            "1 while nothing is read from the source because the spool has no room.",
            s->source.blocked ? 1 : 0},
        {"source_retained_bytes", "gauge", "Source log that the slot holds back.",
            (double)s->source.retained_bytes},
        {"spool_size_bytes", "gauge", "Size of the spool on disk.", (double)s->spool.bytes},
        {"spool_segments", "gauge", "Segments of the spool.", s->spool.segments},
        {"spool_durable_bytes", "gauge",
            "Source log position up to which the spool is on the disk.", (double)s->spool.durable},
        {"spool_records_total", "counter", "Records appended by this process.",
            (double)s->spool.records},
        {"spool_oldest_unread_seconds", "gauge",
            "Age of the oldest record that a sink has not read.", s->spool_oldest_unread_seconds},
        {"spool_kept_bytes", "gauge", "Bytes of the spool that every sink has.",
            (double)s->spool.kept_bytes},
        {"spool_side_files", "gauge",
            "Files of transactions that were streamed while they were open.", s->spool.sides},
        {"spool_side_bytes", "gauge", "Bytes of the spool in side files.",
            (double)s->spool.side_bytes},
        {"spool_packed_segments_total", "counter", "Segments compressed by this process.",
            (double)s->spool.packed_segments},
        {"spool_saved_bytes_total", "counter", "Bytes that they are smaller than they were.",
            (double)s->spool.saved_bytes},
        {"spool_limit_bytes", "gauge", "Most bytes that the spool may take now.",
            limited(s->room.budget.limit)},
        {"spool_left_bytes", "gauge", "Bytes until capture pauses.", limited(s->room.budget.left)},
        {"spool_used_ratio", "gauge", "Part of the limit that is used, without what is kept.",
            s->room.budget.percent / 100.0},
        {"spool_left_seconds", "gauge",
            "Time until capture pauses at the present rate; infinite when the spool does not grow.",
            s->room.seconds_left >= 0 ? s->room.seconds_left : (double)INFINITY},
        {"copy_running", "gauge", "1 while tables are copied.", s->copying ? 1 : 0},
        {"copy_tables", "gauge", "Tables that belong to the copy.", c->tables_total},
        {"copy_tables_done", "gauge", "Tables copied, with indexes and constraints.",
            c->tables_done},
        {"copy_rows_total", "counter", "Rows copied.", (double)c->rows},
        {"copy_bytes_total", "counter", "Bytes copied, as on the source's disk.", (double)c->bytes},
        {"copy_size_bytes", "gauge", "Bytes that belong to the copy.", (double)c->bytes_total},
        {"copy_indexes", "gauge", "Indexes and constraints that belong to the copy.",
            c->indexes_total},
        {"copy_indexes_done", "gauge", "Indexes and constraints built.", c->indexes_done},
        {"copy_paused", "gauge", "1 while the copy is paused.", c->paused ? 1 : 0},
        {"constraints_failed", "gauge", "Constraints that do not hold on the target.",
            s->constraints_failed},
    };
    write_samples(out, samples, sizeof samples / sizeof *samples);
}

static double
sink_applied(const struct sink_status *k)
{
    return (double)k->applied_position;
}

static double
sink_durable(const struct sink_status *k)
{
    return (double)k->durable_position;
}

static double
sink_lag_bytes(const struct sink_status *k)
{
    return (double)k->lag_bytes;
}

static double
sink_lag_seconds(const struct sink_status *k)
{
    return k->lag_seconds;
}

static double
sink_transactions(const struct sink_status *k)
{
    return (double)k->transactions;
}

static double
sink_rows(const struct sink_status *k)
{
    return (double)k->rows;
}

static double
sink_dead_letters(const struct sink_status *k)
{
    return (double)k->dead_letters;
}

static double
sink_tables_stopped(const struct sink_status *k)
{
    return (double)k->tables_stopped;
}

static double
sink_upserted(const struct sink_status *k)
{
    return (double)k->upserted;
}

static double
sink_ddl_applied(const struct sink_status *k)
{
    return (double)k->ddl_applied;
}

static double
sink_ddl_ignored(const struct sink_status *k)
{
    return (double)k->ddl_ignored;
}

static double
sink_ddl_waiting(const struct sink_status *k)
{
    return k->state == SINK_STOPPED ? 1 : 0;
}

static double
sink_running(const struct sink_status *k)
{
    return k->state == SINK_RUNNING ? 1 : 0;
}

static double
sink_failed(const struct sink_status *k)
{
    return k->state == SINK_FAILED ? 1 : 0;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(const struct sink_status *k);
} sink_metrics[] = {
    {"sink_running", "gauge", "1 while the sink takes changes.", sink_running},
    {"sink_failed", "gauge", "1 when the sink gave up.", sink_failed},
    {"sink_applied_bytes", "gauge", "Source log position applied.", sink_applied},
    {"sink_durable_bytes", "gauge", "Source log position durable in the sink.", sink_durable},
    {"sink_lag_bytes", "gauge", "Source log between the source and the sink.", sink_lag_bytes},
    {"sink_lag_seconds", "gauge", "Age of the oldest transaction not applied.", sink_lag_seconds},
    {"sink_transactions_total", "counter", "Transactions applied by this process.",
        sink_transactions},
    {"sink_rows_total", "counter", "Row changes applied by this process.", sink_rows},
    {"sink_dead_letters", "gauge", "Refused changes that wait for the operator.",
        sink_dead_letters},
    {"sink_tables_stopped", "gauge",
        "Tables that are out of the sink's stream: stopped, or being copied anew.",
        sink_tables_stopped},
    {"sink_upserted_total", "counter",
        "Row changes put another way because the row was there or missing.", sink_upserted},
    {"sink_ddl_applied_total", "counter", "Statements of DDL that were executed on the target.",
        sink_ddl_applied},
    {"sink_ddl_ignored_total", "counter", "Statements of DDL that were left out.",
        sink_ddl_ignored},
    {"sink_ddl_waiting", "gauge", "1 while a statement of DDL waits for the operator's decision.",
        sink_ddl_waiting},
};

static void
write_sinks(struct buf *out, const struct agent_status *s)
{
    for (size_t m = 0; m < sizeof sink_metrics / sizeof *sink_metrics; m++) {
        head(out, sink_metrics[m].name, sink_metrics[m].type, sink_metrics[m].help);
        for (size_t i = 0; i < s->sinks_len; i++) {
            buf_printf(out, "tidegate_%s{sink=\"", sink_metrics[m].name);
            label_value(out, s->sinks[i].name);
            buf_str(out, "\",type=\"");
            label_value(out, s->sinks[i].type);
            buf_str(out, "\"}");
            number(out, sink_metrics[m].value(&s->sinks[i]));
        }
    }
}

void
prometheus_write(struct buf *out, const struct agent_status *s)
{
    head(out, "info", "gauge", "Version of the program and name of the migration.");
    buf_str(out, "tidegate_info{version=\"" TIDEGATE_VERSION "\",name=\"");
    label_value(out, s->name);
    buf_str(out, "\"} 1\n");
    head(out, "phase", "gauge", "1 for the phase that the agent is in.");
    for (int p = PHASE_PREFLIGHT; p <= PHASE_DONE; p++) {
        buf_printf(out, "tidegate_phase{phase=\"%s\"} %d\n", phase_name((enum phase)p),
            (int)s->phase == p ? 1 : 0);
    }
    head(out, "spool_stage", "gauge", "1 for the stage of the spool's budget.");
    for (int b = BUDGET_OK; b <= BUDGET_PAUSE; b++) {
        buf_printf(out, "tidegate_spool_stage{stage=\"%s\"} %d\n",
            budget_stage_name((enum budget_stage)b), (int)s->room.budget.stage == b ? 1 : 0);
    }
    write_plain(out, s);
    write_sinks(out, s);
}
