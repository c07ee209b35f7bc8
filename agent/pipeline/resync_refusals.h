/* SPDX-License-Identifier: Apache-2.0
 *
 * When the refusal of a table's copy is final. A snapshot is always younger than what the lane has
 * brought so far, so a copy may be refused for want of a change of the table that is on its way.
 * That is known once a copy that began behind the snapshot of the one refused first is refused for
 * the same reason: every change which that snapshot held was on the target then.
 *
 *   lane  ----------+-----------S1-------+--------------
 *                   copy at S1: refused  copy at S2: refused with the same reason, final
 *
 * To wait for S2 instead would never end on a quiet source, where only a snapshot moves the
 * position and the lane hears of it a moment later.
 *
 * Locking: one thread.
 */
#ifndef TG_PIPELINE_RESYNC_REFUSALS_H
#define TG_PIPELINE_RESYNC_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

struct resync_refusals;

struct resync_refusals *resync_refusals_new(void);
void resync_refusals_free(struct resync_refusals *r); /* accepts NULL */

/* The copy of table `oid` from a snapshot at `sync` was refused with `why`; before it began,
 * everything up to `lane` was on the target, and durable. False: it is worth another attempt.
 * Reasons are the same when their SQLSTATEs are, and where there is none, their texts. */
bool resync_refusals_final(
    struct resync_refusals *r, uint32_t oid, uint64_t lane, uint64_t sync, const struct err *why);
/* The table's next copy begins anew: it was copied, stopped, or is not asked for any more. */
void resync_refusals_forget(struct resync_refusals *r, uint32_t oid);

#endif
