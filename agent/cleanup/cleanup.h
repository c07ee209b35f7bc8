/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes back what a migration has made beyond the data itself: slot, publication, changed replica
 * identities and the fence on the source; origin and schema `tidegate` on the targets; state, spool
 * and socket on this machine. First looks and lists, then removes what was listed. What is gone
 * already is no error, so it can be run again after a failure.
 *
 * Never touches a row of the user's, on either side.
 *
 * Locking: one thread. The data directory stays locked from open to free, so no agent can start.
 */
#ifndef TG_CLEANUP_CLEANUP_H
#define TG_CLEANUP_CLEANUP_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/pipeline/status.h"
#include "config/config.h"

enum cleanup_place { CLEANUP_SOURCE, CLEANUP_TARGET, CLEANUP_LOCAL };

struct cleanup_item {
    enum cleanup_place place;
    bool stays;     /* nothing is done about it; the text says why */
    char text[320]; /* "replication slot 'tidegate_orders'" */
};

struct cleanup_options {
    const struct config *config; /* borrowed until cleanup_free */
    /* Also after a finished cutover: the old database takes writes again. A fence of a migration
     * that was not finished is lifted in any case. */
    bool lift_fence;
    bool skip_source, skip_target; /* a server that is gone for good */
};

struct cleanup;

/* Connects, looks, and makes the list. ERR_CONFIG while an agent is running. */
bool cleanup_open(const struct cleanup_options *o, struct cleanup **out, struct err *err) must_use;
void cleanup_free(struct cleanup *c); /* accepts NULL */

/* In the order in which they are removed. */
const struct cleanup_item *cleanup_item(const struct cleanup *c, size_t i);
size_t cleanup_count(const struct cleanup *c);
/* False when there is no state directory to know the phase from. */
bool cleanup_phase(const struct cleanup *c, enum phase *out);

/* Removes item after item and reports each (err is NULL when it went well). Items on the servers
 * are all tried; the local state goes only when all of them succeeded, because it knows what is
 * left to do. False with the first error. */
bool cleanup_run(struct cleanup *c,
    void (*report)(const struct cleanup_item *item, const struct err *err, void *arg), void *arg,
    struct err *err) must_use;

#endif
