/* SPDX-License-Identifier: Apache-2.0
 *
 *     source   hold all, look at their storage   COPY a; COPY b; ...   let go
 *     target   BEGIN, lock all, any rows?        COPY a; COPY b; ...   ledger, COMMIT
 *
 * Nothing here waits for a lock: while it holds one table it would stand in the way of whoever
 * holds the next one and waits for the first.
 */
#include "agent/snapshot/small_tables.h"

#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/pg/copy.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/source_hold.h"

#define SQL_MAX            (1U << 20)
#define LOCK_NOT_AVAILABLE "55P03" /* SQLSTATE */

static bool
all_are_plain(const struct table_copy *tables, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!tables[i].columns[0] || tables[i].partitioned) {
            return false;
        }
    }
    return true;
}

static bool
hold_all(
    const struct table_copy *tables, size_t n, const struct copier *c, bool *held, struct err *err)
{
    const struct pg_table *list[SMALL_TABLES_MAX];
    bool moved = false;
    for (size_t i = 0; i < n; i++) {
        list[i] = tables[i].table;
    }
    bool ok = source_hold_all(c->source, list, n, held, &moved, err);
    *held = *held && !moved;
    return ok;
}

static void
begin_text(struct buf *sql, const struct table_copy *tables, size_t n)
{
    buf_str(sql, "BEGIN; LOCK TABLE ");
    for (size_t i = 0; i < n; i++) {
        buf_str(sql, i ? ", ONLY " : "ONLY ");
        sql_qualified(sql, tables[i].table->schema, tables[i].table->name);
    }
    buf_str(sql, " IN SHARE ROW EXCLUSIVE MODE NOWAIT; SELECT ");
    for (size_t i = 0; i < n; i++) {
        buf_str(sql, i ? " OR EXISTS (SELECT FROM ONLY " : "EXISTS (SELECT FROM ONLY ");
        sql_qualified(sql, tables[i].table->schema, tables[i].table->name);
        buf_str(sql, ")");
    }
}

/* *empty: all are locked, and none has rows. */
static bool
begin(
    const struct table_copy *tables, size_t n, const struct copier *c, bool *empty, struct err *err)
{
    PGresult *res = NULL;
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    begin_text(&sql, tables, n);
    bool ok = buf_ok(&sql, "list of tables", err) &&
              pg_query_long(c->target, "target: lock the tables and look for rows", buf_cstr(&sql),
                  0, NULL, c->stop, &res, err);
    *empty = ok && !pg_bool(res, 0, 0);
    PQclear(res);
    buf_done(&sql);
    if (!ok && strcmp(err->sqlstate, LOCK_NOT_AVAILABLE) == 0) {
        err_clear(err);
        return true;
    }
    return ok;
}

static bool
transfer(const struct table_copy *tables, size_t n, const struct copier *c, uint64_t *rows,
    struct err *err)
{
    struct buf source, target;
    buf_init(&source, SQL_MAX);
    buf_init(&target, SQL_MAX);
    for (size_t i = 0; i < n; i++) {
        table_copy_source_sql(&tables[i], &source);
        table_copy_target_sql(&tables[i], false, &target);
        buf_str(&source, ";");
        buf_str(&target, ";");
    }
    bool ok = buf_ok(&source, "list of tables", err) && buf_ok(&target, "list of tables", err);
    for (size_t i = 0; ok && i < n; i++) {
        const struct pg_copy copy = {.source = c->source,
            .target = c->target,
            .source_sql = i == 0 ? buf_cstr(&source) : NULL,
            .target_sql = i == 0 ? buf_cstr(&target) : NULL,
            .more = i + 1 < n,
            .stop = c->stop};
        ok = pg_copy_run(&copy, &rows[i], err) ||
             err_wrap(err, "copy '%s.%s'", tables[i].table->schema, tables[i].table->name);
    }
    buf_done(&source);
    buf_done(&target);
    return ok;
}

static bool
commit(const struct table_copy *tables, size_t n, const struct copier *c, struct err *err)
{
    char items[SMALL_TABLES_MAX][LEDGER_ITEM_SIZE];
    const char *list[SMALL_TABLES_MAX];
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    for (size_t i = 0; i < n; i++) {
        list[i] = ledger_copied_item(tables[i].table->oid, c->sync, items[i]);
    }
    ledger_add_text(&sql, c->migration, list, n);
    buf_str(&sql, "COMMIT");
    FAILPOINT("copy.together_before_commit");
    bool ok = buf_ok(&sql, "write the ledger", err) &&
              pg_exec_long(c->target, "target: write the ledger", buf_cstr(&sql), c->stop, err);
    FAILPOINT("copy.together_committed");
    buf_done(&sql);
    return ok;
}

bool
small_tables_copy(const struct table_copy *tables, size_t n, const struct copier *c, uint64_t *rows,
    bool *copied, struct err *err)
{
    bool held = false, empty = false;
    *copied = false;
    if (!all_are_plain(tables, n)) {
        return true;
    }
    if (!hold_all(tables, n, c, &held, err) || (held && !begin(tables, n, c, &empty, err))) {
        return false;
    }
    if (empty && !(transfer(tables, n, c, rows, err) && commit(tables, n, c, err))) {
        return false;
    }
    *copied = empty;
    return (empty || !held || pg_exec(c->target, "target: roll back", "ROLLBACK", err)) &&
           source_let_go(c->source, err);
}
