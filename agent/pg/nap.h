/* SPDX-License-Identifier: Apache-2.0
 *
 * How long to let a busy stream gather before it is read again. A walsender hands each message to
 * the kernel alone, so a receiver that is faster than it wakes up, polls and reads once for every
 * row: that costs more processor time than everything else that is done with the row, on a machine
 * where the servers need it. A nap turns hundreds of wake-ups into one read; the kernel's buffers
 * keep the sender going meanwhile.
 *
 * What they hold bounds the nap. A TCP connection's grow to megabytes. A Unix socket has the
 * sender's 208 KiB (net.core.wmem_default), and each message is charged with its bookkeeping, too:
 * full after some two hundred small ones, which a fast walsender sends within a millisecond. Then
 * it stands still until the nap is over. So there a nap ends when a quarter of the socket is full,
 * going by what came lately: streams come in bursts.
 *
 * A walsender on the same machine does better still when its packets find no room here: the kernel
 * then puts its messages together, which saves both sides the work of a packet for each. So over
 * the loopback interface little room is asked for (NAP_LOOPBACK_ROOM) and the nap is long; what is
 * put together there arrives as soon as there is room. Over a network it would take a trip.
 *
 * Only a stream of many messages is slowed down by a nap, one commit never waits for it.
 * Pure: the caller brings the clock and sleeps.
 */
#ifndef TG_PG_NAP_H
#define TG_PG_NAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAP_US            1000
#define NAP_LOOPBACK_US   4000
#define NAP_UNIX_US       100   /* before anything is known of the stream */
#define NAP_WINDOW_US     2000  /* least time over which the rate is taken */
#define NAP_BUSY          20000 /* messages a second from which on naps pay */

#define NAP_LOOPBACK_ROOM 32768 /* as SO_RCVBUF: the kernel doubles it */
#define NAP_UNIX_ROOM     212992
/* What a message takes of it, at most: memory is handed out in powers of two. */
#define NAP_CHARGE        768

enum nap_way { NAP_NETWORK, NAP_LOOPBACK, NAP_UNIX };

struct nap {
    enum nap_way way;
    int64_t length_us;
    int64_t since_us; /* begin of the window; 0: none yet */
    uint64_t messages, charge;
};

static inline void
nap_init(struct nap *n, enum nap_way way)
{
    int64_t us = way == NAP_UNIX ? NAP_UNIX_US : way == NAP_LOOPBACK ? NAP_LOOPBACK_US : NAP_US;
    *n = (struct nap){.way = way, .length_us = us};
}

/* A message of so many bytes was read. */
static inline void
nap_count(struct nap *n, size_t bytes)
{
    n->messages++;
    n->charge += NAP_CHARGE + 2 * bytes;
}

/* The time in which a quarter of the socket fills, when this came within `window_us`. */
static inline int64_t
nap_length_us(uint64_t charge, int64_t window_us)
{
    uint64_t quarter = (uint64_t)NAP_UNIX_ROOM / 4 * (uint64_t)window_us / (charge + 1);
    return quarter < NAP_US ? (int64_t)quarter : NAP_US;
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
    if (busy && n->way == NAP_UNIX) {
        n->length_us = nap_length_us(n->charge, window);
    }
    n->since_us = now_us;
    n->messages = n->charge = 0;
    return busy ? n->length_us : 0;
}

#endif
