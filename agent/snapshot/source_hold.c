/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_class is read under the snapshot, pg_relation_filenode() answers for now: with the lock held,
 * the two agree exactly when the table still has the storage it had at the snapshot's moment.
 * Rolling back to the savepoint releases the lock, which would otherwise stay until the session's
 * transaction ends.
 */
#include "agent/snapshot/source_hold.h"

#include <string.h>

#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define SQL_MAX            65536
#define LOCK_NOT_AVAILABLE "55P03" /* SQLSTATE */

/* Asks how many of the tables have the storage that the snapshot knows; empties the text. */
static bool
hold(PGconn *source, struct buf *sql, size_t n, const struct stop *stop, bool *moved,
    struct err *err)
{
    PGresult *res = NULL;
    bool ok = buf_ok(sql, "list of tables", err) && pg_query_long(source, "source: hold the table",
                                                        buf_cstr(sql), 0, NULL, stop, &res, err);
    *moved = ok && pg_u64(res, 0, 0) != n;
    PQclear(res);
    buf_done(sql);
    return ok;
}

static void
hold_text(struct buf *sql, const struct pg_table *const *tables, size_t n, const char *wait_or_not)
{
    buf_init(sql, SQL_MAX);
    buf_str(sql, "SAVEPOINT tidegate_table; LOCK TABLE ");
    for (size_t i = 0; i < n; i++) {
        buf_str(sql, i ? ", ONLY " : "ONLY ");
        sql_qualified(sql, tables[i]->schema, tables[i]->name);
    }
    buf_printf(sql,
        " IN ACCESS SHARE MODE%s;"
        " SELECT pg_catalog.count(*) FROM pg_catalog.pg_class"
        " WHERE relfilenode IS NOT DISTINCT FROM pg_catalog.pg_relation_filenode(oid)"
        " AND oid IN (",
        wait_or_not);
    for (size_t i = 0; i < n; i++) {
        buf_printf(sql, "%s%u", i ? "," : "", tables[i]->oid);
    }
    buf_str(sql, ")");
}

bool
source_hold(
    PGconn *source, const struct pg_table *t, const struct stop *stop, bool *moved, struct err *err)
{
    struct buf sql;
    hold_text(&sql, &t, 1, "");
    return hold(source, &sql, 1, stop, moved, err);
}

bool
source_hold_all(PGconn *source, const struct pg_table *const *tables, size_t n, bool *held,
    bool *moved, struct err *err)
{
    struct buf sql;
    hold_text(&sql, tables, n, " NOWAIT");
    *held = hold(source, &sql, n, NULL, moved, err);
    if (*held || strcmp(err->sqlstate, LOCK_NOT_AVAILABLE) != 0) {
        return *held;
    }
    err_clear(err);
    return true;
}

bool
source_let_go(PGconn *source, struct err *err)
{
    return pg_exec(source, "source: let the table go",
        "ROLLBACK TO SAVEPOINT tidegate_table; RELEASE SAVEPOINT tidegate_table", err);
}
