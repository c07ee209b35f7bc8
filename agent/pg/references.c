/* SPDX-License-Identifier: Apache-2.0
 *
 * From the types that are numbers of objects upwards to all that are made of them.
 */
#include "agent/pg/references.h"

#include "agent/base/arena.h"
#include "agent/pg/query.h"

/* regproc, regprocedure, regoper, regoperator, regclass, regtype, regconfig, regdictionary,
 * regnamespace, regrole, regcollation. */
#define TABLES                                                                                     \
    "WITH RECURSIVE naming (typ) AS ("                                                             \
    " SELECT pg_catalog.unnest("                                                                   \
    "  '{24,2202,2203,2204,2205,2206,3734,3769,4089,4096,4191}'::pg_catalog.oid[])"                \
    " UNION SELECT made.typ FROM naming JOIN ("                                                    \
    "  SELECT y.typelem AS part, y.oid AS typ FROM pg_catalog.pg_type y WHERE y.typelem <> 0"      \
    "  UNION ALL SELECT y.typbasetype, y.oid FROM pg_catalog.pg_type y WHERE y.typtype = 'd'"      \
    "  UNION ALL SELECT g.rngsubtype, g.rngtypid FROM pg_catalog.pg_range g"                       \
    "  UNION ALL SELECT g.rngtypid, g.rngmultitypid FROM pg_catalog.pg_range g"                    \
    "  UNION ALL SELECT a.atttypid, c.reltype FROM pg_catalog.pg_attribute a"                      \
    "   JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"                                          \
    "   WHERE c.reltype <> 0 AND a.attnum > 0 AND NOT a.attisdropped"                              \
    " ) made ON made.part = naming.typ"                                                            \
    ") SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_class c"                            \
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                                    \
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"                       \
    "  AND NOT a.attisdropped AND a.atttypid IN (SELECT typ FROM naming)"                          \
    " WHERE c.relkind = 'r' AND c.relpersistence <> 't'"                                           \
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tidegate')"

const char pg_references_sql[] = TABLES " ORDER BY 1, 2";

bool
pg_references_published(PGconn *conn, const char *publication, bool *any, struct err *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM (" TABLES ") r JOIN pg_catalog.pg_publication_tables p"
        " ON p.schemaname = r.nspname AND p.tablename = r.relname WHERE p.pubname = $1)";
    const char *params[] = {publication};
    char *answer = NULL;
    *any = false;
    if (!pg_query_value(conn, "look for columns that name objects", sql, 1, params, &answer, err)) {
        return false;
    }
    *any = answer && answer[0] == 't';
    x_free(answer);
    return true;
}
