/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes: a borrowed view (slice), a growing buffer with a mandatory ceiling (buf), and a parser's
 * cursor that fails once and stays failed (reader), so that a parser is straight lines and one
 * check at the end.
 */
#ifndef TG_BASE_BUF_H
#define TG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/err.h"

/* Borrowed: whoever hands it out says until when it is valid. */
struct slice {
    const uint8_t *data;
    size_t len;
};

static inline struct slice
slice_of(const void *data, size_t len)
{
    return (struct slice){(const uint8_t *)data, len};
}
struct slice slice_str(const char *s);
bool slice_eq(struct slice a, struct slice b);

/* Invariant: len <= cap <= max; data is NULL exactly when cap is 0; data[len] is NUL after
 * buf_cstr. Appends past `max` (or out of memory) set `failed`, leave the content as it is, and all
 * later appends do nothing, so one check of `failed` at the end is enough. */
struct buf {
    uint8_t *data;
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);  /* accepts an all-zero buf */
void buf_reset(struct buf *b); /* empties, keeps memory, clears `failed` */
/* Ensures room for `more` bytes and returns where they go (then add to b->len), NULL when failed.
 */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_bytes(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Integers in network byte order. */
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* The content with a NUL behind it; "" when failed or empty. Borrowed until the next append. */
const char *buf_cstr(struct buf *b);
bool buf_ok(const struct buf *b, const char *what, struct err *err) must_use;

/* After the first read past the end every read yields zero/empty and reader_ok() is false. */
struct reader {
    const uint8_t *at, *end;
    bool failed;
};

void reader_init(struct reader *r, struct slice s);
size_t reader_left(const struct reader *r);
bool reader_ok(const struct reader *r); /* nothing was read past the end */

/* The next `len` bytes, or NULL when they are not there. Inline like what follows: decoders call
 * them several times for each value. */
static inline const uint8_t *
reader_take(struct reader *r, size_t len)
{
    const uint8_t *p = r->at;
    if (r->failed || (len > 0 && (p == NULL || len > (size_t)(r->end - p)))) {
        r->failed = true;
        return NULL;
    }
    if (len > 0) {
        r->at = p + len;
    }
    return p;
}
static inline uint8_t
reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p == NULL ? 0 : *p;
}
/* Network byte order, as all below. */
static inline uint16_t
reader_u16(struct reader *r)
{
    uint16_t v = 0;
    const uint8_t *p = reader_take(r, sizeof v);
    if (p != NULL) {
        memcpy(&v, p, sizeof v);
    }
    return __builtin_bswap16(v);
}
static inline uint32_t
reader_u32(struct reader *r)
{
    uint32_t v = 0;
    const uint8_t *p = reader_take(r, sizeof v);
    if (p != NULL) {
        memcpy(&v, p, sizeof v);
    }
    return __builtin_bswap32(v);
}
static inline struct slice
reader_bytes(struct reader *r, size_t len)
{
    const uint8_t *p = reader_take(r, len);
    return slice_of(r->failed ? NULL : p, r->failed ? 0 : len);
}
uint64_t reader_u64(struct reader *r);
/* Up to a NUL byte, which must be there; the returned string is terminated in place. "" when
 * failed. */
const char *reader_cstr(struct reader *r);
bool reader_end(const struct reader *r); /* ok, and everything was consumed */

#endif
