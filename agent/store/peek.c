/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite reads a database in WAL mode only when it may write the files beside it. Where it may not
 * (another user, a copy on a read-only disk), the database file alone is read, which then is the
 * state of the last checkpoint.
 */
#include "agent/store/peek.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"

#define BUSY_MS 5000

static bool
failed(sqlite3 *db, const char *path, struct err *err)
{
    err_set(err, ERR_RETRY, "read '%s': %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    return false;
}

/* In a URI these characters mean something. */
static void
append_escaped(char *out, size_t cap, const char *path)
{
    size_t n = strlen(out);
    for (; *path != '\0' && n + 4 < cap; path++) {
        if (strchr("?#%", *path) != NULL) {
            n += (size_t)snprintf(out + n, cap - n, "%%%02x", (unsigned char)*path);
        } else {
            out[n++] = *path;
        }
    }
    out[n] = '\0';
}

static bool
open_database(const char *path, bool immutable, sqlite3 **db)
{
    size_t cap = 3 * strlen(path) + 32;
    char *uri = x_zalloc(cap);
    memcpy(uri, "file:", 6);
    append_escaped(uri, cap - 16, path);
    if (immutable) {
        snprintf(uri + strlen(uri), 16, "%s", "?immutable=1");
    }
    int rc = sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    x_free(uri);
    return rc == SQLITE_OK && sqlite3_busy_timeout(*db, BUSY_MS) == SQLITE_OK;
}

/* `any` tells whether `each` was called: then a second attempt would repeat it. */
static bool
read_values(sqlite3 *db, const char *prefix,
    void (*each)(const char *key, const char *value, void *arg), void *arg, bool *any)
{
    sqlite3_stmt *stmt = NULL;
    const char *sql = "SELECT key, value FROM named_value"
                      " WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC);
    }
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            *any = true;
            each((const char *)sqlite3_column_text(stmt, 0),
                (const char *)sqlite3_column_text(stmt, 1), arg);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE;
}

bool
store_peek(const char *dir, const char *prefix,
    void (*each)(const char *key, const char *value, void *arg), void *arg, bool *found,
    struct err *err)
{
    char *path = x_printf("%s/state.db", dir);
    bool ok = true, any = false;

    *found = access(path, F_OK) == 0;
    for (int attempt = 0; *found && attempt < 2; attempt++) {
        sqlite3 *db = NULL;
        ok = open_database(path, attempt > 0, &db) && read_values(db, prefix, each, arg, &any);
        ok = ok || failed(db, path, err);
        sqlite3_close(db);
        if (ok || any) {
            break;
        }
    }
    x_free(path);
    return ok;
}
