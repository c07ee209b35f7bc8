/* SPDX-License-Identifier: Apache-2.0
 *
 * How the payloads of one file are made of contents and back: compressed, encrypted, with the
 * length of old in a packed file (FORMAT.md, "Block"). Also the macs of its header and footer.
 *
 *   new file:   codec_create, then codec_seal_block for each block if codec_seals
 *   read:       codec_open, then codec_content for each block (struct scan does it)
 *
 * Locking: one thread at a time.
 */
#ifndef TG_SPOOL_CODEC_H
#define TG_SPOOL_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/key.h"
#include "agent/base/seal.h"
#include "agent/spool/format.h"

struct ZSTD_DCtx_s;

struct codec_room {
    uint8_t *data;
    size_t cap;
};

/* All zero: a file without key and not packed. */
struct codec {
    struct sealer *sealer; /* NULL: nothing is encrypted */
    uint8_t mac_key[KEY_SIZE];
    bool packed;
    struct ZSTD_DCtx_s *zstd; /* made when it is needed */
    struct codec_room plain, content;
};

/* For a new file with the ring's current key, if it has one: sets key_id, salt and mac of *h, which
 * must not be changed any more. */
bool codec_create(struct codec *c, const struct key_ring *keys, struct segment_header *h,
    struct err *err) must_use;
/* For a file that is there, with a header that segment_header_decode has accepted. ERR_CONFIG: the
 * ring (may be NULL) does not have its key. ERR_FATAL: the header was changed. */
bool codec_open(struct codec *c, const struct key_ring *keys, const struct segment_header *h,
    const char *path, struct err *err) must_use;
/* Gives back the memory of the last block. */
void codec_trim(struct codec *c);
void codec_done(struct codec *c); /* accepts an all-zero codec, and leaves one */

static inline bool
codec_seals(const struct codec *c)
{
    return c->sealer != NULL;
}

/* `plain` is a block as block_close or block_single make it, `more` the rest of its content. The
 * encrypted block is borrowed until the next call. */
bool codec_seal_block(struct codec *c, struct slice plain, struct slice more, struct slice *out,
    struct err *err) must_use;
/* A block of a packed file with the header *h (its length is set here, and its flags but ZSTD),
 * whose payload was `old_length` bytes long; `body` is the content, compressed if ZSTD is set. */
bool codec_packed_block(struct codec *c, struct block_header *h, uint32_t old_length,
    struct slice body, struct slice *out, struct err *err) must_use;

/* The content of a payload whose sum is right; borrowed until the next call, and from `payload`.
 * *why: NULL when it is right. False: no memory. */
bool codec_content(struct codec *c, const struct block_header *h, struct slice payload,
    struct slice *out, const char **why) must_use;

/* The mac of a footer whose other fields are set, and of its index. */
bool codec_footer_mac(const struct codec *c, const struct segment_footer *f, struct slice index,
    uint8_t out[MAC_SIZE], struct err *err) must_use;
/* NULL: right. */
const char *codec_check_footer(
    const struct codec *c, const struct segment_footer *f, struct slice index);

#endif
