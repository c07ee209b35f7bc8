/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread around agent/pipeline/delivery.h: it waits where a step says that nothing is at hand,
 * sleeps between two sessions, logs, and keeps the state that others read. What is decided, is
 * decided there.
 */
#include "agent/pipeline/deliver.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/thread.h"

#define IDLE_WAIT_MS 250
#define DECISION_US  200000   /* between two looks for the operator's decision */
#define TELL_US      10000000 /* between two lines about parked changes */

struct deliver {
    struct delivery *delivery;
    const struct stop *stop;
    const struct clock *clock;
    uint64_t told; /* parked changes that a line of the log spoke of */
    int64_t told_us;
    uint64_t told_stopped;
    char stage[80];
    struct thread thread;
    int wake_fd; /* eventfd: pause or resume was asked for */
    atomic_bool paused;
    pthread_mutex_t lock; /* guards state */
    struct deliver_state state;
};

static void
set_state(struct deliver *d, enum sink_state state)
{
    pthread_mutex_lock(&d->lock);
    d->state.state = state;
    if (state == SINK_RUNNING) {
        err_clear(&d->state.error);
    }
    pthread_mutex_unlock(&d->lock);
}

static void
set_error(struct deliver *d, const struct err *err, enum sink_state state)
{
    pthread_mutex_lock(&d->lock);
    d->state.state = state;
    d->state.failed = state == SINK_FAILED;
    d->state.error = *err;
    pthread_mutex_unlock(&d->lock);
}

static void
publish(struct deliver *d)
{
    struct delivery_report report;
    if (!delivery_news(d->delivery, &report)) {
        return;
    }
    pthread_mutex_lock(&d->lock);
    d->state.progress = report.progress;
    d->state.behind_bytes = report.behind_bytes;
    d->state.lag_seconds = report.lag_seconds;
    d->state.rows_commit_us = report.rows_commit_us;
    delivery_ddl_counts(d->delivery, &d->state.ddl);
    pthread_mutex_unlock(&d->lock);
}

static void
tell_ddl(struct deliver *d)
{
    const char *line = delivery_ddl_news(d->delivery);
    if (line) {
        log_info(d->stage, "DDL %s", line);
    }
}

/* Of the first one at once, of many now and then. */
static void
tell_parked(struct deliver *d, bool now)
{
    uint64_t n = 0;
    const char *last = delivery_parked(d->delivery, &n);
    int64_t time = n > d->told ? clock_mono_us(d->clock) : 0;
    if (n == d->told || (!now && d->told > 0 && time - d->told_us < TELL_US)) {
        return;
    }
    log_warn(d->stage, "%llu change%s parked as %s: %s; `tidegate dead-letters list` shows all",
        (unsigned long long)n, n == 1 ? " is" : "s are",
        n == 1 ? "a dead letter" : "dead letters, the last one", last);
    d->told = n;
    d->told_us = time;
}

/* Each of them: there are no more than tables. */
static void
tell_stopped(struct deliver *d)
{
    uint64_t n = 0;
    const char *last = delivery_stopped(d->delivery, &n);
    if (n > d->told_stopped) {
        d->told_stopped = n;
        log_warn(d->stage,
            "table %s: its changes are left out, all others go on; `tidegate status` says why, "
            "`tidegate resync` copies it anew",
            last);
    }
}

static void
wait_for_news(struct deliver *d, bool reading)
{
    struct pollfd p[] = {
        {.fd = d->stop->event_fd, .events = POLLIN},
        {.fd = d->wake_fd, .events = POLLIN},
        {.fd = delivery_sink_fd(d->delivery), .events = POLLIN},
        {.fd = reading ? delivery_spool_fd(d->delivery) : -1, .events = POLLIN},
    };
    if (poll(p, sizeof(p) / sizeof(p[0]), IDLE_WAIT_MS) > 0 && (p[1].revents & POLLIN)) {
        uint64_t ignored;
        (void)!read(d->wake_fd, &ignored, sizeof(ignored));
    }
}

/* *again: the session ended well, to be opened again. */
static bool
pump(struct deliver *d, bool *again, struct err *err)
{
    while (!stop_requested(d->stop)) {
        enum delivery_next next = DELIVERY_MORE;
        if (!delivery_step(d->delivery, atomic_load(&d->paused), &next, err)) {
            return false;
        }
        publish(d);
        tell_ddl(d);
        tell_parked(d, false);
        tell_stopped(d);
        if (next == DELIVERY_REOPEN) {
            *again = true;
            return true;
        }
        if (next != DELIVERY_MORE) {
            set_state(d, next == DELIVERY_PAUSED ? SINK_PAUSED : SINK_RUNNING);
            wait_for_news(d, next == DELIVERY_WAIT);
        }
    }
    bool ok = delivery_finish(d->delivery, err);
    publish(d);
    return ok;
}

static bool
session(struct deliver *d, bool *again, struct err *err)
{
    set_state(d, SINK_CONNECTING);
    uint64_t resume = 0;
    bool ok = delivery_open(d->delivery, &resume, err);
    if (ok) {
        char lsn[FORMAT_SIZE];
        log_info(d->stage, "connected, applying from %s", format_lsn(resume, lsn));
        set_state(d, SINK_RUNNING);
        ok = pump(d, again, err);
    }
    delivery_close(d->delivery);
    tell_parked(d, !ok);
    return ok;
}

/* A statement of DDL waits for the operator. */
static bool
wait_for_decision(struct deliver *d, const struct err *err)
{
    log_err(LOG_ERROR, d->stage, err);
    set_error(d, err, SINK_STOPPED);
    while (!delivery_decided(d->delivery)) {
        if (stop_sleep(d->stop, DECISION_US)) {
            return false;
        }
    }
    return true;
}

/* After a session that failed: false when that was the end. */
static bool
go_on(struct deliver *d, const struct err *err)
{
    if (stop_requested(d->stop)) {
        return false;
    }
    int64_t pause = 0;
    int attempts = 0;
    switch (delivery_failed(d->delivery, err, &pause, &attempts)) {
    case DELIVERY_ROW_BY_ROW:
        log_info(d->stage, "looking for the change that failed, row by row");
        return true;
    case DELIVERY_RETRY:
        if (attempts == 1) {
            log_err(LOG_WARN, d->stage, err);
            log_info(d->stage, "trying again until the target answers");
        }
        set_error(d, err, SINK_CONNECTING);
        return !stop_sleep(d->stop, pause);
    case DELIVERY_UNDECIDED:
        return wait_for_decision(d, err);
    case DELIVERY_FAILED:
        break;
    }
    set_error(d, err, SINK_FAILED);
    return false;
}

static void
run(void *arg)
{
    struct deliver *d = arg;
    struct err err = ERR_INIT;
    while (!stop_requested(d->stop)) {
        err_clear(&err);
        bool again = false;
        if (session(d, &again, &err) || err.class == ERR_CANCELLED) {
            if (!again) {
                break;
            }
        } else if (!go_on(d, &err)) {
            break;
        }
    }
}

bool
deliver_start(const struct deliver_options *o, struct deliver **out, struct err *err)
{
    struct deliver *d = x_zalloc(sizeof(*d));
    d->stop = o->stop;
    d->clock = o->steps.clock;
    snprintf(d->stage, sizeof(d->stage), "deliver %s", o->steps.params.name);
    pthread_mutex_init(&d->lock, NULL);
    d->state.progress.applied = d->state.progress.durable = o->steps.start;
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!delivery_new(&o->steps, &d->delivery, err) ||
        !thread_start(&d->thread, "deliver", run, d, err)) {
        deliver_free(d);
        return false;
    }
    *out = d;
    return true;
}

void
deliver_state(struct deliver *d, struct deliver_state *out)
{
    pthread_mutex_lock(&d->lock);
    *out = d->state;
    pthread_mutex_unlock(&d->lock);
}

uint64_t
deliver_durable(const struct deliver *d)
{
    return delivery_durable(d->delivery);
}

void
deliver_pause(struct deliver *d, bool pause)
{
    atomic_store(&d->paused, pause);
    uint64_t one = 1;
    (void)!write(d->wake_fd, &one, sizeof(one));
}

void
deliver_join(struct deliver *d)
{
    if (d) {
        thread_join(&d->thread);
    }
}

void
deliver_free(struct deliver *d)
{
    if (!d) {
        return;
    }
    thread_join(&d->thread);
    delivery_free(d->delivery);
    if (d->wake_fd >= 0) {
        close(d->wake_fd);
    }
    pthread_mutex_destroy(&d->lock);
    x_free(d);
}
