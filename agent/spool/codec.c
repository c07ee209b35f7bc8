/* SPDX-License-Identifier: Apache-2.0
 *
 * The additional data of a block is made from its header as it is encoded, so that it is the same
 * bytes on both ways. Memory for what comes out is kept for the next block unless it was unusually
 * large; nothing is allocated by a number that was not compared with another one before.
 */
#include "agent/spool/codec.h"

#include <zstd.h>

#include "agent/base/arena.h"
#include "agent/spool/segment.h"

#define INFO_BLOCK "tidegate spool block"
#define INFO_MAC   "tidegate spool mac"
#define AAD_BEGIN  16u
#define ROOM_KEPT  ((size_t)1024 * 1024)

/* --- files --------------------------------------------------------------------------------------
 */

static bool
derive(struct codec *c, const struct key *k, const struct segment_header *h, struct err *err)
{
    uint8_t block_key[KEY_SIZE];
    struct slice salt = slice_of(h->salt, SALT_SIZE);
    bool ok = key_derive(k, salt, INFO_MAC, c->mac_key, err) &&
              key_derive(k, salt, INFO_BLOCK, block_key, err) &&
              sealer_new(block_key, &c->sealer, err);
    key_wipe(block_key, sizeof(block_key));
    return ok;
}

static bool
header_mac(
    const struct codec *c, const struct segment_header *h, uint8_t out[MAC_SIZE], struct err *err)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE], mac[KEY_MAC_SIZE];
    segment_header_encode(h, bytes);
    struct slice covered = slice_of(bytes, HEADER_MAC_END);
    if (!key_mac(c->mac_key, &covered, 1, mac, err)) {
        return false;
    }
    memcpy(out, mac, MAC_SIZE);
    return true;
}

bool
codec_create(
    struct codec *c, const struct key_ring *keys, struct segment_header *h, struct err *err)
{
    *c = (struct codec){.packed = (h->flags & FILE_PACKED) != 0};
    h->key_id = 0;
    memset(h->salt, 0, SALT_SIZE);
    memset(h->mac, 0, MAC_SIZE);
    if (keys == NULL || keys->current == NULL) {
        return true;
    }
    h->key_id = key_id(keys->current);
    if (key_random(h->salt, SALT_SIZE, err) && derive(c, keys->current, h, err) &&
        header_mac(c, h, h->mac, err)) {
        return true;
    }
    codec_done(c);
    return false;
}

bool
codec_open(struct codec *c, const struct key_ring *keys, const struct segment_header *h,
    const char *path, struct err *err)
{
    uint8_t mac[MAC_SIZE];

    *c = (struct codec){.packed = (h->flags & FILE_PACKED) != 0};
    if (h->key_id == 0) {
        return true;
    }
    const struct key *k = key_ring_find(keys, h->key_id);
    if (k == NULL) {
        bool none = keys == NULL || (keys->current == NULL && keys->old_len == 0);
        (void)err_set(err, ERR_CONFIG, "spool file '%s' is encrypted, and %s", path,
            none ? "no key is configured" : "none of the configured keys is the one");
        return err_hint(err, "set spool.encryption_key to the key that it was written with, or add "
                             "that key to spool.old_encryption_keys");
    }
    if (!derive(c, k, h, err) || !header_mac(c, h, mac, err)) {
        codec_done(c);
        return false;
    }
    if (!key_equal(mac, h->mac, MAC_SIZE)) {
        codec_done(c);
        return segment_damaged(err, path, 0, "the header was changed by somebody without the key");
    }
    return true;
}

void
codec_trim(struct codec *c)
{
    free(c->plain.data);
    free(c->content.data);
    c->plain = c->content = (struct codec_room){0};
}

void
codec_done(struct codec *c)
{
    sealer_free(c->sealer);
    ZSTD_freeDCtx(c->zstd);
    free(c->plain.data);
    free(c->content.data);
    key_wipe(c->mac_key, sizeof(c->mac_key));
    *c = (struct codec){0};
}

/* --- blocks -------------------------------------------------------------------------------------
 */

/* NULL: no memory. */
static uint8_t *
room(struct codec_room *r, size_t len)
{
    bool shrink = r->cap > ROOM_KEPT && len <= ROOM_KEPT;
    if (r->data == NULL || len > r->cap || shrink) {
        free(r->data);
        r->cap = len > 0 ? len : 1;
        r->data = malloc(r->cap);
        r->cap = r->data ? r->cap : 0;
    }
    return r->data;
}

static bool
no_memory(struct err *err, size_t len)
{
    return err_set(err, ERR_RETRY, "no memory to encrypt a block of %zu bytes", len);
}

/* Fills in sum and header of a block whose payload stands behind the header's room. */
static void
finish_block(struct block_header *h, uint8_t *block)
{
    h->payload_sum = format_sum(block + BLOCK_HEADER_SIZE, h->length);
    block_header_encode(h, block);
}

bool
codec_seal_block(
    struct codec *c, struct slice plain, struct slice more, struct slice *out, struct err *err)
{
    struct block_header h;
    const struct slice pieces[2] = {
        slice_of(plain.data + BLOCK_HEADER_SIZE, plain.len - BLOCK_HEADER_SIZE), more};
    size_t length = pieces[0].len + more.len + SEAL_OVERHEAD;

    const char *why = block_header_decode(plain.data, &h);
    if (why != NULL || length > BLOCK_LENGTH_MAX) {
        return err_set(err, ERR_DATA, "cannot encrypt a block: %s", why ? why : "it is too large");
    }
    uint8_t *block = room(&c->plain, BLOCK_HEADER_SIZE + length);
    if (block == NULL) {
        return no_memory(err, length);
    }
    h.length = (uint32_t)length;
    h.flags |= BLOCK_SEALED;
    block_header_encode(&h, block);
    struct slice aad = slice_of(block + AAD_BEGIN, BLOCK_HEADER_SIZE - AAD_BEGIN);
    if (!sealer_seal(c->sealer, aad, pieces, 2, block + BLOCK_HEADER_SIZE, err)) {
        return false;
    }
    finish_block(&h, block);
    *out = slice_of(block, BLOCK_HEADER_SIZE + length);
    return true;
}

bool
codec_packed_block(struct codec *c, struct block_header *h, uint32_t old_length, struct slice body,
    struct slice *out, struct err *err)
{
    size_t length = PACKED_LENGTH_SIZE + body.len + (c->sealer ? SEAL_OVERHEAD : 0);
    if (length > BLOCK_LENGTH_MAX) {
        return err_set(err, ERR_DATA, "cannot pack a block: it is too large");
    }
    uint8_t *block = room(&c->plain, BLOCK_HEADER_SIZE + length);
    if (block == NULL) {
        return no_memory(err, length);
    }
    uint8_t *payload = block + BLOCK_HEADER_SIZE;
    h->length = (uint32_t)length;
    h->flags &= ~(uint32_t)BLOCK_SEALED;
    h->flags |= c->sealer ? (uint32_t)BLOCK_SEALED : 0;
    packed_length_encode(old_length, payload);
    if (c->sealer != NULL) {
        block_header_encode(h, block);
        struct slice aad =
            slice_of(block + AAD_BEGIN, BLOCK_HEADER_SIZE - AAD_BEGIN + PACKED_LENGTH_SIZE);
        if (!sealer_seal(c->sealer, aad, &body, 1, payload + PACKED_LENGTH_SIZE, err)) {
            return false;
        }
    } else if (body.len > 0) {
        memcpy(payload + PACKED_LENGTH_SIZE, body.data, body.len);
    }
    finish_block(h, block);
    *out = slice_of(block, BLOCK_HEADER_SIZE + length);
    return true;
}

/* Takes the cipher off. */
static bool
unseal(struct codec *c, const struct block_header *h, struct slice payload, struct slice *body,
    const char **why)
{
    uint8_t aad[BLOCK_HEADER_SIZE + PACKED_LENGTH_SIZE];
    size_t aad_len = BLOCK_HEADER_SIZE - AAD_BEGIN;

    if (body->len < SEAL_OVERHEAD) {
        *why = "the payload of an encrypted block is cut off";
        return true;
    }
    block_header_encode(h, aad);
    if (c->packed) {
        memcpy(aad + BLOCK_HEADER_SIZE, payload.data, PACKED_LENGTH_SIZE);
        aad_len += PACKED_LENGTH_SIZE;
    }
    uint8_t *to = room(&c->plain, body->len - SEAL_OVERHEAD);
    if (to == NULL) {
        return false;
    }
    if (!sealer_open(c->sealer, slice_of(aad + AAD_BEGIN, aad_len), *body, to)) {
        *why = "the block was changed by somebody without the key, or belongs to another file";
        return true;
    }
    *body = slice_of(to, body->len - SEAL_OVERHEAD);
    return true;
}

/* Was a payload of `old_length` bytes, encrypted or not, made of a content of this size? */
static bool
had_length(uint64_t size, uint32_t old_length)
{
    return size > 0 && (size == old_length || size + SEAL_OVERHEAD == old_length);
}

static bool
decompress(struct codec *c, uint32_t old_length, struct slice *body, const char **why)
{
    unsigned long long size = ZSTD_getFrameContentSize(body->data, body->len);
    if (size > BLOCK_LENGTH_MAX || !had_length(size, old_length)) {
        *why = "a compressed block has not the size that it had before";
        return true;
    }
    uint8_t *to = room(&c->content, (size_t)size);
    c->zstd = c->zstd ? c->zstd : ZSTD_createDCtx();
    if (to == NULL || c->zstd == NULL) {
        return false;
    }
    size_t got = ZSTD_decompressDCtx(c->zstd, to, (size_t)size, body->data, body->len);
    if (ZSTD_isError(got) || got != size) {
        *why = "a block cannot be decompressed";
        return true;
    }
    *body = slice_of(to, (size_t)size);
    return true;
}

bool
codec_content(struct codec *c, const struct block_header *h, struct slice payload,
    struct slice *out, const char **why)
{
    struct slice body = payload;
    uint32_t old_length = 0;

    *why = NULL;
    if (((h->flags & BLOCK_SEALED) != 0) != (c->sealer != NULL)) {
        *why = c->sealer ? "a block that is not encrypted in a file that is"
                         : "an encrypted block in a file that is not";
        return true;
    }
    if ((h->flags & BLOCK_ZSTD) && !c->packed) {
        *why = "a compressed block in a file that is not packed";
        return true;
    }
    if (c->packed) {
        if (payload.len < PACKED_LENGTH_SIZE) {
            *why = "the payload of a packed block is cut off";
            return true;
        }
        old_length = packed_length_decode(payload.data);
        body = slice_of(payload.data + PACKED_LENGTH_SIZE, payload.len - PACKED_LENGTH_SIZE);
    }
    if (c->sealer != NULL && (!unseal(c, h, payload, &body, why) || *why != NULL)) {
        return *why != NULL;
    }
    if ((h->flags & BLOCK_ZSTD) && (!decompress(c, old_length, &body, why) || *why != NULL)) {
        return *why != NULL;
    }
    if (c->packed && !had_length(body.len, old_length)) {
        *why = "a packed block has not the size that it had before";
    }
    *out = body;
    return true;
}

/* --- footers ------------------------------------------------------------------------------------
 */

bool
codec_footer_mac(const struct codec *c, const struct segment_footer *f, struct slice index,
    uint8_t out[MAC_SIZE], struct err *err)
{
    uint8_t bytes[FOOTER_SIZE], mac[KEY_MAC_SIZE];
    memset(out, 0, MAC_SIZE);
    if (c->sealer == NULL) {
        return true;
    }
    segment_footer_encode(f, bytes);
    const struct slice pieces[2] = {
        slice_of(bytes + FOOTER_MAC_BEGIN, FOOTER_MAC_END - FOOTER_MAC_BEGIN), index};
    if (!key_mac(c->mac_key, pieces, 2, mac, err)) {
        return false;
    }
    memcpy(out, mac, MAC_SIZE);
    return true;
}

const char *
codec_check_footer(const struct codec *c, const struct segment_footer *f, struct slice index)
{
    uint8_t mac[MAC_SIZE];
    struct err err = ERR_INIT;
    if (!codec_footer_mac(c, f, index, mac, &err)) {
        return "the footer's mac cannot be computed";
    }
    return key_equal(mac, f->mac, MAC_SIZE)
               ? NULL
               : "footer or index was changed by somebody without the key";
}
