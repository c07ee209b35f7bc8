/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread a server, each with one connection that counts table after table; the server itself
 * runs large counts in parallel.
 */
#include "agent/pipeline/count_rows.h"

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define UNCOUNTED UINT64_MAX /* an unlogged table */

struct side {
    const char *dsn, *label;
    char name[64]; /* what `label` may point to */
    const struct config *config;
    const struct table_row *rows;
    size_t len;
    int64_t deadline_us;
    const struct stop *stop;
    uint64_t *counts;
    bool ok;
    struct err err;
    struct thread thread;
};

static bool
set_deadline(struct side *s, PGconn *conn)
{
    int64_t left_ms = (s->deadline_us - clock_mono_us(&clock_system)) / 1000;
    if (left_ms <= 0) {
        return err_set(&s->err, ERR_RETRY, "count rows on the %s: no time left", s->label);
    }
    char sql[96];
    snprintf(sql, sizeof(sql), "SET statement_timeout = %lld", (long long)left_ms);
    return pg_exec(conn, "count rows", sql, &s->err);
}

/* The target may have cut into partitions what is one table on the source. */
static bool
is_partitioned(struct side *s, PGconn *conn, const struct table_row *row, bool *out)
{
    struct buf name;
    buf_init(&name, 4096);
    sql_qualified(&name, row->schema, row->name);
    const char *params[] = {buf_cstr(&name)};
    char *kind = NULL;
    bool ok = pg_query_value(conn, "count rows",
        "SELECT (SELECT relkind FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1))",
        1, params, &kind, &s->err);
    *out = ok && kind && kind[0] == 'p';
    x_free(kind);
    buf_done(&name);
    return ok;
}

static bool
count_one(struct side *s, PGconn *conn, size_t i)
{
    const struct table_row *row = &s->rows[i];
    bool partitioned = false;
    if (!is_partitioned(s, conn, row, &partitioned)) {
        return false;
    }
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, partitioned ? "SELECT count(*) FROM " : "SELECT count(*) FROM ONLY ");
    sql_qualified(&sql, row->schema, row->name);
    char what[200];
    snprintf(
        what, sizeof(what), "count rows of '%s.%s' on the %s", row->schema, row->name, s->label);
    PGresult *res = NULL;
    bool ok = set_deadline(s, conn) &&
              pg_query_long(conn, what, buf_cstr(&sql), 0, NULL, s->stop, &res, &s->err);
    if (ok) {
        s->counts[i] = pg_u64(res, 0, 0);
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

static void
count_side(void *arg)
{
    struct side *s = arg;
    struct pg_options o = {
        .application_name = "tidegate verify", .timeout_us = s->config->network.timeout_us};
    PGconn *conn = NULL;
    s->ok = pg_connect(s->dsn, &o, &conn, &s->err);
    for (size_t i = 0; s->ok && i < s->len; i++) {
        if (s->counts[i] != UNCOUNTED) {
            s->ok = count_one(s, conn, i);
        }
    }
    PQfinish(conn);
}

/* In the counts of every side. */
static bool
leave_out_unlogged(struct side *sides, size_t n, struct err *err)
{
    const struct side *source = &sides[0];
    struct pg_options o = {
        .application_name = "tidegate verify", .timeout_us = source->config->network.timeout_us};
    PGconn *conn = NULL;
    PGresult *res = NULL;
    bool ok =
        pg_connect(source->dsn, &o, &conn, err) &&
        pg_query(conn, "list unlogged tables",
            "SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'r' AND relpersistence = 'u'", 0,
            NULL, &res, err);
    for (int r = 0; ok && r < PQntuples(res); r++) {
        for (size_t i = 0; i < source->len * n; i++) {
            if (source->rows[i % source->len].oid == pg_oid(res, r, 0)) {
                sides[i / source->len].counts[i % source->len] = UNCOUNTED;
            }
        }
    }
    PQclear(res);
    PQfinish(conn);
    return ok;
}

static bool
compare(
    const struct side *source, const struct side *target, struct count_result *out, struct err *err)
{
    for (size_t i = 0; i < source->len; i++) {
        if (source->counts[i] == UNCOUNTED) {
            continue;
        }
        out->tables++;
        out->rows += source->counts[i];
        if (source->counts[i] != target->counts[i]) {
            err_set(err, ERR_DATA, "table '%s.%s' has %llu rows on the source and %llu on the %s",
                source->rows[i].schema, source->rows[i].name, (unsigned long long)source->counts[i],
                (unsigned long long)target->counts[i], target->label);
            err_hint(err,
                "somebody else may have written to the target; compare with `tidegate verify`");
            return false;
        }
    }
    return true;
}

/* The source, and every target behind it. Number of sides. */
static size_t
list_sides(const struct config *config, struct side *sides)
{
    size_t n = 0;
    sides[n++] = (struct side){.dsn = config->source.dsn, .label = "source"};
    for (size_t i = 0; i < config->sinks_len; i++) {
        const struct sink_config *s = &config->sinks[i];
        if (strcmp(s->type, "postgresql") == 0) {
            sides[n] = (struct side){.dsn = s->dsn, .label = "target"};
            if (config->sinks_len > 1) {
                snprintf(sides[n].name, sizeof(sides[n].name), "target '%s'", s->name);
                sides[n].label = sides[n].name;
            }
            n++;
        }
    }
    return n;
}

static bool
count_all(struct side *sides, size_t n, struct err *err)
{
    bool ok = true;
    for (size_t i = 1; ok && i < n; i++) {
        ok = thread_start(&sides[i].thread, "count target", count_side, &sides[i], err);
    }
    if (ok) {
        count_side(&sides[0]);
    }
    for (size_t i = 1; i < n; i++) {
        thread_join(&sides[i].thread);
    }
    for (size_t i = 0; ok && i < n; i++) {
        ok = sides[i].ok;
        *err = ok ? *err : sides[i].err;
    }
    return ok;
}

bool
count_rows_compare(const struct config *config, struct store *store, int64_t deadline_us,
    const struct stop *stop, struct count_result *out, struct err *err)
{
    *out = (struct count_result){0};
    struct table_row *rows = NULL;
    size_t len = 0;
    if (!store_tables(store, &rows, &len, err)) {
        return false;
    }
    struct side *sides = x_zalloc((CONFIG_SINKS_MAX + 1) * sizeof(*sides));
    size_t n = list_sides(config, sides);
    for (size_t i = 0; i < n; i++) {
        sides[i].config = config;
        sides[i].rows = rows;
        sides[i].len = len;
        sides[i].deadline_us = deadline_us;
        sides[i].stop = stop;
        sides[i].counts = x_zalloc((len + 1) * sizeof(uint64_t));
    }
    bool ok = leave_out_unlogged(sides, n, err) && count_all(sides, n, err);
    for (size_t i = 1; ok && i < n; i++) {
        *out = (struct count_result){0};
        ok = compare(&sides[0], &sides[i], out, err);
    }
    for (size_t i = 0; i < n; i++) {
        x_free(sides[i].counts);
    }
    x_free(sides);
    x_free(rows);
    return ok;
}
