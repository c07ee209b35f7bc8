/* SPDX-License-Identifier: Apache-2.0
 *
 * A walsender and its slot: transactions whose commit record begins at the position asked for or
 * later, in commit order; a table described once a connection and again when it changed. A
 * transaction that is streamed comes in pieces between the others, described on its own, and its
 * rollbacks with it; whether a connection streams it is left to chance, as it is to memory in
 * PostgreSQL.
 */
#include <string.h>

#include "tests/sim/world.h"
#include "tests/sim/wrap.h"

#define STREAM_AHEAD 4 /* how many transactions that commit later are sent early */

struct feed_stream {
    size_t sent; /* ops */
    uint8_t shape[FEED_TABLES];
};

struct fake_source {
    struct source base;
    struct upstream *u;
};

static struct upstream *
of(struct source *s)
{
    return ((struct fake_source *)s)->u;
}

static void
forget_streams(struct upstream *u)
{
    for (size_t i = 0; i < u->w->history.len; i++) {
        x_free(u->streams[i]);
        u->streams[i] = NULL;
    }
}

static bool
cut(struct upstream *u, const char *why, struct err *err)
{
    u->connected = false;
    u->cut_in = 0;
    u->w->seen[SEEN_SOURCE_CUT]++;
    world_trace(u->w, "source: %s", why);
    return err_set(err, ERR_RECONNECT, "%s", why);
}

/* --- records ------------------------------------------------------------------------------------
 */

static void
fill(struct upstream *u, struct record *out, enum record_kind kind, uint64_t position)
{
    out->kind = kind;
    out->position = position;
    out->received_us = clock_wall_us(&u->w->clock.clock);
    out->payload = slice_of(u->message.data, u->message.len);
}

/* Whether the table has to be described before `op`. */
static bool
describe(struct upstream *u, const struct op *op, uint8_t *shape, struct record *out)
{
    if (op->kind == CHANGE_MESSAGE) {
        return false;
    }
    const uint8_t tables[2] = {op->table, op->other};
    for (size_t i = 0; i < 2; i++) {
        uint8_t table = tables[i];
        if (shape[table] != op->version + 1) {
            shape[table] = (uint8_t)(op->version + 1);
            feed_put_relation(&u->message, table, op->version);
            fill(u, out, RECORD_SCHEMA, op->lsn);
            out->key = feed_table_id(table);
            return true;
        }
    }
    return false;
}

static void
send_stream_op(struct upstream *u, const struct tx *t, struct feed_stream *s, struct record *out)
{
    const struct op *op = &t->ops[s->sent];
    out->stream = t->xid;
    out->xid = op->xid;
    if (op->kind == 0) {
        s->sent++;
        /* Whatever the transaction described, it describes again from here on. */
        memset(s->shape, 0, sizeof(s->shape));
        u->w->seen[SEEN_ROLLED_BACK] += !t->aborted;
        fill(u, out, RECORD_ABORT, op->lsn);
    } else if (!describe(u, op, s->shape, out)) {
        s->sent++;
        feed_put_op(&u->message, op);
        fill(u, out, RECORD_DATA, op->lsn);
    }
}

/* A piece of a transaction that is still open. */
static bool
stream_some(struct upstream *u, struct record *out)
{
    struct world *w = u->w;
    size_t i = u->at + rng_below(&w->rng, STREAM_AHEAD);
    if (i >= w->history.len || i > u->produced + STREAM_AHEAD || !w->history.tx[i].streamed) {
        return false;
    }
    const struct tx *t = &w->history.tx[i];
    if (!u->streams[i]) {
        u->streams[i] = x_zalloc(sizeof(*u->streams[i]));
    }
    /* One that was not begun before its turn is sent when it commits, as a whole. */
    if (u->streams[i]->sent >= t->len) {
        return false;
    }
    send_stream_op(u, t, u->streams[i], out);
    return true;
}

static void
end_tx(struct upstream *u, const struct tx *t, struct record *out)
{
    feed_put_commit(&u->message, t);
    fill(u, out, RECORD_COMMIT, t->end_lsn);
    u->position = t->end_lsn;
    u->in_tx = false;
    u->op = 0;
    u->at++;
}

/* The transaction at its turn was streamed: its rest, then BEGIN and COMMIT. */
static void
end_stream(struct upstream *u, const struct tx *t, struct feed_stream *s, struct record *out)
{
    if (t->aborted) {
        *out = (struct record){.xid = t->xid, .stream = t->xid};
        fill(u, out, RECORD_ABORT, t->ops[t->len - 1].lsn);
        u->w->seen[SEEN_ABORTED]++;
        u->at++;
    } else if (s->sent < t->len) {
        send_stream_op(u, t, s, out);
    } else if (!u->in_tx) {
        u->in_tx = true;
        feed_put_begin(&u->message, t);
        out->xid = out->stream = t->xid;
        fill(u, out, RECORD_BEGIN, t->commit_lsn);
    } else {
        for (size_t i = 0; i < FEED_TABLES; i++) {
            u->shape[i] = s->shape[i] ? s->shape[i] : u->shape[i];
        }
        out->stream = t->xid;
        u->w->seen[SEEN_STREAMED]++;
        end_tx(u, t, out);
    }
}

static void
send_plain(struct upstream *u, const struct tx *t, struct record *out)
{
    if (!u->in_tx) {
        u->in_tx = true;
        u->op = 0;
        feed_put_begin(&u->message, t);
        out->xid = t->xid;
        fill(u, out, RECORD_BEGIN, t->commit_lsn);
        return;
    }
    while (u->op < t->len && (t->ops[u->op].voided || t->ops[u->op].kind == 0)) {
        u->op++;
    }
    if (u->op == t->len) {
        end_tx(u, t, out);
        return;
    }
    const struct op *op = &t->ops[u->op];
    if (rng_one_in(&u->w->rng, 40)) {
        if (rng_one_in(&u->w->rng, 2)) {
            feed_put_type(&u->message);
        } else {
            feed_put_origin(&u->message);
        }
        fill(u, out, RECORD_DATA, op->lsn);
    } else if (!describe(u, op, u->shape, out)) {
        u->op++;
        feed_put_op(&u->message, op);
        fill(u, out, RECORD_DATA, op->lsn);
    }
}

/* Nothing is committed below the commit record that comes next. */
static bool
mark(struct upstream *u, struct record *out)
{
    struct world *w = u->w;
    size_t next = u->at;
    while (next < w->history.len && w->history.tx[next].aborted) {
        next++;
    }
    uint64_t limit = next < w->history.len ? w->history.tx[next].commit_lsn : u->position + 100;
    if (limit <= u->position) {
        return false;
    }
    uint64_t step = limit - u->position;
    step = rng_one_in(&w->rng, 3) ? step : 1 + rng_below(&w->rng, (uint32_t)step);
    u->position += step;
    fill(u, out, RECORD_MARK, u->position);
    return true;
}

static bool
next_record(struct upstream *u, struct record *out)
{
    struct world *w = u->w;
    if (!u->in_tx) {
        while (u->at < u->produced && w->history.tx[u->at].aborted && !u->streams[u->at]) {
            u->at++;
        }
        if (rng_one_in(&w->rng, 30) && mark(u, out)) {
            return true;
        }
        if (rng_one_in(&w->rng, 3) && stream_some(u, out)) {
            return true;
        }
    }
    if (u->at >= u->produced) {
        return false;
    }
    const struct tx *t = &w->history.tx[u->at];
    if (u->streams[u->at]) {
        end_stream(u, t, u->streams[u->at], out);
    } else {
        send_plain(u, t, out);
    }
    return true;
}

/* --- the contract of a source -------------------------------------------------------------------
 */

static const struct source_ops fake_source_ops;

static bool
fake_open(const struct source_params *p, struct source **out, struct err *err)
{
    (void)p;
    (void)err;
    struct fake_source *s = x_zalloc(sizeof(*s));
    s->base.ops = &fake_source_ops;
    s->u = &world_current()->up;
    s->u->open = &s->base;
    *out = &s->base;
    return true;
}

static bool
fake_start(struct source *base, uint64_t position, struct err *err)
{
    struct upstream *u = of(base);
    struct world *w = u->w;
    if (world_stopped(w) || world_now(w) < u->down_until) {
        return err_set(err, ERR_RECONNECT, "source is down");
    }
    if (position < u->confirmed) {
        world_broken(w, "start at %llX, but %llX was confirmed and may be gone",
            (unsigned long long)position, (unsigned long long)u->confirmed);
        return err_set(err, ERR_FATAL, "the slot is beyond this position");
    }
    forget_streams(u);
    u->connected = true;
    u->in_tx = false;
    u->op = u->at = 0;
    u->position = position;
    memset(u->shape, 0, sizeof(u->shape));
    while (u->at < w->history.len && w->history.tx[u->at].end_lsn <= position) {
        u->at++;
    }
    world_trace(w, "source: sends from %llX", (unsigned long long)position);
    return true;
}

static bool
fake_read(struct source *base, int timeout_ms, struct record *out, bool *got, struct err *err)
{
    (void)timeout_ms;
    struct upstream *u = of(base);
    *got = false;
    if (!u->connected || world_stopped(u->w)) {
        return cut(u, "connection is gone", err);
    }
    if (u->cut_in && --u->cut_in == 0) {
        return cut(u, "connection broke", err);
    }
    if (rng_one_in(&u->w->rng, 10)) {
        return true;
    }
    *out = (struct record){0};
    buf_reset(&u->message);
    *got = next_record(u, out);
    if (*got) {
        static const char *const names[] = {
            "", "BEGIN", "DATA", "COMMIT", "SCHEMA", "DISCARD", "MARK", "LINK", "ABORTED", "ABORT"};
        world_trace(u->w, "source: %s at %llX xid %u%s", names[out->kind],
            (unsigned long long)out->position, out->xid, out->stream ? " streamed" : "");
    }
    return true;
}

static bool
fake_confirm(struct source *base, uint64_t position, bool now, struct err *err)
{
    struct upstream *u = of(base);
    struct world *w = u->w;
    if (!u->connected || world_stopped(w)) {
        return cut(u, "connection is gone", err);
    }
    if (!now && rng_one_in(&w->rng, 2)) {
        return true;
    }
    if (position > __real_spool_durable(w->spool)) {
        world_broken(w, "%llX is confirmed, the spool has %llX durable",
            (unsigned long long)position, (unsigned long long)__real_spool_durable(w->spool));
    }
    if (position > u->confirmed) {
        world_trace(w, "source: hears that %llX is safe", (unsigned long long)position);
        u->confirmed = position;
        u->told = position > u->told ? position : u->told;
        u->saved = rng_one_in(&w->rng, 3) ? position : u->saved;
    }
    return true;
}

static uint64_t
fake_head(const struct source *base)
{
    return ((const struct fake_source *)base)->u->position;
}

static void
fake_stop(struct source *base)
{
    of(base)->connected = false;
}

static void
fake_free(struct source *base)
{
    if (base) {
        of(base)->connected = false;
        of(base)->open = NULL;
        x_free(base);
    }
}

static const struct source_ops fake_source_ops = {
    .name = "fake",
    .summary = "a history made of a seed",
    .open = fake_open,
    .start = fake_start,
    .read = fake_read,
    .confirm = fake_confirm,
    .head = fake_head,
    .stop = fake_stop,
    .free = fake_free,
};

const struct source_ops *
upstream_ops(void)
{
    return &fake_source_ops;
}

/* --- the server ---------------------------------------------------------------------------------
 */

void
upstream_init(struct upstream *u, struct world *w)
{
    u->w = w;
    u->confirmed = u->saved = u->told = w->history.start;
    u->streams = x_zalloc((w->history.len + 1) * sizeof(struct feed_stream *));
    buf_init(&u->message, 1U << 20);
}

void
upstream_done(struct upstream *u)
{
    forget_streams(u);
    x_free(u->streams);
    buf_done(&u->message);
}

void
upstream_crash(struct upstream *u)
{
    world_trace(u->w, "source: crashes");
    u->w->seen[SEEN_SOURCE_CRASH]++;
    u->connected = false;
    u->confirmed = u->saved;
    u->down_until = world_now(u->w) + rng_below(&u->w->rng, 2000000);
}
