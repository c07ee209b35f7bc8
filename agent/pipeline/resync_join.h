/* SPDX-License-Identifier: Apache-2.0
 *
 * How the copy of one table joins its sink's stream again. The copy is as of P, and the lane, which
 * leaves the table out, has gone on to somewhere behind that. A second delivery, with a position of
 * its own at the target, follows from P on and carries this table alone, each transaction once; it
 * never overtakes the lane. When it is near, the lane stands still between two transactions, at Q,
 * for the moment that the second one needs to get there, too. Both are durable then, so noting that
 * the table is back with sync position Q is the whole of the join: what is killed before that goes
 * on with the second delivery, what is killed behind it with the lane.
 *
 * Locking: one thread.
 */
#ifndef TG_PIPELINE_RESYNC_JOIN_H
#define TG_PIPELINE_RESYNC_JOIN_H

#include "agent/base/stop.h"
#include "agent/pipeline/delivery.h"
#include "agent/pipeline/resync_view.h"

struct resync_join {
    struct delivery_options steps; /* of the lane */
    struct resync_view *lane;
    struct store *store;
    const struct key_ring *keys;
    const struct stop *stop;
    const struct resync_row *row; /* COPIED */
    uint64_t rows;                /* of the copy, for the store */
    /* Every transaction that could have been open when the copy's snapshot was taken ended in front
     * of it. */
    uint64_t horizon;
};

enum resync_end {
    RESYNC_JOINED,
    RESYNC_AGAIN, /* the copy has to be made again; err says why. Or a newer wish came: err is clear
                   */
    RESYNC_STOPS, /* the table was stopped again */
};

/* False: err says why not yet, or never. */
bool resync_join_run(const struct resync_join *o, enum resync_end *end, struct err *err) must_use;

#endif
