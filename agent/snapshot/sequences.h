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
 * last_value and is_called; `margin` is added in the direction of the sequence (0: exact). *count:
 * how many were set; sequences that only the source has are named in the error (ERR_DATA). */
bool sequences_carry(
    PGconn *source, PGconn *target, int64_t margin, uint32_t *count, struct err *err) must_use;

#endif
