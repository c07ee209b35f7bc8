/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared transactions of the source are prepared on the target under their own names, so that a
 * transaction manager can finish them there after the cutover.
 *
 * Each is alone in its target transaction. The position cannot be part of it, it would stay locked
 * until the outcome is known; it is stored right behind, durably, together with a note in table
 * tidegate.prepared that the transaction was prepared by us. A crash between the two is seen by the
 * prepared transaction that is there; one between an outcome and its position by the note of a
 * transaction that is not there any more. An outcome without a note is one of a transaction that
 * never came here: either the copy has it, or its changes would be missing and it is refused.
 */
#ifndef TG_SINKS_POSTGRES_PREPARED_H
#define TG_SINKS_POSTGRES_PREPARED_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/apply.h"

/* BEGIN with a gid: commits what is open, looks what the target has of it. */
bool prepared_begin(struct apply *a, const struct change *c, struct err *err) must_use;
/* PREPARE, COMMIT_PREPARED or ROLLBACK_PREPARED. Returns when it is durable. */
bool prepared_end(struct apply *a, const struct change *c, struct err *err) must_use;

#endif
