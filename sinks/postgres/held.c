/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariants: a run that does not commute is its table's only one. Of two rows with the same key
 * the later one is in the later run, or, of two updates put in the same way, in its place.
 */
#include "sinks/postgres/held.h"

#include <assert.h>
#include <string.h>

#include "agent/base/arena.h"
#include "sinks/postgres/cache.h"

#define SPARE 64u /* runs kept for later */

void
held_done(struct held *h)
{
    assert(!h->oldest);
    while (h->spare) {
        struct batch *b = h->spare;
        h->spare = b->next;
        batch_free(b);
    }
    *h = (struct held){0};
}

const struct batch *
held_like(const struct held_table *t, const struct shape *s)
{
    for (uint8_t i = t->len; i > 0; i--) {
        if (batch_same(t->runs[i - 1], s)) {
            return t->runs[i - 1];
        }
    }
    return NULL;
}

static void
link_newest(struct held *h, struct cache_table *t)
{
    t->held.newer = NULL;
    t->held.older = h->newest;
    *(h->newest ? &h->newest->held.newer : &h->oldest) = t;
    h->newest = t;
}

static void
unlink_table(struct held *h, struct cache_table *t)
{
    struct held_table *l = &t->held;
    *(l->older ? &l->older->held.newer : &h->oldest) = l->newer;
    *(l->newer ? &l->newer->held.older : &h->newest) = l->older;
    l->older = l->newer = NULL;
}

static struct batch *
begin_run(struct held *h, struct cache_table *t, const struct shape *s, bool commutes)
{
    struct batch *b = h->spare;
    if (b) {
        h->spare = b->next;
        h->spare_len--;
    } else {
        b = batch_new();
    }
    b->next = NULL;
    batch_begin(b, t, s, commutes);
    if (t->held.len == 0) {
        link_newest(h, t);
    }
    t->held.runs[t->held.len++] = b;
    h->batches++;
    return b;
}

/* The run that may take the row: none in front of the last one that has its key. *same: that one's
 * row with the key is in it, and the row takes its place. */
static struct batch *
find_run(const struct held_table *t, const struct shape *s, const struct batch_image *image,
    struct batch_row **same)
{
    struct batch *place = NULL;
    *same = NULL;
    for (uint8_t i = t->len; i > 0; i--) {
        struct batch *b = t->runs[i - 1];
        bool here = !place && batch_same(b, s);
        struct batch_row *row = batch_find(b, image);
        if (row) {
            *same = here && s->op == SHAPE_UPDATE ? row : NULL;
            return *same ? b : place;
        }
        place = here ? b : place;
    }
    return place;
}

static bool
add(struct held *h, struct batch *b, struct batch_row *same, const struct batch_image *image,
    const struct change *c)
{
    size_t before = b->images.len;
    bool ok = same ? batch_replace(b, same, image) : batch_add(b, image, c, b->table->relation);
    h->bytes += b->images.len - before;
    return ok;
}

enum held_answer
held_put(struct held *h, struct cache_table *t, const struct shape *s,
    const struct batch_image *image, const struct change *c)
{
    if (h->bytes + image->bytes.len > HELD_BYTES) {
        return HELD_ALL;
    }
    struct held_table *l = &t->held;
    if (l->len > 0) {
        bool commutes = l->runs[0]->commutes && image->commutes;
        if (!commutes && !batch_same(l->runs[0], s)) {
            l->mixed = true;
            return HELD_TABLE;
        }
        struct batch_row *same;
        struct batch *b = find_run(l, s, image, &same);
        if (b) {
            return add(h, b, same, image, c) ? HELD_TAKEN : HELD_TABLE;
        }
        if (!commutes || l->len == HELD_CHAIN) {
            return HELD_TABLE;
        }
    }
    if (h->batches == HELD_BATCHES) {
        return HELD_OLDEST;
    }
    bool taken = add(h, begin_run(h, t, s, image->commutes), NULL, image, c);
    assert(taken);
    return taken ? HELD_TAKEN : HELD_ALL;
}

void
held_release(struct held *h, struct cache_table *t)
{
    struct held_table *l = &t->held;
    struct batch *b = l->runs[0];
    memmove(&l->runs[0], &l->runs[1], (--l->len) * sizeof(struct batch *));
    if (l->len == 0) {
        unlink_table(h, t);
    }
    h->batches--;
    h->bytes -= b->images.len;
    batch_reset(b);
    if (h->spare_len == SPARE) {
        batch_free(b);
        return;
    }
    b->next = h->spare;
    h->spare = b;
    h->spare_len++;
}
