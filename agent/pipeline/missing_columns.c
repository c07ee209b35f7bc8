/* SPDX-License-Identifier: Apache-2.0
 *
 * Both catalogs are read in one order and walked side by side.
 */
#include "agent/pipeline/missing_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"

static const char columns_sql[] =
    "SELECT n.nspname, c.relname, a.attname, c.oid FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f')"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attname COLLATE \"C\"";

static bool
read_columns(const struct config *config, const char *dsn, PGresult **out, struct err *err)
{
    PGconn *conn = NULL;
    struct pg_options o = {.application_name = "tidegate columns",
        .bytes = true,
        .timeout_us = config->network.timeout_us};
    bool ok = pg_connect(dsn, &o, &conn, err) &&
              pg_query(conn, "list the columns of tables", columns_sql, 0, NULL, out, err);
    PQfinish(conn);
    return ok;
}

static int
compare_oids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The carried tables' oids, sorted; new. */
static uint32_t *
oids_of(const struct table_row *rows, size_t n)
{
    uint32_t *oids = x_malloc((n + 1) * sizeof(*oids));
    for (size_t i = 0; i < n; i++) {
        oids[i] = rows[i].oid;
    }
    qsort(oids, n, sizeof(*oids), compare_oids);
    return oids;
}

/* By the first `fields` of schema, table, column. */
static int
compare_rows(const PGresult *a, int i, const PGresult *b, int j, int fields)
{
    int order = 0;
    for (int f = 0; f < fields && order == 0; f++) {
        order = strcmp(pg_str(a, i, f), pg_str(b, j, f));
    }
    return order;
}

static void
add(char *out, size_t cap, const PGresult *rows, int row)
{
    size_t used = strlen(out);
    int w = snprintf(out + used, cap - used, "%s%s.%s.%s", used ? ", " : "", pg_str(rows, row, 0),
        pg_str(rows, row, 1), pg_str(rows, row, 2));
    if (w < 0 || (size_t)w >= cap - used) {
        out[used] = '\0';
    }
}

static void
walk(const PGresult *source, const PGresult *target, const uint32_t *oids, size_t n, char *out,
    size_t cap)
{
    int at = 0, len = PQntuples(target);
    for (int i = 0; i < PQntuples(source); i++) {
        uint32_t oid = pg_oid(source, i, 3);
        while (at < len && compare_rows(target, at, source, i, 3) < 0) {
            at++;
        }
        bool there = at < len && compare_rows(target, at, source, i, 3) == 0;
        /* A neighbour in the order is of the same table, when the target has the table. */
        bool table = (at < len && compare_rows(target, at, source, i, 2) == 0) ||
                     (at > 0 && compare_rows(target, at - 1, source, i, 2) == 0);
        if (!there && table && bsearch(&oid, oids, n, sizeof(*oids), compare_oids)) {
            add(out, cap, source, i);
        }
    }
}

bool
missing_columns(const struct config *config, const struct sink_config *sink, struct store *store,
    char *out, size_t cap, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    PGresult *source = NULL, *target = NULL;
    out[0] = '\0';
    bool ok = store_tables(store, &rows, &n, err) &&
              read_columns(config, config->source.dsn, &source, err) &&
              read_columns(config, sink->dsn, &target, err);
    if (ok) {
        uint32_t *oids = oids_of(rows, n);
        walk(source, target, oids, n, out, cap);
        x_free(oids);
    }
    PQclear(source);
    PQclear(target);
    x_free(rows);
    return ok;
}
