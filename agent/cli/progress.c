/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that takes the status every two seconds. On a terminal the log's lines pass through
 * here: the progress line is wiped, the log line written, the progress line drawn again, so that
 * the two do not mix.
 *
 * Locking: `line` and `drawn` are guarded by `lock`, which is taken inside the log's own lock.
 */
#include "agent/cli/progress.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/stop.h"
#include "agent/base/thread.h"
#include "agent/cli/progress_line.h"

#define TICK_US     2000000LL
#define LOG_EACH_US 10000000LL
#define CALM_US     60000000LL /* streaming without news */

struct progress {
    struct agent *agent;
    const struct notify *notify;
    struct progress_options options;
    struct stop stop;
    struct thread thread;
    struct progress_rate rate;
    enum phase logged_phase;
    int64_t logged_us; /* monotonic; 0: never */
    pthread_mutex_t lock;
    char line[256];
    bool drawn;
};

static void
put(const char *s, size_t len)
{
    (void)!write(STDERR_FILENO, s, len);
}

static unsigned
columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80U;
}

/* Under the lock. A line that wraps could not be wiped, so it is cut at the window's width. */
static void
draw(struct progress *p)
{
    char out[sizeof p->line + 16];
    int n = snprintf(out, sizeof out, "\r\033[K%.*s", (int)columns() - 1, p->line);
    put(out, n > 0 ? (size_t)n : 0);
    p->drawn = true;
}

static void
wipe(struct progress *p)
{
    if (p->drawn) {
        put("\r\033[K", 4);
        p->drawn = false;
    }
}

static void
on_log_line(const char *line, size_t len, void *arg)
{
    struct progress *p = arg;
    pthread_mutex_lock(&p->lock);
    bool again = p->drawn;
    wipe(p);
    put(line, len);
    if (again) {
        draw(p);
    }
    pthread_mutex_unlock(&p->lock);
}

static bool
is_due(const struct progress *p, const struct agent_status *s, int64_t now)
{
    if (p->logged_us == 0 || s->phase != p->logged_phase) {
        return true;
    }
    bool calm = s->phase == PHASE_STREAMING;
    return now - p->logged_us >= (calm ? CALM_US : LOG_EACH_US) - TICK_US / 2;
}

static void
tick(struct progress *p)
{
    struct agent_status s;
    agent_status(p->agent, &s);
    int64_t now = clock_mono_us(&clock_system);
    if (s.copying) {
        progress_rate_sample(&p->rate, now, s.copy.bytes);
    } else {
        p->rate = (struct progress_rate){0};
    }
    char line[sizeof p->line];
    progress_line(&s, &p->rate, line, sizeof line);
    notify_status(p->notify, line);
    if (p->options.quiet) {
        return;
    }
    if (p->options.terminal) {
        pthread_mutex_lock(&p->lock);
        memcpy(p->line, line, sizeof line);
        draw(p);
        pthread_mutex_unlock(&p->lock);
        return;
    }
    if (is_due(p, &s, now)) {
        p->logged_phase = s.phase;
        p->logged_us = now;
        log_info("progress", "%s", line);
    }
}

static void
run(void *arg)
{
    struct progress *p = arg;
    do {
        tick(p);
    } while (!stop_sleep(&p->stop, TICK_US));
}

bool
progress_begin(struct agent *a, const struct notify *n, const struct progress_options *o,
    struct progress **out, struct err *err)
{
    struct progress *p = x_zalloc(sizeof *p);
    p->agent = a;
    p->notify = n;
    p->options = *o;
    pthread_mutex_init(&p->lock, NULL);
    if (!stop_init(&p->stop)) {
        pthread_mutex_destroy(&p->lock);
        x_free(p);
        return err_set(err, ERR_FATAL, "progress: no file descriptor left");
    }
    if (o->terminal && !o->quiet) {
        log_set_sink(on_log_line, p);
    }
    *out = p;
    if (!thread_start(&p->thread, "progress", run, p, err)) {
        progress_end(p);
        *out = NULL;
        return false;
    }
    return true;
}

void
progress_end(struct progress *p)
{
    if (!p) {
        return;
    }
    stop_request(&p->stop);
    thread_join(&p->thread);
    if (p->options.terminal && !p->options.quiet) {
        log_set_sink(NULL, NULL);
        wipe(p);
    }
    stop_done(&p->stop);
    pthread_mutex_destroy(&p->lock);
    x_free(p);
}
