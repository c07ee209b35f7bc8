/* SPDX-License-Identifier: Apache-2.0
 *
 * How much may be on its way to the target without an answer: what a fast target takes in while an
 * answer travels, so that it never waits for the next statements. Near by that is little, and more
 * would only lie in buffers. Pure: only numbers.
 */
#ifndef TG_SINKS_POSTGRES_INFLIGHT_H
#define TG_SINKS_POSTGRES_INFLIGHT_H

#include <stdint.h>

#define INFLIGHT_NEAR ((uint64_t)256 << 10)
#define INFLIGHT_RATE 100u /* bytes a microsecond: more than one session of a server applies */

/* `most`: as many are allowed at all; `trip_us`: of a question to the server (pg_trip). */
static inline uint64_t
inflight_bound(uint64_t most, int64_t trip_us)
{
    uint64_t trip = trip_us > 0 ? (uint64_t)trip_us : 0;
    uint64_t far = trip < most / INFLIGHT_RATE ? trip * INFLIGHT_RATE : most;
    uint64_t bound = far > INFLIGHT_NEAR ? far : INFLIGHT_NEAR;
    return bound < most ? bound : most;
}

#endif
