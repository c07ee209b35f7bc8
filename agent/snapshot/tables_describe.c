/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalog answers a question about twenty tables nearly as fast as about one: most of it is
 * planning, and the way.
 */
#include "agent/snapshot/tables_describe.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pg/together.h"

#define SQL_MAX (1U << 20)

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

/* Kind of each table, and a trigger that fires in our session: it would act on the rows a second
 * time. */
static void
look(struct buf *sql, const struct pg_name *names, size_t n, bool replica)
{
    buf_str(sql, "SELECT q.n, r.relkind, (SELECT tgname FROM pg_trigger WHERE tgrelid = r.oid"
                 " AND NOT tgisinternal AND tgtype & 4 <> 0 AND tgenabled IN ");
    buf_str(sql, replica ? "('A', 'R')" : "('O', 'A')");
    buf_str(sql, " LIMIT 1) FROM");
    pg_names_values(sql, names, n);
    buf_str(sql, " JOIN pg_namespace s ON s.nspname = q.ns"
                 " JOIN pg_class r ON r.relnamespace = s.oid AND r.relname = q.nm ORDER BY q.n");
}

/* *row: of the answer, where the table's is if it is there at all. */
static bool
judge(struct table_copy *t, size_t i, const PGresult *found, int *row, struct err *err)
{
    if (*row == PQntuples(found) || pg_u64(found, *row, 0) != i) {
        err_set(err, ERR_DATA, "the table is not on the target");
        return err_hint(
            err, "was it dropped there? drop what tidegate made and start anew, or create it");
    }
    if (!PQgetisnull(found, *row, 2)) {
        err_set(err, ERR_CONFIG, "the target's table has a trigger that would fire: '%s'",
            pg_str(found, *row, 2));
        return err_hint(err, "disable it until the cutover is done");
    }
    t->partitioned = pg_str(found, *row, 1)[0] == 'p';
    ++*row;
    return true;
}

/* res[0]: what the tables are on the target; res[1], res[2]: their columns there and on the source.
 */
static bool
ask(const struct copier *c, const struct pg_name *names, size_t n, PGresult *res[3],
    struct err *err)
{
    struct buf sql[3];
    for (int i = 0; i < 3; i++) {
        buf_init(&sql[i], SQL_MAX);
    }
    look(&sql[0], names, n, c->replica);
    pg_columns_question(&sql[1], c->target, names, n);
    pg_columns_question(&sql[2], c->source, names, n);
    struct pg_question q[] = {{.sql = buf_cstr(&sql[0])}, {.sql = buf_cstr(&sql[1])}};
    bool ok = pg_query_together(c->target, "target: look at the tables", q, 2, err);
    res[0] = q[0].res;
    res[1] = q[1].res;
    ok = ok &&
         pg_query(c->source, "source: list the columns", buf_cstr(&sql[2]), 0, NULL, &res[2], err);
    for (int i = 0; i < 3; i++) {
        buf_done(&sql[i]);
    }
    return ok;
}

static bool
describe(struct table_copy *tables, size_t n, PGresult *const res[3], struct err *err)
{
    struct pg_columns target[TABLES_DESCRIBE_MAX] = {0}, source[TABLES_DESCRIBE_MAX] = {0};
    int row = 0;
    bool ok = true;
    pg_columns_take(res[1], target, n);
    pg_columns_take(res[2], source, n);
    for (size_t i = 0; i < n; i++) {
        struct table_copy *t = &tables[i];
        if (ok) {
            ok = t->described =
                judge(t, i, res[0], &row, err) && match_columns(t, &source[i], &target[i], err);
            ok = ok || err_wrap(err, "copy '%s.%s'", t->table->schema, t->table->name);
        }
        pg_columns_free(&target[i]);
        pg_columns_free(&source[i]);
    }
    return ok;
}

bool
tables_describe(struct table_copy *tables, size_t n, const struct copier *c, struct err *err)
{
    struct pg_name names[TABLES_DESCRIBE_MAX];
    PGresult *res[3] = {NULL, NULL, NULL};
    for (size_t i = 0; i < n; i++) {
        names[i] = (struct pg_name){tables[i].table->schema, tables[i].table->name};
    }
    bool ok = ask(c, names, n, res, err) || err_wrap(err, "copy '%s.%s'%s", names[0].schema,
                                                names[0].name, n > 1 ? " and others" : "");
    ok = ok && describe(tables, n, res, err);
    for (int i = 0; i < 3; i++) {
        PQclear(res[i]);
    }
    return ok;
}
