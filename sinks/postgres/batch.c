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

/* Room for all of the row's values; NULL when it is to go alone. */
static uint8_t *
image_room(const struct change *c, const struct shape *s, struct buf *image)
{
    size_t size = 0;
    for (uint16_t i = 0; i < s->len && size <= BATCH_ROW_BYTES; i++) {
        size += s->use[i] & USE_SET ? value_size(&c->new.values[i]) : 0;
        size += s->use[i] & USE_MATCH ? value_size(shape_match_value(c, i)) : 0;
    }
    buf_reset(image);
    return size <= BATCH_ROW_BYTES ? buf_reserve(image, size) : NULL;
}

bool
batch_image(const struct change *c, const struct shape *s, struct buf *image, uint32_t *key_at)
{
    uint8_t *to = image_room(c, s, image);
    if (!to) {
        return false;
    }
    for (uint16_t i = 0; i < s->len; i++) {
        if (s->use[i] & USE_SET) {
            to = put_value(to, &c->new.values[i]);
        }
    }
    *key_at = (uint32_t)(to - image->data);
    for (uint16_t i = 0; s->op != SHAPE_INSERT && i < s->len; i++) {
        if (s->use[i] & USE_MATCH) {
            to = put_value(to, shape_match_value(c, i));
        }
    }
    image->len = (size_t)(to - image->data);
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
        x_free(b);
    }
}

void
batch_begin(struct batch *b, struct cache_table *table, const struct shape *s)
{
    assert(b->len == 0 && b->images.len == 0);
    b->table = table;
    b->shape.op = s->op;
    b->shape.any_row = b->shape.many = false;
    b->shape.len = s->len;
    b->shape.parameters = s->parameters;
    memcpy(b->shape.use, s->use, s->len);
    if (s->op != SHAPE_INSERT) {
        memset(b->slots, 0, sizeof b->slots);
    }
}

bool
batch_same(const struct batch *b, const struct shape *s)
{
    return b->shape.op == s->op && !s->any_row && b->shape.len == s->len &&
           memcmp(b->shape.use, s->use, s->len) == 0;
}

/* The slot of the row with this key, or the free one where it belongs. */
static uint16_t *
find_slot(struct batch *b, const uint8_t *key, size_t len, uint32_t hash)
{
    for (uint32_t n = hash;; n++) {
        uint16_t *slot = &b->slots[n % BATCH_SLOTS];
        if (*slot == 0) {
            return slot;
        }
        const struct batch_row *row = &b->rows[*slot - 1];
        const uint8_t *end = b->images.data + row->at + row->len;
        if (row->hash == hash && row->key_len == len && memcmp(end - len, key, len) == 0) {
            return slot;
        }
    }
}

static enum batch_answer
replace_row(struct batch *b, struct batch_row *row, const struct buf *image)
{
    if (row->len == image->len) {
        memcpy(b->images.data + row->at, image->data, image->len);
        return BATCH_TAKEN;
    }
    if (b->images.len + image->len > BATCH_BYTES) {
        return BATCH_FULL;
    }
    row->at = (uint32_t)b->images.len;
    row->len = (uint32_t)image->len;
    buf_bytes(&b->images, image->data, image->len);
    return b->images.failed ? BATCH_FULL : BATCH_TAKEN;
}

enum batch_answer
batch_add(struct batch *b, const struct buf *image, uint32_t key_at, const struct change *c,
    const struct relation *relation)
{
    uint16_t *slot = NULL;
    uint32_t hash = 0;
    if (b->shape.op != SHAPE_INSERT) {
        const uint8_t *key = image->data + key_at;
        size_t len = image->len - key_at;
        hash = (uint32_t)XXH3_64bits(key, len);
        slot = find_slot(b, key, len, hash);
        if (*slot != 0) {
            return b->shape.op == SHAPE_DELETE ? BATCH_AGAIN
                                               : replace_row(b, &b->rows[*slot - 1], image);
        }
    }
    if (b->len == BATCH_ROWS || b->images.len + image->len > BATCH_BYTES) {
        return BATCH_FULL;
    }
    b->rows[b->len] = (struct batch_row){.at = (uint32_t)b->images.len,
        .len = (uint32_t)image->len,
        .hash = hash,
        .key_len = (uint32_t)image->len - key_at};
    buf_bytes(&b->images, image->data, image->len);
    if (b->len < BATCH_FEW) {
        struct flight_entry *note = &b->notes[b->len];
        memset(note, 0, offsetof(struct flight_entry, key));
        flight_note(note, c, relation);
    }
    b->len++;
    if (slot) {
        *slot = (uint16_t)b->len;
    }
    return BATCH_TAKEN;
}

void
batch_reset(struct batch *b)
{
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
        bytes += b->rows[i].len;
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
    out->bytes += b->rows[row].len;
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
