/* SPDX-License-Identifier: Apache-2.0
 *
 * Two threads, one a server, each with one connection that counts table after table; the server
 * itself runs large counts in parallel.
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

static bool
count_one(struct side *s, PGconn *conn, size_t i)
{
    const struct table_row *row = &s->rows[i];
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "SELECT count(*) FROM ONLY ");
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

static bool
leave_out_unlogged(const struct config *config, const struct table_row *rows, size_t len,
    uint64_t *a, uint64_t *b, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate verify", .timeout_us = config->network.timeout_us};
    PGconn *conn = NULL;
    PGresult *res = NULL;
    bool ok =
        pg_connect(config->source.dsn, &o, &conn, err) &&
        pg_query(conn, "list unlogged tables",
            "SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'r' AND relpersistence = 'u'", 0,
            NULL, &res, err);
    for (int r = 0; ok && r < PQntuples(res); r++) {
        for (size_t i = 0; i < len; i++) {
            if (rows[i].oid == pg_oid(res, r, 0)) {
                a[i] = b[i] = UNCOUNTED;
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
            err_set(err, ERR_DATA,
                "table '%s.%s' has %llu rows on the source and %llu on the target",
                source->rows[i].schema, source->rows[i].name, (unsigned long long)source->counts[i],
                (unsigned long long)target->counts[i]);
            err_hint(err,
                "somebody else may have written to the target; compare with `tidegate verify`");
            return false;
        }
    }
    return true;
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
    struct side source = {.dsn = config->source.dsn, .label = "source"};
    struct side target = {.dsn = config->sinks[0].dsn, .label = "target"};
    struct side *sides[] = {&source, &target};
    for (int i = 0; i < 2; i++) {
        sides[i]->config = config;
        sides[i]->rows = rows;
        sides[i]->len = len;
        sides[i]->deadline_us = deadline_us;
        sides[i]->stop = stop;
        sides[i]->counts = x_zalloc((len + 1) * sizeof(uint64_t));
    }
    bool ok = leave_out_unlogged(config, rows, len, source.counts, target.counts, err);
    if (ok && thread_start(&target.thread, "count target", count_side, &target, err)) {
        count_side(&source);
        thread_join(&target.thread);
        *err = source.ok ? target.err : source.err;
        ok = source.ok && target.ok && compare(&source, &target, out, err);
    }
    x_free(source.counts);
    x_free(target.counts);
    x_free(rows);
    return ok;
}
