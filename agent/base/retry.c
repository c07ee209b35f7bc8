/* SPDX-License-Identifier: Apache-2.0
 *
 * The nominal delay doubles with each failure up to the policy's maximum; the real one lies in its
 * upper half, so that many agents that lost the same server do not come back in step.
 */
#include "agent/base/retry.h"

#include <limits.h>

static int64_t
nominal_delay(const struct retry_policy *p, int attempts)
{
    int64_t d = p->first_us;
    for (int i = 1; i < attempts && d < p->max_us; i++) {
        d = d > p->max_us / 2 ? p->max_us : d * 2;
    }
    return d < p->max_us ? d : p->max_us;
}

bool
retry_next(struct retry *r, const struct retry_policy *p, int64_t now_us, uint32_t random,
    int64_t *delay_us)
{
    if (r->attempts == 0) {
        r->first_failure_us = now_us;
    }
    if (r->attempts < INT_MAX) {
        r->attempts++;
    }
    int64_t nominal = nominal_delay(p, r->attempts);
    int64_t half = nominal / 2;
    int64_t delay = half + (int64_t)((__int128)(nominal - half) * random / UINT32_MAX);
    if (p->deadline_us > 0) {
        int64_t left = p->deadline_us - (now_us - r->first_failure_us);
        if (left <= 0) {
            return false;
        }
        delay =
            delay < left ? delay : left; /* the last attempt comes at the deadline, not after it */
    }
    *delay_us = delay;
    return true;
}

int
retry_success(struct retry *r)
{
    int ended = r->attempts;
    *r = (struct retry){0};
    return ended;
}
