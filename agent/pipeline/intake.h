/* SPDX-License-Identifier: Apache-2.0
 *
 * What capture does, in steps: source -> spool, and the confirmation back, one record a step. It
 * confirms what spool_durable() says and nothing else. No thread, no sleep, no log:
 * agent/pipeline/capture.c is the thread around it, the simulation calls the same steps.
 *
 *     new -> open -> step ... -> finish -> close      a session that ends well
 *              \______ any of them fails ______ close -> failed -> open again, or the end
 *
 * Locking: belongs to one thread.
 */
#ifndef TG_PIPELINE_INTAKE_H
#define TG_PIPELINE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/pipeline/room.h"
#include "agent/source/source.h"
#include "agent/spool/spool.h"

struct intake;

struct intake_options {
    const struct source_ops *source;
    struct source_params params;
    struct spool *spool;
    int64_t sync_interval_us;
    int64_t retry_max_us, give_up_us;
    /* Position up to which no sink needs the spool any more; read now and then. */
    uint64_t (*retire_below)(void *arg);
    void *arg;
    struct room *room; /* NULL: nothing pauses before the spool is full */
    const struct clock *clock;
};

/* What the caller does after a step that went well. */
enum intake_next {
    INTAKE_MORE,    /* a record was taken: step again at once */
    INTAKE_SETTLED, /* nothing is at hand, or a sync was due: the positions may have moved */
    INTAKE_BLOCKED, /* the spool has no room (intake_blocked_by): step again after a pause */
};

bool intake_new(const struct intake_options *o, struct intake **out, struct err *err) must_use;
void intake_free(struct intake *i); /* accepts NULL */

/* Begins a session behind what the spool has (*from). Nothing to close after a failure. */
bool intake_open(struct intake *i, uint64_t *from, struct err *err) must_use;
/* Waits in the source for a record, no longer than until the next sync is due. */
bool intake_step(struct intake *i, enum intake_next *next, struct err *err) must_use;
/* Before a clean end: what was taken becomes durable and is confirmed. */
bool intake_finish(struct intake *i, struct err *err) must_use;
void intake_close(struct intake *i);
/* Decides about the error of a closed session; voids a transaction that it left open. True: open
 * again after *pause_us; *attempts is the number of failures in a row. False: waiting does not heal
 * it, *err says why. */
bool intake_failed(struct intake *i, struct err *err, int64_t *pause_us, int *attempts);

/* Why the last step was INTAKE_BLOCKED. */
const struct err *intake_blocked_by(const struct intake *i);
/* It was blocked between two transactions, before the spool was full: nothing was refused. */
bool intake_paused(const struct intake *i);

#endif
