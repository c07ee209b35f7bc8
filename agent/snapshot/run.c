/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a run that all its threads use: how one fails, waits and ends.
 */
#include "agent/snapshot/run.h"

#include <stdlib.h>

#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/retry.h"

/* Longer than that a snapshot is not kept open on the source for a target that is away. */
static const struct retry_policy policy = {500000, 15000000, 300000000};

static int
compare_table(const void *key, const void *item)
{
    uint32_t oid = *(const uint32_t *)key, other = ((const struct run_table *)item)->oid;
    return oid < other ? -1 : oid > other;
}

struct run_table *
run_find_table(struct run *r, uint32_t oid)
{
    return r->tables_len
               ? bsearch(&oid, r->tables, r->tables_len, sizeof(*r->tables), compare_table)
               : NULL;
}

bool
run_is_copied(uint32_t relid, void *run)
{
    const struct run_table *t = relid ? run_find_table(run, relid) : NULL;
    return !t || t->copied;
}

void
run_fail(struct run *r, const struct err *err)
{
    pthread_mutex_lock(r->lock);
    if (!r->failed) {
        r->failed = true;
        r->error = *err;
    }
    stop_request(&r->cancel);
    pthread_cond_broadcast(r->changed);
    pthread_mutex_unlock(r->lock);
}

void
run_leave(struct run *r)
{
    pthread_mutex_lock(r->lock);
    bool last = --r->threads_left == 0;
    pthread_cond_broadcast(r->changed);
    pthread_mutex_unlock(r->lock);
    if (last) {
        stop_request(&r->finished);
    }
}

bool
run_may_retry(struct run *r, struct worker_retry *w, const char *stage, const struct err *err)
{
    if ((err->class != ERR_RETRY && err->class != ERR_RECONNECT) || stop_requested(&r->cancel)) {
        return false;
    }
    struct retry state = {w->attempts, w->first_us};
    int64_t now = clock_mono_us(r->o->clock), delay;
    uint32_t random = (uint32_t)now * 2654435761U;
    bool again = retry_next(&state, &policy, now, random, &delay);
    w->attempts = state.attempts;
    w->first_us = state.first_failure_us;
    if (!again) {
        return false;
    }
    if (w->attempts == 1) {
        log_err(LOG_WARN, stage, err);
        log_info(stage, "trying again");
    }
    return !stop_sleep(&r->cancel, delay);
}
