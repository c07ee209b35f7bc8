/* SPDX-License-Identifier: Apache-2.0
 *
 * When a wait is over, as a pure function of what is waited for and of what the agent says.
 */
#ifndef TG_CLI_WAIT_GOAL_H
#define TG_CLI_WAIT_GOAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/pipeline/status.h"

struct wait_goal {
    bool position;    /* wait for `lsn` at every sink; else for `phase` or a later one */
    const char *sink; /* NULL: every one; else that one alone counts */
    enum phase phase;
    uint64_t lsn;
};

enum wait_outcome { WAIT_MORE, WAIT_REACHED, WAIT_NEVER };

/* NEVER: the state is one from which the goal is not reached without somebody's help; `why` says
 * so. */
enum wait_outcome wait_goal_step(
    const struct wait_goal *g, const struct agent_status *s, char *why, size_t why_cap);

/* One line about how far it is, for people. */
void wait_goal_describe(
    const struct wait_goal *g, const struct agent_status *s, char *out, size_t cap);

#endif
