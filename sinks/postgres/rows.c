/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariant: no statement about a table is sent while rows of it are held back, other than theirs.
 * So rows with one key reach the target in the order in which they came.
 *
 * Inserts that come in numbers go by COPY, which stays open and takes the table's next inserts as
 * they come, until something else is sent (pipe.h). The table holds nothing back then, or the next
 * insert would be in front of what it holds. It may be used wherever rows may be joined
 * (batch_possible): it knows no rules, and refuses tables with row security. It costs three round
 * trips.
 *
 * Before the cache looks at the catalog everything held back is sent: a table may leave the cache
 * then, and with it what is held back.
 */
#include "sinks/postgres/rows.h"

#include <string.h>

#include "agent/base/arena.h"
#include "sinks/postgres/counting.h"
#include "sinks/postgres/sql.h"

#define TABLES_MAX   4096u
#define COPY_ROWS    200u /* no fewer are worth a COPY */
#define COPY_TRIPS   3
#define COPY_GAIN_US 1 /* a row, at least, against arrays */
#define SQL_MAX      ((size_t)1 << 20)

void
rows_init(struct rows *w, struct pipe *p, int64_t trip_us, bool row_by_row, uint32_t statements)
{
    memset(w, 0, sizeof *w);
    w->pipe = p;
    w->trip_us = trip_us;
    w->row_by_row = row_by_row;
    cache_init(&w->cache, TABLES_MAX, statements);
    bind_init(&w->bind);
    batch_image_init(&w->image);
    w->copy.hope = UINT32_MAX;
}

void
rows_done(struct rows *w)
{
    rows_drop(w);
    held_done(&w->held);
    cache_done(&w->cache);
    bind_done(&w->bind);
    batch_image_done(&w->image);
    memset(w, 0, sizeof *w);
}

/* Context for errors found before anything was sent. */
static bool
wrap_change(const struct change *c, struct err *err)
{
    struct flight_entry e = {.kind = FLIGHT_ROW};
    char what[400];
    flight_note(&e, c, c->relation);
    return err_wrap(err, "%s", flight_describe(&e, what, sizeof what));
}

static bool
table_is_missing(const struct change *c, struct err *err)
{
    err_set(err, ERR_DATA, "table does not exist on the target");
    memcpy(err->sqlstate, "42P01", 6);
    err_hint(err, "restore table '%s.%s' on the target with its rows, or exclude it from the run",
        c->relation->schema, c->relation->name);
    return wrap_change(c, err);
}

/* Sends the statement for what was bound. */
static bool
send_bound(struct rows *w, enum flight_kind kind, uint32_t rows, const char *name,
    const struct flight_entry *about, struct err *err)
{
    const struct bind *b = &w->bind;
    struct flight_entry *e = pipe_next(w->pipe, b->bytes, err);
    if (!e) {
        return false;
    }
    e->kind = (uint8_t)kind;
    e->rows = rows;
    e->counted = w->counted;
    e->stores = w->stores;
    flight_copy_note(e, about);
    struct pipe_statement s = {name, (int)b->n, b->values, b->lengths, b->formats};
    return pipe_execute(w->pipe, &s, err);
}

/* Where the run stores the position: it does when it is the last of everything held back. */
static uint8_t
place_of_position(const struct rows *w, const struct batch *b)
{
    bool last = w->held.oldest == b->table && w->held.newest == b->table && b->table->held.len == 1;
    return (uint8_t)(w->position && last ? w->position->place : ORIGIN_NOWHERE);
}

/* What the statement needs beside what was bound. */
static void
bind_position(struct rows *w, const struct shape *s)
{
    for (uint32_t i = 0; i < s->stores; i++) {
        int len;
        const char *value = origin_value(w->position, i, &len);
        bind_append(&w->bind, value, len);
    }
    w->position = s->stores ? NULL : w->position;
    w->stores = s->stores == ORIGIN_ROW;
}

static bool
send_each(struct rows *w, struct batch *b, struct err *err)
{
    uint8_t place = place_of_position(w, b);
    b->shape.counted = w->counted;
    for (uint32_t i = 0; i < b->len; i++) {
        const struct flight_entry *note = &b->notes[i];
        b->shape.stores = i == b->len - 1 ? place : ORIGIN_NOWHERE;
        const struct cache_statement *st =
            cache_statement(&w->cache, w->pipe, b->table, &b->shape, note, err);
        if (!st) {
            return false;
        }
        batch_bind_row(b, i, &w->bind);
        bind_position(w, &b->shape);
        if (!send_bound(w, FLIGHT_ROW, 1, st->name, note, err)) {
            return false;
        }
    }
    return true;
}

static bool
send_together(struct rows *w, struct batch *b, enum shape_rows rows, struct err *err)
{
    const struct flight_entry *note = &b->notes[0];
    b->shape.rows = (uint8_t)rows;
    b->shape.counted = w->counted;
    b->shape.stores = place_of_position(w, b);
    const struct cache_statement *st =
        cache_statement(&w->cache, w->pipe, b->table, &b->shape, note, err);
    if (!st || !batch_bind(b, &b->table->target, &w->bind, err)) {
        return false;
    }
    bind_position(w, &b->shape);
    return send_bound(w, FLIGHT_BATCH, b->len, st->name, note, err);
}

static bool
copy_is_open(const struct rows *w, const struct cache_table *t, const struct shape *s)
{
    const struct shape *open = &w->copy.shape;
    return w->pipe->copy.open && w->copy.table == t && open->op == s->op && open->len == s->len &&
           memcmp(open->use, s->use, s->len) == 0;
}

/* With a target far away only long runs are; how long they are, the last one tells. */
static bool
worth_copying(struct rows *w, const struct batch *b)
{
    struct pipe_copy *c = &w->pipe->copy;
    if (b->shape.op != SHAPE_INSERT || b->len < COPY_ROWS || copy_is_open(w, b->table, &b->shape)) {
        return b->shape.op == SHAPE_INSERT && b->len >= COPY_ROWS;
    }
    if (!c->open && c->entry.rows > 0) {
        w->copy.hope = c->entry.rows;
        c->entry.rows = 0;
    }
    uint64_t rows = w->copy.hope > b->len ? w->copy.hope : b->len;
    if (rows * COPY_GAIN_US >= (uint64_t)c->trip_us * COPY_TRIPS) {
        return true;
    }
    w->copy.hope += b->len; /* so that it is tried again */
    return false;
}

static bool
open_copy(struct rows *w, const struct batch *b, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    sql_copy(b->table->relation, &b->table->target, &b->shape, &sql);
    bool ok = buf_ok(&sql, "statement", err) &&
              pipe_copy_open(w->pipe, buf_cstr(&sql), &b->notes[0], err);
    buf_done(&sql);
    w->copy.table = b->table;
    w->copy.shape = b->shape;
    return ok;
}

static bool
send_copy(struct rows *w, const struct batch *b, struct err *err)
{
    for (uint32_t i = 0; i < b->len; i++) {
        const struct batch_row *row = &b->rows[i];
        if (!copy_is_open(w, b->table, &b->shape) && !open_copy(w, b, err)) {
            return false;
        }
        if (!pipe_copy_row(
                w->pipe, b->shape.parameters, b->images.data + row->at, row->values, err)) {
            return false;
        }
    }
    return true;
}

/* Sends the table's first run. */
static bool
flush_run(struct rows *w, struct cache_table *t, struct err *err)
{
    struct batch *b = t->held.runs[0];
    enum shape_rows rows = batch_rows(b, &t->target);
    bool ok = rows == SHAPE_ROW     ? send_each(w, b, err)
              : worth_copying(w, b) ? send_copy(w, b, err)
                                    : send_together(w, b, rows, err);
    held_release(&w->held, t);
    bind_trim(&w->bind);
    return ok;
}

static bool
flush_table(struct rows *w, struct cache_table *t, struct err *err)
{
    while (t->held.len > 0) {
        if (!flush_run(w, t, err)) {
            return false;
        }
    }
    return true;
}

bool
rows_flush(struct rows *w, struct err *err)
{
    while (w->held.oldest) {
        if (!flush_table(w, w->held.oldest, err)) {
            return false;
        }
    }
    return true;
}

/* Of what is held back. */
static bool
counting_it_pays(const struct rows *w)
{
    uint64_t statements = 0, rows = 0;
    for (const struct cache_table *t = w->held.oldest; t; t = t->held.newer) {
        for (uint8_t i = 0; i < t->held.len; i++) {
            const struct batch *run = t->held.runs[i];
            statements += batch_rows(run, &t->target) == SHAPE_ROW ? run->len : 1;
            rows += run->len;
        }
    }
    return counting_pays(w->trip_us, statements, rows);
}

bool
rows_flush_last(struct rows *w, const struct origin_values *position, bool *stored, struct err *err)
{
    /* Where something must be waited for anyhow, it would gain nothing. */
    w->counted = !pipe_must_wait(w->pipe) && !w->pipe->copy.open && counting_it_pays(w);
    w->position = w->counted ? position : NULL;
    bool ok = rows_flush(w, err);
    *stored = w->counted && !w->position;
    w->counted = w->stores = false;
    w->position = NULL;
    return ok;
}

void
rows_drop(struct rows *w)
{
    while (w->held.oldest) {
        held_release(&w->held, w->held.oldest);
    }
}

/* Holds the row in `image` back; what does not go together with it is sent first. */
static bool
hold_back(struct rows *w, struct cache_table *t, const struct change *c, struct err *err)
{
    for (;;) {
        bool ok = true;
        switch (held_put(&w->held, t, &w->shape, &w->image, c)) {
        case HELD_TAKEN:
            return true;
        case HELD_TABLE:
            ok = flush_table(w, t, err);
            break;
        case HELD_OLDEST:
            ok = flush_table(w, w->held.oldest, err);
            break;
        case HELD_ALL:
            ok = rows_flush(w, err);
            break;
        }
        if (!ok) {
            return false;
        }
    }
}

static bool
send_alone(struct rows *w, struct cache_table *t, const struct change *c, struct err *err)
{
    /* What may be seen comes behind everything before it. */
    bool sent = t->target.unseen ? flush_table(w, t, err) : rows_flush(w, err);
    if (!sent) {
        return false;
    }
    struct flight_entry about = {.kind = FLIGHT_ROW};
    flight_note(&about, c, t->relation);
    const struct cache_statement *st =
        cache_statement(&w->cache, w->pipe, t, &w->shape, &about, err);
    if (!st) {
        return false;
    }
    if (!bind_change(&w->bind, c, &w->shape, err)) {
        return wrap_change(c, err);
    }
    bool ok = send_bound(w, FLIGHT_ROW, 1, st->name, &about, err);
    bind_trim(&w->bind);
    return ok;
}

static struct cache_table *
table_of(struct rows *w, const struct change *c, struct err *err)
{
    struct cache_table *t = cache_known(&w->cache, c->relation);
    if (t) {
        return t;
    }
    if (!rows_flush(w, err)) {
        return NULL;
    }
    t = cache_table(&w->cache, w->pipe, c->relation, err);
    if (!t && !w->pipe->broken) {
        /* Answers taken in on the way name their own change. */
        wrap_change(c, err);
    }
    return t;
}

const struct target *
rows_target(struct rows *w, const struct change *c, struct err *err)
{
    const struct cache_table *t = table_of(w, c, err);
    return t ? &t->target : NULL;
}

/* Where rows go alone is where the one is looked for of which something wrong was assumed. */
static bool
put_as(struct rows *w, const struct change *c, const struct target *t, struct err *err)
{
    return shape_of(c, t, &w->shape, err) &&
           (!w->row_by_row || !w->shape.assumed || shape_replace(c, t, &w->shape, err));
}

/* What was found out about the shape of rows that are held back holds for another one. */
static bool
may_join(const struct rows *w, const struct cache_table *t, bool *commutes)
{
    if (w->row_by_row) {
        return false;
    }
    const struct batch *like = held_like(&t->held, &w->shape);
    if (like) {
        *commutes = like->commutes;
        return true;
    }
    /* Only where it helps: that inserts know their keys costs something. */
    *commutes = t->held.mixed && batch_commutes(&t->target, &w->shape);
    return batch_possible(&t->target, &w->shape);
}

bool
rows_put(struct rows *w, const struct change *c, size_t *bytes, struct err *err)
{
    struct cache_table *t = table_of(w, c, err);
    if (!t) {
        return false;
    }
    if (!t->target.present) {
        return table_is_missing(c, err);
    }
    if (!put_as(w, c, &t->target, err)) {
        return wrap_change(c, err);
    }
    bool commutes = false;
    if (may_join(w, t, &commutes) && batch_image(&w->image, c, &w->shape, &t->target, commutes)) {
        *bytes = BIND_STATEMENT_BYTES + w->image.values;
        if (t->held.len == 0 && copy_is_open(w, t, &w->shape)) {
            return pipe_copy_row(
                w->pipe, w->shape.parameters, w->image.bytes.data, w->image.values, err);
        }
        return hold_back(w, t, c, err);
    }
    bool ok = send_alone(w, t, c, err);
    *bytes = w->bind.bytes;
    return ok;
}

/* The change as an insert of the whole row; what the source did not send again is as it was. */
static struct change
as_insert(const struct change *c, struct value *values)
{
    struct change out = *c;
    out.kind = CHANGE_INSERT;
    out.new.values = values;
    bool old = c->old_kind == OLD_FULL && c->old.len == c->new.len;
    for (uint16_t i = 0; i < c->new.len; i++) {
        bool known = c->new.values[i].status != VALUE_UNCHANGED || !old;
        values[i] = known ? c->new.values[i] : c->old.values[i];
    }
    out.old_kind = OLD_NONE;
    out.old = (struct tuple){0};
    return out;
}

bool
rows_upsert(struct rows *w, const struct change *c, size_t *bytes, struct err *err)
{
    struct cache_table *t = table_of(w, c, err);
    if (!t) {
        return false;
    }
    if (!t->target.present) {
        return table_is_missing(c, err);
    }
    struct value *values = x_malloc((c->new.len + 1u) * sizeof *values);
    struct change insert = as_insert(c, values);
    bool ok = shape_upsert(&insert, &t->target, &w->shape, err);
    if (!ok) {
        err_hint(err,
            "the row is missing on the target and cannot be made of what the source sent: "
            "copy it there, or give the source's table REPLICA IDENTITY FULL");
        wrap_change(c, err);
    }
    ok = ok && send_alone(w, t, &insert, err);
    *bytes = w->bind.bytes;
    x_free(values);
    return ok;
}
