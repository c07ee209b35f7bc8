/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQL stands in a file of its own, ddl_capture.sql, which the assembler takes in as it is.
 * Everything is done in one transaction, so that a source has all of it or nothing.
 */
#include "agent/pipeline/ddl_capture.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/change/table_filter.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define SQL_MAX ((size_t)16 << 20)

extern const char ddl_capture_sql[];
__asm__(".pushsection .rodata\n"
        ".global ddl_capture_sql\n"
        "ddl_capture_sql:\n"
        ".incbin \"agent/pipeline/ddl_capture.sql\"\n"
        ".byte 0\n"
        ".popsection\n");

static void
patterns(struct buf *sql, const struct string_list *list)
{
    struct buf regex;
    buf_init(&regex, SQL_MAX);
    buf_str(sql, "ARRAY[");
    for (size_t i = 0; i < list->len; i++) {
        buf_reset(&regex);
        table_pattern_regex(list->items[i], &regex);
        buf_str(sql, i > 0 ? ", " : "");
        sql_literal(sql, buf_cstr(&regex));
    }
    buf_str(sql, "]::text[]");
    buf_done(&regex);
}

static void
enter_migration(const struct config *config, struct buf *sql)
{
    buf_str(sql, "INSERT INTO tidegate_ddl.migration (publication, include, exclude, identity_full)"
                 " VALUES (");
    sql_literal(sql, config->source.publication);
    buf_str(sql, ", ");
    patterns(sql, &config->tables.include);
    buf_str(sql, ", ");
    patterns(sql, &config->tables.exclude);
    buf_printf(sql,
        ", %s) ON CONFLICT (publication) DO UPDATE SET include = excluded.include,"
        " exclude = excluded.exclude, identity_full = excluded.identity_full;\nCOMMIT",
        config->tables.without_identity == IDENTITY_FULL ? "true" : "false");
}

static bool
install(const struct config *config, PGconn *conn, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, DDL_CAPTURE_OFF "SET client_min_messages = warning; BEGIN;\n");
    buf_str(&sql, ddl_capture_sql);
    enter_migration(config, &sql);
    bool ok = buf_ok(&sql, "event triggers", err) &&
              pg_exec(conn, "install event triggers on the source", buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

static bool
remember_token(struct store *store, PGconn *conn, struct err *err)
{
    char *token = NULL;
    bool ok = pg_query_value(conn, "read the token of the event triggers",
                  "SELECT token FROM tidegate_ddl.setting", 0, NULL, &token, err) &&
              store_set(store, STORE_DDL_TOKEN, token, err);
    x_free(token);
    return ok;
}

bool
ddl_capture_install(const struct config *config, struct store *store, PGconn *conn, bool *installed,
    char *why, struct err *err)
{
    *installed = false;
    snprintf(why, 200, "ddl.capture is false");
    if (!config->ddl.capture) {
        return true;
    }
    if (install(config, conn, err)) {
        *installed = true;
        return remember_token(store, conn, err);
    }
    /* Insufficient privilege, or a server that does not let anybody: the migration goes without. */
    if (strncmp(err->sqlstate, "42501", 5) != 0) {
        return false;
    }
    snprintf(why, 200, "%.190s", err->text);
    err_clear(err);
    return pg_exec(conn, "undo what was begun", "ROLLBACK", err);
}

bool
ddl_capture_look(
    const struct config *config, PGconn *conn, bool *there, int *others, struct err *err)
{
    PGresult *res = NULL;
    const char *params[] = {config->source.publication};
    *there = false;
    *others = 0;
    if (!pg_query(conn, "look for event triggers",
            "SELECT pg_catalog.to_regclass('tidegate_ddl.migration') IS NOT NULL", 0, NULL, &res,
            err)) {
        return false;
    }
    *there = pg_bool(res, 0, 0);
    PQclear(res);
    if (!*there) {
        return true;
    }
    if (!pg_query(conn, "look for other migrations",
            "SELECT count(*) FROM tidegate_ddl.migration WHERE publication <> $1", 1, params, &res,
            err)) {
        return false;
    }
    *others = (int)pg_i64(res, 0, 0);
    PQclear(res);
    return true;
}

static const char remove_sql[] =
    "DO $tidegate$ DECLARE t record; BEGIN"
    " IF NOT EXISTS (SELECT FROM tidegate_ddl.migration) THEN"
    " FOR t IN SELECT i.relation::regclass AS name FROM tidegate_ddl.identity i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.relation WHERE c.relreplident = 'f' LOOP"
    " EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', t.name);"
    " END LOOP;"
    " DROP EVENT TRIGGER IF EXISTS tidegate_ddl_1_who;"
    " DROP EVENT TRIGGER IF EXISTS tidegate_ddl_2_capture;"
    " DROP EVENT TRIGGER IF EXISTS tidegate_ddl_dropped;"
    " DROP EVENT TRIGGER IF EXISTS tidegate_ddl_rewritten;"
    " DROP SCHEMA tidegate_ddl CASCADE;"
    " END IF; END $tidegate$; COMMIT";

bool
ddl_capture_remove(const struct config *config, PGconn *conn, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, DDL_CAPTURE_OFF "SET client_min_messages = warning; BEGIN;"
                                  " DELETE FROM tidegate_ddl.migration WHERE publication = ");
    sql_literal(&sql, config->source.publication);
    buf_str(&sql, "; ");
    buf_str(&sql, remove_sql);
    bool ok = pg_exec(conn, "remove the event triggers", buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}
