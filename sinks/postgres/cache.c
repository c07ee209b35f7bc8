/* SPDX-License-Identifier: Apache-2.0
 *
 * A table's statements are a short list with the one used last in front: a feed repeats its shapes,
 * so the first comparison nearly always hits. To find the oldest table looks at all of them, which
 * is rare and bounded.
 *
 * Invariant: a table is freed only when nothing is in flight or held back for it, a statement only
 * after its DEALLOCATE was sent behind its last use.
 */
#include "sinks/postgres/cache.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "sinks/postgres/origin.h"
#include "sinks/postgres/sql.h"

#define SQL_MAX ((size_t)1 << 20)

void
cache_init(struct cache *c, uint32_t tables_max, uint32_t statements_max)
{
    *c = (struct cache){.tables_max = tables_max,
        .statements_max = statements_max > 0 ? statements_max : 1,
        .dice = 1};
    c->all = x_malloc(c->statements_max * sizeof(struct cache_statement *));
}

static void
add_statement(struct cache *c, struct cache_table *t, struct cache_statement *s)
{
    s->table = t;
    s->next = t->statements;
    t->statements = s;
    s->at = c->statements;
    c->all[c->statements++] = s;
}

static void
remove_statement(struct cache *c, struct cache_statement *s)
{
    struct cache_statement **in_table = &s->table->statements;
    while (*in_table != s) {
        in_table = &(*in_table)->next;
    }
    *in_table = s->next;
    c->all[s->at] = c->all[--c->statements];
    c->all[s->at]->at = s->at;
    x_free(s);
}

static void
free_table(struct cache *c, struct cache_table *t)
{
    assert(t->held.len == 0);
    while (t->statements) {
        remove_statement(c, t->statements);
    }
    target_done(&t->target);
    relation_free(t->relation);
    x_free(t);
    c->tables--;
}

void
cache_done(struct cache *c)
{
    for (size_t i = 0; i < CACHE_BUCKETS; i++) {
        while (c->buckets[i]) {
            struct cache_table *t = c->buckets[i];
            c->buckets[i] = t->next;
            free_table(c, t);
        }
    }
    x_free(c->all);
    c->all = NULL;
}

static struct cache_table **
bucket_of(struct cache *c, uint32_t id)
{
    return &c->buckets[(id * 2654435761u >> 16) % CACHE_BUCKETS];
}

static bool
deallocate(struct pipe *p, const struct cache_statement *s, struct err *err)
{
    char sql[48];
    struct flight_entry *e = pipe_next(p, sizeof sql + 32, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_CONTROL;
    e->label = "drop a prepared statement on the target";
    snprintf(sql, sizeof sql, "DEALLOCATE %s", s->name);
    return pipe_sql(p, sql, err);
}

/* Takes a table out, with its statements on the server. */
static bool
drop_table(struct cache *c, struct pipe *p, struct cache_table *t, struct err *err)
{
    for (const struct cache_statement *s = t->statements; s; s = s->next) {
        if (!deallocate(p, s, err)) {
            return false;
        }
    }
    if (!pipe_drain(p, err)) {
        return false;
    }
    struct cache_table **at = bucket_of(c, t->relation->id);
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    free_table(c, t);
    return true;
}

static bool
make_room_for_table(struct cache *c, struct pipe *p, struct err *err)
{
    if (c->tables < c->tables_max) {
        return true;
    }
    struct cache_table *oldest = NULL;
    for (size_t i = 0; i < CACHE_BUCKETS; i++) {
        for (struct cache_table *t = c->buckets[i]; t; t = t->next) {
            oldest = !oldest || t->used < oldest->used ? t : oldest;
        }
    }
    return !oldest || drop_table(c, p, oldest, err);
}

static struct cache_table *
add_table(struct cache *c, struct pipe *p, const struct relation *r, struct err *err)
{
    struct target target;
    if (!make_room_for_table(c, p, err) || !target_read(p, r, &target, err)) {
        return NULL;
    }
    struct cache_table *t = x_zalloc(sizeof *t);
    struct cache_table **bucket = bucket_of(c, r->id);
    t->relation = relation_clone(r);
    t->version = r->version;
    t->target = target;
    t->next = *bucket;
    *bucket = t;
    c->tables++;
    return t;
}

static struct cache_table *
find_table(struct cache *c, uint32_t id)
{
    struct cache_table *t = *bucket_of(c, id);
    while (t && t->relation->id != id) {
        t = t->next;
    }
    return t;
}

struct cache_table *
cache_known(struct cache *c, const struct relation *r)
{
    struct cache_table *t = find_table(c, r->id);
    if (!t || t->version != r->version) {
        return NULL;
    }
    t->used = ++c->tick;
    return t;
}

struct cache_table *
cache_table(struct cache *c, struct pipe *p, const struct relation *r, struct err *err)
{
    struct cache_table *t = find_table(c, r->id);
    if (t && t->version != r->version) {
        /* Sources describe a table again for many reasons; most of them change nothing. */
        if (relation_same_shape(t->relation, r) && t->target.present) {
            t->version = r->version;
        } else if (drop_table(c, p, t, err)) {
            t = NULL;
        } else {
            return NULL;
        }
    }
    if (!t) {
        t = add_table(c, p, r, err);
    }
    if (t) {
        t->used = ++c->tick;
    }
    return t;
}

static bool
make_room_for_statement(struct cache *c, struct pipe *p, struct err *err)
{
    if (c->statements < c->statements_max) {
        return true;
    }
    c->dice = c->dice * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    struct cache_statement *gone = c->all[((uint64_t)c->dice * c->statements) >> 32];
    if (!deallocate(p, gone, err)) {
        return false;
    }
    remove_statement(c, gone);
    return true;
}

static bool
same_shape(const struct cache_statement *st, const struct shape *s)
{
    return st->op == s->op && st->any_row == s->any_row && st->rows == s->rows &&
           st->counted == s->counted && st->stores == s->stores &&
           memcmp(st->use, s->use, s->len) == 0;
}

static struct cache_statement *
find_statement(struct cache_table *t, const struct shape *s)
{
    for (struct cache_statement **at = &t->statements; *at; at = &(*at)->next) {
        struct cache_statement *st = *at;
        if (same_shape(st, s)) {
            *at = st->next;
            st->next = t->statements;
            t->statements = st;
            return st;
        }
    }
    return NULL;
}

static bool
send_prepare(struct pipe *p, const struct cache_table *t, const struct shape *s,
    const struct flight_entry *about, const struct cache_statement *st, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    sql_statement(t->relation, &t->target, s, &sql);
    uint32_t *types = x_malloc((s->parameters + ORIGIN_VALUES_MAX) * sizeof *types);
    uint32_t n = sql_parameter_types(t->relation, &t->target, s, types);
    bool ok = buf_ok(&sql, "statement", err);
    if (ok) {
        struct flight_entry *e = pipe_next(p, sql.len + n * sizeof *types + 64, err);
        ok = e != NULL;
        if (ok) {
            e->kind = FLIGHT_PREPARE;
            flight_copy_note(e, about);
            ok = pipe_prepare(p, st->name, buf_cstr(&sql), (int)n, types, err);
        }
    }
    x_free(types);
    buf_done(&sql);
    return ok;
}

struct cache_statement *
cache_statement(struct cache *c, struct pipe *p, struct cache_table *t, const struct shape *s,
    const struct flight_entry *about, struct err *err)
{
    struct cache_statement *st = find_statement(t, s);
    if (st) {
        return st;
    }
    if (!make_room_for_statement(c, p, err)) {
        return NULL;
    }
    st = x_zalloc(sizeof *st + s->len);
    snprintf(st->name, sizeof st->name, "tg_%u", ++c->names);
    st->op = s->op;
    st->any_row = s->any_row;
    st->rows = s->rows;
    st->counted = s->counted;
    st->stores = s->stores;
    st->parameters = s->parameters;
    memcpy(st->use, s->use, s->len);
    if (!send_prepare(p, t, s, about, st, err)) {
        x_free(st);
        return NULL;
    }
    add_statement(c, t, st);
    return st;
}

void
cache_drop_statement(struct cache *c, struct cache_table *t)
{
    if (t->statements) {
        remove_statement(c, t->statements);
    }
}

bool
cache_forget(struct cache *c, struct pipe *p, struct err *err)
{
    for (size_t i = 0; i < CACHE_BUCKETS; i++) {
        while (c->buckets[i]) {
            if (!drop_table(c, p, c->buckets[i], err)) {
                return false;
            }
        }
    }
    return true;
}
