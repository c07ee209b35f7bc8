/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread a server, each with one connection that counts table after table; the server itself
 * runs large counts in parallel. Many tables are one statement: nobody writes while this runs, and
 * a target that is far away must not cost a trip for each of them.
 */
#include "agent/pipeline/count_rows.h"

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pg/spares.h"

#define UNCOUNTED      UINT64_MAX /* an unlogged table */
#define PURPOSE        "tidegate verify"
#define PER_QUERY      100
#define NAME_MAX_BYTES 4096
#define SQL_MAX        (64U << 20)

struct side {
    const char *dsn, *label;
    char name[64]; /* what `label` may point to */
    const struct count_options *o;
    const struct table_row *rows;
    size_t len;
    uint64_t *counts;
    bool ok;
    struct err err;
    struct thread thread;
};

static bool
open_new(const struct config *config, const char *dsn, PGconn **out, struct err *err)
{
    struct pg_options o = {.application_name = PURPOSE, .timeout_us = config->network.timeout_us};
    return pg_connect(dsn, &o, out, err);
}

static bool
open_side(const struct side *s, PGconn **out, struct err *err)
{
    *out = pg_spares_take(s->o->spares, s->dsn, PURPOSE);
    return *out || open_new(s->o->config, s->dsn, out, err);
}

static bool
set_deadline(struct side *s, PGconn *conn)
{
    int64_t left_ms = (s->o->deadline_us - clock_mono_us(&clock_system)) / 1000;
    if (left_ms <= 0) {
        return err_set(&s->err, ERR_RETRY, "count rows on the %s: no time left", s->label);
    }
    char sql[96];
    snprintf(sql, sizeof(sql), "SET statement_timeout = %lld", (long long)left_ms);
    return pg_exec(conn, "count rows", sql, &s->err);
}

/* Columns of the answer: number of the table, its pg_class.relkind or NULL. The target may have cut
 * into partitions what is one table on the source. */
static void
kinds_text(const struct side *s, struct buf *sql)
{
    struct buf name;
    buf_init(&name, NAME_MAX_BYTES);
    buf_str(sql, "SELECT v.i, c.relkind FROM (VALUES (NULL::int, NULL::text)");
    for (size_t i = 0; i < s->len; i++) {
        if (s->counts[i] != UNCOUNTED) {
            buf_reset(&name);
            sql_qualified(&name, s->rows[i].schema, s->rows[i].name);
            buf_printf(sql, ", (%zu, ", i);
            sql_literal(sql, buf_cstr(&name));
            buf_str(sql, ")");
        }
    }
    buf_str(sql, ") AS v(i, name) LEFT JOIN pg_catalog.pg_class c"
                 " ON c.oid = pg_catalog.to_regclass(v.name) WHERE v.i IS NOT NULL");
    buf_done(&name);
}

static bool
read_kinds(struct side *s, PGconn *conn, bool *partitioned)
{
    struct buf sql;
    PGresult *res = NULL;
    buf_init(&sql, SQL_MAX);
    kinds_text(s, &sql);
    bool ok = buf_ok(&sql, "list of tables", &s->err) &&
              pg_query(conn, "count rows", buf_cstr(&sql), 0, NULL, &res, &s->err);
    for (int row = 0; ok && row < PQntuples(res); row++) {
        uint64_t i = pg_u64(res, row, 0);
        if (i < s->len) {
            partitioned[i] = pg_str(res, row, 1)[0] == 'p';
        }
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

/* From table *at on, at most PER_QUERY of them; *at is then behind them. Number of tables. One that
 * is partitioned goes alone: its partitions and their indexes are locked, too, and the server has
 * room for so many locks. */
static int
counts_text(const struct side *s, const bool *partitioned, size_t *at, struct buf *sql)
{
    int n = 0;
    bool alone = false;
    for (; *at < s->len && n < PER_QUERY; (*at)++) {
        if (s->counts[*at] != UNCOUNTED) {
            if (n > 0 && (partitioned[*at] || alone)) {
                break;
            }
            alone = partitioned[*at];
            buf_printf(sql, "%sSELECT %zu, count(*) FROM %s", n++ ? " UNION ALL " : "", *at,
                partitioned[*at] ? "" : "ONLY ");
            sql_qualified(sql, s->rows[*at].schema, s->rows[*at].name);
        }
    }
    return n;
}

static bool
count_some(struct side *s, PGconn *conn, const bool *partitioned, size_t *at)
{
    struct buf sql;
    PGresult *res = NULL;
    char what[400];
    const struct table_row *first = &s->rows[*at];
    buf_init(&sql, SQL_MAX);
    int n = counts_text(s, partitioned, at, &sql);
    const struct table_row *last = &s->rows[*at - 1];
    snprintf(what, sizeof(what), "count rows on the %.64s, of tables '%s.%s' to '%s.%s'", s->label,
        first->schema, first->name, last->schema, last->name);
    bool ok = n == 0 ||
              (buf_ok(&sql, what, &s->err) && set_deadline(s, conn) &&
                  pg_query_long(conn, what, buf_cstr(&sql), 0, NULL, s->o->stop, &res, &s->err));
    for (int row = 0; ok && n > 0 && row < PQntuples(res); row++) {
        uint64_t i = pg_u64(res, row, 0);
        if (i < s->len) {
            s->counts[i] = pg_u64(res, row, 1);
        }
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

static void
count_side(void *arg)
{
    struct side *s = arg;
    PGconn *conn = NULL;
    bool *partitioned = x_zalloc((s->len + 1) * sizeof(bool));
    s->ok = open_side(s, &conn, &s->err) && read_kinds(s, conn, partitioned);
    for (size_t at = 0; s->ok && at < s->len;) {
        s->ok = count_some(s, conn, partitioned, &at);
    }
    x_free(partitioned);
    PQfinish(conn);
}

/* In the counts of every side. */
static bool
leave_out_unlogged(struct side *sides, size_t n, struct err *err)
{
    const struct side *source = &sides[0];
    PGconn *conn = NULL;
    PGresult *res = NULL;
    bool ok =
        open_side(source, &conn, err) &&
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
count_rows_compare(const struct count_options *o, struct count_result *out, struct err *err)
{
    *out = (struct count_result){0};
    struct table_row *rows = NULL;
    size_t len = 0;
    if (!store_tables(o->store, &rows, &len, err)) {
        return false;
    }
    struct side *sides = x_zalloc((CONFIG_SINKS_MAX + 1) * sizeof(*sides));
    size_t n = list_sides(o->config, sides);
    for (size_t i = 0; i < n; i++) {
        sides[i].o = o;
        sides[i].rows = rows;
        sides[i].len = len;
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

bool
count_rows_open_ahead(const struct config *config, struct pg_spares *spares, struct err *err)
{
    struct side *sides = x_zalloc((CONFIG_SINKS_MAX + 1) * sizeof(*sides));
    size_t n = list_sides(config, sides);
    bool ok = true;
    /* The source is asked for its unlogged tables, too. */
    for (size_t i = 0; ok && i <= n; i++) {
        const char *dsn = sides[i < n ? i : 0].dsn;
        PGconn *conn = NULL;
        ok = open_new(config, dsn, &conn, err);
        if (ok) {
            pg_spares_put(spares, dsn, PURPOSE, conn);
        }
    }
    x_free(sides);
    return ok;
}
