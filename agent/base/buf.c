/* SPDX-License-Identifier: Apache-2.0
 *
 * The buffer's memory is always one byte larger than `cap`, so that buf_cstr has room for its NUL
 * even in a buffer that is full to its ceiling. Growth doubles, so appending is linear in the end.
 */
#include "agent/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slice
slice_str(const char *s)
{
    return slice_of(s, strlen(s));
}

bool
slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

void
buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void
buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void
buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

uint8_t *
buf_reserve(struct buf *b, size_t more)
{
    if (b->failed || more > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->data != NULL && more <= b->cap - b->len) {
        return b->data + b->len;
    }
    size_t need = b->len + more;
    size_t cap = b->cap <= b->max / 2 ? b->cap * 2 : b->max;
    cap = cap < 64 ? 64 : cap;
    cap = cap < need ? need : cap;
    cap = cap > b->max ? b->max : cap;
    uint8_t *data = cap < SIZE_MAX ? realloc(b->data, cap + 1) : NULL;
    if (data == NULL) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return data + b->len;
}

void
buf_bytes(struct buf *b, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *to = buf_reserve(b, len);
    if (to != NULL) {
        memcpy(to, data, len);
        b->len += len;
    }
}

void
buf_str(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0) {
        b->failed = true;
    } else if (len > 0) {
        uint8_t *to = buf_reserve(b, (size_t)len);
        if (to != NULL) {
            /* The NUL goes where the hidden byte is. */
            vsnprintf((char *)to, (size_t)len + 1, fmt, again);
            b->len += (size_t)len;
        }
    }
    va_end(again);
}

void
buf_u8(struct buf *b, uint8_t v)
{
    buf_bytes(b, &v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buf_bytes(b, &v, sizeof v);
}

void
buf_u32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_bytes(b, &v, sizeof v);
}

void
buf_u64(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_bytes(b, &v, sizeof v);
}

const char *
buf_cstr(struct buf *b)
{
    if (b->failed || b->len == 0) {
        return "";
    }
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

bool
buf_ok(const struct buf *b, const char *what, struct err *err)
{
    if (!b->failed) {
        return true;
    }
    return err_set(
        err, ERR_DATA, "%s: larger than the %zu bytes that are allowed for it", what, b->max);
}

void
reader_init(struct reader *r, struct slice s)
{
    *r = (struct reader){.at = s.data, .end = s.len == 0 ? s.data : s.data + s.len};
}

uint64_t
reader_u64(struct reader *r)
{
    uint64_t v = 0;
    const uint8_t *p = reader_take(r, sizeof v);
    if (p != NULL) {
        memcpy(&v, p, sizeof v);
    }
    return __builtin_bswap64(v);
}

const char *
reader_cstr(struct reader *r)
{
    size_t left = reader_left(r);
    const uint8_t *nul = left == 0 ? NULL : memchr(r->at, 0, left);
    if (r->failed || nul == NULL) {
        r->failed = true;
        return "";
    }
    const char *s = (const char *)r->at;
    r->at = nul + 1;
    return s;
}

size_t
reader_left(const struct reader *r)
{
    return r->failed || r->at == r->end ? 0 : (size_t)(r->end - r->at);
}

bool
reader_ok(const struct reader *r)
{
    return !r->failed;
}

bool
reader_end(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}
