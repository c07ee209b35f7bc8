/* SPDX-License-Identifier: Apache-2.0
 *
 * What the set-up needs besides its own session and what changes nothing: whether prepared
 * transactions can be prepared on the targets, and the connection on which the slot will be made.
 * Asked on a thread while the set-up prepares the source.
 *
 * Locking: both functions from the set-up's thread.
 */
#ifndef TG_PIPELINE_SETUP_ASK_H
#define TG_PIPELINE_SETUP_ASK_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/base/thread.h"
#include "agent/pipeline/anchor.h"
#include "config/config.h"

struct setup_ask {
    const struct config *config;
    struct thread thread;
    struct anchor anchor;
    bool two_phase, ok;
    struct err err;
};

/* `q` must stay where it is until setup_ask_end, which follows whatever happens in between. */
bool setup_ask_begin(const struct config *config, struct setup_ask *q, struct err *err) must_use;
/* Waits for the answers. False when one failed, or with *err as it is when they are not wanted any
 * more. *anchor: connected, for anchor_create; to be released by the caller in any case. */
bool setup_ask_end(struct setup_ask *q, bool wanted, bool *two_phase, struct anchor *anchor,
    struct err *err) must_use;

#endif
