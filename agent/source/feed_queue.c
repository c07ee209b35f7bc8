/* SPDX-License-Identifier: Apache-2.0
 *
 * Payloads lie one behind the other in one buffer and are found by offset, because it moves when it
 * grows. It is emptied when the last record was taken.
 */
#include "agent/source/feed_queue.h"

#include "agent/base/arena.h"

#define BYTES_MAX ((size_t)3 << 30) /* two messages, each of at most 1 GB */
#define KEEP_MAX  ((size_t)4 << 20) /* memory that an empty queue holds on to */

void
feed_queue_init(struct feed_queue *q)
{
    *q = (struct feed_queue){0};
    buf_init(&q->bytes, BYTES_MAX);
}

void
feed_queue_done(struct feed_queue *q)
{
    x_free(q->items);
    buf_done(&q->bytes);
    *q = (struct feed_queue){0};
}

void
feed_queue_clear(struct feed_queue *q)
{
    q->len = q->taken = 0;
    if (q->bytes.cap > KEEP_MAX) {
        buf_done(&q->bytes);
        buf_init(&q->bytes, BYTES_MAX);
    }
    buf_reset(&q->bytes);
}

static bool
put_payload(struct feed_queue *q, struct held_record *h, const struct record *rec, struct err *err)
{
    *h = (struct held_record){.rec = *rec, .at = q->bytes.len, .len = rec->payload.len};
    h->rec.payload = (struct slice){0};
    buf_bytes(&q->bytes, rec->payload.data, rec->payload.len);
    return buf_ok(&q->bytes, "replication stream: message", err);
}

bool
feed_queue_put(struct feed_queue *q, const struct record *rec, struct err *err)
{
    if (q->len == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 16;
        q->items = x_realloc(q->items, q->cap * sizeof(*q->items));
    }
    return put_payload(q, &q->items[q->len++], rec, err);
}

bool
feed_queue_set_first(struct feed_queue *q, const struct record *rec, struct err *err)
{
    return put_payload(q, &q->items[0], rec, err);
}

bool
feed_queue_take(struct feed_queue *q, struct record *out)
{
    if (q->taken == q->len) {
        feed_queue_clear(q);
        return false;
    }
    const struct held_record *h = &q->items[q->taken++];
    *out = h->rec;
    out->payload = slice_of(q->bytes.data + h->at, h->len);
    return true;
}
