/* SPDX-License-Identifier: Apache-2.0
 *
 * One row a transition; everything that has no row is refused.
 */
#include "agent/pipeline/phase.h"

#include <string.h>

static const struct transition {
    enum phase from;
    enum phase_event event;
    enum phase to;
    unsigned actions;
} transitions[] = {
    {PHASE_PREFLIGHT, EVENT_READY, PHASE_SNAPSHOT, ACTION_CAPTURE | ACTION_COPY},
    {PHASE_SNAPSHOT, EVENT_COPIED, PHASE_CATCHUP, ACTION_DELIVER | ACTION_VALIDATE},
    {PHASE_CATCHUP, EVENT_CAUGHT_UP, PHASE_STREAMING, 0},
    {PHASE_STREAMING, EVENT_BEHIND, PHASE_CATCHUP, 0},
    {PHASE_STREAMING, EVENT_CUTOVER_ASKED, PHASE_CUTOVER, ACTION_CUTOVER},
    {PHASE_CUTOVER, EVENT_CUTOVER_ABORTED, PHASE_CATCHUP, ACTION_UNFENCE},
    {PHASE_CUTOVER, EVENT_CUTOVER_DONE, PHASE_DONE, ACTION_END},
};

struct phase_step
phase_step(enum phase phase, enum phase_event event)
{
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        const struct transition *t = &transitions[i];
        if (t->from == phase && t->event == event) {
            return (struct phase_step){.allowed = true, .phase = t->to, .actions = t->actions};
        }
    }
    return (struct phase_step){.allowed = false, .phase = phase};
}

struct phase_step
phase_resume(enum phase stored)
{
    struct phase_step s = {.allowed = true, .phase = stored};
    switch (stored) {
    case PHASE_PREFLIGHT:
        break;
    case PHASE_SNAPSHOT:
        s.actions = ACTION_CAPTURE | ACTION_COPY;
        break;
    case PHASE_CATCHUP:
    case PHASE_STREAMING:
        s.phase = PHASE_CATCHUP;
        s.actions = ACTION_CAPTURE | ACTION_DELIVER | ACTION_VALIDATE;
        break;
    case PHASE_CUTOVER:
        s.phase = PHASE_CATCHUP;
        s.actions = ACTION_UNFENCE | ACTION_CAPTURE | ACTION_DELIVER | ACTION_VALIDATE;
        break;
    case PHASE_DONE:
        s.actions = ACTION_END;
        break;
    }
    return s;
}

static const char *const phase_names[] = {
    [PHASE_PREFLIGHT] = "preflight",
    [PHASE_SNAPSHOT] = "snapshot",
    [PHASE_CATCHUP] = "catchup",
    [PHASE_STREAMING] = "streaming",
    [PHASE_CUTOVER] = "cutover",
    [PHASE_DONE] = "done",
};

const char *
phase_name(enum phase p)
{
    return phase_names[p];
}

bool
phase_parse(const char *name, enum phase *out)
{
    for (size_t i = 0; i < sizeof(phase_names) / sizeof(phase_names[0]); i++) {
        if (strcmp(phase_names[i], name) == 0) {
            *out = (enum phase)i;
            return true;
        }
    }
    return false;
}

const char *
phase_event_name(enum phase_event event)
{
    static const char *const names[] = {
        [EVENT_READY] = "ready",
        [EVENT_COPIED] = "copied",
        [EVENT_CAUGHT_UP] = "caught up",
        [EVENT_BEHIND] = "behind",
        [EVENT_CUTOVER_ASKED] = "cutover asked",
        [EVENT_CUTOVER_ABORTED] = "cutover aborted",
        [EVENT_CUTOVER_DONE] = "cutover done",
    };
    return names[event];
}

const char *
sink_state_name(enum sink_state s)
{
    static const char *const names[] = {
        [SINK_WAITING] = "waiting",
        [SINK_COPYING] = "copying",
        [SINK_CONNECTING] = "connecting",
        [SINK_RUNNING] = "running",
        [SINK_PAUSED] = "paused",
        [SINK_STOPPED] = "stopped",
        [SINK_FAILED] = "failed",
    };
    return names[s];
}
