/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of "label value" lines: what a person asks first (is it well, how far is it) comes first.
 */
#include "agent/cli/status_page.h"

#include <inttypes.h>

#include "agent/base/parse.h"
#include "agent/cli/progress_line.h"

static void
label(struct buf *out, const char *name)
{
    buf_printf(out, "%-12s", name);
}

static void
write_head(struct buf *out, const struct agent_status *s, const struct status_time *now)
{
    char a[FORMAT_SIZE];
    label(out, "migration");
    buf_printf(out, "%s\n", s->name);
    label(out, "phase");
    buf_printf(out, "%s, running for %s\n", phase_name(s->phase),
        format_duration(now->wall_us - s->started_wall_us, a));
}

static const char *
source_state(const struct agent_status *s)
{
    if (!s->source.connected) {
        return "NOT CONNECTED";
    }
    return s->source.blocked ? "connected, PAUSED" : "connected";
}

/* Nothing to say while the spool is far from its limit. */
static void
write_budget(struct buf *out, const struct agent_status *s)
{
    const struct budget *b = &s->room.budget;
    char limit[FORMAT_SIZE], left[FORMAT_SIZE];
    if (s->spool.packed_segments > 0) {
        label(out, "");
        buf_printf(out, "%" PRIu64 " segments compressed, %s smaller\n", s->spool.packed_segments,
            format_bytes(s->spool.saved_bytes, limit));
    }
    if (s->spool.kept_bytes > 0) {
        label(out, "");
        buf_printf(out, "%s of it every sink has\n", format_bytes(s->spool.kept_bytes, limit));
    }
    if (b->limit == UINT64_MAX) {
        return;
    }
    label(out, "");
    buf_printf(out, "%" PRIu32 " %% of %s used", b->percent, format_bytes(b->limit, limit));
    if (b->stage != BUDGET_OK) {
        buf_printf(out, ", stage %s", budget_stage_name(b->stage));
    }
    if (b->stage < BUDGET_PAUSE && b->left != UINT64_MAX) {
        buf_printf(out, ", capture pauses after %s more", format_bytes(b->left, left));
    }
    if (b->stage < BUDGET_PAUSE && s->room.seconds_left >= 0) {
        buf_printf(out, ", at the present rate in %s",
            format_duration((int64_t)(s->room.seconds_left * 1e6), left));
    }
    buf_str(out, "\n");
}

static void
write_retained(struct buf *out, const struct agent_status *s)
{
    char a[FORMAT_SIZE];
    if (s->source.blocked && s->source.retained_bytes > 0) {
        label(out, "");
        buf_printf(
            out, "the source keeps %s of its log", format_bytes(s->source.retained_bytes, a));
        if (s->source.safe_bytes != UINT64_MAX) {
            buf_printf(out, ", and loses it for the slot after %s more",
                format_bytes(s->source.safe_bytes, a));
        }
        buf_str(out, "\n");
    }
}

static void
write_source(struct buf *out, const struct agent_status *s)
{
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    label(out, "source");
    buf_printf(out, "%s, %s, at %s, %s of its log not here yet\n", s->source.type, source_state(s),
        format_lsn(s->source.position, a), format_bytes(s->source.lag_bytes, b));
    if (s->source.error[0] != '\0') {
        label(out, "");
        buf_printf(out, "%s\n", s->source.error);
    }
    write_retained(out, s);
}

static void
write_spool(struct buf *out, const struct agent_status *s)
{
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    label(out, "spool");
    buf_printf(out, "%s in %" PRIu32 " segment%s, durable up to %s",
        format_bytes(s->spool.bytes, a), s->spool.segments, s->spool.segments == 1 ? "" : "s",
        format_lsn(s->spool.durable, b));
    if (s->spool.sides > 0) {
        buf_printf(out, ", %s of it in %" PRIu32 " side file%s",
            format_bytes(s->spool.side_bytes, a), s->spool.sides, s->spool.sides == 1 ? "" : "s");
    }
    if (s->spool_oldest_unread_seconds >= 1) {
        buf_printf(out, ", oldest unread %s old",
            format_duration((int64_t)(s->spool_oldest_unread_seconds * 1e6), a));
    }
    buf_str(out, "\n");
}

static void
write_copy(struct buf *out, const struct agent_status *s, const struct status_time *now)
{
    const struct snapshot_progress *p = &s->copy;
    char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];
    if (p->tables_total == 0) {
        return;
    }
    label(out, "copy");
    buf_printf(out, "%d %%, %" PRIu32 " of %" PRIu32 " tables, %s of %s, %" PRIu64 " rows",
        progress_percent(p), p->tables_done, p->tables_total, format_bytes(p->bytes, a),
        format_bytes(p->bytes_total, b), p->rows);
    int64_t elapsed = now->mono_us - p->started_us;
    if (s->copying && elapsed > 1000000) {
        buf_printf(
            out, ", %s/s", format_bytes((uint64_t)((double)p->bytes * 1e6 / (double)elapsed), c));
    }
    if (s->copying && p->eta_us >= 1000000) {
        buf_printf(out, ", %s left", format_duration(p->eta_us, c));
    }
    buf_str(out, p->paused ? ", PAUSED\n" : "\n");
    if (p->indexes_total > 0) {
        label(out, "");
        buf_printf(out, "%" PRIu32 " of %" PRIu32 " indexes and constraints", p->indexes_done,
            p->indexes_total);
        buf_printf(out, "%s%s\n", p->step[0] != '\0' ? ", step: " : "", p->step);
    }
}

static void
write_tables(struct buf *out, const struct sink_status *k)
{
    char at[FORMAT_SIZE];
    for (size_t i = 0; i < k->tables_len; i++) {
        const struct table_status *t = &k->tables[i];
        bool stopped = strcmp(t->state, "stopped") == 0;
        label(out, "");
        buf_printf(
            out, "table '%s.%s' %s", t->schema, t->name, stopped ? "IS STOPPED" : "is copied anew");
        if (stopped && t->position != 0) {
            buf_printf(out, " at %s", format_lsn(t->position, at));
        }
        buf_printf(out, "%s%s\n", t->error[0] ? ": " : "", t->error);
    }
    if (k->tables_stopped > k->tables_len) {
        label(out, "");
        buf_printf(out, "and %" PRIu64 " tables more\n", k->tables_stopped - k->tables_len);
    }
}

static void
write_sink(struct buf *out, const struct sink_status *k)
{
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    label(out, "sink");
    buf_printf(out, "%s (%s), %s, applied %s\n", k->name, k->type, sink_state_name(k->state),
        format_lsn(k->applied_position, a));
    label(out, "");
    buf_printf(out, "lag %s", format_bytes(k->lag_bytes, a));
    buf_printf(out, " / %s", format_duration((int64_t)(k->lag_seconds * 1e6), b));
    buf_printf(out, ", %" PRIu64 " transactions, %" PRIu64 " rows since it started\n",
        k->transactions, k->rows);
    if (k->dead_letters > 0 || k->upserted > 0) {
        label(out, "");
        buf_printf(out, "%" PRIu64 " DEAD LETTERS WAIT, %" PRIu64 " rows upserted\n",
            k->dead_letters, k->upserted);
    }
    write_tables(out, k);
    if (k->ddl_applied > 0 || k->ddl_ignored > 0) {
        label(out, "");
        buf_printf(out, "%" PRIu64 " statements of DDL applied, %" PRIu64 " left out\n",
            k->ddl_applied, k->ddl_ignored);
    }
    if (k->error[0] != '\0') {
        label(out, "");
        buf_printf(out, "%s\n", k->error);
    }
}

void
status_page_write(struct buf *out, const struct agent_status *s, const struct status_time *now)
{
    write_head(out, s, now);
    write_source(out, s);
    write_spool(out, s);
    write_budget(out, s);
    write_copy(out, s, now);
    if (s->constraints_failed > 0) {
        label(out, "constraints");
        buf_printf(out, "%" PRIu32 " do not hold on the target and are left NOT VALID\n",
            s->constraints_failed);
    }
    for (size_t i = 0; i < s->sinks_len; i++) {
        write_sink(out, &s->sinks[i]);
    }
}
