/* SPDX-License-Identifier: Apache-2.0
 *
 * The capture thread: source -> spool, and the confirmation back. It confirms what spool_durable()
 * says and nothing else. Reconnects by itself for as long as the configuration allows; ends for
 * good on an error that waiting does not heal.
 *
 * Locking: start, stop and free from the supervisor's thread; capture_state from any thread.
 */
#ifndef TG_PIPELINE_CAPTURE_H
#define TG_PIPELINE_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pipeline/room.h"
#include "agent/source/source.h"
#include "agent/spool/spool.h"

struct capture;

struct capture_options {
    const struct source_ops *source;
    struct source_params params;
    struct spool *spool;
    int64_t sync_interval_us;
    int64_t retry_max_us, give_up_us;
    /* Position up to which no sink needs the spool any more; read now and then. */
    uint64_t (*retire_below)(void *arg);
    void *arg;
    struct room *room; /* borrowed; NULL: nothing pauses before the spool is full */
    const struct clock *clock;
    const struct stop *stop;
};

struct capture_state {
    bool connected;
    bool blocked; /* no room in the spool: the source keeps its log meanwhile; `error` says why */
    bool failed;  /* ended for good, `error` says why */
    uint64_t position, confirmed;
    struct err error; /* of `failed`, or of the connection that is being tried again */
};

bool capture_start(const struct capture_options *o, struct capture **out, struct err *err) must_use;
void capture_state(struct capture *c, struct capture_state *out);
/* Joins the thread (the stop was requested before) and frees. Accepts NULL. */
void capture_free(struct capture *c);

#endif
