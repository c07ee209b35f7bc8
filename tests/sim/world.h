/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that one seed makes: the database server at the source, the targets, the machine of
 * the agent with its disk and clock, and what must hold between them. One thread.
 *
 *   upstream.c   the source: a slot that remembers what was confirmed
 *   target.c     the sinks and the servers behind them
 *   agent.c      the real spool, intake and deliveries, and what their threads would do
 *   world.c      who acts next, what goes wrong, and when it must end well
 *   mutation.c   faults put in on purpose, to see that they are found
 */
#ifndef TG_TESTS_SIM_WORLD_H
#define TG_TESTS_SIM_WORLD_H

#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/key.h"
#include "agent/pipeline/delivery.h"
#include "agent/pipeline/intake.h"
#include "agent/pipeline/phase.h"
#include "agent/pipeline/room.h"
#include "tests/lib/fake_fs.h"
#include "tests/sim/feed.h"
#include "tests/sim/mutation.h"

#define SINKS_MAX 3

struct world;

struct sim_clock {
    struct clock clock; /* first: the functions get a pointer to it */
    int64_t mono_us;
};

/* The source's server and the one connection to it. */
struct upstream {
    struct world *w;
    uint64_t confirmed; /* the slot's: what lies before it may be gone */
    uint64_t saved;     /* of it, what a crash of the source leaves */
    uint64_t told;      /* the most that was ever confirmed: never to be lost by the agent */
    size_t produced;    /* transactions that have committed */
    int64_t down_until;
    unsigned cut_in; /* records until the connection breaks; 0: it holds */
    /* the connection */
    struct source *open;
    bool connected, in_tx;
    size_t at;                    /* transaction to be sent next, or being sent */
    size_t op;                    /* of it */
    uint64_t position;            /* of the last COMMIT or MARK sent */
    uint8_t shape[FEED_TABLES];   /* version + 1 of the table as described; 0: not yet */
    struct feed_stream **streams; /* by transaction; NULL: nothing of it was sent early */
    struct buf message;
};

/* A target's server: a number of transactions and the position, which change together. */
struct target_state {
    size_t count; /* of the history's transactions, from the first that it wanted */
    uint64_t position;
};

struct target {
    struct world *w;
    char name[8];
    uint64_t start;
    size_t first; /* of the history's transactions that it wants */
    struct expectation expected;
    struct table_sync sync;
    struct target_state *states; /* [0] is durable, the last is what is visible */
    size_t states_len;
    struct target_state *queue; /* committed by the client, not yet by the server */
    size_t queue_len;
    bool lingering; /* the connection is gone, the server has not noticed */
    int64_t down_until;
    unsigned cut_in;    /* calls until the connection breaks; 0: it holds */
    uint32_t group;     /* most transactions joined */
    uint32_t slowness;  /* 0: acts as often as all others */
    size_t poison;      /* this transaction is refused; SIZE_MAX: none is */
    bool poison_joined; /* only while rows are joined */
    bool paused;
    /* the agent's side */
    struct delivery *delivery;
    bool open, failed;
    int64_t until_us;
    struct delivery_report report;
};

/* What a run has been through; a simulation in which something never happens proves less than it
 * seems to. */
enum seen {
    SEEN_POWER_CUT,
    SEEN_CUT_IN_CALL, /* power cut or kill in the middle of a change of the disk */
    SEEN_KILL,
    SEEN_CLEAN_END,
    SEEN_TAIL_LOST, /* the spool came back with less than it had taken */
    SEEN_BLOCKED,
    SEEN_PAUSED_FOR_ROOM,
    SEEN_IO_ERROR,
    SEEN_RETIRED,
    SEEN_SOURCE_CUT,
    SEEN_SOURCE_CRASH,
    SEEN_VOIDED,
    SEEN_SINK_CUT,
    SEEN_LOST_COMMITS,
    SEEN_TARGET_ROLLBACK,
    SEEN_SINK_AHEAD, /* a sink stood beyond the end of the spool */
    SEEN_ROW_BY_ROW,
    SEEN_REFUSED,
    SEEN_PAUSED,
    SEEN_NEW_SINK,
    SEEN_KEY_CHANGE,
    SEEN_PACKED,
    SEEN_RECYCLED,
    SEEN_AUDITED,
    SEEN_STREAMED,
    SEEN_ABORTED,
    SEEN_ROLLED_BACK, /* a subtransaction of a streamed transaction that commits */
    SEEN,
};
const char *seen_name(enum seen what);

struct plan {
    uint32_t machine, kill, restart, target_crash, source_cut, source_crash, sink_cut, full, io,
        poison, pause, add_sink, pack, audit; /* one in so many steps; 0: never */
};

struct world {
    uint64_t seed;
    struct rng rng;
    FILE *trace; /* NULL: silent */
    enum mutation mutation;
    unsigned step;
    bool quiet; /* no more faults: everything must arrive */
    struct sim_clock clock;
    struct fake_fs *disk;
    struct history history;
    struct upstream up;
    struct target targets[SINKS_MAX];
    size_t targets_len;
    struct plan plan;
    struct spool_options spool_options;
    bool encrypts;
    bool budgets; /* capture pauses before the spool is full */
    unsigned key; /* which of the keys is written with */
    /* what the agent keeps in its state file */
    enum phase phase;
    uint64_t sync[FEED_TABLES];
    /* the agent's process */
    bool running;
    struct key_ring *keys;
    struct room *room;
    struct spool *spool;
    struct intake *intake;
    bool intake_open, intake_failed;
    int64_t intake_until_us, start_at_us;
    uint64_t stop_at_change; /* the machine or the process ends before this change of the disk */
    bool stop_is_crash;
    bool disk_may_fail; /* some call of it is going to */
    bool io_fault;      /* the disk was told to fail */
    int64_t room_at_us;
    /* verdict */
    bool broken;
    char why[512];
    uint64_t seen[SEEN];
    uint64_t taken, oldest, recycled; /* by the spool, when it was looked at last */
};

/* One seed from beginning to end. */
struct outcome {
    bool ok;
    char why[512];
    uint64_t seen[SEEN];
};
void world_run(uint64_t seed, enum mutation mutation, FILE *trace, struct outcome *out);

void world_trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A promise is broken; the first one counts. */
void world_broken(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The agent's process or machine has stopped in the middle of a call: nothing it does from here on
 * happens. */
bool world_stopped(const struct world *w);
int64_t world_now(const struct world *w);

/* upstream.c */
void upstream_init(struct upstream *u, struct world *w);
void upstream_done(struct upstream *u);
void upstream_crash(struct upstream *u);
const struct source_ops *upstream_ops(void);
/* The world whose source the next open is for. */
struct world *world_current(void);

/* target.c */
void target_init(struct target *t, struct world *w, size_t index, size_t first);
void target_done(struct target *t);
void target_crash(struct target *t);
const struct sink_ops *target_ops(void);
struct target_state target_visible(const struct target *t);

/* agent.c */
bool agent_start(struct world *w);
void agent_stop(struct world *w, bool clean);
void agent_add_sink(struct world *w);
void agent_step_intake(struct world *w);
void agent_step_delivery(struct world *w, struct target *t);
void agent_step_phase(struct world *w);
void agent_step_pack(struct world *w);
/* Reads every byte of the spool beside the agent: nothing may be damaged. */
void agent_audit(struct world *w);
bool agent_has_failed(const struct world *w);

#endif
