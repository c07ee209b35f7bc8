/* SPDX-License-Identifier: Apache-2.0
 *
 * A reason begins with a byte that says how the rest is kept. The error of a refused row names its
 * key, so it is sealed like a dead letter where the spool is.
 */
#include "agent/pipeline/resync.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/failpoint.h"
#include "agent/pipeline/ddl.h"
#include "agent/pipeline/letter.h"

#define CLEAR  'c'
#define SEALED 's'
#define OTHER_REASON                                                                               \
    "c"                                                                                            \
    "it is new to the migration, and its copy was not asked for at this sink"

static bool
fill(struct store *store, const struct resync_table *t, const char *sink, struct resync_row *row,
    struct table_row *table, struct err *err)
{
    snprintf(row->sink, sizeof(row->sink), "%s", sink);
    row->oid = t->oid;
    *table = (struct table_row){
        .oid = t->oid, .bytes = t->bytes, .identity_changed = t->identity_changed};
    snprintf(table->schema, sizeof(table->schema), "%s", t->schema);
    snprintf(table->name, sizeof(table->name), "%s", t->name);
    return ddl_brought(store, t->oid, &row->brought, err);
}

bool
resync_request(struct store *store, const char *sink, const struct resync_table *t,
    const char *reason, struct err *err)
{
    struct resync_row row = {.state = RESYNC_ASKED, .create = t->create};
    struct table_row table;
    if (!fill(store, t, sink, &row, &table, err)) {
        return false;
    }
    int n = snprintf(row.reason, sizeof(row.reason), "%c%s", CLEAR, reason);
    row.reason_len = (size_t)n < sizeof(row.reason) ? (size_t)n : sizeof(row.reason) - 1;
    FAILPOINT("resync.ask");
    bool ok = store_resync_put(store, &row, &table, OTHER_REASON, err);
    FAILPOINT("resync.asked");
    return ok;
}

static bool
keep_reason(
    struct resync_row *row, const struct key_ring *keys, const struct err *why, struct err *err)
{
    struct slice text = slice_str(why->text);
    struct buf kept;
    buf_init(&kept, sizeof(row->reason) - 1);
    bool sealed = keys && keys->current;
    bool ok = !sealed || letter_seal(keys, text, &kept, err);
    if (ok) {
        struct slice body = sealed ? slice_of(kept.data, kept.len) : text;
        row->reason[0] = sealed ? SEALED : CLEAR;
        row->reason_len = body.len + 1;
        ok = row->reason_len <= sizeof(row->reason) ||
             err_set(err, ERR_FATAL, "the reason of a stopped table is too long to keep");
        if (ok) {
            memcpy(row->reason + 1, body.data, body.len);
        }
    }
    buf_done(&kept);
    return ok;
}

bool
resync_stop(struct store *store, const char *sink, const struct key_ring *keys,
    const struct resync_table *t, const struct err *why, struct err *err)
{
    struct resync_row row = {.state = RESYNC_STOPPED, .position = t->position};
    struct table_row table;
    if (!fill(store, t, sink, &row, &table, err) || !keep_reason(&row, keys, why, err)) {
        return false;
    }
    FAILPOINT("resync.stop");
    bool ok = store_resync_put(store, &row, &table, OTHER_REASON, err);
    FAILPOINT("resync.stopped");
    return ok;
}

void
resync_reason(const struct resync_row *row, const struct key_ring *keys, char *out, size_t cap)
{
    struct buf plain;
    struct err ignored = ERR_INIT;
    struct slice body = {0};
    buf_init(&plain, sizeof(row->reason) * 2);
    if (row->reason_len > 1 && row->reason[0] == SEALED) {
        struct slice kept = slice_of((const uint8_t *)row->reason + 1, row->reason_len - 1);
        body = letter_unseal(keys, kept, &plain, &ignored)
                   ? slice_of(plain.data, plain.len)
                   : slice_str("(cannot be read without the spool's key)");
    } else if (row->reason_len > 1) {
        body = slice_of((const uint8_t *)row->reason + 1, row->reason_len - 1);
    }
    snprintf(out, cap, "%.*s", (int)body.len, body.len ? (const char *)body.data : "");
    buf_done(&plain);
}
