/* SPDX-License-Identifier: Apache-2.0
 *
 * First both lists of objects are gone through side by side, which settles what is new, what is
 * gone and what stands beside the contents; then the contents of those that may differ are
 * compared.
 *
 * Which may: pg_largeobject is a table, and every write to an object leaves at least one new row
 * version there (truncating does, too), whose xmin is not older than the oldest transaction that
 * ran when the mark was taken. Only who may read that table can ask so; others compare everything.
 *
 * Writes are grouped into transactions of moderate size. An object is written in place: a reader of
 * the target before the cutover is over may see it half.
 */
#include "agent/snapshot/large_object_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/large_object_io.h"
#include "agent/snapshot/large_objects.h"
#include "agent/snapshot/ledger.h"

#define SQL_MAX     (64U << 20)
#define LIST_COUNT  "5000"
#define BATCH_COUNT 500
#define GROUP_COUNT 500
#define GROUP_BYTES (64ULL << 20)
#define DIGEST      64 /* hexadecimal digits of one piece */

struct work {
    const struct large_object_sync *s;
    struct large_object_counts *n;
    uint32_t *kept; /* sorted */
    size_t kept_len;
    uint32_t open; /* statements in the target's transaction; 0: none is open */
    uint64_t open_bytes;
};

/* --- the target's transactions -------------------------------------------------------------- */

static bool
go_on(const struct work *w, struct err *err)
{
    const struct large_object_sync *s = w->s;
    if (stop_requested(s->c->stop)) {
        return err_set(err, ERR_CANCELLED, "comparing large objects: stopped");
    }
    return !s->go_on || s->go_on(w->n, s->arg, err);
}

static bool
commit(struct work *w, struct err *err)
{
    bool ok = w->open == 0 || pg_exec(w->s->c->target, "target: commit", "COMMIT", err);
    w->open = 0;
    w->open_bytes = 0;
    return ok;
}

/* Called around each object that is written. */
static bool
begin(struct work *w, struct err *err)
{
    if ((w->open >= GROUP_COUNT || w->open_bytes >= GROUP_BYTES) && !commit(w, err)) {
        return false;
    }
    return w->open++ > 0 || pg_exec(w->s->c->target, "target: begin", "BEGIN", err);
}

/* --- the lists ------------------------------------------------------------------------------ */

/* Columns of a list. */
enum { L_OID, L_OWNER, L_COMMENT, L_GRANTS, L_REVOKES };

static const char list_sql[] =
    "SELECT m.oid, pg_get_userbyid(m.lomowner), obj_description(m.oid, 'pg_largeobject'), a.given,"
    " a.taken FROM pg_largeobject_metadata m LEFT JOIN LATERAL ("
    "  SELECT string_agg(format('GRANT %s ON LARGE OBJECT %s TO %s%s;', x.privilege_type, m.oid,"
    "    x.who, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), ''"
    "    ORDER BY x.who COLLATE \"C\", x.privilege_type) AS given,"
    "   string_agg(DISTINCT format('REVOKE ALL ON LARGE OBJECT %s FROM %s;', m.oid, x.who), '')"
    "    AS taken"
    "  FROM (SELECT e.privilege_type, e.is_grantable, CASE e.grantee WHEN 0 THEN 'PUBLIC'"
    "    ELSE quote_ident(pg_get_userbyid(e.grantee)) END AS who FROM aclexplode(m.lomacl) e"
    "   WHERE e.grantee <> m.lomowner) x) a ON true"
    " WHERE m.oid > $1::oid ORDER BY m.oid LIMIT " LIST_COUNT;

struct list {
    PGconn *conn;
    const char *what;
    PGresult *res;
    int row;
    uint32_t oid; /* of the row; UINT32_MAX at the end */
};

static bool
list_next(const struct work *w, struct list *l, struct err *err)
{
    if (l->res && ++l->row < PQntuples(l->res)) {
        l->oid = pg_oid(l->res, l->row, L_OID);
        return true;
    }
    char last[16];
    snprintf(last, sizeof(last), "%u", l->oid);
    const char *params[] = {last};
    PQclear(l->res);
    l->row = 0;
    if (!pg_query_long(l->conn, l->what, list_sql, 1, params, w->s->c->stop, &l->res, err)) {
        return false;
    }
    l->oid = PQntuples(l->res) > 0 ? pg_oid(l->res, 0, L_OID) : UINT32_MAX;
    return go_on(w, err);
}

static bool
same(const struct list *a, const struct list *b, int column)
{
    return PQgetisnull(a->res, a->row, column) == PQgetisnull(b->res, b->row, column) &&
           strcmp(pg_str(a->res, a->row, column), pg_str(b->res, b->row, column)) == 0;
}

/* What must be said to the target about the object; `there` NULL: it is new. */
static void
describe(const struct work *w, const struct list *a, const struct list *there, struct buf *sql)
{
    const char *oid = pg_str(a->res, a->row, L_OID);
    bool comment = there ? !same(a, there, L_COMMENT) : !PQgetisnull(a->res, a->row, L_COMMENT);
    bool owner = w->s->owner && !(there && same(a, there, L_OWNER));
    if (comment) {
        buf_printf(sql, "COMMENT ON LARGE OBJECT %s IS ", oid);
        if (PQgetisnull(a->res, a->row, L_COMMENT)) {
            buf_str(sql, "NULL");
        } else {
            sql_literal(sql, pg_str(a->res, a->row, L_COMMENT));
        }
        buf_str(sql, ";");
    }
    /* A new owner keeps what others were granted, so the order does not matter. */
    if (w->s->grants && !(there && same(a, there, L_GRANTS))) {
        buf_str(sql, there ? pg_str(there->res, there->row, L_REVOKES) : "");
        buf_str(sql, pg_str(a->res, a->row, L_GRANTS));
    }
    if (owner) {
        buf_printf(sql, "ALTER LARGE OBJECT %s OWNER TO ", oid);
        sql_ident(sql, pg_str(a->res, a->row, L_OWNER));
        buf_str(sql, ";");
    }
}

static bool
say(struct work *w, const struct list *a, const struct list *there, bool *said, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    describe(w, a, there, &sql);
    *said = sql.len > 0;
    bool ok =
        buf_ok(&sql, "description of a large object", err) &&
        (!*said || (begin(w, err) && pg_exec(w->s->c->target, "target: describe a large object",
                                         buf_cstr(&sql), err)));
    buf_done(&sql);
    return ok;
}

/* Vanished while the source is in use: what stands on the target of it now goes with the next call.
 */
static bool
vanished(const struct work *w, struct err *err)
{
    bool gone = w->s->in_use && strcmp(err->sqlstate, "42704") == 0 &&
                PQtransactionStatus(w->s->c->target) != PQTRANS_INERROR;
    if (gone) {
        err_clear(err);
    }
    return gone;
}

static bool
create(struct work *w, const struct list *a, struct err *err)
{
    const struct copier *c = w->s->c;
    uint64_t bytes = 0;
    bool said;
    if (!begin(w, err) || !large_object_create(c, a->oid, err)) {
        return false;
    }
    if (!large_object_pour(c, a->oid, &bytes, err) && !vanished(w, err)) {
        return false;
    }
    w->open_bytes += bytes;
    w->n->bytes += bytes;
    w->n->created++;
    return say(w, a, NULL, &said, err) && go_on(w, err);
}

static int
compare_oid(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool
drop(struct work *w, uint32_t oid, struct err *err)
{
    char sql[64];
    if (w->kept_len && bsearch(&oid, w->kept, w->kept_len, sizeof(*w->kept), compare_oid)) {
        w->n->foreign++;
        return true;
    }
    snprintf(sql, sizeof(sql), "SELECT pg_catalog.lo_unlink(%u)", oid);
    w->n->removed++;
    return begin(w, err) && pg_exec(w->s->c->target, "target: remove a large object", sql, err);
}

static bool
settle_one(struct work *w, struct list *a, struct list *b, struct err *err)
{
    bool said = false;
    if (a->oid < b->oid) {
        w->n->objects++;
        return create(w, a, err) && list_next(w, a, err);
    }
    if (b->oid < a->oid) {
        return drop(w, b->oid, err) && list_next(w, b, err);
    }
    w->n->objects++;
    if (!say(w, a, b, &said, err)) {
        return false;
    }
    w->n->described += said;
    return list_next(w, a, err) && list_next(w, b, err);
}

static bool
settle_lists(struct work *w, struct err *err)
{
    struct list a = {.conn = w->s->c->source, .what = "source: list large objects"};
    struct list b = {.conn = w->s->c->target, .what = "target: list large objects"};
    bool ok = list_next(w, &a, err) && list_next(w, &b, err);
    while (ok && (a.oid != UINT32_MAX || b.oid != UINT32_MAX)) {
        ok = settle_one(w, &a, &b, err);
    }
    PQclear(a.res);
    PQclear(b.res);
    return ok && commit(w, err);
}

/* --- the contents --------------------------------------------------------------------------- */

/* Columns: oid, size, digests of all pieces one behind the other. A hole reads as zeros, as it does
 * everywhere. */
static const char digest_sql[] =
    "SELECT o.oid, d.size, d.digests FROM unnest($1::oid[]) o(oid)"
    " JOIN pg_largeobject_metadata m ON m.oid = o.oid, LATERAL ("
    "  WITH RECURSIVE p(i, len, sum) AS ("
    "   SELECT 0::int8, length(x.b), sha256(x.b)"
    "    FROM (SELECT lo_get(o.oid, 0, 1048576) AS b OFFSET 0) x"
    "   UNION ALL"
    "   SELECT p.i + 1, length(x.b), sha256(x.b) FROM p, LATERAL ("
    "    SELECT lo_get(o.oid, (p.i + 1) * 1048576, 1048576) AS b OFFSET 0) x"
    "    WHERE p.len = 1048576)"
    "  SELECT sum(len)::int8 AS size, string_agg(encode(sum, 'hex'), '' ORDER BY i) AS digests"
    "  FROM p) d ORDER BY o.oid";

_Static_assert(LARGE_OBJECT_PIECE == 1048576, "digest_sql has the same pieces");

static bool
renew_piece(struct work *w, uint32_t oid, uint64_t offset, struct err *err)
{
    PGresult *piece = NULL;
    if (!large_object_get(w->s->c, oid, offset, &piece, err)) {
        return false;
    }
    uint64_t len = (uint64_t)PQgetlength(piece, 0, 0);
    bool ok = len == 0 || large_object_put(w->s->c, oid, offset, piece, err);
    PQclear(piece);
    w->open_bytes += len;
    w->n->bytes += len;
    return ok && go_on(w, err);
}

static bool
renew(struct work *w, const PGresult *a, int i, const PGresult *b, int k, struct err *err)
{
    uint32_t oid = pg_oid(a, i, 0);
    const char *want = pg_str(a, i, 2), *have = pg_str(b, k, 2);
    size_t want_len = strlen(want), have_len = strlen(have);
    if (pg_u64(a, i, 1) == pg_u64(b, k, 1) && strcmp(want, have) == 0) {
        return true;
    }
    if (!begin(w, err)) {
        return false;
    }
    w->n->changed++;
    for (size_t at = 0; at < want_len; at += DIGEST) {
        bool equal = at < have_len && strncmp(want + at, have + at, DIGEST) == 0;
        uint64_t offset = at / DIGEST * (uint64_t)LARGE_OBJECT_PIECE;
        if (!equal && !renew_piece(w, oid, offset, err)) {
            return vanished(w, err);
        }
    }
    return large_object_cut(w->s->c, oid, pg_u64(a, i, 1), err);
}

/* A list of oids, ordered, as an array literal. */
static bool
compare_batch(struct work *w, const char *oids, struct err *err)
{
    const struct copier *c = w->s->c;
    const char *params[] = {oids};
    PGresult *a = NULL, *b = NULL;
    bool ok = pg_query_long(c->source, "source: read large objects", digest_sql, 1, params, c->stop,
                  &a, err) &&
              pg_query_long(
                  c->target, "target: read large objects", digest_sql, 1, params, c->stop, &b, err);
    for (int i = 0, k = 0; ok && i < PQntuples(a); i++) {
        uint32_t oid = pg_oid(a, i, 0);
        while (k < PQntuples(b) && pg_oid(b, k, 0) < oid) {
            k++;
        }
        w->n->compared++;
        if (k < PQntuples(b) && pg_oid(b, k, 0) == oid) {
            ok = renew(w, a, i, b, k, err);
        } else if (!w->s->in_use) {
            ok = err_set(err, ERR_RETRY, "large object %u came while they were compared", oid);
        }
    }
    PQclear(a);
    PQclear(b);
    return ok && go_on(w, err);
}

static const char all_sql[] = "DECLARE tidegate_lo NO SCROLL CURSOR WITH HOLD FOR"
                              " SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY 1";

/* A difference of ages is right beyond a wrap of transaction ids; one that is too old to tell
 * counts as new. */
static bool
declare_cursor(struct work *w, struct err *err)
{
    char sql[400];
    if (!w->s->since || !*w->s->since) {
        return pg_exec_long(
            w->s->c->source, "source: list large objects", all_sql, w->s->c->stop, err);
    }
    snprintf(sql, sizeof(sql),
        "DECLARE tidegate_lo NO SCROLL CURSOR WITH HOLD FOR"
        " SELECT DISTINCT loid FROM pg_catalog.pg_largeobject"
        " WHERE pg_catalog.age(xmin) <= pg_catalog.age('%.20s'::xid8::xid) ORDER BY 1",
        w->s->since);
    return pg_exec_long(w->s->c->source, "source: look for large objects that were written", sql,
        w->s->c->stop, err);
}

static bool
fetch_batch(struct work *w, struct buf *oids, bool *end, struct err *err)
{
    PGresult *res = NULL;
    char sql[64];
    snprintf(sql, sizeof(sql), "FETCH %d FROM tidegate_lo", BATCH_COUNT);
    if (!pg_query(w->s->c->source, "source: list large objects", sql, 0, NULL, &res, err)) {
        return false;
    }
    buf_reset(oids);
    buf_str(oids, "{");
    for (int i = 0; i < PQntuples(res); i++) {
        buf_printf(oids, "%s%s", i ? "," : "", pg_str(res, i, 0));
    }
    buf_str(oids, "}");
    *end = PQntuples(res) == 0;
    PQclear(res);
    return buf_ok(oids, "list of large objects", err);
}

/* The cursor is held outside of a transaction, so that an object which vanishes spoils nothing. */
static bool
compare_contents(struct work *w, struct err *err)
{
    struct buf oids;
    bool end = false;
    if (!declare_cursor(w, err)) {
        return false;
    }
    buf_init(&oids, SQL_MAX);
    bool ok = fetch_batch(w, &oids, &end, err);
    while (ok && !end) {
        ok = compare_batch(w, buf_cstr(&oids), err) && fetch_batch(w, &oids, &end, err);
    }
    buf_done(&oids);
    return ok && pg_exec(w->s->c->source, "source: close the list", "CLOSE tidegate_lo", err) &&
           commit(w, err);
}

/* --- the whole ------------------------------------------------------------------------------ */

static bool
read_kept(struct work *w, struct err *err)
{
    struct ledger l = {0};
    size_t first;
    if (!large_objects_begin(w->s->c->target, w->s->c->migration, err) ||
        !ledger_read(w->s->c->target, w->s->c->migration, &l, err)) {
        return false;
    }
    static const char prefix[] = "lo-kept ";
    size_t n = ledger_prefix(&l, prefix, &first);
    w->kept = x_malloc((n + 1) * sizeof(*w->kept));
    for (size_t i = first; i < first + n; i++) {
        w->kept_len += parse_u32(l.items[i] + sizeof(prefix) - 1, &w->kept[w->kept_len]);
    }
    qsort(w->kept, w->kept_len, sizeof(*w->kept), compare_oid);
    ledger_free(&l);
    return true;
}

bool
large_object_mark(PGconn *source, char mark[LARGE_OBJECT_MARK_SIZE], struct err *err)
{
    char *value = NULL;
    mark[0] = 0;
    if (!pg_query_value(source, "source: read the oldest transaction",
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text WHERE"
            " has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') UNION ALL SELECT ''"
            " LIMIT 1",
            0, NULL, &value, err)) {
        return false;
    }
    snprintf(mark, LARGE_OBJECT_MARK_SIZE, "%s", value ? value : "");
    x_free(value);
    return true;
}

bool
large_objects_sync(
    const struct large_object_sync *s, struct large_object_counts *out, struct err *err)
{
    struct work w = {.s = s, .n = out};
    *out = (struct large_object_counts){0};
    bool ok = read_kept(&w, err) && settle_lists(&w, err) && compare_contents(&w, err);
    if (!ok && w.open && PQstatus(s->c->target) == CONNECTION_OK) {
        struct err ignored = ERR_INIT;
        (void)!pg_exec(s->c->target, "target: roll back", "ROLLBACK", &ignored);
    }
    x_free(w.kept);
    return ok;
}
