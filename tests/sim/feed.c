/* SPDX-License-Identifier: Apache-2.0
 *
 * An op knows its values only as a seed; row_make() turns it into a struct change, from which both
 * the message and the expectation are made. So what is compared at the end went once through wire,
 * spool and decoder, and once through none of them.
 */
#include "tests/sim/feed.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"

#define COLUMNS_MAX 8
#define TEXT_MAX    4096
#define TIME_START  INT64_C(1700000000000000)

/* --- digest -------------------------------------------------------------------------------------
 */

static uint64_t
mix(uint64_t h, uint64_t v)
{
    struct rng r = {h ^ (v * UINT64_C(0x9fb21c651e98df25))};
    return rng_next(&r);
}

static uint64_t
mix_bytes(uint64_t h, const void *data, size_t len)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    }
    return mix(mix(h, len), sum);
}

static uint64_t
mix_relation(uint64_t h, const struct relation *r)
{
    h = mix(mix(h, r->id), r->columns_len);
    h = mix_bytes(h, r->schema, strlen(r->schema));
    h = mix_bytes(h, r->name, strlen(r->name));
    for (uint16_t i = 0; i < r->columns_len; i++) {
        h = mix_bytes(h, r->columns[i].name, strlen(r->columns[i].name));
        h = mix(h, r->columns[i].type_oid);
    }
    return h;
}

static uint64_t
mix_tuple(uint64_t h, const struct tuple *t)
{
    h = mix(h, t->len);
    for (uint16_t i = 0; i < t->len; i++) {
        const struct value *v = &t->values[i];
        h = mix(h, (uint64_t)v->status);
        if (v->status == VALUE_TEXT || v->status == VALUE_BINARY) {
            h = mix_bytes(h, v->bytes.data, v->bytes.len);
        }
    }
    return h;
}

uint64_t
digest_begin(uint64_t before, uint32_t xid, int64_t commit_us)
{
    return mix(mix(before, xid), (uint64_t)commit_us);
}

uint64_t
digest_change(uint64_t before, const struct change *c)
{
    uint64_t h = mix(before, (uint64_t)c->kind);
    if (c->kind == CHANGE_MESSAGE) {
        h = mix_bytes(h, c->prefix, strlen(c->prefix));
        return mix_bytes(h, c->content.data, c->content.len);
    }
    if (c->kind == CHANGE_TRUNCATE) {
        h = mix(h, c->truncated_len);
        for (uint32_t i = 0; i < c->truncated_len; i++) {
            h = mix_relation(h, c->truncated[i]);
        }
        return h;
    }
    h = mix_relation(mix(h, (uint64_t)c->old_kind), c->relation);
    return mix_tuple(mix_tuple(h, &c->old), &c->new);
}

uint64_t
digest_commit(uint64_t before, uint64_t position)
{
    return mix(before, position);
}

/* --- rows ---------------------------------------------------------------------------------------
 */

struct row {
    struct change change;
    struct relation relations[2];
    const struct relation *truncated[2];
    struct column columns[2][COLUMNS_MAX];
    char names[2][16];
    struct value old[COLUMNS_MAX], new[COLUMNS_MAX];
    char key[16], other_key[16], extra[16], text[TEXT_MAX];
};

static const char *const column_names[COLUMNS_MAX] = {
    "id", "note", "c2", "c3", "c4", "c5", "c6", "c7"};

uint32_t
feed_table_id(uint8_t table)
{
    return 16400U + table;
}

static void
relation_make(struct row *row, int which, uint8_t table, uint8_t version)
{
    struct relation *r = &row->relations[which];
    snprintf(row->names[which], sizeof(row->names[which]), "t%u", table);
    *r = (struct relation){.id = feed_table_id(table),
        .schema = "public",
        .name = row->names[which],
        .identity = 'd',
        .columns_len = (uint16_t)(2 + version),
        .columns = row->columns[which]};
    for (uint16_t i = 0; i < r->columns_len; i++) {
        r->columns[i] = (struct column){column_names[i], i == 0 ? 20 : 25, -1, i == 0};
    }
}

static struct value
text_value(const char *text, size_t len)
{
    return (struct value){VALUE_TEXT, slice_of(text, len)};
}

static struct tuple
new_tuple(struct row *row, const struct op *op)
{
    struct rng r = {op->seed};
    uint16_t len = row->relations[0].columns_len;
    row->new[0] = text_value(row->key, strlen(row->key));
    for (size_t i = 0; i < op->text_len; i += 8) {
        uint64_t bits = rng_next(&r);
        memcpy(row->text + i, &bits, 8);
    }
    row->new[1] = text_value(row->text, op->text_len);
    for (uint16_t i = 2; i < len; i++) {
        uint32_t kind = rng_below(&r, 4);
        row->new[i] = text_value(row->extra, strlen(row->extra));
        if (kind == 0) {
            row->new[i] = (struct value){.status = VALUE_NULL};
        } else if (kind == 1 && op->kind == CHANGE_UPDATE) {
            row->new[i] = (struct value){.status = VALUE_UNCHANGED};
        }
    }
    return (struct tuple){len, row->new};
}

static struct tuple
old_tuple(struct row *row, const struct op *op)
{
    uint16_t len = row->relations[0].columns_len;
    row->old[0] = text_value(row->other_key, strlen(row->other_key));
    for (uint16_t i = 1; i < len; i++) {
        row->old[i] = op->old == OLD_FULL ? text_value(row->extra, strlen(row->extra))
                                          : (struct value){.status = VALUE_NULL};
    }
    return (struct tuple){len, row->old};
}

static void
row_make(struct row *row, const struct op *op)
{
    struct change *c = &row->change;
    *c = (struct change){.kind = op->kind, .xid = op->xid};
    snprintf(row->key, sizeof(row->key), "%u", op->seed % 50);
    snprintf(row->other_key, sizeof(row->other_key), "%u", op->seed % 47);
    snprintf(row->extra, sizeof(row->extra), "x%u", op->seed % 1000);
    relation_make(row, 0, op->table, op->version);
    if (op->kind == CHANGE_MESSAGE) {
        c->prefix = "note";
        c->content = slice_str(row->extra);
        c->transactional = true;
        return;
    }
    if (op->kind == CHANGE_TRUNCATE) {
        relation_make(row, 1, op->other, op->version);
        row->truncated[0] = &row->relations[0];
        row->truncated[1] = &row->relations[1];
        c->truncated = row->truncated;
        c->truncated_len = op->other == op->table ? 1 : 2;
        return;
    }
    c->relation = &row->relations[0];
    c->old_kind = op->old;
    if (op->old != OLD_NONE) {
        c->old = old_tuple(row, op);
    }
    if (op->kind != CHANGE_DELETE) {
        c->new = new_tuple(row, op);
    }
}

/* --- messages -----------------------------------------------------------------------------------
 */

static void
put_cstr(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s) + 1);
}

static void
put_time(struct buf *b, int64_t unix_us)
{
    buf_u64(b, (uint64_t)(unix_us - PG_EPOCH_OFFSET_US));
}

void
feed_put_begin(struct buf *b, const struct tx *t)
{
    buf_u8(b, 'B');
    buf_u64(b, t->commit_lsn);
    put_time(b, t->commit_us);
    buf_u32(b, t->xid);
}

void
feed_put_commit(struct buf *b, const struct tx *t)
{
    buf_u8(b, 'C');
    buf_u8(b, 0);
    buf_u64(b, t->commit_lsn);
    buf_u64(b, t->end_lsn);
    put_time(b, t->commit_us);
}

void
feed_put_relation(struct buf *b, uint8_t table, uint8_t version)
{
    struct row row;
    relation_make(&row, 0, table, version);
    const struct relation *r = &row.relations[0];
    buf_u8(b, 'R');
    buf_u32(b, r->id);
    put_cstr(b, r->schema);
    put_cstr(b, r->name);
    buf_u8(b, (uint8_t)r->identity);
    buf_u16(b, r->columns_len);
    for (uint16_t i = 0; i < r->columns_len; i++) {
        buf_u8(b, r->columns[i].key);
        put_cstr(b, r->columns[i].name);
        buf_u32(b, r->columns[i].type_oid);
        buf_u32(b, (uint32_t)r->columns[i].type_mod);
    }
}

void
feed_put_type(struct buf *b)
{
    buf_u8(b, 'Y');
    buf_u32(b, 16399);
    put_cstr(b, "public");
    put_cstr(b, "mood");
}

void
feed_put_origin(struct buf *b)
{
    buf_u8(b, 'O');
    buf_u64(b, 0x77);
    put_cstr(b, "elsewhere");
}

static void
put_tuple(struct buf *b, char mark, const struct tuple *t)
{
    buf_u8(b, (uint8_t)mark);
    buf_u16(b, t->len);
    for (uint16_t i = 0; i < t->len; i++) {
        const struct value *v = &t->values[i];
        buf_u8(b, (uint8_t)v->status);
        if (v->status == VALUE_TEXT) {
            buf_u32(b, (uint32_t)v->bytes.len);
            buf_bytes(b, v->bytes.data, v->bytes.len);
        }
    }
}

static void
put_row(struct buf *b, const struct change *c)
{
    buf_u8(b, c->kind == CHANGE_INSERT ? 'I' : c->kind == CHANGE_UPDATE ? 'U' : 'D');
    buf_u32(b, c->relation->id);
    if (c->old_kind != OLD_NONE) {
        put_tuple(b, c->old_kind == OLD_KEY ? 'K' : 'O', &c->old);
    }
    if (c->kind != CHANGE_DELETE) {
        put_tuple(b, 'N', &c->new);
    }
}

void
feed_put_op(struct buf *b, const struct op *op)
{
    struct row row;
    row_make(&row, op);
    const struct change *c = &row.change;
    if (c->kind == CHANGE_MESSAGE) {
        buf_u8(b, 'M');
        buf_u8(b, 1);
        buf_u64(b, op->lsn);
        put_cstr(b, c->prefix);
        buf_u32(b, (uint32_t)c->content.len);
        buf_bytes(b, c->content.data, c->content.len);
    } else if (c->kind == CHANGE_TRUNCATE) {
        buf_u8(b, 'T');
        buf_u32(b, c->truncated_len);
        buf_u8(b, 0);
        for (uint32_t i = 0; i < c->truncated_len; i++) {
            buf_u32(b, c->truncated[i]->id);
        }
    } else {
        put_row(b, c);
    }
}

/* --- history ------------------------------------------------------------------------------------
 */

struct maker {
    const struct history_options *o;
    struct rng *rng;
    uint64_t lsn;
    uint32_t xid;
    uint8_t version[FEED_TABLES];
};

static struct op
op_make(struct maker *m)
{
    static const enum change_kind kinds[] = {
        CHANGE_INSERT, CHANGE_INSERT, CHANGE_INSERT, CHANGE_UPDATE, CHANGE_UPDATE, CHANGE_DELETE};
    struct rng *r = m->rng;
    struct op op = {.kind = kinds[rng_below(r, 6)],
        .table = (uint8_t)rng_below(r, FEED_TABLES),
        .seed = (uint32_t)rng_next(r),
        .text_len = rng_below(r, rng_one_in(r, 12) ? m->o->most_text : 60)};
    op.other = op.table;
    if (rng_one_in(r, 25)) {
        op.kind = CHANGE_MESSAGE;
    } else if (rng_one_in(r, 25)) {
        op.kind = CHANGE_TRUNCATE;
        uint8_t other = (uint8_t)rng_below(r, FEED_TABLES);
        op.other = m->version[other] == m->version[op.table] ? other : op.table;
    }
    if (op.kind == CHANGE_DELETE) {
        op.old = rng_one_in(r, 3) ? OLD_FULL : OLD_KEY;
    } else if (op.kind == CHANGE_UPDATE) {
        op.old = (enum old_kind)rng_below(r, 3);
    }
    op.version = m->version[op.table];
    op.lsn = m->lsn += 8 + rng_below(r, 40);
    return op;
}

static void
add_op(struct tx *t, struct op op)
{
    t->ops = x_realloc(t->ops, (t->len + 1) * sizeof(*t->ops));
    t->ops[t->len++] = op;
}

/* Subtransactions of a streamed one: a run of ops with an xid of its own, maybe rolled back. */
static void
make_run(struct maker *m, struct tx *t, size_t *left)
{
    bool sub = t->streamed && rng_one_in(m->rng, 2);
    bool back = sub && rng_one_in(m->rng, 2);
    uint32_t xid = sub ? ++m->xid : t->xid;
    for (size_t n = 1 + rng_below(m->rng, 4); n > 0 && *left > 0; n--, --*left) {
        struct op op = op_make(m);
        op.xid = xid;
        op.voided = back;
        add_op(t, op);
    }
    if (back) {
        add_op(t, (struct op){.xid = xid, .lsn = m->lsn += 8});
    }
}

static struct tx
tx_make(struct maker *m, size_t index)
{
    struct rng *r = m->rng;
    struct tx t = {.xid = ++m->xid, .commit_us = TIME_START + (int64_t)index * 1000};
    t.streamed = m->o->streams && rng_one_in(r, 3);
    t.aborted = t.streamed && rng_one_in(r, 4);
    if (rng_one_in(r, 6)) {
        uint8_t table = (uint8_t)rng_below(r, FEED_TABLES);
        m->version[table] += m->version[table] < COLUMNS_MAX - 2;
    }
    size_t left = rng_below(r, m->o->most_ops + 1);
    left += t.streamed;
    while (left > 0) {
        make_run(m, &t, &left);
    }
    if (!t.aborted) {
        t.commit_lsn = m->lsn += 8 + rng_below(r, 100);
        t.end_lsn = m->lsn += 48;
        /* The next record may begin right there. */
        m->lsn += rng_one_in(r, 2) ? 0 : rng_below(r, 500);
    }
    return t;
}

void
history_make(struct history *h, const struct history_options *o, struct rng *rng)
{
    struct maker m = {.o = o, .rng = rng, .lsn = UINT64_C(0x1600000000), .xid = 700};
    h->start = m.lsn;
    h->len = o->transactions;
    h->tx = x_zalloc((h->len + 1) * sizeof(*h->tx));
    for (size_t i = 0; i < h->len; i++) {
        h->tx[i] = tx_make(&m, i);
    }
}

void
history_done(struct history *h)
{
    for (size_t i = 0; i < h->len; i++) {
        x_free(h->tx[i].ops);
    }
    x_free(h->tx);
}

/* --- what must be seen --------------------------------------------------------------------------
 */

/* Leaves out what the copies have; false: nothing is left. */
static bool
filtered(struct row *row, const struct op *op, const struct tx *t, const uint64_t *sync)
{
    struct change *c = &row->change;
    if (c->kind == CHANGE_MESSAGE) {
        return true;
    }
    if (c->kind != CHANGE_TRUNCATE) {
        return t->commit_lsn >= sync[op->table];
    }
    const uint8_t tables[2] = {op->table, op->other};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        if (t->commit_lsn >= sync[tables[i]]) {
            row->truncated[kept++] = &row->relations[i];
        }
    }
    c->truncated_len = kept;
    return kept > 0;
}

static uint64_t
expect_tx(uint64_t h, const struct tx *t, const uint64_t *sync)
{
    h = digest_begin(h, t->xid, t->commit_us);
    for (size_t i = 0; i < t->len; i++) {
        const struct op *op = &t->ops[i];
        struct row row;
        if (op->kind == 0 || op->voided) {
            continue;
        }
        row_make(&row, op);
        if (filtered(&row, op, t, sync)) {
            h = digest_change(h, &row.change);
        }
    }
    return digest_commit(h, t->end_lsn);
}

void
expectation_make(struct expectation *e, const struct history *h, size_t first, const uint64_t *sync)
{
    e->after = x_zalloc((h->len + 1) * sizeof(*e->after));
    for (size_t i = first; i < h->len; i++) {
        e->after[i + 1] = h->tx[i].aborted ? e->after[i] : expect_tx(e->after[i], &h->tx[i], sync);
    }
}

void
expectation_done(struct expectation *e)
{
    x_free(e->after);
    e->after = NULL;
}
