/* SPDX-License-Identifier: Apache-2.0
 *
 * What one sink's delivery does, in steps: spool -> decoder -> table filter -> sink, one record a
 * step. No thread, no sleep, no log: agent/pipeline/deliver.c is the thread around it, the
 * simulation calls the same steps.
 *
 *     new -> open -> step ... -> finish -> close      a session that ends well
 *              \______ any of them fails ______ close -> failed -> open again, or the end
 *
 * Locking: everything belongs to one thread, except delivery_durable.
 */
#ifndef TG_PIPELINE_DELIVERY_H
#define TG_PIPELINE_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/pipeline/ddl.h"
#include "agent/pipeline/park.h"
#include "agent/pipeline/resync_view.h"
#include "agent/pipeline/table_sync.h"
#include "agent/spool/spool.h"
#include "decoders/decoder.h"
#include "sinks/sink.h"

struct delivery;

struct delivery_options {
    const struct sink_ops *sink;
    struct sink_params params;
    const struct decoder_ops *decoder;
    struct spool *spool;
    const struct table_sync *sync; /* borrowed */
    uint64_t start;                /* position at which the copy began */
    int64_t retry_max_us, give_up_us;
    const struct clock *clock;
    struct park_options letters; /* store NULL: there are none, and a refusal ends it */
    struct resync_view *resync;  /* borrowed; NULL: no table ever leaves the stream alone */
    struct ddl_options ddl;
};

/* What the caller does after a step that went well. */
enum delivery_next {
    DELIVERY_MORE,   /* step again at once */
    DELIVERY_WAIT,   /* nothing is at hand and all is sent: wait for the descriptors, or a moment */
    DELIVERY_PAUSED, /* the same, because a pause was asked for */
    DELIVERY_REOPEN, /* all is durable: close the session and open another one */
};

/* What the caller does after a session that failed. */
enum delivery_verdict {
    DELIVERY_RETRY,      /* open again after the pause */
    DELIVERY_ROW_BY_ROW, /* open again at once: each row will go alone, to find the refused one */
    DELIVERY_FAILED,     /* the end: waiting does not heal it */
    DELIVERY_UNDECIDED,  /* open again when delivery_decided says so: a statement of DDL waits */
};

struct delivery_report {
    struct sink_progress progress;
    uint64_t behind_bytes;  /* of the spool not read yet */
    int64_t rows_commit_us; /* source commit time of the last transaction read that changed a row */
    double lag_seconds;     /* age of the oldest thing not applied; 0: nothing is waiting */
};

bool delivery_new(
    const struct delivery_options *o, struct delivery **out, struct err *err) must_use;
void delivery_free(struct delivery *d); /* accepts NULL; closes */

/* Begins a session: opens the sink, and a reader where the sink says it stands (*resume). After a
 * failure, close. */
bool delivery_open(struct delivery *d, uint64_t *resume, struct err *err) must_use;
/* Hands over one record; without one, or with `pause` between transactions, has the sink commit
 * what it holds back. */
bool delivery_step(
    struct delivery *d, bool pause, enum delivery_next *next, struct err *err) must_use;
/* Before a clean end: everything handed over becomes durable. Inside of a transaction it does
 * nothing, the rest comes again at the next start. */
bool delivery_finish(struct delivery *d, struct err *err) must_use;
void delivery_close(struct delivery *d); /* accepts a session that is not open */
/* Decides about the error of a closed session. *pause_us and *attempts (failures in a row) are set
 * for DELIVERY_RETRY. */
enum delivery_verdict delivery_failed(
    struct delivery *d, const struct err *err, int64_t *pause_us, int *attempts);

/* True when the sink was asked since the last call: *out has its word. */
bool delivery_news(struct delivery *d, struct delivery_report *out);
/* As park_last. */
const char *delivery_parked(const struct delivery *d, uint64_t *n);
/* Position of the last place between two transactions; *inside: one has begun behind it. */
uint64_t delivery_border(const struct delivery *d, bool *inside);
/* As resync_view_stopped. */
const char *delivery_stopped(const struct delivery *d, uint64_t *n);
/* After DELIVERY_UNDECIDED: the operator has spoken. */
bool delivery_decided(struct delivery *d);
/* As ddl_gate_news and ddl_gate_counts. */
const char *delivery_ddl_news(struct delivery *d);
void delivery_ddl_counts(const struct delivery *d, struct ddl_counts *out);
/* Of the open session, for poll(2); -1: none. */
int delivery_sink_fd(const struct delivery *d);
int delivery_spool_fd(const struct delivery *d);
/* Durable position at the sink; what the spool must keep begins behind it. Any thread. */
uint64_t delivery_durable(const struct delivery *d);

#endif
