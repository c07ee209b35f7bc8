/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds a sink by hand: transactions at round positions, rows with their ordinals counted.
 */
#ifndef TG_TESTS_LIB_SINK_FEED_H
#define TG_TESTS_LIB_SINK_FEED_H

#include "sinks/sink.h"

struct feed {
    const struct sink_ops *ops; /* of feed_open; set by the test */
    struct sink *sink;
    uint64_t resume;
    uint64_t position; /* of the transaction open or ended last */
    uint32_t ordinal;
    struct err err; /* of the call that failed */
};

/* All functions fail the test when the sink fails. Names no sink, so that every test program links.
 */
void feed_open(struct feed *f, const struct sink_params *p, uint64_t start);
void feed_close(struct feed *f); /* accepts a closed one */

void feed_begin(struct feed *f, uint64_t position);
void feed_row(struct feed *f, struct change c); /* at the next ordinal */
void feed_commit(struct feed *f);
void feed_discard(struct feed *f);
void feed_mark(struct feed *f, uint64_t position);
/* A whole transaction of one row. */
void feed_one(struct feed *f, uint64_t position, struct change c);
struct sink_progress feed_sync(struct feed *f);
/* The sink must fail, at the row or before sync returns; the error is in f->err. */
void feed_fails(struct feed *f, uint64_t position, struct change c);

#endif
