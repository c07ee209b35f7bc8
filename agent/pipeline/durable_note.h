/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes down in the state database how far the spool is durable, every few seconds and at the end.
 * Nobody in the agent reads it: it is for `tidegate spool verify`, which otherwise could not tell
 * the torn tail of a crash from a spool whose end has decayed.
 *
 * Locking: the supervisor's thread.
 */
#ifndef TG_PIPELINE_DURABLE_NOTE_H
#define TG_PIPELINE_DURABLE_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

struct spool;
struct store;

struct durable_note {
    uint64_t position; /* written last */
    int64_t at_us;     /* when */
};

/* Does something when it is due, or at once when `now` says so. `spool` and `store` may be NULL. */
bool durable_note_keep(struct durable_note *n, struct store *store, const struct spool *spool,
    int64_t mono_us, bool now, struct err *err) must_use;

#endif
