/* SPDX-License-Identifier: Apache-2.0
 *
 * What a delivery has to know of tables that are out of its sink's stream. There are two kinds:
 *
 *   lane   the sink's own stream: leaves out every table that has a row in the store
 *   join   follows it from the copy of one table on and carries nothing but that table
 *
 * A table goes out at any moment, because a copy comes that begins it anew. It comes back between
 * two transactions only, while the lane stands still (hold), so that the position at which the join
 * ends is the one at which the lane goes on.
 *
 * Locking: functions of the first group belong to the deliver thread, those of the second to any.
 */
#ifndef TG_PIPELINE_RESYNC_VIEW_H
#define TG_PIPELINE_RESYNC_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/change/change.h"
#include "agent/pipeline/resync.h"

struct resync_view;

struct resync_view_options {
    struct store *store; /* borrowed, as the rest */
    const char *sink;    /* whose rows are meant */
    const struct key_ring *keys;
    bool stops;                    /* a change that is refused stops its table */
    const struct resync_row *join; /* COPIED; NULL: it is a lane */
};

struct resync_view *resync_view_new(const struct resync_view_options *o);
void resync_view_free(struct resync_view *v); /* accepts NULL */

/* --- deliver thread ---------- */

/* A session begins behind `at`, or has ended. */
bool resync_view_begin(struct resync_view *v, uint64_t at, struct err *err) must_use;
void resync_view_end(struct resync_view *v);
/* Everything up to `at` was handed over, and no transaction is open. */
void resync_view_passed(struct resync_view *v, uint64_t at);
/* Something is to be settled at the next place between two transactions. */
bool resync_view_due(const struct resync_view *v);
/* There, with everything handed over durable at the sink. *hold: go no further for now. */
bool resync_view_border(struct resync_view *v, uint64_t at, bool *hold, struct err *err) must_use;
/* Decides about a change: *keep false means drop it. A TRUNCATE keeps the tables that are in the
 * stream; the shortened list is allocated from `arena`. `commit_record` is that of the
 * transaction's BEGIN. */
bool resync_view_filter(struct resync_view *v, uint64_t commit_record, struct change *c,
    struct arena *arena, bool *keep, struct err *err) must_use;
/* The sink has refused a change alone and undone it. True: its table is stopped, durably, and err
 * is clear. False: err is the refusal, or why the table could not be stopped. */
bool resync_view_refused(struct resync_view *v, const struct change *c, struct err *err) must_use;
bool resync_view_stops(const struct resync_view *v);
/* What was stopped last, for the log; *n: so many so far. */
const char *resync_view_stopped(const struct resync_view *v, uint64_t *n);

/* --- any thread ---------- */

/* True when a session is under way that left out what the store said at `generation`: nothing that
 * it handed over of these tables is still on its way. */
bool resync_view_left_out(const struct resync_view *v, uint64_t generation);
/* Of the last place between two transactions; 0: no session is under way. */
uint64_t resync_view_at(const struct resync_view *v);
/* Up to where everything was durable at the sink when the session began, or at its last border:
 * what is handed over since may still be on its way. 0 as above. */
uint64_t resync_view_settled(const struct resync_view *v);
/* Asks the lane to stand still between two transactions; held: it does, *at says where, and
 * everything up to there is durable at its sink. */
void resync_view_hold(struct resync_view *v, bool hold);
bool resync_view_held(const struct resync_view *v, uint64_t *at);
/* Position behind which a join needs the spool; UINT64_MAX: there is none. */
void resync_view_keep(struct resync_view *v, uint64_t position);
uint64_t resync_view_kept(const struct resync_view *v);

/* Of a join: what of its table cannot be told from the stream, "" when all is well: the copy has to
 * be made again. */
const char *resync_view_doubt(const struct resync_view *v);

#endif
