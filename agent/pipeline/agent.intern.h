/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's parts, for agent.c (life and phases), agent_jobs.c (starting what a phase needs) and
 * agent_status.c (what it looks like from outside). Nobody else includes this.
 *
 * Locking: `lock` guards the phase's moves and the pointers to jobs against readers on other
 * threads. The main thread changes them; besides it agent_cutover moves the phase and sets
 * `cutover`, and the cutover's own thread ends the copy job. A job's own state has its own lock.
 */
#ifndef TG_PIPELINE_AGENT_INTERN_H
#define TG_PIPELINE_AGENT_INTERN_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/base/key.h"
#include "agent/base/stop.h"
#include "agent/pipeline/agent.h"
#include "agent/pipeline/anchor.h"
#include "agent/pipeline/capture.h"
#include "agent/pipeline/copy_job.h"
#include "agent/pipeline/cutover.h"
#include "agent/pipeline/deliver.h"
#include "agent/pipeline/durable_note.h"
#include "agent/pipeline/packer.h"
#include "agent/pipeline/probe.h"
#include "agent/pipeline/room.h"
#include "agent/pipeline/table_sync.h"
#include "agent/store/store.h"
#include "config/names.h"

struct agent {
    const struct config *config;
    const struct clock *clock;
    struct stop stop;
    int64_t started_wall_us;

    struct store *store;
    struct spool *spool;
    struct room *room;     /* of the spool */
    struct key_ring *keys; /* of everything on the disk that holds rows */
    struct snapshot *snapshot;
    struct anchor anchor;   /* of the set-up, until the copy job takes it */
    _Atomic uint64_t start; /* position at which the feed begins */
    uint64_t feed_id;
    bool defer_firing;
    uint64_t
        catchup_goal; /* where the source's log ended when catching up began; 0: not seen yet */

    struct durable_note durable_note;

    pthread_mutex_t lock;
    _Atomic enum phase phase; /* written with the lock held, read without */
    struct capture *capture;
    struct probe *probe;
    struct packer *packer;
    struct copy_job *copy;
    bool constraints_settled;    /* validation has ended */
    uint32_t constraints_failed; /* kept when the copy job is gone */
    struct table_sync sync;
    struct deliver *delivers[CONFIG_SINKS_MAX];
    size_t delivers_len;
    char origins[CONFIG_SINKS_MAX][ORIGIN_NAME_SIZE];
    struct cutover *cutover; /* the last one asked for */
    bool cutover_dry;
    atomic_bool acknowledged;
};

/* agent_jobs.c: start or end the threads of a phase; the actions of agent/pipeline/phase.h. */
bool agent_open_spool(struct agent *a, struct err *err) must_use;
bool agent_open_snapshot(struct agent *a, struct err *err) must_use;
bool agent_start_actions(struct agent *a, unsigned actions, struct err *err) must_use;
void agent_join_jobs(struct agent *a);
/* The least durable position of all sinks; before they run, where the feed begins. */
uint64_t agent_retire_below(void *arg);
/* The least applied position of all sinks. */
uint64_t agent_applied(struct agent *a);
bool agent_sinks_position(void *arg, struct cutover_sinks *out, struct err *err);
void agent_take_snapshot(void *arg);

/* agent_status.c */
struct lag;
void agent_lag(struct agent *a, struct lag *out);

#endif
