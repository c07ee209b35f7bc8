/* SPDX-License-Identifier: Apache-2.0
 *
 * The buffer is a window on the file that only moves forward: when bytes are asked for that it does
 * not hold completely, what it has of them goes to its front and as much as fits is read behind. So
 * many small blocks cost one read, and no byte is read twice.
 */
#include "agent/spool/scan.h"

#include <errno.h>

#include "agent/base/arena.h"

void
scan_init(struct scan *sc, const struct fs *fs, size_t cap)
{
    *sc = (struct scan){.fs = fs, .fd = -1, .cap = cap, .buf = x_malloc(cap)};
    sc->codec = &sc->none;
}

void
scan_done(struct scan *sc)
{
    x_free(sc->buf);
    free(sc->big);
    codec_done(&sc->none);
    sc->buf = NULL;
    sc->big = NULL;
}

void
scan_file(struct scan *sc, int fd, uint64_t base, uint64_t limit)
{
    sc->fd = fd;
    sc->base = base;
    sc->limit = limit;
    sc->at = SEGMENT_HEADER_SIZE;
    sc->log = base + SEGMENT_HEADER_SIZE;
    sc->buf_len = 0;
    sc->codec = &sc->none;
}

void
scan_codec(struct scan *sc, struct codec *codec)
{
    sc->codec = codec;
}

void
scan_seek(struct scan *sc, uint64_t at, uint64_t log)
{
    sc->at = at;
    sc->log = log;
}

/* `len` bytes at `off`, of the window; len <= cap and off + len <= limit. NULL: rc is set. */
static const uint8_t *
window(struct scan *sc, uint64_t off, size_t len)
{
    uint64_t have_end = sc->buf_at + sc->buf_len;
    if (off >= sc->buf_at && off + len <= have_end) {
        return sc->buf + (off - sc->buf_at);
    }
    size_t keep = 0;
    if (off >= sc->buf_at && off < have_end) {
        keep = (size_t)(have_end - off);
        memmove(sc->buf, sc->buf + (off - sc->buf_at), keep);
    }
    sc->buf_at = off;
    sc->buf_len = keep;
    uint64_t left = sc->limit - (off + keep);
    size_t room = sc->cap - keep;
    if (sc->ahead != 0 && sc->ahead < room) {
        room = len - keep > sc->ahead ? len - keep : sc->ahead;
    }
    size_t want = left < room ? (size_t)left : room;
    ssize_t got = sc->fs->pread_all(sc->fs, sc->fd, sc->buf + keep, want, off + keep);
    if (got < 0) {
        sc->rc = (int)got;
        return NULL;
    }
    sc->buf_len += (size_t)got;
    if (sc->buf_len < len) {
        sc->rc = -EIO; /* the file is shorter than somebody said */
        return NULL;
    }
    return sc->buf;
}

enum scan_result
scan_peek(struct scan *sc, struct block_header *out)
{
    if (sc->big != NULL) {
        free(sc->big);
        sc->big = NULL;
    }
    sc->certain = false;
    if (sc->at >= sc->limit) {
        return SCAN_END;
    }
    uint64_t room = sc->limit - sc->at;
    if (room < BLOCK_HEADER_SIZE) {
        sc->why = "a block's header is cut off";
        return SCAN_INVALID;
    }
    size_t head = BLOCK_HEADER_SIZE + (sc->codec->packed ? PACKED_LENGTH_SIZE : 0);
    head = room < head ? BLOCK_HEADER_SIZE : head;
    const uint8_t *p = window(sc, sc->at, head);
    if (p == NULL) {
        return SCAN_ERROR;
    }
    if (format_magic(p) == INDEX_MAGIC) {
        return SCAN_FOOTER;
    }
    sc->why = block_header_decode(p, out);
    if (sc->why == NULL && out->offset != sc->log) {
        sc->why = "the block belongs to another place";
    }
    if (sc->why == NULL && out->length > room - BLOCK_HEADER_SIZE) {
        sc->why = "a block's payload is cut off";
    }
    if (sc->why == NULL && sc->codec->packed) {
        if (out->length < PACKED_LENGTH_SIZE) {
            sc->why = "the payload of a packed block is cut off";
        } else {
            sc->old_length = packed_length_decode(p + BLOCK_HEADER_SIZE);
        }
    }
    return sc->why == NULL ? SCAN_OK : SCAN_INVALID;
}

static const uint8_t *
big_payload(struct scan *sc, uint64_t off, size_t len)
{
    sc->big = malloc(len);
    if (sc->big == NULL) {
        sc->rc = -ENOMEM;
        return NULL;
    }
    ssize_t got = sc->fs->pread_all(sc->fs, sc->fd, sc->big, len, off);
    if (got < 0 || (size_t)got < len) {
        sc->rc = got < 0 ? (int)got : -EIO;
        return NULL;
    }
    return sc->big;
}

enum scan_result
scan_payload(struct scan *sc, const struct block_header *h, struct slice *out)
{
    uint64_t off = sc->at + BLOCK_HEADER_SIZE;
    const uint8_t *p =
        h->length <= sc->cap ? window(sc, off, h->length) : big_payload(sc, off, h->length);
    if (p == NULL) {
        return SCAN_ERROR;
    }
    if (format_sum(p, h->length) != h->payload_sum) {
        sc->why = "checksum of the block's payload does not match";
        return SCAN_INVALID;
    }
    if (!codec_content(sc->codec, h, slice_of(p, h->length), out, &sc->why)) {
        sc->rc = -ENOMEM;
        return SCAN_ERROR;
    }
    if (sc->why != NULL) {
        sc->certain = true;
        return SCAN_INVALID;
    }
    scan_skip(sc, h);
    return SCAN_OK;
}

void
scan_skip(struct scan *sc, const struct block_header *h)
{
    sc->at += BLOCK_HEADER_SIZE + (uint64_t)h->length;
    sc->log += BLOCK_HEADER_SIZE + (uint64_t)(sc->codec->packed ? sc->old_length : h->length);
}

/* Does a right header stand at p, at the file's offset `off`, that knows `at` as durable? */
static bool
is_witness(const struct scan *sc, const uint8_t *p, size_t len, uint64_t off)
{
    struct block_header b;
    struct segment_footer f;

    if (format_magic(p) == BLOCK_MAGIC) {
        return block_header_decode(p, &b) == NULL && b.offset == sc->base + off &&
               b.synced > sc->base + sc->at;
    }
    return format_magic(p) == FOOTER_MAGIC && len >= FOOTER_SIZE &&
           segment_footer_decode(p, &f) == NULL && f.offset == sc->base + off &&
           f.synced > sc->base + sc->at;
}

enum scan_result
scan_find_witness(struct scan *sc, bool *found)
{
    /* Windows overlap by a footer, so that a header on their border is seen whole once. */
    uint64_t off = sc->at;
    *found = false;
    while (sc->limit - off >= BLOCK_HEADER_SIZE) {
        uint64_t left = sc->limit - off;
        size_t len = left < sc->cap ? (size_t)left : sc->cap;
        const uint8_t *p = window(sc, off, len);
        if (p == NULL) {
            return SCAN_ERROR;
        }
        bool last = len == left;
        size_t stop = len - (last ? BLOCK_HEADER_SIZE - 1 : FOOTER_SIZE);
        for (size_t i = 0; i < stop; i++) {
            if (p[i] == 'T' && is_witness(sc, p + i, len - i, off + i)) {
                *found = true;
                return SCAN_OK;
            }
        }
        if (last) {
            break;
        }
        off += stop;
    }
    return SCAN_OK;
}
