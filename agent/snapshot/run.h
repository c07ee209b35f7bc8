/* SPDX-License-Identifier: Apache-2.0
 *
 * What the threads of one snapshot_run share. Private to this folder.
 *
 * Locking: fields marked (lock) belong to `lock`; the others are set before the threads start.
 */
#ifndef TG_SNAPSHOT_RUN_H
#define TG_SNAPSHOT_RUN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pg/catalog.h"
#include "agent/snapshot/entry.h"
#include "agent/snapshot/plan.h"
#include "agent/snapshot/post.h"
#include "agent/snapshot/progress.h"
#include "agent/snapshot/snapshot.h"
#include "agent/snapshot/table_copy.h"
#include "agent/store/store.h"

enum part_state { PART_WAITING, PART_RUNNING, PART_DONE };
enum emptied { EMPTIED_NOT, EMPTIED_BUSY, EMPTIED_DONE };

struct run_table {
    uint32_t oid;
    bool ready;           /* was so before this run */
    bool wanted;          /* is to be copied in this run */
    struct table_row row; /* as the store has it; of the thread that works on the table */
    struct table_copy copy;
    uint32_t parts;       /* of a wanted one */
    enum emptied emptied; /* (lock) table in parts */
    uint32_t parts_left;  /* (lock) */
    uint64_t rows;        /* (lock) copied in this run */
    bool copied;          /* (lock) its data is complete */
    bool moved;           /* (lock) its storage is not the snapshot's: left for a later one */
};

struct run {
    const struct snapshot_options *o;
    struct progress *progress;
    pthread_mutex_t *lock;
    pthread_cond_t *changed; /* anything below that is marked */
    bool *paused;            /* (lock) */

    uint64_t sync;
    char snapshot[64]; /* name of the keeper's exported snapshot */
    char encoding[32]; /* in which data is carried */
    struct pg_tables info;
    struct run_table *tables; /* ordered by oid */
    size_t tables_len;
    size_t *planned; /* index of the plan's tables in `tables` */
    struct plan plan;
    enum part_state *part_state;   /* (lock) one for each part */
    enum part_state large_objects; /* (lock) PART_DONE when there are none */
    size_t tables_left;            /* (lock) wanted ones that are neither copied nor set aside */
    size_t set_aside;              /* (lock) wanted ones whose storage has moved */
    struct post post;              /* (lock) */
    bool mixed;                    /* tables have different sync positions */

    struct stop cancel;   /* every thread is to end */
    struct stop copied;   /* all data is there: the snapshot may go */
    struct stop finished; /* all threads have ended */
    int threads_left;     /* (lock) */
    bool failed;          /* (lock) */
    struct err error;     /* (lock) the first one */
};

/* True when the data of the table is there, or it is no table of ours. Under the lock. */
bool run_is_copied(uint32_t relid, void *run);
struct run_table *run_find_table(struct run *r, uint32_t oid);
/* Records the first error and ends all threads. */
void run_fail(struct run *r, const struct err *err);
/* A thread ends. */
void run_leave(struct run *r);

/* Policy for an error of a worker: true when it may try again after a pause, which was made. */
struct worker_retry {
    int attempts;
    int64_t first_us;
};
bool run_may_retry(struct run *r, struct worker_retry *w, const char *stage, const struct err *err);

/* Threads; arg of both: */
struct worker {
    struct run *run;
    int number;
    enum post_stage stage; /* of post_main */
};
void copy_main(void *worker);
void post_main(void *worker);

#endif
