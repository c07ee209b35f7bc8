/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of equal entries. The key is kept as a row of (column u16, status u8, length u8, bytes),
 * so that noting it costs one short copy per row and the words are only made when an error needs
 * them.
 */
#include "sinks/postgres/flight.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"

#define KEY_HEADER      4
#define KEY_COLUMNS_MAX 16
#define KEY_VALUE_MAX   64

void
flight_init(struct flight *f, uint32_t cap)
{
    *f = (struct flight){.entries = x_zalloc(cap * sizeof *f->entries), .cap = cap};
}

void
flight_done(struct flight *f)
{
    x_free(f->entries);
    *f = (struct flight){0};
}

struct flight_entry *
flight_next(struct flight *f)
{
    assert(!flight_full(f));
    struct flight_entry *e = &f->entries[(f->head + f->len) % f->cap];
    /* The key's bytes stay: key_len says how many of them mean something. */
    memset(e, 0, offsetof(struct flight_entry, key));
    return e;
}

static bool
is_awaited(const struct flight_entry *e)
{
    bool rows = e->kind == FLIGHT_ROW || e->kind == FLIGHT_BATCH;
    return e->kind == FLIGHT_SYNC || (rows && !e->counted);
}

void
flight_push(struct flight *f)
{
    assert(!flight_full(f));
    const struct flight_entry *e = &f->entries[(f->head + f->len) % f->cap];
    f->bytes += e->bytes;
    f->commits += e->kind == FLIGHT_COMMIT;
    f->awaited += is_awaited(e);
    f->len++;
}

struct flight_entry *
flight_head(struct flight *f)
{
    assert(f->len > 0);
    return &f->entries[f->head];
}

void
flight_pop(struct flight *f)
{
    const struct flight_entry *e = flight_head(f);
    f->bytes -= e->bytes;
    f->commits -= e->kind == FLIGHT_COMMIT;
    f->awaited -= is_awaited(e);
    f->head = (f->head + 1) % f->cap;
    f->len--;
}

static void
note_value(struct flight_entry *e, uint16_t column, const struct value *v)
{
    size_t room = FLIGHT_KEY_BYTES - (size_t)e->key_len;
    if (room < KEY_HEADER || e->key_columns == KEY_COLUMNS_MAX) {
        return;
    }
    bool has_bytes = v->status == VALUE_TEXT || v->status == VALUE_BINARY;
    size_t len = has_bytes ? v->bytes.len : 0;
    if (len > KEY_VALUE_MAX) {
        len = KEY_VALUE_MAX;
    }
    if (len > room - KEY_HEADER) {
        /* A number cut in half would be another number. */
        return;
    }
    uint8_t *at = e->key + e->key_len;
    at[0] = (uint8_t)(column >> 8);
    at[1] = (uint8_t)column;
    at[2] = (uint8_t)v->status;
    at[3] = (uint8_t)len;
    if (len > 0) {
        memcpy(at + KEY_HEADER, v->bytes.data, len);
    }
    e->key_len = (uint8_t)(e->key_len + KEY_HEADER + len);
    e->key_columns++;
}

void
flight_note(struct flight_entry *e, const struct change *c, const struct relation *relation)
{
    e->op = (uint8_t)c->kind;
    e->position = c->position;
    e->relation = relation;
    bool old = c->kind != CHANGE_INSERT && c->old_kind != OLD_NONE && c->old.len > 0;
    const struct tuple *t = old ? &c->old : &c->new;
    for (uint16_t i = 0; i < t->len && i < relation->columns_len; i++) {
        if (relation->columns[i].key) {
            note_value(e, i, &t->values[i]);
        }
    }
}

void
flight_copy_note(struct flight_entry *e, const struct flight_entry *from)
{
    e->op = from->op;
    e->position = from->position;
    e->relation = from->relation;
    e->key_len = from->key_len;
    e->key_columns = from->key_columns;
    memcpy(e->key, from->key, from->key_len);
}

/* The noted columns as a small relation and tuple of their own, for change_describe_key. */
static void
describe_key(const struct flight_entry *e, char *out, size_t cap)
{
    struct column columns[KEY_COLUMNS_MAX];
    struct value values[KEY_COLUMNS_MAX];
    struct relation r = *e->relation;
    struct change c = {.kind = CHANGE_INSERT, .position = e->position, .relation = &r};
    const uint8_t *at = e->key;
    for (uint16_t n = 0; n < e->key_columns; n++) {
        columns[n] = e->relation->columns[(at[0] << 8) | at[1]];
        values[n].status = (enum value_status)at[2];
        values[n].bytes = slice_of(at + KEY_HEADER, at[3]);
        at += KEY_HEADER + at[3];
    }
    r.columns = columns;
    r.columns_len = e->key_columns;
    c.new = (struct tuple){.len = e->key_columns, .values = values};
    change_describe_key(&c, out, cap);
}

static const char *
describe_change(const struct flight_entry *e, char *out, size_t cap)
{
    char key[200], position[POSITION_SIZE];
    position_format(e->position, position);
    const char *op = change_kind_name((enum change_kind)e->op);
    if (!e->relation) {
        snprintf(out, cap, "apply %s at %s", op, position);
        return out;
    }
    const struct relation *r = e->relation;
    if (e->key_columns == 0) {
        snprintf(out, cap, "apply %s %s.%s at %s", op, r->schema, r->name, position);
        return out;
    }
    describe_key(e, key, sizeof key);
    snprintf(out, cap, "apply %s %s.%s key (%s) at %s", op, r->schema, r->name, key, position);
    return out;
}

static const char *
describe_batch(const struct flight_entry *e, char *out, size_t cap)
{
    char key[200], position[POSITION_SIZE];
    const struct relation *r = e->relation;
    key[0] = 0;
    if (e->key_columns > 0) {
        describe_key(e, key, sizeof key);
    }
    snprintf(out, cap, "apply %s %s.%s to %u rows at once, the first%s%s%s at %s",
        change_kind_name((enum change_kind)e->op), r->schema, r->name, e->rows,
        key[0] ? " with key (" : "", key, key[0] ? ")" : "",
        position_format(e->position, position));
    return out;
}

const char *
flight_describe(const struct flight_entry *e, char *out, size_t cap)
{
    char position[POSITION_SIZE];
    if (e->label) {
        snprintf(out, cap, "%s", e->label);
        return out;
    }
    switch ((enum flight_kind)e->kind) {
    case FLIGHT_PREPARE:
    case FLIGHT_ROW:
    case FLIGHT_TRUNCATE:
        return describe_change(e, out, cap);
    case FLIGHT_BATCH:
        return describe_batch(e, out, cap);
    case FLIGHT_COMMIT:
        position_format((struct position){.commit = e->commit.position}, position);
        snprintf(out, cap, "commit on the target up to %s", position);
        return out;
    case FLIGHT_CONTROL:
    case FLIGHT_FLUSHED:
    case FLIGHT_QUERY:
    case FLIGHT_SYNC:
        break;
    }
    snprintf(out, cap, "apply");
    return out;
}
