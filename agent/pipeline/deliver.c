/* SPDX-License-Identifier: Apache-2.0
 *
 * A session is: open the sink, which says where it stands; open a reader there; pump until
 * something breaks. The sink joins transactions while input is at hand; when there is none it is
 * flushed, so that a caught-up target sees each commit at once.
 *
 * A sink may send rows together, and then cannot tell which one the target refused. So the first
 * refusal opens another session that sends each row alone: its refusal is final, with its own
 * words. When everything went through, rows are joined again after a while.
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
#include "agent/base/retry.h"
#include "agent/base/thread.h"

#define IDLE_WAIT_MS   250
#define SYNC_AFTER_US  200000 /* how old an applied position may get before it is made durable */
#define POLL_EVERY     64     /* records between two looks at the sink while data keeps coming */
#define FIRST_RETRY_US 200000
#define ARENA_BLOCK    (64U << 10)
#define STABLE_US      60000000 /* a session that lasted this long clears the retry count */
#define ROW_BY_ROW_US  60000000 /* how long each row goes alone after a refusal */

struct deliver {
    struct deliver_options o;
    char stage[80];
    struct thread thread;
    struct decoder *decoder;
    struct sink *sink;
    struct spool_reader *reader;
    struct arena arena;     /* for filtered changes; reset per record */
    uint64_t commit_record; /* of the transaction being read */
    bool in_transaction, has_rows;
    int64_t rows_commit_us; /* of the last transaction with rows */
    int64_t synced_us;
    int64_t idle_us;  /* wall clock when nothing was waiting last; 0: not yet */
    int64_t alone_us; /* since when each row goes alone */
    bool again;       /* the session ended well, to be opened again */
    int wake_fd;      /* eventfd: pause or resume was asked for */
    atomic_bool paused;
    atomic_uint_fast64_t durable;
    pthread_mutex_t lock; /* guards state */
    struct deliver_state state;
};

static int64_t
now_us(const struct deliver *d)
{
    return clock_mono_us(d->o.clock);
}

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
set_error(struct deliver *d, const struct err *err, bool failed)
{
    pthread_mutex_lock(&d->lock);
    d->state.state = failed ? SINK_FAILED : SINK_CONNECTING;
    d->state.failed = failed;
    d->state.error = *err;
    pthread_mutex_unlock(&d->lock);
}

/* Age of the oldest thing not applied, by the clock of this machine: no older than what was read
 * last, and no older than the last moment at which nothing was waiting. */
static double
lag_seconds(struct deliver *d, const struct sink_progress *p)
{
    int64_t now = clock_wall_us(d->o.clock);
    if (spool_reader_behind(d->reader) == 0 && p->applied >= spool_appended(d->o.spool)) {
        d->idle_us = now;
        return 0;
    }
    int64_t received = spool_reader_received_us(d->reader);
    int64_t since = received > d->idle_us ? received : d->idle_us;
    return since && now > since ? (double)(now - since) / 1e6 : 0;
}

static void
publish(struct deliver *d, const struct sink_progress *p)
{
    double lag = lag_seconds(d, p);
    atomic_store(&d->durable, p->durable);
    pthread_mutex_lock(&d->lock);
    d->state.progress = *p;
    d->state.behind_bytes = spool_reader_behind(d->reader);
    d->state.lag_seconds = lag;
    d->state.rows_commit_us = d->rows_commit_us;
    pthread_mutex_unlock(&d->lock);
}

static void
follow_transaction(struct deliver *d, const struct record *rec, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_BEGIN:
        d->commit_record = rec->position;
        d->in_transaction = true;
        d->has_rows = false;
        break;
    case CHANGE_COMMIT:
        d->in_transaction = false;
        d->rows_commit_us = d->has_rows ? c->commit_us : d->rows_commit_us;
        break;
    case CHANGE_DISCARD:
        d->in_transaction = false;
        break;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
        d->has_rows = true;
        break;
    case CHANGE_MARK:
    case CHANGE_MESSAGE:
        break;
    }
}

static bool
deliver_record(struct deliver *d, const struct record *rec, struct err *err)
{
    struct change change;
    bool produced = false;
    if (!decoder_feed(d->decoder, rec, &change, &produced, err)) {
        char lsn[FORMAT_SIZE];
        return err_wrap(err, "decode record at %s", format_lsn(rec->position, lsn));
    }
    if (!produced) {
        return true;
    }
    follow_transaction(d, rec, &change);
    arena_reset(&d->arena);
    if (!table_sync_filter(d->o.sync, d->commit_record, &change, &d->arena)) {
        return true;
    }
    return sink_apply(d->sink, &change, err);
}

/* What is applied and not durable yet is made durable once a second; what is not even flushed, now.
 */
static bool
settle(struct deliver *d, bool durable, struct err *err)
{
    struct sink_progress p;
    if (!sink_flush(d->sink, err) || !sink_poll(d->sink, 0, &p, err)) {
        return false;
    }
    bool late = p.durable < p.applied && now_us(d) - d->synced_us > SYNC_AFTER_US;
    if (durable || late) {
        if (!sink_sync(d->sink, &p, err)) {
            return false;
        }
        d->synced_us = now_us(d);
    }
    publish(d, &p);
    return true;
}

static void
wait_for_news(struct deliver *d, bool reading)
{
    struct pollfd p[] = {
        {.fd = d->o.stop->event_fd, .events = POLLIN},
        {.fd = d->wake_fd, .events = POLLIN},
        {.fd = sink_fd(d->sink), .events = POLLIN},
        {.fd = reading ? spool_reader_fd(d->reader) : -1, .events = POLLIN},
    };
    if (poll(p, sizeof(p) / sizeof(p[0]), IDLE_WAIT_MS) > 0 && (p[1].revents & POLLIN)) {
        uint64_t ignored;
        (void)!read(d->wake_fd, &ignored, sizeof(ignored));
    }
}

/* Each row went alone for long enough, and this is a moment to change that. */
static bool
joins_again(const struct deliver *d)
{
    return d->o.params.row_by_row && !d->in_transaction && now_us(d) - d->alone_us > ROW_BY_ROW_US;
}

static bool
join_again(struct deliver *d, struct err *err)
{
    if (!settle(d, true, err)) {
        return false;
    }
    d->o.params.row_by_row = false;
    d->again = true;
    return true;
}

static bool
pump(struct deliver *d, struct err *err)
{
    unsigned since_poll = 0;
    while (!stop_requested(d->o.stop)) {
        if (joins_again(d)) {
            return join_again(d, err);
        }
        bool paused = atomic_load(&d->paused) && !d->in_transaction;
        struct record rec;
        bool got = false;
        if (!paused && !spool_reader_next(d->reader, &rec, &got, err)) {
            return false;
        }
        if (!got) {
            if (!settle(d, false, err)) {
                return false;
            }
            set_state(d, paused ? SINK_PAUSED : SINK_RUNNING);
            wait_for_news(d, !paused);
            continue;
        }
        if (!deliver_record(d, &rec, err)) {
            return false;
        }
        if (++since_poll >= POLL_EVERY) {
            since_poll = 0;
            struct sink_progress p;
            if (!sink_poll(d->sink, 0, &p, err)) {
                return false;
            }
            publish(d, &p);
        }
    }
    /* A clean end leaves nothing half sent; inside a transaction the rest comes again at the next
     * start. */
    return d->in_transaction || settle(d, true, err);
}

static bool
open_session(struct deliver *d, struct err *err)
{
    uint64_t resume = 0;
    if (!d->o.sink->open(&d->o.params, d->o.start, &d->sink, &resume, err)) {
        return false;
    }
    atomic_store(&d->durable, resume);
    decoder_reset(d->decoder);
    d->in_transaction = false;
    if (!spool_reader_open(d->o.spool, resume, &d->reader, err)) {
        return err_wrap(err, "sink '%s'", d->o.params.name);
    }
    d->synced_us = now_us(d);
    char lsn[FORMAT_SIZE];
    log_info(d->stage, "connected, applying from %s", format_lsn(resume, lsn));
    return true;
}

static bool
session(struct deliver *d, struct err *err)
{
    set_state(d, SINK_CONNECTING);
    bool ok = open_session(d, err);
    if (ok) {
        set_state(d, SINK_RUNNING);
        ok = pump(d, err);
    }
    sink_free(d->sink);
    d->sink = NULL;
    spool_reader_close(d->reader);
    d->reader = NULL;
    return ok;
}

static bool
back_off(struct deliver *d, struct retry *retry, struct err *err)
{
    struct retry_policy policy = {
        .first_us = FIRST_RETRY_US, .max_us = d->o.retry_max_us, .deadline_us = d->o.give_up_us};
    int64_t pause = 0;
    bool transient = err->class == ERR_RECONNECT || err->class == ERR_RETRY;
    if (!transient ||
        !retry_next(retry, &policy, now_us(d), (uint32_t)clock_wall_us(d->o.clock), &pause)) {
        return false;
    }
    if (retry->attempts == 1) {
        log_err(LOG_WARN, d->stage, err);
        log_info(d->stage, "trying again until the target answers");
    }
    set_error(d, err, false);
    return !stop_sleep(d->o.stop, pause);
}

/* Whether a refusal is to be looked at closer. */
static bool
look_closer(struct deliver *d, const struct err *err)
{
    if (err->class != ERR_DATA || d->o.params.row_by_row || stop_requested(d->o.stop)) {
        return false;
    }
    log_info(d->stage, "looking for the change that failed, row by row");
    d->o.params.row_by_row = true;
    d->alone_us = now_us(d);
    return true;
}

static void
run(void *arg)
{
    struct deliver *d = arg;
    struct retry retry = {0};
    struct err err = ERR_INIT;
    while (!stop_requested(d->o.stop)) {
        err_clear(&err);
        int64_t began = now_us(d);
        d->again = false;
        if (session(d, &err) || err.class == ERR_CANCELLED) {
            if (d->again) {
                continue;
            }
            break;
        }
        if (look_closer(d, &err)) {
            continue;
        }
        if (now_us(d) - began > STABLE_US) {
            retry_success(&retry);
        }
        if (!back_off(d, &retry, &err)) {
            if (!stop_requested(d->o.stop)) {
                set_error(d, &err, true);
            }
            break;
        }
    }
}

bool
deliver_start(const struct deliver_options *o, struct deliver **out, struct err *err)
{
    struct deliver *d = x_zalloc(sizeof(*d));
    d->o = *o;
    snprintf(d->stage, sizeof(d->stage), "deliver %s", o->params.name);
    pthread_mutex_init(&d->lock, NULL);
    arena_init(&d->arena, ARENA_BLOCK, 0);
    atomic_init(&d->durable, o->start);
    d->state.progress.applied = d->state.progress.durable = o->start;
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!o->decoder->open(&d->decoder, err) || !thread_start(&d->thread, "deliver", run, d, err)) {
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
    return atomic_load(&d->durable);
}

void
deliver_pause(struct deliver *d, bool pause)
{
    atomic_store(&d->paused, pause);
    uint64_t one = 1;
    (void)!write(d->wake_fd, &one, sizeof(one));
}

void
deliver_free(struct deliver *d)
{
    if (!d) {
        return;
    }
    thread_join(&d->thread);
    decoder_free(d->decoder);
    arena_done(&d->arena);
    if (d->wake_fd >= 0) {
        close(d->wake_fd);
    }
    pthread_mutex_destroy(&d->lock);
    x_free(d);
}
