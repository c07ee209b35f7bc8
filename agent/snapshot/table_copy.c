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
#include "agent/pg/together.h"
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

/* --- describe ------------------------------------------------------------------------------- */

static const struct pg_column *
find_column(const struct pg_columns *all, const char *name)
{
    for (size_t i = 0; i < all->len; i++) {
        if (strcmp(all->items[i].name, name) == 0) {
            return &all->items[i];
        }
    }
    return NULL;
}

static bool
match_columns(struct table_copy *t, const struct pg_columns *source,
    const struct pg_columns *target, struct err *err)
{
    struct buf list;
    buf_init(&list, SQL_MAX);
    t->binary = true;
    for (size_t i = 0; i < source->len; i++) {
        const struct pg_column *from = &source->items[i];
        const struct pg_column *to = find_column(target, from->name);
        if (!to) {
            buf_done(&list);
            err_set(err, ERR_DATA, "the target's table has no column '%s' that can be written",
                from->name);
            return err_hint(err, "both sides need the same columns: add it, or exclude the table");
        }
        t->binary = t->binary && from->binary_exact && to->binary_exact &&
                    strcmp(from->type_name, to->type_name) == 0;
        buf_str(&list, i ? ", " : "");
        sql_ident(&list, from->name);
    }
    bool ok = buf_ok(&list, "list of columns", err);
    if (ok) {
        t->columns = x_strdup(buf_cstr(&list));
    }
    buf_done(&list);
    return ok;
}

/* Triggers that fire in our session would act on the rows a second time. */
#define LOOK                                                                                       \
    "SELECT relkind, (SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = r.oid"              \
    " AND NOT tgisinternal AND tgtype & 4 <> 0 AND tgenabled = ANY ($2::\"char\"[]) LIMIT 1)"      \
    " FROM pg_catalog.pg_class r WHERE oid = pg_catalog.to_regclass($1)"

static bool
judge_target(struct table_copy *t, const PGresult *look, struct err *err)
{
    if (PQntuples(look) == 0) {
        err_set(err, ERR_DATA, "the table is not on the target");
        return err_hint(
            err, "was it dropped there? drop what tidegate made and start anew, or create it");
    }
    if (!PQgetisnull(look, 0, 1)) {
        err_set(err, ERR_CONFIG, "the target's table has a trigger that would fire: '%s'",
            pg_str(look, 0, 1));
        return err_hint(err, "disable it until the cutover is done");
    }
    t->partitioned = pg_str(look, 0, 0)[0] == 'p';
    return true;
}

static bool
ask_target(
    struct table_copy *t, const struct copier *c, struct pg_columns *columns, struct err *err)
{
    char *quoted = quoted_name(t);
    const char *table[] = {quoted, c->replica ? "{A,R}" : "{O,A}"};
    const char *names[] = {t->table->schema, t->table->name};
    struct pg_question q[] = {
        {LOOK, 2, table, NULL}, {pg_columns_question(c->target), 2, names, NULL}};
    bool ok = pg_query_together(c->target, "target: look at the table", q, 2, err) &&
              judge_target(t, q[0].res, err);
    if (ok) {
        pg_columns_take(q[1].res, columns);
    }
    PQclear(q[0].res);
    PQclear(q[1].res);
    x_free(quoted);
    return ok;
}

bool
table_copy_describe(struct table_copy *t, const struct copier *c, struct err *err)
{
    struct pg_columns source = {0}, target = {0};
    bool ok = ask_target(t, c, &target, err) &&
              pg_columns_read(c->source, t->table->schema, t->table->name, &source, err) &&
              match_columns(t, &source, &target, err);
    pg_columns_free(&source);
    pg_columns_free(&target);
    t->described = ok;
    return ok || failed(t, err);
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

static void
source_sql(const struct table_copy *t, const char *quoted, const struct range *r, struct buf *sql)
{
    const char *format = t->binary ? " (FORMAT binary)" : "";
    if (r->whole) {
        buf_printf(sql, "COPY %s (%s) TO STDOUT%s", quoted, t->columns, format);
        return;
    }
    buf_printf(sql, "COPY (SELECT %s FROM ONLY %s WHERE ctid >= '(%u,0)'::pg_catalog.tid",
        t->columns, quoted, r->from);
    if (r->to) {
        buf_printf(sql, " AND ctid < '(%u,0)'::pg_catalog.tid", r->to);
    }
    buf_printf(sql, ") TO STDOUT%s", format);
}

static void
target_sql(const struct table_copy *t, const char *quoted, bool freeze, struct buf *sql)
{
    buf_printf(sql, "COPY %s (%s) FROM STDIN", quoted, t->columns);
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
    source_sql(t, quoted, r, &source);
    target_sql(t, quoted, r->freeze, &target);
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
