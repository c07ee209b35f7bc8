/* SPDX-License-Identifier: Apache-2.0
 *
 * One row for each letter. Positions are SQLite's signed integers with the same bits; those that
 * occur are below 2^63, so their order is the same.
 */
#include "agent/store/letters.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/failpoint.h"
#include "agent/store/store.intern.h"

static void
bind_bytes(sqlite3_stmt *stmt, int n, struct slice s)
{
    /* A NULL pointer would store NULL instead of an empty value. */
    sqlite3_bind_blob64(stmt, n, s.len ? (const void *)s.data : "", s.len, SQLITE_STATIC);
}

static bool
insert_locked(struct store *s, const struct letter *l, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[STMT_LETTER_PUT];
    sqlite3_bind_text(stmt, 1, l->sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)l->position.commit);
    sqlite3_bind_int64(stmt, 3, l->position.ordinal);
    sqlite3_bind_int64(stmt, 4, l->xid);
    sqlite3_bind_text(stmt, 5, l->relation, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 6, l->operation, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 7, l->sqlstate, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 8, l->token, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 9, l->parked_us);
    bind_bytes(stmt, 10, l->head);
    bind_bytes(stmt, 11, l->body);
    return store_run_locked(s, STMT_LETTER_PUT, "write dead letter", err);
}

static void
bind_place(sqlite3_stmt *stmt, const struct letter *l)
{
    sqlite3_bind_text(stmt, 1, l->sink, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)l->position.commit);
    sqlite3_bind_int64(stmt, 3, l->position.ordinal);
}

/* The one number of a statement whose parameters are bound; 0 without a row. */
static bool
number_locked(
    struct store *s, enum statement which, const char *what, uint64_t *out, struct err *err)
{
    sqlite3_stmt *stmt = s->statements[which];
    int rc = sqlite3_step(stmt);
    *out = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    bool ok = rc == SQLITE_ROW || rc == SQLITE_DONE || store_sqlite_error(s, what, err);
    store_reset_locked(s, which);
    return ok;
}

bool
letters_put(struct store *s, const struct letter *l, uint64_t *id, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err) && insert_locked(s, l, err);
    if (ok) {
        bind_place(s->statements[STMT_LETTER_ID], l);
        ok = number_locked(s, STMT_LETTER_ID, "read dead letter", id, err);
    }
    ok = store_end_locked(s, ok, "commit dead letter", err);
    pthread_mutex_unlock(&s->mutex);
    if (ok) {
        FAILPOINT("letters.put");
    }
    return ok;
}

static struct slice
read_bytes(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    int len = sqlite3_column_bytes(stmt, column);
    return slice_of(data, len > 0 ? (size_t)len : 0);
}

static bool
read_letter(sqlite3_stmt *stmt, struct letter *l, struct err *err)
{
    *l = (struct letter){
        .id = (uint64_t)sqlite3_column_int64(stmt, 0),
        .position = {.commit = (uint64_t)sqlite3_column_int64(stmt, 2),
            .ordinal = (uint32_t)sqlite3_column_int64(stmt, 3)},
        .xid = (uint32_t)sqlite3_column_int64(stmt, 4),
        .parked_us = sqlite3_column_int64(stmt, 9),
        .head = read_bytes(stmt, 10),
    };
    return store_read_text(stmt, 1, l->sink, sizeof l->sink, "a dead letter", err) &&
           store_read_text(stmt, 5, l->relation, sizeof l->relation, "a dead letter", err) &&
           store_read_text(stmt, 6, l->operation, sizeof l->operation, "a dead letter", err) &&
           store_read_text(stmt, 7, l->sqlstate, sizeof l->sqlstate, "a dead letter", err) &&
           store_read_text(stmt, 8, l->token, sizeof l->token, "a dead letter", err);
}

bool
letters_each(struct store *s, const char *sink, letters_visit *visit, void *arg, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[STMT_LETTERS];
    sqlite3_bind_text(stmt, 1, sink, -1, SQLITE_STATIC); /* NULL: all */
    bool ok = true;
    int rc = SQLITE_DONE;
    while (ok && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct letter l;
        ok = read_letter(stmt, &l, err) && visit(&l, arg, err);
    }
    if (ok && rc != SQLITE_DONE) {
        ok = store_sqlite_error(s, "read dead letters", err);
    }
    store_reset_locked(s, STMT_LETTERS);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

bool
letters_body(struct store *s, uint64_t id, struct buf *out, bool *found, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[STMT_LETTER_BODY];
    sqlite3_bind_int64(stmt, 1, (int64_t)id);
    int rc = sqlite3_step(stmt);
    *found = rc == SQLITE_ROW;
    if (*found) {
        struct slice body = read_bytes(stmt, 0);
        buf_bytes(out, body.data, body.len);
    }
    bool ok = *found || rc == SQLITE_DONE || store_sqlite_error(s, "read dead letter", err);
    ok = ok && buf_ok(out, "read dead letter", err);
    store_reset_locked(s, STMT_LETTER_BODY);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

bool
letters_remove(struct store *s, uint64_t id, bool *removed, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    *removed = false;
    if (ok) {
        sqlite3_bind_int64(s->statements[STMT_LETTER_REMOVE], 1, (int64_t)id);
        ok = store_run_locked(s, STMT_LETTER_REMOVE, "remove dead letter", err);
        *removed = ok && sqlite3_changes(s->db) > 0;
    }
    ok = store_end_locked(s, ok, "commit removal of a dead letter", err);
    s->letters_generation += ok && *removed;
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

bool
letters_count(struct store *s, const char *sink, uint64_t *n, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    sqlite3_bind_text(s->statements[STMT_LETTER_COUNT], 1, sink, -1, SQLITE_STATIC);
    bool ok = number_locked(s, STMT_LETTER_COUNT, "count dead letters", n, err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

uint64_t
letters_generation(struct store *s)
{
    return atomic_load(&s->letters_generation);
}
