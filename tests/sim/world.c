/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop: let somebody act, sometimes let something go wrong. After the faults are over, all that
 * was committed must arrive within a bounded number of steps.
 */
#include "tests/sim/world.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define WALL_START  INT64_C(1750000000000000)
#define QUIET_STEPS 60000 /* in which everything must have arrived */
#define SPOOL_PATH  "spool"
#define DISK_PLENTY (64U << 20)

static struct world *current;

struct world *
world_current(void)
{
    return current;
}

int64_t
world_now(const struct world *w)
{
    return w->clock.mono_us;
}

void
world_trace(struct world *w, const char *fmt, ...)
{
    if (w->trace) {
        va_list ap;
        va_start(ap, fmt);
        fprintf(w->trace, "%6u %9.3f s  ", w->step, (double)w->clock.mono_us / 1e6);
        vfprintf(w->trace, fmt, ap);
        fputc('\n', w->trace);
        va_end(ap);
    }
}

void
world_broken(struct world *w, const char *fmt, ...)
{
    char why[sizeof(w->why)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    world_trace(w, "BROKEN: %s", why);
    if (!w->broken) {
        w->broken = true;
        memcpy(w->why, why, sizeof(why));
    }
}

bool
world_stopped(const struct world *w)
{
    return w->stop_at_change != 0 && fake_fs_changes(w->disk) >= w->stop_at_change;
}

/* --- clock --------------------------------------------------------------------------------------
 */

static int64_t
sim_mono(const struct clock *c)
{
    return ((const struct sim_clock *)c)->mono_us;
}

static int64_t
sim_wall(const struct clock *c)
{
    return WALL_START + sim_mono(c);
}

/* --- making -------------------------------------------------------------------------------------
 */

static uint32_t
rate(struct world *w, uint32_t often)
{
    struct rng *r = &w->rng;
    return rng_one_in(r, 3) ? 0 : often / 2 + rng_below(r, often * 2);
}

static void
make_plan(struct world *w)
{
    w->plan = (struct plan){.machine = rate(w, 500),
        .kill = rate(w, 500),
        .restart = rate(w, 1500),
        .target_crash = rate(w, 300),
        .source_cut = rate(w, 150),
        .source_crash = rate(w, 600),
        .sink_cut = rate(w, 150),
        .full = rate(w, 600),
        .io = rate(w, 1200),
        .poison = rate(w, 800),
        .pause = rate(w, 400),
        .add_sink = rate(w, 600),
        .pack = rate(w, 60),
        .audit = rate(w, 500)};
}

static int
lie_sync(const struct fs *fs, int fd)
{
    (void)fs;
    (void)fd;
    return 0;
}

static int
lie_sync_dir(const struct fs *fs, const char *path)
{
    (void)fs;
    (void)path;
    return 0;
}

static void
make_disk(struct world *w)
{
    struct rng *r = &w->rng;
    w->disk = fake_fs_new();
    fake_fs_tells_alone(w->disk);
    fake_fs_capacity(w->disk, DISK_PLENTY);
    struct fs *fs = (struct fs *)(uintptr_t)fake_fs_get(w->disk);
    if (w->mutation == NO_FSYNC) {
        fs->datasync = lie_sync;
    } else if (w->mutation == NO_DIRECTORY_SYNC) {
        fs->sync_dir = lie_sync_dir;
    }
    w->spool_options = (struct spool_options){.path = SPOOL_PATH,
        .feed_id = 42,
        .segment_size = 512U << rng_below(r, 6),
        .block_size = 128U << rng_below(r, 6),
        .min_free = rng_one_in(r, 3) ? 4096 : 0};
    w->encrypts = rng_one_in(r, 3);
    w->budgets = !rng_one_in(r, 3);
    if (rng_one_in(r, 3)) {
        w->spool_options.keep_us = 1 + rng_below(r, 30000000);
        w->spool_options.keep_size = rng_one_in(r, 2) ? rng_below(r, 60000) : 0;
    }
    if (rng_one_in(r, 3)) {
        w->spool_options.max_size = 96U * 1024 + rng_below(r, 64U * 1024);
    }
}

static void
make_history(struct world *w)
{
    struct rng *r = &w->rng;
    struct history_options o = {.transactions = 5 + rng_below(r, 120),
        .most_ops = 1 + rng_below(r, 12),
        .most_text = 100 + rng_below(r, 3000),
        .streams = rng_one_in(r, 2)};
    history_make(&w->history, &o, r);
    for (size_t i = 0; i < FEED_TABLES; i++) {
        const struct tx *t = &w->history.tx[rng_below(r, (uint32_t)(w->history.len / 2 + 1))];
        /* A consistent point is where a commit ends, or anywhere between. */
        w->sync[i] = w->history.start;
        if (rng_one_in(r, 2) && t->end_lsn) {
            w->sync[i] = rng_one_in(r, 3) ? t->commit_lsn : t->end_lsn;
        }
    }
}

static void
world_make(struct world *w)
{
    w->clock = (struct sim_clock){
        .clock = {.mono_us = sim_mono, .wall_us = sim_wall}, .mono_us = 10000000};
    w->phase = PHASE_SNAPSHOT;
    make_plan(w);
    make_disk(w);
    make_history(w);
    upstream_init(&w->up, w);
    w->targets_len = 1 + rng_one_in(&w->rng, 3);
    for (size_t i = 0; i < w->targets_len; i++) {
        target_init(&w->targets[i], w, i, 0);
    }
}

static void
world_unmake(struct world *w)
{
    agent_stop(w, false);
    for (size_t i = 0; i < w->targets_len; i++) {
        target_done(&w->targets[i]);
    }
    upstream_done(&w->up);
    history_done(&w->history);
    fake_fs_free(w->disk);
}

/* --- what goes wrong ----------------------------------------------------------------------------
 */

static void
repair_disk(struct world *w)
{
    fake_fs_stop_before(w->disk, 0);
    for (int op = 0; op < FAKE_OPS; op++) {
        fake_fs_fail(w->disk, (enum fake_op)op, 0, 0);
    }
    w->stop_at_change = 0;
    w->disk_may_fail = false;
}

static void
go_down(struct world *w, bool crash)
{
    w->seen[SEEN_CUT_IN_CALL] += w->running && world_stopped(w);
    w->seen[SEEN_KILL] += w->running && !crash;
    agent_stop(w, false);
    if (crash) {
        world_trace(w, "machine: crashes");
        w->seen[SEEN_POWER_CUT]++;
        fake_fs_crash(w->disk, rng_next(&w->rng));
    }
    repair_disk(w);
    w->io_fault = false;
    w->start_at_us = world_now(w) + rng_below(&w->rng, 1000000);
}

/* Now, or in the middle of what the disk is asked to do soon. */
static void
plan_end(struct world *w, bool crash)
{
    if (w->stop_at_change != 0) {
        return;
    }
    if (!w->running || rng_one_in(&w->rng, 3)) {
        go_down(w, crash);
        return;
    }
    uint32_t in = 1 + rng_below(&w->rng, 12);
    world_trace(w, "machine: will %s before the %u. change of the disk",
        crash ? "crash" : "kill the agent", in);
    w->stop_is_crash = crash;
    w->stop_at_change = fake_fs_changes(w->disk) + in;
    fake_fs_stop_before(w->disk, in);
}

static void
fill_disk(struct world *w)
{
    uint32_t room = rng_below(&w->rng, 4000);
    world_trace(w, "disk: %u bytes left", room);
    fake_fs_capacity(w->disk, fake_fs_used(w->disk) + room);
    w->room_at_us = world_now(w) + rng_below(&w->rng, 5000000);
}

static void
fail_disk(struct world *w)
{
    static const enum fake_op ops[] = {FAKE_DATASYNC, FAKE_DATASYNC, FAKE_DATASYNC, FAKE_PWRITE,
        FAKE_PREAD, FAKE_RENAME, FAKE_SYNC_DIR, FAKE_TRUNCATE, FAKE_UNLINK};
    enum fake_op op = ops[rng_below(&w->rng, sizeof(ops) / sizeof(ops[0]))];
    unsigned nth = 1 + rng_below(&w->rng, 10);
    w->disk_may_fail = true;
    if (rng_one_in(&w->rng, 6)) {
        world_trace(w, "disk: no descriptor at the %u. open", nth);
        fake_fs_fail(w->disk, FAKE_OPEN, nth, EMFILE);
        return;
    }
    world_trace(w, "disk: operation %d will fail at its %u. call", (int)op, nth);
    fake_fs_fail(w->disk, op, nth, EIO);
    w->io_fault = true;
}

static void
poison(struct world *w, struct target *t)
{
    if (t->poison == SIZE_MAX) {
        t->poison = target_visible(t).count + rng_below(&w->rng, 4);
        t->poison_joined = rng_one_in(&w->rng, 2);
        world_trace(w, "%s: will refuse transaction %zu%s", t->name, t->poison,
            t->poison_joined ? " when rows are joined" : "");
    } else {
        t->poison = SIZE_MAX;
    }
}

static bool
happens(struct world *w, uint32_t one_in)
{
    return one_in != 0 && rng_one_in(&w->rng, one_in);
}

static void
go_wrong_here(struct world *w)
{
    const struct plan *p = &w->plan;
    if (happens(w, p->machine)) {
        plan_end(w, true);
    }
    if (happens(w, p->kill)) {
        plan_end(w, false);
    }
    if (happens(w, p->restart) && w->stop_at_change == 0) {
        agent_stop(w, true);
        w->seen[SEEN_CLEAN_END]++;
        go_down(w, false);
    }
    if (happens(w, p->full)) {
        fill_disk(w);
    }
    if (happens(w, p->io)) {
        fail_disk(w);
    }
    if (happens(w, p->add_sink)) {
        agent_add_sink(w);
    }
}

static void
go_wrong_there(struct world *w)
{
    const struct plan *p = &w->plan;
    struct target *t = &w->targets[rng_below(&w->rng, (uint32_t)w->targets_len)];
    if (happens(w, p->source_cut)) {
        w->up.cut_in = 1 + rng_below(&w->rng, 20);
    }
    if (happens(w, p->source_crash)) {
        upstream_crash(&w->up);
    }
    if (happens(w, p->target_crash)) {
        target_crash(t);
    }
    if (happens(w, p->sink_cut)) {
        t->cut_in = 1 + rng_below(&w->rng, 20);
    }
    if (happens(w, p->poison)) {
        poison(w, t);
    }
    if (happens(w, p->pause)) {
        t->paused = !t->paused;
        world_trace(w, "%s: %s", t->name, t->paused ? "pause" : "resume");
    }
}

static void
heal(struct world *w)
{
    world_trace(w, "--- no more faults");
    w->quiet = true;
    w->stop_is_crash = false;
    if (world_stopped(w) || rng_one_in(&w->rng, 2)) {
        go_down(w, false);
    } else {
        repair_disk(w); /* what goes on must do so by itself */
    }
    fake_fs_capacity(w->disk, DISK_PLENTY);
    w->up.produced = w->history.len;
    w->up.cut_in = 0;
    for (size_t i = 0; i < w->targets_len; i++) {
        w->targets[i].poison = SIZE_MAX;
        w->targets[i].paused = false;
        w->targets[i].cut_in = 0;
        w->targets[i].slowness = 0;
    }
}

/* --- the loop -----------------------------------------------------------------------------------
 */

static void
look_after_agent(struct world *w)
{
    if (w->running && world_stopped(w)) {
        go_down(w, w->stop_is_crash);
    }
    if (w->running && agent_has_failed(w) && rng_one_in(&w->rng, 30)) {
        agent_stop(w, rng_one_in(&w->rng, 2));
        go_down(w, false);
    }
    if (!w->running && world_now(w) >= w->start_at_us && !agent_start(w)) {
        go_down(w, world_stopped(w) && w->stop_is_crash);
    }
    if (world_now(w) >= w->room_at_us && w->room_at_us != 0) {
        world_trace(w, "disk: has room again");
        fake_fs_capacity(w->disk, DISK_PLENTY);
        w->room_at_us = 0;
    }
}

static void
act(struct world *w)
{
    uint32_t who = rng_below(&w->rng, 3 + (uint32_t)w->targets_len);
    if (who == 0) {
        agent_step_phase(w);
        w->up.produced += w->up.produced < w->history.len && rng_one_in(&w->rng, 4);
    } else if (who < 3) {
        agent_step_intake(w);
    } else {
        struct target *t = &w->targets[who - 3];
        if (t->slowness == 0 || rng_one_in(&w->rng, t->slowness)) {
            agent_step_delivery(w, t);
        }
    }
}

static void
turn(struct world *w)
{
    w->step++;
    w->clock.mono_us +=
        rng_one_in(&w->rng, 12) ? rng_below(&w->rng, 400000) : rng_below(&w->rng, 3000);
    look_after_agent(w);
    act(w);
    if (happens(w, w->plan.pack)) {
        agent_step_pack(w);
    }
    if (happens(w, w->plan.audit)) {
        agent_audit(w);
    }
    if (!w->quiet) {
        go_wrong_here(w);
        go_wrong_there(w);
    }
}

static bool
arrived(const struct world *w)
{
    if (!w->running || w->phase == PHASE_SNAPSHOT) {
        return false;
    }
    for (size_t i = 0; i < w->targets_len; i++) {
        size_t count = target_visible(&w->targets[i]).count;
        while (count < w->history.len && w->history.tx[count].aborted) {
            count++;
        }
        if (count < w->history.len) {
            return false;
        }
    }
    return true;
}

static void
play(struct world *w)
{
    unsigned steps = 300 + rng_below(&w->rng, 6000);
    while (!w->broken && w->step < steps) {
        turn(w);
    }
    if (w->broken) {
        return;
    }
    heal(w);
    while (!w->broken && !arrived(w)) {
        turn(w);
        if (w->step > steps + QUIET_STEPS) {
            world_broken(w, "%zu transactions were committed, %s has %zu after %d quiet steps",
                w->history.len, w->targets[0].name, target_visible(&w->targets[0]).count,
                QUIET_STEPS);
        }
    }
    if (!w->broken) {
        agent_audit(w);
        agent_stop(w, true);
    }
}

const char *
seen_name(enum seen what)
{
    static const char *const names[SEEN] = {
        [SEEN_POWER_CUT] = "power cuts",
        [SEEN_CUT_IN_CALL] = "ends in the middle of a call",
        [SEEN_KILL] = "kills",
        [SEEN_CLEAN_END] = "clean ends",
        [SEEN_TAIL_LOST] = "lost tails",
        [SEEN_BLOCKED] = "waits for room",
        [SEEN_PAUSED_FOR_ROOM] = "pauses before it is full",
        [SEEN_IO_ERROR] = "disk errors",
        [SEEN_RETIRED] = "retirements",
        [SEEN_SOURCE_CUT] = "source cuts",
        [SEEN_SOURCE_CRASH] = "source crashes",
        [SEEN_VOIDED] = "voided transactions",
        [SEEN_SINK_CUT] = "sink cuts",
        [SEEN_LOST_COMMITS] = "lost commits",
        [SEEN_TARGET_ROLLBACK] = "target rollbacks",
        [SEEN_SINK_AHEAD] = "sinks ahead",
        [SEEN_ROW_BY_ROW] = "rows alone",
        [SEEN_REFUSED] = "refusals",
        [SEEN_PAUSED] = "pauses",
        [SEEN_NEW_SINK] = "new sinks",
        [SEEN_KEY_CHANGE] = "changes of the key",
        [SEEN_AUDITED] = "audits",
        [SEEN_PACKED] = "packed segments",
        [SEEN_RECYCLED] = "recycled segments",
        [SEEN_STREAMED] = "streamed commits",
        [SEEN_ABORTED] = "streamed aborts",
        [SEEN_ROLLED_BACK] = "rolled back subtransactions",
    };
    return names[what];
}

void
world_run(uint64_t seed, enum mutation mutation, FILE *trace, struct outcome *out)
{
    struct world w = {.seed = seed, .rng = {seed}, .trace = trace, .mutation = mutation};
    current = &w;
    mutation_set(mutation);
    world_make(&w);
    play(&w);
    world_unmake(&w);
    current = NULL;
    out->ok = !w.broken;
    memcpy(out->why, w.why, sizeof(w.why));
    memcpy(out->seen, w.seen, sizeof(w.seen));
}
