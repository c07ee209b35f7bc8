/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress of a running agent on stderr: on a terminal one line that is rewritten, else log lines
 * at intervals that do not fill a journal. Also tells the service manager.
 *
 * Locking: begin and end on the main thread, around agent_run; the thread in between is its own.
 */
#ifndef TG_CLI_PROGRESS_H
#define TG_CLI_PROGRESS_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/control/notify.h"
#include "agent/pipeline/agent.h"

struct progress;

struct progress_options {
    bool quiet;    /* only to the service manager */
    bool terminal; /* rewrite one line */
};

/* Agent and notify are borrowed until progress_end. */
bool progress_begin(struct agent *a, const struct notify *n, const struct progress_options *o,
    struct progress **out, struct err *err) must_use;
void progress_end(struct progress *p); /* accepts NULL */

#endif
