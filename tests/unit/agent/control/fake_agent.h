/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent for tests of what stands in front of it: every function that the control plane calls,
 * with knobs and counters. A test program that includes this defines the functions itself, so the
 * linker leaves the real ones in the library.
 */
#ifndef TG_TESTS_CONTROL_FAKE_AGENT_H
#define TG_TESTS_CONTROL_FAKE_AGENT_H

#include <string.h>

#include "agent/pipeline/agent.h"

struct agent {
    struct agent_status status;
    struct cutover_report report;
    struct cutover_request request; /* of the last agent_cutover */
    struct err refuse;              /* class ERR_NONE: nothing is refused */
    uint64_t mark;
    char paused[64];
    bool pause;
    int cutovers, acknowledged, pauses, stops;
};

static bool
fake_refuses(struct agent *a, struct err *err)
{
    if (a->refuse.class == ERR_NONE) {
        return false;
    }
    *err = a->refuse;
    return true;
}

void
agent_status(struct agent *a, struct agent_status *out)
{
    *out = a->status;
}

bool
agent_mark(struct agent *a, uint64_t *lsn, struct err *err)
{
    *lsn = a->mark;
    return !fake_refuses(a, err);
}

bool
agent_pause(struct agent *a, const char *sink, bool pause, struct err *err)
{
    a->pauses++;
    a->pause = pause;
    snprintf(a->paused, sizeof a->paused, "%s", sink ? sink : "(all)");
    return !fake_refuses(a, err);
}

bool
agent_cutover(struct agent *a, const struct cutover_request *req, struct err *err)
{
    if (fake_refuses(a, err)) {
        return false;
    }
    a->cutovers++;
    a->request = *req;
    return true;
}

void
agent_cutover_report(struct agent *a, struct cutover_report *out)
{
    *out = a->report;
}

void
agent_cutover_acknowledge(struct agent *a)
{
    a->acknowledged++;
}

void
agent_stop(struct agent *a)
{
    a->stops++;
}

bool
agent_letter_desk(struct agent *a, struct letter_desk *out, struct err *err)
{
    (void)a;
    (void)out;
    return err_set(err, ERR_RETRY, "the agent is not ready yet");
}

#endif
