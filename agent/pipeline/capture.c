/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread around agent/pipeline/intake.h: it sleeps while the spool has no room and between two
 * sessions, logs, and keeps the state that others read. What is decided, is decided there.
 */
#include "agent/pipeline/capture.h"

#include <pthread.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/thread.h"

#define STAGE            "capture"
#define BLOCKED_PAUSE_US 200000

struct capture {
    struct intake *intake;
    const struct spool *spool;
    struct room *room;
    const struct stop *stop;
    struct thread thread;
    bool blocked;
    bool refused;         /* it was told that the spool took no more */
    pthread_mutex_t lock; /* guards state */
    struct capture_state state;
};

static void
publish(struct capture *c)
{
    uint64_t position = spool_appended(c->spool);
    uint64_t durable = spool_durable(c->spool);
    pthread_mutex_lock(&c->lock);
    c->state.connected = true;
    c->state.blocked = c->blocked;
    c->state.position = position;
    c->state.confirmed = durable;
    if (c->blocked) {
        c->state.error = *intake_blocked_by(c->intake);
    } else {
        err_clear(&c->state.error);
    }
    pthread_mutex_unlock(&c->lock);
}

static void
publish_error(struct capture *c, const struct err *err, bool failed)
{
    pthread_mutex_lock(&c->lock);
    c->state.connected = false;
    c->state.failed = failed;
    c->state.error = *err;
    pthread_mutex_unlock(&c->lock);
}

static void
tell_blocked(struct capture *c)
{
    struct err why = *intake_blocked_by(c->intake);
    if (!why.hint[0]) {
        err_hint(&why, "free space on the disk of the spool, or raise spool.max_size; nothing is "
                       "lost meanwhile, but the source's WAL grows");
    }
    err_wrap(&why, "the spool has no room, the source keeps its changes meanwhile");
    log_err(LOG_WARN, STAGE, &why);
}

static void
after_step(struct capture *c, enum intake_next next)
{
    bool blocked = next == INTAKE_BLOCKED;
    bool refused = blocked && !intake_paused(c->intake);
    if (refused && !c->refused) {
        tell_blocked(c);
    } else if (!blocked && c->refused) {
        log_info(STAGE, "the spool has room again");
    }
    c->refused = refused || (c->refused && blocked);
    if (next != INTAKE_MORE && c->room) {
        room_tell(c->room);
    }
    if (next != INTAKE_MORE || c->blocked) {
        c->blocked = blocked;
        publish(c);
    }
    if (blocked) {
        stop_sleep(c->stop, BLOCKED_PAUSE_US);
    }
}

static bool
pump(struct capture *c, struct err *err)
{
    while (!stop_requested(c->stop)) {
        enum intake_next next = INTAKE_MORE;
        if (!intake_step(c->intake, &next, err)) {
            return false;
        }
        after_step(c, next);
    }
    if (!intake_finish(c->intake, err)) {
        return false;
    }
    c->blocked = false;
    publish(c);
    return true;
}

static bool
session(struct capture *c, struct err *err)
{
    uint64_t from = 0;
    if (!intake_open(c->intake, &from, err)) {
        return false;
    }
    char lsn[FORMAT_SIZE];
    log_info(STAGE, "connected, reading from %s", format_lsn(from, lsn));
    c->blocked = false;
    publish(c);
    bool ok = pump(c, err);
    intake_close(c->intake);
    return ok;
}

/* After a session that failed: false when that was the end. */
static bool
go_on(struct capture *c, struct err *err)
{
    int64_t pause = 0;
    int attempts = 0;
    bool again = intake_failed(c->intake, err, &pause, &attempts);
    if (stop_requested(c->stop)) {
        return false;
    }
    if (!again) {
        publish_error(c, err, true);
        return false;
    }
    if (attempts == 1) {
        log_err(LOG_WARN, STAGE, err);
        log_info(STAGE, "trying again until the source answers");
    }
    publish_error(c, err, false);
    return !stop_sleep(c->stop, pause);
}

static void
run(void *arg)
{
    struct capture *c = arg;
    struct err err = ERR_INIT;
    while (!stop_requested(c->stop)) {
        err_clear(&err);
        if (session(c, &err) || err.class == ERR_CANCELLED || !go_on(c, &err)) {
            break;
        }
    }
    pthread_mutex_lock(&c->lock);
    c->state.connected = false;
    pthread_mutex_unlock(&c->lock);
}

bool
capture_start(const struct capture_options *o, struct capture **out, struct err *err)
{
    struct capture *c = x_zalloc(sizeof(*c));
    c->spool = o->steps.spool;
    c->stop = o->stop;
    c->room = o->steps.room;
    pthread_mutex_init(&c->lock, NULL);
    if (!intake_new(&o->steps, &c->intake, err) ||
        !thread_start(&c->thread, "capture", run, c, err)) {
        capture_free(c);
        return false;
    }
    *out = c;
    return true;
}

void
capture_state(struct capture *c, struct capture_state *out)
{
    pthread_mutex_lock(&c->lock);
    *out = c->state;
    pthread_mutex_unlock(&c->lock);
}

void
capture_free(struct capture *c)
{
    if (!c) {
        return;
    }
    thread_join(&c->thread);
    intake_free(c->intake);
    pthread_mutex_destroy(&c->lock);
    x_free(c);
}
