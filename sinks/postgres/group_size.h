/* SPDX-License-Identifier: Apache-2.0
 *
 * How many source transactions the next group may have: twice as many as the last, and no more than
 * fit into the time that a group may take, by what those of the last one took. Pure: only numbers.
 */
#ifndef TG_SINKS_POSTGRES_GROUP_SIZE_H
#define TG_SINKS_POSTGRES_GROUP_SIZE_H

#include <stdint.h>

/* `now`: the last one might have so many; it had `transactions` and took `took_us`. `time_us`: a
 * group may take so long; 0: no matter how long. */
static inline uint32_t
group_size_next(uint32_t now, uint32_t max, uint32_t transactions, int64_t took_us, int64_t time_us)
{
    uint32_t next = now < max / 2 ? now * 2 : max;
    if (time_us <= 0 || took_us <= 0 || transactions == 0) {
        return next;
    }
    int64_t fit = (int64_t)transactions * time_us / took_us;
    if (fit >= next) {
        return next;
    }
    return fit > 1 ? (uint32_t)fit : 1;
}

#endif
