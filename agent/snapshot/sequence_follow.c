/* SPDX-License-Identifier: Apache-2.0
 *
 * Both lists are ordered by schema and name, bytewise as type name sorts, so they are gone through
 * side by side.
 */
#include "agent/snapshot/sequence_follow.h"

#include <string.h>

#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/sequences.h"

#define SQL_MAX     (64U << 20)
/* What the server itself may lose of a sequence in a crash. */
#define AHEAD_LEAST 32

/* Columns of a look. */
enum { C_SCHEMA, C_NAME, C_INCREMENT, C_MIN, C_MAX, C_CYCLES, C_LAST };

/* The value is NULL of one that nobody has used yet, and of one that may not be read. */
static const char look_sql[] =
    "SELECT n.nspname, c.relname, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,"
    " CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE')"
    "  THEN pg_sequence_last_value(c.oid) END"
    " FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relpersistence <> 't' AND n.nspname <> 'tidegate'"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass"
    "  AND e.objid = c.oid AND e.deptype = 'e')"
    " ORDER BY n.nspname, c.relname";

bool
sequence_follow_look(PGconn *source, const struct stop *stop, PGresult **out, struct err *err)
{
    return pg_query_long(
        source, "source: look at the sequences", look_sql, 0, NULL, stop, out, err);
}

/* Positive: in the direction of the sequence. In steps, no more than can be counted. */
static bool
moved_on(const struct sequence_state *a, const struct sequence_state *b, uint64_t *steps)
{
    bool up = b->increment > 0;
    if (b->increment == 0 || (up ? b->last < a->last : b->last > a->last)) {
        return false;
    }
    uint64_t way =
        up ? (uint64_t)b->last - (uint64_t)a->last : (uint64_t)a->last - (uint64_t)b->last;
    *steps = way / (up ? (uint64_t)b->increment : 0 - (uint64_t)b->increment);
    return true;
}

struct sequence_move
sequence_follow_decide(
    const struct sequence_state *before, const struct sequence_state *now, bool all)
{
    struct sequence_move m = {.value = now->last};
    uint64_t steps = 0;
    if (!now->used) {
        return m;
    }
    if (!before || !before->used) {
        m.send = true; /* how fast it moves is known at the next look */
        return m;
    }
    if (!moved_on(before, now, &steps)) {
        /* Set back by hand, which the cutover will follow; or round the end. */
        m.send = m.wrapped = now->cycles;
        return m;
    }
    m.send = all || now->last != before->last;
    if (now->last != before->last) {
        uint64_t ahead = steps > UINT64_MAX / 2 ? steps : 2 * steps;
        ahead = ahead < AHEAD_LEAST ? AHEAD_LEAST : ahead;
        m.value = sequence_ahead(now->last, ahead, now->increment, now->min, now->max);
    }
    return m;
}

static struct sequence_state
state_of(const PGresult *look, int row)
{
    return (struct sequence_state){.used = !PQgetisnull(look, row, C_LAST),
        .last = pg_i64(look, row, C_LAST),
        .increment = pg_i64(look, row, C_INCREMENT),
        .min = pg_i64(look, row, C_MIN),
        .max = pg_i64(look, row, C_MAX),
        .cycles = pg_bool(look, row, C_CYCLES)};
}

static int
compare(const PGresult *a, int i, const PGresult *b, int k)
{
    int order = strcmp(pg_str(a, i, C_SCHEMA), pg_str(b, k, C_SCHEMA));
    return order ? order : strcmp(pg_str(a, i, C_NAME), pg_str(b, k, C_NAME));
}

/* Columns of the list: schema, name, value, wrapped. */
static uint32_t
list_moves(const struct sequence_looks *l, struct buf *sql)
{
    const PGresult *before = l->before, *now = l->now;
    uint32_t n = 0;
    int old = 0, old_len = before ? PQntuples(before) : 0;
    for (int i = 0; i < PQntuples(now); i++) {
        while (old < old_len && compare(before, old, now, i) < 0) {
            old++;
        }
        bool known = old < old_len && compare(before, old, now, i) == 0;
        struct sequence_state a = {0}, b = state_of(now, i);
        if (known) {
            a = state_of(before, old);
        }
        struct sequence_move m = sequence_follow_decide(known ? &a : NULL, &b, l->all);
        if (!m.send) {
            continue;
        }
        buf_str(sql, n++ ? ", (" : "(");
        sql_literal(sql, pg_str(now, i, C_SCHEMA));
        buf_str(sql, ", ");
        sql_literal(sql, pg_str(now, i, C_NAME));
        buf_printf(sql, ", '%lld'::int8, %s)", (long long)m.value, m.wrapped ? "true" : "false");
    }
    return n;
}

bool
sequence_follow_set(PGconn *target, const struct sequence_looks *looks, const struct stop *stop,
    uint32_t *count, struct err *err)
{
    struct buf sql;
    PGresult *res = NULL;
    *count = 0;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "WITH v (ns, nm, val, wrapped) AS (VALUES ");
    uint32_t n = list_moves(looks, &sql);
    buf_str(&sql,
        "), c AS MATERIALIZED (SELECT c.oid, v.val, v.wrapped, s.seqincrement > 0 AS up,"
        "  pg_catalog.pg_sequence_last_value(c.oid) AS last"
        " FROM v JOIN pg_catalog.pg_namespace n ON n.nspname = v.ns"
        " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = v.nm"
        "  AND c.relkind = 'S'"
        " JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid"
        " WHERE v.val BETWEEN s.seqmin AND s.seqmax)"
        " SELECT pg_catalog.setval(oid::pg_catalog.regclass, val, true) FROM c"
        " WHERE last IS NULL OR wrapped OR CASE WHEN up THEN val > last ELSE val < last END");
    bool ok = buf_ok(&sql, "moves of sequences", err) &&
              (n == 0 || pg_query_long(target, "target: set sequences", buf_cstr(&sql), 0, NULL,
                             stop, &res, err));
    *count = res ? (uint32_t)PQntuples(res) : 0;
    PQclear(res);
    buf_done(&sql);
    return ok;
}
