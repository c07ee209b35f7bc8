/* SPDX-License-Identifier: Apache-2.0
 *
 * Which segments that every sink has stay for a while (spool.keep, spool.keep_size). Used by
 * retirement; called under the spool's lock.
 */
#ifndef TG_SPOOL_RETENTION_H
#define TG_SPOOL_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/spool/internal.h"

/* May the first segment go, when every sink has what ends at or before `position`? */
bool retention_lets_go(struct spool *s, uint64_t position);
/* Bytes of the segments that every sink has, as of the last spool_retire. */
uint64_t retention_kept(const struct spool *s);

#endif
