/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariant: a table has at most one batch, and no statement about the table is sent while it has
 * one, other than the batch itself. So rows of a table reach the target in the order they came.
 *
 * Inserts that come in numbers go by COPY, which stays open and takes the table's next inserts as
 * they come, until something else is sent (pipe.h). The table has no batch then, or the next insert
 * would be in front of what the batch holds. It may be used wherever rows may be joined
 * (batch_possible): it knows no rules, and refuses tables with row security. It costs three round
 * trips.
 *
 * Before the cache looks at the catalog everything held back is sent: a table may leave the cache
 * then, and with it what a batch points to.
 */
#include "sinks/postgres/rows.h"

#include <string.h>

#include "agent/base/arena.h"
#include "sinks/postgres/sql.h"

#define TABLES_MAX   4096u
#define COPY_ROWS    200u /* no fewer are worth a COPY */
#define COPY_TRIPS   3
#define COPY_GAIN_US 1 /* a row, at least, against arrays */
#define SQL_MAX      ((size_t)1 << 20)

void
rows_init(struct rows *w, struct pipe *p, bool row_by_row, uint32_t statements)
{
    memset(w, 0, sizeof *w);
    w->pipe = p;
    w->row_by_row = row_by_row;
    cache_init(&w->cache, TABLES_MAX, statements);
    bind_init(&w->bind);
    buf_init(&w->image, 2 * BATCH_ROW_BYTES);
    w->copy.hope = UINT32_MAX;
}

void
rows_done(struct rows *w)
{
    rows_drop(w);
    for (uint32_t i = 0; i < ROWS_BATCHES; i++) {
        batch_free(w->batches[i]);
    }
    cache_done(&w->cache);
    bind_done(&w->bind);
    buf_done(&w->image);
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
    flight_copy_note(e, about);
    struct pipe_statement s = {name, (int)b->n, b->values, b->lengths, b->formats};
    return pipe_execute(w->pipe, &s, err);
}

static bool
send_few(struct rows *w, const struct batch *b, struct err *err)
{
    for (uint32_t i = 0; i < b->len; i++) {
        const struct flight_entry *note = &b->notes[i];
        const struct cache_statement *st =
            cache_statement(&w->cache, w->pipe, b->table, &b->shape, note, err);
        if (!st) {
            return false;
        }
        batch_bind_row(b, i, &w->bind);
        if (!send_bound(w, FLIGHT_ROW, 1, st->name, note, err)) {
            return false;
        }
    }
    return true;
}

static bool
send_many(struct rows *w, struct batch *b, struct err *err)
{
    const struct flight_entry *note = &b->notes[0];
    b->shape.many = true;
    const struct cache_statement *st =
        cache_statement(&w->cache, w->pipe, b->table, &b->shape, note, err);
    return st && batch_bind(b, &b->table->target, &w->bind, err) &&
           send_bound(w, FLIGHT_BATCH, b->len, st->name, note, err);
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
        if (!pipe_copy_row(w->pipe, b->shape.parameters, b->images.data + row->at, row->len, err)) {
            return false;
        }
    }
    return true;
}

/* Makes the batch free again; it moves behind those in use. */
static void
release(struct rows *w, struct batch *b)
{
    uint32_t i = 0;
    while (w->batches[i] != b) {
        i++;
    }
    w->used--;
    memmove(&w->batches[i], &w->batches[i + 1], (w->used - i) * sizeof *w->batches);
    w->batches[w->used] = b;
    w->held -= b->images.len;
    b->table->batch = NULL;
    batch_reset(b);
}

static bool
flush_batch(struct rows *w, struct batch *b, struct err *err)
{
    bool ok = b->len <= BATCH_FEW   ? send_few(w, b, err)
              : worth_copying(w, b) ? send_copy(w, b, err)
                                    : send_many(w, b, err);
    release(w, b);
    bind_trim(&w->bind);
    return ok;
}

bool
rows_flush(struct rows *w, struct err *err)
{
    while (w->used > 0) {
        if (!flush_batch(w, w->batches[0], err)) {
            return false;
        }
    }
    return true;
}

void
rows_drop(struct rows *w)
{
    while (w->used > 0) {
        release(w, w->batches[w->used - 1]);
    }
}

/* An empty batch for the table, which has none. */
static struct batch *
begin_batch(struct rows *w, struct cache_table *t, struct err *err)
{
    if (w->used == ROWS_BATCHES && !flush_batch(w, w->batches[0], err)) {
        return NULL;
    }
    struct batch **free_one = &w->batches[w->used];
    if (!*free_one) {
        *free_one = batch_new();
    }
    w->used++;
    batch_begin(*free_one, t, &w->shape);
    t->batch = *free_one;
    return t->batch;
}

static enum batch_answer
add(struct rows *w, struct batch *b, uint32_t key_at, const struct change *c)
{
    size_t before = b->images.len;
    enum batch_answer answer = batch_add(b, &w->image, key_at, c, b->table->relation);
    w->held += b->images.len - before;
    return answer;
}

/* Takes the row into its table's batch, in `image`; what does not go together is sent first. */
static bool
hold_back(
    struct rows *w, struct cache_table *t, uint32_t key_at, const struct change *c, struct err *err)
{
    if (w->held + w->image.len > ROWS_BYTES && !rows_flush(w, err)) {
        return false;
    }
    if (t->batch && batch_same(t->batch, &w->shape) && add(w, t->batch, key_at, c) == BATCH_TAKEN) {
        return true;
    }
    if (t->batch && !flush_batch(w, t->batch, err)) {
        return false;
    }
    struct batch *b = begin_batch(w, t, err);
    if (!b) {
        return false;
    }
    return add(w, b, key_at, c) == BATCH_TAKEN ||
           err_set(err, ERR_FATAL, "a row does not fit an empty batch");
}

static bool
send_alone(struct rows *w, struct cache_table *t, const struct change *c, struct err *err)
{
    /* What may be seen comes behind everything before it. */
    bool sent = t->target.unseen ? !t->batch || flush_batch(w, t->batch, err) : rows_flush(w, err);
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

/* Where rows go alone is where the one is looked for of which something wrong was assumed. */
static bool
put_as(struct rows *w, const struct change *c, const struct target *t, struct err *err)
{
    return shape_of(c, t, &w->shape, err) &&
           (!w->row_by_row || !w->shape.assumed || shape_replace(c, t, &w->shape, err));
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
    uint32_t key_at = 0;
    bool possible = !w->row_by_row && ((t->batch && batch_same(t->batch, &w->shape)) ||
                                          batch_possible(&t->target, &w->shape));
    if (possible && batch_image(c, &w->shape, &w->image, &key_at)) {
        *bytes = BIND_STATEMENT_BYTES + w->image.len;
        if (!t->batch && copy_is_open(w, t, &w->shape)) {
            return pipe_copy_row(w->pipe, w->shape.parameters, w->image.data, w->image.len, err);
        }
        return hold_back(w, t, key_at, c, err);
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
