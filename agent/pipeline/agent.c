/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of the agent: what is stored decides where it enters; then one loop looks at the jobs a few
 * times a second, turns what it sees into events of the phase machine, stores the new phase and
 * starts what it asks for. Nothing here waits for a server but the set-up and the very end.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"
#include "agent/pg/slot.h"
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/lag.h"
#include "agent/pipeline/phase.h"
#include "agent/pipeline/setup.h"
#include "agent/preflight/preflight.h"

#define STAGE     "agent"
#define TICK_MS   50
#define QUIET_MS  250 /* while nothing but changes passes through */
#define LINGER_US 5000000

struct aim {
    enum agent_until until;
    uint64_t lsn;
};

static bool
sinks_are_known(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->sinks_len; i++) {
        const struct sink_config *s = &config->sinks[i];
        if (strcmp(s->type, "postgresql") != 0 && strcmp(s->type, "null") != 0) {
            err_set(err, ERR_CONFIG, "sink '%s': a migration cannot have a sink of type %s",
                s->name, s->type);
            return err_hint(err, "the types are postgresql and null");
        }
    }
    return config->sinks_len > 0 || err_set(err, ERR_CONFIG, "no sink is configured");
}

bool
agent_new(
    const struct config *config, const struct clock *clock, struct agent **out, struct err *err)
{
    if (!sinks_are_known(config, err)) {
        return false;
    }
    struct agent *a = x_zalloc(sizeof(*a));
    a->config = config;
    a->clock = clock;
    a->started_wall_us = clock_wall_us(clock);
    pthread_mutex_init(&a->lock, NULL);
    a->spares = pg_spares_new(clock);
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!stop_init(&a->stop) || a->wake_fd < 0) {
        agent_free(a);
        return err_set(err, ERR_FATAL, "no file descriptor left");
    }
    const struct string_list *old = &config->spool.old_encryption_keys;
    if (!key_ring_new(config->spool.encryption_key, (const char *const *)old->items, old->len,
            &a->keys, err)) {
        agent_free(a);
        return false;
    }
    agent_lanes_init(a);
    *out = a;
    return true;
}

void
agent_stop(struct agent *a)
{
    stop_request(&a->stop);
}

void
agent_free(struct agent *a)
{
    if (!a) {
        return;
    }
    agent_lanes_done(a);
    agent_resync_done(a);
    room_free(a->room);
    spool_close(a->spool);
    key_ring_free(a->keys);
    store_close(a->store);
    stop_done(&a->stop);
    pg_spares_free(a->spares);
    if (a->wake_fd >= 0) {
        close(a->wake_fd);
    }
    pthread_mutex_destroy(&a->lock);
    x_free(a);
}

static void
set_phase(struct agent *a, enum phase phase)
{
    pthread_mutex_lock(&a->lock);
    a->phase = phase;
    pthread_mutex_unlock(&a->lock);
}

/* Called with the lock held: a cutover asked for on another thread and an event seen by the main
 * loop must not both start from the same phase. */
static bool
move_phase(struct agent *a, enum phase_event event, struct phase_step *s, struct err *err)
{
    *s = phase_step(a->phase, event);
    if (!s->allowed) {
        return true;
    }
    if (!store_set(a->store, "phase", phase_name(s->phase), err)) {
        return false;
    }
    log_info(STAGE, "%s -> %s (%s)", phase_name(a->phase), phase_name(s->phase),
        phase_event_name(event));
    a->phase = s->phase;
    return true;
}

/* Stored first, acted on second. */
static bool
take_event(struct agent *a, enum phase_event event, struct err *err)
{
    struct phase_step s;
    pthread_mutex_lock(&a->lock);
    bool ok = move_phase(a, event, &s, err);
    pthread_mutex_unlock(&a->lock);
    return ok && (!s.allowed || agent_start_actions(a, s.actions, err));
}

static bool
load_phase(struct agent *a, enum phase *out, struct err *err)
{
    char *name = NULL;
    bool found = false;
    uint64_t start = 0;
    if (!store_get(a->store, "phase", &name, err) ||
        !store_get_u64(a->store, "slot_start", &start, &found, err)) {
        x_free(name);
        return false;
    }
    a->start = start;
    *out = PHASE_PREFLIGHT;
    bool ok = !name || phase_parse(name, out);
    if (!ok) {
        err_set(err, ERR_FATAL, "the data directory '%s' is in phase '%s', which is unknown",
            a->config->dir, name);
    } else if (*out != PHASE_PREFLIGHT && !found) {
        ok = err_set(err, ERR_FATAL, "the data directory '%s' is damaged: no start position",
            a->config->dir);
    }
    x_free(name);
    return ok;
}

/* Every finding that is not ok is shown; one that blocks ends the run. */
static bool
pass_preflight(struct agent *a, struct err *err)
{
    char *began = NULL;
    if (!store_get(a->store, "setup", &began, err)) {
        return false;
    }
    struct preflight_input in = {.config = a->config, .began = began != NULL};
    struct preflight_report report;
    bool ok = preflight_run(&in, &report, err);
    for (size_t i = 0; ok && i < report.len; i++) {
        const struct preflight_finding *f = &report.items[i];
        if (f->verdict != PREFLIGHT_OK) {
            log_msg(f->verdict == PREFLIGHT_WARNING ? LOG_WARN : LOG_ERROR, "preflight",
                "%s (%s): %s%s%s", f->id, f->where, f->text, f->todo[0] ? "; to do: " : "",
                f->todo);
        }
    }
    ok = ok && preflight_permit(&report, err);
    preflight_report_done(&report);
    x_free(began);
    return ok;
}

static bool
enter_fresh(struct agent *a, struct err *err)
{
    if (!pass_preflight(a, err) || !agent_roster_begin(a, err) ||
        !setup_source(a->config, a->store, &a->anchor, err)) {
        return false;
    }
    a->start = a->anchor.slot.consistent_point;
    bool found = false;
    if (!store_get_u64(a->store, "source_system_id", &a->feed_id, &found, err) ||
        !agent_open_spool(a, err)) {
        return false;
    }
    set_phase(a, PHASE_SNAPSHOT);
    log_info(STAGE, "preflight -> snapshot (ready)");
    struct phase_step s = phase_step(PHASE_PREFLIGHT, EVENT_READY);
    return agent_start_actions(a, s.actions, err);
}

/* A server that is down right now is no reason not to start: the jobs wait for it. */
static bool
check_source_or_wait(struct agent *a, struct err *err)
{
    bool found = false;
    if (!store_get_u64(a->store, "source_system_id", &a->feed_id, &found, err)) {
        return false;
    }
    uint64_t id = 0;
    if (setup_check_source(a->config, a->store, &id, err)) {
        return true;
    }
    if (err->class != ERR_RECONNECT && err->class != ERR_RETRY) {
        return false;
    }
    log_err(LOG_WARN, STAGE, err);
    err_clear(err);
    return true;
}

static bool
enter_resumed(struct agent *a, enum phase stored, struct err *err)
{
    struct phase_step s = phase_resume(stored);
    log_info(STAGE, "resuming in phase %s", phase_name(s.phase));
    if (s.phase != stored && !store_set(a->store, "phase", phase_name(s.phase), err)) {
        return false;
    }
    if (!check_source_or_wait(a, err) || !agent_open_spool(a, err)) {
        return false;
    }
    set_phase(a, s.phase);
    /* Capture first: it needs nobody but the source. */
    return agent_start_actions(a, s.actions & (ACTION_CAPTURE | ACTION_UNFENCE), err) &&
           agent_roster_resume(a, err) &&
           agent_start_actions(a, s.actions & ~(unsigned)(ACTION_CAPTURE | ACTION_UNFENCE), err);
}

static bool
look_at_capture(struct agent *a, struct err *err)
{
    struct capture_state s;
    capture_state(a->capture, &s);
    if (s.failed) {
        *err = s.error;
    }
    return !s.failed;
}

/* The copies of the set-up are done, as far as they can be: a sink that failed makes good for it on
 * its own. */
static bool
copies_ended(const struct agent *a)
{
    bool any = false;
    for (size_t i = 0; i < a->lanes_len; i++) {
        const struct lane *l = &a->lanes[i];
        if (!l->failed && !l->copied) {
            return false;
        }
        any = any || !l->failed;
    }
    return any;
}

/* Caught up means: everything that was there when this process began to catch up, and near to what
 * came since. A distance that nobody has measured yet is not small. */
static bool
passed_goal(struct agent *a)
{
    if (a->catchup_goal == 0) {
        a->catchup_goal = probe_head(a->probe);
    }
    return a->catchup_goal != 0 && agent_applied(a) >= a->catchup_goal;
}

static bool
look_at_lag(struct agent *a, struct err *err)
{
    struct lag lag;
    agent_lag(a, &lag);
    if (a->phase == PHASE_CATCHUP && passed_goal(a) && lag_caught_up(&lag)) {
        return take_event(a, EVENT_CAUGHT_UP, err);
    }
    if (a->phase == PHASE_STREAMING && lag_fell_behind(&lag)) {
        a->catchup_goal = 0;
        return take_event(a, EVENT_BEHIND, err);
    }
    return true;
}

/* The report that belongs to phase CUTOVER; false in every other phase. Under the lock, because
 * another thread moves the phase and replaces the last attempt, or a dry run, in one go. */
static bool
running_cutover(struct agent *a, struct cutover_report *out)
{
    pthread_mutex_lock(&a->lock);
    bool is = a->phase == PHASE_CUTOVER;
    if (is) {
        cutover_report(a->cutover, out);
    }
    pthread_mutex_unlock(&a->lock);
    return is;
}

static bool
look_at_cutover(struct agent *a, struct err *err)
{
    struct cutover_report r;
    if (!running_cutover(a, &r)) {
        return true;
    }
    if (r.state == CUTOVER_DONE) {
        return take_event(a, EVENT_CUTOVER_DONE, err);
    }
    if (r.state == CUTOVER_ABORTED && !take_event(a, EVENT_CUTOVER_ABORTED, err)) {
        return false;
    }
    if (r.state == CUTOVER_ABORTED) {
        sequence_watch_hold(a->sequences, false);
    }
    return r.state != CUTOVER_ABORTED || agent_start_actions(a, ACTION_VALIDATE, err);
}

/* One look at everything. */
static bool
tick(struct agent *a, struct err *err)
{
    if (!look_at_capture(a, err) || !agent_lanes_look(a, err)) {
        return false;
    }
    if (a->phase == PHASE_SNAPSHOT && copies_ended(a) && !take_event(a, EVENT_COPIED, err)) {
        return false;
    }
    if (!look_at_lag(a, err) || !durable_note_keep(&a->durable_note, a->store, a->spool,
                                    clock_mono_us(a->clock), false, err)) {
        return false;
    }
    FAILPOINT("agent.tick");
    return look_at_cutover(a, err);
}

static bool
reached(struct agent *a, const struct aim *aim)
{
    switch (aim->until) {
    case UNTIL_COPIED:
        return a->phase >= PHASE_CATCHUP && agent_lanes_are(a, true);
    case UNTIL_STREAMING:
        return a->phase >= PHASE_STREAMING && agent_lanes_are(a, false);
    case UNTIL_LSN:
        return agent_durable(a) >= aim->lsn || a->phase == PHASE_DONE;
    case UNTIL_DONE:
        return a->phase == PHASE_DONE;
    }
    return false;
}

/* A sink that has failed does not reach anything by itself: the others are waited for, then it is
 * the error. */
static bool
judge_end(const struct agent *a, const struct aim *aim, struct err *err)
{
    for (size_t i = 0; i < a->lanes_len && aim->until != UNTIL_DONE; i++) {
        if (a->lanes[i].failed) {
            *err = a->lanes[i].error;
            if (!err->hint[0]) {
                err_hint(err, "all others have reached the aim: remove the cause and run it again");
            }
            return false;
        }
    }
    return true;
}

/* Replicas stream for months: what a phase waits for is looked at often, the rest now and then. */
static int
tick_ms(const struct agent *a, const struct aim *aim)
{
    return a->phase == PHASE_STREAMING && aim->until == UNTIL_DONE ? QUIET_MS : TICK_MS;
}

static bool
loop(struct agent *a, const struct aim *aim, struct err *err)
{
    struct pollfd p[] = {
        {.fd = a->stop.event_fd, .events = POLLIN}, {.fd = a->wake_fd, .events = POLLIN}};
    while (!stop_requested(&a->stop)) {
        if (!tick(a, err)) {
            return false;
        }
        if (reached(a, aim)) {
            return judge_end(a, aim, err);
        }
        eventfd_t seen;
        if (poll(p, 2, tick_ms(a, aim)) > 0 && p[1].revents) {
            (void)eventfd_read(a->wake_fd, &seen);
        }
    }
    return true;
}

/* Gives the one who asked for the cutover time to fetch its report. */
static void
linger(struct agent *a)
{
    int64_t until = clock_mono_us(a->clock) + LINGER_US;
    while (a->cutover && !atomic_load(&a->acknowledged) && !stop_requested(&a->stop) &&
           clock_mono_us(a->clock) < until) {
        a->clock->sleep_us(a->clock, TICK_MS * 1000);
    }
}

static bool
enter(struct agent *a, struct err *err)
{
    enum phase stored;
    struct store *store;
    if (!store_open(a->config->dir, &store, err)) {
        return false;
    }
    pthread_mutex_lock(&a->lock);
    a->store = store;
    pthread_mutex_unlock(&a->lock);
    if (!load_phase(a, &stored, err) || !agent_resync_begin(a, err)) {
        return false;
    }
    if (stored == PHASE_PREFLIGHT) {
        return enter_fresh(a, err);
    }
    if (stored == PHASE_DONE) {
        set_phase(a, PHASE_DONE);
        log_info(STAGE,
            "this migration is finished: the target took over; `tidegate cleanup` removes what "
            "is left of it");
        return agent_roster_load(a, err);
    }
    return enter_resumed(a, stored, err);
}

bool
agent_run(struct agent *a, enum agent_until until, uint64_t until_lsn, struct err *err)
{
    struct aim aim = {.until = until, .lsn = until_lsn};
    a->until_copied = until == UNTIL_COPIED;
    bool ok = enter(a, err);
    if (ok && a->phase != PHASE_DONE) {
        ok = loop(a, &aim, err);
    }
    if (ok && a->phase == PHASE_DONE) {
        ok = agent_finish_after_cutover(a, err);
        linger(a);
    }
    stop_request(&a->stop);
    agent_join_jobs(a);
    struct err ignored = ERR_INIT;
    if (!durable_note_keep(
            &a->durable_note, a->store, a->spool, clock_mono_us(a->clock), true, &ignored)) {
        log_err(LOG_WARN, STAGE, &ignored);
    }
    if (!ok && err->class == ERR_CANCELLED) {
        err_clear(err);
        ok = true;
    }
    return ok;
}

bool
agent_mark(struct agent *a, uint64_t *lsn, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate mark", .timeout_us = a->config->network.timeout_us};
    PGconn *conn = NULL;
    bool ok =
        pg_connect(a->config->source.dsn, &o, &conn, err) && pg_write_mark(conn, "mark", lsn, err);
    PQfinish(conn);
    return ok;
}

bool
agent_pause(struct agent *a, const char *sink, bool pause, struct err *err)
{
    return agent_lanes_pause(a, sink, pause, err);
}

static bool
has_target(const struct config *config)
{
    for (size_t i = 0; i < config->sinks_len; i++) {
        if (strcmp(config->sinks[i].type, "postgresql") == 0) {
            return true;
        }
    }
    return false;
}

static bool
cutover_allowed(struct agent *a, const struct cutover_request *req, struct err *err)
{
    struct cutover_report last = {0};
    if (a->cutover) {
        cutover_report(a->cutover, &last);
    }
    if (last.state == CUTOVER_RUNNING || a->phase == PHASE_CUTOVER) {
        return err_set(err, ERR_CONFIG, "a cutover is running already");
    }
    if (!has_target(a->config)) {
        return err_set(err, ERR_CONFIG, "no sink is a database that could take over");
    }
    if (a->phase == PHASE_STREAMING || (req->dry_run && a->phase == PHASE_CATCHUP)) {
        return true;
    }
    err_set(err, ERR_CONFIG, "a cutover needs phase streaming, and this is phase %s",
        phase_name(a->phase));
    err_hint(err, "wait for it: `tidegate wait --phase streaming --timeout 1h`");
    return false;
}

/* Called with the lock held. The phase is stored before the first step runs: a crash in between
 * lifts a fence that may stand. */
static bool
begin_cutover(struct agent *a, const struct cutover_request *req, struct err *err)
{
    struct cutover_env env = {.config = a->config,
        .store = a->store,
        .clock = a->clock,
        .stop = &a->stop,
        .sinks = agent_sinks_position,
        .take_snapshots = agent_take_snapshots,
        .sync_large_objects = agent_sync_large_objects,
        .finish_targets = agent_finish_targets,
        .open_ahead = agent_open_ahead,
        .spares = a->spares,
        .arg = a};
    struct phase_step s;
    if (!req->dry_run && !move_phase(a, EVENT_CUTOVER_ASKED, &s, err)) {
        return false;
    }
    FAILPOINT("cutover.asked");
    struct cutover *c = NULL;
    if (!cutover_start(&env, req, &c, err)) {
        struct err ignored = ERR_INIT;
        (void)!(req->dry_run || move_phase(a, EVENT_CUTOVER_ABORTED, &s, &ignored));
        return false;
    }
    cutover_free(a->cutover);
    a->cutover = c;
    (void)eventfd_write(a->wake_fd, 1);
    return true;
}

bool
agent_cutover(struct agent *a, const struct cutover_request *req, struct err *err)
{
    pthread_mutex_lock(&a->lock);
    bool ok = cutover_allowed(a, req, err) && begin_cutover(a, req, err);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

void
agent_cutover_report(struct agent *a, struct cutover_report *out)
{
    *out = (struct cutover_report){0};
    pthread_mutex_lock(&a->lock);
    if (a->cutover) {
        cutover_report(a->cutover, out);
    }
    /* Not before another one may be asked for. */
    if (out->state == CUTOVER_ABORTED && a->phase == PHASE_CUTOVER && !out->dry_run) {
        out->state = CUTOVER_RUNNING;
    }
    pthread_mutex_unlock(&a->lock);
}

void
agent_cutover_acknowledge(struct agent *a)
{
    atomic_store(&a->acknowledged, true);
}
