/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of B bytes is cut into ceil(B / PLAN_PART_BYTES) ranges of equal numbers of blocks. Small
 * enough that all workers end at about the same time, large enough that a part's own cost does not
 * count.
 *
 * Invariant: the ranges of a table are adjacent, begin at block 0, and the last has no end: rows
 * that the snapshot can see in blocks beyond the size known at planning are in it.
 */
#include "agent/snapshot/plan.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"

struct order {
    size_t table;
    uint64_t bytes;
};

static int
largest_first(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->bytes != y->bytes) {
        return x->bytes > y->bytes ? -1 : 1;
    }
    return x->table < y->table ? -1 : x->table > y->table;
}

static uint32_t
parts_wanted(const struct plan_table *t, uint64_t split_above)
{
    if (split_above == 0 || t->bytes <= split_above || t->pages < 2) {
        return 1;
    }
    uint64_t n = (t->bytes + PLAN_PART_BYTES - 1) / PLAN_PART_BYTES;
    return n < 2 ? 2 : n < t->pages ? (uint32_t)n : t->pages;
}

static void
add_parts(struct plan *p, size_t table, const struct plan_table *t, uint32_t n)
{
    uint64_t bytes_left = t->bytes;
    for (uint32_t i = 0; i < n; i++) {
        struct plan_part *part = &p->parts[p->len++];
        part->table = table;
        part->from = (uint32_t)((uint64_t)t->pages * i / n);
        part->to = i + 1 == n ? 0 : (uint32_t)((uint64_t)t->pages * (i + 1) / n);
        part->bytes = bytes_left / (n - i);
        bytes_left -= part->bytes;
    }
}

void
plan_build(const struct plan_table *tables, size_t n, uint64_t split_above, struct plan *out)
{
    memset(out, 0, sizeof(*out));
    struct order *order = x_zalloc((n + 1) * sizeof(*order));
    out->parts_of = x_zalloc((n + 1) * sizeof(*out->parts_of));
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct order){i, tables[i].bytes};
        out->parts_of[i] = parts_wanted(&tables[i], split_above);
        total += out->parts_of[i];
    }
    qsort(order, n, sizeof(*order), largest_first);
    out->parts = x_zalloc((total + 1) * sizeof(*out->parts));
    for (size_t i = 0; i < n; i++) {
        size_t t = order[i].table;
        add_parts(out, t, &tables[t], out->parts_of[t]);
    }
    x_free(order);
}

void
plan_free(struct plan *p)
{
    x_free(p->parts);
    x_free(p->parts_of);
    memset(p, 0, sizeof(*p));
}
