/* SPDX-License-Identifier: Apache-2.0
 *
 * Every step waits for its answers: rows held back go first, then the session looks like the one
 * that executed the statement at the source, then the statement, then what was looked up of the
 * catalog is forgotten.
 *
 * A default that is the time, the user or a setting gives the rows that are there another value
 * here than at the source. The source keeps such a value in its catalog and sends it along; where
 * ours differs, the rows get the source's.
 */
#include "sinks/postgres/ddl.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define SQL_MAX ((size_t)128 << 20)

static bool
run(struct apply *a, struct buf *sql, const char *label, struct err *err)
{
    if (!buf_ok(sql, label, err)) {
        return false;
    }
    struct flight_entry *e = pipe_next(&a->pipe, sql->len + 64, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_QUERY;
    e->label = label;
    return pipe_sql(&a->pipe, buf_cstr(sql), err) && pipe_drain(&a->pipe, err);
}

/* --- the session --------------------------------------------------------------------------------
 */

struct saved {
    char **names, **values;
    size_t len;
};

static void
saved_done(struct saved *s)
{
    for (size_t i = 0; i < s->len; i++) {
        x_free(s->names[i]);
        x_free(s->values[i]);
    }
    x_free(s->names);
    x_free(s->values);
}

static void
save(struct saved *s, const char *name)
{
    s->names = x_realloc(s->names, (s->len + 1) * sizeof(*s->names));
    s->values = x_realloc(s->values, (s->len + 1) * sizeof(*s->values));
    s->names[s->len] = x_strdup(name);
    s->values[s->len++] = NULL;
}

static bool
read_settings(struct apply *a, struct saved *s, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    for (size_t i = 0; i < s->len; i++) {
        buf_str(
            &sql, i == 0 ? "SELECT pg_catalog.current_setting(" : ", pg_catalog.current_setting(");
        sql_literal(&sql, s->names[i]);
        buf_u8(&sql, ')');
    }
    bool ok = run(a, &sql, "read the session's settings on the target", err);
    for (size_t i = 0; ok && i < s->len; i++) {
        s->values[i] = x_strdup(pg_str(a->pipe.rows, 0, (int)i));
    }
    buf_done(&sql);
    return ok;
}

static void
set_local(struct buf *sql, const char *name, const char *value)
{
    buf_str(sql, sql->len == 0 ? "SELECT pg_catalog.set_config(" : ", pg_catalog.set_config(");
    sql_literal(sql, name);
    buf_str(sql, ", ");
    sql_literal(sql, value);
    buf_str(sql, ", true)");
}

/* Whether the session may do it in that role's name. */
static bool
may_be(struct apply *a, const char *role, bool *may, struct err *err)
{
    *may = false;
    if (!role) {
        return true;
    }
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT FROM pg_catalog.pg_roles WHERE rolname = ");
    sql_literal(&sql, role);
    buf_printf(&sql, " AND pg_catalog.pg_has_role(CURRENT_USER, oid, '%s')",
        PQserverVersion(a->pipe.conn) >= 160000 ? "SET" : "MEMBER");
    bool ok = run(a, &sql, "look for a role on the target", err);
    buf_done(&sql);
    *may = ok && PQntuples(a->pipe.rows) > 0;
    return ok;
}

static bool
dress(struct apply *a, const struct sink_ddl *d, struct saved *s, struct err *err)
{
    bool role = false;
    struct buf sql;
    save(s, "search_path");
    save(s, "check_function_bodies");
    for (size_t i = 0; i < d->settings_len; i++) {
        save(s, d->settings[i].name);
    }
    save(s, "role");
    if (!read_settings(a, s, err) || !may_be(a, d->role, &role, err)) {
        return false;
    }
    buf_init(&sql, SQL_MAX);
    set_local(&sql, "search_path", d->search_path ? d->search_path : "");
    /* The source has looked at them; here something that they need may come later. */
    set_local(&sql, "check_function_bodies", "off");
    for (size_t i = 0; i < d->settings_len; i++) {
        set_local(&sql, d->settings[i].name, d->settings[i].value);
    }
    if (role) {
        set_local(&sql, "role", d->role);
    }
    bool ok = run(a, &sql, "take over the source's settings on the target", err);
    buf_done(&sql);
    return ok;
}

static bool
undress(struct apply *a, const struct saved *s, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    for (size_t i = s->len; i > 0; i--) {
        set_local(&sql, s->names[i - 1], s->values[i - 1]);
    }
    bool ok = run(a, &sql, "set the session's settings back on the target", err);
    buf_done(&sql);
    return ok;
}

/* --- values of new columns ----------------------------------------------------------------------
 */

/* Rows (number in the list, column's number, its value for rows of before). */
static bool
look_at_columns(struct apply *a, const struct sink_ddl *d, struct err *err)
{
    struct buf sql, table;
    buf_init(&sql, SQL_MAX);
    buf_init(&table, 1024);
    buf_str(&sql, "SELECT v.n, a.attnum, (a.attmissingval::pg_catalog.text::pg_catalog.text[])[1]"
                  " FROM (VALUES ");
    for (size_t i = 0; i < d->values_len; i++) {
        buf_reset(&table);
        sql_qualified(&table, d->values[i].schema, d->values[i].table);
        buf_printf(&sql, "%s(%zu, ", i > 0 ? ", " : "", i);
        sql_literal(&sql, buf_cstr(&table));
        buf_str(&sql, ", ");
        sql_literal(&sql, d->values[i].column);
        buf_u8(&sql, ')');
    }
    buf_str(&sql, ") v (n, t, c) JOIN pg_catalog.pg_attribute a ON a.attrelid ="
                  " pg_catalog.to_regclass(v.t) AND a.attname = v.c AND NOT a.attisdropped");
    bool ok = run(a, &sql, "look at columns on the target", err);
    buf_done(&table);
    buf_done(&sql);
    return ok;
}

/* *numbers: of the columns that are there, 0 for those that are not. */
static bool
columns_before(struct apply *a, const struct sink_ddl *d, int64_t *numbers, struct err *err)
{
    if (d->values_len == 0) {
        return true;
    }
    if (!look_at_columns(a, d, err)) {
        return false;
    }
    for (int i = 0; i < PQntuples(a->pipe.rows); i++) {
        numbers[pg_i64(a->pipe.rows, i, 0)] = pg_i64(a->pipe.rows, i, 1);
    }
    return true;
}

static bool
set_value(struct apply *a, const struct sink_ddl_value *v, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "UPDATE ONLY ");
    sql_qualified(&sql, v->schema, v->table);
    buf_str(&sql, " SET ");
    sql_ident(&sql, v->column);
    buf_str(&sql, " = ");
    if (v->value) {
        sql_literal(&sql, v->value);
    } else {
        buf_str(&sql, "NULL");
    }
    bool ok = run(a, &sql, "give the rows of the target the source's value in a new column", err);
    buf_done(&sql);
    return ok;
}

/* The list of those to be set is made first: each UPDATE takes the place of the rows read. */
static bool
columns_behind(struct apply *a, const struct sink_ddl *d, const int64_t *numbers, struct err *err)
{
    if (d->values_len == 0) {
        return true;
    }
    if (!look_at_columns(a, d, err)) {
        return false;
    }
    bool *differs = x_zalloc(d->values_len * sizeof(*differs)), ok = true;
    for (int i = 0; i < PQntuples(a->pipe.rows); i++) {
        int64_t n = pg_i64(a->pipe.rows, i, 0);
        const char *value = d->values[n].value;
        bool null = PQgetisnull(a->pipe.rows, i, 2);
        bool same = null ? !value : value && strcmp(value, pg_str(a->pipe.rows, i, 2)) == 0;
        differs[n] = numbers[n] != pg_i64(a->pipe.rows, i, 1) && !same;
    }
    for (size_t i = 0; ok && i < d->values_len; i++) {
        ok = !differs[i] || set_value(a, &d->values[i], err);
    }
    x_free(differs);
    return ok;
}

/* --- the statement ------------------------------------------------------------------------------
 */

static bool
is_gone(struct apply *a, const struct sink_ddl *d, bool *gone, struct err *err)
{
    *gone = false;
    if (!d->gone) {
        return true;
    }
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT pg_catalog.to_regclass(");
    sql_literal(&sql, d->gone);
    buf_str(&sql, ") IS NULL");
    bool ok = run(a, &sql, "look for what is to be dropped on the target", err);
    buf_done(&sql);
    *gone = ok && pg_bool(a->pipe.rows, 0, 0);
    return ok;
}

static bool
execute(struct apply *a, const struct sink_ddl *d, struct err *err)
{
    struct saved saved = {0};
    int64_t *numbers = x_zalloc((d->values_len + 1) * sizeof(*numbers));
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, d->sql);
    bool ok = columns_before(a, d, numbers, err) && dress(a, d, &saved, err) &&
              run(a, &sql, "execute it on the target", err) && undress(a, &saved, err) &&
              columns_behind(a, d, numbers, err);
    buf_done(&sql);
    saved_done(&saved);
    x_free(numbers);
    return ok;
}

bool
ddl_execute(struct apply *a, const struct sink_ddl *d, struct err *err)
{
    bool gone = false;
    if (!a->in_source) {
        return err_set(err, ERR_FATAL, "a statement stands outside of a transaction");
    }
    if (a->prepared.active && a->prepared.there) {
        return true; /* it is in the prepared transaction */
    }
    if (!apply_open_group(a, err) || !rows_flush(&a->rows, err) || !pipe_drain(&a->pipe, err)) {
        return false;
    }
    a->source_rows++;
    a->group.ddl = true;
    if (!is_gone(a, d, &gone, err)) {
        return false;
    }
    if (!gone && (!execute(a, d, err) || !cache_forget(&a->rows.cache, &a->pipe, err))) {
        return false;
    }
    FAILPOINT("sink.ddl");
    return true;
}

/* --- what is there ------------------------------------------------------------------------------
 */

static bool
take_columns(const PGresult *rows, struct arena *arena, struct sink_table *out, struct err *err)
{
    size_t n = (size_t)PQntuples(rows);
    struct sink_column *columns = arena_alloc(arena, (n + 1) * sizeof(*columns));
    bool ok = columns != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        columns[i] = (struct sink_column){.name = arena_strdup(arena, pg_str(rows, (int)i, 0)),
            .type = arena_strdup(arena, pg_str(rows, (int)i, 1))};
        ok = columns[i].name && columns[i].type;
    }
    *out = (struct sink_table){.columns = columns, .len = n};
    return ok || err_set(err, ERR_RETRY, "the columns of a table do not fit in memory");
}

bool
ddl_table(struct apply *a, const struct relation *r, struct arena *arena, struct sink_table *out,
    struct err *err)
{
    struct buf sql;
    *out = (struct sink_table){0};
    if (a->prepared.active && a->prepared.there) {
        return true;
    }
    if (!apply_open_group(a, err)) {
        return false;
    }
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)"
                  " FROM pg_catalog.pg_attribute a"
                  " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
                  " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                  " WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ");
    sql_literal(&sql, r->schema);
    buf_str(&sql, " AND c.relname = ");
    sql_literal(&sql, r->name);
    buf_str(&sql, " ORDER BY a.attnum");
    bool ok = run(a, &sql, "read the target's catalog", err) &&
              take_columns(a->pipe.rows, arena, out, err);
    buf_done(&sql);
    return ok;
}
