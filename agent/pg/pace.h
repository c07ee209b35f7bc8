/* SPDX-License-Identifier: Apache-2.0
 *
 * How long to let a busy stream gather before it is read again. A walsender hands each message to
 * the kernel alone, so a receiver that is faster than it wakes up, polls and reads once for every
 * row: that costs more processor time than everything else that is done with the row, on a machine
 * where the servers need it. A nap of a millisecond turns hundreds of wake-ups into one read; the
 * kernel's buffers keep the sender going meanwhile.
 *
 * Only a stream of many messages is slowed down by that millisecond, one commit never waits for it.
 * Pure: the caller brings the clock and sleeps.
 */
#ifndef TG_PG_PACE_H
#define TG_PG_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_NAP_US    1000
#define PACE_WINDOW_US 2000  /* least time over which the rate is taken */
#define PACE_BUSY      20000 /* messages a second from which on naps pay */

struct pace {
    int64_t since_us; /* begin of the window; 0: none yet */
    uint64_t messages;
};

/* A message was read. */
static inline void
pace_count(struct pace *p)
{
    p->messages++;
}

/* Nothing is left to read at `now_us` (monotonic): microseconds to sleep before asking again, or 0.
 */
static inline int64_t
pace_nap_us(struct pace *p, int64_t now_us)
{
    int64_t window = now_us - p->since_us;
    if (p->since_us != 0 && window < PACE_WINDOW_US) {
        return p->messages * 1000000 >= (uint64_t)PACE_BUSY * PACE_WINDOW_US ? PACE_NAP_US : 0;
    }
    bool busy = p->since_us != 0 && p->messages * 1000000 >= (uint64_t)PACE_BUSY * (uint64_t)window;
    p->since_us = now_us;
    p->messages = 0;
    return busy ? PACE_NAP_US : 0;
}

#endif
