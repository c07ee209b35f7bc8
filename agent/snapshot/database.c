/* SPDX-License-Identifier: Apache-2.0
 *
 * As with roles: the source spells out the statements. $1 is the name of the target's database.
 */
#include "agent/snapshot/database.h"

#include "agent/base/log.h"
#include "agent/pg/query.h"
#include "agent/snapshot/carry.h"
#include "agent/snapshot/ledger.h"

#define STAGE       "schema"
#define BEGUN_ITEM  "database"
#define HANDED_ITEM "database handed over"

#define HERE        "(SELECT * FROM pg_database WHERE datname = current_database()) d"

/* A fence, ours or somebody's, is no setting to be carried. */
static const char settings_sql[] =
    "SELECT format('setting %s%s', split_part(c, '=', 1),"
    "  CASE WHEN r.oid IS NULL THEN ' of the database' ELSE ' of role ' || r.rolname || ' in the"
    " database' END),"
    "  CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I SET ', $1::text)"
    "   ELSE format('ALTER ROLE %I IN DATABASE %I SET ', r.rolname, $1::text) END"
    "  || " CARRY_SETTING ", NULL"
    " FROM " HERE " JOIN pg_db_role_setting s ON s.setdatabase = d.oid"
    " LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c"
    " WHERE split_part(c, '=', 1) <> 'default_transaction_read_only' ORDER BY 1";

static const char comment_sql[] =
    "SELECT 'comment on the database', format('COMMENT ON DATABASE %I IS %L', $1::text,"
    "  shobj_description(d.oid, 'pg_database')), NULL FROM " HERE
    " WHERE shobj_description(d.oid, 'pg_database') IS NOT NULL";

static const char read_only_sql[] =
    "SELECT 1 FROM " HERE " JOIN pg_db_role_setting s ON s.setdatabase = d.oid,"
    " unnest(s.setconfig) c WHERE split_part(c, '=', 1) = 'default_transaction_read_only'"
    " AND $1::text IS NOT NULL";

static const char limit_sql[] =
    "SELECT 'limit of connections', format('ALTER DATABASE %I CONNECTION LIMIT %s', $1::text,"
    "  d.datconnlimit), NULL FROM " HERE " WHERE d.datconnlimit >= 0";

static const char owner_sql[] =
    "SELECT 'owner of the database', format('ALTER DATABASE %I OWNER TO %I', $1::text,"
    "  pg_get_userbyid(d.datdba)), NULL FROM " HERE;

/* Without privileges of its own a database has the default ones, and there is nothing to do. */
static const char grants_sql[] =
    "SELECT x.what, x.sql, NULL FROM " HERE ", LATERAL ("
    " SELECT 0 AS n, 'default privileges of the database' AS what,"
    "  format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text) AS sql WHERE d.datacl IS NOT NULL"
    " UNION ALL SELECT 1, format('privilege %s on the database', a.privilege_type),"
    "  format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $1::text,"
    "   CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
    "   CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
    "  FROM aclexplode(d.datacl) a WHERE a.grantee <> d.datdba) x ORDER BY x.n, x.what, x.sql";

static bool
step(PGconn *source, PGconn *target, const char *sql, struct err *err)
{
    PGresult *rows = NULL;
    struct carry_counts counts = {0};
    const char *params[] = {PQdb(target)};
    bool ok =
        pg_query(source, "source: read the database's properties", sql, 1, params, &rows, err) &&
        carry_statements(target, rows, false, &counts, err);
    PQclear(rows);
    return ok;
}

static bool
say_read_only(PGconn *source, PGconn *target, struct err *err)
{
    PGresult *rows = NULL;
    const char *params[] = {PQdb(target)};
    if (!pg_query(
            source, "source: read the database's settings", read_only_sql, 1, params, &rows, err)) {
        return false;
    }
    if (PQntuples(rows) > 0) {
        log_warn(STAGE, "left out: setting default_transaction_read_only of the database");
    }
    PQclear(rows);
    return true;
}

/* Passes `ok` on. */
static bool
end(PGconn *target, const char *migration, const char *item, bool ok, struct err *err)
{
    ok = ok && ledger_add_and_commit(target, migration, item, err);
    if (!ok && PQtransactionStatus(target) != PQTRANS_IDLE) {
        struct err ignored = ERR_INIT;
        (void)!pg_exec(target, "target: roll back", "ROLLBACK", &ignored);
    }
    return ok;
}

bool
database_carry(PGconn *source, PGconn *target, const char *migration, struct err *err)
{
    bool done = false;
    if (!ledger_check(target, migration, BEGUN_ITEM, &done, err) || done) {
        return done;
    }
    if (!pg_exec(target, "target: begin", "BEGIN", err)) {
        return false;
    }
    bool ok = step(source, target, settings_sql, err) && step(source, target, comment_sql, err) &&
              say_read_only(source, target, err);
    return end(target, migration, BEGUN_ITEM, ok, err);
}

bool
database_is_handed_over(const struct ledger *l)
{
    return ledger_has(l, HANDED_ITEM);
}

bool
database_hand_over(
    PGconn *source, PGconn *target, const char *migration, bool owner, bool grants, struct err *err)
{
    if (!pg_exec(target, "target: begin", "BEGIN", err)) {
        return false;
    }
    bool ok = step(source, target, limit_sql, err) &&
              (!grants || step(source, target, grants_sql, err)) &&
              (!owner || step(source, target, owner_sql, err));
    return end(target, migration, HANDED_ITEM, ok, err);
}
