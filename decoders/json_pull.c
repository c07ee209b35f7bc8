/* SPDX-License-Identifier: Apache-2.0
 *
 * `first` tells whether a comma has to stand in front of the next member or item: an opening
 * bracket sets it, everything that is read clears it.
 */
#include "decoders/json_pull.h"

#include <string.h>

void
json_pull_init(struct json_pull *p, struct slice input, struct arena *arena)
{
    const uint8_t *at =
        input.len ? input.data : (const uint8_t *)""; /* no bytes: data may be NULL */
    *p = (struct json_pull){.start = at, .at = at, .end = at + input.len, .arena = arena};
}

bool
json_pull_ok(const struct json_pull *p)
{
    return !p->wrong && !p->no_memory;
}

bool
json_pull_refuse(struct json_pull *p, const char *why)
{
    if (!p->wrong) {
        p->wrong = why;
    }
    return false;
}

static void
skip_space(struct json_pull *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n')) {
        p->at++;
    }
}

/* The next byte that is no space; 0 at the end. */
static uint8_t
peek(struct json_pull *p)
{
    skip_space(p);
    return p->at < p->end && json_pull_ok(p) ? *p->at : 0;
}

static bool
take(struct json_pull *p, uint8_t byte, const char *otherwise)
{
    if (peek(p) != byte) {
        return json_pull_refuse(p, otherwise);
    }
    p->at++;
    return true;
}

/* --- strings -----------------------------------------------------------------------------------
 */

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u. */
static bool
take_unit(struct json_pull *p, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int digit = p->at < p->end ? hex_digit(*p->at) : -1;
        if (digit < 0) {
            return json_pull_refuse(p, "a \\u without four digits");
        }
        *out = *out << 4 | (uint32_t)digit;
        p->at++;
    }
    return true;
}

static bool
take_code_point(struct json_pull *p, uint32_t *out)
{
    uint32_t low;
    if (!take_unit(p, out)) {
        return false;
    }
    if (*out == 0) {
        return json_pull_refuse(p, "a NUL in a string");
    }
    if (*out < 0xD800 || *out > 0xDFFF) {
        return true;
    }
    bool pair = *out < 0xDC00 && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u';
    p->at += pair ? 2 : 0;
    if (!pair || !take_unit(p, &low) || low < 0xDC00 || low > 0xDFFF) {
        return json_pull_refuse(p, "half of a surrogate pair");
    }
    *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static uint8_t *
put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xC0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xE0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (c & 63));
    } else {
        *to++ = (uint8_t)(0xF0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 63));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (c & 63));
    }
    return to;
}

/* Behind a backslash. What is written is never longer than what was read. */
static uint8_t *
take_escape(struct json_pull *p, uint8_t *to)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    uint8_t c = p->at < p->end ? *p->at++ : 0;
    uint32_t point;
    if (c == 'u') {
        return take_code_point(p, &point) ? put_utf8(to, point) : to;
    }
    const char *found = c ? strchr(letters, c) : NULL;
    if (!found) {
        json_pull_refuse(p, "an unknown escape in a string");
        return to;
    }
    *to++ = (uint8_t)bytes[found - letters];
    return to;
}

/* One that has escapes; `len` is that of what stands between the quotes. */
static bool
unescape(struct json_pull *p, size_t len, struct slice *out)
{
    const uint8_t *end = p->at + len;
    uint8_t *copy = arena_alloc(p->arena, len + 1), *to = copy;
    if (!copy) {
        p->no_memory = true;
        return false;
    }
    while (p->at < end && !p->wrong) {
        const uint8_t *escape = memchr(p->at, '\\', (size_t)(end - p->at));
        size_t plain = (size_t)((escape ? escape : end) - p->at);
        memcpy(to, p->at, plain);
        to += plain;
        p->at += plain;
        if (escape) {
            p->at++;
            to = take_escape(p, to);
        }
    }
    *out = slice_of(copy, (size_t)(to - copy));
    return json_pull_ok(p);
}

static bool
take_string(struct json_pull *p, struct slice *out)
{
    if (!take(p, '"', "a string is missing")) {
        return false;
    }
    bool escapes = false;
    const uint8_t *at = p->at;
    while (at < p->end && *at != '"') {
        escapes = escapes || *at == '\\';
        at += *at == '\\' ? 2 : 1;
    }
    if (at >= p->end) {
        return json_pull_refuse(p, "a string without an end");
    }
    size_t len = (size_t)(at - p->at);
    if (memchr(p->at, 0, len)) {
        return json_pull_refuse(p, "a NUL in a string");
    }
    *out = slice_of(p->at, len);
    if (escapes && !unescape(p, len, out)) {
        return false;
    }
    p->at = at + 1;
    return true;
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool
take_number(struct json_pull *p, struct slice *out)
{
    const uint8_t *from = p->at;
    while (p->at < p->end && *p->at != 0 && strchr("+-.0123456789eE", *p->at)) {
        p->at++;
    }
    *out = slice_of(from, (size_t)(p->at - from));
    return out->len > 0 || json_pull_refuse(p, "a value is missing");
}

static bool
take_word(struct json_pull *p, const char *word, struct slice *out)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0) {
        return json_pull_refuse(p, "an unknown word");
    }
    *out = slice_of(p->at, len);
    p->at += len;
    return true;
}

bool
json_pull_scalar(struct json_pull *p, struct json_scalar *out)
{
    uint8_t c = peek(p);
    p->first = false;
    *out = (struct json_scalar){.kind = JSON_NULL};
    switch (c) {
    case '"':
        out->kind = JSON_STRING;
        return take_string(p, &out->text);
    case 't':
        out->kind = JSON_TRUE;
        return take_word(p, "true", &out->text);
    case 'f':
        out->kind = JSON_FALSE;
        return take_word(p, "false", &out->text);
    case 'n':
        return take_word(p, "null", &out->text);
    default:
        out->kind = JSON_NUMBER;
        return take_number(p, &out->text);
    }
}

bool
json_pull_open(struct json_pull *p, char bracket)
{
    p->first = true;
    return take(p, (uint8_t)bracket, "a bracket is missing");
}

/* Ends at the closing bracket, else steps over the comma. */
static bool
next(struct json_pull *p, char closing)
{
    if (peek(p) == (uint8_t)closing) {
        p->at++;
        p->first = false;
        return false;
    }
    bool ok = p->first || take(p, ',', "a comma is missing");
    p->first = false;
    return ok && json_pull_ok(p);
}

bool
json_pull_member(struct json_pull *p, struct slice *name)
{
    return next(p, '}') && take_string(p, name) && take(p, ':', "a colon is missing");
}

bool
json_pull_item(struct json_pull *p)
{
    return next(p, ']');
}

bool
json_pull_skip(struct json_pull *p)
{
    struct json_scalar ignored;
    unsigned depth = 0;
    do {
        uint8_t c = peek(p);
        if (c == '{' || c == '[') {
            depth++;
            p->at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return json_pull_refuse(p, "a value is missing");
            }
            depth--;
            p->at++;
        } else if ((c == ',' || c == ':') && depth > 0) {
            p->at++;
        } else if (!json_pull_scalar(p, &ignored)) {
            return false;
        }
    } while (depth > 0 && json_pull_ok(p));
    p->first = false;
    return json_pull_ok(p);
}
