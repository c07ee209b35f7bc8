/* SPDX-License-Identifier: Apache-2.0
 *
 * The value of a sequence stands in the sequence itself, so the source is asked by a UNION over all
 * of them; a very long one is cut into several. The target is told in one statement, which also
 * finds out what it does not have.
 */
#include "agent/snapshot/sequences.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define PER_QUERY 500
#define SQL_MAX   (64U << 20)

struct value {
    int64_t last;
    bool called, known;
};

/* Columns: schema, name, increment, min, max, schema and name of the table that owns it. */
static const char list_sql[] =
    "SELECT n.nspname, c.relname, s.seqincrement, s.seqmin, s.seqmax, o.nspname, o.relname"
    " FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN LATERAL ("
    "  SELECT tn.nspname, t.relname FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid"
    "  JOIN pg_namespace tn ON tn.oid = t.relnamespace"
    "  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')"
    "  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 LIMIT 1) o ON true"
    " WHERE c.relpersistence <> 't' AND n.nspname <> 'tidegate'"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass"
    "  AND e.objid = c.oid AND e.deptype = 'e')"
    " ORDER BY n.nspname, c.relname";

int64_t
sequence_ahead(int64_t v, uint64_t steps, int64_t increment, int64_t min, int64_t max)
{
    bool up = increment > 0;
    if (increment == 0 || v < min || v > max) {
        return v;
    }
    uint64_t by = up ? (uint64_t)increment : 0 - (uint64_t)increment;
    uint64_t room = up ? (uint64_t)max - (uint64_t)v : (uint64_t)v - (uint64_t)min;
    uint64_t most = room / by;
    uint64_t far = (steps < most ? steps : most) * by;
    return (int64_t)(up ? (uint64_t)v + far : (uint64_t)v - far);
}

static bool
read_some(
    PGconn *source, const PGresult *list, int from, int to, struct value *values, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    for (int i = from; i < to; i++) {
        buf_printf(
            &sql, "%sSELECT %d, last_value, is_called FROM ", i == from ? "" : " UNION ALL ", i);
        sql_qualified(&sql, pg_str(list, i, 0), pg_str(list, i, 1));
    }
    PGresult *res = NULL;
    bool ok = buf_ok(&sql, "list of sequences", err) &&
              pg_query(source, "source: read sequences", buf_cstr(&sql), 0, NULL, &res, err);
    for (int row = 0; ok && row < PQntuples(res); row++) {
        int64_t i = pg_i64(res, row, 0);
        values[i] = (struct value){pg_i64(res, row, 1), pg_bool(res, row, 2), true};
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

static void
literal_or_null(struct buf *sql, const PGresult *list, int row, int column)
{
    if (PQgetisnull(list, row, column)) {
        buf_str(sql, "NULL");
    } else {
        sql_literal(sql, pg_str(list, row, column));
    }
}

/* Columns of the answer: schema, name, whether it was set, whether it is missed. One that belongs
 * to a table that the target does not have is not missed. */
static void
build_set(const PGresult *list, const struct value *values, uint64_t margin, struct buf *sql)
{
    buf_str(sql, "SELECT v.ns, v.nm, CASE WHEN c.oid IS NOT NULL THEN"
                 " pg_catalog.setval(c.oid::pg_catalog.regclass, v.val, v.called) IS NOT NULL"
                 " ELSE false END, c.oid IS NULL AND (v.ons IS NULL OR EXISTS ("
                 " SELECT 1 FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace tn"
                 " ON tn.oid = t.relnamespace WHERE tn.nspname = v.ons AND t.relname = v.onm))"
                 " FROM (VALUES (NULL::text, NULL::text, NULL::int8, NULL::bool, NULL::text,"
                 " NULL::text)");
    for (int i = 0; i < PQntuples(list); i++) {
        if (!values[i].known) {
            continue;
        }
        buf_str(sql, ", (");
        sql_literal(sql, pg_str(list, i, 0));
        buf_str(sql, ", ");
        sql_literal(sql, pg_str(list, i, 1));
        int64_t val = sequence_ahead(
            values[i].last, margin, pg_i64(list, i, 2), pg_i64(list, i, 3), pg_i64(list, i, 4));
        buf_printf(sql, ", %lld, %s, ", (long long)val, values[i].called ? "true" : "false");
        literal_or_null(sql, list, i, 5);
        buf_str(sql, ", ");
        literal_or_null(sql, list, i, 6);
        buf_str(sql, ")");
    }
    buf_str(sql, ") AS v(ns, nm, val, called, ons, onm)"
                 " LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = v.ns"
                 " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = v.nm"
                 " AND c.relkind = 'S' WHERE v.ns IS NOT NULL");
}

static bool
judge(const PGresult *res, uint32_t *count, struct err *err)
{
    struct buf missing;
    buf_init(&missing, 400);
    int missed = 0;
    *count = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        *count += pg_bool(res, i, 2);
        if (pg_bool(res, i, 3)) {
            buf_printf(
                &missing, "%s'%s.%s'", missed++ ? ", " : "", pg_str(res, i, 0), pg_str(res, i, 1));
        }
    }
    if (missed) {
        err_set(err, ERR_DATA, "%d sequence%s of the source %s not on the target: %s%s", missed,
            missed == 1 ? "" : "s", missed == 1 ? "is" : "are", buf_cstr(&missing),
            missing.failed ? " ..." : "");
        err_hint(err, "create them on the target");
    }
    buf_done(&missing);
    return missed == 0;
}

static bool
set_all(PGconn *target, const PGresult *list, const struct value *values, uint64_t margin,
    uint32_t *count, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    build_set(list, values, margin, &sql);
    PGresult *res = NULL;
    bool ok = buf_ok(&sql, "values of sequences", err) &&
              pg_query(target, "target: set sequences", buf_cstr(&sql), 0, NULL, &res, err) &&
              judge(res, count, err);
    PQclear(res);
    buf_done(&sql);
    return ok;
}

bool
sequences_carry(PGconn *source, PGconn *target, uint64_t margin, uint32_t *count, struct err *err)
{
    PGresult *list = NULL;
    *count = 0;
    if (!pg_query(source, "source: list sequences", list_sql, 0, NULL, &list, err)) {
        return false;
    }
    int n = PQntuples(list);
    struct value *values = x_zalloc(((size_t)n + 1) * sizeof(*values));
    bool ok = true;
    for (int from = 0; ok && from < n; from += PER_QUERY) {
        int to = from + PER_QUERY < n ? from + PER_QUERY : n;
        ok = read_some(source, list, from, to, values, err);
    }
    ok = ok && (n == 0 || set_all(target, list, values, margin, count, err));
    x_free(values);
    PQclear(list);
    return ok;
}
