/* SPDX-License-Identifier: Apache-2.0
 *
 * Contents go by lo_get and lo_put in pieces of 1 MiB, in binary, so that memory does not depend on
 * the size of an object, and rights are those of ordinary functions (pg_largeobject itself is for
 * superusers).
 */
#include "agent/snapshot/large_objects.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/ledger.h"

#define PIECE       (1U << 20)
#define BATCH_BYTES (64ULL << 20)
#define BATCH_COUNT "500"
#define SQL_MAX     (64U << 20)

#define OID_OID     26
#define INT8_OID    20
#define BYTEA_OID   17

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

/* lo_get of a piece; the result holds it. */
static bool
get_piece(const struct copier *c, uint32_t oid, uint64_t offset, PGresult **out, struct err *err)
{
    uint32_t net_oid = htonl(oid), net_len = htonl(PIECE);
    uint64_t net_offset = htobe64(offset);
    const char *values[] = {
        (const char *)&net_oid, (const char *)&net_offset, (const char *)&net_len};
    const int lengths[] = {4, 8, 4}, formats[] = {1, 1, 1};
    static const Oid types[] = {OID_OID, INT8_OID, 23};
    *out = PQexecParams(
        c->source, "SELECT pg_catalog.lo_get($1, $2, $3)", 3, types, values, lengths, formats, 1);
    if (PQresultStatus(*out) == PGRES_TUPLES_OK) {
        return true;
    }
    pg_result_error(err, c->source, *out, "source: read large object %u", oid);
    PQclear(*out);
    *out = NULL;
    return false;
}

static bool
put_piece(
    const struct copier *c, uint32_t oid, uint64_t offset, const PGresult *piece, struct err *err)
{
    uint32_t net_oid = htonl(oid);
    uint64_t net_offset = htobe64(offset);
    const char *values[] = {
        (const char *)&net_oid, (const char *)&net_offset, PQgetvalue(piece, 0, 0)};
    const int lengths[] = {4, 8, PQgetlength(piece, 0, 0)}, formats[] = {1, 1, 1};
    static const Oid types[] = {OID_OID, INT8_OID, BYTEA_OID};
    PGresult *res = PQexecParams(
        c->target, "SELECT pg_catalog.lo_put($1, $2, $3)", 3, types, values, lengths, formats, 1);
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK;
    if (!ok) {
        pg_result_error(err, c->target, res, "target: write large object %u", oid);
    }
    PQclear(res);
    return ok;
}

static bool
create_one(const struct copier *c, uint32_t oid, struct err *err)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "SELECT pg_catalog.lo_create(%u)", oid);
    if (pg_exec(c->target, "target: create a large object", sql, err)) {
        return true;
    }
    if (strcmp(err->sqlstate, "23505") == 0) {
        err->class = ERR_CONFIG;
        err_hint(err, "the target has a large object with oid %u already: remove it", oid);
    }
    return false;
}

static bool
copy_one(const struct copier *c, uint32_t oid, uint64_t *bytes, struct err *err)
{
    if (!create_one(c, oid, err)) {
        return false;
    }
    for (uint64_t offset = 0;;) {
        if (stop_requested(c->stop)) {
            return err_set(err, ERR_CANCELLED, "copy of large objects stopped");
        }
        PGresult *piece = NULL;
        if (!get_piece(c, oid, offset, &piece, err)) {
            return false;
        }
        uint64_t len = (uint64_t)PQgetlength(piece, 0, 0);
        bool ok = len == 0 || put_piece(c, oid, offset, piece, err);
        PQclear(piece);
        if (!ok) {
            return false;
        }
        offset += len;
        *bytes += len;
        if (c->progress) {
            c->progress(0, len, c->arg);
        }
        if (len < PIECE) {
            return true;
        }
    }
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
        ok = copy_one(c, last, &bytes, err);
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
    if (!read_done(c, &last, err)) {
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
