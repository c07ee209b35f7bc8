/* SPDX-License-Identifier: Apache-2.0
 *
 * The target says which are not valid; the source is asked about each of these, because one that is
 * not valid there either stays as it is.
 */
#include "agent/snapshot/validate.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

static const char open_sql[] =
    "SELECT n.nspname, c.relname, k.conname FROM pg_constraint k"
    " JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE NOT k.convalidated AND k.contype IN ('f', 'c') AND k.conparentid = 0"
    " AND n.nspname <> 'tidegate'"
    " ORDER BY k.contype, pg_table_size(c.oid), n.nspname, c.relname, k.conname";

static bool
list_open(PGconn *target, PGresult **list, struct err *err)
{
    return pg_query(
        target, "target: list constraints that are not valid", open_sql, 0, NULL, list, err);
}

bool
validate_is_done(PGconn *target, bool *none, struct err *err)
{
    PGresult *list = NULL;
    bool ok = list_open(target, &list, err);
    *none = ok && PQntuples(list) == 0;
    PQclear(list);
    return ok;
}

static bool
valid_on_source(PGconn *source, const PGresult *list, int row, bool *valid, struct err *err)
{
    const char *params[] = {pg_str(list, row, 0), pg_str(list, row, 1), pg_str(list, row, 2)};
    PGresult *res = NULL;
    if (!pg_query(source, "source: look for a constraint",
            "SELECT 1 FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.convalidated"
            " AND n.nspname = $1 AND c.relname = $2 AND k.conname = $3",
            3, params, &res, err)) {
        return false;
    }
    *valid = PQntuples(res) > 0;
    PQclear(res);
    return true;
}

static bool
validate_one(
    PGconn *target, const PGresult *list, int row, const struct stop *stop, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 8192);
    buf_str(&sql, "ALTER TABLE ");
    sql_qualified(&sql, pg_str(list, row, 0), pg_str(list, row, 1));
    buf_str(&sql, " VALIDATE CONSTRAINT ");
    sql_ident(&sql, pg_str(list, row, 2));
    char *what = x_printf("validate constraint '%s' of '%s.%s'", pg_str(list, row, 2),
        pg_str(list, row, 0), pg_str(list, row, 1));
    bool ok = pg_exec_long(target, what, buf_cstr(&sql), stop, err);
    x_free(what);
    buf_done(&sql);
    return ok;
}

bool
validate_constraints(PGconn *source, PGconn *target, const struct stop *stop,
    struct reporter *report, struct err *err)
{
    PGresult *list = NULL;
    bool ok = list_open(target, &list, err);
    for (int i = 0; ok && i < PQntuples(list); i++) {
        bool valid = false;
        ok = valid_on_source(source, list, i, &valid, err);
        if (!ok || !valid || validate_one(target, list, i, stop, err)) {
            continue;
        }
        /* Rows that break it (23503, 23514), or the server's word on this constraint: not ours to
         * end. */
        ok = err->class == ERR_DATA || err->class == ERR_CONFIG;
        if (ok) {
            reporter_take(report, err);
        }
    }
    PQclear(list);
    return ok;
}
