/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that keeps the targets' sequences near the source's while changes stream
 * (`sequences.refresh`), on connections of its own. A look that fails is a warning and made again
 * later; it never ends the migration.
 *
 * Locking: sequence_watch_hold from any thread; the rest from the supervisor's.
 */
#ifndef TG_PIPELINE_SEQUENCE_WATCH_H
#define TG_PIPELINE_SEQUENCE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "config/config.h"

struct sequence_watch;

struct sequence_watch_options {
    const struct config *config;
    const struct clock *clock;
    const struct stop *stop;
    /* Whether this sink's sequences are to be kept up now: it has its copy, and no cutover runs. */
    bool (*wanted)(void *arg, size_t sink);
    void *arg;
};

/* Everything is borrowed. *out stays NULL when sequences.refresh is 0. */
bool sequence_watch_start(
    const struct sequence_watch_options *o, struct sequence_watch **out, struct err *err) must_use;
/* With true: when it returns, the thread sets nothing any more, until it is let go on with false.
 * Accepts NULL. */
void sequence_watch_hold(struct sequence_watch *w, bool hold);
/* Joins the thread (the stop was requested before). Accepts NULL. */
void sequence_watch_free(struct sequence_watch *w);

#endif
