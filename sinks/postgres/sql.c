/* SPDX-License-Identifier: Apache-2.0
 *
 * A change of the feed means one physical table, so statements say ONLY: an inheritance parent must
 * not pass an update on to its children, which have changes of their own. Partitioned tables have
 * no rows of their own and are named without it.
 *
 * Without a key, one of the rows that match is picked in a subselect and found again by its place.
 * When values can be equal and yet different (1.0 and 1.00), the row with the very same bytes comes
 * first.
 *
 * Several rows are joined by unnest(), each array by one of its own: as a table of several arrays
 * it would write each of them down first. Their keys are compared by "= ANY (ARRAY[key])", which
 * means the same as "=" and leaves the planner one way to do it, once for each row of the arrays:
 * by the index. With a plain "=" a plan made while the table was small could read the whole index
 * for every statement, and be kept when the table has grown. Rows with one key column can do
 * without a join: "key = ANY ($n)", and where an update has found a row, array_position() tells
 * which element its key is.
 */
#include "sinks/postgres/sql.h"

#include "agent/pg/ident.h"
#include "sinks/postgres/origin.h"

struct builder {
    const struct relation *r;
    const struct target *t;
    const struct shape *s;
    struct buf *out;
    uint32_t parameter; /* the last one used */
};

static void
table_name(const struct relation *r, char kind, struct buf *out)
{
    buf_str(out, kind == 'p' ? "" : "ONLY ");
    sql_qualified(out, r->schema, r->name);
}

static void
column(const struct builder *b, uint16_t i)
{
    sql_ident(b->out, b->r->columns[i].name);
}

static void
insert_text(struct builder *b)
{
    buf_str(b->out, "INSERT INTO ");
    sql_qualified(b->out, b->r->schema, b->r->name);
    if (b->s->parameters == 0) {
        buf_str(b->out, " DEFAULT VALUES");
        return;
    }
    bool overriding = false;
    const char *separator = " (";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (b->s->use[i] & USE_SET) {
            buf_str(b->out, separator);
            column(b, i);
            overriding |= b->t->columns[i].always_identity;
            separator = ", ";
        }
    }
    buf_str(b->out, overriding ? ") OVERRIDING SYSTEM VALUE " : ") ");
    buf_str(b->out, b->s->rows ? "SELECT " : "VALUES (");
    for (uint32_t n = 1; n <= b->s->parameters; n++) {
        buf_printf(b->out, b->s->rows ? "%sunnest($%u)" : "%s$%u", n > 1 ? ", " : "", n);
    }
    buf_str(b->out, b->s->rows ? "" : ")");
}

static void
excluded_text(struct builder *b, uint16_t i)
{
    column(b, i);
    buf_str(b->out, " = EXCLUDED.");
    column(b, i);
}

/* What an upsert overwrites; without anything else the key by itself, so that a row is touched.
 * When not even that can be written no row is touched, which is a refusal. */
static void
overwrite_text(struct builder *b)
{
    const char *separator = ") DO UPDATE SET ";
    for (int keys = 0; keys < 2 && separator[0] == ')'; keys++) {
        for (uint16_t i = 0; i < b->s->len; i++) {
            uint8_t use = b->s->use[i];
            bool key = (use & USE_CONFLICT) != 0;
            if ((use & USE_SET) && key == (keys == 1) && !b->t->columns[i].always_identity) {
                buf_str(b->out, separator);
                excluded_text(b, i);
                separator = ", ";
            }
        }
    }
    buf_str(b->out, separator[0] == ')' ? ") DO NOTHING" : "");
}

/* A column that takes values in an INSERT only must have the right one already. */
static void
kept_text(struct builder *b)
{
    const char *separator = " WHERE ";
    for (uint16_t i = 0; i < b->s->len; i++) {
        uint8_t use = b->s->use[i];
        if (b->t->columns[i].always_identity && (use & USE_SET) && !(use & USE_CONFLICT)) {
            buf_str(b->out, separator);
            sql_qualified(b->out, b->r->schema, b->r->name);
            buf_str(b->out, ".");
            excluded_text(b, i);
            separator = " AND ";
        }
    }
}

static void
upsert_text(struct builder *b)
{
    insert_text(b);
    const char *separator = " ON CONFLICT (";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (b->s->use[i] & USE_CONFLICT) {
            buf_str(b->out, separator);
            column(b, i);
            separator = ", ";
        }
    }
    overwrite_text(b);
    kept_text(b);
}

/* The one column by which listed rows are found. */
static uint16_t
listed_key(const struct builder *b)
{
    uint16_t i = 0;
    while (!(b->s->use[i] & USE_MATCH)) {
        i++;
    }
    return i;
}

/* What a column is set to: the next parameter, or the row's element of it. */
static void
value_text(struct builder *b)
{
    uint32_t n = ++b->parameter;
    switch ((enum shape_rows)b->s->rows) {
    case SHAPE_ROW:
        buf_printf(b->out, "$%u", n);
        break;
    case SHAPE_JOINED:
        buf_printf(b->out, "u.p%u", n);
        break;
    case SHAPE_LISTED:
        buf_printf(b->out, "$%u[array_position($%u, d.", n, b->s->parameters);
        column(b, listed_key(b));
        buf_str(b->out, ")]");
        break;
    }
}

static void
set_text(struct builder *b)
{
    const char *separator = " SET ";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (b->s->use[i] & USE_SET) {
            buf_str(b->out, separator);
            column(b, i);
            buf_str(b->out, " = ");
            value_text(b);
            separator = ", ";
        }
    }
}

static void
compare_text(struct builder *b, uint16_t i)
{
    const struct target_column *c = &b->t->columns[i];
    column(b, i);
    if (b->s->use[i] & USE_NULL) {
        buf_str(b->out, " IS NULL");
        return;
    }
    buf_str(b->out, c->equals ? " " : "::text ");
    buf_printf(b->out, "%s $%u", c->equals ? c->equals : "=", ++b->parameter);
    if (b->s->use[i] & USE_MATCH_SOURCE) {
        buf_printf(b->out, "::%s", c->type_name);
    }
    buf_str(b->out, c->equals ? "" : "::text");
}

static void
where_text(struct builder *b)
{
    const char *separator = " WHERE ";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (b->s->use[i] & USE_MATCH) {
            buf_str(b->out, separator);
            compare_text(b, i);
            separator = " AND ";
        }
    }
}

/* Columns whose equality can hide a difference; compared again as they are stored. */
static bool
is_inexact(const struct builder *b, uint16_t i)
{
    const struct target_column *c = &b->t->columns[i];
    uint8_t use = b->s->use[i];
    return (use & USE_MATCH) && !(use & (USE_NULL | USE_MATCH_SOURCE)) && !c->exact;
}

static void
row_of_columns(struct builder *b)
{
    const char *separator = "";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (is_inexact(b, i)) {
            buf_str(b->out, separator);
            column(b, i);
            separator = ", ";
        }
    }
}

static void
row_of_parameters(struct builder *b, uint32_t parameter)
{
    const char *separator = "";
    for (uint16_t i = 0; i < b->s->len; i++) {
        uint8_t use = b->s->use[i];
        parameter += (use & USE_MATCH) && !(use & USE_NULL);
        if (is_inexact(b, i)) {
            buf_printf(b->out, "%s$%u", separator, parameter);
            separator = ", ";
        }
    }
}

/* The same bytes first. The casts keep the server from comparing column by column, for which each
 * type would need such an operator of its own. `first` is the number before that of the first MATCH
 * parameter. */
static void
order_text(struct builder *b, uint32_t first)
{
    bool needed = false;
    for (uint16_t i = 0; i < b->s->len; i++) {
        needed |= is_inexact(b, i);
    }
    if (!needed) {
        return;
    }
    buf_str(b->out, " ORDER BY (ROW(");
    row_of_columns(b);
    buf_str(b->out, ")::record OPERATOR(pg_catalog.*=) ROW(");
    row_of_parameters(b, first);
    buf_str(b->out, ")::record) DESC");
}

static void
pick_one(struct builder *b)
{
    uint32_t first = b->parameter;
    buf_str(b->out, "(SELECT tableoid AS o, ctid AS c FROM ");
    table_name(b->r, b->t->kind, b->out);
    where_text(b);
    order_text(b, first);
    buf_str(b->out, " LIMIT 1) m WHERE d.tableoid = m.o AND d.ctid = m.c");
}

static void
change_text(struct builder *b, const char *verb, const char *join)
{
    buf_str(b->out, verb);
    table_name(b->r, b->t->kind, b->out);
    buf_str(b->out, b->s->any_row ? " AS d" : "");
    if (b->s->op == SHAPE_UPDATE) {
        set_text(b);
    }
    if (b->s->any_row) {
        buf_str(b->out, join);
        pick_one(b);
    } else {
        where_text(b);
    }
}

/* The old row goes, and the new one is made of it and of what is set. Nothing is inserted when
 * nothing was found, so the number of rows tells the same as an update's. */
static void
replace_text(struct builder *b)
{
    uint32_t set = 0;
    for (uint16_t i = 0; i < b->s->len; i++) {
        b->parameter += (b->s->use[i] & USE_SET) != 0;
    }
    buf_str(b->out, "WITH d AS (");
    change_text(b, "DELETE FROM ", " USING ");
    buf_str(b->out, b->s->any_row ? " RETURNING d.*) INSERT INTO " : " RETURNING *) INSERT INTO ");
    sql_qualified(b->out, b->r->schema, b->r->name);
    const char *separator = " (";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (!b->t->columns[i].generated) {
            buf_str(b->out, separator);
            column(b, i);
            separator = ", ";
        }
    }
    separator = ") OVERRIDING SYSTEM VALUE SELECT ";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (b->s->use[i] & USE_SET) {
            buf_printf(b->out, "%s$%u", separator, ++set);
            separator = ", ";
        } else if (!b->t->columns[i].generated) {
            buf_printf(b->out, "%sd.", separator);
            column(b, i);
            separator = ", ";
        }
    }
    buf_str(b->out, " FROM d");
}

static void
joined_key_text(struct builder *b)
{
    const char *separator = " WHERE d.";
    for (uint16_t i = 0; i < b->s->len; i++) {
        if (b->s->use[i] & USE_MATCH) {
            buf_str(b->out, separator);
            column(b, i);
            buf_printf(b->out, " %s ANY (ARRAY[u.p%u])", b->t->columns[i].equals, ++b->parameter);
            separator = " AND d.";
        }
    }
}

static void
rows_text(struct builder *b)
{
    const char *separator = "(SELECT ";
    for (uint32_t n = 1; n <= b->s->parameters; n++) {
        buf_printf(b->out, "%sunnest($%u) AS p%u", separator, n, n);
        separator = ", ";
    }
    buf_str(b->out, ") AS u");
}

static void
listed_key_text(struct builder *b)
{
    uint16_t i = listed_key(b);
    buf_str(b->out, " WHERE d.");
    column(b, i);
    buf_printf(b->out, " %s ANY ($%u)", b->t->columns[i].equals, b->s->parameters);
}

static void
change_rows_text(struct builder *b, const char *verb, const char *join)
{
    buf_str(b->out, verb);
    table_name(b->r, b->t->kind, b->out);
    buf_str(b->out, " AS d");
    set_text(b);
    if (b->s->rows == SHAPE_LISTED) {
        listed_key_text(b);
        return;
    }
    buf_str(b->out, join);
    rows_text(b);
    joined_key_text(b);
}

static void
changing(struct builder *b, const char *verb, const char *join)
{
    if (b->s->rows) {
        change_rows_text(b, verb, join);
    } else {
        change_text(b, verb, join);
    }
}

/* MERGE would find a row missing for nothing, a tenth of a small transaction's time cheaper; but
 * not one that a trigger takes away which somebody made since the table was looked at.
 *
 * A wrong number of rows is a division by zero. To look for one row without an aggregate takes the
 * server two thirds of the time; several are an error of their own (21000). */
static void
count_text(struct builder *b)
{
    const struct shape *s = b->s;
    buf_str(b->out, s->stores == ORIGIN_ROW ? " RETURNING 1), " : " RETURNING 1)");
    origin_store_with(s->stores, s->parameters + 1, b->out);
    buf_str(b->out, s->rows ? " SELECT 1 / (count(*) = cardinality($1))::int"
                            : " SELECT 1 / coalesce((SELECT 1 FROM m), 0)");
    if (s->stores) {
        buf_str(b->out, ", ");
        origin_store_select(s->stores, s->parameters + 1, b->out);
    }
    buf_str(b->out, s->rows ? " FROM m" : "");
}

void
sql_statement(
    const struct relation *r, const struct target *t, const struct shape *s, struct buf *out)
{
    struct builder b = {.r = r, .t = t, .s = s, .out = out};
    buf_str(out, s->counted ? "WITH m AS (" : "");
    switch ((enum shape_op)s->op) {
    case SHAPE_INSERT:
        insert_text(&b);
        break;
    case SHAPE_UPSERT:
        upsert_text(&b);
        break;
    case SHAPE_UPDATE:
        changing(&b, "UPDATE ", " FROM ");
        break;
    case SHAPE_DELETE:
        changing(&b, "DELETE FROM ", " USING ");
        break;
    case SHAPE_REPLACE:
        replace_text(&b);
        break;
    case SHAPE_PROBE:
        buf_str(out, "SELECT FROM ");
        table_name(r, t->kind, out);
        where_text(&b);
        buf_str(out, s->any_row ? " LIMIT 1" : "");
        break;
    }
    if (s->counted) {
        count_text(&b);
    }
}

void
sql_copy(const struct relation *r, const struct target *t, const struct shape *s, struct buf *out)
{
    struct builder b = {.r = r, .t = t, .s = s, .out = out};
    buf_str(out, "COPY ");
    sql_qualified(out, r->schema, r->name);
    const char *separator = " (";
    for (uint16_t i = 0; i < s->len; i++) {
        if (s->use[i] & USE_SET) {
            buf_str(out, separator);
            column(&b, i);
            separator = ", ";
        }
    }
    buf_str(out, ") FROM STDIN (FORMAT binary)");
}

static uint32_t
parameter_type(const struct relation *r, const struct target *t, const struct shape *s, uint16_t i,
    uint8_t source)
{
    if (s->rows) {
        return t->columns[i].array_oid;
    }
    return s->use[i] & source ? r->columns[i].type_oid : t->columns[i].type_oid;
}

uint32_t
sql_parameter_types(
    const struct relation *r, const struct target *t, const struct shape *s, uint32_t *types)
{
    uint32_t n = 0;
    for (uint16_t i = 0; i < s->len; i++) {
        if (s->use[i] & USE_SET) {
            types[n++] = parameter_type(r, t, s, i, USE_SET_SOURCE);
        }
    }
    for (uint16_t i = 0; i < s->len; i++) {
        if ((s->use[i] & USE_MATCH) && !(s->use[i] & USE_NULL)) {
            types[n++] = parameter_type(r, t, s, i, USE_MATCH_SOURCE);
        }
    }
    for (uint32_t i = 0; i < s->stores; i++) {
        types[n++] = origin_value_types[i];
    }
    return n;
}

void
sql_truncate(const struct sql_table *tables, uint32_t len, bool cascade, bool restart_identity,
    struct buf *out)
{
    for (uint32_t i = 0; i < len; i++) {
        buf_str(out, i == 0 ? "TRUNCATE TABLE " : ", ");
        table_name(tables[i].relation, tables[i].kind, out);
    }
    buf_str(out, restart_identity ? " RESTART IDENTITY" : "");
    buf_str(out, cascade ? " CASCADE" : "");
}

void
sql_delete_all(const struct sql_table *table, struct buf *out)
{
    buf_str(out, "DELETE FROM ");
    table_name(table->relation, table->kind, out);
}
