/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_class is read under the snapshot, pg_relation_filenode() answers for now: with the lock held,
 * the two agree exactly when the table still has the storage it had at the snapshot's moment.
 * Rolling back to the savepoint releases the lock, which would otherwise stay until the session's
 * transaction ends.
 */
#include "agent/snapshot/source_hold.h"

#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

bool
source_hold(
    PGconn *source, const struct pg_table *t, const struct stop *stop, bool *moved, struct err *err)
{
    PGresult *res = NULL;
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "SAVEPOINT tidegate_table; LOCK TABLE ONLY ");
    sql_qualified(&sql, t->schema, t->name);
    buf_printf(&sql,
        " IN ACCESS SHARE MODE;"
        " SELECT relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(oid)"
        " FROM pg_catalog.pg_class WHERE oid = %u",
        t->oid);
    bool ok =
        pg_query_long(source, "source: hold the table", buf_cstr(&sql), 0, NULL, stop, &res, err);
    *moved = ok && (PQntuples(res) != 1 || pg_bool(res, 0, 0));
    PQclear(res);
    buf_done(&sql);
    return ok;
}

bool
source_let_go(PGconn *source, struct err *err)
{
    return pg_exec(source, "source: let the table go",
        "ROLLBACK TO SAVEPOINT tidegate_table; RELEASE SAVEPOINT tidegate_table", err);
}
