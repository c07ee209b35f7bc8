/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot's consistent point P is the end of a record; transactions whose commit record begins
 * at P or later are not in it. So a transaction is in the copy exactly when its commit record
 * begins below P.
 */
#include "agent/pipeline/table_sync.h"

static int
by_oid(const void *a, const void *b)
{
    const struct table_sync_item *x = a, *y = b;
    return (x->oid > y->oid) - (x->oid < y->oid);
}

void
table_sync_init(struct table_sync *t, const struct table_sync_item *items, size_t len)
{
    *t = (struct table_sync){.len = len};
    t->items = x_malloc((len + 1) * sizeof(*items));
    for (size_t i = 0; i < len; i++) {
        t->items[i] = items[i];
        if (items[i].sync > t->highest) {
            t->highest = items[i].sync;
        }
        if (i == 0 || items[i].sync < t->lowest) {
            t->lowest = items[i].sync;
        }
    }
    qsort(t->items, len, sizeof(*items), by_oid);
}

void
table_sync_done(struct table_sync *t)
{
    x_free(t->items);
    *t = (struct table_sync){0};
}

/* 0: it wants it. */
static uint64_t
sync_above(const struct table_sync *t, uint32_t oid, uint64_t commit_record)
{
    /* Behind the last sync position every table wants everything: the common case for months. */
    if (commit_record >= t->highest || t->len == 0) {
        return 0;
    }
    struct table_sync_item key = {.oid = oid};
    const struct table_sync_item *found = bsearch(&key, t->items, t->len, sizeof(key), by_oid);
    return !found || commit_record >= found->sync ? 0 : found->sync;
}

bool
table_sync_wants(const struct table_sync *t, uint32_t oid, uint64_t commit_record)
{
    return sync_above(t, oid, commit_record) == 0;
}

static uint64_t
least_above(const struct table_sync *t, uint64_t commit_record, const struct change *truncate)
{
    uint64_t least = 0;
    for (uint32_t i = 0; i < truncate->truncated_len; i++) {
        uint64_t sync = sync_above(t, truncate->truncated[i]->id, commit_record);
        least = sync != 0 && (least == 0 || sync < least) ? sync : least;
    }
    return least;
}

uint64_t
table_sync_left_out(const struct table_sync *t, uint64_t commit_record, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
        return sync_above(t, c->relation->id, commit_record);
    case CHANGE_TRUNCATE:
        return least_above(t, commit_record, c);
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
    case CHANGE_DISCARD:
    case CHANGE_MARK:
    case CHANGE_MESSAGE:
        return 0;
    }
    return 0;
}

static bool
filter_truncate(
    const struct table_sync *t, uint64_t commit_record, struct change *c, struct arena *arena)
{
    const struct relation **kept = arena_alloc(arena, c->truncated_len * sizeof(*kept));
    if (!kept) {
        return true;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        if (table_sync_wants(t, c->truncated[i]->id, commit_record)) {
            kept[n++] = c->truncated[i];
        }
    }
    c->partial = c->partial || n < c->truncated_len;
    c->truncated = kept;
    c->truncated_len = n;
    return n > 0;
}

bool
table_sync_filter(
    const struct table_sync *t, uint64_t commit_record, struct change *c, struct arena *arena)
{
    switch (c->kind) {
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
        return table_sync_wants(t, c->relation->id, commit_record);
    case CHANGE_TRUNCATE:
        return commit_record >= t->highest || filter_truncate(t, commit_record, c, arena);
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
    case CHANGE_DISCARD:
    case CHANGE_MARK:
    case CHANGE_MESSAGE:
        return true;
    }
    return true;
}
