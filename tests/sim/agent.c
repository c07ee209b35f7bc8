/* SPDX-License-Identifier: Apache-2.0
 *
 * What the threads of the pipeline do around the steps, without threads: a wait is a time before
 * which nothing is called.
 */
#include <errno.h>

#include "agent/pipeline/lag.h"
#include "agent/spool/audit.h"
#include "tests/sim/world.h"
#include "tests/sim/wrap.h"

#define BLOCKED_PAUSE_US 200000
#define IDLE_US          100000

static bool
wants_delivery(const struct world *w)
{
    return (phase_resume(w->phase).actions & ACTION_DELIVER) != 0;
}

/* The same rule as the agent's own. */
static uint64_t
retire_below(void *arg)
{
    struct world *w = arg;
    uint64_t least = w->history.start;
    for (size_t i = 0; i < w->targets_len; i++) {
        if (!w->targets[i].delivery) {
            return w->history.start;
        }
        uint64_t durable = delivery_durable(w->targets[i].delivery);
        least = i == 0 || durable < least ? durable : least;
    }
    return least;
}

/* Only a disk that was told to fail, or a machine that has stopped, may end in a fatal error. */
static void
judge(struct world *w, const char *who, const struct err *err)
{
    world_trace(w, "%s: %s: %s", who, err_class_name(err->class), err->text);
    bool allowed = world_stopped(w) || (w->io_fault && err->sys == EIO);
    w->seen[SEEN_IO_ERROR] += err->sys == EIO && !world_stopped(w);
    if (err->class == ERR_FATAL || err->class == ERR_CONFIG || err->class == ERR_NONE) {
        if (!allowed) {
            world_broken(w, "%s: unexpected %s: %s", who, err_class_name(err->class), err->text);
        }
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

static bool
start_delivery(struct world *w, struct target *t)
{
    struct delivery_options o = {.sink = target_ops(),
        .params = {.name = t->name, .group_transactions = t->group},
        .decoder = decoder_find("pgoutput"),
        .spool = w->spool,
        .sync = &t->sync,
        .start = t->start,
        .retry_max_us = 2000000,
        .clock = &w->clock.clock};
    struct err err = ERR_INIT;
    t->open = t->failed = false;
    t->until_us = 0;
    if (!delivery_new(&o, &t->delivery, &err)) {
        world_broken(w, "%s: %s", t->name, err.text);
        return false;
    }
    return true;
}

static bool
start_deliveries(struct world *w)
{
    bool ok = true;
    for (size_t i = 0; ok && i < w->targets_len; i++) {
        ok = start_delivery(w, &w->targets[i]);
    }
    return ok;
}

/* A key may change while the agent is down; what was written with the others is still read. */
static bool
choose_keys(struct world *w, struct err *err)
{
    static const char *const texts[] = {
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
    };
    if (rng_one_in(&w->rng, 4)) {
        w->key ^= 1;
        w->seen[SEEN_KEY_CHANGE] += w->encrypts;
    }
    const char *current = w->encrypts ? texts[w->key] : NULL;
    return key_ring_new(current, &texts[w->key ^ 1], w->encrypts ? 1 : 0, &w->keys, err);
}

static bool
open_spool(struct world *w, struct err *err)
{
    struct spool_options o = w->spool_options;
    o.fs = fake_fs_get(w->disk);
    o.clock = &w->clock.clock;
    if (!choose_keys(w, err)) {
        return false;
    }
    o.keys = w->keys;
    if (!spool_open(&o, &w->spool, err)) {
        w->spool = NULL;
        return false;
    }
    if (spool_appended(w->spool) == 0 && !spool_set_start(w->spool, w->history.start, err)) {
        return false;
    }
    return true;
}

static bool
start_intake(struct world *w, struct err *err)
{
    struct room_options room = {.spool = w->spool,
        .limits = {.max_size = w->spool_options.max_size,
            .min_free = w->spool_options.min_free,
            .warn_at = 50,
            .compress_at = 60,
            .pause_at = 80},
        .clock = &w->clock.clock};
    w->room = w->budgets ? room_new(&room) : NULL;
    struct intake_options o = {.source = upstream_ops(),
        .spool = w->spool,
        .sync_interval_us = 50000,
        .retry_max_us = 2000000,
        .retire_below = retire_below,
        .arg = w,
        .room = w->room,
        .clock = &w->clock.clock};
    w->intake_open = w->intake_failed = false;
    w->intake_until_us = 0;
    return intake_new(&o, &w->intake, err);
}

/* What was confirmed must be there, whatever happened. */
static void
check_recovered(struct world *w)
{
    uint64_t durable = __real_spool_durable(w->spool);
    w->seen[SEEN_TAIL_LOST] += durable < w->taken;
    w->taken = durable;
    world_trace(w, "agent: the spool stands at %llX", (unsigned long long)durable);
    if (durable < w->up.told) {
        world_broken(w, "%llX was confirmed, the spool came back with %llX",
            (unsigned long long)w->up.told, (unsigned long long)durable);
    }
}

bool
agent_start(struct world *w)
{
    struct err err = ERR_INIT;
    world_trace(w, "agent: starts");
    w->running = true;

    if (!open_spool(w, &err) || !start_intake(w, &err)) {
        if (err.class != ERR_RETRY) {
            judge(w, "agent", &err);
        }
        world_trace(w, "agent: cannot start: %s", err.text);
        return false;
    }
    check_recovered(w);
    return !wants_delivery(w) || start_deliveries(w);
}

static void
finish(struct world *w)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < w->targets_len; i++) {
        struct target *t = &w->targets[i];
        if (t->open && !delivery_finish(t->delivery, &err)) {
            world_trace(w, "%s: end: %s", t->name, err.text);
        }
    }
    if (w->intake_open && !intake_finish(w->intake, &err)) {
        judge(w, "intake", &err);
    }
}

void
agent_stop(struct world *w, bool clean)
{
    if (!w->running) {
        return;
    }
    world_trace(w, "agent: ends%s", clean ? " cleanly" : "");
    if (clean) {
        finish(w);
    }
    for (size_t i = 0; i < w->targets_len; i++) {
        delivery_free(w->targets[i].delivery);
        w->targets[i].delivery = NULL;
        w->targets[i].open = false;
    }
    intake_free(w->intake);
    room_free(w->room);
    w->room = NULL;
    spool_close(w->spool);
    key_ring_free(w->keys);
    w->keys = NULL;
    w->intake = NULL;
    w->spool = NULL;
    w->running = w->intake_open = false;
    if (fake_fs_open_count(w->disk) != 0) {
        world_broken(w, "agent: %u descriptors leak", fake_fs_open_count(w->disk));
    }
}

bool
agent_has_failed(const struct world *w)
{
    bool failed = w->intake_failed;
    for (size_t i = 0; i < w->targets_len; i++) {
        failed |= w->targets[i].delivery && w->targets[i].failed;
    }
    return failed;
}

/* A sink from a position that the spool still holds. */
void
agent_add_sink(struct world *w)
{
    if (!w->running || !wants_delivery(w) || w->targets_len == SINKS_MAX || !w->spool) {
        return;
    }
    struct spool_stats stats;
    spool_stats(w->spool, &stats);
    const struct history *h = &w->history;
    size_t low = 0, high = 0;
    for (size_t i = 0; i < h->len; i++) {
        low += !h->tx[i].aborted && h->tx[i].end_lsn < stats.oldest ? i + 1 - low : 0;
        high = !h->tx[i].aborted && h->tx[i].end_lsn <= stats.appended ? i + 1 : high;
    }
    low += low > 0 || stats.oldest > h->start;
    if (high < low) {
        return;
    }
    struct target *t = &w->targets[w->targets_len];
    target_init(t, w, w->targets_len, low + rng_below(&w->rng, (uint32_t)(high - low + 1)));
    if (t->start < stats.oldest) {
        target_done(t);
        return;
    }
    w->targets_len++;
    w->seen[SEEN_NEW_SINK]++;
    world_trace(w, "%s: is new, from %llX", t->name, (unsigned long long)t->start);
    (void)start_delivery(w, t);
}

/* --- capture ------------------------------------------------------------------------------------
 */

static void
intake_broke(struct world *w, struct err *err)
{
    int64_t pause = 0;
    int attempts = 0;
    judge(w, "intake", err);
    if (intake_failed(w->intake, err, &pause, &attempts)) {
        w->intake_until_us = world_now(w) + pause;
        return;
    }
    judge(w, "intake ends", err);
    w->intake_failed = true;
}

static void
watch_spool(struct world *w)
{
    struct spool_stats stats;
    spool_stats(w->spool, &stats);
    w->taken = stats.appended;
    w->seen[SEEN_RETIRED] += w->oldest != 0 && stats.oldest > w->oldest;
    w->oldest = stats.oldest;
    w->seen[SEEN_RECYCLED] += stats.recycled_segments > w->recycled;
    w->recycled = stats.recycled_segments;
}

void
agent_step_intake(struct world *w)
{
    struct err err = ERR_INIT;
    uint64_t from = 0;
    enum intake_next next = INTAKE_MORE;
    if (!w->intake || w->intake_failed || world_now(w) < w->intake_until_us) {
        return;
    }
    if (!w->intake_open) {
        w->intake_open = intake_open(w->intake, &from, &err);
        if (!w->intake_open) {
            intake_broke(w, &err);
        }
        return;
    }
    if (!intake_step(w->intake, &next, &err)) {
        intake_close(w->intake);
        w->intake_open = false;
        intake_broke(w, &err);
        return;
    }
    watch_spool(w);
    if (next == INTAKE_BLOCKED) {
        w->seen[intake_paused(w->intake) ? SEEN_PAUSED_FOR_ROOM : SEEN_BLOCKED]++;
        world_trace(w, "intake: blocked: %s", intake_blocked_by(w->intake)->text);
        w->intake_until_us = world_now(w) + BLOCKED_PAUSE_US;
    } else if (next == INTAKE_SETTLED) {
        w->intake_until_us = world_now(w) + rng_below(&w->rng, IDLE_US);
    }
}

/* --- delivery -----------------------------------------------------------------------------------
 */

static void
delivery_broke(struct world *w, struct target *t, const struct err *err)
{
    int64_t pause = 0;
    int attempts = 0;
    judge(w, t->name, err);
    delivery_close(t->delivery);
    t->open = false;
    switch (delivery_failed(t->delivery, err, &pause, &attempts)) {
    case DELIVERY_RETRY:
        t->until_us = world_now(w) + pause;
        return;
    case DELIVERY_ROW_BY_ROW:
        w->seen[SEEN_ROW_BY_ROW]++;
        world_trace(w, "%s: row by row", t->name);
        return;
    case DELIVERY_UNDECIDED: /* there is no DDL here */
    case DELIVERY_FAILED:
        break;
    }
    t->failed = true;
    w->seen[SEEN_REFUSED] += err->class == ERR_DATA;
    if (err->class == ERR_DATA && (t->poison == SIZE_MAX || t->poison_joined)) {
        world_broken(w, "%s: ends for a row that is not refused alone", t->name);
    }
}

void
agent_step_delivery(struct world *w, struct target *t)
{
    struct err err = ERR_INIT;
    uint64_t resume = 0;
    enum delivery_next next = DELIVERY_MORE;
    if (!t->delivery || t->failed || world_now(w) < t->until_us) {
        return;
    }
    if (!t->open) {
        t->open = delivery_open(t->delivery, &resume, &err);
        w->seen[SEEN_SINK_AHEAD] += t->open && resume > spool_appended(w->spool);
        if (!t->open) {
            delivery_broke(w, t, &err);
        }
        return;
    }
    if (!delivery_step(t->delivery, t->paused, &next, &err)) {
        delivery_broke(w, t, &err);
        return;
    }
    (void)delivery_news(t->delivery, &t->report);
    w->seen[SEEN_PAUSED] += next == DELIVERY_PAUSED;
    if (next == DELIVERY_REOPEN) {
        delivery_close(t->delivery);
        t->open = false;
    } else if (next != DELIVERY_MORE) {
        t->until_us = world_now(w) + rng_below(&w->rng, IDLE_US);
    }
}

/* --- phases -------------------------------------------------------------------------------------
 */

static void
event(struct world *w, enum phase_event e)
{
    struct phase_step s = phase_step(w->phase, e);
    if (s.allowed) {
        world_trace(w, "agent: %s", phase_name(s.phase));
        w->phase = s.phase;
        if (s.actions & ACTION_DELIVER) {
            (void)start_deliveries(w);
        }
    }
}

void
agent_step_phase(struct world *w)
{
    if (!w->running || !w->intake || world_stopped(w)) {
        return;
    }
    if (w->phase == PHASE_SNAPSHOT) {
        if (w->quiet || rng_one_in(&w->rng, 20)) {
            event(w, EVENT_COPIED);
        }
        return;
    }
    struct lag lag = {.running = true};
    for (size_t i = 0; i < w->targets_len; i++) {
        const struct target *t = &w->targets[i];
        lag.running &= t->open;
        lag.seconds = t->report.lag_seconds > lag.seconds ? t->report.lag_seconds : lag.seconds;
    }
    if (w->phase == PHASE_CATCHUP && lag_caught_up(&lag)) {
        event(w, EVENT_CAUGHT_UP);
    } else if (w->phase == PHASE_STREAMING && lag_fell_behind(&lag)) {
        event(w, EVENT_BEHIND);
    }
}

/* --- packing ------------------------------------------------------------------------------------
 */

void
agent_step_pack(struct world *w)
{
    struct err err = ERR_INIT;
    bool did = false;
    if (!w->intake || world_stopped(w)) {
        return;
    }
    if (!spool_pack_one(w->spool, 1, NULL, &did, &err)) {
        judge(w, "pack", &err);
    }
    w->seen[SEEN_PACKED] += did;
    if (did) {
        world_trace(w, "agent: a segment is packed");
    }
}

/* --- audit --------------------------------------------------------------------------------------
 */

static void
on_finding(const struct audit_finding *f, void *arg)
{
    if (f->severity == AUDIT_DAMAGE) {
        world_broken(
            arg, "audit: '%s' at %llu: %s", f->file, (unsigned long long)f->offset, f->text);
    }
}

void
agent_audit(struct world *w)
{
    struct err err = ERR_INIT;
    struct audit_result found;
    if (!w->intake || world_stopped(w) || w->disk_may_fail) {
        return;
    }
    struct audit_options o = {.fs = fake_fs_get(w->disk),
        .path = w->spool_options.path,
        .keys = w->keys,
        .durable = __real_spool_durable(w->spool),
        .finding = on_finding,
        .arg = w};
    if (!audit_spool(&o, &found, &err)) {
        judge(w, "audit", &err);
    }
    w->seen[SEEN_AUDITED]++;
}
