/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps the sequences of a target near those of the source while changes stream, because the feed
 * does not carry them: should the source be lost before the cutover, no value that rows on the
 * target have may be given out again. What moved since the look before is set ahead by what it may
 * use until the next; nothing is set back. The cutover sets the exact values (sequences.h).
 */
#ifndef TG_SNAPSHOT_SEQUENCE_FOLLOW_H
#define TG_SNAPSHOT_SEQUENCE_FOLLOW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

/* One look at all sequences of the source that its role may read, in one query. The result is of
 * the caller, for the calls below and PQclear. */
bool sequence_follow_look(
    PGconn *source, const struct stop *stop, PGresult **out, struct err *err) must_use;

struct sequence_looks {
    const PGresult *before; /* NULL: there was none, and everything that was used is set */
    const PGresult *now;
    bool all; /* those that did not move are brought up to their value, too */
};
/* Sets what moved between the two. Sequences that the target does not have, or whose limits are
 * others, are left alone. *count: how many were set. */
bool sequence_follow_set(PGconn *target, const struct sequence_looks *looks,
    const struct stop *stop, uint32_t *count, struct err *err) must_use;

/* What the target is to get. Pure. */
struct sequence_move {
    bool send;     /* there is something to set */
    bool wrapped;  /* it began anew: this is no step back */
    int64_t value; /* the last value used, as far as the target is concerned */
};
struct sequence_state {
    bool used; /* a value was taken from it, `last` is it */
    int64_t last, increment, min, max;
    bool cycles;
};
struct sequence_move sequence_follow_decide(
    const struct sequence_state *before, const struct sequence_state *now, bool all);

#endif
