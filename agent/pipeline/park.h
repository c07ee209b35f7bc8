/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink's dead letters as its delivery sees them: what was parked is left out when it comes again,
 * and a change of a row that has a letter waiting is parked behind it, because a replay in order is
 * right only when nothing has passed. A letter is durable before the sink gets the next change.
 *
 * Locking: one thread; others may remove letters from the store meanwhile.
 */
#ifndef TG_PIPELINE_PARK_H
#define TG_PIPELINE_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/key.h"
#include "agent/change/change.h"
#include "agent/change/record.h"
#include "agent/store/store.h"
#include "config/config.h"

struct park;

struct park_options {
    struct store *store;
    const char *sink;
    const struct key_ring *keys; /* NULL: letters are in clear */
    enum error_policy policy;
    uint64_t limit; /* letters that may wait */
    const struct clock *clock;
};

struct park *park_new(const struct park_options *o); /* borrows what the options point to */
void park_free(struct park *p);                      /* accepts NULL */

/* A session begins behind `resume`: looks what waits. */
bool park_open(struct park *p, uint64_t resume, struct err *err) must_use;
/* Each record of the session, in order: keeps what a letter of a later one needs. */
void park_see(struct park *p, const struct record *rec);
/* Before a change goes to the sink. *parked: it does not, its letter is durable. An error when a
 * letter holds it up and the policy does not park, or when too many wait. */
bool park_look(struct park *p, const struct record *rec, const struct change *c, bool *parked,
    struct err *err) must_use;
/* After the sink refused it alone. True: parked, err is clear. False: err is the refusal, or what
 * prevented the parking. */
bool park_refused(
    struct park *p, const struct record *rec, const struct change *c, struct err *err) must_use;

/* Whether a refusal is about the change, and not about the state of the target. Pure. */
bool park_is_about_data(const struct err *err);

/* What was parked last, for the log; *n: so many since park_new. */
const char *park_last(const struct park *p, uint64_t *n);

#endif
