/* SPDX-License-Identifier: Apache-2.0
 *
 * Exponential backoff with jitter, pure: state in, delay out. Random and clock come from the
 * caller.
 */
#ifndef TG_BASE_RETRY_H
#define TG_BASE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
    int64_t first_us;    /* delay before the second attempt */
    int64_t max_us;      /* a delay never exceeds it */
    int64_t deadline_us; /* from the first failure; 0 is none */
};

struct retry {
    int attempts;             /* failures since the last success */
    int64_t first_failure_us; /* monotonic, valid when attempts > 0 */
};

/* Counts a failure at `now_us`. True: try again after *delay_us (decorrelated by `random`, any 32
 * bits, into the upper half of the nominal delay). False: the deadline has passed. */
bool retry_next(struct retry *r, const struct retry_policy *p, int64_t now_us, uint32_t random,
    int64_t *delay_us);
/* Counts a success; returns how many failures it ends. */
int retry_success(struct retry *r);

#endif
