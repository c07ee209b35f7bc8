/* SPDX-License-Identifier: Apache-2.0
 *
 * How long to let a busy stream gather before it is read again. A walsender hands each message to
 * the kernel alone, so a receiver that is faster than it wakes up, polls and reads once for every
 * row: that costs more processor time than everything else that is done with the row, on a machine
 * where the servers need it. A nap turns hundreds of wake-ups into one read; the kernel's buffers
 * keep the sender going meanwhile.
 *
 * What they hold bounds the nap. A TCP connection's grow to megabytes. A Unix socket has the
 * sender's 208 KiB (net.core.wmem_default) and each message is charged with its bookkeeping, about
 * a KiB: full after some two hundred, which a fast walsender sends within a millisecond, and then
 * it stands still until the nap is over.
 *
 * Only a stream of many messages is slowed down by a nap, one commit never waits for it.
 * Pure: the caller brings the clock and sleeps.
 */
#ifndef TG_PG_NAP_H
#define TG_PG_NAP_H

#include <stdbool.h>
#include <stdint.h>

#define NAP_TCP_US    1000
#define NAP_UNIX_US   100
#define NAP_WINDOW_US 2000  /* least time over which the rate is taken */
#define NAP_BUSY      20000 /* messages a second from which on naps pay */

struct nap {
    int64_t length_us;
    int64_t since_us; /* begin of the window; 0: none yet */
    uint64_t messages;
};

static inline void
nap_init(struct nap *n, bool unix_socket)
{
    *n = (struct nap){.length_us = unix_socket ? NAP_UNIX_US : NAP_TCP_US};
}

/* A message was read. */
static inline void
nap_count(struct nap *n)
{
    n->messages++;
}

/* Nothing is left to read at `now_us` (monotonic): microseconds to sleep before asking again, or 0.
 */
static inline int64_t
nap_us(struct nap *n, int64_t now_us)
{
    int64_t window = now_us - n->since_us;
    if (n->since_us != 0 && window < NAP_WINDOW_US) {
        return n->messages * 1000000 >= (uint64_t)NAP_BUSY * NAP_WINDOW_US ? n->length_us : 0;
    }
    bool busy = n->since_us != 0 && n->messages * 1000000 >= (uint64_t)NAP_BUSY * (uint64_t)window;
    n->since_us = now_us;
    n->messages = 0;
    return busy ? n->length_us : 0;
}

#endif
