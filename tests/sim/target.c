/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink in front of a server that has transactions. What the client has committed waits in a queue
 * until the server takes it: a broken connection leaves a part of the queue done and nobody told.
 * The server's states since the last durable one are kept, a crash of it goes back to any of them.
 *
 * Each source transaction is folded into a number while it is handed over; at its COMMIT the number
 * must be the one that the history gives for exactly the next transaction. So loss, repetition,
 * order and every byte are checked at once, and the target needs no rows.
 */
#include <string.h>

#include "tests/sim/world.h"

struct fake_sink {
    struct sink base;
    struct target *t;
    bool row_by_row, dead;
    /* the transaction that is handed over */
    bool in_tx;
    uint32_t xid;
    uint64_t fold; /* of the last whole transaction; in_tx: with what came since */
    uint64_t fold_before;
    size_t count; /* transactions handed over, from the beginning of history */
    /* handed over and not committed */
    struct target_state *held;
    size_t held_len, held_transactions;
    struct target_state acked;
};

static struct fake_sink *
of(struct sink *s)
{
    return (struct fake_sink *)s;
}

/* --- the server ---------------------------------------------------------------------------------
 */

struct target_state
target_visible(const struct target *t)
{
    return t->states[t->states_len - 1];
}

static void
push(struct target_state **list, size_t *len, struct target_state s)
{
    *list = x_realloc(*list, (*len + 1) * sizeof(s));
    (*list)[(*len)++] = s;
}

/* The server takes `n` units of the queue. */
static void
take(struct target *t, size_t n)
{
    n = n < t->queue_len ? n : t->queue_len;
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        push(&t->states, &t->states_len, t->queue[i]);
    }
    t->queue_len -= n;
    memmove(t->queue, t->queue + n, t->queue_len * sizeof(*t->queue));
    struct target_state s = target_visible(t);
    world_trace(t->w, "%s: shows %zu transactions, position %llX", t->name, s.count,
        (unsigned long long)s.position);
}

static void
make_durable(struct target *t, size_t state)
{
    memmove(t->states, t->states + state, (t->states_len - state) * sizeof(*t->states));
    t->states_len -= state;
}

/* What the server does while nobody looks. */
static void
work(struct target *t)
{
    struct rng *r = &t->w->rng;
    if (t->queue_len > 0 && rng_one_in(r, 2)) {
        take(t, 1 + rng_below(r, (uint32_t)t->queue_len));
    }
    if (rng_one_in(r, 8)) {
        make_durable(t, rng_below(r, (uint32_t)t->states_len));
    }
}

/* The connection is gone: the server finds out after it has done some of what it had received. */
static void
hang_up(struct target *t)
{
    if (t->queue_len > 0) {
        t->lingering = true;
    }
}

static void
end_lingering(struct target *t)
{
    take(t, rng_below(&t->w->rng, (uint32_t)t->queue_len + 1));
    world_trace(
        t->w, "%s: the old session ends, %zu commits of it are lost", t->name, t->queue_len);
    t->w->seen[SEEN_LOST_COMMITS] += t->queue_len > 0;
    t->queue_len = 0;
    t->lingering = false;
}

void
target_crash(struct target *t)
{
    struct rng *r = &t->w->rng;
    size_t kept = 1 + rng_below(r, (uint32_t)t->states_len);
    t->w->seen[SEEN_TARGET_ROLLBACK] += kept < t->states_len;
    t->states_len = kept;
    t->queue_len = 0;
    t->lingering = false;
    t->cut_in = 1;
    t->down_until = world_now(t->w) + rng_below(r, 3000000);
    struct target_state s = target_visible(t);
    world_trace(t->w, "%s: crashes, comes back with %zu transactions, position %llX", t->name,
        s.count, (unsigned long long)s.position);
}

/* --- the client ---------------------------------------------------------------------------------
 */

static bool
lost(struct fake_sink *s, const char *why, struct err *err)
{
    if (!s->dead) {
        world_trace(s->t->w, "%s: %s", s->t->name, why);
        s->t->w->seen[SEEN_SINK_CUT]++;
        s->dead = true;
        hang_up(s->t);
    }
    s->t->cut_in = 0;
    return err_set(err, ERR_RECONNECT, "%s", why);
}

/* Before each call. */
static bool
alive(struct fake_sink *s, struct err *err)
{
    struct target *t = s->t;
    if (s->dead || world_stopped(t->w)) {
        return lost(s, "connection is gone", err);
    }
    if (t->cut_in && --t->cut_in == 0) {
        return lost(s, "connection broke", err);
    }
    work(t);
    return true;
}

static void
send_held(struct fake_sink *s)
{
    struct target *t = s->t;
    if (s->held_len > 0) {
        push(&t->queue, &t->queue_len, s->held[s->held_len - 1]);
        s->held_len = s->held_transactions = 0;
    }
}

static size_t
next_committed(const struct history *h, size_t i)
{
    while (i < h->len && h->tx[i].aborted) {
        i++;
    }
    return i;
}

/* The heart of the oracle. */
static void
check_commit(struct fake_sink *s, uint64_t position)
{
    struct target *t = s->t;
    const struct history *h = &t->w->history;
    size_t i = next_committed(h, s->count);
    if (i >= h->len || h->tx[i].end_lsn != position) {
        world_broken(t->w, "%s: commit at %llX (xid %u) instead of %llX (transaction %zu, xid %u)",
            t->name, (unsigned long long)position, s->xid,
            i < h->len ? (unsigned long long)h->tx[i].end_lsn : 0, i,
            i < h->len ? h->tx[i].xid : 0);
    } else if (s->fold != t->expected.after[i + 1]) {
        world_broken(t->w, "%s: transaction %zu (xid %u, commit at %llX) has other content",
            t->name, i, s->xid, (unsigned long long)position);
    }
    s->count = i + 1;
}

static bool
poisoned(const struct fake_sink *s)
{
    const struct target *t = s->t;
    if (t->poison == SIZE_MAX || next_committed(&t->w->history, s->count) != t->poison) {
        return false;
    }
    return !t->poison_joined || !s->row_by_row;
}

static void
hold(struct fake_sink *s, uint64_t position)
{
    push(&s->held, &s->held_len, (struct target_state){s->count, position});
}

static void
on_commit(struct fake_sink *s, const struct change *c)
{
    s->in_tx = false;
    s->fold = digest_commit(s->fold, c->position.commit);
    check_commit(s, c->position.commit);
    hold(s, c->position.commit);
    s->held_transactions++;
    if (s->held_transactions >= s->t->group) {
        send_held(s);
    }
}

static bool
on_row(struct fake_sink *s, const struct change *c, struct err *err)
{
    if (!s->in_tx) {
        world_broken(s->t->w, "%s: a row outside of a transaction", s->t->name);
    }
    if (poisoned(s)) {
        world_trace(s->t->w, "%s: refuses a row%s", s->t->name, s->row_by_row ? " for good" : "");
        s->dead = true;
        hang_up(s->t);
        return err_set(err, ERR_DATA, "the target refuses a row");
    }
    s->fold = digest_change(s->fold, c);
    return true;
}

static void
on_discard(struct fake_sink *s)
{
    if (!s->in_tx) {
        world_broken(s->t->w, "%s: DISCARD outside of a transaction", s->t->name);
    }
    s->in_tx = false;
    if (s->t->w->mutation != SINK_KEEPS_VOID) {
        s->fold = s->fold_before;
    }
    s->t->w->seen[SEEN_VOIDED]++;
    world_trace(s->t->w, "%s: voids xid %u", s->t->name, s->xid);
}

static void
on_mark(struct fake_sink *s, const struct change *c)
{
    const struct history *h = &s->t->w->history;
    size_t i = next_committed(h, s->count);
    uint64_t before = s->held_len ? s->held[s->held_len - 1].position : s->acked.position;
    if (s->in_tx || (i < h->len && c->position.commit > h->tx[i].commit_lsn)) {
        world_broken(s->t->w, "%s: a mark at %llX in front of what is committed below it",
            s->t->name, (unsigned long long)c->position.commit);
    }
    if (c->position.commit > before) {
        hold(s, c->position.commit);
    }
}

static bool
sink_apply_fake(struct sink *base, const struct change *c, struct err *err)
{
    struct fake_sink *s = of(base);
    if (!alive(s, err)) {
        return false;
    }
    switch (c->kind) {
    case CHANGE_BEGIN:
        if (s->in_tx) {
            world_broken(s->t->w, "%s: BEGIN inside of a transaction", s->t->name);
        }
        s->in_tx = true;
        s->xid = c->xid;
        s->fold_before = s->fold;
        s->fold = digest_begin(s->fold, c->xid, c->commit_us);
        return true;
    case CHANGE_COMMIT:
        on_commit(s, c);
        return true;
    case CHANGE_DISCARD:
        on_discard(s);
        return true;
    case CHANGE_MARK:
        on_mark(s, c);
        return true;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
    case CHANGE_MESSAGE:
        return on_row(s, c, err);
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
        world_broken(s->t->w, "%s: the source of this world prepares nothing", s->t->name);
    }
    return true;
}

static struct target_state
durable_of(const struct fake_sink *s)
{
    struct target_state durable = s->t->states[0];
    if (s->t->w->mutation == DURABLE_IS_APPLIED) {
        durable = target_visible(s->t);
    }
    return durable.position < s->acked.position ? durable : s->acked;
}

static void
tell(const struct fake_sink *s, struct sink_progress *out)
{
    *out = (struct sink_progress){.applied = s->acked.position,
        .durable = durable_of(s).position,
        .transactions = s->acked.count};
}

static bool
sink_flush_fake(struct sink *base, struct err *err)
{
    struct fake_sink *s = of(base);
    if (!alive(s, err)) {
        return false;
    }
    if (!s->in_tx) {
        send_held(s);
    }
    return true;
}

static bool
sink_poll_fake(struct sink *base, int timeout_ms, struct sink_progress *out, struct err *err)
{
    (void)timeout_ms;
    struct fake_sink *s = of(base);
    if (!alive(s, err)) {
        return false;
    }
    if (!rng_one_in(&s->t->w->rng, 3)) {
        s->acked = target_visible(s->t);
    }
    tell(s, out);
    return true;
}

static bool
sink_sync_fake(struct sink *base, struct sink_progress *out, struct err *err)
{
    struct fake_sink *s = of(base);
    if (!alive(s, err)) {
        return false;
    }
    take(s->t, s->t->queue_len);
    make_durable(s->t, s->t->states_len - 1);
    s->acked = target_visible(s->t);
    tell(s, out);
    return true;
}

static int
sink_fd_fake(const struct sink *base)
{
    (void)base;
    return -1;
}

static void
sink_free_fake(struct sink *base)
{
    if (base) {
        struct fake_sink *s = of(base);
        if (!s->dead) {
            hang_up(s->t);
        }
        x_free(s->held);
        x_free(s);
    }
}

static struct target *
find_target(const char *name)
{
    struct world *w = world_current();
    for (size_t i = 0; i < w->targets_len; i++) {
        if (strcmp(w->targets[i].name, name) == 0) {
            return &w->targets[i];
        }
    }
    abort();
}

static const struct sink_ops fake_sink_ops;

static bool
sink_open_fake(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
    struct err *err)
{
    struct target *t = find_target(p->name);
    if (world_stopped(t->w) || world_now(t->w) < t->down_until) {
        return err_set(err, ERR_RECONNECT, "target is down");
    }
    if (t->lingering) {
        if (rng_one_in(&t->w->rng, 2)) {
            end_lingering(t);
        }
        return err_set(err, ERR_RECONNECT, "the old session still holds the origin");
    }
    uint64_t older = t->states[0].position;
    if (t->w->mutation != RESUME_IS_VISIBLE) {
        make_durable(t, t->states_len - 1);
    }
    struct fake_sink *s = x_zalloc(sizeof(*s));
    s->base.ops = &fake_sink_ops;
    s->t = t;
    s->row_by_row = p->row_by_row;
    s->acked = target_visible(t);
    s->count = s->acked.count;
    s->fold = t->expected.after[s->count];
    t->cut_in = 0;
    /* Kept in a transaction of its own, the position is older than the data after a break. */
    *resume = t->w->mutation == POSITION_APART ? older : s->acked.position;
    if (*resume < start) {
        world_broken(t->w, "%s: a start at %llX for a sink that stands at %llX", t->name,
            (unsigned long long)start, (unsigned long long)*resume);
    }
    world_trace(t->w, "%s: opened%s, stands at %llX", t->name, s->row_by_row ? " row by row" : "",
        (unsigned long long)*resume);
    *out = &s->base;
    return true;
}

static const struct sink_ops fake_sink_ops = {
    .name = "fake",
    .summary = "checks what it is given",
    .features = SINK_OWNS_POSITION | SINK_TRUNCATE,
    .open = sink_open_fake,
    .apply = sink_apply_fake,
    .flush = sink_flush_fake,
    .poll = sink_poll_fake,
    .sync = sink_sync_fake,
    .fd = sink_fd_fake,
    .free = sink_free_fake,
};

const struct sink_ops *
target_ops(void)
{
    return &fake_sink_ops;
}

void
target_init(struct target *t, struct world *w, size_t index, size_t first)
{
    static const uint64_t everything[FEED_TABLES];
    *t = (struct target){.w = w, .first = first, .poison = SIZE_MAX};
    snprintf(t->name, sizeof(t->name), "sink%zu", index);
    t->start = w->history.start;
    for (size_t i = 0; i < first; i++) {
        t->start = w->history.tx[i].end_lsn > t->start ? w->history.tx[i].end_lsn : t->start;
    }
    t->group = 1 + rng_below(&w->rng, 5);
    t->slowness = rng_one_in(&w->rng, 3) ? rng_below(&w->rng, 12) : 0;
    const uint64_t *sync = index == 0 || first == 0 ? w->sync : everything;
    expectation_make(&t->expected, &w->history, first, sync);
    struct table_sync_item items[FEED_TABLES];
    for (uint8_t i = 0; i < FEED_TABLES; i++) {
        items[i] = (struct table_sync_item){.oid = feed_table_id(i), .sync = sync[i]};
    }
    table_sync_init(&t->sync, items, FEED_TABLES);
    push(&t->states, &t->states_len, (struct target_state){first, t->start});
}

void
target_done(struct target *t)
{
    expectation_done(&t->expected);
    table_sync_done(&t->sync);
    x_free(t->states);
    x_free(t->queue);
}
