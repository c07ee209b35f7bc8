/* SPDX-License-Identifier: Apache-2.0
 *
 * need_comma[depth] says whether the container at that depth has an element already. Every value
 * goes through before_value(), which writes the comma unless a key has just been written.
 */
#include "agent/base/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH ((int)(sizeof((struct json_writer *)0)->need_comma))

void
json_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void
before_value(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->need_comma[w->depth]) {
        buf_u8(w->out, ',');
    }
    w->need_comma[w->depth] = true;
}

static void
begin(struct json_writer *w, char bracket)
{
    before_value(w);
    assert(w->depth + 1 < MAX_DEPTH);
    w->need_comma[++w->depth] = false;
    buf_u8(w->out, (uint8_t)bracket);
}

static void
end(struct json_writer *w, char bracket)
{
    assert(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_u8(w->out, (uint8_t)bracket);
}

void
json_object_begin(struct json_writer *w)
{
    begin(w, '{');
}

void
json_object_end(struct json_writer *w)
{
    end(w, '}');
}

void
json_array_begin(struct json_writer *w)
{
    begin(w, '[');
}

void
json_array_end(struct json_writer *w)
{
    end(w, ']');
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t
utf8_length(const uint8_t *s, size_t left)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80             ? 1
                 : (s[0] & 0xe0) == 0xc0 ? 2
                 : (s[0] & 0xf0) == 0xe0 ? 3
                 : (s[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    if (len <= 1 || len > left) {
        return len == 1 ? 1 : 0;
    }
    uint32_t code = s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < lowest[len] || code > 0x10ffff || surrogate ? 0 : len;
}

static void
escaped(struct buf *out, uint8_t c)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof named; i += 2) {
        if ((uint8_t)named[i] == c) {
            buf_u8(out, '\\');
            buf_u8(out, (uint8_t)named[i + 1]);
            return;
        }
    }
    buf_printf(out, "\\u%04x", (unsigned)c);
}

static void
quoted(struct buf *out, const uint8_t *s, size_t len)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(s + i, len - i);
        if (n == 0) {
            buf_str(out, "\\ufffd");
            i++;
        } else if (n == 1 && (s[i] < 0x20 || s[i] == '"' || s[i] == '\\')) {
            escaped(out, s[i]);
            i++;
        } else {
            buf_bytes(out, s + i, n);
            i += n;
        }
    }
    buf_u8(out, '"');
}

void
json_key(struct json_writer *w, const char *key)
{
    assert(w->depth > 0 && !w->after_key);
    before_value(w);
    quoted(w->out, (const uint8_t *)key, strlen(key));
    buf_u8(w->out, ':');
    w->after_key = true;
}

void
json_string(struct json_writer *w, const char *s)
{
    if (s == NULL) {
        json_null(w);
    } else {
        json_string_n(w, s, strlen(s));
    }
}

void
json_string_n(struct json_writer *w, const void *s, size_t len)
{
    before_value(w);
    quoted(w->out, s, len);
}

void
json_u64(struct json_writer *w, uint64_t v)
{
    before_value(w);
    buf_printf(w->out, "%" PRIu64, v);
}

void
json_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

void
json_double(struct json_writer *w, double v)
{
    if (!isfinite(v)) {
        json_null(w);
        return;
    }
    char text[32];
    snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v) {
        snprintf(text, sizeof text, "%.17g", v); /* always enough to come back the same */
    }
    before_value(w);
    buf_str(w->out, text);
}

void
json_bool(struct json_writer *w, bool v)
{
    before_value(w);
    buf_str(w->out, v ? "true" : "false");
}

void
json_null(struct json_writer *w)
{
    before_value(w);
    buf_str(w->out, "null");
}

void
json_kv_string(struct json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    json_string(w, s);
}

void
json_kv_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

void
json_kv_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

void
json_kv_double(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_double(w, v);
}

void
json_kv_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}
