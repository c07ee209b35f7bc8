/* SPDX-License-Identifier: Apache-2.0
 *
 * One catalog query per table. It follows domains and arrays down to the type whose equality
 * decides, and takes that from the type's default btree or hash operator class, as the server
 * itself does for keys: an operator that is merely named "=" may mean something else (boxes of
 * equal area). The search path is empty, so operators of extensions are written with their schema.
 */
#include "sinks/postgres/target.h"

#include <string.h>

#include "agent/base/buf.h"
#include "agent/pg/together.h"

#define STATEMENT "tg_target"

enum field {
    F_KIND,
    F_NAME,
    F_TYPE,
    F_TYPE_NAME,
    F_EQUALS,
    F_EXACT,
    F_GENERATED,
    F_ALWAYS,
    F_UNIQUE,
    F_ARRAY,
    F_ONE_UNIQUE,
    F_UNSEEN,
    F_NAMES,
    F_COUNT
};

/* Triggers and rules count that fire in this session: 'O' stands for all but the role "replica",
 * 'R' for this one, 'A' for all.
 *
 * %1$s: number of key columns of an index; %2$s: generated; %3$s: deterministic collation */
static const char query[] =
    "WITH RECURSIVE fires AS ("
    " SELECT CASE pg_catalog.current_setting('session_replication_role')"
    "  WHEN 'replica' THEN 'R' ELSE 'O' END AS code"
    "), tab AS ("
    " SELECT c.oid, c.relkind,"
    "  (SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid"
    "   AND (i.indisunique OR i.indisexclusion)) = 1 AS one_unique,"
    "  c.relkind = 'r' AND NOT pg_catalog.row_security_active(c.oid)"
    "  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid"
    "   AND g.tgenabled::text IN ('A', fires.code))"
    "  AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid"
    "   AND w.ev_enabled::text IN ('A', fires.code)) AS unseen"
    " FROM fires, pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1::text AND c.relname = $2::text"
    "), uni AS ("
    " SELECT (i.indkey::int2[])[0:%1$s - 1] AS keys"
    " FROM tab JOIN pg_catalog.pg_index i ON i.indrelid = tab.oid"
    " WHERE i.indisunique AND i.indimmediate AND i.indisvalid"
    " AND i.indpred IS NULL AND i.indexprs IS NULL"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid"
    "  AND a.attnum = ANY ((i.indkey::int2[])[0:%1$s - 1])"
    "  AND (NOT a.attnotnull OR a.attname::text <> ALL ($3::text[])))"
    " ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indexrelid LIMIT 1"
    "), walk (attnum, typ, array_of) AS ("
    " SELECT a.attnum, a.atttypid, false"
    " FROM tab JOIN pg_catalog.pg_attribute a ON a.attrelid = tab.oid"
    " WHERE a.attnum > 0 AND NOT a.attisdropped"
    " UNION ALL"
    " SELECT w.attnum, CASE y.typtype WHEN 'd' THEN y.typbasetype ELSE y.typelem END,"
    "  w.array_of OR y.typtype <> 'd'"
    " FROM walk w JOIN pg_catalog.pg_type y ON y.oid = w.typ"
    " WHERE y.typtype = 'd' OR (y.typcategory = 'A' AND y.typelem <> 0 AND y.typlen = -1)"
    "), parts (attnum, typ) AS ("
    " SELECT w.attnum, w.typ FROM walk w"
    " UNION SELECT p.attnum, part.typ FROM parts p CROSS JOIN LATERAL ("
    "  SELECT y.typbasetype AS typ FROM pg_catalog.pg_type y WHERE y.oid = p.typ"
    "  UNION ALL SELECT y.typelem FROM pg_catalog.pg_type y WHERE y.oid = p.typ"
    "  UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g"
    "   WHERE p.typ IN (g.rngtypid, g.rngmultitypid)"
    "  UNION ALL SELECT e.atttypid FROM pg_catalog.pg_type y"
    "   JOIN pg_catalog.pg_attribute e ON e.attrelid = y.typrelid AND e.attnum > 0"
    "   AND NOT e.attisdropped WHERE y.oid = p.typ AND y.typrelid <> 0) part WHERE part.typ <> 0"
    "), naming AS ("
    " SELECT DISTINCT p.attnum FROM parts p WHERE p.typ IN (24, 2202, 2203, 2204, 2205, 2206, 3734,"
    "  3769, 4089, 4096, 4191)"
    ") SELECT tab.relkind, a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, NULL),"
    " CASE WHEN y.typtype IN ('e', 'r', 'm') OR (w.array_of AND eq.op IS NOT NULL) THEN '='"
    "  ELSE eq.op END,"
    " y.typtype = 'e' OR y.oid IN (16, 17, 18, 20, 21, 23, 26, 650, 774, 829, 869, 1082, 1083,"
    "  1114, 1184, 2950) OR (y.oid IN (19, 25, 1043) AND %3$s),"
    " %2$s, a.attidentity = 'a', coalesce(a.attnum = ANY (uni.keys), false),"
    " coalesce((SELECT z.typarray FROM pg_catalog.pg_type z WHERE z.oid = a.atttypid"
    "  AND z.typtype = 'b' AND z.typcategory <> 'A' AND z.oid <> 3615), 0), tab.one_unique, "
    "tab.unseen,"
    " a.attnum IN (SELECT attnum FROM naming)"
    /* A table may have no columns, and is there all the same. */
    " FROM tab LEFT JOIN (walk w"
    "  JOIN pg_catalog.pg_attribute a ON a.attnum = w.attnum AND a.attrelid IN (SELECT oid FROM "
    "tab)"
    "  JOIN pg_catalog.pg_type y ON y.oid = w.typ AND NOT (y.typtype = 'd'"
    "   OR (y.typcategory = 'A' AND y.typelem <> 0 AND y.typlen = -1))) ON true"
    " LEFT JOIN uni ON true"
    " LEFT JOIN LATERAL (SELECT CASE n.nspname WHEN 'pg_catalog' THEN o.oprname::text"
    "  ELSE pg_catalog.format('OPERATOR(%%I.%%s)', n.nspname, o.oprname) END AS op"
    "  FROM pg_catalog.pg_opclass k JOIN pg_catalog.pg_amop p ON p.amopfamily = k.opcfamily"
    "   AND p.amoplefttype = k.opcintype AND p.amoprighttype = k.opcintype"
    "   AND p.amoppurpose = 's' AND p.amopstrategy = CASE k.opcmethod WHEN 403 THEN 3 ELSE 1 END"
    "  JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    "  WHERE k.opcdefault AND k.opcmethod IN (403, 405) AND (k.opcintype = y.oid"
    "   OR EXISTS (SELECT FROM pg_catalog.pg_cast ca WHERE ca.castsource = y.oid"
    "    AND ca.casttarget = k.opcintype AND ca.castmethod = 'b' AND ca.castcontext = 'i'))"
    "  ORDER BY k.opcintype = y.oid DESC, k.opcmethod LIMIT 1) eq ON true"
    " ORDER BY a.attnum";

bool
target_prepare(PGconn *conn, struct err *err)
{
    int version = PQserverVersion(conn);
    const char *deterministic =
        "coalesce((SELECT l.collisdeterministic FROM pg_catalog.pg_collation l"
        " WHERE l.oid = a.attcollation), true)";
    char *sql = x_printf(query, version >= 110000 ? "i.indnkeyatts" : "i.indnatts",
        version >= 120000 ? "a.attgenerated <> ''" : "false",
        version >= 120000 ? deterministic : "true");
    const struct pg_statement statement = {.name = STATEMENT, .sql = sql};
    bool ok = pg_prepare_together(conn, "prepare the target's catalog query", &statement, 1, err);
    x_free(sql);
    return ok;
}

/* The relation's column names as an array literal. */
static void
column_names(const struct relation *r, struct buf *out)
{
    buf_u8(out, '{');
    for (uint16_t i = 0; i < r->columns_len; i++) {
        buf_str(out, i > 0 ? ",\"" : "\"");
        for (const char *s = r->columns[i].name; *s; s++) {
            if (*s == '"' || *s == '\\') {
                buf_u8(out, '\\');
            }
            buf_u8(out, (uint8_t)*s);
        }
        buf_u8(out, '"');
    }
    buf_u8(out, '}');
}

static bool
ask_catalog(struct pipe *p, const struct relation *r, struct err *err)
{
    struct buf names;
    buf_init(&names, 1 << 20);
    column_names(r, &names);
    const char *values[3] = {r->schema, r->name, buf_cstr(&names)};
    struct flight_entry *e = pipe_next(p, names.len + 200, err);
    bool ok = e != NULL;
    if (ok) {
        e->kind = FLIGHT_QUERY;
        e->label = "read the target's catalog";
        ok = pipe_execute(p, &(struct pipe_statement){STATEMENT, 3, values, NULL, NULL}, err) &&
             pipe_drain(p, err);
    }
    buf_done(&names);
    return ok;
}

bool
target_read(struct pipe *p, const struct relation *r, struct target *out, struct err *err)
{
    *out = (struct target){0};
    return ask_catalog(p, r, err) && target_parse(p->rows, r, out, err);
}

static bool
field_true(const PGresult *rows, int row, int field)
{
    return PQgetvalue(rows, row, field)[0] == 't';
}

static bool
parse_column(const PGresult *rows, int row, struct target *t, struct target_column *c)
{
    const char *equals = PQgetisnull(rows, row, F_EQUALS) ? NULL : PQgetvalue(rows, row, F_EQUALS);
    *c = (struct target_column){
        .name = arena_strdup(&t->memory, PQgetvalue(rows, row, F_NAME)),
        .type_oid = (uint32_t)strtoul(PQgetvalue(rows, row, F_TYPE), NULL, 10),
        .type_name = arena_strdup(&t->memory, PQgetvalue(rows, row, F_TYPE_NAME)),
        .equals = equals ? arena_strdup(&t->memory, equals) : NULL,
        .exact = field_true(rows, row, F_EXACT),
        .generated = field_true(rows, row, F_GENERATED),
        .always_identity = field_true(rows, row, F_ALWAYS),
        .unique = field_true(rows, row, F_UNIQUE),
        .names_objects = field_true(rows, row, F_NAMES),
        .array_oid = (uint32_t)strtoul(PQgetvalue(rows, row, F_ARRAY), NULL, 10),
    };
    return c->name && c->type_name && (!equals || c->equals);
}

static int
find_row(const PGresult *rows, const char *name)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        if (strcmp(PQgetvalue(rows, i, F_NAME), name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Whether every column that can be written is one of the relation's. */
static bool
is_whole(const PGresult *rows, const struct relation *r)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        bool found = PQgetisnull(rows, row, F_NAME) || field_true(rows, row, F_GENERATED);
        for (uint16_t i = 0; !found && i < r->columns_len; i++) {
            found = strcmp(PQgetvalue(rows, row, F_NAME), r->columns[i].name) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool
check_kind(const struct relation *r, char kind, struct err *err)
{
    if (kind == 'r' || kind == 'p' || kind == 'f') {
        return true;
    }
    err_set(err, ERR_DATA, "'%s.%s' is no table on the target", r->schema, r->name);
    return err_hint(err, "rename what stands there, and restore the table");
}

static bool
missing_columns(const struct relation *r, const char *names, struct err *err)
{
    err_set(
        err, ERR_DATA, "table '%s.%s' on the target lacks column %s", r->schema, r->name, names);
    memcpy(err->sqlstate, "42703", 6);
    return err_hint(err, "add the column to the target's table, with the source's type");
}

bool
target_parse(const PGresult *rows, const struct relation *r, struct target *out, struct err *err)
{
    *out = (struct target){.present = PQntuples(rows) > 0};
    if (!out->present) {
        return true;
    }
    arena_init(&out->memory, 1024, 0);
    out->kind = PQgetvalue(rows, 0, F_KIND)[0];
    out->one_unique = field_true(rows, 0, F_ONE_UNIQUE);
    out->unseen = field_true(rows, 0, F_UNSEEN);
    out->whole = is_whole(rows, r);
    out->columns = arena_zalloc(&out->memory, (r->columns_len + 1u) * sizeof *out->columns);
    struct buf missing;
    buf_init(&missing, 300);
    bool memory = out->columns != NULL;
    for (uint16_t i = 0; memory && i < r->columns_len; i++) {
        int row = find_row(rows, r->columns[i].name);
        if (row < 0) {
            buf_printf(&missing, "%s'%s'", missing.len ? ", " : "", r->columns[i].name);
        } else {
            struct target_column *c = &out->columns[i];
            memory = parse_column(rows, row, out, c);
            c->same_type = c->type_oid == r->columns[i].type_oid && !c->names_objects;
            out->has_unique |= out->columns[i].unique;
        }
    }
    bool ok = memory || err_set(err, ERR_FATAL, "out of memory");
    ok = ok && check_kind(r, out->kind, err);
    if (ok && missing.len > 0) {
        missing.failed = false;
        ok = missing_columns(r, buf_cstr(&missing), err);
    }
    buf_done(&missing);
    if (!ok) {
        target_done(out);
    }
    return ok;
}

void
target_done(struct target *t)
{
    arena_done(&t->memory);
    *t = (struct target){0};
}
