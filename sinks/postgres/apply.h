/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes into statements, source transactions into target transactions. Consecutive source
 * transactions may share one target transaction; its commit stores the position of the last one.
 * What is confirmed is only what the target's answer to a COMMIT said.
 *
 * Calls after a failure are not allowed; the connection is to be closed, which rolls back what is
 * open.
 */
#ifndef TG_SINKS_POSTGRES_APPLY_H
#define TG_SINKS_POSTGRES_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/pipe.h"
#include "sinks/postgres/rows.h"
#include "sinks/sink.h"

/* Where a sink stands in the feed and when its commits are due: one for all of its connections. */
struct apply_course {
    const struct clock *clock;
    uint64_t seen; /* position of the last COMMIT or MARK taken */
    int64_t seen_commit_us;
    uint64_t empty;                /* transactions without work, since open */
    uint32_t group_now, group_max; /* source transactions in one target transaction */
    uint64_t group_bytes, group_rows;
    int64_t group_time_us;
    uint64_t durable_sent; /* position that the last durable COMMIT sent holds */
    int64_t durable_us;    /* when that was; monotonic */
};

/* What the open target transaction holds. */
struct apply_group {
    bool open;             /* BEGIN was sent */
    uint32_t transactions; /* complete source transactions */
    uint64_t rows, bytes, upserted;
    bool saved;   /* it has the savepoint of isolate.c */
    bool ddl;     /* nothing may follow its source transaction: what it made may not be used yet */
    bool full;    /* takes no more source transactions, and waits to be committed */
    bool durable; /* its commit is to be a durable one, whenever it comes */
    uint64_t position; /* it ends there; of a full one */
    int64_t commit_us;
    int64_t opened_us; /* monotonic */
};

/* What the target has of the prepared transaction that is being handed over (prepared.c). */
struct apply_prepared {
    bool ready;  /* our table is there */
    bool active; /* in_source, with a gid */
    bool there;  /* prepared on the target already */
    bool own;    /* ... by our role */
    bool noted;  /* as prepared by us */
};

struct apply {
    struct pipe pipe;
    struct rows rows;
    struct apply_course *course; /* borrowed */
    const char *origin;          /* borrowed */
    uint64_t copied;             /* as in the parameters */
    struct apply_prepared prepared;
    bool native; /* position in an origin: durable by a flush, not by the commit */
    bool chains; /* one statement commits and begins the next (PostgreSQL 12 and newer) */
    bool waits;  /* a full group is not committed at once: its owner does that */

    bool in_source;       /* inside a source transaction */
    uint64_t source_rows; /* changes of it that were taken */
    struct apply_group group;
    int64_t sync_us; /* when a sync was last sent; monotonic */
    int64_t sent_us; /* when a commit was */

    bool isolate; /* rows go through isolate.c */
    enum sink_refusal refusal;
    bool undone;       /* the last change was refused and undone, and it goes on */
    uint64_t upserted; /* of the rows committed */
};

/* Prepares the statements of its own; before pipeline mode. */
bool apply_prepare(PGconn *conn, struct err *err) must_use;
/* `resume` is the position that the target holds durably. */
void apply_course_init(struct apply_course *c, const struct sink_params *p, uint64_t resume);
/* Borrows the connection. */
bool apply_init(struct apply *a, struct apply_course *course, PGconn *conn,
    const struct sink_params *p, bool native, struct err *err) must_use;
void apply_done(struct apply *a); /* accepts an all-zero one */

bool apply_change(struct apply *a, const struct change *c, struct err *err) must_use;
/* Commits what is held back unless inside a source transaction; hands everything to the network. */
bool apply_flush(struct apply *a, struct err *err) must_use;
/* Outside of a transaction: stores what has moved the position without work, and makes everything
 * durable, at most once per second, or at once with `now`. */
bool apply_idle(struct apply *a, bool now, struct err *err) must_use;
/* Whether that would do anything. */
bool apply_idle_due(const struct apply *a, bool now);
/* Begins the target transaction unless one is open; says that it ends at the last source
 * transaction seen; commits it with that position, durably with `at_once`. For parts of the sink
 * that stand beside apply.c. */
bool apply_open_group(struct apply *a, struct err *err) must_use;
void apply_end_group(struct apply *a);
bool apply_commit_group(struct apply *a, bool at_once, struct err *err) must_use;
void apply_progress(const struct apply *a, struct sink_progress *out);
/* Sends a row or TRUNCATE, `upsert` as an insert that overwrites. */
bool apply_put(struct apply *a, const struct change *c, bool upsert, struct err *err) must_use;

#endif
