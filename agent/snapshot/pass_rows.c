/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tables a pass is about: the store's, without those that have a copy of their own to come,
 * and with what the target's ledger knows better.
 */
#include <stdlib.h>

#include "agent/base/arena.h"
#include "agent/snapshot/pass.h"
#include "agent/store/resyncs.h"

static int
by_oid(const void *a, const void *b)
{
    const struct table_row *x = a, *y = b;
    return x->oid < y->oid ? -1 : x->oid > y->oid;
}

/* What the sink leaves out of its stream has a copy of its own to come (agent/pipeline/resync.h).
 */
static bool
leave_out_resyncs(const struct snapshot *s, struct table_row *rows, size_t *n, struct err *err)
{
    struct resync_row *out = NULL;
    size_t out_len = 0, kept = 0;
    if (!s->o.sink || !store_resyncs(s->o.store, s->o.sink, &out, &out_len, err)) {
        return !s->o.sink;
    }
    for (size_t i = 0; i < *n; i++) {
        bool mine = true;
        for (size_t k = 0; mine && k < out_len; k++) {
            mine = out[k].oid != rows[i].oid;
        }
        if (mine) {
            rows[kept++] = rows[i];
        }
    }
    *n = kept;
    x_free(out);
    return true;
}

static bool
read_rows(struct snapshot *s, struct table_row **rows, size_t *n, struct err *err)
{
    if (!store_sink_tables(s->o.store, s->o.sink, rows, n, err)) {
        return false;
    }
    if (!leave_out_resyncs(s, *rows, n, err)) {
        x_free(*rows);
        *rows = NULL;
        return false;
    }
    return true;
}

bool
pass_read_rows(
    struct snapshot *s, const struct ledger *l, struct table_row **rows, size_t *n, struct err *err)
{
    if (!read_rows(s, rows, n, err)) {
        return false;
    }
    qsort(*rows, *n, sizeof(**rows), by_oid);
    for (size_t i = 0; i < *n; i++) {
        struct table_row *row = &(*rows)[i];
        uint64_t sync;
        if ((row->state == TABLE_PENDING || row->state == TABLE_COPYING) &&
            ledger_copied(l, row->oid, &sync)) {
            row->state = TABLE_COPIED;
            row->sync = sync;
            if (!store_sink_tables_put(s->o.store, s->o.sink, row, 1, err)) {
                x_free(*rows);
                *rows = NULL;
                return false;
            }
        }
    }
    return true;
}

bool
pass_is_unfinished(const struct table_row *row)
{
    return row->state == TABLE_PENDING || row->state == TABLE_COPYING;
}
