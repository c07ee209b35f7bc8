/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows about tables. States are stored as words, for the operator who looks; 64-bit counters as
 * SQLite's signed integers with the same bits.
 *
 * The list of tables stands in source_table, as the set-up made it; what each sink has of them, in
 * sink_copy.
 */
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/store/store.intern.h"

static const char *const state_names[] = {
    [TABLE_PENDING] = "pending",
    [TABLE_COPYING] = "copying",
    [TABLE_COPIED] = "copied",
    [TABLE_READY] = "ready",
};

#define STATES (sizeof state_names / sizeof *state_names)

static bool
put_locked(struct store *s, const struct table_row *row, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_TABLE_PUT];
    sqlite3_bind_int64(stmt, 1, row->oid);
    sqlite3_bind_text(stmt, 2, row->schema, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, row->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 4, state_names[row->state], -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, (int64_t)row->sync);
    sqlite3_bind_int64(stmt, 6, (int64_t)row->bytes);
    sqlite3_bind_int64(stmt, 7, (int64_t)row->rows);
    sqlite3_bind_int(stmt, 8, row->identity_changed);
    return store_run_locked(s, STMT_TABLE_PUT, "write table", err);
}

bool
store_table_put(struct store *s, const struct table_row *row, struct err *err)
{
    return store_table_put_many(s, row, 1, err);
}

bool
store_table_put_many(struct store *s, const struct table_row *rows, size_t n, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    for (size_t i = 0; ok && i < n; i++) {
        ok = put_locked(s, &rows[i], err);
    }
    ok = store_end_locked(s, ok, "commit tables", err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

static bool
put_copy_locked(struct store *s, const char *sink, const struct table_row *row, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_SINK_TABLE_PUT];
    sqlite3_bind_text(stmt, 1, sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row->oid);
    sqlite3_bind_text(stmt, 3, state_names[row->state], -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (int64_t)row->sync);
    sqlite3_bind_int64(stmt, 5, (int64_t)row->bytes);
    sqlite3_bind_int64(stmt, 6, (int64_t)row->rows);
    return store_run_locked(s, STMT_SINK_TABLE_PUT, "write table", err);
}

bool
store_sink_tables_put(
    struct store *s, const char *sink, const struct table_row *rows, size_t n, struct err *err)
{
    if (!sink) {
        return store_table_put_many(s, rows, n, err);
    }
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    for (size_t i = 0; ok && i < n; i++) {
        ok = put_copy_locked(s, sink, &rows[i], err);
    }
    ok = store_end_locked(s, ok, "commit tables", err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

static bool
read_state(sqlite3_stmt *stmt, int column, enum table_state *out, struct err *err)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    for (size_t i = 0; text != NULL && i < STATES; i++) {
        if (strcmp((const char *)text, state_names[i]) == 0) {
            *out = (enum table_state)i;
            return true;
        }
    }
    return err_set(err, ERR_FATAL, "state database: '%s' is not the state of a table",
        text == NULL ? "" : (const char *)text);
}

static bool
read_row(sqlite3_stmt *stmt, struct table_row *row, struct err *err)
{
    *row = (struct table_row){
        .oid = (uint32_t)sqlite3_column_int64(stmt, 0),
        .sync = (uint64_t)sqlite3_column_int64(stmt, 4),
        .bytes = (uint64_t)sqlite3_column_int64(stmt, 5),
        .rows = (uint64_t)sqlite3_column_int64(stmt, 6),
        .identity_changed = sqlite3_column_int(stmt, 7) != 0,
    };
    int64_t oid = sqlite3_column_int64(stmt, 0);
    if (oid < 0 || oid > UINT32_MAX) {
        return err_set(
            err, ERR_FATAL, "state database: %lld is not the oid of a table", (long long)oid);
    }
    return store_read_text(stmt, 1, row->schema, sizeof row->schema, "a table", err) &&
           store_read_text(stmt, 2, row->name, sizeof row->name, "a table", err) &&
           read_state(stmt, 3, &row->state, err);
}

bool
store_tables(struct store *s, struct table_row **out, size_t *n, struct err *err)
{
    return store_sink_tables(s, NULL, out, n, err);
}

bool
store_sink_tables(
    struct store *s, const char *sink, struct table_row **out, size_t *n, struct err *err)
{
    enum statement which = sink ? STMT_SINK_TABLES : STMT_TABLES;
    struct table_row *rows = x_malloc(sizeof *rows);
    size_t len = 0, cap = 1;
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[which];
    if (sink) {
        sqlite3_bind_text(stmt, 1, sink, -1, SQLITE_STATIC);
    }
    bool ok = true;
    int rc;
    while (ok && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW) {
            ok = store_sqlite_error(s, "read tables", err);
            break;
        }
        if (len == cap) {
            cap *= 2;
            rows = x_realloc(rows, cap * sizeof *rows);
        }
        ok = read_row(stmt, &rows[len++], err);
    }
    store_reset_locked(s, which);
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
