/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows about sinks. A sink is forgotten in one transaction: half a memory of it would let its
 * successor of the same name skip tables.
 */
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/store/store.intern.h"

bool
store_sink_put(struct store *s, const struct sink_row *row, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[STMT_SINK_PUT];
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    if (ok) {
        sqlite3_bind_text(stmt, 1, row->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, row->type, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 3, row->origin, -1, SQLITE_STATIC);
        sqlite3_bind_int(stmt, 4, row->copies);
        sqlite3_bind_int64(stmt, 5, (int64_t)row->start);
        sqlite3_bind_int(stmt, 6, row->copied);
        ok = store_run_locked(s, STMT_SINK_PUT, "write sink", err);
    }
    ok = store_end_locked(s, ok, "commit sink", err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

static bool
read_sink(sqlite3_stmt *stmt, struct sink_row *row, struct err *err)
{
    *row = (struct sink_row){.copies = sqlite3_column_int(stmt, 3) != 0,
        .copied = sqlite3_column_int(stmt, 5) != 0,
        .start = (uint64_t)sqlite3_column_int64(stmt, 4)};
    return store_read_text(stmt, 0, row->name, sizeof row->name, "a sink", err) &&
           store_read_text(stmt, 1, row->type, sizeof row->type, "a sink", err) &&
           store_read_text(stmt, 2, row->origin, sizeof row->origin, "a sink", err);
}

bool
store_sinks(struct store *s, struct sink_row **out, size_t *n, struct err *err)
{
    struct sink_row *rows = x_malloc(sizeof *rows);
    size_t len = 0;
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[STMT_SINKS];
    bool ok = true;
    int rc;
    while (ok && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW) {
            ok = store_sqlite_error(s, "read sinks", err);
            break;
        }
        rows = x_realloc(rows, (len + 1) * sizeof *rows);
        ok = read_sink(stmt, &rows[len++], err);
    }
    store_reset_locked(s, STMT_SINKS);
    pthread_mutex_unlock(&s->mutex);
    if (!ok) {
        x_free(rows);
        rows = NULL;
        len = 0;
    }
    *out = rows;
    *n = len;
    return ok;
}

bool
store_sink_forget(struct store *s, const char *name, struct err *err)
{
    static const enum statement parts[] = {STMT_SINK_FORGET, STMT_SINK_FORGET_TABLES,
        STMT_SINK_FORGET_VALUES, STMT_SINK_FORGET_LETTERS, STMT_SINK_FORGET_RESYNCS};
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    for (size_t i = 0; ok && i < sizeof parts / sizeof *parts; i++) {
        sqlite3_bind_text(s->statements[parts[i]], 1, name, -1, SQLITE_STATIC);
        ok = store_run_locked(s, parts[i], "forget sink", err);
    }
    ok = store_end_locked(s, ok, "commit", err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}
