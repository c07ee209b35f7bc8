/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that brings the tables of one sink back into its stream, one after the other: waits
 * until the lane leaves the table out, takes a snapshot, copies, joins. It ends when no table is
 * left that anybody has asked for; a failure that waiting does not heal stops its table, with the
 * reason, and the next one follows.
 *
 * Locking: start and free from the supervisor's thread; the rest from any thread.
 */
#ifndef TG_PIPELINE_RESYNC_JOB_H
#define TG_PIPELINE_RESYNC_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/pipeline/delivery.h"
#include "agent/pipeline/resync_view.h"
#include "agent/snapshot/snapshot.h"
#include "config/config.h"

struct resync_job;

struct resync_job_options {
    const struct config *config;
    struct store *store;
    const struct key_ring *keys;
    struct resync_view *lane;      /* of the sink */
    struct delivery_options steps; /* of the sink */
    const char *sink, *dsn;
    size_t number; /* tells the temporary slots of several jobs apart */
    bool two_phase;
    /* Options of the target; may have to ask it, so it is called again while that is away. */
    bool (*target)(void *arg, struct snapshot_options *out, struct err *err);
    void *arg;
};

bool resync_job_start(
    const struct resync_job_options *o, struct resync_job **out, struct err *err) must_use;
bool resync_job_ended(const struct resync_job *j);
/* Of the attempt that is being repeated: "" when there is none, or it is about another table. */
void resync_job_error(struct resync_job *j, uint32_t oid, char *out, size_t cap);
void resync_job_free(struct resync_job *j); /* stops and joins; accepts NULL */

#endif
