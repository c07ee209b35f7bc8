/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles: they belong to the server and not to the database, so pg_dump leaves them out. Carried are
 * those that own something in the database, are granted something, have a policy, a default
 * privilege or a setting there, and those that are connected with them by memberships, in either
 * direction.
 */
#ifndef TG_SNAPSHOT_ROLES_H
#define TG_SNAPSHOT_ROLES_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"

/* Makes those that the target lacks, with attributes, memberships, settings and comments; the ones
 * it has stay as they are. Never makes a superuser. Everything, and the row in the ledger, in one
 * transaction of its own; done already, it does nothing. What is left out is logged, passwords
 * never are. ERR_CONFIG when passwords are asked for and the source's may not be read. */
bool roles_carry(PGconn *source, PGconn *target, const char *migration, bool passwords,
    struct err *err) must_use;

/* A query (roles, with columns oid and name) that preflight uses, too; to be followed by " SELECT
 * ... FROM needed JOIN pg_roles r USING (oid)". */
#define ROLES_NEEDED                                                                               \
    "WITH RECURSIVE here AS (SELECT oid FROM pg_database WHERE datname = current_database()),"     \
    " needed(oid) AS ("                                                                            \
    "  SELECT s.refobjid FROM pg_shdepend s, here"                                                 \
    "   WHERE s.refclassid = 'pg_authid'::regclass AND (s.dbid = here.oid"                         \
    "    OR (s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = here.oid))"          \
    "  UNION SELECT s.setrole FROM pg_db_role_setting s, here"                                     \
    "   WHERE s.setdatabase = here.oid AND s.setrole <> 0"                                         \
    "  UNION SELECT relowner FROM pg_class WHERE oid >= 16384"                                     \
    "  UNION SELECT nspowner FROM pg_namespace WHERE oid >= 16384"                                 \
    "  UNION SELECT proowner FROM pg_proc WHERE oid >= 16384"                                      \
    "  UNION SELECT CASE WHEN m.member = n.oid THEN m.roleid ELSE m.member END FROM needed n"      \
    "   JOIN pg_auth_members m ON n.oid IN (m.member, m.roleid)"                                   \
    "   JOIN pg_roles r ON r.oid = n.oid WHERE n.oid <> 10 AND r.rolname NOT LIKE 'pg\\_%')"

#endif
