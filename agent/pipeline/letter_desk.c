/* SPDX-License-Identifier: Apache-2.0
 *
 * A replay commits on the target, with the letter's token, before the letter goes; what dies in
 * between finds the token at the next attempt and only removes the letter. Tokens of letters that
 * are gone stay behind then and match nothing any more.
 *
 * Order: letters that are not applied, chosen or not, hold back later ones of the same rows.
 */
#include "agent/pipeline/letter_desk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/pipeline/letter.h"
#include "decoders/decoder.h"
#include "sinks/sink.h"

/* Letters with their heads, copied out of the store. */
struct pile {
    struct letter *items;
    size_t len, cap;
    struct arena arena;
};

static void
pile_done(struct pile *p)
{
    x_free(p->items);
    arena_done(&p->arena);
}

static bool
keep_letter(const struct letter *l, void *arg, struct err *err)
{
    struct pile *p = arg;
    uint8_t *head = arena_alloc(&p->arena, l->head.len + 1);
    if (!head) {
        return err_set(err, ERR_RETRY, "dead letters do not fit in memory");
    }
    memcpy(head, l->head.data, l->head.len);
    if (p->len == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->items = x_realloc(p->items, p->cap * sizeof *p->items);
    }
    p->items[p->len] = *l;
    p->items[p->len].head = slice_of(head, l->head.len);
    p->len++;
    return true;
}

static bool
take_pile(const struct letter_desk *d, const char *sink, struct pile *out, struct err *err)
{
    *out = (struct pile){0};
    arena_init(&out->arena, 65536, 0);
    return letters_each(d->store, sink, keep_letter, out, err);
}

static bool
is_chosen(const struct letter *l, const struct letter_choice *c)
{
    return (c->id == 0 || l->id == c->id) && position_compare(l->position, c->after) > 0;
}

static bool
open_head(const struct letter_desk *d, const struct letter *l, struct buf *plain,
    struct letter_head *out, struct err *err)
{
    buf_reset(plain);
    return (letter_unseal(d->keys, l->head, plain, err) &&
               letter_read_head(slice_of(plain->data, plain->len), out, err)) ||
           err_wrap(err, "dead letter %" PRIu64, l->id);
}

/* *found false: it was removed meanwhile. */
static bool
open_body(const struct letter_desk *d, const struct letter *l, struct buf *kept, struct buf *plain,
    bool *found, struct err *err)
{
    buf_reset(kept);
    buf_reset(plain);
    if (!letters_body(d->store, l->id, kept, found, err) || !*found) {
        return err->class == ERR_NONE;
    }
    return letter_unseal(d->keys, slice_of(kept->data, kept->len), plain, err) ||
           err_wrap(err, "dead letter %" PRIu64, l->id);
}

static bool
show(const struct letter_desk *d, const struct letter *l, bool body, letter_desk_visit *visit,
    void *arg, struct err *err)
{
    struct buf head, kept, plain;
    struct letter_head h;
    bool found = true;
    buf_init(&head, LETTER_MAX);
    buf_init(&kept, LETTER_MAX);
    buf_init(&plain, LETTER_MAX);
    bool ok =
        open_head(d, l, &head, &h, err) && (!body || open_body(d, l, &kept, &plain, &found, err));
    if (ok && found) {
        struct letter_view v = {.letter = l,
            .error = h.error,
            .key = h.key,
            .body = slice_of(plain.data, plain.len),
            .truncate = h.rows.truncate};
        ok = visit(&v, arg, err);
    }
    buf_done(&head);
    buf_done(&kept);
    buf_done(&plain);
    return ok;
}

static bool
stored_row(const struct letter_desk *d, const char *sink, struct sink_row *out, struct err *err)
{
    struct sink_row *rows = NULL;
    size_t n = 0;
    bool found = false;
    if (!store_sinks(d->store, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, sink) == 0) {
            *out = rows[i];
            found = true;
        }
    }
    x_free(rows);
    if (!found) {
        err_set(err, ERR_CONFIG, "sink '%s' is none of this migration", sink);
        return err_hint(err, "`tidegate status` lists its sinks");
    }
    return true;
}

bool
letter_desk_list(const struct letter_desk *d, const struct letter_choice *c, bool *more,
    letter_desk_visit *visit, void *arg, struct err *err)
{
    struct pile p;
    struct sink_row row;
    uint32_t shown = 0;
    *more = false;
    if (c->sink && !stored_row(d, c->sink, &row, err)) {
        return false;
    }
    bool ok = take_pile(d, c->sink, &p, err);
    for (size_t i = 0; ok && i < p.len && !*more; i++) {
        if (!is_chosen(&p.items[i], c)) {
            continue;
        }
        *more = shown == c->max;
        ok = *more || show(d, &p.items[i], c->body, visit, arg, err);
        shown++;
    }
    pile_done(&p);
    return ok;
}

/* --- the sink ------------------------------------------------------------------------------------
 */

struct target {
    const struct sink_config *config;
    const struct sink_ops *ops;
    struct sink_row row;
    struct sink_params params;
    uint64_t start;
};

static bool
target_of(const struct letter_desk *d, const char *sink, struct target *out, struct err *err)
{
    *out = (struct target){0};
    for (size_t i = 0; i < d->config->sinks_len; i++) {
        if (strcmp(d->config->sinks[i].name, sink) == 0) {
            out->config = &d->config->sinks[i];
        }
    }
    if (!out->config) {
        err_set(err, ERR_CONFIG, "the configuration has no sink '%s'", sink);
        return err_hint(err, "letters of a sink that is gone can only be dropped");
    }
    out->ops = sink_find(out->config->type);
    if (!out->ops || !out->ops->replay) {
        return err_set(
            err, ERR_CONFIG, "a sink of type '%s' cannot apply dead letters", out->config->type);
    }
    bool found = false;
    if (!stored_row(d, sink, &out->row, err) ||
        !store_get_u64(d->store, "slot_start", &out->start, &found, err)) {
        return false;
    }
    const struct sink_config *k = out->config;
    out->start = out->row.start ? out->row.start : out->start;
    out->params = (struct sink_params){.name = k->name,
        .dsn = k->dsn,
        .group_transactions = 1,
        .group_bytes = k->group_bytes,
        .inflight_bytes = k->inflight_bytes,
        .prepared_statements = k->prepared_statements,
        .timeout_us = d->config->network.timeout_us,
        .row_by_row = true,
        .refusal = k->on_error == ON_ERROR_UPSERT ? SINK_REFUSAL_UPSERT : SINK_REFUSAL_UNDONE};
    return true;
}

bool
letter_desk_ask_sink(void *arg, const char *sink, uint64_t *out, struct err *err)
{
    const struct letter_desk *d = arg;
    struct target t;
    struct sink *s = NULL;
    if (!target_of(d, sink, &t, err)) {
        return false;
    }
    t.params.origin = t.row.origin;
    bool ok = t.ops->open(&t.params, t.start, &s, out, err);
    sink_free(s);
    return ok;
}

/* --- replay --------------------------------------------------------------------------------------
 */

struct replay {
    const struct letter_desk *desk;
    const struct sink_replay_ops *ops;
    struct sink_replay *session;
    struct decoder *decoder;
    struct letter_held held;
    uint64_t passed;
    uint32_t versions;
    struct buf head, kept, body;
    letter_desk_told *told;
    void *arg;
};

/* A TRUNCATE is about those tables alone that it was parked for. */
static void
keep_tables(struct change *c, const struct letter_rows *rows, const struct relation **list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->truncated_len && n < LETTER_RELATIONS; i++) {
        for (uint16_t k = 0; k < rows->relations_len; k++) {
            if (rows->relations[k] == c->truncated[i]->id) {
                list[n++] = c->truncated[i];
                break;
            }
        }
    }
    c->truncated = list;
    c->truncated_len = n;
}

/* True: it is applied, or was. */
static bool
apply(struct replay *r, const struct letter *l, const struct letter_rows *rows, struct err *err)
{
    struct change c;
    const struct relation *tables[LETTER_RELATIONS];
    struct relation relation;
    bool before = false;
    if (!letter_decode(r->decoder, slice_of(r->body.data, r->body.len), &c, err)) {
        return err_wrap(err, "dead letter %" PRIu64, l->id);
    }
    c.position = l->position;
    if (c.kind == CHANGE_TRUNCATE) {
        keep_tables(&c, rows, tables);
    } else {
        /* The decoder begins anew with each letter, and so do its versions. */
        relation = *c.relation;
        relation.version = ++r->versions;
        c.relation = &relation;
    }
    return r->ops->apply(r->session, l->token, &c, &before, err);
}

static bool
remove_letter(struct replay *r, const struct letter *l, struct err *err)
{
    bool removed = false;
    FAILPOINT("replay.applied");
    if (!letters_remove(r->desk->store, l->id, &removed, err)) {
        return false;
    }
    FAILPOINT("replay.removed");
    return r->ops->forget(r->session, l->token, err);
}

/* Why a letter may not be applied now; false: it may. */
static bool
must_wait(
    const struct replay *r, const struct letter *l, const struct letter_rows *rows, struct err *why)
{
    uint64_t first = letter_held_by(&r->held, rows);
    if (l->position.commit >= r->passed) {
        err_set(why, ERR_RETRY, "its transaction is not yet durable at the sink");
        err_hint(why, "try again when `tidegate status` shows that the sink has passed it");
        return true;
    }
    if (first != 0) {
        err_set(why, ERR_CONFIG, "dead letter %" PRIu64 " of the same %s comes first", first,
            rows->truncate ? "table" : "row");
        return true;
    }
    return false;
}

/* One letter; false only when nothing can go on. *kept: it stays, because of *why. */
static bool
replay_one(struct replay *r, const struct letter *l, bool *found, bool *kept, struct err *why)
{
    struct letter_head h;
    *kept = false;
    if (!open_head(r->desk, l, &r->head, &h, why)) {
        return false;
    }
    *kept = must_wait(r, l, &h.rows, why);
    if (!*kept) {
        if (!open_body(r->desk, l, &r->kept, &r->body, found, why) || !*found) {
            return why->class == ERR_NONE;
        }
        if (apply(r, l, &h.rows, why)) {
            return remove_letter(r, l, why);
        }
        *kept = why->class == ERR_DATA;
    }
    letter_held_add(&r->held, &h.rows, l->id);
    return *kept;
}

static bool
pass_by(struct replay *r, const struct letter *l, struct err *err)
{
    struct letter_head h;
    bool ok = open_head(r->desk, l, &r->head, &h, err);
    if (ok) {
        letter_held_add(&r->held, &h.rows, l->id);
    }
    return ok;
}

static bool
replay_pile(struct replay *r, const struct pile *p, const struct letter_choice *c, bool *more,
    struct err *err)
{
    uint32_t tried = 0;
    for (size_t i = 0; i < p->len; i++) {
        const struct letter *l = &p->items[i];
        struct err why = ERR_INIT;
        bool kept = false, found = true;
        if (!is_chosen(l, c)) {
            if (!pass_by(r, l, err)) {
                return false;
            }
            continue;
        }
        if (tried++ == c->max) {
            *more = true;
            return true;
        }
        if (!replay_one(r, l, &found, &kept, &why)) {
            *err = why;
            return false;
        }
        if (found) {
            r->told(l, kept ? &why : NULL, r->arg);
        }
    }
    return true;
}

const struct decoder_ops *
letter_desk_decoder(const struct letter_desk *d, struct err *err)
{
    char *plugin = NULL;
    if (!store_get(d->store, STORE_PLUGIN, &plugin, err)) {
        return NULL;
    }
    const struct decoder_ops *found = decoder_find(plugin ? plugin : "pgoutput");
    x_free(plugin);
    if (!found) {
        err_set(err, ERR_CONFIG, "there is no decoder for dead letters");
    }
    return found;
}

static bool
open_replay(struct replay *r, const struct target *t, const char *sink, struct err *err)
{
    struct sink_params params = t->params;
    params.origin = t->row.origin;
    r->ops = t->ops->replay;
    buf_init(&r->head, LETTER_MAX);
    buf_init(&r->kept, LETTER_MAX);
    buf_init(&r->body, LETTER_MAX);
    const struct decoder_ops *decoder = letter_desk_decoder(r->desk, err);
    return decoder && decoder->open(&r->decoder, err) &&
           r->desk->passed(r->desk->arg, sink, &r->passed, err) &&
           r->ops->open(&params, &r->session, err);
}

static void
close_replay(struct replay *r)
{
    if (r->session) {
        r->ops->free(r->session);
    }
    decoder_free(r->decoder);
    letter_held_done(&r->held);
    buf_done(&r->head);
    buf_done(&r->kept);
    buf_done(&r->body);
}

bool
letter_desk_replay(const struct letter_desk *d, const struct letter_choice *c, bool *more,
    letter_desk_told *told, void *arg, struct err *err)
{
    struct replay r = {.desk = d, .told = told, .arg = arg};
    struct target t;
    struct pile p = {0};
    uint64_t n = 0;
    *more = false;
    if (!letters_count(d->store, c->sink, &n, err) || n == 0) {
        return n == 0 && err->class == ERR_NONE;
    }
    /* The session keeps other replays out: what is read behind it stays. */
    bool ok = target_of(d, c->sink, &t, err) && open_replay(&r, &t, c->sink, err) &&
              take_pile(d, c->sink, &p, err) && replay_pile(&r, &p, c, more, err);
    close_replay(&r);
    pile_done(&p);
    return ok;
}
