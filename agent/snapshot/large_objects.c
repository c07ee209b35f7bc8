/* SPDX-License-Identifier: Apache-2.0
 *
 * What the ledger holds: one row "lo-begun" when this migration began to put objects there, one row
 * "lo-kept N" for each that stood on the target before, and "lo N" for the last of each batch.
 */
#include "agent/snapshot/large_objects.h"

#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/large_object_io.h"
#include "agent/snapshot/ledger.h"

#define BATCH_BYTES (64ULL << 20)
#define BATCH_COUNT "500"
#define SQL_MAX     (64U << 20)

bool
large_objects_exist(PGconn *source, bool *exist, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(source, "source: look for large objects",
            "SELECT 1 FROM pg_catalog.pg_largeobject_metadata LIMIT 1", 0, NULL, &res, err)) {
        return false;
    }
    *exist = PQntuples(res) > 0;
    PQclear(res);
    return true;
}

bool
large_objects_begin(PGconn *target, const char *migration, struct err *err)
{
    const char *params[] = {migration};
    PGresult *res = NULL;
    bool ok = pg_query(target, "target: note the large objects that are there",
        "WITH begun AS (INSERT INTO tidegate.ledger (migration, item) SELECT $1, 'lo-begun'"
        "  WHERE NOT EXISTS (SELECT 1 FROM tidegate.ledger WHERE migration = $1"
        "   AND (item = 'lo-begun' OR item LIKE 'lo %')) RETURNING migration)"
        " INSERT INTO tidegate.ledger (migration, item)"
        " SELECT migration, 'lo-kept ' || m.oid FROM begun, pg_catalog.pg_largeobject_metadata m",
        1, params, &res, err);
    PQclear(res);
    return ok;
}

/* The highest oid that is recorded. */
static bool
read_done(const struct copier *c, uint32_t *last, struct err *err)
{
    struct ledger l = {0};
    size_t first;
    *last = 0;
    if (!ledger_read(c->target, c->migration, &l, err)) {
        return false;
    }
    size_t n = ledger_prefix(&l, "lo ", &first);
    for (size_t i = first; i < first + n; i++) {
        uint32_t oid;
        if (parse_u32(l.items[i] + 3, &oid) && oid > *last) {
            *last = oid;
        }
    }
    ledger_free(&l);
    return true;
}

/* Columns of list_batch: oid, owner, comment, grants as statements. */
static bool
list_batch(const struct copier *c, uint32_t after, PGresult **out, struct err *err)
{
    char last[16];
    snprintf(last, sizeof(last), "%u", after);
    const char *params[] = {last};
    return pg_query(c->source, "source: list large objects",
        "SELECT m.oid, pg_get_userbyid(m.lomowner), obj_description(m.oid, 'pg_largeobject'),"
        " (SELECT string_agg(format('GRANT %s ON LARGE OBJECT %s TO %s%s;', a.privilege_type, "
        "m.oid,"
        "   CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
        "   CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '')"
        "  FROM aclexplode(m.lomacl) a WHERE a.grantee <> m.lomowner)"
        " FROM pg_largeobject_metadata m WHERE m.oid > $1::oid ORDER BY m.oid LIMIT " BATCH_COUNT,
        1, params, out, err);
}

static void
describe_one(const PGresult *list, int row, bool owner, bool grants, struct buf *sql)
{
    const char *oid = pg_str(list, row, 0);
    if (!PQgetisnull(list, row, 2)) {
        buf_printf(sql, "COMMENT ON LARGE OBJECT %s IS ", oid);
        sql_literal(sql, pg_str(list, row, 2));
        buf_str(sql, ";");
    }
    if (grants) {
        buf_str(sql, pg_str(list, row, 3));
    }
    if (owner) {
        buf_printf(sql, "ALTER LARGE OBJECT %s OWNER TO ", oid);
        sql_ident(sql, pg_str(list, row, 1));
        buf_str(sql, ";");
    }
}

/* One transaction with as many objects of the list as fit; *last is the oid of the last one in it.
 */
static bool
copy_batch(
    const struct copier *c, const PGresult *list, int *row, const bool options[2], struct err *err)
{
    struct buf sql;
    uint64_t bytes = 0;
    buf_init(&sql, SQL_MAX);
    bool ok = pg_exec(c->target, "target: begin", "BEGIN", err);
    uint32_t last = 0;
    for (; ok && *row < PQntuples(list) && bytes < BATCH_BYTES; (*row)++) {
        last = pg_oid(list, *row, 0);
        ok = large_object_create(c, last, err) && large_object_pour(c, last, &bytes, err);
        describe_one(list, *row, options[0], options[1], &sql);
    }
    char item[LEDGER_ITEM_SIZE];
    snprintf(item, sizeof(item), "lo %u", last);
    ok = ok && buf_ok(&sql, "large objects", err) &&
         (sql.len == 0 ||
             pg_exec(c->target, "target: describe large objects", buf_cstr(&sql), err)) &&
         ledger_add(c->target, c->migration, item, err) &&
         pg_exec(c->target, "target: commit", "COMMIT", err);
    buf_done(&sql);
    return ok;
}

bool
large_objects_copy(const struct copier *c, bool owner, bool grants, struct err *err)
{
    const bool options[2] = {owner, grants};
    uint32_t last;
    if (!large_objects_begin(c->target, c->migration, err) || !read_done(c, &last, err)) {
        return false;
    }
    for (;;) {
        PGresult *list = NULL;
        if (!list_batch(c, last, &list, err)) {
            return false;
        }
        int n = PQntuples(list), row = 0;
        bool ok = true;
        while (ok && row < n) {
            ok = copy_batch(c, list, &row, options, err);
        }
        last = n ? pg_oid(list, n - 1, 0) : last;
        PQclear(list);
        if (!ok || n == 0) {
            return ok;
        }
    }
}
