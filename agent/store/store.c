/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, named values, and the plumbing around SQLite. Every write is one transaction; WAL with
 * synchronous=FULL makes SQLite sync the log before COMMIT returns, which is what "durable" rests
 * on.
 *
 * The lock is a flock on a file of its own and not on the database, which operators may open. The
 * kernel drops it with the process, so a kill leaves nothing behind; the pid inside is for the
 * message only.
 */
#include "agent/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/failpoint.h"
#include "agent/base/fs.h"
#include "agent/base/parse.h"
#include "agent/store/store.intern.h"

#define SCHEMA_VERSION 3
#define BUSY_MS        10000
#define LOCK_ATTEMPTS  40
#define LOCK_PAUSE_US  50000
#define DAMAGED_HINT                                                                               \
    "state.db is damaged: restore it from a copy of the data directory, or run the cleanup "       \
    "command and start the migration anew"

static const char schema_sql[] = "CREATE TABLE schema_version (version INTEGER NOT NULL);"
                                 "INSERT INTO schema_version VALUES (3);"
                                 "CREATE TABLE named_value ("
                                 "  key TEXT NOT NULL PRIMARY KEY,"
                                 "  value TEXT NOT NULL) WITHOUT ROWID;"
                                 "CREATE TABLE source_table ("
                                 "  oid INTEGER NOT NULL PRIMARY KEY,"
                                 "  schema TEXT NOT NULL,"
                                 "  name TEXT NOT NULL,"
                                 "  state TEXT NOT NULL"
                                 "    CHECK (state IN ('pending', 'copying', 'copied', 'ready')),"
                                 "  sync INTEGER NOT NULL," /* 64 bits, read as unsigned */
                                 "  bytes INTEGER NOT NULL,"
                                 "  rows INTEGER NOT NULL,"
                                 "  identity_changed INTEGER NOT NULL);"
                                 "CREATE TABLE sink ("
                                 "  number INTEGER PRIMARY KEY,"
                                 "  name TEXT NOT NULL UNIQUE,"
                                 "  type TEXT NOT NULL,"
                                 "  origin TEXT NOT NULL,"
                                 "  copies INTEGER NOT NULL,"
                                 "  copied INTEGER NOT NULL,"
                                 "  start INTEGER NOT NULL);"
                                 "CREATE TABLE sink_copy ("
                                 "  sink TEXT NOT NULL,"
                                 "  oid INTEGER NOT NULL,"
                                 "  state TEXT NOT NULL"
                                 "    CHECK (state IN ('pending', 'copying', 'copied', 'ready')),"
                                 "  sync INTEGER NOT NULL,"
                                 "  bytes INTEGER NOT NULL,"
                                 "  rows INTEGER NOT NULL,"
                                 "  PRIMARY KEY (sink, oid)) WITHOUT ROWID;"
                                 "CREATE TABLE resync ("
                                 "  sink TEXT NOT NULL,"
                                 "  oid INTEGER NOT NULL,"
                                 "  state TEXT NOT NULL CHECK"
                                 "    (state IN ('stopped', 'asked', 'copying', 'copied')),"
                                 "  wish INTEGER NOT NULL DEFAULT 1,"
                                 "  position INTEGER NOT NULL," /* 64 bits, read as unsigned */
                                 "  sync INTEGER NOT NULL DEFAULT 0,"
                                 "  joins INTEGER NOT NULL,"
                                 "  may_create INTEGER NOT NULL,"
                                 "  since_us INTEGER NOT NULL,"
                                 "  reason BLOB NOT NULL,"
                                 "  PRIMARY KEY (sink, oid)) WITHOUT ROWID;";

/* Made when it is missing: directories of earlier programs do not have it. */
static const char letters_sql[] = "CREATE TABLE IF NOT EXISTS dead_letter ("
                                  "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                  "  sink TEXT NOT NULL,"
                                  "  position INTEGER NOT NULL," /* 64 bits */
                                  "  ordinal INTEGER NOT NULL,"
                                  "  xid INTEGER NOT NULL,"
                                  "  relation TEXT NOT NULL,"
                                  "  operation TEXT NOT NULL,"
                                  "  sqlstate TEXT NOT NULL,"
                                  "  token TEXT NOT NULL,"
                                  "  parked_us INTEGER NOT NULL,"
                                  "  head BLOB NOT NULL,"
                                  "  body BLOB NOT NULL,"
                                  "  UNIQUE (sink, position, ordinal));";

static const char *const statement_sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_GET] = "SELECT value FROM named_value WHERE key = ?1",
    [STMT_SET] = "INSERT INTO named_value VALUES (?1, ?2)"
                 " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [STMT_TABLE_PUT] = "INSERT OR REPLACE INTO source_table"
                       " (oid, schema, name, state, sync, bytes, rows, identity_changed)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_TABLES] = "SELECT oid, schema, name, state, sync, bytes, rows, identity_changed"
                    " FROM source_table ORDER BY schema, name, oid",
    [STMT_SINK_TABLE_PUT] = "INSERT OR REPLACE INTO sink_copy (sink, oid, state, sync, bytes, rows)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STMT_SINK_TABLES] = "SELECT t.oid, t.schema, t.name, coalesce(k.state, 'pending'),"
                         " coalesce(k.sync, 0), coalesce(k.bytes, t.bytes), coalesce(k.rows, 0),"
                         " t.identity_changed FROM source_table t"
                         " LEFT JOIN sink_copy k ON k.oid = t.oid AND k.sink = ?1"
                         " ORDER BY t.schema, t.name, t.oid",
    [STMT_SINK_PUT] = "INSERT INTO sink (name, type, origin, copies, start, copied)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET"
                      " type = excluded.type, origin = excluded.origin,"
                      " copies = excluded.copies, start = excluded.start, copied = excluded.copied",
    [STMT_SINKS] = "SELECT name, type, origin, copies, start, copied FROM sink ORDER BY number",
    [STMT_TABLE_ADD] = "INSERT INTO source_table"
                       " (oid, schema, name, state, sync, bytes, rows, identity_changed)"
                       " VALUES (?1, ?2, ?3, 'pending', 0, ?4, 0, ?5)"
                       " ON CONFLICT (oid) DO NOTHING",
    [STMT_RESYNC_PUT] =
        "INSERT INTO resync (sink, oid, state, position, joins, may_create, since_us, reason)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (sink, oid) DO UPDATE SET"
        " state = iif(state = 'asked' AND excluded.state = 'stopped', state, excluded.state),"
        " wish = wish + 1, sync = 0,"
        " position = iif(excluded.position = 0, position, excluded.position),"
        " joins = max(joins, excluded.joins), may_create = max(may_create, excluded.may_create),"
        " since_us = excluded.since_us, reason = excluded.reason",
    [STMT_RESYNC_OTHERS] =
        "INSERT INTO resync (sink, oid, state, position, joins, may_create, since_us, reason)"
        " SELECT name, ?2, 'stopped', 0, ?5, 0, ?3, ?4 FROM sink"
        " WHERE type = 'postgresql' AND name <> ?1 ON CONFLICT (sink, oid) DO NOTHING",
    [STMT_RESYNC_MOVE] = "UPDATE resync SET state = ?4, sync = ?5"
                         " WHERE sink = ?1 AND oid = ?2 AND wish = ?3",
    [STMT_RESYNC_END] = "DELETE FROM resync WHERE sink = ?1 AND oid = ?2 AND wish = ?3",
    [STMT_RESYNC_READY] =
        "INSERT OR REPLACE INTO sink_copy (sink, oid, state, sync, bytes, rows)"
        " SELECT ?1, oid, 'ready', ?3, bytes, ?4 FROM source_table WHERE oid = ?2",
    [STMT_RESYNCS] = "SELECT r.sink, r.oid, t.schema, t.name, r.state, r.wish, r.position, r.sync,"
                     " r.joins, r.may_create, r.since_us, r.reason"
                     " FROM resync r JOIN source_table t ON t.oid = r.oid"
                     " WHERE ?1 IS NULL OR r.sink = ?1 ORDER BY r.sink, t.schema, t.name, r.oid",
    [STMT_SINK_FORGET_RESYNCS] = "DELETE FROM resync WHERE sink = ?1",
    [STMT_SINK_FORGET] = "DELETE FROM sink WHERE name = ?1",
    [STMT_SINK_FORGET_TABLES] = "DELETE FROM sink_copy WHERE sink = ?1",
    [STMT_SINK_FORGET_VALUES] =
        "DELETE FROM named_value WHERE key IN ('" STORE_CURSOR "' || ?1, '" STORE_DEFER_FIRING
        "' || ?1, '" STORE_AFTER_CUTOVER "' || ?1, '" STORE_DOUBTS "' || ?1, '" STORE_DDL_WAITING
        "' || ?1, '" STORE_DDL_DECISION "' || ?1, '" STORE_DDL_SCHEMA "' || ?1)"
        " OR (key GLOB '" STORE_DDL_SHAPE "[0-9]*_*' AND"
        " ltrim(substr(key, length('" STORE_DDL_SHAPE "') + 1), '0123456789') = '_' || ?1)",
    [STMT_LETTER_PUT] =
        "INSERT INTO dead_letter (sink, position, ordinal, xid, relation, operation,"
        " sqlstate, token, parked_us, head, body)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        " ON CONFLICT (sink, position, ordinal) DO NOTHING",
    [STMT_LETTER_ID] =
        "SELECT id FROM dead_letter WHERE sink = ?1 AND position = ?2 AND ordinal = ?3",
    [STMT_LETTERS] = "SELECT id, sink, position, ordinal, xid, relation, operation, sqlstate,"
                     " token, parked_us, head FROM dead_letter"
                     " WHERE ?1 IS NULL OR sink = ?1 ORDER BY sink, position, ordinal",
    [STMT_LETTER_BODY] = "SELECT body FROM dead_letter WHERE id = ?1",
    [STMT_LETTER_REMOVE] = "DELETE FROM dead_letter WHERE id = ?1",
    [STMT_SINK_FORGET_LETTERS] = "DELETE FROM dead_letter WHERE sink = ?1",
    [STMT_LETTER_COUNT] = "SELECT count(*) FROM dead_letter WHERE ?1 IS NULL OR sink = ?1",
};

bool
store_sqlite_error(struct store *s, const char *what, struct err *err)
{
    int code = sqlite3_errcode(s->db) & 0xff;
    const char *text = sqlite3_errmsg(s->db);
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        err_set(err, ERR_RETRY, "state database: %s: %s", what, text);
        return err_hint(err, "another program holds state.db open for writing: end it");
    case SQLITE_FULL:
        err_set(err, ERR_CONFIG, "state database: %s: %s", what, text);
        return err_hint(err, "free space on the disk that holds the data directory");
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        err_set(err, ERR_CONFIG, "state database: %s: %s", what, text);
        return err_hint(err, "check owner and mode of the data directory and its files");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err_set(err, ERR_FATAL, "state database: %s: %s", what, text);
        return err_hint(err, DAMAGED_HINT);
    default:
        return err_set(err, ERR_FATAL, "state database: %s: %s", what, text);
    }
}

void
store_reset_locked(struct store *s, enum statement which)
{
    sqlite3_reset(s->statements[which]);
    sqlite3_clear_bindings(s->statements[which]);
}

bool
store_run_locked(struct store *s, enum statement which, const char *what, struct err *err)
{
    bool ok = sqlite3_step(s->statements[which]) == SQLITE_DONE || store_sqlite_error(s, what, err);
    store_reset_locked(s, which);
    return ok;
}

bool
store_read_text(
    sqlite3_stmt *stmt, int column, char *out, size_t cap, const char *what, struct err *err)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    int len = text == NULL ? -1 : snprintf(out, cap, "%s", (const char *)text);
    if (len < 0 || (size_t)len >= cap) {
        return err_set(err, ERR_FATAL, "state database: the row of %s cannot be read", what);
    }
    return true;
}

bool
store_end_locked(struct store *s, bool ok, const char *what, struct err *err)
{
    ok = ok && store_run_locked(s, STMT_COMMIT, what, err);
    if (ok) {
        FAILPOINT("store.committed");
    }
    /* Some errors end the transaction by themselves. */
    if (!ok && sqlite3_get_autocommit(s->db) == 0) {
        struct err ignored = ERR_INIT;
        (void)store_run_locked(s, STMT_ROLLBACK, what, &ignored);
    }
    return ok;
}

/* Creates `path` and the folders above it. */
static bool
make_dir(const char *path, struct err *err)
{
    char *copy = x_strdup(path);
    int rc = 0;
    for (char *p = copy + 1; *copy != '\0' && rc == 0 && (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        rc = fs_system.mkdir(&fs_system, copy, 0755);
        *p = '/';
    }
    x_free(copy);
    /* A folder above may exist without the right to look at it: only the last one counts. */
    rc = fs_system.mkdir(&fs_system, path, 0700);
    if (rc < 0) {
        err_sys(err, ERR_CONFIG, -rc, "create data directory '%s'", path);
        return err_hint(err, "name a directory that this user may create or write");
    }
    return true;
}

/* The pid of the lock's holder, 0 when it cannot be read. */
static uint64_t
read_pid(int fd)
{
    char text[32];
    uint64_t pid = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n > 0) {
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        (void)parse_u64(text, 1, INT32_MAX, &pid);
    }
    return pid;
}

/* A process that was just killed may hold its lock for a moment longer. */
static bool
lock_within(int fd, int attempts)
{
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK || --attempts <= 0) {
            return false;
        }
        clock_system.sleep_us(&clock_system, LOCK_PAUSE_US);
    }
    return true;
}

static bool
take_lock(struct store *s, const char *dir, struct err *err)
{
    char *path = x_printf("%s/lock", dir), text[32];
    s->lock_fd = fs_system.open(&fs_system, path, O_RDWR | O_CREAT, 0600);
    x_free(path);
    if (s->lock_fd < 0) {
        return err_sys(err, ERR_CONFIG, -s->lock_fd, "open lock file in '%s'", dir);
    }
    if (!lock_within(s->lock_fd, LOCK_ATTEMPTS)) {
        if (errno != EWOULDBLOCK) {
            return err_sys(err, ERR_FATAL, errno, "lock data directory '%s'", dir);
        }
        unsigned long long pid = read_pid(s->lock_fd);
        if (pid == 0) {
            err_set(err, ERR_CONFIG, "data directory '%s' is in use by another agent", dir);
        } else {
            err_set(err, ERR_CONFIG, "data directory '%s' is in use by another agent, pid %llu",
                dir, pid);
        }
        return err_hint(err, "stop the other agent, or give this one a data directory of its own");
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int rc = fs_system.truncate(&fs_system, s->lock_fd, 0);
    rc = rc < 0 ? rc : fs_system.pwrite_all(&fs_system, s->lock_fd, text, (size_t)len, 0);
    return rc == 0 || err_sys(err, ERR_CONFIG, -rc, "write lock file in '%s'", dir);
}

static bool
execute(struct store *s, const char *sql, const char *what, struct err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           store_sqlite_error(s, what, err);
}

/* One number from a query; `*found` is false when it has no row. */
static bool
query_number(struct store *s, const char *sql, int64_t *out, bool *found, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK;
    int rc = ok ? sqlite3_step(stmt) : SQLITE_ERROR;
    *found = rc == SQLITE_ROW;
    *out = *found ? sqlite3_column_int64(stmt, 0) : 0;
    ok = *found || rc == SQLITE_DONE || store_sqlite_error(s, "read schema", err);
    sqlite3_finalize(stmt);
    return ok;
}

/* The file is small, so all of it is looked at before anything rests on it; and nothing in it may
 * do more than hold rows. */
static bool
check_intact(struct store *s, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW;
    const unsigned char *found = ok ? sqlite3_column_text(stmt, 0) : NULL;
    if (!ok) {
        store_sqlite_error(s, "check", err);
    } else if (found == NULL || strcmp((const char *)found, "ok") != 0) {
        ok = err_set(err, ERR_FATAL, "state database is damaged: %s",
            found == NULL ? "it cannot be checked" : (const char *)found);
        err_hint(err, DAMAGED_HINT);
    }
    sqlite3_finalize(stmt);
    int64_t strange;
    bool counted;
    ok = ok &&
         query_number(s, "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index')",
             &strange, &counted, err);
    if (ok && strange > 0) {
        ok = err_set(err, ERR_FATAL,
            "state database has %lld triggers or views, it should have none", (long long)strange);
        err_hint(err, DAMAGED_HINT);
    }
    return ok;
}

static bool
prepare_schema(struct store *s, struct err *err)
{
    int64_t tables, version;
    bool found;
    if (!query_number(s, "SELECT count(*) FROM sqlite_master", &tables, &found, err)) {
        return false;
    }
    if (tables == 0) {
        bool ok = execute(s, "BEGIN IMMEDIATE", "create schema", err) &&
                  execute(s, schema_sql, "create schema", err) &&
                  execute(s, "COMMIT", "create schema", err);
        return ok;
    }
    if (!query_number(s, "SELECT version FROM schema_version", &version, &found, err)) {
        return false;
    }
    if (!found || version != SCHEMA_VERSION) {
        err_set(err, ERR_CONFIG, "state database has schema version %lld, this program knows %d",
            (long long)version, SCHEMA_VERSION);
        return err_hint(err, "run the program version that began this migration");
    }
    return true;
}

static bool
open_database(struct store *s, const char *dir, struct err *err)
{
    char *path = x_printf("%s/state.db", dir);
    /* Made by hand first, for the mode: SQLite gives its other files the same. */
    int fd = fs_system.open(&fs_system, path, O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        x_free(path);
        return err_sys(err, ERR_CONFIG, -fd, "open state database in '%s'", dir);
    }
    fs_system.close(&fs_system, fd);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, &s->db, flags, NULL);
    x_free(path);
    if (rc != SQLITE_OK) {
        return store_sqlite_error(s, "open", err);
    }
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (!execute(s, "PRAGMA journal_mode = WAL", "switch to WAL", err) ||
        !execute(s, "PRAGMA synchronous = FULL", "switch to full sync", err) ||
        !execute(s, "PRAGMA trusted_schema = OFF", "trust no schema", err) ||
        !check_intact(s, err) || !prepare_schema(s, err) ||
        !execute(s, letters_sql, "create schema", err)) {
        return false;
    }
    for (int i = 0; i < STMT_COUNT; i++) {
        if (sqlite3_prepare_v3(s->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                &s->statements[i], NULL) != SQLITE_OK) {
            return store_sqlite_error(s, "prepare statement", err);
        }
    }
    return true;
}

/* The new files' names must survive a crash too. */
static bool
sync_names(const char *dir, struct err *err)
{
    char *parent = x_printf("%s/..", dir);
    int rc = fs_system.sync_dir(&fs_system, dir);
    int parent_rc = fs_system.sync_dir(&fs_system, parent);
    x_free(parent);
    /* The parent may be somebody else's and closed to us; then the directory was there before. */
    if (rc == 0 && parent_rc != -EACCES) {
        rc = parent_rc;
    }
    return rc == 0 || err_sys(err, ERR_FATAL, -rc, "sync data directory '%s'", dir);
}

bool
store_open(const char *dir, struct store **out, struct err *err)
{
    *out = NULL;
    if (!make_dir(dir, err)) {
        return false;
    }
    struct store *s = x_zalloc(sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    s->lock_fd = -1;
    if (!take_lock(s, dir, err) || !open_database(s, dir, err) || !sync_names(dir, err)) {
        store_close(s);
        return false;
    }
    *out = s;
    return true;
}

void
store_close(struct store *s)
{
    if (s == NULL) {
        return;
    }
    for (int i = 0; i < STMT_COUNT; i++) {
        sqlite3_finalize(s->statements[i]);
    }
    sqlite3_close(s->db);
    if (s->lock_fd >= 0) {
        fs_system.close(&fs_system, s->lock_fd); /* last: this lets the next agent in */
    }
    pthread_mutex_destroy(&s->mutex);
    x_free(s);
}

bool
store_get(struct store *s, const char *key, char **out, struct err *err)
{
    *out = NULL;
    pthread_mutex_lock(&s->mutex);
    sqlite3_stmt *stmt = s->statements[STMT_GET];
    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(stmt, 0);
        *out = x_strdup(text == NULL ? "" : (const char *)text);
    }
    bool ok = rc == SQLITE_ROW || rc == SQLITE_DONE || store_sqlite_error(s, "read value", err);
    store_reset_locked(s, STMT_GET);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

bool
store_set(struct store *s, const char *key, const char *value, struct err *err)
{
    return store_set_many(s, &key, &value, 1, err);
}

bool
store_set_many(
    struct store *s, const char *const *keys, const char *const *values, size_t n, struct err *err)
{
    pthread_mutex_lock(&s->mutex);
    bool ok = store_run_locked(s, STMT_BEGIN, "begin", err);
    for (size_t i = 0; ok && i < n; i++) {
        sqlite3_bind_text(s->statements[STMT_SET], 1, keys[i], -1, SQLITE_STATIC);
        sqlite3_bind_text(s->statements[STMT_SET], 2, values[i], -1, SQLITE_STATIC);
        ok = store_run_locked(s, STMT_SET, "write value", err);
    }
    ok = store_end_locked(s, ok, "commit values", err);
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

bool
store_get_u64(struct store *s, const char *key, uint64_t *out, bool *found, struct err *err)
{
    char *text;
    *found = false;
    if (!store_get(s, key, &text, err)) {
        return false;
    }
    bool ok = true;
    if (text != NULL) {
        *found = ok = parse_u64(text, 0, UINT64_MAX, out);
        if (!ok) {
            err_set(err, ERR_FATAL, "state database: '%s' is '%s', not a number", key, text);
        }
    }
    x_free(text);
    return ok;
}

bool
store_set_u64(struct store *s, const char *key, uint64_t value, struct err *err)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return store_set(s, key, text, err);
}
