/* SPDX-License-Identifier: Apache-2.0
 *
 * An interrupted copy loses its snapshot, not its finished tables: the next round takes a new
 * anchor and copies what is left from there, each table with its own sync position.
 */
#include "agent/pipeline/copy_job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/retry.h"
#include "agent/base/thread.h"
#include "agent/pipeline/two_phase.h"

#define FIRST_RETRY_US   500000
#define ALLOWED_CHECK_US 20000

struct copy_job {
    struct copy_job_options o;
    struct snapshot *snapshot; /* NULL: not opened yet */
    struct stop stop;          /* its own: a cutover ends the validation, not the agent */
    struct thread thread;
    atomic_bool allowed;
    pthread_mutex_t lock; /* guards state */
    struct copy_job_state state;
};

static void
release_anchor(void *arg)
{
    anchor_release(arg);
}

static void
note(struct copy_job *j, const struct err *why)
{
    pthread_mutex_lock(&j->lock);
    j->state.error = *why;
    pthread_mutex_unlock(&j->lock);
}

static void
wake(const struct copy_job *j)
{
    /* Refused only when nobody has read it since long ago. */
    (void)eventfd_write(j->o.wake_fd, 1);
}

static void
on_waiting(const struct err *why, void *arg)
{
    struct copy_job *j = arg;
    log_err(LOG_WARN, j->o.name, why);
    note(j, why);
}

static bool
take_anchor(struct copy_job *j, struct anchor *a, struct err *err)
{
    const struct err none = ERR_INIT;
    char lsn[FORMAT_SIZE];
    if (!two_phase_wait_for_open(j->o.config, &j->stop, on_waiting, j, err)) {
        return false;
    }
    note(j, &none);
    log_info(j->o.name, "taking a new snapshot for the tables that are left");
    if (!anchor_temporary(j->o.config, j->o.number, a, err)) {
        return false;
    }
    log_info(j->o.name, "snapshot at %s", format_lsn(a->slot.consistent_point, lsn));
    return true;
}

static bool
copy_once(struct copy_job *j, struct err *err)
{
    bool needs = false;
    if ((!j->snapshot && !j->o.open(j->o.arg, &j->snapshot, err)) ||
        !snapshot_needs_copy(j->snapshot, &needs, err)) {
        return false;
    }
    struct anchor *a = &j->o.anchor;
    if (needs && !a->conn && !take_anchor(j, a, err)) {
        return false;
    }
    bool ok = needs ? snapshot_run(j->snapshot, a->slot.snapshot, a->slot.consistent_point,
                          release_anchor, a, err)
                    : snapshot_run(j->snapshot, NULL, 0, release_anchor, a, err);
    anchor_release(a);
    return ok;
}

static bool
copy(struct copy_job *j, struct err *err)
{
    struct retry retry = {0};
    struct retry_policy policy = {.first_us = FIRST_RETRY_US,
        .max_us = j->o.config->network.retry_max_us,
        .deadline_us = j->o.config->network.give_up_us};
    while (!copy_once(j, err)) {
        bool transient = err->class == ERR_RECONNECT || err->class == ERR_RETRY;
        int64_t pause = 0;
        if (!transient || !retry_next(&retry, &policy, clock_mono_us(j->o.clock),
                              (uint32_t)clock_wall_us(j->o.clock), &pause)) {
            return false;
        }
        log_err(LOG_WARN, j->o.name, err);
        note(j, err);
        if (stop_sleep(&j->stop, pause)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
        err_clear(err);
    }
    return true;
}

static void
report(const char *line, void *arg)
{
    const struct copy_job *j = arg;
    log_warn(j->o.name, "%s", line);
}

/* A failed validation is no reason to end: it says so and leaves the rest to the cutover. */
static void
validate(struct copy_job *j)
{
    while (!atomic_load(&j->allowed)) {
        if (stop_sleep(&j->stop, ALLOWED_CHECK_US)) {
            return;
        }
    }
    uint32_t failed = 0;
    struct err err = ERR_INIT;
    bool ok = (j->snapshot || j->o.open(j->o.arg, &j->snapshot, &err)) &&
              snapshot_validate(j->snapshot, &j->stop, report, j, &failed, &err);
    if (!ok && err.class != ERR_CANCELLED) {
        log_err(LOG_WARN, j->o.name, &err);
    }
    pthread_mutex_lock(&j->lock);
    j->state.settled = ok || err.class != ERR_CANCELLED;
    j->state.constraints_failed = failed;
    pthread_mutex_unlock(&j->lock);
    wake(j);
}

static void
run(void *arg)
{
    struct copy_job *j = arg;
    struct err err = ERR_INIT;
    bool ok = !j->o.copy || copy(j, &err);
    bool settled = ok && j->o.copy && snapshot_is_settled(j->snapshot);
    pthread_mutex_lock(&j->lock);
    j->state.copied = ok;
    j->state.settled = settled;
    j->state.failed = !ok && err.class != ERR_CANCELLED;
    j->state.error = err;
    pthread_mutex_unlock(&j->lock);
    wake(j);
    if (ok && !settled) {
        validate(j);
    }
}

bool
copy_job_start(const struct copy_job_options *o, struct copy_job **out, struct err *err)
{
    struct copy_job *j = x_zalloc(sizeof(*j));
    j->o = *o;
    pthread_mutex_init(&j->lock, NULL);
    if (!stop_init(&j->stop)) {
        copy_job_free(j);
        return err_set(err, ERR_FATAL, "no file descriptor left");
    }
    if (!thread_start(&j->thread, "copy", run, j, err)) {
        copy_job_free(j);
        return false;
    }
    *out = j;
    return true;
}

void
copy_job_state(struct copy_job *j, struct copy_job_state *out)
{
    pthread_mutex_lock(&j->lock);
    *out = j->state;
    pthread_mutex_unlock(&j->lock);
}

void
copy_job_allow_validation(struct copy_job *j)
{
    atomic_store(&j->allowed, true);
}

void
copy_job_free(struct copy_job *j)
{
    if (!j) {
        return;
    }
    stop_request(&j->stop);
    thread_join(&j->thread);
    anchor_release(&j->o.anchor);
    stop_done(&j->stop);
    pthread_mutex_destroy(&j->lock);
    x_free(j);
}
