/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole table is truncated and filled in one transaction, which lets the server write frozen rows
 * and, with wal_level = minimal, no WAL for them. Parts of a table run in several sessions at once
 * and cannot.
 *
 * Invariant: rows that this migration has not put there are never removed. Rows found in a table
 * without a trace in the ledger end the copy, unless the table belongs to an extension, which
 * filled it itself.
 */
#include "agent/snapshot/table_copy.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/base/parse.h"
#include "agent/pg/copy.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/ledger.h"

#define SQL_MAX (1U << 20)
#define FREEZE_MIN                                                                                 \
    (1U << 20) /* bytes; below it a truncate of an empty table costs more than it gives */

static bool
failed(const struct table_copy *t, struct err *err)
{
    return err_wrap(err, "copy '%s.%s'", t->table->schema, t->table->name);
}

static char *
quoted_name(const struct table_copy *t)
{
    struct buf b;
    buf_init(&b, SQL_MAX);
    sql_qualified(&b, t->table->schema, t->table->name);
    char *out = x_strdup(buf_cstr(&b));
    buf_done(&b);
    return out;
}

void
table_copy_done(struct table_copy *t)
{
    x_free(t->columns);
    t->columns = NULL;
    t->described = false;
}

/* --- emptying ------------------------------------------------------------------------------- */

/* Rows of a partitioned table are those of what hangs below. */
static const char *
only(const struct table_copy *t)
{
    return t->partitioned ? "" : "ONLY ";
}

/* Begins the transaction. The lock waits for writers, so that rows which are about to be committed
 * are seen by what follows it. */
static bool
begin_with_lock(const struct table_copy *t, const struct copier *c, const char *quoted, bool *rows,
    bool *extension, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql,
        "BEGIN; LOCK TABLE %s%s IN SHARE ROW EXCLUSIVE MODE;"
        " SELECT EXISTS (SELECT 1 FROM %s%s), EXISTS ("
        "SELECT 1 FROM pg_catalog.pg_depend WHERE deptype = 'e' AND objsubid = 0"
        " AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = ",
        only(t), quoted, only(t), quoted);
    sql_literal(&sql, quoted);
    buf_str(&sql, "::pg_catalog.regclass)");
    PGresult *res = NULL;
    bool ok = pg_query_long(c->target, "target: lock the table and look for rows", buf_cstr(&sql),
        0, NULL, c->stop, &res, err);
    if (ok) {
        *rows = pg_bool(res, 0, 0);
        *extension = pg_bool(res, 0, 1);
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

static bool
run_on(const struct copier *c, const char *what, const char *before, const char *quoted,
    const char *after, struct err *err)
{
    char *sql = x_printf("%s%s%s", before, quoted, after);
    bool ok = pg_exec_long(c->target, what, sql, c->stop, err);
    x_free(sql);
    return ok;
}

/* Leaves the transaction open. *fresh: truncated here, so that rows may be written frozen. */
static bool
begin_empty(const struct table_copy *t, const struct copier *c, const char *quoted, bool want_fresh,
    bool *fresh, struct err *err)
{
    bool rows = false, extension = false;
    *fresh = false;
    if (!begin_with_lock(t, c, quoted, &rows, &extension, err)) {
        return false;
    }
    if (rows && !t->ours && !extension) {
        err_set(err, ERR_CONFIG, "the target's table has rows that tidegate did not put there");
        return err_hint(err, "empty the table on the target, or exclude it");
    }
    if (!rows && (!want_fresh || t->partitioned)) {
        return true;
    }
    char *truncate = x_printf("SAVEPOINT tidegate_truncate; TRUNCATE %s", only(t));
    bool emptied = run_on(
        c, "target: truncate", truncate, quoted, "; RELEASE SAVEPOINT tidegate_truncate", err);
    x_free(truncate);
    if (emptied) {
        *fresh = !t->partitioned; /* there is no COPY FREEZE into partitions */
        return true;
    }
    /* A foreign key of another table, or the right to truncate missing: slower, but as good. */
    if (strcmp(err->sqlstate, "0A000") != 0 && strcmp(err->sqlstate, "42501") != 0) {
        return false;
    }
    err_clear(err);
    if (!pg_exec(c->target, "target: roll back the truncate",
            "ROLLBACK TO SAVEPOINT tidegate_truncate", err)) {
        return false;
    }
    return !rows || run_on(c, "target: delete old rows",
                        t->partitioned ? "DELETE FROM " : "DELETE FROM ONLY ", quoted, "", err);
}

/* --- copying -------------------------------------------------------------------------------- */

struct range {
    bool whole;
    uint32_t from, to; /* blocks; to == 0: no end */
    bool freeze;
};

void
table_copy_source_sql(const struct table_copy *t, struct buf *sql)
{
    buf_str(sql, "COPY ");
    sql_qualified(sql, t->table->schema, t->table->name);
    buf_printf(sql, " (%s) TO STDOUT%s", t->columns, t->binary ? " (FORMAT binary)" : "");
}

static void
range_sql(const struct table_copy *t, const char *quoted, const struct range *r, struct buf *sql)
{
    buf_printf(sql, "COPY (SELECT %s FROM ONLY %s WHERE ctid >= '(%u,0)'::pg_catalog.tid",
        t->columns, quoted, r->from);
    if (r->to) {
        buf_printf(sql, " AND ctid < '(%u,0)'::pg_catalog.tid", r->to);
    }
    buf_printf(sql, ") TO STDOUT%s", t->binary ? " (FORMAT binary)" : "");
}

void
table_copy_target_sql(const struct table_copy *t, bool freeze, struct buf *sql)
{
    buf_str(sql, "COPY ");
    sql_qualified(sql, t->table->schema, t->table->name);
    buf_printf(sql, " (%s) FROM STDIN", t->columns);
    if (t->binary || freeze) {
        buf_printf(sql, " (%s%s%s)", t->binary ? "FORMAT binary" : "",
            t->binary && freeze ? ", " : "", freeze ? "FREEZE" : "");
    }
}

/* Rows of a table whose columns are all generated, or that has none, are only counted. */
static bool
copy_count(const struct copier *c, const char *quoted, uint64_t *rows, struct err *err)
{
    char *sql = x_printf("SELECT count(*) FROM ONLY %s", quoted), *n = NULL;
    bool ok = pg_query_value(c->source, "source: count rows", sql, 0, NULL, &n, err);
    x_free(sql);
    if (!ok) {
        return false;
    }
    char *tail = x_printf(" SELECT FROM pg_catalog.generate_series(1, %s)", n);
    ok = run_on(c, "target: insert rows", "INSERT INTO ", quoted, tail, err);
    x_free(tail);
    ok = ok && (parse_u64(n, 0, UINT64_MAX, rows) ||
                   err_set(err, ERR_FATAL, "source: count(*) gave no number"));
    x_free(n);
    return ok;
}

static bool
transfer(const struct table_copy *t, const struct copier *c, const char *quoted,
    const struct range *r, uint64_t *rows, struct err *err)
{
    if (!t->columns[0]) {
        return copy_count(c, quoted, rows, err);
    }
    struct buf source, target;
    buf_init(&source, SQL_MAX);
    buf_init(&target, SQL_MAX);
    if (r->whole) {
        table_copy_source_sql(t, &source);
    } else {
        range_sql(t, quoted, r, &source);
    }
    table_copy_target_sql(t, r->freeze, &target);
    struct pg_copy copy = {.source = c->source,
        .target = c->target,
        .source_sql = buf_cstr(&source),
        .target_sql = buf_cstr(&target),
        .stop = c->stop,
        .progress = c->progress,
        .arg = c->arg};
    bool ok = pg_copy_run(&copy, rows, err);
    buf_done(&source);
    buf_done(&target);
    return ok;
}

bool
table_copy_whole(
    const struct table_copy *t, const struct copier *c, uint64_t *rows, struct err *err)
{
    char item[LEDGER_ITEM_SIZE], *quoted = quoted_name(t);
    struct range r = {.whole = true};
    ledger_copied_item(t->table->oid, c->sync, item);
    bool ok = begin_empty(t, c, quoted, t->table->bytes >= FREEZE_MIN, &r.freeze, err) &&
              transfer(t, c, quoted, &r, rows, err);
    if (ok) {
        FAILPOINT("copy.before_commit");
        ok = ledger_add_and_commit(c->target, c->migration, item, err);
        FAILPOINT("copy.committed");
    }
    x_free(quoted);
    return ok || failed(t, err);
}

bool
table_copy_begin(const struct table_copy *t, const struct copier *c, struct err *err)
{
    char item[LEDGER_ITEM_SIZE], *quoted = quoted_name(t);
    bool fresh = false;
    ledger_start_item(t->table->oid, c->sync, item);
    bool ok = begin_empty(t, c, quoted, false, &fresh, err) &&
              ledger_add_and_commit(c->target, c->migration, item, err);
    x_free(quoted);
    return ok || failed(t, err);
}

bool
table_copy_part(const struct table_copy *t, const struct copier *c, uint32_t from, uint32_t to,
    uint64_t *rows, struct err *err)
{
    char item[LEDGER_ITEM_SIZE], *quoted = quoted_name(t);
    struct range r = {.from = from, .to = to};
    ledger_part_item(t->table->oid, from, c->sync, item);
    bool ok =
        pg_exec(c->target, "target: begin", "BEGIN", err) && transfer(t, c, quoted, &r, rows, err);
    if (ok) {
        FAILPOINT("copy.part_before_commit");
        ok = ledger_add_and_commit(c->target, c->migration, item, err);
        FAILPOINT("copy.part_committed");
    }
    x_free(quoted);
    return ok || failed(t, err);
}

bool
table_copy_end(const struct table_copy *t, const struct copier *c, struct err *err)
{
    char item[LEDGER_ITEM_SIZE];
    ledger_copied_item(t->table->oid, c->sync, item);
    return ledger_add(c->target, c->migration, item, err) || failed(t, err);
}
