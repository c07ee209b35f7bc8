/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's parts, for agent.c (life and phases), agent_jobs.c (starting what a phase needs),
 * agent_lanes.c (the life of each sink), agent_resync.c (tables that leave its stream alone),
 * agent_roster.c (which sinks there are) and agent_status.c
 * (what it looks like from outside). Nobody else includes this.
 *
 * A lane is one sink's own way through the migration, apart from the agent's phase:
 *
 *   admitted > copying > delivering        any > failed > (resume asked) > where it was
 *
 * One that fails holds up nobody else; what it has not read stays in the spool.
 *
 * Locking: `lock` guards the phase's moves and the pointers to jobs against readers on other
 * threads. The main thread changes them; besides it agent_cutover moves the phase and sets
 * `cutover`, and the cutover's own thread ends the copy jobs and opens snapshots. A job's own state
 * has its own lock. A lane's fields are the main thread's to change, with the lock held where
 * others read them (everything but `agent`, `config`, `ops`, which never change).
 */
#ifndef TG_PIPELINE_AGENT_INTERN_H
#define TG_PIPELINE_AGENT_INTERN_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/base/key.h"
#include "agent/base/stop.h"
#include "agent/pg/spares.h"
#include "agent/pipeline/agent.h"
#include "agent/pipeline/anchor.h"
#include "agent/pipeline/capture.h"
#include "agent/pipeline/copy_job.h"
#include "agent/pipeline/cutover.h"
#include "agent/pipeline/deliver.h"
#include "agent/pipeline/durable_note.h"
#include "agent/pipeline/packer.h"
#include "agent/pipeline/probe.h"
#include "agent/pipeline/resync_job.h"
#include "agent/pipeline/room.h"
#include "agent/pipeline/sequence_watch.h"
#include "agent/pipeline/table_sync.h"
#include "agent/store/store.h"
#include "config/names.h"

struct lane {
    struct agent *agent;
    const struct sink_config *config;
    const struct sink_ops *ops;
    struct sink_row row; /* as stored */
    bool admitted;       /* stands in the store */
    bool copied;         /* the target holds its copy, or needs none */
    bool failed;
    struct err error;        /* of `failed` */
    atomic_bool resume;      /* asked for, of a failed one */
    struct sink_progress at; /* when its deliver thread was seen last */
    uint64_t cursor;         /* as stored */
    struct copy_job *copy;   /* copies, then validates; NULL: neither */
    struct snapshot *snapshot;
    char objects_mark[LARGE_OBJECT_MARK_SIZE]; /* of the running cutover's thread */
    bool constraints_settled;                  /* validation has ended */
    uint32_t constraints_failed;               /* kept when the copy job is gone */
    char job_name[64];
    struct table_sync sync;
    struct deliver *deliver;
    struct resync_view *view;  /* from when the store is open */
    struct resync_job *resync; /* NULL: no table is on its way back */
    uint64_t resync_seen;      /* generation of the store's list when it was looked at last */
};

struct agent {
    const struct config *config;
    const struct clock *clock;
    struct stop stop;
    int wake_fd;       /* an eventfd: a job has something to look at */
    bool until_copied; /* this run ends with the copies */
    int64_t started_wall_us;

    struct store *store;
    struct key_ring *keys; /* NULL: nothing is encrypted */
    struct spool *spool;
    struct room *room;      /* of the spool */
    struct anchor anchor;   /* of the set-up, until a copy job takes it */
    _Atomic uint64_t start; /* position at which the feed begins */
    uint64_t feed_id;
    _Atomic uint64_t two_phase_from; /* 0: not, or not yet (two_phase.h) */
    uint64_t
        catchup_goal; /* where the source's log ended when catching up began; 0: not seen yet */

    struct durable_note durable_note;

    pthread_mutex_t lock;
    _Atomic enum phase phase; /* written with the lock held, read without */
    struct capture *capture;
    struct probe *probe;
    struct packer *packer;
    struct sequence_watch *sequences;    /* NULL: not kept up */
    struct lane lanes[CONFIG_SINKS_MAX]; /* as configured */
    size_t lanes_len;
    bool admitted; /* every lane was looked at: what each needs of the spool is known */
    int64_t cursors_us;
    struct pg_spares *spares; /* sessions for a cutover's steps behind the fence */
    struct cutover *cutover;  /* the last one asked for */
    bool cutover_dry;
    atomic_bool acknowledged;
};

/* agent_jobs.c: start or end the threads of a phase; the actions of agent/pipeline/phase.h. */
bool agent_open_spool(struct agent *a, struct err *err) must_use;
bool agent_start_actions(struct agent *a, unsigned actions, struct err *err) must_use;
void agent_join_jobs(struct agent *a);

/* agent_roster.c */
/* At the set-up: the sinks of the configuration are those of the migration. */
bool agent_roster_begin(struct agent *a, struct err *err) must_use;
/* At a later start: sinks that are gone from the configuration are forgotten, new ones admitted. A
 * new one that cannot be is a failed lane. */
bool agent_roster_resume(struct agent *a, struct err *err) must_use;
/* Of a migration that is finished: what is stored of the sinks, nothing more. */
bool agent_roster_load(struct agent *a, struct err *err) must_use;
/* Looks at a lane that is not admitted yet, again. */
bool agent_roster_admit(struct lane *l, struct err *err) must_use;

/* agent_lanes.c */
void agent_lanes_init(struct agent *a);
void agent_lanes_done(struct agent *a);
/* Starts what each lane needs next. */
void agent_lanes_start(struct agent *a);
/* All are copied, or settled, the failed ones left out: an aim is reached when it is by every sink
 * that has not failed. */
bool agent_lanes_are(const struct agent *a, bool settled);
/* This run ends with the copies and all are whole: what would only begin now is for the next. */
bool agent_ends_here(const struct agent *a);
/* Those that were copied: validates constraints in the background. */
void agent_lanes_validate(struct agent *a);
/* One look at every lane. False when no sink works any more, with the error of the first. */
bool agent_lanes_look(struct agent *a, struct err *err) must_use;
void agent_lanes_fail(struct lane *l, const struct err *err);
void agent_lanes_store_cursors(struct agent *a, bool now);
bool agent_lanes_pause(struct agent *a, const char *sink, bool pause, struct err *err) must_use;

/* What a delivery of the lane's sink begins with. */
struct delivery_options agent_lane_steps(const struct lane *l);

/* agent_resync.c */
/* The store is open: makes the views, and holds what their tables need of the spool. */
bool agent_resync_begin(struct agent *a, struct err *err) must_use;
/* One look at a lane: starts the job that brings tables back, or takes note of its end. */
void agent_resync_look(struct lane *l);
void agent_resync_join(struct agent *a); /* ends the jobs */
void agent_resync_done(struct agent *a);
/* Called with the lock held. */
void agent_resync_status(struct lane *l, struct sink_status *out);

/* agent_positions.c */
/* Where a sink that does not know better begins. */
uint64_t agent_lane_start(const struct lane *l);
/* Position up to which no sink needs the spool any more. */
uint64_t agent_retire_below(void *arg);
/* The least applied position of the sinks that deliver; 0: none does. */
uint64_t agent_applied(struct agent *a);
/* The least durable position of all sinks, failed ones left out; 0 when one does not deliver. */
uint64_t agent_durable(struct agent *a);
bool agent_sinks_position(void *arg, struct cutover_sinks *out, struct err *err) must_use;

/* agent_targets.c */
/* Whether the sink's sequences are to be kept up now. */
bool agent_wants_sequences(void *arg, size_t sink);
/* The lane's snapshot object, made when it is not there yet. */
bool agent_lane_snapshot(void *lane, struct snapshot **out, struct err *err) must_use;
void agent_lane_end_copy(struct lane *l);
/* As the copy of a table alone has them. */
bool agent_lane_target(void *lane, struct snapshot_options *out, struct err *err) must_use;
/* What may be done while the targets are in use already. */
bool agent_finish_after_cutover(struct agent *a, struct err *err) must_use;
/* For the cutover: ends the background validation, and what keeps sequences near; large objects;
 * sequences and what waited for them. */
void agent_take_snapshots(void *arg);
bool agent_sync_large_objects(void *arg, const struct cutover_objects *o, struct err *err) must_use;
bool agent_finish_targets(void *arg, struct err *err) must_use;
bool agent_open_ahead(void *arg, struct err *err) must_use;

/* agent_status.c */
struct lag;
void agent_lag(struct agent *a, struct lag *out);

#endif
