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

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pipeline/intake.h"

struct capture;

struct capture_options {
    struct intake_options steps;
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
