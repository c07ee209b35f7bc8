/* SPDX-License-Identifier: Apache-2.0
 *
 * Each function is one transaction: a table is never out of a stream with nobody knowing that its
 * copy is due, and never back in it with the old sync position.
 */
#include "agent/store/resyncs.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/store/store.intern.h"

static const char *const names[] = {
    [RESYNC_STOPPED] = "stopped",
    [RESYNC_ASKED] = "asked",
    [RESYNC_COPYING] = "copying",
    [RESYNC_COPIED] = "copied",
};

#define STATES (sizeof names / sizeof *names)

const char *
resync_state_name(enum resync_state state)
{
    return names[state];
}

uint64_t
store_resyncs_generation(struct store *s)
{
    return atomic_load(&s->resyncs_generation);
}

static bool
put_locked(struct store *s, const struct resync_row *row, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_RESYNC_PUT];
    sqlite3_bind_text(stmt, 1, row->sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row->oid);
    sqlite3_bind_text(stmt, 3, names[row->state], -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (int64_t)row->position);
    sqlite3_bind_int(stmt, 5, row->joins);
    sqlite3_bind_int(stmt, 6, row->create);
    sqlite3_bind_int64(stmt, 7, row->since_us);
    sqlite3_bind_blob64(
        stmt, 8, row->reason_len ? row->reason : "", row->reason_len, SQLITE_STATIC);
    return store_run_locked(s, STMT_RESYNC_PUT, "note a table to be copied", err);
}

/* *added: it was not in the list of tables. */
static bool
list_locked(struct store *s, const struct table_row *t, bool *added, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_TABLE_ADD];
    sqlite3_bind_int64(stmt, 1, t->oid);
    sqlite3_bind_text(stmt, 2, t->schema, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, t->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (int64_t)t->bytes);
    sqlite3_bind_int(stmt, 5, t->identity_changed);
    bool ok = store_run_locked(s, STMT_TABLE_ADD, "write table", err);
    *added = ok && sqlite3_changes(s->db) > 0;
    return ok;
}

static bool
others_locked(
    struct store *s, const struct resync_row *row, const char *other_reason, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_RESYNC_OTHERS];
    sqlite3_bind_text(stmt, 1, row->sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row->oid);
    sqlite3_bind_int64(stmt, 3, row->since_us);
    sqlite3_bind_blob64(stmt, 4, other_reason, strlen(other_reason), SQLITE_STATIC);
    sqlite3_bind_int(stmt, 5, !row->brought);
    return store_run_locked(s, STMT_RESYNC_OTHERS, "note a table to be copied", err);
}

/* Ends the transaction; others see the change from here on. */
static bool
end_locked(struct store *s, bool ok, struct err *err)
{
    ok = store_end_locked(s, ok, "note a table to be copied", err);
    if (ok) {
        atomic_fetch_add(&s->resyncs_generation, 1);
    }
    return ok;
}

bool
store_resync_put(struct store *s, const struct resync_row *row, const struct table_row *table,
    const char *other_reason, struct err *err)
{
    struct resync_row put = *row;
    bool added = false;
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err) && list_locked(s, table, &added, err);
    put.joins = (row->joins || added) && !row->brought;
    put.since_us = clock_wall_us(&clock_system);
    ok = ok && put_locked(s, &put, err) && (!added || others_locked(s, &put, other_reason, err));
    ok = end_locked(s, ok, err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

static void
bind_wish(sqlite3_stmt *stmt, const struct resync_row *row)
{
    sqlite3_bind_text(stmt, 1, row->sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row->oid);
    sqlite3_bind_int64(stmt, 3, (int64_t)row->wish);
}

bool
store_resync_move(struct store *s, const struct resync_row *row, bool *moved, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    sqlite3_stmt *stmt = s->statements[STMT_RESYNC_MOVE];
    bind_wish(stmt, row);
    sqlite3_bind_text(stmt, 4, names[row->state], -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, (int64_t)row->sync);
    ok = ok && store_run_locked(s, STMT_RESYNC_MOVE, "note the copy of a table", err);
    *moved = ok && sqlite3_changes(s->db) > 0;
    ok = end_locked(s, ok, err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

static bool
ready_locked(struct store *s, const struct resync_row *row, uint64_t rows, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_RESYNC_READY];
    sqlite3_bind_text(stmt, 1, row->sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row->oid);
    sqlite3_bind_int64(stmt, 3, (int64_t)row->sync);
    sqlite3_bind_int64(stmt, 4, (int64_t)rows);
    return store_run_locked(s, STMT_RESYNC_READY, "write table", err);
}

bool
store_resync_end(
    struct store *s, const struct resync_row *row, uint64_t rows, bool *moved, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    bind_wish(s->statements[STMT_RESYNC_END], row);
    ok = ok && store_run_locked(s, STMT_RESYNC_END, "end the copy of a table", err);
    *moved = ok && sqlite3_changes(s->db) > 0;
    ok = ok && (!*moved || ready_locked(s, row, rows, err));
    ok = end_locked(s, ok, err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

static bool
read_state(sqlite3_stmt *stmt, int column, enum resync_state *out, struct err *err)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    for (size_t i = 0; text != NULL && i < STATES; i++) {
        if (strcmp((const char *)text, names[i]) == 0) {
            *out = (enum resync_state)i;
            return true;
        }
    }
    return err_set(err, ERR_FATAL, "state database: '%s' is not the state of a copy",
        text == NULL ? "" : (const char *)text);
}

static bool
read_row(sqlite3_stmt *stmt, struct resync_row *row, struct err *err)
{
    *row = (struct resync_row){
        .oid = (uint32_t)sqlite3_column_int64(stmt, 1),
        .wish = (uint64_t)sqlite3_column_int64(stmt, 5),
        .position = (uint64_t)sqlite3_column_int64(stmt, 6),
        .sync = (uint64_t)sqlite3_column_int64(stmt, 7),
        .joins = sqlite3_column_int(stmt, 8) != 0,
        .create = sqlite3_column_int(stmt, 9) != 0,
        .since_us = sqlite3_column_int64(stmt, 10),
    };
    const void *reason = sqlite3_column_blob(stmt, 11);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 11);
    row->reason_len = len < sizeof row->reason ? len : sizeof row->reason;
    if (reason != NULL) {
        memcpy(row->reason, reason, row->reason_len);
    }
    return store_read_text(stmt, 0, row->sink, sizeof row->sink, "a copy", err) &&
           store_read_text(stmt, 2, row->schema, sizeof row->schema, "a copy", err) &&
           store_read_text(stmt, 3, row->name, sizeof row->name, "a copy", err) &&
           read_state(stmt, 4, &row->state, err);
}

bool
store_resyncs(
    struct store *s, const char *sink, struct resync_row **out, size_t *n, struct err *err)
{
    struct resync_row *rows = x_malloc(sizeof *rows);
    size_t len = 0;
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[STMT_RESYNCS];
    if (sink) {
        sqlite3_bind_text(stmt, 1, sink, -1, SQLITE_STATIC);
    }
    bool ok = true;
    int rc;
    while (ok && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW) {
            ok = store_sqlite_error(s, "read copies", err);
            break;
        }
        rows = x_realloc(rows, (len + 1) * sizeof *rows);
        ok = read_row(stmt, &rows[len++], err);
    }
    store_reset_locked(s, STMT_RESYNCS);
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
