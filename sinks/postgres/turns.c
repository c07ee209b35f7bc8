/* SPDX-License-Identifier: Apache-2.0
 *
 * committed <= sent <= begun. Groups behind `sent` are on different jobs, so there are at most as
 * many of them as jobs.
 */
#include "sinks/postgres/turns.h"

#include <assert.h>

void
turns_init(struct turns *t, uint32_t jobs)
{
    assert(jobs >= 1 && jobs <= TURNS_JOBS_MAX);
    *t = (struct turns){.jobs = jobs, .current = jobs - 1};
}

static uint32_t
job_of(const struct turns *t, uint64_t group)
{
    return t->job_of[group % TURNS_JOBS_MAX];
}

static bool
waits_to_commit(const struct turns *t, uint32_t job)
{
    for (uint64_t group = t->sent + 1; group <= t->begun; group++) {
        if (job_of(t, group) == job) {
            return true;
        }
    }
    return false;
}

uint32_t
turns_begin(struct turns *t, bool stay)
{
    assert(!t->open);
    uint32_t job = stay && t->begun > 0 ? t->current : (t->current + 1) % t->jobs;
    if (waits_to_commit(t, job)) {
        return TURNS_NONE;
    }
    t->begun++;
    t->job_of[t->begun % TURNS_JOBS_MAX] = job;
    t->current = job;
    t->open = true;
    return job;
}

void
turns_complete(struct turns *t)
{
    assert(t->open);
    t->open = false;
}

bool
turns_all_sent(const struct turns *t)
{
    return t->sent == t->begun;
}

uint32_t
turns_next(const struct turns *t)
{
    uint64_t group = t->sent + 1;
    if (group > t->begun || (group == t->begun && t->open)) {
        return TURNS_NONE;
    }
    uint32_t job = job_of(t, group);
    return t->committed == t->sent || job == t->last ? job : TURNS_NONE;
}

void
turns_sent(struct turns *t)
{
    uint32_t job = turns_next(t);
    assert(job != TURNS_NONE);
    t->last = job;
    t->sent++;
}

void
turns_unanswered(struct turns *t, uint32_t commits)
{
    assert(t->sent - t->committed >= commits);
    t->committed = t->sent - commits;
}

bool
turns_behind(const struct turns *t, uint64_t group)
{
    bool before = group <= t->sent && t->last == t->current;
    return group <= t->committed || group >= t->begun || before;
}
