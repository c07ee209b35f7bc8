/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about what stands beside the tables: roles, subscriptions, versions of extensions and
 * collations, tablespaces.
 */
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/preflight/facts.h"
#include "agent/snapshot/roles.h"

#define SQL_MAX (16U << 20)

static const char roles_sql[] =
    ROLES_NEEDED " SELECT r.rolname::text COLLATE \"C\" FROM needed JOIN pg_roles r USING (oid)"
                 " WHERE r.rolname NOT LIKE 'pg\\_%' ORDER BY 1";
static const char superusers_sql[] =
    ROLES_NEEDED " SELECT r.rolname::text COLLATE \"C\" FROM needed JOIN pg_roles r USING (oid)"
                 " WHERE r.rolsuper ORDER BY 1";

static const char subscriptions_sql[] =
    "SELECT s.subname::text COLLATE \"C\" FROM pg_subscription s JOIN pg_database d"
    " ON d.oid = s.subdbid WHERE d.datname = current_database() ORDER BY 1";

/* Options are NULL of mappings that have none, and of those that we may not see. */
static const char mappings_sql[] =
    "SELECT DISTINCT format('%s of server %s', usename, srvname) COLLATE \"C\""
    " FROM pg_user_mappings, pg_roles r WHERE umoptions IS NULL AND r.rolname = CURRENT_USER"
    " AND NOT r.rolsuper ORDER BY 1";

static const char labels_sql[] =
    "SELECT DISTINCT provider::text COLLATE \"C\" FROM pg_seclabel ORDER BY 1";

static const char tablespaces_sql[] =
    "SELECT DISTINCT t.spcname::text COLLATE \"C\" FROM pg_class c JOIN pg_tablespace t"
    " ON t.oid = c.reltablespace WHERE c.oid >= 16384 AND t.spcname <> 'pg_global' ORDER BY 1";

static const char extension_versions_sql[] =
    "SELECT (extname || ' ' || extversion)::text COLLATE \"C\" FROM pg_extension ORDER BY 1";

static const char used_collations_sql[] =
    "SELECT DISTINCT (co.collname || ' ' || pg_collation_actual_version(co.oid)) COLLATE \"C\""
    " FROM pg_attribute a JOIN pg_collation co ON co.oid = a.attcollation"
    " JOIN pg_class c ON c.oid = a.attrelid WHERE c.oid >= 16384 AND NOT a.attisdropped"
    " AND co.collnamespace = 'pg_catalog'::regnamespace AND co.collprovider <> 'd'"
    " AND pg_collation_actual_version(co.oid) IS NOT NULL ORDER BY 1";

/* The database's own collation as people know it: "libc", "icu de-DE"; and its version there. */
static const char *
default_collation_sql(int version)
{
    if (version >= 170000) {
        return "SELECT CASE datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu ' || datlocale"
               " ELSE 'builtin ' || datlocale END,"
               " coalesce(pg_database_collation_actual_version(oid), '')"
               " FROM pg_database WHERE datname = current_database()";
    }
    if (version >= 150000) {
        return "SELECT CASE datlocprovider WHEN 'c' THEN 'libc' ELSE 'icu ' || daticulocale END,"
               " coalesce(pg_database_collation_actual_version(oid), '')"
               " FROM pg_database WHERE datname = current_database()";
    }
    return "SELECT 'libc', ''";
}

bool
preflight_read_collation(
    PGconn *conn, struct arena *a, struct collation_facts *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, "read the database's collation",
            default_collation_sql(PQserverVersion(conn)), 0, NULL, &res, err)) {
        return false;
    }
    out->provider = arena_strdup(a, pg_str(res, 0, 0));
    out->version = arena_strdup(a, pg_str(res, 0, 1));
    PQclear(res);
    return true;
}

static bool
read_flag(PGconn *conn, const char *what, const char *sql, bool *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, what, sql, 0, NULL, &res, err)) {
        return false;
    }
    *out = PQntuples(res) > 0 && pg_bool(res, 0, 0);
    PQclear(res);
    return true;
}

bool
preflight_gather_source_globals(
    PGconn *conn, struct arena *a, struct source_globals *g, struct err *err)
{
    const struct {
        const char *what, *sql;
        struct preflight_names *out;
    } lists[] = {
        {"list the roles of the database", roles_sql, &g->roles},
        {"list the superusers of the database", superusers_sql, &g->superusers},
        {"list the subscriptions", subscriptions_sql, &g->subscriptions},
        {"list the user mappings", mappings_sql, &g->hidden_mappings},
        {"list the providers of security labels", labels_sql, &g->label_providers},
        {"list the tablespaces", tablespaces_sql, &g->tablespaces},
        {"list the versions of extensions", extension_versions_sql, &g->extensions},
        {"list the versions of collations", used_collations_sql, &g->collations},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (!preflight_read_names(conn, lists[i].what, lists[i].sql, a, lists[i].out, err)) {
            return false;
        }
    }
    return read_flag(conn, "read rights",
               "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')", &g->reads_passwords,
               err) &&
           preflight_read_collation(conn, a, &g->collation, err);
}

/* --- the target ---------------------------------------------------------------------------------
 */

/* Of tables that are there already: policies that would refuse our rows, sequences that we may not
 * set. `head` ends before a list of pairs. */
static bool
read_of_tables(PGconn *conn, const char *head, const struct source_facts *source, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, head);
    buf_str(&sql, " AND (n.nspname, c.relname) IN (('', '')");
    for (size_t i = 0; i < source->tables.len; i++) {
        buf_str(&sql, ", (");
        sql_literal(&sql, source->tables.items[i].schema);
        buf_str(&sql, ", ");
        sql_literal(&sql, source->tables.items[i].name);
        buf_str(&sql, ")");
    }
    buf_str(&sql, ") ORDER BY 1");
    bool ok = buf_ok(&sql, "list of tables", err) &&
              preflight_read_names(conn, "look at the tables", buf_cstr(&sql), a, out, err);
    buf_done(&sql);
    return ok;
}

static const char policies_sql[] =
    "SELECT (n.nspname || '.' || c.relname) COLLATE \"C\" FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND row_security_active(c.oid)";

static const char closed_sequences_sql[] =
    "SELECT DISTINCT (sn.nspname || '.' || s.relname) COLLATE \"C\" FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid"
    "  AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
    " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
    " JOIN pg_namespace sn ON sn.oid = s.relnamespace"
    /* The order of conditions is the planner's: a TOAST table depends on its table in this way,
       too. */
    " WHERE CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'UPDATE')"
    " ELSE false END";

bool
preflight_gather_target_globals(
    PGconn *conn, struct arena *a, struct target_globals *g, struct err *err)
{
    return read_flag(conn, "read rights",
               "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = CURRENT_USER",
               &g->may_create_roles, err) &&
           preflight_read_collation(conn, a, &g->collation, err) &&
           preflight_read_names(conn, "list the tablespaces",
               "SELECT spcname::text COLLATE \"C\" FROM pg_tablespace ORDER BY 1", a,
               &g->tablespaces, err) &&
           preflight_read_names(conn, "list the versions of extensions",
               "SELECT (name || ' ' || coalesce(installed_version, default_version))::text COLLATE "
               "\"C\" FROM pg_available_extensions ORDER BY 1",
               a, &g->extensions, err) &&
           preflight_read_names(conn, "list the versions of collations",
               "SELECT DISTINCT (collname || ' ' || pg_collation_actual_version(oid)) COLLATE \"C\""
               " FROM pg_collation WHERE collprovider <> 'd' AND collencoding IN (-1, (SELECT "
               "encoding"
               "  FROM pg_database WHERE datname = current_database()))"
               " AND pg_collation_actual_version(oid) IS NOT NULL ORDER BY 1",
               a, &g->collations, err);
}

bool
preflight_compare_target_globals(const struct preflight_input *in, PGconn *conn,
    const struct source_facts *source, struct arena *a, struct target_globals *g, struct err *err)
{
    if (in->config->schema.copy) {
        return true;
    }
    return read_of_tables(conn, policies_sql, source, a, &g->row_security, err) &&
           read_of_tables(conn, closed_sequences_sql, source, a, &g->closed_sequences, err);
}
