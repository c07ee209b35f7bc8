/* SPDX-License-Identifier: Apache-2.0
 *
 * The phases of a migration as one pure function. The caller stores the new phase before it acts on
 * the actions, so that a crash at any moment re-enters through phase_resume().
 *
 *   PREFLIGHT --ready--> SNAPSHOT --copied--> CATCHUP <--behind / caught up--> STREAMING
 *                                               ^                                |
 *                                            aborted                           asked
 *                                               |                                v
 *                                               +--------------------------- CUTOVER --done--> DONE
 *
 * Stopping is no phase, it is a property of the process.
 */
#ifndef TG_PIPELINE_PHASE_H
#define TG_PIPELINE_PHASE_H

#include <stdbool.h>

#include "agent/pipeline/status.h"

enum phase_event {
    EVENT_READY,     /* source prepared: slot, publication and table list are stored */
    EVENT_COPIED,    /* all tables READY */
    EVENT_CAUGHT_UP, /* every sink is near the source's head */
    EVENT_BEHIND,    /* a sink is not */
    EVENT_CUTOVER_ASKED,
    EVENT_CUTOVER_ABORTED,
    EVENT_CUTOVER_DONE,
};

enum phase_action {
    ACTION_CAPTURE = 1 << 0,  /* feed into the spool */
    ACTION_COPY = 1 << 1,     /* bulk copy */
    ACTION_DELIVER = 1 << 2,  /* spool into the sinks */
    ACTION_VALIDATE = 1 << 3, /* constraints, in the background */
    ACTION_CUTOVER = 1 << 4,
    ACTION_UNFENCE = 1 << 5, /* make the source writable again, it may be fenced */
    ACTION_END = 1 << 6,     /* the process has nothing left to do */
};

struct phase_step {
    bool allowed; /* false: the event means nothing in this phase; nothing changes */
    enum phase phase;
    unsigned actions; /* enum phase_action to start now, beyond what runs already */
};

struct phase_step phase_step(enum phase phase, enum phase_event event);
/* Where a process enters that finds `stored`, and what it starts. A cutover that was cut off counts
 * as aborted: the target was not declared open. */
struct phase_step phase_resume(enum phase stored);
const char *phase_event_name(enum phase_event event);

#endif
