/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks over the blocks of one segment file: look at a block's header (peek), then either take the
 * payload or skip it. One buffer is reused; a block that does not fit gets memory of its own until
 * the next call.
 *
 * Locking: one owner thread. The bytes below `limit` must not change any more.
 */
#ifndef TG_SPOOL_SCAN_H
#define TG_SPOOL_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/spool/codec.h"
#include "agent/spool/format.h"

struct scan {
    const struct fs *fs;
    int fd;              /* borrowed */
    struct codec *codec; /* of the file, borrowed */
    uint64_t base;       /* log offset of the file's first byte */
    uint64_t at;         /* offset in the file of the next block, */
    uint64_t log;        /* and the log offset that it must name */
    uint64_t limit;      /* nothing at or behind it is looked at */
    const char *why;     /* of SCAN_INVALID; static text */
    bool certain;        /* SCAN_INVALID, but the sums are right: nobody tore this */
    int rc;              /* of SCAN_ERROR: -errno */
    size_t ahead;        /* 0: as much is read at once as fits, else about so much */
    uint32_t old_length; /* of the block peeked, in a packed file */
    struct codec none;

    uint8_t *buf; /* holds the file's bytes [buf_at, buf_at + buf_len) */
    size_t cap, buf_len;
    uint64_t buf_at;
    uint8_t *big; /* payload of an over-long block */
};

enum scan_result {
    SCAN_OK,
    SCAN_END,     /* at == limit */
    SCAN_FOOTER,  /* what stands here begins like index and footer; not checked further */
    SCAN_INVALID, /* not a valid block; see why */
    SCAN_ERROR,   /* the file cannot be read, or memory is exhausted; see rc */
};

/* Memory: `cap` bytes, at least a header. */
void scan_init(struct scan *sc, const struct fs *fs, size_t cap);
void scan_done(struct scan *sc); /* accepts an all-zero scan; does not close fd */
/* Starts over with a file; without key and not packed unless scan_codec says otherwise. */
void scan_file(struct scan *sc, int fd, uint64_t base, uint64_t limit);
void scan_codec(struct scan *sc, struct codec *codec);
/* Goes to the block at a place in the same file that has this log offset. */
void scan_seek(struct scan *sc, uint64_t at, uint64_t log);

/* The header of the block at `at`: sums right, place right, payload below the limit. */
enum scan_result scan_peek(struct scan *sc, struct block_header *out);
/* The content of the block just peeked, checked by its sum, decrypted and decompressed; borrowed
 * until the next call. Moves on. */
enum scan_result scan_payload(struct scan *sc, const struct block_header *h, struct slice *out);
/* Moves behind the block just peeked. */
void scan_skip(struct scan *sc, const struct block_header *h);
/* Looks behind `at` for a header of a block or footer that stands where it says, and that was
 * written when the place `at` was durable already. Then what is at `at` is damage and no torn tail.
 */
enum scan_result scan_find_witness(struct scan *sc, bool *found);

#endif
