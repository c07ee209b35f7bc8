/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside a dead letter: which rows it is about, why it was refused, and the records from
 * which a decoder makes the change again. Encrypted when there is a key.
 *
 *   head = truncate:u8 relations:u16 { id:u32 } rows:u16 { hash:u64 } error:text key:text
 *   body = records:u16 { kind:u8 xid:u32 key:u32 stream:u32 position:u64 received:u64 text }
 *   text = length:u32 bytes            kept = 0:u8 plain | 1:u8 sealed
 *
 * A row is known by a hash of relation and key. Letters of the same row are in an order that must
 * stay: rows_held tells of a change that may not pass those that wait.
 */
#ifndef TG_PIPELINE_LETTER_H
#define TG_PIPELINE_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/key.h"
#include "agent/change/change.h"
#include "agent/change/record.h"
#include "decoders/decoder.h"

#define LETTER_MAX       ((size_t)900 << 20) /* what the state database takes */
#define LETTER_RELATIONS 64u

/* The rows that a change is about. */
struct letter_rows {
    bool truncate;
    uint16_t relations_len, hashes_len;
    uint32_t relations[LETTER_RELATIONS];
    uint64_t hashes[2]; /* the row before and after */
};

struct letter_head {
    struct letter_rows rows;
    struct slice error, key; /* texts; they point into what was read */
};

/* False: a TRUNCATE of too many tables for a letter. */
bool letter_rows_of(const struct change *c, struct letter_rows *out);

void letter_write_head(struct buf *out, const struct letter_head *h);
bool letter_read_head(struct slice head, struct letter_head *out, struct err *err) must_use;

/* Begins a body of n records, each of which is written behind it. */
void letter_write_body(struct buf *out, uint16_t n);
void letter_write_record(struct buf *out, const struct record *rec);
/* The change, valid as what the decoder makes, and as long as `body`. */
bool letter_decode(
    struct decoder *d, struct slice body, struct change *out, struct err *err) must_use;

/* `keys` may be NULL. */
bool letter_seal(
    const struct key_ring *keys, struct slice plain, struct buf *out, struct err *err) must_use;
bool letter_unseal(
    const struct key_ring *keys, struct slice kept, struct buf *out, struct err *err) must_use;

/* Rows with letters that wait, each with the number of its first letter. */
struct letter_held {
    struct letter_held_slot {
        uint64_t hash, id;
    } * slots;
    size_t len, cap;
};

void letter_held_done(struct letter_held *h); /* empties it; accepts an all-zero one */
void letter_held_add(struct letter_held *h, const struct letter_rows *rows, uint64_t id);
/* Number of a letter that a change of these rows may not pass; 0: none. */
uint64_t letter_held_by(const struct letter_held *h, const struct letter_rows *rows);

#endif
