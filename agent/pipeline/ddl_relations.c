/* SPDX-License-Identifier: Apache-2.0
 *
 * The first description of a session has nothing in front of it: a column that the target lacks
 * came after the copy; one that went while no session ran is found by what the store kept.
 *
 * What is noted in the store is only a memory of how the table was. Whether there is anything to do
 * says the target's catalog each time, so a note too many, or one of a change that is long done,
 * does nothing.
 */
#include "agent/pipeline/ddl_relations.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pipeline/ddl_notice.h"

#define SHAPE_KEY_SIZE 160

struct seen {
    uint32_t id, version; /* id 0: free place */
    struct relation *shape;
};

struct ddl_relations {
    struct ddl_relations_options o;
    struct seen *seen; /* open addressing, capacity a power of two, at most 3/4 full */
    size_t capacity, len;
    uint32_t last_id, last_version; /* asked for last, and known */
    /* Of the difference told last. */
    struct arena arena;
};

struct ddl_relations *
ddl_relations_new(const struct ddl_relations_options *o)
{
    struct ddl_relations *r = x_zalloc(sizeof(*r));
    r->o = *o;
    arena_init(&r->arena, 4096, 0);
    return r;
}

void
ddl_relations_reset(struct ddl_relations *r)
{
    for (size_t i = 0; i < r->capacity; i++) {
        relation_free(r->seen[i].shape);
    }
    x_free(r->seen);
    r->seen = NULL;
    r->capacity = r->len = 0;
    r->last_id = 0;
}

void
ddl_relations_free(struct ddl_relations *r)
{
    if (r) {
        ddl_relations_reset(r);
        arena_done(&r->arena);
        x_free(r);
    }
}

/* --- what was seen ------------------------------------------------------------------------------
 */

/* The place of the id, or the free one where it belongs. */
static struct seen *
place_of(const struct ddl_relations *r, uint32_t id)
{
    size_t at = (id * 2654435769u) & (r->capacity - 1);
    while (r->seen[at].id != 0 && r->seen[at].id != id) {
        at = (at + 1) & (r->capacity - 1);
    }
    return &r->seen[at];
}

static void
grow(struct ddl_relations *r)
{
    struct seen *old = r->seen;
    size_t n = r->capacity;
    r->capacity = n ? n * 2 : 64;
    r->seen = x_zalloc(r->capacity * sizeof(*r->seen));
    for (size_t i = 0; i < n; i++) {
        if (old[i].id) {
            *place_of(r, old[i].id) = old[i];
        }
    }
    x_free(old);
}

static const struct seen *
find(const struct ddl_relations *r, uint32_t id)
{
    struct seen *s = r->capacity ? place_of(r, id) : NULL;
    return s && s->id == id ? s : NULL;
}

static void
know(struct ddl_relations *r, const struct relation *now)
{
    if ((r->len + 1) * 4 > r->capacity * 3) {
        grow(r);
    }
    struct seen *s = place_of(r, now->id);
    r->len += s->id == 0;
    relation_free(s->shape);
    *s = (struct seen){.id = now->id, .version = now->version, .shape = relation_clone(now)};
}

static void
remember_last(struct ddl_relations *r, const struct relation *now)
{
    r->last_id = now->id;
    r->last_version = now->version;
}

bool
ddl_relations_known(struct ddl_relations *r, const struct relation *now)
{
    if (now->id == r->last_id && now->version == r->last_version) {
        return true;
    }
    const struct seen *s = find(r, now->id);
    bool known = s && s->version == now->version;
    if (known) {
        remember_last(r, now);
    }
    return known;
}

void
ddl_relations_handled(struct ddl_relations *r, const struct relation *now)
{
    know(r, now);
    remember_last(r, now);
}

/* --- what the store keeps -----------------------------------------------------------------------
 */

static const char *
key_of(const struct ddl_relations *r, uint32_t id, char out[SHAPE_KEY_SIZE])
{
    snprintf(out, SHAPE_KEY_SIZE, STORE_DDL_SHAPE "%" PRIu32 "_%s", id, r->o.sink);
    return out;
}

static bool
note_shape(struct ddl_relations *r, const struct relation *before, struct err *err)
{
    char key[SHAPE_KEY_SIZE];
    json_t *list = json_array();
    for (uint16_t i = 0; i < before->columns_len; i++) {
        const struct column *c = &before->columns[i];
        json_t *item = json_pack("{s:s, s:I, s:I}", "name", c->name, "type",
            (json_int_t)c->type_oid, "mod", (json_int_t)c->type_mod);
        /* A name that is no UTF-8 is none that could be found missing later on. */
        if (item) {
            json_array_append_new(list, item);
        }
    }
    char *text = json_dumps(list, JSON_COMPACT);
    bool ok = store_set(r->o.store, key_of(r, before->id, key), text ? text : "", err);
    free(text);
    json_decref(list);
    return ok;
}

/* The target has the change. */
static bool
forget_shape(struct ddl_relations *r, uint32_t id, struct err *err)
{
    char key[SHAPE_KEY_SIZE];
    return store_set(r->o.store, key_of(r, id, key), "", err);
}

static bool
read_columns(struct ddl_relations *r, const json_t *list, struct relation *out)
{
    size_t n = json_array_size(list);
    n = n > UINT16_MAX ? UINT16_MAX : n;
    out->columns = arena_alloc(&r->arena, (n + 1) * sizeof(*out->columns));
    for (size_t i = 0; out->columns && i < n; i++) {
        const json_t *c = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(c, "name"));
        struct column *to = &out->columns[out->columns_len++];
        *to = (struct column){.name = arena_strdup(&r->arena, name ? name : ""),
            .type_oid = (uint32_t)json_integer_value(json_object_get(c, "type")),
            .type_mod = (int32_t)json_integer_value(json_object_get(c, "mod"))};
        if (!to->name) {
            return false;
        }
    }
    return out->columns != NULL;
}

/* How the table was in front of `now`; *before NULL: not known. In the arena. */
static bool
read_shape(struct ddl_relations *r, const struct relation *now, const struct relation **before,
    struct err *err)
{
    char key[SHAPE_KEY_SIZE], *text = NULL;
    *before = NULL;
    if (!store_get(r->o.store, key_of(r, now->id, key), &text, err)) {
        return false;
    }
    json_t *list = text && *text ? json_loads(text, 0, NULL) : NULL;
    bool ok = true;
    if (json_is_array(list)) {
        struct relation *out = arena_zalloc(&r->arena, sizeof(*out));
        ok = out && read_columns(r, list, out);
        *before = out;
    }
    json_decref(list);
    x_free(text);
    return ok || err_set(err, ERR_RETRY, "the description of a table does not fit in memory");
}

/* --- what the source's catalog says -------------------------------------------------------------
 */

/* A partition is altered by its root. One row for each column, and one for a table without any. */
static const char catalog_sql[] =
    "SELECT n.nspname, t.relname, c.relispartition, a.attname,"
    " pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod,"
    " CASE WHEN a.attcollation <> y.typcollation THEN ("
    "  SELECT pg_catalog.format('%I.%I', m.nspname, l.collname) FROM pg_catalog.pg_collation l"
    "  JOIN pg_catalog.pg_namespace m ON m.oid = l.collnamespace WHERE l.oid = a.attcollation) END,"
    " pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attnotnull, a.atthasmissing,"
    " a.attinhcount > 0 AND NOT c.relispartition"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_class t ON t.oid = CASE WHEN c.relispartition"
    "  THEN pg_catalog.pg_partition_root(c.oid)::oid ELSE c.oid END"
    " JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    "  AND NOT a.attisdropped"
    " LEFT JOIN pg_catalog.pg_type y ON y.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE c.oid = $1::oid ORDER BY a.attnum";

static const char *
text_at(struct ddl_relations *r, const PGresult *rows, int row, int field, bool *ok)
{
    if (PQgetisnull(rows, row, field)) {
        return NULL;
    }
    const char *s = arena_strdup(&r->arena, PQgetvalue(rows, row, field));
    *ok = *ok && s;
    return s;
}

static bool
take_column(struct ddl_relations *r, const PGresult *rows, int row, struct notice_column *c)
{
    bool ok = true;
    *c = (struct notice_column){.name = text_at(r, rows, row, 3, &ok),
        .type = text_at(r, rows, row, 4, &ok),
        .type_oid = pg_oid(rows, row, 5),
        .type_mod = (int32_t)pg_i64(rows, row, 6),
        .collation = text_at(r, rows, row, 7, &ok),
        .expression = text_at(r, rows, row, 8, &ok),
        .identity = pg_str(rows, row, 9)[0],
        .not_null = pg_bool(rows, row, 10),
        .filled = pg_bool(rows, row, 11),
        .inherited = pg_bool(rows, row, 12)};
    return ok;
}

static bool
take_table(struct ddl_relations *r, const PGresult *rows, const struct relation *now,
    struct notice_table *t)
{
    int n = PQntuples(rows);
    bool ok = true;
    struct notice_column *columns = arena_alloc(&r->arena, ((size_t)n + 1) * sizeof(*columns));
    *t = (struct notice_table){.schema = now->schema, .name = now->name, .columns = columns};
    if (!columns) {
        return false;
    }
    if (n > 0) {
        t->schema = text_at(r, rows, 0, 0, &ok);
        t->name = text_at(r, rows, 0, 1, &ok);
        t->partition = pg_bool(rows, 0, 2);
    }
    for (int i = 0; ok && i < n; i++) {
        if (!PQgetisnull(rows, i, 3)) {
            ok = take_column(r, rows, i, &columns[t->len++]);
        }
    }
    return ok;
}

/* A table that is not there any more has no columns. */
static bool
ask_source(
    struct ddl_relations *r, const struct relation *now, struct notice_table *t, struct err *err)
{
    char oid[12];
    const char *params[] = {oid};
    PGconn *conn = NULL;
    PGresult *rows = NULL;
    struct pg_options o = {
        .application_name = "tidegate ddl", .bytes = true, .timeout_us = r->o.timeout_us};
    snprintf(oid, sizeof(oid), "%" PRIu32, now->id);
    bool ok = pg_connect(r->o.source_dsn, &o, &conn, err) &&
              pg_query(conn, "look at a table of the source", catalog_sql, 1, params, &rows, err);
    if (ok && !take_table(r, rows, now, t)) {
        ok = err_set(err, ERR_RETRY, "the columns of a table do not fit in memory");
    }
    PQclear(rows);
    PQfinish(conn);
    return ok;
}

/* --- the difference as a statement --------------------------------------------------------------
 */

/* Borrows what is in the arena. */
static bool
describe(struct ddl_relations *r, const struct relation *now, struct notice *n,
    struct ddl_difference *out, struct err *err)
{
    if (!buf_ok(&n->sql, "difference of a table", err)) {
        return false;
    }
    const char *schema = arena_strdup(&r->arena, now->schema);
    const char *table = arena_strdup(&r->arena, now->name);
    struct ddl_message *m = &out->message;
    m->tag = "ALTER TABLE";
    m->search_path = "";
    m->query = arena_strdup(&r->arena, buf_cstr(&n->sql));
    m->objects = x_zalloc(sizeof(*m->objects));
    m->objects[m->objects_len++] = (struct ddl_object){.type = "table",
        .schema = schema,
        .table_schema = schema,
        .table = table,
        .relkind = 'r',
        .relation = now->id};
    m->copies = x_zalloc(sizeof(*m->copies));
    if (n->copy) {
        m->copies[m->copies_len++] = (struct ddl_table){.publication = r->o.publication,
            .schema = schema,
            .name = table,
            .reason = n->copy,
            .oid = now->id};
    }
    if (n->kind == NOTICE_UNCLEAR) {
        out->text = (struct ddl_text){.kind = DDL_TEXT_REFUSED, .why = n->why};
    } else {
        out->text = (struct ddl_text){.kind = DDL_TEXT_FOUND, .sql = n->sql};
        n->sql = (struct buf){0};
    }
    return (m->query && schema && table) ||
           err_set(err, ERR_RETRY, "the difference of a table does not fit in memory");
}

static bool
explain(struct ddl_relations *r, const struct relation *before, const struct relation *now,
    const struct sink_table *target, struct ddl_difference *out, struct err *err)
{
    struct notice_table source;
    struct notice n;
    if (!ask_source(r, now, &source, err)) {
        return false;
    }
    ddl_notice_find(before, now, target, &source, &n);
    out->found = n.kind != NOTICE_NOTHING;
    bool ok =
        !out->found || ((!before || note_shape(r, before, err)) && describe(r, now, &n, out, err));
    ddl_notice_done(&n);
    return ok;
}

bool
ddl_relations_look(struct ddl_relations *r, struct sink *sink, const struct relation *now,
    struct ddl_difference *out, struct err *err)
{
    struct sink_table target;
    const struct seen *seen = find(r, now->id);
    const struct relation *before = seen ? seen->shape : NULL;
    *out = (struct ddl_difference){0};
    arena_reset(&r->arena);
    if ((!before && !read_shape(r, now, &before, err)) ||
        !sink->ops->table(sink, now, &r->arena, &target, err) ||
        (ddl_notice_differs(before, now, &target) && !explain(r, before, now, &target, out, err))) {
        return false;
    }
    if (out->found) {
        return true;
    }
    ddl_relations_handled(r, now);
    return seen || !before || forget_shape(r, now->id, err);
}
