/* SPDX-License-Identifier: Apache-2.0
 *
 * When is a target caught up? Pure. Two thresholds, so that the answer does not flutter.
 */
#ifndef TG_PIPELINE_LAG_H
#define TG_PIPELINE_LAG_H

#include <stdbool.h>
#include <stdint.h>

struct lag {
    bool running;          /* every sink is */
    double seconds;        /* age of the oldest change not applied, of all sinks */
    uint64_t source_bytes; /* of the source's log that has not reached the spool */
};

/* Whether CATCHUP is over. */
bool lag_caught_up(const struct lag *l);
/* Whether STREAMING is over. */
bool lag_fell_behind(const struct lag *l);

/* a - b, or 0 */
uint64_t lag_bytes(uint64_t ahead, uint64_t behind);

#endif
