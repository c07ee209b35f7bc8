/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache holds the relation as it is known by now: described first, then as messages showed it.
 * Columns are found by name; those of a message mostly come in the relation's order, so a search
 * begins behind the one found before.
 */
#include "decoders/named.h"

#include <assert.h>
#include <string.h>

/* In place of uthash's own, which falls through switch labels without saying so. */
static unsigned
hash_bytes(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * 16777619U;
    }
    return h;
}
#define HASH_FUNCTION(key, len, hash) ((hash) = hash_bytes(key, len))
#include <uthash.h>

#include "decoders/json_pull.h"

#define NAME_MAX_BYTES 256 /* of a schema or table; PostgreSQL's are below 64 */
#define COLUMNS_MAX    65535

struct named_table {
    char key[2 * NAME_MAX_BYTES]; /* schema NUL name */
    uint32_t id;
    struct relation *generated; /* its columns are the generated ones; NULL: there are none */
    UT_hash_handle by_name, by_id;
};

/* --- tables -------------------------------------------------------------------------------------
 */

void
named_init(struct named *n)
{
    *n = (struct named){0};
    relation_cache_init(&n->relations);
}

static void
forget(struct named *n, struct named_table *t)
{
    HASH_DELETE(by_name, n->by_name, t);
    HASH_DELETE(by_id, n->by_id, t);
    relation_free(t->generated);
    x_free(t);
}

void
named_clear(struct named *n)
{
    struct named_table *t, *next;
    HASH_ITER (by_id, n->by_id, t, next) {
        /* cppcheck-suppress uninitvar ; the macro sets it */
        forget(n, t);
    }
    relation_cache_clear(&n->relations);
}

void
named_done(struct named *n)
{
    named_clear(n);
    relation_cache_done(&n->relations);
}

/* 0: no table has such a name. */
static size_t
make_key(struct slice schema, struct slice name, char out[2 * NAME_MAX_BYTES])
{
    if (schema.len >= NAME_MAX_BYTES || name.len >= NAME_MAX_BYTES) {
        return 0;
    }
    memcpy(out, schema.data, schema.len);
    out[schema.len] = '\0';
    memcpy(out + schema.len + 1, name.data, name.len);
    return schema.len + 1 + name.len;
}

static struct named_table *
find_table(const struct named *n, const struct plugin_table *at)
{
    char key[2 * NAME_MAX_BYTES];
    struct named_table *t = NULL;
    size_t len = make_key(at->schema, at->name, key);
    if (len > 0) {
        HASH_FIND(by_name, n->by_name, key, len, t);
    }
    return t;
}

const struct relation *
named_find(const struct named *n, const struct plugin_table *at)
{
    const struct named_table *t = find_table(n, at);
    return t ? relation_cache_find(&n->relations, t->id) : NULL;
}

/* --- descriptions -------------------------------------------------------------------------------
 */

struct description {
    struct relation relation, generated; /* columns in the arena */
    struct slice schema, name;
    uint32_t cap, generated_cap;
};

static const char *
text_in(struct json_pull *p, struct slice s)
{
    char *copy = arena_strndup(p->arena, (const char *)s.data, s.len);
    if (!copy) {
        p->no_memory = true;
        return "";
    }
    return copy;
}

static bool
take_column(struct json_pull *p, struct column *c, bool *generated)
{
    struct slice name;
    struct json_scalar v;
    *c = (struct column){.type_mod = -1};
    *generated = false;
    json_pull_open(p, '{');
    while (json_pull_member(p, &name)) {
        if (!json_pull_scalar(p, &v)) {
            return false;
        }
        if (slice_eq(name, slice_str("name")) && v.kind == JSON_STRING) {
            c->name = text_in(p, v.text);
        } else if (slice_eq(name, slice_str("typeoid"))) {
            (void)plugin_parse_u32(v.text, &c->type_oid);
        } else if (slice_eq(name, slice_str("key"))) {
            c->key = v.kind == JSON_TRUE;
        } else if (slice_eq(name, slice_str("generated"))) {
            *generated = v.kind == JSON_TRUE;
        }
    }
    return json_pull_ok(p) && (c->name || json_pull_refuse(p, "a column without a name"));
}

/* Doubles the room where it is full. */
static bool
add_column(struct json_pull *p, struct relation *r, uint32_t *cap, const struct column *c)
{
    if (r->columns_len == *cap) {
        uint32_t more = *cap ? *cap * 2 : 16;
        struct column *columns = arena_alloc(p->arena, more * sizeof(*columns));
        if (!columns) {
            p->no_memory = true;
            return false;
        }
        if (*cap > 0) {
            memcpy(columns, r->columns, *cap * sizeof(*columns));
        }
        r->columns = columns;
        *cap = more;
    }
    if (r->columns_len == COLUMNS_MAX) {
        return json_pull_refuse(p, "too many columns");
    }
    r->columns[r->columns_len++] = *c;
    return true;
}

static bool
take_columns(struct json_pull *p, struct description *d)
{
    json_pull_open(p, '[');
    while (json_pull_item(p)) {
        struct column c;
        bool generated;
        if (!take_column(p, &c, &generated) ||
            !(generated ? add_column(p, &d->generated, &d->generated_cap, &c)
                        : add_column(p, &d->relation, &d->cap, &c))) {
            return false;
        }
    }
    return json_pull_ok(p);
}

static bool
take_member(struct json_pull *p, struct slice name, struct description *d)
{
    struct json_scalar v;
    if (slice_eq(name, slice_str("columns"))) {
        return take_columns(p, d);
    }
    if (!json_pull_scalar(p, &v)) {
        return false;
    }
    if (slice_eq(name, slice_str("oid"))) {
        return plugin_parse_u32(v.text, &d->relation.id) || json_pull_refuse(p, "an oid is wrong");
    } else if (slice_eq(name, slice_str("schema"))) {
        d->schema = v.text;
    } else if (slice_eq(name, slice_str("table"))) {
        d->name = v.text;
    } else if (slice_eq(name, slice_str("identity")) && v.text.len == 1) {
        d->relation.identity = (char)v.text.data[0];
    }
    return true;
}

static bool
take_description(struct json_pull *p, struct description *d)
{
    struct slice name;
    json_pull_open(p, '{');
    while (json_pull_member(p, &name)) {
        if (!take_member(p, name, d)) {
            return false;
        }
    }
    if (!json_pull_ok(p)) {
        return false;
    }
    if (d->relation.id == 0 || !d->schema.data || !d->name.data || !d->relation.identity) {
        return json_pull_refuse(p, "a table without oid, name or identity");
    }
    d->relation.schema = d->generated.schema = text_in(p, d->schema);
    d->relation.name = d->generated.name = text_in(p, d->name);
    return json_pull_ok(p);
}

static bool
put_table(struct named *n, const struct description *d, struct err *err)
{
    struct named_table *known, *same_name, *t = x_zalloc(sizeof(*t));
    size_t len = make_key(d->schema, d->name, t->key);
    if (len == 0) {
        x_free(t);
        return err_set(err, ERR_FATAL, "the name of table %u is too long", d->relation.id);
    }
    t->id = d->relation.id;
    t->generated = d->generated.columns_len > 0 ? relation_clone(&d->generated) : NULL;
    HASH_FIND(by_id, n->by_id, &t->id, sizeof(t->id), known);
    if (known) {
        forget(n, known);
    }
    HASH_FIND(by_name, n->by_name, t->key, len, same_name);
    if (same_name) {
        forget(n, same_name);
    }
    HASH_ADD(by_name, n->by_name, key, len, t);
    HASH_ADD(by_id, n->by_id, id, sizeof(t->id), t);
    (void)relation_cache_put(&n->relations, &d->relation);
    return true;
}

bool
named_describe(struct named *n, struct slice json, struct arena *arena, struct err *err)
{
    struct json_pull p;
    struct description d = {0};
    json_pull_init(&p, json, arena);
    if (take_description(&p, &d) && p.at == p.end) {
        return put_table(n, &d, err);
    }
    return p.no_memory
               ? err_set(err, ERR_RETRY, "description of a table does not fit in memory")
               : err_set(err, ERR_FATAL, "description of a table is damaged at offset %zu: %s",
                     (size_t)(p.at - p.start), p.wrong ? p.wrong : "something stands behind it");
}

/* --- columns ------------------------------------------------------------------------------------
 */

struct row {
    struct named *n;
    const struct named_table *table;
    const struct relation *relation; /* as far as it is settled */
    struct plugin_tuple old, new;    /* without generated columns */
    struct arena *arena;
    bool no_memory;
};

static bool
is_named(const struct column *c, struct slice name)
{
    return strlen(c->name) == name.len && memcmp(c->name, name.data, name.len) == 0;
}

/* Index of the column, r->columns_len: there is none. Begins at *hint and sets it to the next. */
static uint16_t
find_column(const struct relation *r, struct slice name, uint16_t *hint)
{
    for (uint16_t i = 0; i < r->columns_len; i++) {
        uint16_t at = (uint16_t)((*hint + i) % r->columns_len);
        if (is_named(&r->columns[at], name)) {
            *hint = (uint16_t)((at + 1) % r->columns_len);
            return at;
        }
    }
    return r->columns_len;
}

static void
leave_out_generated(const struct named_table *t, struct plugin_tuple *tuple)
{
    uint32_t kept = 0;
    uint16_t hint = 0;
    for (uint32_t i = 0; t->generated && i < tuple->len; i++) {
        if (find_column(t->generated, tuple->columns[i].name, &hint) == t->generated->columns_len) {
            tuple->columns[kept++] = tuple->columns[i];
        }
    }
    tuple->len = t->generated ? kept : tuple->len;
}

static bool
all_known(const struct relation *r, const struct plugin_tuple *t)
{
    uint16_t hint = 0;
    for (uint32_t i = 0; i < t->len; i++) {
        const struct plugin_column *c = &t->columns[i];
        uint16_t at = find_column(r, c->name, &hint);
        if (at == r->columns_len || (c->type_oid != 0 && c->type_oid != r->columns[at].type_oid)) {
            return false;
        }
    }
    return true;
}

/* Puts the columns of `t` that `to` lacks behind those it has; what was known of them stays. */
static bool
adopt(struct row *row, struct relation *to, const struct plugin_tuple *t)
{
    uint16_t hint = 0;
    for (uint32_t i = 0; i < t->len; i++) {
        const struct plugin_column *c = &t->columns[i];
        uint16_t ignored = 0;
        if (find_column(to, c->name, &ignored) != to->columns_len) {
            continue;
        }
        uint16_t at = find_column(row->relation, c->name, &hint);
        struct column *new = &to->columns[to->columns_len++];
        *new = at < row->relation->columns_len ? row->relation->columns[at]
                                               : (struct column){.type_mod = -1};
        new->name = arena_strndup(row->arena, (const char *)c->name.data, c->name.len);
        new->type_oid = c->type_oid != 0 ? c->type_oid : new->type_oid;
        new->key = new->key || row->relation->identity == 'f';
        if (!new->name) {
            return false;
        }
    }
    return true;
}

static bool
settle_columns(struct row *row, char type, struct err *err)
{
    bool known = all_known(row->relation, &row->new) && all_known(row->relation, &row->old);
    if (known && (type != 'I' || row->new.len == row->relation->columns_len)) {
        return true;
    }
    uint32_t most = row->new.len + row->old.len;
    if (most > COLUMNS_MAX) {
        return err_set(err, ERR_FATAL, "a row has too many columns");
    }
    struct relation r = *row->relation;
    r.columns_len = 0;
    r.columns = arena_alloc(row->arena, (most + 1) * sizeof(*r.columns));
    if (!r.columns || !adopt(row, &r, &row->new) || !adopt(row, &r, &row->old)) {
        row->no_memory = true;
        return false;
    }
    row->relation = relation_cache_put(&row->n->relations, &r);
    return true;
}

/* --- identity -----------------------------------------------------------------------------------
 */

/* How the columns of an old tuple compare with those that count as the identity. */
struct overlap {
    bool all;   /* every column of the relation is there */
    bool keys;  /* exactly those of the identity */
    bool other; /* one that does not belong to it */
};

static struct overlap
compare_old(const struct row *row)
{
    const struct relation *r = row->relation;
    uint32_t keys = 0, found = 0;
    uint16_t hint = 0;
    struct overlap o = {.all = row->old.len == r->columns_len};
    for (uint16_t i = 0; i < r->columns_len; i++) {
        keys += r->columns[i].key;
    }
    for (uint32_t i = 0; i < row->old.len; i++) {
        bool key = r->columns[find_column(r, row->old.columns[i].name, &hint)].key;
        found += key;
        o.other |= !key;
    }
    o.keys = !o.other && found == keys;
    return o;
}

/* Another identity than what is known: that of the old tuple. */
static bool
set_identity(struct row *row, bool full)
{
    struct relation r = *row->relation;
    uint16_t hint = 0;
    r.identity = full ? 'f' : 'i';
    r.columns = arena_alloc(row->arena, (r.columns_len + 1U) * sizeof(*r.columns));
    if (!r.columns) {
        row->no_memory = true;
        return false;
    }
    for (uint16_t i = 0; i < r.columns_len; i++) {
        r.columns[i] = row->relation->columns[i];
        r.columns[i].key = full;
    }
    for (uint32_t i = 0; i < row->old.len; i++) {
        r.columns[find_column(&r, row->old.columns[i].name, &hint)].key = true;
    }
    row->relation = relation_cache_put(&row->n->relations, &r);
    return true;
}

/* Whether the old tuple is the whole row; the relation's identity follows it. A table whose key is
 * all of its columns shows the same with either identity, so what is known decides there. Without
 * its NULLs an old tuple may have any part of a whole row. */
static bool
settle_identity(struct row *row, bool nulls, bool *full)
{
    struct overlap o = compare_old(row);
    bool whole = row->relation->identity == 'f';
    *full = nulls ? o.all && (whole || !o.keys) : whole || o.other;
    bool known = *full ? whole : !whole && o.keys;
    return known || set_identity(row, *full);
}

/* --- tuples -------------------------------------------------------------------------------------
 */

static bool
put_tuple(
    struct row *row, const struct plugin_tuple *from, enum value_status missing, struct tuple *out)
{
    const struct relation *r = row->relation;
    uint16_t hint = 0;
    out->values = arena_alloc(row->arena, (r->columns_len + 1U) * sizeof(*out->values));
    if (!out->values) {
        row->no_memory = true;
        return false;
    }
    out->len = r->columns_len;
    for (uint16_t i = 0; i < out->len; i++) {
        out->values[i] = (struct value){.status = missing};
    }
    for (uint32_t i = 0; i < from->len; i++) {
        uint16_t at = find_column(r, from->columns[i].name, &hint);
        assert(at < out->len);
        out->values[at] = from->columns[i].value;
    }
    return true;
}

/* An update that left its key alone needs no old tuple. */
static bool
key_is_kept(const struct change *c)
{
    for (uint16_t i = 0; i < c->relation->columns_len; i++) {
        const struct value *old = &c->old.values[i], *new = &c->new.values[i];
        if (c->relation->columns[i].key &&
            (old->status != VALUE_TEXT || new->status != VALUE_TEXT ||
                !slice_eq(old->bytes, new->bytes))) {
            return false;
        }
    }
    return true;
}

static bool
take_row(struct row *row, const struct plugin_message *m, struct change *out, struct err *err)
{
    bool full = false;
    if (!settle_columns(row, m->type, err)) {
        return false;
    }
    if (row->old.there && !settle_identity(row, m->old_nulls, &full)) {
        return false;
    }
    out->relation = row->relation;
    if (row->old.there) {
        out->old_kind = full ? OLD_FULL : OLD_KEY;
        if (!put_tuple(row, &row->old, VALUE_NULL, &out->old)) {
            return false;
        }
    }
    if (m->type == 'D') {
        return true;
    }
    enum value_status missing = m->type == 'U' ? VALUE_UNCHANGED : VALUE_NULL;
    if (!put_tuple(row, &row->new, missing, &out->new)) {
        return false;
    }
    if (out->old_kind == OLD_KEY && key_is_kept(out)) {
        out->old_kind = OLD_NONE;
        out->old = (struct tuple){0};
    }
    return true;
}

bool
named_row(struct named *n, const struct plugin_message *m, struct arena *arena, struct change *out,
    struct err *err)
{
    const struct plugin_table *at = &m->tables[0];
    struct row row = {.n = n, .table = find_table(n, at), .arena = arena, .old = m->old};
    if (!row.table) {
        return err_set(err, ERR_FATAL, "table '%.*s.%.*s' was not described by the feed",
            (int)at->schema.len, (const char *)at->schema.data, (int)at->name.len,
            (const char *)at->name.data);
    }
    row.new = m->new;
    row.relation = relation_cache_find(&n->relations, row.table->id);
    if (m->type == 'D' ? !m->old.there : !m->new.there) {
        err_set(err, ERR_FATAL, "the source does not say which row of '%s.%s' it means",
            row.relation->schema, row.relation->name);
        return err_hint(err,
            "the table had no replica identity: give it a primary key or ALTER TABLE ... REPLICA "
            "IDENTITY FULL, and begin the migration anew");
    }
    leave_out_generated(row.table, &row.old);
    leave_out_generated(row.table, &row.new);
    bool ok = take_row(&row, m, out, err);
    return row.no_memory ? err_set(err, ERR_RETRY, "a row does not fit in memory") : ok;
}
