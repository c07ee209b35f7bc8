/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the sinks stand, one by one and all together. A sink that has failed still holds what it
 * has not read; it is left out wherever the question is how far the others are.
 */
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/lag.h"

static bool
owns_position(const struct lane *l)
{
    return (l->ops->features & SINK_OWNS_POSITION) != 0;
}

/* Where a sink that does not know better begins. */
uint64_t
agent_lane_start(const struct lane *l)
{
    uint64_t start = l->row.start ? l->row.start : l->agent->start;
    return owns_position(l) || l->cursor < start ? start : l->cursor;
}

/* A sink that keeps no position of its own starts again at the stored one. */
static uint64_t
held_for(const struct lane *l)
{
    uint64_t start = agent_lane_start(l);
    if (!owns_position(l)) {
        return start;
    }
    uint64_t durable = l->deliver ? deliver_durable(l->deliver) : l->at.durable;
    return durable > start ? durable : start;
}

uint64_t
agent_retire_below(void *arg)
{
    struct agent *a = arg;
    pthread_mutex_lock(&a->lock);
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < a->lanes_len; i++) {
        if (a->lanes[i].admitted) {
            uint64_t held = held_for(&a->lanes[i]), joins = resync_view_kept(a->lanes[i].view);
            held = joins < held ? joins : held;
            least = held < least ? held : least;
        }
    }
    if (!a->admitted || least == UINT64_MAX) {
        least = a->start;
    }
    pthread_mutex_unlock(&a->lock);
    return least;
}

uint64_t
agent_applied(struct agent *a)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < a->lanes_len; i++) {
        const struct lane *l = &a->lanes[i];
        if (l->deliver && !l->failed) {
            struct deliver_state s;
            deliver_state(l->deliver, &s);
            least = s.progress.applied < least ? s.progress.applied : least;
        }
    }
    return least == UINT64_MAX ? 0 : least;
}

uint64_t
agent_durable(struct agent *a)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < a->lanes_len; i++) {
        const struct lane *l = &a->lanes[i];
        if (!l->failed) {
            uint64_t durable = l->deliver ? deliver_durable(l->deliver) : 0;
            least = durable < least ? durable : least;
        }
    }
    return least == UINT64_MAX ? 0 : least;
}

/* --- cutover -------------------------------------------------------------------------------- */

static bool
add_position(const struct lane *l, struct cutover_sinks *out, struct err *err)
{
    struct deliver_state s = {.state = SINK_COPYING};
    if (l->deliver && !l->failed) {
        deliver_state(l->deliver, &s);
    }
    if (l->failed || s.failed) {
        *err = l->failed ? l->error : s.error;
        if (!l->failed) {
            err_wrap(err, "sink '%s'", l->config->name);
        }
        return err_hint(err,
            "`tidegate resume %s` starts it again when the cause is gone; or remove it from the "
            "configuration and restart the agent",
            l->config->name);
    }
    if (s.state != SINK_RUNNING) {
        out->running = false;
        snprintf(out->waiting_for, sizeof(out->waiting_for), "sink '%s' is %s%s%.400s",
            l->config->name, sink_state_name(s.state), s.error.text[0] ? ": " : "", s.error.text);
    }
    if (s.progress.applied < out->applied) {
        out->applied = s.progress.applied;
        out->slowest = l->config->name;
    }
    if (s.rows_commit_us > out->rows_commit_us) {
        out->rows_commit_us = s.rows_commit_us;
    }
    return true;
}

bool
agent_sinks_position(void *arg, struct cutover_sinks *out, struct err *err)
{
    struct agent *a = arg;
    *out = (struct cutover_sinks){.running = true, .applied = UINT64_MAX, .slowest = ""};
    bool ok = true;
    pthread_mutex_lock(&a->lock);
    uint64_t head = probe_head(a->probe);
    for (size_t i = 0; ok && i < a->lanes_len; i++) {
        ok = add_position(&a->lanes[i], out, err);
    }
    pthread_mutex_unlock(&a->lock);
    out->lag_bytes = lag_bytes(head, out->applied);
    return ok;
}
