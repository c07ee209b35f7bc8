/* SPDX-License-Identifier: Apache-2.0
 *
 * Besides its rows each letter stands for "something of this table waits", and a TRUNCATE for
 * "everything of it waits": two more hashes of the table alone. Two rows with one hash only make a
 * change wait that would not have to.
 */
#include "agent/pipeline/letter.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/seal.h"

#define PURPOSE    "tidegate dead letter"
#define KEPT_PLAIN 0
#define KEPT_SEAL  1
#define FNV_BASIS  UINT64_C(14695981039346656037)
#define FNV_PRIME  UINT64_C(1099511628211)

/* --- rows ----------------------------------------------------------------------------------------
 */

static uint64_t
mix(uint64_t h, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * FNV_PRIME;
    }
    return h;
}

static uint64_t
hash_table(uint32_t relation, char what)
{
    uint64_t h = mix(mix(FNV_BASIS, &what, 1), &relation, sizeof relation);
    return h ? h : 1; /* 0 is an empty slot */
}

/* `other` has what the source did not send again. */
static uint64_t
hash_row(const struct relation *r, const struct tuple *t, const struct tuple *other)
{
    uint64_t h = mix(FNV_BASIS, &r->id, sizeof r->id);
    for (uint16_t i = 0; i < t->len && i < r->columns_len; i++) {
        const struct value *v = &t->values[i];
        if (!r->columns[i].key) {
            continue;
        }
        if (v->status == VALUE_UNCHANGED && i < other->len) {
            v = &other->values[i];
        }
        bool sent = v->status == VALUE_TEXT || v->status == VALUE_BINARY;
        uint64_t len = sent ? v->bytes.len : 0;
        uint8_t status = (uint8_t)v->status;
        h = mix(mix(h, &status, 1), &len, sizeof len);
        h = sent ? mix(h, v->bytes.data, v->bytes.len) : h;
    }
    return h ? h : 1;
}

static bool
has_key(const struct relation *r)
{
    bool key = false;
    for (uint16_t i = 0; i < r->columns_len; i++) {
        key = key || r->columns[i].key;
    }
    return key;
}

bool
letter_rows_of(const struct change *c, struct letter_rows *out)
{
    *out = (struct letter_rows){.truncate = c->kind == CHANGE_TRUNCATE};
    if (out->truncate) {
        if (c->truncated_len > LETTER_RELATIONS) {
            return false;
        }
        for (uint32_t i = 0; i < c->truncated_len; i++) {
            out->relations[out->relations_len++] = c->truncated[i]->id;
        }
        return true;
    }
    out->relations[out->relations_len++] = c->relation->id;
    if (!has_key(c->relation)) {
        return true;
    }
    if (c->kind != CHANGE_INSERT && c->old_kind != OLD_NONE) {
        out->hashes[out->hashes_len++] = hash_row(c->relation, &c->old, &c->new);
    }
    if (c->kind != CHANGE_DELETE) {
        out->hashes[out->hashes_len++] = hash_row(c->relation, &c->new, &c->old);
    }
    return true;
}

/* --- what waits ----------------------------------------------------------------------------------
 */

void
letter_held_done(struct letter_held *h)
{
    x_free(h->slots);
    *h = (struct letter_held){0};
}

static struct letter_held_slot *
slot_of(const struct letter_held *h, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 32) & (h->cap - 1);
    while (h->slots[at].hash != 0 && h->slots[at].hash != hash) {
        at = (at + 1) & (h->cap - 1);
    }
    return &h->slots[at];
}

static void
grow(struct letter_held *h)
{
    struct letter_held old = *h;
    h->cap = old.cap ? old.cap * 2 : 64;
    h->slots = x_zalloc(h->cap * sizeof *h->slots);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].hash != 0) {
            *slot_of(h, old.slots[i].hash) = old.slots[i];
        }
    }
    x_free(old.slots);
}

static void
add(struct letter_held *h, uint64_t hash, uint64_t id)
{
    if (2 * (h->len + 1) > h->cap) {
        grow(h);
    }
    struct letter_held_slot *s = slot_of(h, hash);
    if (s->hash == 0) {
        *s = (struct letter_held_slot){hash, id};
        h->len++;
    }
}

void
letter_held_add(struct letter_held *h, const struct letter_rows *rows, uint64_t id)
{
    for (uint16_t i = 0; i < rows->relations_len; i++) {
        add(h, hash_table(rows->relations[i], 's'), id);
        if (rows->truncate) {
            add(h, hash_table(rows->relations[i], 'e'), id);
        }
    }
    for (uint16_t i = 0; i < rows->hashes_len; i++) {
        add(h, rows->hashes[i], id);
    }
}

uint64_t
letter_held_by(const struct letter_held *h, const struct letter_rows *rows)
{
    uint64_t id = 0;
    if (h->len == 0) {
        return 0;
    }
    for (uint16_t i = 0; id == 0 && i < rows->relations_len; i++) {
        id = slot_of(h, hash_table(rows->relations[i], rows->truncate ? 's' : 'e'))->id;
    }
    for (uint16_t i = 0; id == 0 && i < rows->hashes_len; i++) {
        id = slot_of(h, rows->hashes[i])->id;
    }
    return id;
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

static void
write_text(struct buf *out, struct slice s)
{
    buf_u32(out, (uint32_t)s.len);
    buf_bytes(out, s.data, s.len);
}

static struct slice
read_text(struct reader *r)
{
    uint32_t len = reader_u32(r);
    return reader_bytes(r, len);
}

void
letter_write_head(struct buf *out, const struct letter_head *h)
{
    buf_u8(out, h->rows.truncate);
    buf_u16(out, h->rows.relations_len);
    for (uint16_t i = 0; i < h->rows.relations_len; i++) {
        buf_u32(out, h->rows.relations[i]);
    }
    buf_u16(out, h->rows.hashes_len);
    for (uint16_t i = 0; i < h->rows.hashes_len; i++) {
        buf_u64(out, h->rows.hashes[i]);
    }
    write_text(out, h->error);
    write_text(out, h->key);
}

static bool
damaged(const char *what, struct err *err)
{
    return err_set(err, ERR_FATAL, "state database: the %s of a dead letter is damaged", what);
}

bool
letter_read_head(struct slice head, struct letter_head *out, struct err *err)
{
    struct reader r;
    *out = (struct letter_head){0};
    reader_init(&r, head);
    out->rows.truncate = reader_u8(&r) != 0;
    out->rows.relations_len = reader_u16(&r);
    if (out->rows.relations_len > LETTER_RELATIONS) {
        return damaged("head", err);
    }
    for (uint16_t i = 0; i < out->rows.relations_len; i++) {
        out->rows.relations[i] = reader_u32(&r);
    }
    out->rows.hashes_len = reader_u16(&r);
    if (out->rows.hashes_len > sizeof out->rows.hashes / sizeof *out->rows.hashes) {
        return damaged("head", err);
    }
    for (uint16_t i = 0; i < out->rows.hashes_len; i++) {
        out->rows.hashes[i] = reader_u64(&r);
    }
    out->error = read_text(&r);
    out->key = read_text(&r);
    return reader_end(&r) || damaged("head", err);
}

void
letter_write_body(struct buf *out, uint16_t n)
{
    buf_u16(out, n);
}

void
letter_write_record(struct buf *out, const struct record *rec)
{
    buf_u8(out, (uint8_t)rec->kind);
    buf_u32(out, rec->xid);
    buf_u32(out, rec->key);
    buf_u32(out, rec->stream);
    buf_u64(out, rec->position);
    buf_u64(out, (uint64_t)rec->received_us);
    write_text(out, rec->payload);
}

static void
read_record(struct reader *r, struct record *rec)
{
    *rec = (struct record){.kind = (enum record_kind)reader_u8(r)};
    rec->xid = reader_u32(r);
    rec->key = reader_u32(r);
    rec->stream = reader_u32(r);
    rec->position = reader_u64(r);
    rec->received_us = (int64_t)reader_u64(r);
    rec->payload = read_text(r);
}

bool
letter_decode(struct decoder *d, struct slice body, struct change *out, struct err *err)
{
    struct reader r;
    bool produced = false;
    reader_init(&r, body);
    decoder_reset(d);
    uint16_t n = reader_u16(&r);
    for (uint16_t i = 0; i < n; i++) {
        struct record rec;
        read_record(&r, &rec);
        if (!reader_ok(&r)) {
            return damaged("body", err);
        }
        if (!decoder_feed(d, &rec, out, &produced, err)) {
            return err_wrap(err, "dead letter");
        }
    }
    bool change = produced && (out->kind == CHANGE_INSERT || out->kind == CHANGE_UPDATE ||
                                  out->kind == CHANGE_DELETE || out->kind == CHANGE_TRUNCATE);
    return (change && reader_end(&r)) || damaged("body", err);
}

bool
letter_seal(const struct key_ring *keys, struct slice plain, struct buf *out, struct err *err)
{
    bool sealed = keys && keys->current;
    buf_u8(out, sealed ? KEPT_SEAL : KEPT_PLAIN);
    if (sealed) {
        return seal_bytes(keys->current, PURPOSE, plain, out, err);
    }
    buf_bytes(out, plain.data, plain.len);
    return buf_ok(out, "dead letter", err);
}

bool
letter_unseal(const struct key_ring *keys, struct slice kept, struct buf *out, struct err *err)
{
    if (kept.len == 0 || kept.data[0] > KEPT_SEAL) {
        return damaged("text", err);
    }
    struct slice rest = slice_of(kept.data + 1, kept.len - 1);
    if (kept.data[0] == KEPT_SEAL) {
        return unseal_bytes(keys, PURPOSE, rest, out, err);
    }
    buf_bytes(out, rest.data, rest.len);
    return buf_ok(out, "dead letter", err);
}
