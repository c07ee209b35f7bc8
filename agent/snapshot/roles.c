/* SPDX-License-Identifier: Apache-2.0
 *
 * Each step is a query at the source whose rows are statements for the target. The target's own
 * roles are handed to it as an array, so that only what concerns a missing one comes back.
 */
#include "agent/snapshot/roles.h"

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/pg/query.h"
#include "agent/snapshot/carry.h"
#include "agent/snapshot/ledger.h"

#define STAGE "schema"
#define ITEM  "roles"

/* $1: names of the target's roles. */
#define MISSING                                                                                    \
    ROLES_NEEDED                                                                                   \
    ", missing AS (SELECT r.* FROM needed JOIN pg_roles r USING (oid)"                             \
    " WHERE r.rolname NOT LIKE 'pg\\_%' AND NOT r.rolname::text = ANY ($1::text[]))"

static const char create_sql[] = MISSING
    " SELECT 'role ' || rolname, format('CREATE ROLE %I %s %s CONNECTION LIMIT %s%s', rolname,"
    "  CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,"
    "  CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, rolconnlimit,"
    "  CASE WHEN rolvaliduntil IS NULL THEN '' ELSE format(' VALID UNTIL %L', rolvaliduntil) END),"
    "  NULL FROM missing ORDER BY rolname";

static const char attributes_sql[] = MISSING
    " SELECT format('attribute %s of role %s', a.word, rolname),"
    "  CASE WHEN a.word <> 'SUPERUSER' THEN format('ALTER ROLE %I %s', rolname, a.word) END, NULL"
    " FROM missing, LATERAL (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole),"
    "  ('CREATEDB', rolcreatedb), ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls))"
    "  a(word, has) WHERE a.has ORDER BY rolname, a.word";

static const char comments_sql[] =
    MISSING " SELECT 'comment on role ' || rolname, format('COMMENT ON ROLE %I IS %L', rolname,"
            "  shobj_description(oid, 'pg_authid')), NULL FROM missing"
            " WHERE shobj_description(oid, 'pg_authid') IS NOT NULL ORDER BY rolname";

static const char settings_sql[] =
    MISSING " SELECT format('setting %s of role %s', split_part(c, '=', 1), rolname),"
            "  format('ALTER ROLE %I SET ', rolname) || " CARRY_SETTING ", NULL"
            " FROM missing m JOIN pg_db_role_setting s ON s.setrole = m.oid AND s.setdatabase = 0,"
            " unnest(s.setconfig) c ORDER BY rolname, 1";

/* Who granted it is kept where the target allows that. */
static const char memberships_head[] = MISSING
    " SELECT format('membership of %s in %s', u.rolname, g.rolname),"
    "  CASE WHEN a.grantor <> 10 AND by.rolname IS NOT NULL"
    "   THEN format('GRANT %I TO %I%s GRANTED BY %I', g.rolname, u.rolname, o.words, by.rolname)"
    "   END,"
    "  format('GRANT %I TO %I%s', g.rolname, u.rolname, o.words)"
    " FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles u ON u.oid = "
    "a.member"
    " LEFT JOIN pg_roles by ON by.oid = a.grantor, LATERAL (SELECT ";

static const char memberships_tail[] =
    " AS words) o WHERE u.oid <> 10 AND (a.roleid IN (SELECT oid FROM missing)"
    "  OR a.member IN (SELECT oid FROM missing)) ORDER BY a.grantor <> 10, u.rolname, g.rolname";

static const char plain_options[] =
    "CASE WHEN a.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END";
static const char all_options[] =
    "format(' WITH ADMIN %s, INHERIT %s, SET %s', a.admin_option::text, a.inherit_option::text, "
    "a.set_option::text)";

static const char passwords_sql[] =
    MISSING " SELECT 'password of role ' || m.rolname,"
            "  format('ALTER ROLE %I PASSWORD %L', m.rolname, p.rolpassword), NULL"
            " FROM missing m JOIN pg_authid p USING (oid) WHERE p.rolpassword IS NOT NULL";

/* Somebody who is no superuser may hand objects only to roles that he is a member of. */
static const char own_sql[] =
    MISSING " SELECT 'membership of ourselves in ' || rolname,"
            "  format('GRANT %I TO CURRENT_USER', rolname), NULL FROM missing ORDER BY rolname";

struct roles {
    PGconn *source, *target;
    char *there; /* array of the target's roles */
    struct carry_counts counts;
};

static bool
step(struct roles *r, const char *sql, bool secret, struct err *err)
{
    PGresult *rows = NULL;
    const char *params[] = {r->there};
    bool ok = pg_query(r->source, "source: read roles", sql, 1, params, &rows, err) &&
              carry_statements(r->target, rows, secret, &r->counts, err);
    PQclear(rows);
    return ok;
}

static bool
memberships(struct roles *r, struct err *err)
{
    bool all = PQserverVersion(r->source) >= 160000 && PQserverVersion(r->target) >= 160000;
    struct buf sql;
    buf_init(&sql, 16384);
    buf_str(&sql, memberships_head);
    buf_str(&sql, all ? all_options : plain_options);
    buf_str(&sql, memberships_tail);
    bool ok = buf_ok(&sql, "query", err) && step(r, buf_cstr(&sql), false, err);
    buf_done(&sql);
    return ok;
}

/* Where we may, the target's log does not get to see them either. */
static bool
passwords(struct roles *r, struct err *err)
{
    struct err ignored = ERR_INIT;
    if (!pg_exec(r->target, "target: set a savepoint", "SAVEPOINT tidegate_quiet", err)) {
        return false;
    }
    bool quiet = pg_exec(r->target, "",
        "SET LOCAL log_statement = 'none'; SET LOCAL log_min_duration_statement = -1;"
        "SET LOCAL log_min_error_statement = 'panic'",
        &ignored);
    if (!quiet && !pg_exec(r->target, "target: end the savepoint",
                      "ROLLBACK TO SAVEPOINT tidegate_quiet", err)) {
        return false;
    }
    return step(r, passwords_sql, true, err);
}

static bool
may_read_passwords(PGconn *source, struct err *err)
{
    char *may = NULL;
    if (!pg_query_value(source, "source: read rights",
            "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')", 0, NULL, &may, err)) {
        return false;
    }
    bool ok = may && may[0] == 't';
    x_free(may);
    if (!ok) {
        err_set(err, ERR_CONFIG, "source: the role may not read passwords (pg_authid)");
        err_hint(err, "connect as a superuser, or set schema.roles: without_passwords");
    }
    return ok;
}

static bool
say_existing(struct roles *r, struct err *err)
{
    PGresult *rows = NULL;
    const char *params[] = {r->there};
    if (!pg_query(r->source, "source: read roles",
            ROLES_NEEDED " SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM needed JOIN"
                         " pg_roles r USING (oid) WHERE r.rolname NOT LIKE 'pg\\_%'"
                         " AND r.rolname::text = ANY ($1::text[])",
            1, params, &rows, err)) {
        return false;
    }
    if (!PQgetisnull(rows, 0, 0)) {
        log_info(STAGE, "roles that the target has stay as they are: %.400s", pg_str(rows, 0, 0));
    }
    PQclear(rows);
    return true;
}

static bool
carry(struct roles *r, bool with_passwords, struct err *err)
{
    char *super = NULL;
    bool ok = say_existing(r, err) && step(r, create_sql, false, err);
    uint32_t made = r->counts.done;
    ok = ok && step(r, attributes_sql, false, err) && memberships(r, err) &&
         step(r, settings_sql, false, err) && step(r, comments_sql, false, err) &&
         (!with_passwords || passwords(r, err)) &&
         pg_query_value(r->target, "target: read rights",
             "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER", 0, NULL,
             &super, err) &&
         ((super && super[0] == 't') || step(r, own_sql, false, err));
    x_free(super);
    if (ok && made > 0) {
        log_info(STAGE, "%u roles were created, %s", made,
            with_passwords ? "with their passwords" : "without passwords");
    }
    return ok;
}

bool
roles_carry(PGconn *source, PGconn *target, const char *migration, bool passwords, struct err *err)
{
    struct roles r = {.source = source, .target = target};
    bool done = false;
    if (!ledger_check(target, migration, ITEM, &done, err) || done) {
        return done;
    }
    bool ok = (!passwords || may_read_passwords(source, err)) &&
              pg_exec(target, "target: begin the roles", "BEGIN", err) &&
              pg_query_value(target, "target: list roles",
                  "SELECT pg_catalog.array_agg(rolname::text) FROM pg_catalog.pg_roles", 0, NULL,
                  &r.there, err) &&
              carry(&r, passwords, err) && ledger_add(target, migration, ITEM, err);
    FAILPOINT("roles.before_commit");
    ok = ok && pg_exec(target, "target: commit the roles", "COMMIT", err);
    x_free(r.there);
    if (!ok && PQtransactionStatus(target) != PQTRANS_IDLE) {
        struct err ignored = ERR_INIT;
        (void)!pg_exec(target, "target: roll back", "ROLLBACK", &ignored);
    }
    return ok;
}
