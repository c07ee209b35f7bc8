/* SPDX-License-Identifier: Apache-2.0
 *
 * Several connections (jobs) of one sink, each with its apply.h: groups of source transactions go
 * round them, are executed beside each other and committed in the order of the source. What the
 * target shows is a prefix of the source's history, as with one connection.
 *
 *   feed ──▶ group 7 ▶ job 1   collecting rows
 *            group 6 ▶ job 0   being executed     (6 touches no row of 4 and 5: conflicts.h)
 *            group 5 ▶ job 2   executed, waits for its turn                    (turns.h)
 *            group 4 ▶ job 1   COMMIT sent
 *
 * One thread serves all of them: the servers' processes do the work. It pays where one of them is
 * what the target waits for: pages that come from the disk, indexes; and not where each group
 * touches rows of the one before.
 */
#ifndef TG_SINKS_POSTGRES_PARALLEL_H
#define TG_SINKS_POSTGRES_PARALLEL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/apply.h"
#include "sinks/postgres/conflicts.h"
#include "sinks/postgres/pace.h"
#include "sinks/postgres/turns.h"
#include "sinks/sink.h"

struct parallel_job {
    PGconn *conn;
    struct apply apply;
};

struct parallel {
    struct parallel_job *jobs;   /* borrowed */
    struct apply_course *course; /* borrowed */
    uint32_t len;
    struct turns turns;
    struct conflicts conflicts;
    struct pace pace;
    uint32_t taken; /* rows since the other jobs were looked at */
    int fd;         /* readable when any connection is; -1: none yet */
};

/* Borrows jobs that are open, and the course they share. */
bool parallel_init(struct parallel *p, struct parallel_job *jobs, uint32_t len,
    struct apply_course *course, struct err *err) must_use;
void parallel_done(struct parallel *p); /* accepts an all-zero one; leaves the jobs */

/* As those of struct sink_ops. */
bool parallel_change(struct parallel *p, const struct change *c, struct err *err) must_use;
bool parallel_ddl(struct parallel *p, const struct sink_ddl *d, struct err *err) must_use;
bool parallel_table(struct parallel *p, const struct relation *r, struct arena *arena,
    struct sink_table *out, struct err *err) must_use;
bool parallel_flush(struct parallel *p, struct err *err) must_use;
bool parallel_poll(
    struct parallel *p, int timeout_ms, struct sink_progress *out, struct err *err) must_use;
bool parallel_sync(struct parallel *p, struct sink_progress *out, struct err *err) must_use;

#endif
