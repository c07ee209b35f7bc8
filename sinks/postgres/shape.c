/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules, in the order of what goes wrong without them:
 *   - A row is found by the source's key. With replica identity FULL, where every column is "key",
 * by a unique key of the target, and without one by all columns, touching a single row.
 *   - UPDATE cannot give an identity column that is GENERATED ALWAYS another value, INSERT can: an
 * update that does becomes both DELETE and INSERT. When the old value is unknown it is assumed to
 * be the new one, and matched, so that a difference is an error; the caller then puts the row again
 * without assuming.
 *   - A binary value means what its type at the source says. It is bound to the target column's
 * type only when that is the same type, or when neither type has a fixed oid (then names are all
 * there is to go by, and the target's schema came from the source's).
 */
#include "sinks/postgres/shape.h"

#include <string.h>

static bool
is_sent(const struct value *v)
{
    return v->status == VALUE_TEXT || v->status == VALUE_BINARY;
}

/* regproc, regprocedure, regoper, regoperator, regclass, regtype, regconfig, regdictionary,
 * regnamespace, regrole, regcollation: their binary form is an oid of the source. */
static bool
is_object_reference(uint32_t type)
{
    switch (type) {
    case 24:
    case 2202:
    case 2203:
    case 2204:
    case 2205:
    case 2206:
    case 3734:
    case 3769:
    case 4089:
    case 4096:
    case 4191:
        return true;
    default:
        return false;
    }
}

/* A feed that knows of such columns is in text; this one was added since. */
static bool
check_reference(const struct column *c, const struct value *v, struct err *err)
{
    if (is_object_reference(c->type_oid)) {
        struct reader r;
        reader_init(&r, v->bytes);
        if (reader_u32(&r) < TARGET_FIXED_OIDS) {
            return true;
        }
    }
    err_set(err, ERR_DATA, "column '%s' refers to an object of the source by its number", c->name);
    return err_hint(err,
        "that number means something else on the target: a column of such a type that is added "
        "while the migration runs cannot be carried; leave the table out (tables.exclude)");
}

static bool
bind_other_type(const struct column *c, const struct target_column *t, const struct value *v,
    uint8_t bit, uint8_t *use, struct err *err)
{
    if ((t->names_objects || is_object_reference(c->type_oid)) && !check_reference(c, v, err)) {
        return false;
    }
    if (c->type_oid == t->type_oid) {
        return true;
    }
    if (c->type_oid < TARGET_FIXED_OIDS) {
        *use |= bit;
        return true;
    }
    if (t->type_oid >= TARGET_FIXED_OIDS) {
        return true;
    }
    err_set(err, ERR_DATA,
        "column '%s' has a type of its own at the source and is %s on the target: "
        "its binary value cannot be converted",
        c->name, t->type_name);
    return err_hint(err, "give the target's column the source's type");
}

/* Which type the parameter is declared with: the target's, or (`bit`) the source's. */
static inline bool
bind_type(const struct column *c, const struct target_column *t, const struct value *v, uint8_t bit,
    uint8_t *use, struct err *err)
{
    return t->same_type || v->status != VALUE_BINARY || bind_other_type(c, t, v, bit, use, err);
}

static inline bool
set_column(
    const struct change *c, const struct target *t, struct shape *s, uint16_t i, struct err *err)
{
    s->use[i] |= USE_SET;
    s->parameters++;
    return bind_type(&c->relation->columns[i], &t->columns[i], &c->new.values[i], USE_SET_SOURCE,
        &s->use[i], err);
}

/* The old value is known: the whole old row was sent, or the column belongs to the key. */
static bool
old_is_known(const struct change *c, uint16_t i)
{
    return c->old_kind == OLD_FULL || (c->old_kind == OLD_KEY && c->relation->columns[i].key);
}

const struct value *
shape_match_value(const struct change *c, uint16_t column)
{
    return old_is_known(c, column) ? &c->old.values[column] : &c->new.values[column];
}

static bool
match_column(
    const struct change *c, const struct target *t, struct shape *s, uint16_t i, struct err *err)
{
    const struct value *v = shape_match_value(c, i);
    s->use[i] |= USE_MATCH;
    if (v->status == VALUE_NULL) {
        s->use[i] |= USE_NULL;
        return true;
    }
    if (!is_sent(v)) {
        return err_set(err, ERR_DATA,
            "the source did not send column '%s', by which the row is found",
            c->relation->columns[i].name);
    }
    s->parameters++;
    return bind_type(
        &c->relation->columns[i], &t->columns[i], v, USE_MATCH_SOURCE, &s->use[i], err);
}

static bool
insert_shape(const struct change *c, const struct target *t, struct shape *s, struct err *err)
{
    for (uint16_t i = 0; i < s->len; i++) {
        if (t->columns[i].generated) {
            continue;
        }
        if (c->new.values[i].status == VALUE_UNCHANGED) {
            return err_set(
                err, ERR_DATA, "the source did not send column '%s'", c->relation->columns[i].name);
        }
        if (!set_column(c, t, s, i, err)) {
            return false;
        }
    }
    return true;
}

static bool
no_identity(struct err *err)
{
    err_set(err, ERR_DATA, "the change does not say which row it means: no replica identity");
    return err_hint(
        err, "give the source's table a primary key or ALTER TABLE ... REPLICA IDENTITY FULL");
}

/* Marks the columns by which the row is found. */
static bool
match_shape(const struct change *c, const struct target *t, struct shape *s, struct err *err)
{
    const struct relation *r = c->relation;
    bool full = c->old_kind == OLD_FULL || r->identity == 'f';
    s->any_row = full && !t->has_unique;
    if (s->any_row && c->old_kind != OLD_FULL) {
        return no_identity(err);
    }
    bool found = false;
    for (uint16_t i = 0; i < s->len; i++) {
        bool in = full ? s->any_row || t->columns[i].unique : r->columns[i].key;
        if (!in) {
            continue;
        }
        found = true;
        if (!match_column(c, t, s, i, err)) {
            return false;
        }
    }
    return found || no_identity(err);
}

static bool
same_value(const struct value *a, const struct value *b)
{
    if (a->status != b->status) {
        return false;
    }
    return !is_sent(a) || slice_eq(a->bytes, b->bytes);
}

/* DELETE and INSERT leave behind what UPDATE does only where nothing sees them. */
static bool
may_replace(const struct target *t)
{
    return t->unseen && t->whole;
}

static bool
replaces(
    const struct change *c, const struct target *t, struct shape *s, uint16_t i, struct err *err)
{
    s->op = SHAPE_REPLACE;
    if (may_replace(t)) {
        return true;
    }
    const char *name = c->relation->columns[i].name;
    err_set(err, ERR_DATA,
        "identity column '%s' gets another value, which takes DELETE and INSERT on the target: %s",
        name,
        t->whole ? "triggers, rules or row security would see them"
                 : "columns that only the target has would lose their values");
    return err_hint(err,
        "until this change has passed, let the target's column take values: "
        "ALTER TABLE %s.%s ALTER COLUMN %s SET GENERATED BY DEFAULT",
        c->relation->schema, c->relation->name, name);
}

static bool
update_column(const struct change *c, const struct target *t, struct shape *s, uint16_t i,
    bool assume, struct err *err)
{
    const struct value *v = &c->new.values[i];
    bool key_kept = c->old_kind == OLD_NONE && (s->use[i] & USE_MATCH);
    if (t->columns[i].generated || v->status == VALUE_UNCHANGED || key_kept) {
        return true;
    }
    if (t->columns[i].always_identity) {
        bool known = old_is_known(c, i);
        if (!known && (assume || !may_replace(t))) {
            s->assumed = true;
            return match_column(c, t, s, i, err);
        }
        if (known && same_value(v, &c->old.values[i])) {
            return true;
        }
        if (!replaces(c, t, s, i, err)) {
            return false;
        }
    }
    return set_column(c, t, s, i, err);
}

static bool
update_shape(
    const struct change *c, const struct target *t, struct shape *s, bool assume, struct err *err)
{
    s->op = SHAPE_UPDATE;
    if (!match_shape(c, t, s, err)) {
        return false;
    }
    bool sets = false;
    for (uint16_t i = 0; i < s->len; i++) {
        if (!update_column(c, t, s, i, assume, err)) {
            return false;
        }
        sets |= (s->use[i] & USE_SET) != 0;
    }
    if (!sets) {
        s->op = SHAPE_PROBE;
    }
    return true;
}

static bool
check_tuples(const struct change *c, struct err *err)
{
    uint16_t n = c->relation->columns_len;
    bool new_ok = c->kind == CHANGE_DELETE || c->new.len == n;
    bool old_ok = c->kind == CHANGE_INSERT || c->old_kind == OLD_NONE || c->old.len == n;
    if (!new_ok || !old_ok || n > SHAPE_COLUMNS_MAX) {
        return err_set(
            err, ERR_FATAL, "the row does not have the %u columns of its relation", (unsigned)n);
    }
    return true;
}

static bool
begin_shape(const struct change *c, struct shape *out, struct err *err)
{
    if (!check_tuples(c, err)) {
        return false;
    }
    out->len = c->relation->columns_len;
    out->any_row = out->counted = out->assumed = false;
    out->stores = 0;
    out->rows = SHAPE_ROW;
    out->parameters = 0;
    memset(out->use, 0, out->len);
    return true;
}

bool
shape_of(const struct change *c, const struct target *t, struct shape *out, struct err *err)
{
    if (!begin_shape(c, out, err)) {
        return false;
    }
    if (c->kind == CHANGE_INSERT) {
        out->op = SHAPE_INSERT;
        return insert_shape(c, t, out, err);
    }
    if (c->kind == CHANGE_DELETE) {
        out->op = SHAPE_DELETE;
        return c->old_kind == OLD_NONE ? no_identity(err) : match_shape(c, t, out, err);
    }
    return update_shape(c, t, out, true, err);
}

bool
shape_replace(const struct change *c, const struct target *t, struct shape *out, struct err *err)
{
    return begin_shape(c, out, err) && update_shape(c, t, out, false, err);
}

bool
shape_upsert(const struct change *c, const struct target *t, struct shape *out, struct err *err)
{
    if (!shape_of(c, t, out, err)) {
        return false;
    }
    const struct relation *r = c->relation;
    bool found = false;
    for (uint16_t i = 0; i < out->len; i++) {
        if (r->identity == 'f' ? t->columns[i].unique : r->columns[i].key) {
            out->use[i] |= USE_CONFLICT;
            found = true;
        }
    }
    out->op = SHAPE_UPSERT;
    return found || no_identity(err);
}
