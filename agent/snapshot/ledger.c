/* SPDX-License-Identifier: Apache-2.0
 *
 * The list is read once at the start of a run and searched in memory; during the run the ledger is
 * only added to, and asked about a single item when the answer to a COMMIT did not arrive.
 */
#include "agent/snapshot/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define NO_TABLE "42P01" /* SQLSTATE */

bool
ledger_ensure(PGconn *target, struct err *err)
{
    /* The apply side makes the schema too. IF NOT EXISTS does not keep two sessions apart, so the
     * loser of a race looks again. */
    for (int attempt = 0;; attempt++) {
        if (pg_exec(target, "create tidegate's schema on the target",
                "CREATE SCHEMA IF NOT EXISTS tidegate;"
                "CREATE TABLE IF NOT EXISTS tidegate.ledger ("
                " migration text NOT NULL, item text NOT NULL,"
                " done_at timestamptz NOT NULL DEFAULT pg_catalog.now(),"
                " PRIMARY KEY (migration, item))",
                err)) {
            return true;
        }
        bool raced = strcmp(err->sqlstate, "23505") == 0 || strcmp(err->sqlstate, "42P06") == 0 ||
                     strcmp(err->sqlstate, "42P07") == 0;
        if (!raced || attempt == 3) {
            break;
        }
        err_clear(err);
    }
    if (strcmp(err->sqlstate, "42501") == 0) {
        err_hint(err, "GRANT CREATE ON DATABASE ... TO the role of the target's connection string");
    }
    return false;
}

bool
ledger_add(PGconn *target, const char *migration, const char *item, struct err *err)
{
    const char *params[] = {migration, item};
    PGresult *res = NULL;
    bool ok = pg_query(target, "write the ledger",
        "INSERT INTO tidegate.ledger (migration, item) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2,
        params, &res, err);
    PQclear(res);
    return ok;
}

void
ledger_add_text(struct buf *sql, const char *migration, const char *const *items, size_t n)
{
    buf_str(sql, "INSERT INTO tidegate.ledger (migration, item) VALUES ");
    for (size_t i = 0; i < n; i++) {
        buf_str(sql, i ? ", (" : "(");
        sql_literal(sql, migration);
        buf_str(sql, ", ");
        sql_literal(sql, items[i]);
        buf_str(sql, ")");
    }
    buf_str(sql, " ON CONFLICT DO NOTHING;");
}

bool
ledger_add_and_commit(PGconn *target, const char *migration, const char *item, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 8192);
    ledger_add_text(&sql, migration, &item, 1);
    buf_str(&sql, "COMMIT");
    bool ok = buf_ok(&sql, "write the ledger", err) &&
              pg_exec(target, "write the ledger", buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

bool
ledger_check(PGconn *target, const char *migration, const char *item, bool *there, struct err *err)
{
    const char *params[] = {migration, item};
    PGresult *res = NULL;
    if (!pg_query(target, "read the ledger",
            "SELECT 1 FROM tidegate.ledger WHERE migration = $1 AND item = $2", 2, params, &res,
            err)) {
        return false;
    }
    *there = PQntuples(res) > 0;
    PQclear(res);
    return true;
}

static int
compare_items(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
read_items(PGconn *target, const char *migration, struct ledger *out, struct err *err)
{
    PGresult *res = NULL;
    const char *params[] = {migration};
    if (!pg_query(target, "read the ledger",
            "SELECT item FROM tidegate.ledger WHERE migration = $1", 1, params, &res, err)) {
        return false;
    }
    out->len = (size_t)PQntuples(res);
    out->items = x_zalloc((out->len + 1) * sizeof(*out->items));
    for (size_t i = 0; i < out->len; i++) {
        out->items[i] = x_strdup(pg_str(res, (int)i, 0));
    }
    PQclear(res);
    qsort(out->items, out->len, sizeof(*out->items), compare_items);
    return true;
}

bool
ledger_read(PGconn *target, const char *migration, struct ledger *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    char *there = NULL;
    if (!pg_query_value(target, "look for the ledger",
            "SELECT pg_catalog.to_regclass('tidegate.ledger')", 0, NULL, &there, err)) {
        return false;
    }
    bool ok = !there || read_items(target, migration, out, err);
    x_free(there);
    return ok;
}

bool
ledger_read_at_once(PGconn *target, const char *migration, struct ledger *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    if (read_items(target, migration, out, err)) {
        return true;
    }
    bool none = strcmp(err->sqlstate, NO_TABLE) == 0;
    if (none) {
        err_clear(err);
    }
    return none;
}

void
ledger_free(struct ledger *l)
{
    for (size_t i = 0; i < l->len; i++) {
        x_free(l->items[i]);
    }
    x_free(l->items);
    memset(l, 0, sizeof(*l));
}

bool
ledger_has(const struct ledger *l, const char *item)
{
    return l->len && bsearch(&item, l->items, l->len, sizeof(*l->items), compare_items);
}

size_t
ledger_prefix(const struct ledger *l, const char *prefix, size_t *first)
{
    size_t low = 0, high = l->len, n = strlen(prefix);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(l->items[mid], prefix) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *first = low;
    while (high < l->len && strncmp(l->items[high], prefix, n) == 0) {
        high++;
    }
    return high - low;
}

bool
ledger_copied(const struct ledger *l, uint32_t oid, uint64_t *sync)
{
    char prefix[LEDGER_ITEM_SIZE];
    snprintf(prefix, sizeof(prefix), "copied %u@", oid);
    size_t first, n = ledger_prefix(l, prefix, &first);
    bool found = false;
    for (size_t i = first; i < first + n; i++) {
        uint64_t at;
        if (parse_lsn(l->items[i] + strlen(prefix), &at) && (!found || at > *sync)) {
            *sync = at;
            found = true;
        }
    }
    return found;
}

bool
ledger_touched(const struct ledger *l, uint32_t oid)
{
    char prefix[LEDGER_ITEM_SIZE];
    size_t first;
    uint64_t sync;
    snprintf(prefix, sizeof(prefix), "start %u@", oid);
    return ledger_prefix(l, prefix, &first) > 0 || ledger_copied(l, oid, &sync);
}

const char *
ledger_start_item(uint32_t oid, uint64_t sync, char out[LEDGER_ITEM_SIZE])
{
    char lsn[FORMAT_SIZE];
    snprintf(out, LEDGER_ITEM_SIZE, "start %u@%s", oid, format_lsn(sync, lsn));
    return out;
}

const char *
ledger_part_item(uint32_t oid, uint32_t from, uint64_t sync, char out[LEDGER_ITEM_SIZE])
{
    char lsn[FORMAT_SIZE];
    snprintf(out, LEDGER_ITEM_SIZE, "part %u+%u@%s", oid, from, format_lsn(sync, lsn));
    return out;
}

const char *
ledger_copied_item(uint32_t oid, uint64_t sync, char out[LEDGER_ITEM_SIZE])
{
    char lsn[FORMAT_SIZE];
    snprintf(out, LEDGER_ITEM_SIZE, "copied %u@%s", oid, format_lsn(sync, lsn));
    return out;
}
