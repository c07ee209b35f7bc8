/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches how full the spool is: intake asks and pauses, capture tells it to the log, the packer
 * asks whether it has to make segments smaller, status shows it.
 *
 * Locking: room_state and room_presses from any thread; everything else on the capture's thread.
 */
#ifndef TG_PIPELINE_ROOM_H
#define TG_PIPELINE_ROOM_H

#include <stdbool.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/spool/budget.h"
#include "agent/spool/spool.h"

struct room;

struct room_options {
    struct spool *spool;
    struct budget_limits limits;
    const struct clock *clock;
};

struct room_state {
    struct budget budget;
    double seconds_left; /* until PAUSE at the present rate; -1: unknown, or it does not grow */
};

struct room *room_new(const struct room_options *o);
void room_free(struct room *r); /* accepts NULL */

/* Looks when it is time to; returns the stage. PAUSE: read nothing more from the source.
 * Lets go of what is only kept and in the way. */
enum budget_stage room_look(struct room *r);
/* The spool took about so many bytes: looks when they are much of what is left. Cheap. */
enum budget_stage room_took(struct room *r, uint64_t bytes);
/* The last look found that what is only kept is in the way; said once for each look. */
bool room_crowded(struct room *r);
/* The spool refused something for want of room: what is only kept has to go. */
void room_full(struct room *r);
/* Why PAUSE is the stage, and what to do. */
void room_reason(struct room *r, struct err *out);
/* Logs what is new: once when a stage is entered, every ten minutes while it lasts, and its end. */
void room_tell(struct room *r);

void room_state(struct room *r, struct room_state *out);
/* `arg` is the room: make segments smaller now. */
bool room_presses(void *arg);

#endif
