/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the server has the decoding plugin, and which of its options it knows: nothing tells but
 * trying. A temporary slot does no harm: it is gone with the session. Making one waits for the
 * transactions that are open, so it is given up after a moment; by then the plugin was loaded.
 */
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pg/repl.h"
#include "agent/preflight/facts.h"
#include "config/names.h"

#define STATE_CANCELLED "57014"
#define STATE_OPTION    "22023" /* invalid_parameter_value */

/* Reasons that are other findings': no right, no free slot, wal_level. */
static bool
is_told_elsewhere(const char *state)
{
    static const char *const states[] = {"42501", "53400", "55000", "25006"};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(states[i], state) == 0) {
            return true;
        }
    }
    return false;
}

/* *known: the plugin takes wal2json's options, with numbers as strings or without. False: something
 * else went wrong. */
static bool
try_options(PGconn *conn, bool strings, bool *known, struct err *err)
{
    char sql[512];
    PGresult *res = NULL;
    snprintf(sql, sizeof(sql),
        "SELECT count(*) FROM pg_catalog.pg_logical_slot_peek_changes("
        "'tidegate_check_' || pg_backend_pid(), NULL, 1, 'format-version', '2', 'include-lsn', '1',"
        " 'include-xids', '1', 'include-timestamp', '1', 'include-types', '0',"
        " 'include-type-oids', '1'%s)",
        strings ? ", '" PG_WAL2JSON_STRINGS "', '1'" : "");
    *known = pg_query(conn, "try the plugin's options", sql, 0, NULL, &res, err);
    PQclear(res);
    if (!*known && strcmp(err->sqlstate, STATE_OPTION) == 0) {
        err_clear(err);
        return true;
    }
    return *known;
}

static bool
try_plugin(PGconn *conn, const char *plugin, struct plugin_facts *f, struct err *err)
{
    PGresult *res = NULL;
    f->available = pg_exec(conn, "limit the time", "SET statement_timeout = '5s'", err) &&
                   pg_query(conn, "make a temporary slot",
                       "SELECT pg_catalog.pg_create_logical_replication_slot("
                       "'tidegate_check_' || pg_backend_pid(), $1, true)",
                       1, &plugin, &res, err);
    PQclear(res);
    if (!f->available && strcmp(err->sqlstate, STATE_CANCELLED) == 0) {
        f->available = true;
        err_clear(err);
        return true;
    }
    if (!f->available || strcmp(plugin, "wal2json") != 0) {
        return f->available;
    }
    return try_options(conn, false, &f->options, err) &&
           try_options(conn, true, &f->strings, err) && (f->tried = true);
}

static bool
is_table(const struct pg_tables *tables, uint32_t oid)
{
    for (size_t i = 0; i < tables->len; i++) {
        if (tables->items[i].oid == oid) {
            return true;
        }
    }
    return false;
}

/* Columns that may hold NaN or an infinity, and NULL. */
static bool
read_numbers(PGconn *conn, struct arena *a, const struct pg_tables *tables,
    struct preflight_names *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, "list the columns of numbers",
            "SELECT c.oid, format('%s.%s.%s', n.nspname, c.relname, a.attname)"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull"
            " AND a.atttypid IN ('float4'::regtype, 'float8'::regtype, 'numeric'::regtype)"
            " ORDER BY 2",
            0, NULL, &res, err)) {
        return false;
    }
    out->items = arena_alloc(a, ((size_t)PQntuples(res) + 1) * sizeof(*out->items));
    out->len = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        if (is_table(tables, pg_oid(res, i, 0))) {
            out->items[out->len++] = arena_strdup(a, pg_str(res, i, 1));
        }
    }
    PQclear(res);
    return true;
}

bool
preflight_gather_plugin(
    const struct preflight_input *in, struct arena *a, struct source_facts *s, struct err *err)
{
    const struct config *c = in->config;
    struct pg_options o = {
        .application_name = "tidegate check", .timeout_us = c->network.timeout_us};
    PGconn *conn = NULL;
    if (c->source.plugin == PLUGIN_PGOUTPUT || in->resume) {
        return true;
    }
    if (!pg_connect(c->source.dsn, &o, &conn, err)) {
        return false;
    }
    struct plugin_facts *f = &s->plugin;
    f->asked = true;
    if (!try_plugin(conn, plugin_name(c->source.plugin), f, &f->error)) {
        f->told_elsewhere = is_told_elsewhere(f->error.sqlstate);
    }
    bool ok = read_numbers(conn, a, &s->tables, &f->numbers, err);
    PQfinish(conn);
    return ok;
}
