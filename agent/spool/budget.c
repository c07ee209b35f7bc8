/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit is the nearer one of max_size and what the disk can give (what is used plus what is
 * free above min_free). Thresholds are compared in bytes, since a per cent of a large disk is much.
 */
#include "agent/spool/budget.h"

#include <string.h>

#define LEAVE_BELOW     5 /* per cent below its threshold at which a stage is left */
#define SAMPLE_EVERY_US 4000000
#define WINDOW_US       60000000
#define WINDOW_MIN_US   8000000

static const char *const names[] = {"ok", "warn", "compress", "pause"};

const char *
budget_stage_name(enum budget_stage s)
{
    return names[s];
}

bool
budget_stage_parse(const char *name, enum budget_stage *out)
{
    for (int i = BUDGET_OK; i <= BUDGET_PAUSE; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum budget_stage)i;
            return true;
        }
    }
    return false;
}

/* Without overflow. */
static uint64_t
share(uint64_t limit, uint32_t percent)
{
    return limit / 100 * percent + limit % 100 * percent / 100;
}

static uint32_t
percent_of(uint64_t part, uint64_t limit)
{
    if (part >= limit) {
        return 100;
    }
    return (uint32_t)(limit > UINT64_MAX / 100 ? part / (limit / 100) : part * 100 / limit);
}

static uint64_t
find_limit(const struct budget_limits *l, const struct budget_use *u, bool *disk)
{
    uint64_t limit = l->max_size != 0 ? l->max_size : UINT64_MAX;
    *disk = false;
    if (u->disk_known) {
        uint64_t all = u->used + u->free;
        uint64_t most = all > l->min_free ? all - l->min_free : 0;
        if (most < limit) {
            limit = most;
            *disk = true;
        }
    }
    return limit;
}

static enum budget_stage
find_stage(
    const struct budget_limits *l, uint64_t needed, uint64_t limit, enum budget_stage present)
{
    const uint32_t at[] = {0, l->warn_at, l->compress_at, l->pause_at};
    for (int s = BUDGET_PAUSE; s > BUDGET_OK; s--) {
        uint32_t from = at[s];
        if (from == 0) {
            continue;
        }
        if (s <= (int)present) {
            from -= from > 2 * LEAVE_BELOW ? LEAVE_BELOW : from / 2;
        }
        if (needed >= share(limit, from)) {
            return (enum budget_stage)s;
        }
    }
    return BUDGET_OK;
}

void
budget_judge(const struct budget_limits *l, const struct budget_use *u, enum budget_stage present,
    struct budget *out)
{
    uint64_t needed = u->used > u->kept ? u->used - u->kept : 0;
    *out = (struct budget){.left = UINT64_MAX};
    out->limit = find_limit(l, u, &out->disk_decides);
    if (out->limit == UINT64_MAX) {
        return;
    }
    out->percent = percent_of(needed, out->limit);
    out->stage = find_stage(l, needed, out->limit, present);
    uint64_t pause = share(out->limit, l->pause_at != 0 ? l->pause_at : 100);
    out->left = needed < pause ? pause - needed : 0;
    uint64_t calm = share(out->limit, l->warn_at != 0 ? l->warn_at : 100);
    uint64_t over = u->used > calm ? u->used - calm : 0;
    out->over = over < u->kept ? over : u->kept;
}

/* --- growth -------------------------------------------------------------------------------------
 */

static size_t
sample_back(const struct budget_rate *r, size_t back)
{
    return (r->next + BUDGET_RATE_SAMPLES - 1 - back) % BUDGET_RATE_SAMPLES;
}

void
budget_rate_add(struct budget_rate *r, int64_t mono_us, uint64_t bytes)
{
    if (r->count > 0 && mono_us - r->samples[sample_back(r, 0)].at_us < SAMPLE_EVERY_US) {
        return;
    }
    r->samples[r->next].at_us = mono_us;
    r->samples[r->next].bytes = bytes;
    r->next = (r->next + 1) % BUDGET_RATE_SAMPLES;
    r->count += r->count < BUDGET_RATE_SAMPLES;
}

double
budget_seconds_left(const struct budget_rate *r, uint64_t left)
{
    if (r->count < 2 || left == UINT64_MAX) {
        return -1;
    }
    size_t last = sample_back(r, 0), first = last;
    for (size_t back = 1; back < r->count; back++) {
        size_t at = sample_back(r, back);
        if (r->samples[last].at_us - r->samples[at].at_us > WINDOW_US) {
            break;
        }
        first = at;
    }
    int64_t span = r->samples[last].at_us - r->samples[first].at_us;
    if (span < WINDOW_MIN_US || r->samples[last].bytes <= r->samples[first].bytes) {
        return -1;
    }
    double growth = (double)(r->samples[last].bytes - r->samples[first].bytes);
    return (double)left * ((double)span / 1e6) / growth;
}
