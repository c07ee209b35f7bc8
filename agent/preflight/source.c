/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the source, in one session. Every query names its schema (the search path is empty),
 * and none takes a lock that an application could feel.
 */
#include <inttypes.h>

#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pg/references.h"
#include "agent/preflight/facts.h"

/* Schemas that no migration carries. */
#define NO_SYSTEM(n)                                                                               \
    " " n ".nspname NOT LIKE 'pg\\_%' AND " n                                                      \
    ".nspname NOT IN ('information_schema', 'tidegate', 'tidegate_ddl')"
#define NO_MEMBER(class, oid)                                                                      \
    " NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '" class "'::regclass"               \
                                                                       " AND d.objid = " oid       \
                                                                       " AND d.deptype = 'e')"

static struct table_filter
filter_of(const struct config *config)
{
    return (struct table_filter){.include = (const char *const *)config->tables.include.items,
        .include_len = config->tables.include.len,
        .exclude = (const char *const *)config->tables.exclude.items,
        .exclude_len = config->tables.exclude.len};
}

bool
preflight_connect(const struct config *config, const char *dsn, PGconn **out,
    struct server_facts *facts, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate check", .timeout_us = config->network.timeout_us};
    facts->reachable = pg_connect(dsn, &o, out, &facts->error);
    if (!facts->reachable) {
        return true;
    }
    PGresult *res = NULL;
    if (!pg_server_read(*out, &facts->server, err) ||
        !pg_query(*out, "read the connection limits",
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')",
            0, NULL, &res, err)) {
        PQfinish(*out);
        *out = NULL;
        return false;
    }
    facts->connections_max = pg_i64(res, 0, 0);
    facts->connections_used = pg_i64(res, 0, 1);
    PQclear(res);
    return true;
}

static struct preflight_names
names_of(const PGresult *res, struct arena *a)
{
    size_t n = (size_t)PQntuples(res);
    struct preflight_names out = {arena_alloc(a, (n + 1) * sizeof(*out.items)), n};
    for (size_t i = 0; i < n; i++) {
        out.items[i] = arena_strdup(a, pg_str(res, (int)i, 0));
    }
    return out;
}

bool
preflight_read_names(PGconn *conn, const char *what, const char *sql, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, what, sql, 0, NULL, &res, err)) {
        return false;
    }
    *out = names_of(res, a);
    PQclear(res);
    return true;
}

/* Rows (schema, name), of which those stay that the filter takes. */
static bool
read_filtered(PGconn *conn, const struct config *config, const char *sql, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    struct table_filter filter = filter_of(config);
    PGresult *res = NULL;
    if (!pg_query(conn, "look at the tables", sql, 0, NULL, &res, err)) {
        return false;
    }
    *out = (struct preflight_names){
        arena_alloc(a, ((size_t)PQntuples(res) + 1) * sizeof(*out->items)), 0};
    for (int i = 0; i < PQntuples(res); i++) {
        if (table_filter_match(&filter, pg_str(res, i, 0), pg_str(res, i, 1))) {
            out->items[out->len++] = preflight_qualified(a, pg_str(res, i, 0), pg_str(res, i, 1));
        }
    }
    PQclear(res);
    return true;
}

/* --- settings and rights ------------------------------------------------------------------------
 */

static const char settings_sql[] =
    "SELECT current_setting('wal_level'),"
    " current_setting('max_replication_slots')::int,"
    " (SELECT count(*) FROM pg_replication_slots),"
    " current_setting('max_wal_senders')::int,"
    " (SELECT count(*) FROM pg_stat_replication),"
    " coalesce((SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), "
    "-1),"
    /* in seconds, or minutes in the first releases: the unit is asked for */
    " coalesce((SELECT setting::bigint * CASE unit WHEN 'min' THEN 60 ELSE 1 END"
    "  FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), 0),"
    " (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_sender_timeout'),"
    " has_database_privilege(d.oid, 'CREATE'),"
    " pg_has_role(d.datdba, 'USAGE'),"
    " r.rolsuper OR pg_has_role('pg_signal_backend', 'USAGE'),"
    " r.rolsuper OR pg_has_role('pg_read_all_stats', 'USAGE'),"
    " pg_database_size(d.oid),"
    " (SELECT count(*) FROM pg_largeobject_metadata),"
    " (SELECT count(*) FROM pg_largeobject_metadata m WHERE NOT (r.rolsuper"
    "  OR current_setting('lo_compat_privileges')::boolean OR pg_has_role(m.lomowner, 'USAGE')"
    "  OR EXISTS (SELECT 1 FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'"
    "   AND CASE WHEN a.grantee = 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END))),"
    " has_table_privilege('pg_catalog.pg_largeobject', 'SELECT'),"
    " r.rolsuper OR EXISTS (SELECT 1 FROM pg_roles s WHERE s.rolname = 'rds_superuser'"
    "  AND pg_has_role(s.oid, 'USAGE'))"
    " FROM pg_database d, pg_roles r"
    " WHERE d.datname = current_database() AND r.rolname = CURRENT_USER";

static bool
read_settings(PGconn *conn, struct source_facts *f, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, "read settings and rights", settings_sql, 0, NULL, &res, err)) {
        return false;
    }
    snprintf(f->wal_level, sizeof(f->wal_level), "%s", pg_str(res, 0, 0));
    f->slots_max = pg_i64(res, 0, 1);
    f->slots_used = pg_i64(res, 0, 2);
    f->senders_max = pg_i64(res, 0, 3);
    f->senders_used = pg_i64(res, 0, 4);
    f->slot_wal_keep_mb = pg_i64(res, 0, 5);
    f->slot_idle_s = pg_i64(res, 0, 6);
    f->sender_timeout_ms = pg_i64(res, 0, 7);
    f->may_publish = pg_bool(res, 0, 8);
    f->may_alter_database = pg_bool(res, 0, 9);
    f->may_end_sessions = pg_bool(res, 0, 10);
    f->sees_sessions = pg_bool(res, 0, 11);
    f->database_bytes = pg_u64(res, 0, 12);
    f->large_objects = pg_i64(res, 0, 13);
    f->closed_objects = pg_i64(res, 0, 14);
    f->reads_object_pages = pg_bool(res, 0, 15);
    f->may_catch_ddl = pg_bool(res, 0, 16);
    PQclear(res);
    return true;
}

/* On a thread of its own, while the questions are asked. */
struct replication_try {
    const struct config *config;
    struct source_facts *facts;
    struct thread thread;
};

/* The feed needs a walsender: a pooler in between, or pg_hba.conf, shows only here. */
static void
try_replication(void *arg)
{
    const struct config *config = ((struct replication_try *)arg)->config;
    struct source_facts *f = ((struct replication_try *)arg)->facts;
    PGconn *conn = NULL;
    struct pg_options o = {.application_name = "tidegate check",
        .replication = true,
        .timeout_us = config->network.timeout_us};
    f->replication_works = pg_connect(config->source.dsn, &o, &conn, &f->replication_error);
    if (f->replication_works) {
        PQfinish(conn);
    }
}

/* --- tables -------------------------------------------------------------------------------------
 */

static const char unreadable_sql[] =
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND" NO_SYSTEM(
        "n") " AND NOT (CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT')"
             "  ELSE has_table_privilege(c.oid, 'SELECT') END"
             "  AND has_schema_privilege(n.oid, 'USAGE'))"
             " ORDER BY 1, 2";

/* row_security is off in our sessions: a table whose policies apply gives an error, not fewer rows.
 */
static const char row_security_sql[] =
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND row_security_active(c.oid) AND" NO_SYSTEM(
        "n") " ORDER BY 1, 2";

static const char foreign_sql[] =
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'f' AND" NO_SYSTEM("n") " ORDER BY 1, 2";

static bool
read_tables(const struct config *config, PGconn *conn, struct arena *a, struct source_facts *f,
    struct err *err)
{
    struct table_filter filter = filter_of(config);
    return pg_tables_read(conn, &filter, &f->tables, err) &&
           read_filtered(conn, config, unreadable_sql, a, &f->unreadable, err) &&
           read_filtered(conn, config, row_security_sql, a, &f->row_security, err) &&
           read_filtered(conn, config, foreign_sql, a, &f->foreign_tables, err) &&
           read_filtered(conn, config, pg_references_sql, a, &f->references, err);
}

/* --- what the schema needs on the other side ----------------------------------------------------
 */

static const char collations_sql[] =
    "SELECT DISTINCT co.collname::text COLLATE \"C\" FROM pg_attribute at"
    " JOIN pg_collation co ON co.oid = at.attcollation JOIN pg_class c ON c.oid = at.attrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE co.collnamespace = 'pg_catalog'::regnamespace AND co.collprovider <> 'd'"
    " AND c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I') AND NOT at.attisdropped AND" NO_SYSTEM(
        "n") " ORDER BY 1";

/* Owners and grantees by object; a whole-database move takes all, another the tables that match. */
#define RELATIONS                                                                                  \
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"                               \
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' "              \
    "AND" NO_SYSTEM("n") " AND" NO_MEMBER("pg_class", "c.oid")
#define FUNCTIONS                                                                                  \
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"                                \
    " WHERE" NO_SYSTEM("n") " AND" NO_MEMBER("pg_proc", "p.oid")

#define SCHEMAS                                                                                    \
    " FROM pg_namespace n WHERE" NO_SYSTEM("n") " AND" NO_MEMBER("pg_namespace", "n.oid")
/* Types that stand for themselves: the row type of a table goes with its table. */
#define TYPES                                                                                      \
    " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"                                \
    " WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND EXISTS (SELECT 1"                \
    "  FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))) AND" NO_SYSTEM(             \
        "n") " AND" NO_MEMBER("pg_type", "t.oid")

/* Schema public exists everywhere and keeps its owner. */
static const char owners_sql[] =
    "SELECT DISTINCT role::text COLLATE \"C\", schema, name FROM ("
    " SELECT pg_get_userbyid(c.relowner) AS role, n.nspname AS schema, c.relname AS name" RELATIONS
    " UNION ALL SELECT pg_get_userbyid(p.proowner), NULL, NULL" FUNCTIONS
    " UNION ALL SELECT pg_get_userbyid(n.nspowner), NULL, NULL" SCHEMAS
    "  AND n.nspname <> 'public'"
    " UNION ALL SELECT pg_get_userbyid(t.typowner), NULL, NULL" TYPES
    ") o WHERE role::text NOT LIKE 'pg\\_%' ORDER BY 1";

/* What an owner holds of its own needs no grant. */
static const char grantees_sql[] =
    "SELECT DISTINCT pg_get_userbyid(grantee)::text COLLATE \"C\", schema, name FROM ("
    " SELECT (aclexplode(c.relacl)).grantee, c.relowner AS owner,"
    "  n.nspname AS schema, c.relname AS name" RELATIONS
    " UNION ALL SELECT (aclexplode(p.proacl)).grantee, p.proowner, NULL, NULL" FUNCTIONS
    " UNION ALL SELECT (aclexplode(n.nspacl)).grantee, n.nspowner, NULL, NULL" SCHEMAS
    ") g WHERE grantee <> 0 AND grantee <> owner"
    " AND pg_get_userbyid(grantee)::text NOT LIKE 'pg\\_%' ORDER BY 1";

/* Rows (role, schema, name), sorted by role; roles of no table count when everything is moved. */
static bool
read_roles(PGconn *conn, const struct config *config, const char *sql, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    struct table_filter filter = filter_of(config);
    PGresult *res = NULL;
    if (!pg_query(conn, "read owners and grants", sql, 0, NULL, &res, err)) {
        return false;
    }
    *out = (struct preflight_names){
        arena_alloc(a, ((size_t)PQntuples(res) + 1) * sizeof(*out->items)), 0};
    for (int i = 0; i < PQntuples(res); i++) {
        const char *role = pg_str(res, i, 0);
        bool counts = PQgetisnull(res, i, 2)
                          ? table_filter_is_all(&filter)
                          : table_filter_match(&filter, pg_str(res, i, 1), pg_str(res, i, 2));
        if (counts && (out->len == 0 || strcmp(out->items[out->len - 1], role) != 0)) {
            out->items[out->len++] = arena_strdup(a, role);
        }
    }
    PQclear(res);
    return true;
}

static const char relations_sql[] = "SELECT n.nspname, c.relname" RELATIONS
                                    " ORDER BY (n.nspname || '.' || c.relname) COLLATE \"C\"";

/* Tables that rows may go to: an extension brings its configuration tables along. */
static const char tables_there_sql[] =
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' "
    "AND" NO_SYSTEM("n") " AND (" NO_MEMBER(
        "pg_class", "c.oid") " OR EXISTS (SELECT 1"
                             " FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))"
                             " ORDER BY (n.nspname || '.' || c.relname) COLLATE \"C\"";

static const char all_objects_sql[] =
    "SELECT o::text COLLATE \"C\" FROM ("
    " SELECT n.nspname || '.' || c.relname AS o" RELATIONS
    " UNION ALL SELECT 'function ' || n.nspname || '.' || p.proname || '('"
    "  || pg_get_function_identity_arguments(p.oid) || ')'" FUNCTIONS
    " UNION ALL SELECT 'type ' || n.nspname || '.' || t.typname" TYPES ") a ORDER BY 1";

bool
preflight_read_objects(PGconn *conn, const struct config *config, struct arena *a,
    struct preflight_names *out, struct err *err)
{
    struct table_filter filter = filter_of(config);
    if (!config->schema.copy) {
        return read_filtered(conn, config, tables_there_sql, a, out, err);
    }
    if (table_filter_is_all(&filter)) {
        return preflight_read_names(conn, "list the objects", all_objects_sql, a, out, err);
    }
    return read_filtered(conn, config, relations_sql, a, out, err);
}

static bool
read_schema_needs(const struct config *config, PGconn *conn, struct arena *a,
    struct source_facts *f, struct err *err)
{
    return preflight_read_names(conn, "list the extensions",
               "SELECT extname::text COLLATE \"C\" FROM pg_extension WHERE extname <> 'plpgsql'"
               " ORDER BY 1",
               a, &f->extensions, err) &&
           preflight_read_names(
               conn, "list the collations in use", collations_sql, a, &f->collations, err) &&
           read_roles(conn, config, owners_sql, a, &f->owners, err) &&
           read_roles(conn, config, grantees_sql, a, &f->grantees, err) &&
           preflight_read_objects(conn, config, a, &f->objects, err);
}

/* --- what is going on ---------------------------------------------------------------------------
 */

static const char transactions_sql[] =
    "SELECT format('pid %s (user %s, database %s%s)', pid, coalesce(usename::text, '?'),"
    " coalesce(datname::text, '?'), CASE WHEN application_name <> ''"
    " THEN ', application ' || application_name ELSE '' END),"
    " extract(epoch FROM now() - xact_start)::bigint"
    " FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
    " AND xact_start < now() - interval '10 seconds' ORDER BY xact_start";

static const char prepared_sql[] =
    "SELECT format('%L (user %s, database %s)', gid, owner, database),"
    " extract(epoch FROM now() - prepared)::bigint FROM pg_prepared_xacts ORDER BY prepared";

static bool
read_sessions(PGconn *conn, const char *what, const char *sql, struct arena *a,
    struct sessions *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, what, sql, 0, NULL, &res, err)) {
        return false;
    }
    out->len = (size_t)PQntuples(res);
    out->items = arena_alloc(a, (out->len + 1) * sizeof(*out->items));
    for (size_t i = 0; i < out->len; i++) {
        out->items[i] =
            (struct session_facts){arena_strdup(a, pg_str(res, (int)i, 0)), pg_i64(res, (int)i, 1)};
    }
    PQclear(res);
    return true;
}

/* Behind read_settings, which counts the walsenders of others. */
static bool
read_rest(const struct config *config, PGconn *conn, struct arena *a, struct source_facts *f,
    struct err *err)
{
    return pg_slot_read(conn, config->source.slot, &f->slot, err) &&
           pg_publication_exists(conn, config->source.publication, &f->publication_exists, err) &&
           read_tables(config, conn, a, f, err) && read_schema_needs(config, conn, a, f, err) &&
           read_sessions(
               conn, "look for open transactions", transactions_sql, a, &f->transactions, err) &&
           read_sessions(
               conn, "look for prepared transactions", prepared_sql, a, &f->prepared, err) &&
           preflight_gather_source_globals(conn, a, &f->globals, err);
}

bool
preflight_gather_source(
    const struct preflight_input *in, struct arena *a, struct source_facts *out, struct err *err)
{
    PGconn *conn = NULL;
    if (!preflight_connect(in->config, in->config->source.dsn, &conn, &out->common, err)) {
        return false;
    }
    if (!out->common.reachable) {
        return true;
    }
    struct replication_try try = {.config = in->config, .facts = out};
    struct err none = ERR_INIT;
    bool ok = read_settings(conn, out, err);
    if (ok && !thread_start(&try.thread, "check feed", try_replication, &try, &none)) {
        try_replication(&try);
    }
    ok = ok && read_rest(in->config, conn, a, out, err);
    PQfinish(conn);
    thread_join(&try.thread);
    return ok && preflight_gather_plugin(in, a, out, err);
}

void
preflight_source_facts_done(struct source_facts *f)
{
    pg_tables_free(&f->tables);
}
