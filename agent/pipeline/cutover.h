/* SPDX-License-Identifier: Apache-2.0
 *
 * The cutover, one attempt: a list of steps, each with a name, a time and one line of detail, run
 * in order until one fails. A failure before the target is open lifts the fence; streaming goes on.
 *
 *   precheck > lo ahead > fence > barrier > drain > lo > verify > sequences > open
 *
 * Locking: start and free from the supervisor's thread; cutover_report from any thread.
 */
#ifndef TG_PIPELINE_CUTOVER_H
#define TG_PIPELINE_CUTOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pipeline/agent.h"
#include "agent/snapshot/large_object_sync.h"
#include "agent/store/store.h"
#include "config/config.h"

struct cutover;

/* Where the sinks stand, all of them together. */
struct cutover_sinks {
    bool running;           /* all of them; one that reconnects is not */
    char waiting_for[512];  /* when not: which one, and why */
    uint64_t applied;       /* the least of all */
    const char *slowest;    /* whose that is */
    int64_t rows_commit_us; /* source's commit time of the last transaction with rows; 0: none */
    uint64_t lag_bytes;
};

struct cutover_objects {
    bool in_use;
    bool (*go_on)(const struct large_object_counts *so_far, void *arg, struct err *err);
    void *arg;
    struct large_object_counts *total; /* of all targets */
};

struct cutover_env {
    const struct config *config;
    struct store *store;
    const struct clock *clock;
    const struct stop *stop;
    /* False when a sink has failed for good, with the reason. */
    bool (*sinks)(void *arg, struct cutover_sinks *out, struct err *err);
    /* Ends the background validation and what keeps sequences near; the snapshots belong to the
     * cutover until its report is final. */
    void (*take_snapshots)(void *arg);
    /* Makes the large objects of every target those of the source. Before the fence (in_use) it
     * does the bulk, behind it what was written since; each call of go_on may end it. */
    bool (*sync_large_objects)(void *arg, const struct cutover_objects *o, struct err *err);
    /* Sequences, and what waited for the cutover, on every target. */
    bool (*finish_targets)(void *arg, struct err *err);
    /* Puts the sessions for that and for the large objects into `spares`. */
    bool (*open_ahead)(void *arg, struct err *err);
    struct pg_spares *spares;
    void *arg;
};

bool cutover_start(const struct cutover_env *env, const struct cutover_request *req,
    struct cutover **out, struct err *err) must_use;
void cutover_report(struct cutover *c, struct cutover_report *out);
/* Joins (after agent's stop was requested, or when the report is final) and frees. Accepts NULL. */
void cutover_free(struct cutover *c);

#endif
