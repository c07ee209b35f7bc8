/* SPDX-License-Identifier: Apache-2.0
 *
 * Records that a feed holds until it knows what to hand out in front of them. Owns their bytes.
 */
#ifndef TG_SOURCE_FEED_QUEUE_H
#define TG_SOURCE_FEED_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/record.h"

struct feed_queue {
    struct held_record {
        struct record rec; /* without payload */
        size_t at, len;    /* of the payload in `bytes` */
    } * items;
    size_t len, cap, taken;
    struct buf bytes;
};

void feed_queue_init(struct feed_queue *q);
void feed_queue_done(struct feed_queue *q);
void feed_queue_clear(struct feed_queue *q);
/* Copies it to the end. */
bool feed_queue_put(struct feed_queue *q, const struct record *rec, struct err *err) must_use;
/* Gives the first record another one, payload included. */
bool feed_queue_set_first(struct feed_queue *q, const struct record *rec, struct err *err) must_use;
/* The next one; its payload is borrowed until the queue changes. False: there is none left, and the
 * queue is empty. */
bool feed_queue_take(struct feed_queue *q, struct record *out);

#endif
