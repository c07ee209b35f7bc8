/* SPDX-License-Identifier: Apache-2.0
 *
 * The order comes from the source's catalogs: a view's depth is the longest chain of views below
 * it.
 */
#include "agent/snapshot/matviews.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

static const char list_sql[] =
    "WITH RECURSIVE below(oid, depth) AS ("
    " SELECT oid, 0 FROM pg_class WHERE relkind = 'm' UNION"
    " SELECT r.ev_class, b.depth + 1 FROM below b"
    "  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.oid"
    "   AND d.classid = 'pg_rewrite'::regclass"
    "  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> b.oid"
    "  WHERE b.depth < 200)"
    " SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN (SELECT oid, max(depth) AS depth FROM below GROUP BY oid) b ON b.oid = c.oid"
    " WHERE c.relkind = 'm' AND c.relispopulated"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass"
    "  AND e.objid = c.oid AND e.deptype = 'e')"
    " ORDER BY b.depth, n.nspname, c.relname";

static bool
exists(PGconn *target, const char *quoted, bool *there, struct err *err)
{
    char *value = NULL;
    const char *params[] = {quoted};
    if (!pg_query_value(target, "target: look for a materialized view",
            "SELECT pg_catalog.to_regclass($1)", 1, params, &value, err)) {
        return false;
    }
    *there = value != NULL;
    x_free(value);
    return true;
}

static bool
refresh(PGconn *target, const char *quoted, const struct stop *stop, struct reporter *report,
    struct err *err)
{
    char *sql = x_printf("REFRESH MATERIALIZED VIEW %s", quoted);
    bool ok = pg_exec_long(target, sql, sql, stop, err);
    x_free(sql);
    if (!ok && (err->class == ERR_DATA || err->class == ERR_CONFIG)) {
        reporter_take(report, err);
        return true;
    }
    return ok;
}

bool
matviews_refresh(PGconn *source, PGconn *target, const struct stop *stop, struct reporter *report,
    struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(source, "source: list materialized views", list_sql, 0, NULL, &res, err)) {
        return false;
    }
    bool ok = true;
    for (int i = 0; ok && i < PQntuples(res); i++) {
        struct buf name;
        bool there = false;
        buf_init(&name, 4096);
        sql_qualified(&name, pg_str(res, i, 0), pg_str(res, i, 1));
        ok = exists(target, buf_cstr(&name), &there, err) &&
             (!there || refresh(target, buf_cstr(&name), stop, report, err));
        buf_done(&name);
    }
    PQclear(res);
    return ok;
}
