/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to one target, in one session: first what it says of itself, while the source is asked,
 * then what the source's answers ask for. Nothing is changed: what can only be found out by trying
 * is tried in a transaction that is rolled back.
 */
#include "agent/base/buf.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/preflight/facts.h"
#include "config/names.h"

#define SQL_MAX (16U << 20)

/* The functions are those that the sink needs to keep its position by an origin. */
static const char rights_sql[] =
    "SELECT has_database_privilege(current_database(), 'CREATE'),"
    " (SELECT coalesce(bool_and(has_function_privilege(p.oid, 'EXECUTE')), false)"
    "  FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ("
    "  'pg_replication_origin_create', 'pg_replication_origin_oid',"
    "  'pg_replication_origin_session_setup', 'pg_replication_origin_session_progress',"
    "  'pg_replication_origin_xact_setup')),"
    " coalesce(current_setting('max_active_replication_origins', true),"
    "  current_setting('max_replication_slots'))::bigint,"
    " coalesce(has_table_privilege(to_regclass('tidegate.ledger'), 'SELECT'), false),"
    " coalesce(has_table_privilege(to_regclass('tidegate.progress'), 'SELECT'), false),"
    " current_setting('max_prepared_transactions')::bigint";

static bool
read_rights(PGconn *conn, struct target_facts *f, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, "read the rights", rights_sql, 0, NULL, &res, err)) {
        return false;
    }
    f->may_create_schema = pg_bool(res, 0, 0);
    f->origin_callable = pg_bool(res, 0, 1);
    f->origins_max = pg_i64(res, 0, 2);
    f->prepared_max = pg_i64(res, 0, 5);
    PQclear(res);
    return true;
}

static bool
add_leftover(PGconn *conn, const char *sql, const char *key, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, "look for what an earlier run left", sql, 1, &key, &res, err)) {
        return false;
    }
    if (PQntuples(res) > 0) {
        out->items[out->len++] = arena_strdup(a, pg_str(res, 0, 0));
    }
    PQclear(res);
    return true;
}

static const char readable_sql[] =
    "SELECT coalesce(has_table_privilege(to_regclass('tidegate.ledger'), 'SELECT'), false),"
    " coalesce(has_table_privilege(to_regclass('tidegate.progress'), 'SELECT'), false)";

/* A stale position would make the sink skip changes, a stale ledger tables. */
static bool
read_leftovers(PGconn *conn, const struct preflight_input *in, const struct sink_config *sink,
    struct arena *a, struct preflight_names *out, struct err *err)
{
    char origin[ORIGIN_NAME_SIZE];
    PGresult *res = NULL;
    if (in->origin) {
        snprintf(origin, sizeof(origin), "%s", in->origin);
    } else {
        origin_name(in->config, (size_t)(sink - in->config->sinks), origin, sizeof(origin));
    }
    out->items = arena_alloc(a, 3 * sizeof(*out->items));
    if (!pg_query(conn, "look for tidegate's own tables", readable_sql, 0, NULL, &res, err)) {
        return false;
    }
    bool ledger = pg_bool(res, 0, 0), progress = pg_bool(res, 0, 1);
    PQclear(res);
    static const char origin_sql[] =
        "SELECT 'replication origin ' || roname FROM pg_replication_origin WHERE roname = $1";
    static const char progress_sql[] = "SELECT 'a position in tidegate.progress'"
                                       " FROM tidegate.progress WHERE origin = $1 LIMIT 1";
    static const char ledger_sql[] = "SELECT 'entries in tidegate.ledger'"
                                     " FROM tidegate.ledger WHERE migration = $1 LIMIT 1";
    return add_leftover(conn, origin_sql, origin, a, out, err) &&
           (!progress || add_leftover(conn, progress_sql, origin, a, out, err)) &&
           (!ledger || add_leftover(conn, ledger_sql, in->config->name, a, out, err));
}

/* Managed services let their own roles set it, by ways that the catalog does not show: trying is
 * the only sure answer. */
static bool
try_replication_role(PGconn *conn, struct target_facts *f, struct err *err)
{
    struct err refused = ERR_INIT;
    if (!pg_exec(conn, "begin", "BEGIN", err)) {
        return false;
    }
    f->role_settable = pg_exec(conn, "set session_replication_role",
        "SET LOCAL session_replication_role = replica", &refused);
    return pg_exec(conn, "roll back", "ROLLBACK", err);
}

static bool
read_lists(PGconn *conn, struct arena *a, struct target_facts *f, struct err *err)
{
    /* From 16 on, membership alone does not let one give objects away. */
    const char *assumable =
        f->common.server.version >= 160000
            ? "SELECT rolname::text COLLATE \"C\" FROM pg_roles WHERE pg_has_role(oid, 'SET')"
              " ORDER BY 1"
            : "SELECT rolname::text COLLATE \"C\" FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')"
              " ORDER BY 1";
    return preflight_read_names(conn, "list the available extensions",
               "SELECT name::text COLLATE \"C\" FROM pg_available_extensions ORDER BY 1", a,
               &f->available, err) &&
           preflight_read_names(conn, "list the extensions that may be created",
               "SELECT DISTINCT v.name::text COLLATE \"C\" FROM pg_available_extension_versions v"
               " JOIN pg_roles r ON r.rolname = CURRENT_USER"
               " WHERE v.installed OR v.trusted OR NOT v.superuser OR r.rolsuper ORDER BY 1",
               a, &f->installable, err) &&
           preflight_read_names(conn, "list the collations",
               "SELECT DISTINCT collname::text COLLATE \"C\" FROM pg_collation WHERE collencoding"
               " IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))"
               " ORDER BY 1",
               a, &f->collations, err) &&
           preflight_read_names(conn, "list the roles",
               "SELECT rolname::text COLLATE \"C\" FROM pg_roles ORDER BY 1", a, &f->roles, err) &&
           preflight_read_names(conn, "list the roles that objects may be given to", assumable, a,
               &f->assumable, err);
}

/* Schemas that exist here and will get objects, but not from us. */
static bool
read_closed_schemas(PGconn *conn, const struct source_facts *source, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT nspname FROM pg_namespace WHERE NOT has_schema_privilege(oid, 'CREATE')"
                  " AND nspname IN (''");
    const char *last = "";
    for (size_t i = 0; i < source->tables.len; i++) {
        const char *schema = source->tables.items[i].schema;
        if (strcmp(schema, last) != 0) {
            buf_str(&sql, ", ");
            sql_literal(&sql, schema);
            last = schema;
        }
    }
    buf_str(&sql, ") ORDER BY 1");
    bool ok = buf_ok(&sql, "list of schemas", err) &&
              preflight_read_names(conn, "look for schemas", buf_cstr(&sql), a, out, err);
    buf_done(&sql);
    return ok;
}

static bool
holds_rows(PGconn *conn, const struct pg_table *t, bool *out, struct err *err)
{
    struct buf sql;
    PGresult *res = NULL;
    buf_init(&sql, 4096);
    buf_str(&sql, "SELECT EXISTS (SELECT 1 FROM ");
    sql_qualified(&sql, t->schema, t->name);
    /* An extension fills its configuration tables itself; the copy empties them. */
    buf_str(&sql, ") AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend WHERE deptype = 'e'"
                  " AND objsubid = 0 AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
                  " AND objid = $1::pg_catalog.regclass)");
    struct buf name;
    buf_init(&name, 4096);
    sql_qualified(&name, t->schema, t->name);
    const char *params[] = {buf_cstr(&name)};
    bool ok = pg_query(conn, "look whether a table is empty", buf_cstr(&sql), 1, params, &res, err);
    buf_done(&name);
    buf_done(&sql);
    if (ok) {
        *out = pg_bool(res, 0, 0);
        PQclear(res);
    }
    return ok;
}

static bool
stands_in(const struct preflight_names *sorted, const char *name)
{
    size_t low = 0, high = sorted->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(sorted->items[middle], name);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static bool
read_not_empty(PGconn *conn, const struct source_facts *source, struct arena *a,
    struct target_facts *f, struct err *err)
{
    f->not_empty.items = arena_alloc(a, (source->tables.len + 1) * sizeof(*f->not_empty.items));
    for (size_t i = 0; i < source->tables.len; i++) {
        const struct pg_table *t = &source->tables.items[i];
        const char *name = preflight_qualified(a, t->schema, t->name);
        bool rows = false;
        if (!stands_in(&f->objects, name)) {
            continue;
        }
        if (!holds_rows(conn, t, &rows, err)) {
            return false;
        }
        if (rows) {
            f->not_empty.items[f->not_empty.len++] = name;
        }
    }
    return true;
}

bool
preflight_gather_target(const struct preflight_input *in, const struct sink_config *sink,
    struct arena *a, struct target_facts *out, struct err *err)
{
    out->name = sink->name;
    if (!preflight_connect(in->config, sink->dsn, &out->conn, &out->common, err)) {
        return false;
    }
    PGconn *conn = out->conn;
    return !out->common.reachable ||
           (read_rights(conn, out, err) && try_replication_role(conn, out, err) &&
               read_lists(conn, a, out, err) &&
               preflight_read_objects(conn, in->config, a, &out->objects, err) &&
               preflight_gather_target_globals(conn, a, &out->globals, err) &&
               (in->resume || read_leftovers(conn, in, sink, a, &out->leftovers, err)));
}

bool
preflight_compare_target(const struct preflight_input *in, const struct source_facts *source,
    struct arena *a, struct target_facts *out, struct err *err)
{
    PGconn *conn = out->conn;
    if (!out->common.reachable) {
        return true;
    }
    bool ok = read_closed_schemas(conn, source, a, &out->no_create, err) &&
              preflight_compare_target_globals(in, conn, source, a, &out->globals, err);
    /* Whether tables that must not be there are empty is of no interest. */
    if (ok && !in->resume && !in->attach && !in->config->schema.copy) {
        ok = read_not_empty(conn, source, a, out, err);
    }
    preflight_target_facts_done(out);
    return ok;
}

void
preflight_target_facts_done(struct target_facts *f)
{
    PQfinish(f->conn);
    f->conn = NULL;
}
