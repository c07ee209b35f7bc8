/* SPDX-License-Identifier: Apache-2.0
 *
 * Near is two seconds and one WAL segment; far is half a minute or a gigabyte. A sink that is
 * reconnecting for a moment has not fallen behind.
 */
#include "agent/pipeline/lag.h"

#define NEAR_SECONDS 2.0
#define NEAR_BYTES   (16ULL << 20)
#define FAR_SECONDS  30.0
#define FAR_BYTES    (1ULL << 30)

bool
lag_caught_up(const struct lag *l)
{
    return l->running && l->seconds <= NEAR_SECONDS && l->source_bytes <= NEAR_BYTES;
}

bool
lag_fell_behind(const struct lag *l)
{
    return l->seconds > FAR_SECONDS || l->source_bytes > FAR_BYTES;
}

uint64_t
lag_bytes(uint64_t ahead, uint64_t behind)
{
    return ahead > behind ? ahead - behind : 0;
}
