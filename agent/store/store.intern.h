/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store's two files share: the open database, its prepared statements and the mutex.
 * Nobody outside agent/store includes this.
 *
 * Locking: functions that end in _locked want the mutex held.
 */
#ifndef TG_STORE_STORE_INTERN_H
#define TG_STORE_STORE_INTERN_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "agent/store/store.h"

enum statement {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_GET,
    STMT_SET,
    STMT_TABLE_PUT,
    STMT_TABLES,
    STMT_SINK_TABLE_PUT,
    STMT_SINK_TABLES,
    STMT_SINK_PUT,
    STMT_SINKS,
    STMT_SINK_FORGET,
    STMT_SINK_FORGET_TABLES,
    STMT_SINK_FORGET_VALUES,
    STMT_LETTER_PUT,
    STMT_LETTER_ID,
    STMT_LETTERS,
    STMT_LETTER_BODY,
    STMT_LETTER_REMOVE,
    STMT_LETTER_COUNT,
    STMT_SINK_FORGET_LETTERS,
    STMT_TABLE_ADD,
    STMT_RESYNC_PUT,
    STMT_RESYNC_OTHERS,
    STMT_RESYNC_MOVE,
    STMT_RESYNC_END,
    STMT_RESYNC_READY,
    STMT_RESYNCS,
    STMT_SINK_FORGET_RESYNCS,
    STMT_COUNT,
};

struct store {
    pthread_mutex_t mutex;
    sqlite3 *db;
    sqlite3_stmt *statements[STMT_COUNT];
    int lock_fd;
    atomic_uint_fast64_t letters_generation; /* see agent/store/letters.h */
    atomic_uint_fast64_t resyncs_generation; /* see agent/store/resyncs.h */
};

/* Fills err from SQLite's last error; returns false. `what` is what failed. */
bool store_sqlite_error(struct store *s, const char *what, struct err *err);
/* Runs a statement that yields no rows, its parameters bound before, and leaves it ready for reuse.
 */
bool store_run_locked(struct store *s, enum statement which, const char *what, struct err *err);
/* Makes the statement ready for reuse; what it pointed to is no longer valid. */
void store_reset_locked(struct store *s, enum statement which);
/* Copies a text of the row. One that does not fit is an error, never cut: it would be another name.
 * `what` is what the row is about. */
bool store_read_text(
    sqlite3_stmt *stmt, int column, char *out, size_t cap, const char *what, struct err *err);
/* Ends a transaction begun by STMT_BEGIN: commits when ok, else rolls back. */
bool store_end_locked(struct store *s, bool ok, const char *what, struct err *err);

#endif
