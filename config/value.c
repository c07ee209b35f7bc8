/* SPDX-License-Identifier: Apache-2.0
 *
 * A switch over the type for each direction. Fields are reached by memcpy through the row's offset,
 * so the table is the only place that ties a name to a field. Invariant: a value that value_set has
 * taken fits the row, so whoever reads struct config need not check it again.
 */
#include "config/value.h"

#include <assert.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "config/nearest.h"
#include "config/secret.h"

#define LIST_MAX 4096

static void *
field(const struct option *o, void *base)
{
    return (char *)base + o->offset;
}

static const void *
field_const(const struct option *o, const void *base)
{
    return (const char *)base + o->offset;
}

/* --- what is accepted ----------------------------------------------------------------------------
 */

struct exact_unit {
    uint64_t factor;
    const char *name;
};

static void
format_exact(uint64_t v, const struct exact_unit *units, struct buf *out)
{
    while (v % units->factor != 0) {
        units++;
    }
    if (v == 0) {
        buf_str(out, "0");
    } else {
        buf_printf(out, "%" PRIu64 "%s", v / units->factor, units->name);
    }
}

void
value_format_number(const struct option *o, uint64_t number, struct buf *out)
{
    static const struct exact_unit sizes[] = {{1ULL << 40, "TiB"}, {1ULL << 30, "GiB"},
        {1ULL << 20, "MiB"}, {1ULL << 10, "KiB"}, {1, "B"}};
    static const struct exact_unit durations[] = {{86400000000ULL, "d"}, {3600000000ULL, "h"},
        {60000000ULL, "m"}, {1000000ULL, "s"}, {1000ULL, "ms"}, {1, "us"}};
    if (o->type == OPTION_SIZE) {
        format_exact(number, sizes, out);
    } else if (o->type == OPTION_DURATION) {
        format_exact(number, durations, out);
    } else {
        buf_printf(out, "%" PRIu64, number);
    }
}

static void
expected_words(const struct option *o, struct buf *out)
{
    buf_str(out, "one of ");
    for (const struct option_word *w = o->words; w->word; w++) {
        buf_printf(out, "%s%s", w == o->words ? "" : ", ", w->word);
    }
}

static void
expected_number(const struct option *o, const char *noun, struct buf *out)
{
    buf_printf(out, "%s from ", noun);
    value_format_number(o, o->min, out);
    buf_str(out, " to ");
    value_format_number(o, o->max, out);
    if (o->zero) {
        buf_printf(out, o->min > 0 ? ", or 0 (%s)" : " (0: %s)", o->zero);
    }
}

void
value_expected(const struct option *o, struct buf *out)
{
    switch (o->type) {
    case OPTION_STRING:
        buf_str(out, o->expected ? o->expected : "a text");
        return;
    case OPTION_PATH:
        buf_str(out, "a path");
        return;
    case OPTION_BOOL:
        buf_str(out, "true or false");
        return;
    case OPTION_NUMBER:
        expected_number(o, "a whole number", out);
        return;
    case OPTION_SIZE:
        expected_number(o, "a size such as 64MiB,", out);
        return;
    case OPTION_DURATION:
        expected_number(o, "a duration such as 30s,", out);
        return;
    case OPTION_WORD:
        expected_words(o, out);
        return;
    case OPTION_LIST:
        buf_str(out, "a list of texts");
        return;
    }
}

/* At most 80 bytes, cut between characters, nothing that could move the cursor. */
static void
quote(const char *s, char out[96])
{
    size_t n = 0;
    for (; n < 80 && s[n]; n++) {
        unsigned char c = (unsigned char)s[n];
        out[n] = c < 0x20 || c == 0x7f ? '?' : s[n];
    }
    if (s[n]) {
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) {
            n--;
        }
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n] = '\0';
}

static bool
refuse(const struct option *o, const char *shown, struct err *err)
{
    struct buf expected;
    buf_init(&expected, sizeof(err->text));
    value_expected(o, &expected);
    if ((o->flags & OPTION_SECRET) || !shown) {
        err_set(err, ERR_CONFIG, "'%s' is not valid, expected %s", o->path, buf_cstr(&expected));
    } else {
        char text[96];
        quote(shown, text);
        err_set(err, ERR_CONFIG, "'%s' is '%s', expected %s", o->path, text, buf_cstr(&expected));
    }
    buf_done(&expected);
    return false;
}

/* --- text to value -------------------------------------------------------------------------------
 */

static bool
in_range(const struct option *o, uint64_t v)
{
    return (v >= o->min && v <= o->max) || (v == 0 && o->zero);
}

static bool
matches(const char *pattern, const char *text)
{
    char anchored[256];
    regex_t re;
    snprintf(anchored, sizeof(anchored), "^(%s)$", pattern);
    int rc = regcomp(&re, anchored, REG_EXTENDED | REG_NOSUB);
    assert(rc == 0);
    if (rc != 0) {
        return false;
    }
    rc = regexec(&re, text, 0, NULL, 0);
    regfree(&re);
    return rc == 0;
}

static bool
has_control_characters(const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool
check_string(const struct option *o, const char *text, const char *shown, struct err *err)
{
    size_t max = o->max ? (size_t)o->max : 255;
    bool secret = (o->flags & OPTION_SECRET) != 0;
    if (strlen(text) > max) {
        return err_set(err, ERR_CONFIG, "'%s' is longer than %zu bytes", o->path, max);
    }
    if (!secret && text[0] == '\0') {
        return err_set(err, ERR_CONFIG, "'%s' is empty", o->path);
    }
    if (!secret && has_control_characters(text)) {
        return err_set(err, ERR_CONFIG, "'%s' holds control characters", o->path);
    }
    return o->pattern && !matches(o->pattern, text) ? refuse(o, shown, err) : true;
}

static bool
set_string(const struct option *o, void *base, const char *text, const char *shown, struct err *err)
{
    if (!check_string(o, text, shown, err)) {
        return false;
    }
    char *old, *copy = x_strdup(text);
    memcpy(&old, field(o, base), sizeof(old));
    secret_free(old);
    memcpy(field(o, base), &copy, sizeof(copy));
    return true;
}

static bool
set_word(const struct option *o, void *base, const char *text, const char *shown, struct err *err)
{
    struct nearest near;
    nearest_init(&near, text);
    for (const struct option_word *w = o->words; w->word; w++) {
        if (strcmp(w->word, text) == 0) {
            memcpy(field(o, base), &w->value, sizeof(w->value));
            return true;
        }
        nearest_offer(&near, w->word);
    }
    refuse(o, shown, err);
    return near.best ? err_hint(err, "did you mean '%s'?", near.best) : false;
}

static bool
set_bool(const struct option *o, void *base, const char *text, const char *shown, struct err *err)
{
    bool v;
    if (!parse_bool(text, &v)) {
        return refuse(o, shown, err);
    }
    memcpy(field(o, base), &v, sizeof(v));
    return true;
}

static bool
set_quantity(
    const struct option *o, void *base, const char *text, const char *shown, struct err *err)
{
    uint64_t v = 0;
    int64_t us = 0;
    bool ok;
    if (o->type == OPTION_DURATION) {
        ok = parse_duration(text, &us) && us >= 0;
        v = (uint64_t)us;
    } else if (o->type == OPTION_SIZE) {
        ok = parse_size(text, &v);
    } else {
        ok = parse_u64(text, 0, UINT32_MAX, &v);
    }
    if (!ok || !in_range(o, v)) {
        refuse(o, shown, err);
        uint64_t bare;
        if (!ok && o->type != OPTION_NUMBER && parse_u64(text, 1, UINT64_MAX, &bare)) {
            return err_hint(err, "a number needs a unit: %s",
                o->type == OPTION_SIZE ? "B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB"
                                       : "us, ms, s, m, h or d");
        }
        return false;
    }
    if (o->type == OPTION_NUMBER) {
        uint32_t number = (uint32_t)v;
        memcpy(field(o, base), &number, sizeof(number));
    } else if (o->type == OPTION_DURATION) {
        memcpy(field(o, base), &us, sizeof(us));
    } else {
        memcpy(field(o, base), &v, sizeof(v));
    }
    return true;
}

bool
value_set(const struct option *o, void *base, const char *text, const char *shown, struct err *err)
{
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_PATH:
        return set_string(o, base, text, shown, err);
    case OPTION_BOOL:
        return set_bool(o, base, text, shown, err);
    case OPTION_WORD:
        return set_word(o, base, text, shown, err);
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return set_quantity(o, base, text, shown, err);
    case OPTION_LIST:
        break;
    }
    return refuse(o, shown, err);
}

bool
value_append(
    const struct option *o, void *base, const char *text, const char *shown, struct err *err)
{
    struct string_list list;
    memcpy(&list, field(o, base), sizeof(list));
    if (!check_string(o, text, shown, err)) {
        return false;
    }
    if (list.len >= LIST_MAX) {
        return err_set(err, ERR_CONFIG, "'%s' has more than %d entries", o->path, LIST_MAX);
    }
    list.items = x_realloc(list.items, (list.len + 1) * sizeof(*list.items));
    list.items[list.len++] = x_strdup(text);
    memcpy(field(o, base), &list, sizeof(list));
    return true;
}

void
value_set_default(const struct option *o, void *base)
{
    struct err err = ERR_INIT;
    if (!o->def || (o->flags & OPTION_PLANNED) || o->type == OPTION_LIST) {
        return;
    }
    if (!value_set(o, base, o->def, o->def, &err)) {
        fprintf(stderr, "option table: %s\n", err.text);
        abort();
    }
}

/* --- value to text -------------------------------------------------------------------------------
 */

static bool
is_plain(const char *s)
{
    if (!*s || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_", *s)) {
        return false;
    }
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.*-")] == 0;
}

void
value_format_string(const char *s, struct buf *out)
{
    if (is_plain(s)) {
        buf_str(out, s);
        return;
    }
    buf_u8(out, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (strncmp(s, "${", 2) == 0) {
            buf_str(out, "$$");
        } else if (c == '"' || c == '\\') {
            buf_printf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(out, "\\x%02x", c);
        } else {
            buf_u8(out, c);
        }
    }
    buf_u8(out, '"');
}

static void
format_list(const struct string_list *list, bool secret, struct buf *out)
{
    buf_u8(out, '[');
    for (size_t i = 0; i < list->len; i++) {
        buf_str(out, i ? ", " : "");
        value_format_string(secret ? "***" : list->items[i], out);
    }
    buf_u8(out, ']');
}

static void
format_word(const struct option *o, int value, struct buf *out)
{
    for (const struct option_word *w = o->words; w->word; w++) {
        if (w->value == value) {
            buf_str(out, w->word);
            return;
        }
    }
}

bool
value_is_set(const struct option *o, const void *base)
{
    const char *s;
    if (o->flags & OPTION_PLANNED) {
        return false;
    }
    if (o->type != OPTION_STRING && o->type != OPTION_PATH) {
        return true;
    }
    memcpy(&s, field_const(o, base), sizeof(s));
    return s != NULL;
}

static void
format_quantity(const struct option *o, const void *base, struct buf *out)
{
    uint32_t number;
    uint64_t v;
    if (o->type == OPTION_NUMBER) {
        memcpy(&number, field_const(o, base), sizeof(number));
        v = number;
    } else {
        memcpy(&v, field_const(o, base), sizeof(v));
    }
    value_format_number(o, v, out);
}

void
value_format(const struct option *o, const void *base, struct buf *out)
{
    const void *f = field_const(o, base);
    const char *s;
    bool b;
    int word;
    if (!value_is_set(o, base)) {
        return;
    }
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_PATH:
        memcpy(&s, f, sizeof(s));
        value_format_string((o->flags & OPTION_SECRET) ? "***" : s, out);
        return;
    case OPTION_BOOL:
        memcpy(&b, f, sizeof(b));
        buf_str(out, b ? "true" : "false");
        return;
    case OPTION_WORD:
        memcpy(&word, f, sizeof(word));
        format_word(o, word, out);
        return;
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        format_quantity(o, base, out);
        return;
    case OPTION_LIST:
        format_list(f, (o->flags & OPTION_SECRET) != 0, out);
        return;
    }
}

void
value_free(const struct option *o, void *base)
{
    char *s;
    struct string_list list;
    if (o->flags & OPTION_PLANNED) {
        return;
    }
    if (o->type == OPTION_LIST) {
        memcpy(&list, field(o, base), sizeof(list));
        for (size_t i = 0; i < list.len; i++) {
            secret_free(list.items[i]);
        }
        x_free(list.items);
    } else if (o->type == OPTION_STRING || o->type == OPTION_PATH) {
        memcpy(&s, field(o, base), sizeof(s));
        secret_free(s);
    }
}
