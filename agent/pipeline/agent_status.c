/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathers what every part says of itself into one plain value. Lag is the distance from the end of
 * the source's log, as the probe saw it last, to tidegate's own positions.
 */
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/lag.h"
#include "agent/store/letters.h"

static uint64_t
head_of(const struct agent *a, uint64_t position)
{
    uint64_t head = a->probe ? probe_head(a->probe) : 0;
    return head > position ? head : position;
}

static void
source_status(struct agent *a, struct agent_status *out)
{
    snprintf(out->source.type, sizeof(out->source.type), "%s", a->config->source.type);
    out->source.safe_bytes = UINT64_MAX;
    if (!a->capture) {
        return;
    }
    struct capture_state s;
    capture_state(a->capture, &s);
    out->source.connected = s.connected;
    out->source.position = s.position;
    out->source.confirmed = s.confirmed;
    out->source.lag_bytes = lag_bytes(head_of(a, s.position), s.position);
    out->source.blocked = s.blocked;
    if (a->probe) {
        struct probe_retained kept;
        probe_retained(a->probe, &kept);
        out->source.retained_bytes = kept.bytes;
        out->source.safe_bytes = kept.safe_bytes;
    }
    snprintf(out->source.error, sizeof(out->source.error), "%s", s.error.text);
}

static void
deliver_status(struct deliver *deliver, struct sink_status *s)
{
    struct deliver_state d;
    deliver_state(deliver, &d);
    s->state = d.state;
    s->applied_position = d.progress.applied;
    s->durable_position = d.progress.durable;
    s->lag_seconds = d.lag_seconds;
    s->transactions = d.progress.transactions;
    s->rows = d.progress.rows;
    s->upserted = d.progress.upserted;
    s->ddl_applied = d.ddl.applied;
    s->ddl_ignored = d.ddl.ignored;
    snprintf(s->error, sizeof(s->error), "%s", d.error.text);
}

static void
sink_status(struct agent *a, size_t i, struct agent_status *out)
{
    struct lane *l = &a->lanes[i];
    struct sink_status *s = &out->sinks[i];
    snprintf(s->name, sizeof(s->name), "%s", l->config->name);
    snprintf(s->type, sizeof(s->type), "%s", l->config->type);
    s->state = SINK_WAITING;
    struct err ignored = ERR_INIT;
    if (a->store) {
        (void)!letters_count(a->store, s->name, &s->dead_letters, &ignored);
    }
    s->applied_position = s->durable_position = l->row.start ? l->row.start : a->start;
    if (l->deliver) {
        deliver_status(l->deliver, s);
    } else if (l->copy && !l->copied) {
        struct copy_job_state c;
        copy_job_state(l->copy, &c);
        s->state = SINK_COPYING;
        snprintf(s->error, sizeof(s->error), "%s", c.error.text);
    }
    agent_resync_status(l, s);
    if (l->failed) {
        s->state = SINK_FAILED;
        snprintf(s->error, sizeof(s->error), "%s", l->error.text);
    } else if (s->state == SINK_FAILED) {
        s->state =
            SINK_CONNECTING; /* its thread has ended; it has failed when the lane took note */
    }
    s->lag_bytes = lag_bytes(head_of(a, out->source.position), s->applied_position);
    if (s->lag_seconds > out->spool_oldest_unread_seconds) {
        out->spool_oldest_unread_seconds = s->lag_seconds;
    }
}

/* The copies of all sinks as one: sums, and of steps and times those of the one that takes longest.
 */
static void
add_copy(struct agent_status *out, const struct snapshot_progress *p, bool running)
{
    struct snapshot_progress *sum = &out->copy;
    sum->tables_total += p->tables_total;
    sum->tables_done += p->tables_done;
    sum->rows += p->rows;
    sum->bytes += p->bytes;
    sum->bytes_total += p->bytes_total;
    sum->indexes_total += p->indexes_total;
    sum->indexes_done += p->indexes_done;
    sum->paused = sum->paused || p->paused;
    if (p->started_us && (sum->started_us == 0 || p->started_us < sum->started_us)) {
        sum->started_us = p->started_us;
    }
    bool longest = sum->step[0] == 0 || (running && !out->copying) ||
                   (running && sum->eta_us >= 0 && (p->eta_us < 0 || p->eta_us > sum->eta_us));
    if (longest) {
        sum->eta_us = p->eta_us;
        snprintf(sum->step, sizeof(sum->step), "%s", p->step);
    }
    out->copying = out->copying || running;
}

static void
lane_status(struct agent *a, size_t i, struct agent_status *out)
{
    struct lane *l = &a->lanes[i];
    if (l->snapshot) {
        struct snapshot_progress p;
        snapshot_progress(l->snapshot, &p);
        add_copy(out, &p, !l->copied && !l->failed);
    }
    uint32_t constraints_failed = l->constraints_failed;
    if (l->copy) {
        struct copy_job_state s;
        copy_job_state(l->copy, &s);
        constraints_failed = s.constraints_failed;
    }
    out->constraints_failed += constraints_failed;
    sink_status(a, i, out);
}

void
agent_status(struct agent *a, struct agent_status *out)
{
    *out = (struct agent_status){0};
    pthread_mutex_lock(&a->lock);
    snprintf(out->name, sizeof(out->name), "%s", a->config->name);
    out->phase = a->phase;
    out->started_wall_us = a->started_wall_us;
    source_status(a, out);
    if (a->spool) {
        spool_stats(a->spool, &out->spool);
        room_state(a->room, &out->room);
    }
    out->sinks_len = a->lanes_len;
    for (size_t i = 0; i < a->lanes_len; i++) {
        lane_status(a, i, out);
    }
    pthread_mutex_unlock(&a->lock);
}

void
agent_lag(struct agent *a, struct lag *out)
{
    struct agent_status s;
    agent_status(a, &s);
    *out = (struct lag){.running = s.source.connected, .source_bytes = s.source.lag_bytes};
    bool any = false;
    for (size_t i = 0; i < s.sinks_len; i++) {
        enum sink_state state = s.sinks[i].state;
        /* These have a way of their own to go; the agent's phase is that of the others. */
        if (state == SINK_FAILED || state == SINK_COPYING || state == SINK_WAITING) {
            continue;
        }
        any = true;
        out->running = out->running && state == SINK_RUNNING;
        if (s.sinks[i].lag_seconds > out->seconds) {
            out->seconds = s.sinks[i].lag_seconds;
        }
    }
    out->running = out->running && any;
}
