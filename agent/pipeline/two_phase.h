/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether prepared transactions are prepared on the targets too, and from which position on.
 *
 * Decided once, at set-up. It begins when the copy is over: a transaction that is prepared before a
 * table's snapshot and committed behind it is not in the copy, and its prepare would count as
 * lying before it. What was prepared before the slot is switched comes with its commit.
 */
#ifndef TG_PIPELINE_TWO_PHASE_H
#define TG_PIPELINE_TWO_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/store/store.h"
#include "config/config.h"

/* Asks source and targets as far as the configuration leaves it open, and stores the answer. */
bool two_phase_decide(const struct config *config, struct store *store, struct err *err) must_use;
/* When all tables are copied: the position from which on the source may send prepared transactions
 * when they are prepared; 0: it was decided against. */
bool two_phase_from(struct store *store, uint64_t *from, struct err *err) must_use;
/* True when every prepared transaction that is open on the source is on all targets, too; else
 * ERR_CONFIG names one that is not. */
bool two_phase_at_targets(const struct config *config, struct err *err) must_use;

#endif
