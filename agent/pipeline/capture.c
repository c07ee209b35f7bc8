/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop: read a record, append it; when nothing is at hand, flush so that readers see it; when
 * enough time or bytes have gone by, sync and confirm. A full spool blocks the append, not the
 * connection: the source hears from us meanwhile and keeps what we cannot take.
 */
#include "agent/pipeline/capture.h"

#include <pthread.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/retry.h"
#include "agent/base/thread.h"

#define STAGE            "capture"
#define IDLE_WAIT_MS     200
#define SYNC_BYTES       (8ULL << 20)
#define CHECK_EVERY      256 /* records between two looks at the clock while data keeps coming */
#define RETIRE_EVERY_US  2000000
#define BLOCKED_PAUSE_US 200000
#define FIRST_RETRY_US   200000

struct capture {
    struct capture_options o;
    struct thread thread;
    struct source *source;
    bool in_transaction; /* in the spool: a BEGIN without its COMMIT */
    int64_t synced_us, retired_us;
    pthread_mutex_t lock; /* guards state */
    struct capture_state state;
};

static int64_t
now_us(const struct capture *c)
{
    return clock_mono_us(c->o.clock);
}

static void
publish(struct capture *c, bool connected, bool blocked)
{
    uint64_t position = spool_appended(c->o.spool);
    uint64_t durable = spool_durable(c->o.spool);
    pthread_mutex_lock(&c->lock);
    c->state.connected = connected;
    c->state.blocked = blocked;
    c->state.position = position;
    c->state.confirmed = durable;
    if (connected) {
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

static bool
sync_and_confirm(struct capture *c, bool now, struct err *err)
{
    /* A full disk is no reason to leave: what is durable is confirmed, the rest waits for room. */
    if (!spool_sync(c->o.spool, err)) {
        if (err->class != ERR_RETRY) {
            return false;
        }
        err_clear(err);
    }
    FAILPOINT("capture.synced");
    c->synced_us = now_us(c);
    if (!source_confirm(c->source, spool_durable(c->o.spool), now, err)) {
        return false;
    }
    publish(c, true, false);
    return true;
}

static bool
retire(struct capture *c, struct err *err)
{
    int64_t now = now_us(c);
    if (now - c->retired_us < RETIRE_EVERY_US) {
        return true;
    }
    c->retired_us = now;
    return spool_retire(c->o.spool, c->o.retire_below(c->o.arg), err);
}

/* No room: keep the connection alive, give way to the sinks, try again. */
static bool
wait_for_room(struct capture *c, struct err *err)
{
    struct err why = *err;
    err_clear(err);
    publish(c, true, true);
    c->retired_us = 0;
    if (!retire(c, err) || !sync_and_confirm(c, true, err)) {
        return false;
    }
    publish(c, true, true);
    pthread_mutex_lock(&c->lock);
    c->state.error = why;
    pthread_mutex_unlock(&c->lock);
    stop_sleep(c->o.stop, BLOCKED_PAUSE_US);
    return true;
}

static bool
append(struct capture *c, const struct record *rec, struct err *err)
{
    bool blocked = false;
    while (!spool_append(c->o.spool, rec, err)) {
        if (err->class != ERR_RETRY) {
            return false;
        }
        if (!blocked) {
            struct err why = *err;
            if (!why.hint[0]) {
                err_hint(&why,
                    "free space on the disk of the spool, or raise spool.max_size; nothing is "
                    "lost meanwhile, but the source's WAL grows");
            }
            err_wrap(&why, "the spool has no room, the source keeps its changes meanwhile");
            log_err(LOG_WARN, STAGE, &why);
            blocked = true;
        }
        if (!wait_for_room(c, err)) {
            return false;
        }
        if (stop_requested(c->o.stop)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
    if (blocked) {
        log_info(STAGE, "the spool has room again");
        publish(c, true, false);
    }
    if (rec->kind == RECORD_BEGIN) {
        c->in_transaction = true;
    } else if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_DISCARD) {
        c->in_transaction = false;
    }
    return true;
}

/* A transaction that the last connection left open comes again from its begin; readers must know at
 * once, because sinks hold their side of it open. */
static bool
discard_open_transaction(struct capture *c, struct err *err)
{
    if (!c->in_transaction) {
        return true;
    }
    struct record rec = {.kind = RECORD_DISCARD, .received_us = clock_wall_us(c->o.clock)};
    if (!spool_append(c->o.spool, &rec, err)) {
        return false;
    }
    c->in_transaction = false;
    return spool_flush(c->o.spool, err);
}

/* How long a read may wait: until the sync is due when something is unsynced. */
static int
wait_ms(const struct capture *c)
{
    if (spool_unsynced(c->o.spool) == 0) {
        return IDLE_WAIT_MS;
    }
    int64_t left = c->synced_us + c->o.sync_interval_us - now_us(c);
    return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

static bool
when_idle(struct capture *c, struct err *err)
{
    if (!spool_flush(c->o.spool, err)) {
        if (err->class != ERR_RETRY) {
            return false;
        }
        return wait_for_room(c, err);
    }
    bool due = now_us(c) - c->synced_us >= c->o.sync_interval_us;
    if (spool_unsynced(c->o.spool) > 0 && due) {
        return sync_and_confirm(c, false, err);
    }
    publish(c, true, false);
    return source_confirm(c->source, spool_durable(c->o.spool), false, err) && retire(c, err);
}

static bool
when_busy(struct capture *c, struct err *err)
{
    if (spool_unsynced(c->o.spool) < SYNC_BYTES &&
        now_us(c) - c->synced_us < c->o.sync_interval_us * 4) {
        return true;
    }
    return sync_and_confirm(c, false, err) && retire(c, err);
}

static bool
pump(struct capture *c, struct err *err)
{
    int timeout_ms = 0;
    unsigned since_check = 0;
    while (!stop_requested(c->o.stop)) {
        struct record rec;
        bool got = false;
        if (!source_read(c->source, timeout_ms, &rec, &got, err)) {
            return false;
        }
        if (got) {
            if (!append(c, &rec, err)) {
                return false;
            }
            timeout_ms = 0;
            if (++since_check >= CHECK_EVERY) {
                since_check = 0;
                if (!when_busy(c, err)) {
                    return false;
                }
            }
            continue;
        }
        if (!when_idle(c, err)) {
            return false;
        }
        timeout_ms = wait_ms(c);
    }
    return sync_and_confirm(c, true, err);
}

static bool
session(struct capture *c, struct err *err)
{
    if (!discard_open_transaction(c, err)) {
        return false;
    }
    uint64_t from = spool_appended(c->o.spool);
    if (!source_start(c->source, from, err)) {
        return false;
    }
    char lsn[FORMAT_SIZE];
    log_info(STAGE, "connected, reading from %s", format_lsn(from, lsn));
    c->synced_us = now_us(c);
    publish(c, true, false);
    bool ok = pump(c, err);
    source_stop(c->source);
    return ok;
}

static bool
worth_retrying(const struct err *err)
{
    return err->class == ERR_RECONNECT || err->class == ERR_RETRY;
}

/* After a failed session: true to try again, the pause is over. */
static bool
back_off(struct capture *c, struct retry *retry, struct err *err)
{
    struct retry_policy policy = {
        .first_us = FIRST_RETRY_US, .max_us = c->o.retry_max_us, .deadline_us = c->o.give_up_us};
    int64_t pause = 0;
    if (!worth_retrying(err) ||
        !retry_next(retry, &policy, now_us(c), (uint32_t)clock_wall_us(c->o.clock), &pause)) {
        return false;
    }
    if (retry->attempts == 1) {
        log_err(LOG_WARN, STAGE, err);
        log_info(STAGE, "trying again until the source answers");
    }
    publish_error(c, err, false);
    return !stop_sleep(c->o.stop, pause);
}

static void
run(void *arg)
{
    struct capture *c = arg;
    struct retry retry = {0};
    struct err err = ERR_INIT;
    while (!stop_requested(c->o.stop)) {
        err_clear(&err);
        int64_t began = now_us(c);
        bool ok = session(c, &err) || err.class == ERR_CANCELLED;
        if (ok) {
            break;
        }
        if (now_us(c) - began > c->o.retry_max_us) {
            retry_success(&retry);
        }
        struct err discard = ERR_INIT;
        if (worth_retrying(&err) && !discard_open_transaction(c, &discard) &&
            discard.class != ERR_CANCELLED) {
            err = discard;
        }
        if (!back_off(c, &retry, &err)) {
            if (!stop_requested(c->o.stop)) {
                publish_error(c, &err, true);
            }
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
    c->o = *o;
    pthread_mutex_init(&c->lock, NULL);
    if (!o->source->open(&o->params, &c->source, err) ||
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
    source_free(c->source);
    pthread_mutex_destroy(&c->lock);
    x_free(c);
}
