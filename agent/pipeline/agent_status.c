/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathers what every part says of itself into one plain value. Lag is the distance from the end of
 * the source's log, as the probe saw it last, to tidegate's own positions.
 */
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/lag.h"

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
sink_status(struct agent *a, size_t i, struct agent_status *out)
{
    const struct sink_config *c = &a->config->sinks[i];
    struct sink_status *s = &out->sinks[i];
    snprintf(s->name, sizeof(s->name), "%s", c->name);
    snprintf(s->type, sizeof(s->type), "%s", c->type);
    s->state = SINK_WAITING;
    s->applied_position = s->durable_position = a->start;
    if (i < a->delivers_len) {
        struct deliver_state d;
        deliver_state(a->delivers[i], &d);
        s->state = d.state;
        s->applied_position = d.progress.applied;
        s->durable_position = d.progress.durable;
        s->lag_seconds = d.lag_seconds;
        s->transactions = d.progress.transactions;
        s->rows = d.progress.rows;
        snprintf(s->error, sizeof(s->error), "%s", d.error.text);
    }
    s->lag_bytes = lag_bytes(head_of(a, out->source.position), s->applied_position);
    if (s->lag_seconds > out->spool_oldest_unread_seconds) {
        out->spool_oldest_unread_seconds = s->lag_seconds;
    }
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
    if (a->snapshot) {
        out->copying = a->phase == PHASE_SNAPSHOT;
        snapshot_progress(a->snapshot, &out->copy);
    }
    out->constraints_failed = a->constraints_failed;
    if (a->copy) {
        struct copy_job_state s;
        copy_job_state(a->copy, &s);
        out->constraints_failed = s.constraints_failed;
    }
    out->sinks_len = a->config->sinks_len;
    for (size_t i = 0; i < out->sinks_len; i++) {
        sink_status(a, i, out);
    }
    pthread_mutex_unlock(&a->lock);
}

void
agent_lag(struct agent *a, struct lag *out)
{
    struct agent_status s;
    agent_status(a, &s);
    *out = (struct lag){.running = s.source.connected, .source_bytes = s.source.lag_bytes};
    for (size_t i = 0; i < s.sinks_len; i++) {
        out->running = out->running && s.sinks[i].state == SINK_RUNNING;
        if (s.sinks[i].lag_seconds > out->seconds) {
            out->seconds = s.sinks[i].lag_seconds;
        }
    }
}
