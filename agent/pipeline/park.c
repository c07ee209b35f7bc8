/* SPDX-License-Identifier: Apache-2.0
 *
 * Two things are kept in memory of the letters that wait: the positions of those whose transactions
 * the sink may not hold yet (they come again after a crash, and are left out), and the rows of all.
 * Both are read from the store when a session begins and when letters were removed, the latter now
 * and then: to take one for waiting that is gone only parks a change that could have gone through.
 */
#include "agent/pipeline/park.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/pipeline/letter.h"
#include "agent/store/letters.h"

#define RELOAD_US 200000

/* The last description of an object of the feed. */
struct description {
    struct description *next;
    struct record rec; /* payload is our own copy */
};

struct park {
    struct park_options o;
    uint64_t resume, generation, waiting;
    int64_t loaded_us;
    struct position *before; /* parked behind `resume`, in order */
    size_t before_len, before_cap;
    struct letter_held held;
    struct description *descriptions;
    struct record begin; /* of the transaction; payload is our own copy */
    struct buf begin_payload, plain, head, body;
    uint64_t parked;
    char last[240];
};

struct park *
park_new(const struct park_options *o)
{
    struct park *p = x_zalloc(sizeof *p);
    p->o = *o;
    buf_init(&p->begin_payload, LETTER_MAX);
    buf_init(&p->plain, LETTER_MAX);
    buf_init(&p->head, LETTER_MAX);
    buf_init(&p->body, LETTER_MAX);
    return p;
}

static void
forget_descriptions(struct park *p)
{
    while (p->descriptions) {
        struct description *d = p->descriptions;
        p->descriptions = d->next;
        x_free((void *)(uintptr_t)d->rec.payload.data);
        x_free(d);
    }
}

void
park_free(struct park *p)
{
    if (!p) {
        return;
    }
    forget_descriptions(p);
    letter_held_done(&p->held);
    buf_done(&p->begin_payload);
    buf_done(&p->plain);
    buf_done(&p->head);
    buf_done(&p->body);
    x_free(p->before);
    x_free(p);
}

/* --- what waits ----------------------------------------------------------------------------------
 */

static size_t
place_of(const struct park *p, struct position at)
{
    size_t low = 0, high = p->before_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (position_compare(p->before[middle], at) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool
was_parked(const struct park *p, struct position at)
{
    size_t i = place_of(p, at);
    return i < p->before_len && position_compare(p->before[i], at) == 0;
}

static void
note_parked(struct park *p, struct position at)
{
    size_t i = place_of(p, at);
    if (p->before_len == p->before_cap) {
        p->before_cap = p->before_cap ? p->before_cap * 2 : 64;
        p->before = x_realloc(p->before, p->before_cap * sizeof *p->before);
    }
    memmove(&p->before[i + 1], &p->before[i], (p->before_len - i) * sizeof *p->before);
    p->before[i] = at;
    p->before_len++;
}

static bool
take_letter(const struct letter *l, void *arg, struct err *err)
{
    struct park *p = arg;
    struct letter_head head;
    buf_reset(&p->plain);
    if (!letter_unseal(p->o.keys, l->head, &p->plain, err) ||
        !letter_read_head(slice_of(p->plain.data, p->plain.len), &head, err)) {
        return err_wrap(err, "dead letter %" PRIu64, l->id);
    }
    letter_held_add(&p->held, &head.rows, l->id);
    if (l->position.commit >= p->resume) {
        note_parked(p, l->position);
    }
    p->waiting++;
    return true;
}

static bool
load(struct park *p, struct err *err)
{
    p->generation = letters_generation(p->o.store);
    p->loaded_us = clock_mono_us(p->o.clock);
    p->before_len = 0;
    p->waiting = 0;
    letter_held_done(&p->held);
    return letters_each(p->o.store, p->o.sink, take_letter, p, err);
}

bool
park_open(struct park *p, uint64_t resume, struct err *err)
{
    p->resume = resume;
    forget_descriptions(p);
    p->begin = (struct record){0};
    return load(p, err);
}

static bool
look_again(struct park *p, struct err *err)
{
    return letters_generation(p->o.store) == p->generation ||
           clock_mono_us(p->o.clock) - p->loaded_us < RELOAD_US || load(p, err);
}

/* --- what a letter needs -------------------------------------------------------------------------
 */

static void
take_payload(struct record *rec)
{
    void *copy = x_malloc(rec->payload.len + 1);
    memcpy(copy, rec->payload.len ? (const void *)rec->payload.data : "", rec->payload.len);
    rec->payload = slice_of(copy, rec->payload.len);
}

static uint8_t
first_byte(const struct record *rec)
{
    return rec->payload.len > 0 ? rec->payload.data[0] : 0;
}

/* Objects of different kinds may have the same number; the message's first byte tells them apart.
 */
static void
keep_description(struct park *p, const struct record *rec)
{
    struct description *d = p->descriptions;
    while (d && (d->rec.key != rec->key || first_byte(&d->rec) != first_byte(rec))) {
        d = d->next;
    }
    if (!d) {
        d = x_zalloc(sizeof *d);
        d->next = p->descriptions;
        p->descriptions = d;
    }
    x_free((void *)(uintptr_t)d->rec.payload.data);
    d->rec = *rec;
    take_payload(&d->rec);
}

void
park_see(struct park *p, const struct record *rec)
{
    if (p->o.policy != ON_ERROR_DEAD_LETTER) {
        return;
    }
    if (rec->kind == RECORD_SCHEMA) {
        keep_description(p, rec);
    } else if (rec->kind == RECORD_BEGIN) {
        buf_reset(&p->begin_payload);
        buf_bytes(&p->begin_payload, rec->payload.data, rec->payload.len);
        p->begin = *rec;
        p->begin.payload = slice_of(p->begin_payload.data, p->begin_payload.len);
    }
}

static bool
is_described_by(const struct record *rec, const struct letter_rows *rows)
{
    for (uint16_t i = 0; i < rows->relations_len; i++) {
        if (rows->relations[i] == rec->key) {
            return true;
        }
    }
    return false;
}

static void
write_body(struct park *p, const struct letter_rows *rows, const struct record *rec)
{
    uint16_t n = 2;
    for (const struct description *d = p->descriptions; d; d = d->next) {
        n = (uint16_t)(n + is_described_by(&d->rec, rows));
    }
    buf_reset(&p->plain);
    letter_write_body(&p->plain, n);
    letter_write_record(&p->plain, &p->begin);
    for (const struct description *d = p->descriptions; d; d = d->next) {
        if (is_described_by(&d->rec, rows)) {
            letter_write_record(&p->plain, &d->rec);
        }
    }
    letter_write_record(&p->plain, rec);
}

static bool
make_token(char token[LETTER_TOKEN_SIZE], struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[(LETTER_TOKEN_SIZE - 1) / 2];
    if (!key_random(bytes, sizeof bytes, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        token[2 * i] = digits[bytes[i] >> 4];
        token[2 * i + 1] = digits[bytes[i] & 15];
    }
    token[LETTER_TOKEN_SIZE - 1] = '\0';
    return true;
}

/* Head and body, as they are kept. */
static bool
write_contents(struct park *p, const struct record *rec, const struct change *c,
    const struct letter_rows *rows, const char *why, struct err *err)
{
    char key[512] = "";
    if (c->kind != CHANGE_TRUNCATE) {
        change_describe_key(c, key, sizeof key);
    }
    struct letter_head head = {.rows = *rows, .error = slice_str(why), .key = slice_str(key)};
    buf_reset(&p->plain);
    letter_write_head(&p->plain, &head);
    buf_reset(&p->head);
    if (!buf_ok(&p->plain, "dead letter", err) ||
        !letter_seal(p->o.keys, slice_of(p->plain.data, p->plain.len), &p->head, err)) {
        return false;
    }
    write_body(p, rows, rec);
    buf_reset(&p->body);
    return buf_ok(&p->plain, "dead letter", err) &&
           letter_seal(p->o.keys, slice_of(p->plain.data, p->plain.len), &p->body, err);
}

static bool
too_many(const struct park *p, struct err *err)
{
    err_set(err, ERR_CONFIG, "%" PRIu64 " dead letters of sink '%s' wait, which is its limit",
        p->waiting, p->o.sink);
    return err_hint(err, "mend the target, then `tidegate dead-letters replay --all`; or raise "
                         "sinks[].dead_letter_limit");
}

/* Which message it begins with: one that was whole, or one that was streamed before. */
static bool
is_prepared(const struct record *begin)
{
    return first_byte(begin) == 'b' || first_byte(begin) == 'p';
}

static bool
put(struct park *p, const struct record *rec, const struct change *c,
    const struct letter_rows *rows, const struct err *why, struct err *err)
{
    if (p->waiting >= p->o.limit) {
        return too_many(p, err);
    }
    if (is_prepared(&p->begin)) {
        /* It may be rolled back later, and its letters would stay. */
        *err = *why;
        return err_wrap(err, "a prepared transaction has no dead letters");
    }
    struct letter l = {
        .position = c->position, .xid = c->xid, .parked_us = clock_wall_us(p->o.clock)};
    const struct relation *r = c->kind == CHANGE_TRUNCATE ? c->truncated[0] : c->relation;
    snprintf(l.sink, sizeof l.sink, "%s", p->o.sink);
    snprintf(l.relation, sizeof l.relation, "%.64s.%.64s", r->schema, r->name);
    snprintf(l.operation, sizeof l.operation, "%s", change_kind_name(c->kind));
    memcpy(l.sqlstate, why->sqlstate, sizeof l.sqlstate);
    if (!make_token(l.token, err) || !write_contents(p, rec, c, rows, why->text, err)) {
        return false;
    }
    l.head = slice_of(p->head.data, p->head.len);
    l.body = slice_of(p->body.data, p->body.len);
    FAILPOINT("park.before");
    if (!letters_put(p->o.store, &l, &l.id, err)) {
        return false;
    }
    FAILPOINT("park.parked");
    note_parked(p, l.position);
    letter_held_add(&p->held, rows, l.id);
    p->waiting++;
    p->parked++;
    snprintf(p->last, sizeof p->last, "%s %s%s%s", l.operation, l.relation,
        l.sqlstate[0] ? ", SQLSTATE " : "", l.sqlstate);
    return true;
}

/* --- changes -------------------------------------------------------------------------------------
 */

static bool
has_rows(const struct change *c)
{
    return c->kind == CHANGE_INSERT || c->kind == CHANGE_UPDATE || c->kind == CHANGE_DELETE ||
           c->kind == CHANGE_TRUNCATE;
}

bool
park_look(
    struct park *p, const struct record *rec, const struct change *c, bool *parked, struct err *err)
{
    *parked = false;
    if (!has_rows(c) || !look_again(p, err)) {
        return !has_rows(c);
    }
    if (p->waiting == 0) {
        return true;
    }
    if (was_parked(p, c->position)) {
        *parked = true;
        return true;
    }
    struct letter_rows rows;
    uint64_t id = letter_rows_of(c, &rows) ? letter_held_by(&p->held, &rows) : 0;
    if (id == 0) {
        return true;
    }
    struct err why = ERR_INIT;
    char at[POSITION_SIZE];
    err_set(&why, ERR_CONFIG, "dead letter %" PRIu64 " of the same %s waits", id,
        rows.truncate ? "table" : "row");
    if (p->o.policy != ON_ERROR_DEAD_LETTER) {
        *err = why;
        err_wrap(err, "%s at %s", change_kind_name(c->kind), position_format(c->position, at));
        return err_hint(err, "replay or drop it first: `tidegate dead-letters list`");
    }
    *parked = put(p, rec, c, &rows, &why, err);
    return *parked;
}

/* What the sink found itself, and SQLSTATE classes of data, constraints, triggers, definitions and
 * limits of a row. */
bool
park_is_about_data(const struct err *err)
{
    static const char *const classes[] = {
        "09", "0A", "21", "22", "23", "27", "2F", "38", "39", "42", "44", "54", "P0"};
    if (err->class != ERR_DATA) {
        return false;
    }
    bool known = err->sqlstate[0] == '\0';
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        known = known || strncmp(err->sqlstate, classes[i], 2) == 0;
    }
    return known;
}

bool
park_refused(struct park *p, const struct record *rec, const struct change *c, struct err *err)
{
    struct letter_rows rows;
    if (p->o.policy != ON_ERROR_DEAD_LETTER || !has_rows(c) || !park_is_about_data(err) ||
        !letter_rows_of(c, &rows)) {
        return false;
    }
    struct err why = *err;
    err_clear(err);
    return put(p, rec, c, &rows, &why, err);
}

const char *
park_last(const struct park *p, uint64_t *n)
{
    *n = p->parked;
    return p->last;
}
