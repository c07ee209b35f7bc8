/* SPDX-License-Identifier: Apache-2.0
 *
 * One source session and one for each target, kept between the looks and dropped at any error. The
 * mutex is held while a target is written to, so that the cutover, which takes it once, can be sure
 * that its exact values stay. A statement of ours that hangs is ended by the server after ten
 * seconds: nobody waits longer for the mutex.
 */
#include "agent/pipeline/sequence_watch.h"

#include <pthread.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/snapshot/sequence_follow.h"

#define STAGE            "sequences"
#define SLEEP_MIN_US     100000
#define SLEEP_MAX_US     1000000 /* to whether anybody wants them by now */
#define AFTER_FAILURE_US 5000000

struct sequence_watch {
    struct sequence_watch_options o;
    struct thread thread;
    PGconn *source, *targets[CONFIG_SINKS_MAX];
    bool given[CONFIG_SINKS_MAX]; /* the target has got everything once, and every move since */
    bool failing;                 /* said already */
    PGresult *before;             /* the look before this one */
    pthread_mutex_t lock;         /* guards `held`, and is held while targets are written to */
    bool held;
};

static bool
connect(const struct sequence_watch *w, const char *dsn, PGconn **conn, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate sequences", .timeout_us = w->o.config->network.timeout_us};
    return *conn || (pg_connect(dsn, &o, conn, err) &&
                        pg_exec(*conn, "prepare the session",
                            "SET statement_timeout = '10s'; SET lock_timeout = '2s'", err));
}

static bool
is_wanted(const struct sequence_watch *w, size_t sink)
{
    return strcmp(w->o.config->sinks[sink].type, "postgresql") == 0 && w->o.wanted(w->o.arg, sink);
}

static bool
any_wanted(const struct sequence_watch *w)
{
    for (size_t i = 0; i < w->o.config->sinks_len; i++) {
        if (is_wanted(w, i)) {
            return true;
        }
    }
    return false;
}

/* One warning for a row of failures. */
static void
warn(struct sequence_watch *w, const char *whose, struct err *err)
{
    if (!stop_requested(w->o.stop) && !w->failing) {
        err_wrap(err, "sequences are not kept up at %s, tried again", whose);
        log_err(LOG_WARN, STAGE, err);
    }
    w->failing = true;
}

static bool
give(struct sequence_watch *w, size_t sink, const PGresult *now, struct err *err)
{
    uint32_t count = 0;
    const struct sequence_looks looks = {w->before, now, !w->given[sink]};
    if (!connect(w, w->o.config->sinks[sink].dsn, &w->targets[sink], err)) {
        return false;
    }
    pthread_mutex_lock(&w->lock);
    bool ok = w->held || !is_wanted(w, sink) ||
              sequence_follow_set(w->targets[sink], &looks, w->o.stop, &count, err);
    pthread_mutex_unlock(&w->lock);
    if (count > 0) {
        log_debug(STAGE, "%u set at '%s'", count, w->o.config->sinks[sink].name);
    }
    return ok;
}

static bool
look(struct sequence_watch *w)
{
    struct err err = ERR_INIT;
    PGresult *now = NULL;
    if (!connect(w, w->o.config->source.dsn, &w->source, &err) ||
        !sequence_follow_look(w->source, w->o.stop, &now, &err)) {
        PQfinish(w->source);
        w->source = NULL;
        warn(w, "the source", &err);
        return false;
    }
    bool all = true;
    for (size_t i = 0; i < w->o.config->sinks_len; i++) {
        if (!is_wanted(w, i)) {
            w->given[i] = false;
            continue;
        }
        w->given[i] = give(w, i, now, &err);
        if (!w->given[i]) {
            PQfinish(w->targets[i]);
            w->targets[i] = NULL;
            warn(w, w->o.config->sinks[i].name, &err);
            err_clear(&err);
            all = false;
        }
    }
    PQclear(w->before);
    w->before = now;
    if (all && w->failing) {
        log_info(STAGE, "sequences are kept up again");
    }
    w->failing = !all;
    return all;
}

static int64_t
sleep_us(int64_t left_us)
{
    return left_us < SLEEP_MIN_US ? SLEEP_MIN_US : left_us > SLEEP_MAX_US ? SLEEP_MAX_US : left_us;
}

static void
run(void *arg)
{
    struct sequence_watch *w = arg;
    int64_t next = 0, now = 0;
    while (!stop_sleep(w->o.stop, sleep_us(next - now))) {
        now = clock_mono_us(w->o.clock);
        if (now < next || !any_wanted(w)) {
            continue;
        }
        int64_t pause = w->o.config->sequences.refresh_us;
        bool ok = look(w);
        next = now + (ok || pause > AFTER_FAILURE_US ? pause : AFTER_FAILURE_US);
    }
}

bool
sequence_watch_start(
    const struct sequence_watch_options *o, struct sequence_watch **out, struct err *err)
{
    *out = NULL;
    if (o->config->sequences.refresh_us == 0) {
        return true;
    }
    struct sequence_watch *w = x_zalloc(sizeof(*w));
    w->o = *o;
    pthread_mutex_init(&w->lock, NULL);
    *out = w;
    return thread_start(&w->thread, "sequences", run, w, err);
}

void
sequence_watch_hold(struct sequence_watch *w, bool hold)
{
    if (w) {
        pthread_mutex_lock(&w->lock);
        w->held = hold;
        pthread_mutex_unlock(&w->lock);
    }
}

void
sequence_watch_free(struct sequence_watch *w)
{
    if (!w) {
        return;
    }
    thread_join(&w->thread);
    PQfinish(w->source);
    for (size_t i = 0; i < CONFIG_SINKS_MAX; i++) {
        PQfinish(w->targets[i]);
    }
    PQclear(w->before);
    pthread_mutex_destroy(&w->lock);
    x_free(w);
}
