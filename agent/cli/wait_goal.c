/* SPDX-License-Identifier: Apache-2.0
 *
 * A position counts only once the copy is complete: before that, what a sink has applied says
 * nothing about the tables that are still on their way.
 */
#include "agent/cli/wait_goal.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"

static bool
counts(const struct wait_goal *g, const struct sink_status *k)
{
    return !g->sink || strcmp(g->sink, k->name) == 0;
}

static const struct sink_status *
slowest(const struct wait_goal *g, const struct agent_status *s)
{
    const struct sink_status *k = NULL;
    for (size_t i = 0; i < s->sinks_len; i++) {
        if (!counts(g, &s->sinks[i])) {
            continue;
        }
        if (!k || s->sinks[i].durable_position < k->durable_position) {
            k = &s->sinks[i];
        }
    }
    return k;
}

enum wait_outcome
wait_goal_step(const struct wait_goal *g, const struct agent_status *s, char *why, size_t why_cap)
{
    why[0] = '\0';
    if (!g->position) {
        if (s->phase >= g->phase) {
            return WAIT_REACHED;
        }
    } else if (s->phase >= PHASE_CATCHUP) {
        const struct sink_status *k = slowest(g, s);
        if (k && k->durable_position >= g->lsn) {
            return WAIT_REACHED;
        }
    }
    for (size_t i = 0; i < s->sinks_len; i++) {
        if (counts(g, &s->sinks[i]) && s->sinks[i].state == SINK_FAILED) {
            snprintf(why, why_cap, "sink '%s' failed: %s", s->sinks[i].name, s->sinks[i].error);
            return WAIT_NEVER;
        }
    }
    return WAIT_MORE;
}

void
wait_goal_describe(const struct wait_goal *g, const struct agent_status *s, char *out, size_t cap)
{
    if (!g->position) {
        snprintf(out, cap, "the agent is in phase %s, not yet %s", phase_name(s->phase),
            phase_name(g->phase));
        return;
    }
    char want[FORMAT_SIZE], have[FORMAT_SIZE];
    const struct sink_status *k = slowest(g, s);
    snprintf(out, cap, "phase %s, sink '%s' is durable up to %s, not yet %s", phase_name(s->phase),
        k ? k->name : "", format_lsn(k ? k->durable_position : 0, have), format_lsn(g->lsn, want));
}
