/* SPDX-License-Identifier: Apache-2.0
 *
 * One query per list. What cannot be said in SQL without knowing the filter (a partition is meant
 * when an ancestor is) is decided here, over all tables read.
 *
 * Invariant: a list is a single allocation, the items first and their strings behind them, so that
 * freeing is one call and nothing in it can be freed twice.
 */
#include "agent/pg/catalog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define QUESTION_MAX 8192

static const char server_sql[] =
    "SELECT current_database(), current_user, pg_encoding_to_char(d.encoding), d.datcollate,"
    " d.datctype, current_setting('is_superuser') = 'on',"
    /* Managed services give the right through a role of theirs. */
    " r.rolsuper OR r.rolreplication OR EXISTS (SELECT 1 FROM pg_roles m WHERE m.rolname IN"
    "  ('rds_replication', 'rds_superuser', 'azure_pg_admin', 'alloydbsuperuser')"
    "  AND pg_has_role(m.oid, 'MEMBER')),"
    " pg_is_in_recovery(), has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
    " FROM pg_database d, pg_roles r"
    " WHERE d.datname = current_database() AND r.rolname = current_user";

bool
pg_server_read(PGconn *conn, struct pg_server *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    out->version = PQserverVersion(conn);
    PGresult *res = NULL;
    if (!pg_query(conn, "read the server's properties", server_sql, 0, NULL, &res, err)) {
        return false;
    }
    if (PQntuples(res) != 1) {
        PQclear(res);
        return err_set(err, ERR_DATA, "read the server's properties: the role is not in pg_roles");
    }
    snprintf(out->database, sizeof(out->database), "%s", pg_str(res, 0, 0));
    snprintf(out->user, sizeof(out->user), "%s", pg_str(res, 0, 1));
    snprintf(out->encoding, sizeof(out->encoding), "%s", pg_str(res, 0, 2));
    snprintf(out->collate, sizeof(out->collate), "%s", pg_str(res, 0, 3));
    snprintf(out->ctype, sizeof(out->ctype), "%s", pg_str(res, 0, 4));
    out->superuser = pg_bool(res, 0, 5);
    out->replication_role = pg_bool(res, 0, 6);
    out->in_recovery = pg_bool(res, 0, 7);
    bool may_read_control = pg_bool(res, 0, 8);
    PQclear(res);
    if (!may_read_control) {
        return true;
    }
    /* A query of its own: the right to call is checked even where the call is not reached. */
    if (!pg_query(conn, "read the system identifier",
            "SELECT system_identifier FROM pg_catalog.pg_control_system()", 0, NULL, &res, err)) {
        return false;
    }
    out->system_id = pg_u64(res, 0, 0);
    PQclear(res);
    return true;
}

/* --- tables --------------------------------------------------------------------------------- */

/* Columns of tables_sql. */
enum {
    T_OID,
    T_SCHEMA,
    T_NAME,
    T_KIND,
    T_IDENTITY,
    T_USABLE,
    T_UNLOGGED,
    T_PARENT,
    T_BYTES,
    T_PAGES,
    T_ROWS,
    T_OWNED,
    T_VIRTUAL,
};

static const char tables_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident,"
    " CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE EXISTS ("
    "  SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisunique"
    "  AND i.indimmediate AND i.indpred IS NULL"
    /* A generated column is not in the feed, or not of every server. */
    "  AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid"
    "   AND a.attnum = ANY (i.indkey) AND a.attgenerated <> '')"
    "  AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) END,"
    " c.relpersistence = 'u',"
    " CASE WHEN c.relispartition THEN"
    "  (SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1) END,"
    " coalesce(pg_table_size(c.oid), 0),"
    " coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int8,"
    " CASE WHEN c.relpages = 0 AND c.reltuples = 0 THEN -1 ELSE c.reltuples END,"
    " pg_has_role(c.relowner, 'MEMBER'),"
    " EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 'v')"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tidegate',"
    " 'tidegate_ddl')"
    " AND n.nspname !~ '^pg_(temp|toast_temp)_'"
    " AND (NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
    "   AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')"
    "  OR EXISTS (SELECT 1 FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))"
    " ORDER BY n.nspname, c.relname";

struct seen {
    uint32_t oid, parent; /* parent: 0 for a table that is no partition */
    int row;
    bool meant;
};

static int
compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return x->oid < y->oid ? -1 : x->oid > y->oid;
}

static const struct seen *
find_seen(const struct seen *all, size_t n, uint32_t oid)
{
    struct seen key = {.oid = oid};
    return oid && n ? bsearch(&key, all, n, sizeof(*all), compare_seen) : NULL;
}

static bool
excluded_by_name(const struct table_filter *f, const char *schema, const char *name)
{
    for (size_t i = 0; i < f->exclude_len; i++) {
        if (table_pattern_match(f->exclude[i], schema, name)) {
            return true;
        }
    }
    return false;
}

/* The nearest of table and ancestors about which the filter has an opinion decides, from the top:
 * an included ancestor brings its partitions along, an excluded one takes them away. */
static bool
is_meant(const PGresult *res, const struct table_filter *f, const struct seen *all, size_t n,
    const struct seen *table)
{
    bool meant =
        table_filter_match(f, pg_str(res, table->row, T_SCHEMA), pg_str(res, table->row, T_NAME));
    const struct seen *up = find_seen(all, n, table->parent);
    for (int depth = 0; up && depth < 64; depth++) {
        const char *schema = pg_str(res, up->row, T_SCHEMA);
        const char *name = pg_str(res, up->row, T_NAME);
        if (table_filter_match(f, schema, name)) {
            meant = true;
        } else if (excluded_by_name(f, schema, name)) {
            meant = false;
        }
        up = find_seen(all, n, up->parent);
    }
    return meant;
}

static uint32_t
root_of(const struct seen *all, size_t n, const struct seen *table)
{
    uint32_t root = 0;
    const struct seen *at = table;
    for (int depth = 0; at && at->parent && depth < 64; depth++) {
        root = at->parent;
        at = find_seen(all, n, root);
    }
    return root;
}

static const char *
put_string(char **at, const char *s)
{
    size_t len = strlen(s) + 1;
    char *out = *at;
    memcpy(out, s, len);
    *at += len;
    return out;
}

static double
parse_estimate(const char *s)
{
    char *end = NULL;
    double v = strtod(s, &end);
    return end != s && *end == 0 ? v : -1;
}

static void
fill_table(struct pg_table *t, const PGresult *res, int row, char **strings)
{
    t->oid = pg_oid(res, row, T_OID);
    t->schema = put_string(strings, pg_str(res, row, T_SCHEMA));
    t->name = put_string(strings, pg_str(res, row, T_NAME));
    t->kind = pg_str(res, row, T_KIND)[0];
    t->identity = pg_str(res, row, T_IDENTITY)[0];
    t->identity_usable = pg_bool(res, row, T_USABLE);
    t->unlogged = pg_bool(res, row, T_UNLOGGED);
    t->partition = pg_oid(res, row, T_PARENT) != 0;
    t->bytes = pg_u64(res, row, T_BYTES);
    t->pages = pg_oid(res, row, T_PAGES);
    t->rows = parse_estimate(pg_str(res, row, T_ROWS));
    t->owned = pg_bool(res, row, T_OWNED);
    t->virtual_columns = pg_bool(res, row, T_VIRTUAL);
}

static void
take_tables(const PGresult *res, struct seen *all, size_t n, const struct table_filter *f,
    struct pg_tables *out)
{
    size_t count = 0, strings = 0;
    for (size_t i = 0; i < n; i++) {
        all[i].meant = is_meant(res, f, all, n, &all[i]);
        if (all[i].meant) {
            count++;
            strings += strlen(pg_str(res, all[i].row, T_SCHEMA)) +
                       strlen(pg_str(res, all[i].row, T_NAME)) + 2;
        }
    }
    char *block = x_zalloc(count * sizeof(struct pg_table) + strings + 1);
    char *at = block + count * sizeof(struct pg_table);
    out->items = (struct pg_table *)(void *)block;
    for (int row = 0; row < (int)n; row++) {
        const struct seen *s = find_seen(all, n, pg_oid(res, row, T_OID));
        if (s && s->meant) {
            struct pg_table *t = &out->items[out->len++];
            fill_table(t, res, row, &at);
            t->root = root_of(all, n, s);
        }
    }
    assert(out->len == count);
}

bool
pg_tables_read(PGconn *conn, const struct table_filter *f, struct pg_tables *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    PGresult *res = NULL;
    if (!pg_query(conn, "list the tables", tables_sql, 0, NULL, &res, err)) {
        return false;
    }
    size_t n = (size_t)PQntuples(res);
    struct seen *all = x_zalloc((n + 1) * sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        all[i] =
            (struct seen){pg_oid(res, (int)i, T_OID), pg_oid(res, (int)i, T_PARENT), (int)i, false};
    }
    qsort(all, n, sizeof(*all), compare_seen);
    take_tables(res, all, n, f, out);
    x_free(all);
    PQclear(res);
    return true;
}

void
pg_tables_free(struct pg_tables *t)
{
    x_free(t->items);
    memset(t, 0, sizeof(*t));
}

/* --- columns -------------------------------------------------------------------------------- */

/* Types whose binary form is the value itself, the same on every server and since version 10. Left
 * out: names of objects (reg*: an oid in binary), internal types, and xml (the form names an
 * encoding). */
static bool
scalar_binary_exact(uint32_t oid)
{
    static const uint16_t exact[] = {
        16,   /* bool */
        17,   /* bytea */
        18,   /* "char" */
        19,   /* name */
        20,   /* int8 */
        21,   /* int2 */
        23,   /* int4 */
        25,   /* text */
        26,   /* oid */
        27,   /* tid */
        28,   /* xid */
        29,   /* cid */
        114,  /* json */
        600,  /* point */
        601,  /* lseg */
        602,  /* path */
        603,  /* box */
        604,  /* polygon */
        628,  /* line */
        650,  /* cidr */
        700,  /* float4 */
        701,  /* float8 */
        718,  /* circle */
        774,  /* macaddr8 */
        790,  /* money */
        829,  /* macaddr */
        869,  /* inet */
        1042, /* bpchar */
        1043, /* varchar */
        1082, /* date */
        1083, /* time */
        1114, /* timestamp */
        1184, /* timestamptz */
        1186, /* interval */
        1266, /* timetz */
        1560, /* bit */
        1562, /* varbit */
        1700, /* numeric */
        2950, /* uuid */
        3220, /* pg_lsn */
        3614, /* tsvector */
        3802, /* jsonb */
        3904, /* int4range */
        3906, /* numrange */
        3908, /* tsrange */
        3910, /* tstzrange */
        3912, /* daterange */
        3926, /* int8range */
    };
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        if (exact[i] == oid) {
            return true;
        }
    }
    return false;
}

void
pg_names_values(struct buf *sql, const struct pg_name *names, size_t n)
{
    buf_str(sql, " (VALUES ");
    for (size_t i = 0; i < n; i++) {
        buf_printf(sql, "%s(%zu, ", i ? ", " : "", i);
        sql_literal(sql, names[i].schema);
        buf_str(sql, ", ");
        sql_literal(sql, names[i].name);
        buf_str(sql, ")");
    }
    buf_str(sql, ") AS q (n, ns, nm)");
}

void
pg_columns_question(struct buf *sql, const PGconn *conn, const struct pg_name *names, size_t n)
{
    /* A true array (its own subscripts, of varying length) is judged by its element; oidvector and
     * int2vector have elements too, but are types of their own. A domain is its base type on the
     * wire. */
    buf_str(sql, "SELECT a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod),"
                 " CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END,"
                 " CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.oid NOT IN (22, 30)"
                 "  THEN t.typelem ELSE 0 END, q.n FROM");
    pg_names_values(sql, names, n);
    buf_printf(sql,
        " JOIN pg_namespace s ON s.nspname = q.ns"
        " JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = q.nm"
        " JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE a.attnum > 0 AND NOT a.attisdropped%s ORDER BY q.n, a.attnum",
        PQserverVersion(conn) >= 120000 ? " AND a.attgenerated = ''" : "");
}

/* Rows [from, to) of the answer. */
static void
take_columns(const PGresult *res, int from, int to, struct pg_columns *out)
{
    size_t n = (size_t)(to - from), strings = 0;
    for (int i = from; i < to; i++) {
        strings += strlen(pg_str(res, i, 0)) + strlen(pg_str(res, i, 2)) + 2;
    }
    char *block = x_zalloc(n * sizeof(struct pg_column) + strings + 1);
    char *at = block + n * sizeof(struct pg_column);
    *out = (struct pg_columns){.items = (struct pg_column *)(void *)block};
    for (int i = from; i < to; i++) {
        struct pg_column *c = &out->items[out->len++];
        uint32_t element = pg_oid(res, i, 4);
        c->name = put_string(&at, pg_str(res, i, 0));
        c->type_oid = pg_oid(res, i, 1);
        c->type_name = put_string(&at, pg_str(res, i, 2));
        c->binary_exact = scalar_binary_exact(element ? element : pg_oid(res, i, 3));
    }
}

void
pg_columns_take(const PGresult *res, struct pg_columns *out, size_t n)
{
    int from = 0;
    for (size_t i = 0; i < n; i++) {
        int to = from;
        while (to < PQntuples(res) && pg_u64(res, to, 5) == i) {
            to++;
        }
        take_columns(res, from, to, &out[i]);
        from = to;
    }
}

bool
pg_columns_read(
    PGconn *conn, const char *schema, const char *name, struct pg_columns *out, struct err *err)
{
    const struct pg_name one = {schema, name};
    PGresult *res = NULL;
    struct buf sql;
    memset(out, 0, sizeof(*out));
    buf_init(&sql, QUESTION_MAX);
    pg_columns_question(&sql, conn, &one, 1);
    bool ok = pg_query(conn, "list the columns", buf_cstr(&sql), 0, NULL, &res, err);
    buf_done(&sql);
    if (!ok) {
        return err_wrap(err, "table '%s.%s'", schema, name);
    }
    pg_columns_take(res, out, 1);
    PQclear(res);
    return true;
}

void
pg_columns_free(struct pg_columns *c)
{
    x_free(c->items);
    memset(c, 0, sizeof(*c));
}
