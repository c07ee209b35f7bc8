/* SPDX-License-Identifier: Apache-2.0
 *
 * A row is kept as one image, so that taking it is one copy and replacing it another; the arrays
 * are made from the images column by column when the run is sent. The key's values come last in an
 * image, because the parameters of a statement do, and are hashed and compared as they lie there.
 *
 * Which rows may be joined follows from what must not change: each key must find at most one row of
 * the target, so that the number of rows touched tells whether every one was found; and values
 * passed over by a later update must not have been needed to make room in a unique index.
 */
#include "sinks/postgres/batch.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "agent/base/arena.h"

#define IMAGES_KEPT  ((size_t)128 << 10)
#define ROWS_FIRST   16u
#define ARRAY_HEADER 20
#define NO_VALUE     UINT32_MAX

static bool
column_possible(const struct target_column *c, uint8_t use)
{
    if (!(use & (USE_SET | USE_MATCH))) {
        return true;
    }
    bool converted = use & (USE_NULL | USE_SET_SOURCE | USE_MATCH_SOURCE);
    bool key_changes = (use & USE_SET) && (use & USE_MATCH);
    bool matched = !(use & USE_MATCH) || c->equals;
    return !converted && !key_changes && matched && c->array_oid != 0 &&
           c->array_oid < TARGET_FIXED_OIDS && c->type_oid < TARGET_FIXED_OIDS;
}

bool
batch_possible(const struct target *t, const struct shape *s)
{
    bool changes = s->op == SHAPE_UPDATE || s->op == SHAPE_DELETE;
    if (!t->unseen || s->any_row || s->parameters == 0 || s->op == SHAPE_PROBE ||
        s->op == SHAPE_REPLACE || (changes && !t->has_unique) ||
        (s->op == SHAPE_UPDATE && !t->one_unique)) {
        return false;
    }
    for (uint16_t i = 0; i < s->len; i++) {
        bool by_key = !changes || !t->columns[i].unique || (s->use[i] & USE_MATCH);
        if (!by_key || !column_possible(&t->columns[i], s->use[i])) {
            return false;
        }
    }
    return true;
}

bool
batch_commutes(const struct target *t, const struct shape *s)
{
    uint8_t needed = s->op == SHAPE_INSERT ? USE_SET : USE_MATCH;
    if (!t->has_unique || !t->one_unique) {
        return false;
    }
    for (uint16_t i = 0; i < s->len; i++) {
        const struct target_column *c = &t->columns[i];
        bool in_key = s->op == SHAPE_INSERT ? c->unique : (s->use[i] & USE_MATCH) != 0;
        if (in_key != c->unique || (c->unique && (!c->exact || !(s->use[i] & needed)))) {
            return false;
        }
    }
    return true;
}

/* Bytes of the value in an image; more than a row may have when it cannot be in one. */
static size_t
value_size(const struct value *v)
{
    bool fits =
        v->status == VALUE_NULL || (v->status == VALUE_BINARY && v->bytes.len <= BATCH_ROW_BYTES);
    return !fits ? BATCH_ROW_BYTES + 1 : 4 + (v->status == VALUE_NULL ? 0 : v->bytes.len);
}

static uint8_t *
put_value(uint8_t *to, const struct value *v)
{
    bool null = v->status == VALUE_NULL;
    uint32_t len = __builtin_bswap32(null ? NO_VALUE : (uint32_t)v->bytes.len);
    memcpy(to, &len, 4);
    if (!null && v->bytes.len > 0) {
        memcpy(to + 4, v->bytes.data, v->bytes.len);
    }
    return to + 4 + (null ? 0 : v->bytes.len);
}

void
batch_image_init(struct batch_image *i)
{
    *i = (struct batch_image){0};
    buf_init(&i->bytes, 2 * BATCH_ROW_BYTES);
}

void
batch_image_done(struct batch_image *i)
{
    buf_done(&i->bytes);
    *i = (struct batch_image){0};
}

/* The value of the row's key in this column; NULL: it is not part of it. */
static const struct value *
key_value(
    const struct change *c, const struct shape *s, const struct target_column *keys, uint16_t i)
{
    if (keys) {
        return keys[i].unique ? &c->new.values[i] : NULL;
    }
    return s->use[i] & USE_MATCH ? shape_match_value(c, i) : NULL;
}

/* Room for all of the row's values; NULL when it is to go alone. */
static uint8_t *
image_room(struct buf *image, const struct change *c, const struct shape *s,
    const struct target_column *keys)
{
    size_t size = 0;
    for (uint16_t i = 0; i < s->len && size <= BATCH_ROW_BYTES; i++) {
        const struct value *key = key_value(c, s, keys, i);
        size += s->use[i] & USE_SET ? value_size(&c->new.values[i]) : 0;
        size += key ? value_size(key) : 0;
    }
    buf_reset(image);
    return size <= BATCH_ROW_BYTES ? buf_reserve(image, size) : NULL;
}

bool
batch_image(struct batch_image *out, const struct change *c, const struct shape *s,
    const struct target *t, bool commutes)
{
    bool insert = s->op == SHAPE_INSERT;
    const struct target_column *keys = insert && commutes ? t->columns : NULL;
    uint8_t *to = image_room(&out->bytes, c, s, keys);
    if (!to) {
        return false;
    }
    for (uint16_t i = 0; i < s->len; i++) {
        if (s->use[i] & USE_SET) {
            to = put_value(to, &c->new.values[i]);
        }
    }
    const uint8_t *key_begin = to;
    for (uint16_t i = 0; (!insert || commutes) && i < s->len; i++) {
        const struct value *key = key_value(c, s, keys, i);
        if (key) {
            to = put_value(to, key);
        }
    }
    out->commutes = commutes;
    out->bytes.len = (size_t)(to - out->bytes.data);
    out->key_len = (uint32_t)(to - key_begin);
    out->values = (uint32_t)out->bytes.len - (insert ? out->key_len : 0);
    out->hash = out->key_len > 0 ? (uint32_t)XXH3_64bits(key_begin, out->key_len) : 0;
    return true;
}

struct batch *
batch_new(void)
{
    struct batch *b = x_zalloc(sizeof *b);
    buf_init(&b->images, BATCH_BYTES);
    return b;
}

void
batch_free(struct batch *b)
{
    if (b) {
        buf_done(&b->images);
        x_free(b->rows);
        x_free(b->slots);
        x_free(b);
    }
}

void
batch_begin(struct batch *b, struct cache_table *table, const struct shape *s, bool commutes)
{
    assert(b->len == 0 && b->images.len == 0);
    b->table = table;
    b->commutes = commutes;
    b->shape.op = s->op;
    b->shape.any_row = false;
    b->shape.rows = SHAPE_ROW;
    b->shape.len = s->len;
    b->shape.parameters = s->parameters;
    memcpy(b->shape.use, s->use, s->len);
}

bool
batch_same(const struct batch *b, const struct shape *s)
{
    return b->shape.op == s->op && !s->any_row && b->shape.len == s->len &&
           memcmp(b->shape.use, s->use, s->len) == 0;
}

static bool
knows_keys(const struct batch *b)
{
    return b->commutes || b->shape.op != SHAPE_INSERT;
}

/* The slot of the row with this key, or the free one where it belongs. */
static uint16_t *
find_slot(const struct batch *b, const uint8_t *key, uint32_t len, uint32_t hash)
{
    for (uint32_t n = hash;; n++) {
        uint16_t *slot = &b->slots[n % (2 * b->cap)];
        if (*slot == 0) {
            return slot;
        }
        const struct batch_row *row = &b->rows[*slot - 1];
        if (row->hash == hash && row->key_len == len &&
            memcmp(b->images.data + row->end - len, key, len) == 0) {
            return slot;
        }
    }
}

static const uint8_t *
key_of(const struct batch_image *image)
{
    return image->bytes.data + image->bytes.len - image->key_len;
}

struct batch_row *
batch_find(const struct batch *b, const struct batch_image *image)
{
    if (b->len == 0 || !knows_keys(b)) {
        return NULL;
    }
    uint16_t slot = *find_slot(b, key_of(image), image->key_len, image->hash);
    return slot != 0 ? &b->rows[slot - 1] : NULL;
}

/* Of two rows with one key, which only wrong data brings, the slot has the first. */
static void
index_row(struct batch *b, uint32_t i)
{
    const struct batch_row *row = &b->rows[i];
    uint16_t *slot =
        find_slot(b, b->images.data + row->end - row->key_len, row->key_len, row->hash);
    if (*slot == 0) {
        *slot = (uint16_t)(i + 1);
    }
}

/* Room for one row more. Slots are made anew when the rows grow. */
static void
grow(struct batch *b)
{
    if (b->len < b->cap) {
        return;
    }
    b->cap = b->cap > 0 ? 2 * b->cap : ROWS_FIRST;
    b->rows = x_realloc(b->rows, b->cap * sizeof *b->rows);
    x_free(b->slots);
    b->slots = x_zalloc(2 * (size_t)b->cap * sizeof *b->slots);
    for (uint32_t i = 0; knows_keys(b) && i < b->len; i++) {
        index_row(b, i);
    }
}

static bool
add_image(struct batch *b, struct batch_row *row, const struct batch_image *image)
{
    if (b->images.len + image->bytes.len > BATCH_BYTES) {
        return false;
    }
    uint32_t at = (uint32_t)b->images.len;
    buf_bytes(&b->images, image->bytes.data, image->bytes.len);
    if (b->images.failed) {
        return false;
    }
    *row = (struct batch_row){.at = at,
        .values = image->values,
        .end = (uint32_t)b->images.len,
        .key_len = image->key_len,
        .hash = image->hash};
    return true;
}

bool
batch_replace(struct batch *b, struct batch_row *row, const struct batch_image *image)
{
    if (row->values == image->values) {
        memcpy(b->images.data + row->at, image->bytes.data, image->bytes.len);
        return true;
    }
    return add_image(b, row, image);
}

bool
batch_add(struct batch *b, const struct batch_image *image, const struct change *c,
    const struct relation *relation)
{
    if (b->len == BATCH_ROWS) {
        return false;
    }
    grow(b);
    if (!add_image(b, &b->rows[b->len], image)) {
        return false;
    }
    if (b->len < BATCH_FEW) {
        struct flight_entry *note = &b->notes[b->len];
        memset(note, 0, offsetof(struct flight_entry, key));
        flight_note(note, c, relation);
    }
    b->len++;
    if (knows_keys(b)) {
        index_row(b, b->len - 1);
    }
    return true;
}

/* One column finds the row. For an update it must do so as array_position() does, by the type's own
 * equality. */
static bool
can_be_listed(const struct batch *b, const struct target *t)
{
    uint32_t keys = 0;
    bool exact = true;
    for (uint16_t i = 0; i < b->shape.len; i++) {
        if (b->shape.use[i] & USE_MATCH) {
            keys++;
            exact = exact && t->columns[i].exact;
        }
    }
    return keys == 1 && (b->shape.op == SHAPE_DELETE || (b->shape.op == SHAPE_UPDATE && exact));
}

/* By the server's instructions (PostgreSQL 15, integer key): a list of deletes takes a quarter less
 * than a join, one of updates a fifth less for 2 rows and nothing less where more than 32 to 64
 * values are set, because each looks through the list anew. Two rows of either take less than two
 * statements. */
enum shape_rows
batch_rows(const struct batch *b, const struct target *t)
{
    uint32_t values = b->shape.op == SHAPE_DELETE ? 0 : (b->shape.parameters - 1) * b->len;
    if (b->len > 1 && values <= BATCH_LISTED && can_be_listed(b, t)) {
        return SHAPE_LISTED;
    }
    return b->len <= BATCH_FEW ? SHAPE_ROW : SHAPE_JOINED;
}

void
batch_reset(struct batch *b)
{
    if (b->len > 0 && knows_keys(b)) {
        memset(b->slots, 0, 2 * (size_t)b->cap * sizeof *b->slots);
    }
    b->len = 0;
    b->table = NULL;
    buf_reset(&b->images);
    if (b->images.cap > IMAGES_KEPT) {
        buf_done(&b->images);
        buf_init(&b->images, BATCH_BYTES);
    }
}

static uint32_t
element_length(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void
put_array(struct batch *b, uint32_t element_type, struct bind *out)
{
    struct buf *text = &out->text;
    size_t begin = text->len;
    bool nulls = false;
    buf_u32(text, 1); /* dimension */
    buf_u32(text, 0);
    buf_u32(text, element_type);
    buf_u32(text, b->len);
    buf_u32(text, 1); /* the first element's number */
    for (uint32_t i = 0; i < b->len; i++) {
        const uint8_t *at = b->images.data + b->rows[i].cursor;
        uint32_t len = element_length(at);
        nulls |= len == NO_VALUE;
        size_t whole = len == NO_VALUE ? 4 : 4 + (size_t)len;
        memcpy(text->data + text->len, at, whole); /* room was reserved */
        text->len += whole;
        b->rows[i].cursor += (uint32_t)whole;
    }
    text->data[begin + 7] = nulls;
    out->values[out->n] = (const char *)text->data + begin;
    out->lengths[out->n] = (int)(text->len - begin);
    out->formats[out->n++] = 1;
}

bool
batch_bind(struct batch *b, const struct target *t, struct bind *out, struct err *err)
{
    size_t bytes = (size_t)b->shape.parameters * ARRAY_HEADER;
    for (uint32_t i = 0; i < b->len; i++) {
        b->rows[i].cursor = b->rows[i].at;
        bytes += b->rows[i].values;
    }
    bind_room(out, b->shape.parameters);
    buf_reset(&out->text);
    if (!buf_reserve(&out->text, bytes)) {
        return err_set(err, ERR_FATAL, "no memory for %zu bytes of rows", bytes);
    }
    for (uint16_t i = 0; i < b->shape.len; i++) {
        if (b->shape.use[i] & USE_SET) {
            put_array(b, t->columns[i].type_oid, out);
        }
    }
    for (uint16_t i = 0; i < b->shape.len; i++) {
        if (b->shape.use[i] & USE_MATCH) {
            put_array(b, t->columns[i].type_oid, out);
        }
    }
    assert(out->n == b->shape.parameters && out->text.len == bytes);
    out->bytes += bytes;
    return true;
}

void
batch_bind_row(const struct batch *b, uint32_t row, struct bind *out)
{
    const uint8_t *at = b->images.data + b->rows[row].at;
    bind_room(out, b->shape.parameters);
    out->bytes += b->rows[row].values;
    while (out->n < b->shape.parameters) {
        uint32_t len = element_length(at);
        at += 4;
        bool null = len == NO_VALUE;
        out->values[out->n] = null ? NULL : (const char *)at;
        out->lengths[out->n] = null ? 0 : (int)len;
        out->formats[out->n++] = 1;
        at += null ? 0 : len;
    }
}
