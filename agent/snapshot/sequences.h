/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences: their values carried from source to target in one statement each way.
 */
#ifndef TG_SNAPSHOT_SEQUENCES_H
#define TG_SNAPSHOT_SEQUENCES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Sets every sequence of the target that the source has under the same name to the source's
 * last_value and is_called, `margin` steps further in the direction of the sequence, as far as its
 * limits allow (0: exact). *count: how many were set; sequences that only the source has are named
 * in the error (ERR_DATA). */
bool sequences_carry(
    PGconn *source, PGconn *target, uint64_t margin, uint32_t *count, struct err *err) must_use;

/* The value `steps` increments behind `v`, or the last one before the limit of its direction. Steps
 * keep the rest of a division: sequences that count in an offset of each other go on doing so.
 * Pure. */
int64_t sequence_ahead(int64_t v, uint64_t steps, int64_t increment, int64_t min, int64_t max);

#endif
