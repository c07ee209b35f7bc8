/* SPDX-License-Identifier: Apache-2.0
 *
 * The copy thread: brings the snapshot to its end, with a new anchor after each interruption; then,
 * when the stream has passed the copy, validates constraints in the background. Where the copy has
 * left none, it ends with the copy.
 *
 * Locking: start, stop and free from the supervisor's thread; the rest from any thread.
 */
#ifndef TG_PIPELINE_COPY_JOB_H
#define TG_PIPELINE_COPY_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pipeline/anchor.h"
#include "agent/snapshot/snapshot.h"
#include "config/config.h"

struct copy_job;

struct copy_job_options {
    const struct config *config;
    const char *name; /* of the job in the log: "copy" */
    size_t number;    /* tells the temporary slots of several jobs apart */
    /* Gives the snapshot, borrowed and used by this thread alone until copy_job_free. May have to
     * ask the target, so it is called again while that is away. */
    bool (*open)(void *arg, struct snapshot **out, struct err *err);
    void *arg;
    struct anchor anchor; /* taken over; conn NULL: there is none */
    bool copy;            /* false: only validate */
    int wake_fd;          /* an eventfd, written to when the state has changed */
    const struct clock *clock;
};

struct copy_job_state {
    bool copied;  /* everything is READY */
    bool settled; /* the validation has ended, whatever it found */
    bool failed;  /* ended for good, `error` says why */
    uint32_t constraints_failed;
    struct err error; /* of `failed`, or of the attempt that is being repeated */
};

bool copy_job_start(
    const struct copy_job_options *o, struct copy_job **out, struct err *err) must_use;
void copy_job_state(struct copy_job *j, struct copy_job_state *out);
/* The stream has passed every table's sync position: constraints may be validated from now on. */
void copy_job_allow_validation(struct copy_job *j);
/* Stops and joins. Accepts NULL. */
void copy_job_free(struct copy_job *j);

#endif
