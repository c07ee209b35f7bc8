/* SPDX-License-Identifier: Apache-2.0
 *
 * One deliver thread per sink: spool -> decoder -> table filter -> sink. It resumes from the sink's
 * own word, reconnects by itself, and stops for good at a change that cannot be applied. It never
 * skips one.
 *
 * Locking: start and free from the supervisor's thread; the rest from any thread.
 */
#ifndef TG_PIPELINE_DELIVER_H
#define TG_PIPELINE_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pipeline/delivery.h"
#include "agent/pipeline/status.h"

struct deliver;

struct deliver_options {
    struct delivery_options steps;
    const struct stop *stop;
};

struct deliver_state {
    enum sink_state state;
    struct sink_progress progress;
    uint64_t behind_bytes;  /* of the spool not read yet */
    int64_t rows_commit_us; /* source commit time of the last transaction read that changed a row */
    double lag_seconds;     /* age of the oldest thing not applied; 0: nothing is waiting */
    struct ddl_counts ddl;
    bool failed; /* ended for good, `error` says why */
    struct err error;
};

bool deliver_start(const struct deliver_options *o, struct deliver **out, struct err *err) must_use;
void deliver_state(struct deliver *d, struct deliver_state *out);
/* Durable position at the sink; what the spool must keep begins behind it. */
uint64_t deliver_durable(const struct deliver *d);
void deliver_pause(struct deliver *d, bool pause);
/* Joins the thread (the stop was requested before); its word on what is durable is final then.
 * Accepts NULL. */
void deliver_join(struct deliver *d);
/* Joins the thread (the stop was requested before) and frees. Accepts NULL. */
void deliver_free(struct deliver *d);

#endif
