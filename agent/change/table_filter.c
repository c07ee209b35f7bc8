/* SPDX-License-Identifier: Apache-2.0
 *
 * A pattern is read as a stream of tokens, so that quotes, wildcards and the dot are told apart in
 * one place: inside double quotes every character is itself ("" is one quote), outside * and ? are
 * wildcards and the dot separates schema from name. Letters are compared as they are: nothing is
 * folded to lower case. A pattern that cannot be read (an open quote, an empty part, two dots)
 * matches nothing.
 */
#include "agent/change/table_filter.h"

#include <string.h>

enum token_kind { TOKEN_END, TOKEN_DOT, TOKEN_STAR, TOKEN_ANY, TOKEN_BYTE, TOKEN_BAD };

struct cursor {
    const char *at;
    bool quoted;
};

struct token {
    enum token_kind kind;
    char byte; /* of TOKEN_BYTE */
};

static struct token
next(struct cursor *c)
{
    while (*c->at == '"') {
        if (c->quoted && c->at[1] == '"') {
            c->at += 2;
            return (struct token){TOKEN_BYTE, '"'};
        }
        c->quoted = !c->quoted;
        c->at++;
    }
    char byte = *c->at;
    if (byte == '\0') {
        return (struct token){c->quoted ? TOKEN_BAD : TOKEN_END, 0};
    }
    c->at++;
    if (c->quoted) {
        return (struct token){TOKEN_BYTE, byte};
    }
    switch (byte) {
    case '.':
        return (struct token){TOKEN_DOT, 0};
    case '*':
        return (struct token){TOKEN_STAR, 0};
    case '?':
        return (struct token){TOKEN_ANY, 0};
    default:
        return (struct token){TOKEN_BYTE, byte};
    }
}

/* Bytes of the UTF-8 character at s, which is not empty. */
static size_t
character(const char *s)
{
    size_t n = 1;
    while (((unsigned char)s[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

/* The part of the pattern at `p`, up to its dot or end, against the whole of `s`. Only the last
 * star needs to be tried again, so this is at worst quadratic, never exponential. */
static bool
part_matches(struct cursor p, const char *s)
{
    struct cursor star = {NULL, false};
    const char *star_s = NULL;
    for (;;) {
        struct token t = next(&p);
        if (t.kind == TOKEN_STAR) {
            star = p;
            star_s = s;
            continue;
        }
        bool end = t.kind == TOKEN_END || t.kind == TOKEN_DOT;
        if (end && *s == '\0') {
            return true;
        }
        if (t.kind == TOKEN_ANY && *s != '\0') {
            s += character(s);
            continue;
        }
        if (t.kind == TOKEN_BYTE && *s == t.byte) {
            s++;
            continue;
        }
        if (star.at == NULL || *star_s == '\0') {
            return false;
        }
        star_s += character(star_s); /* the star takes one character more */
        s = star_s;
        p = star;
    }
}

/* Where the name begins, or where the pattern begins when it has no dot. False: it cannot be read.
 */
static bool
find_name(const char *pattern, struct cursor *name, bool *dotted)
{
    struct cursor c = {pattern, false};
    size_t length = 0;
    *name = c;
    *dotted = false;
    for (;;) {
        struct token t = next(&c);
        if (t.kind == TOKEN_BAD) {
            return false;
        }
        if (t.kind == TOKEN_END) {
            return length > 0;
        }
        if (t.kind == TOKEN_DOT) {
            if (*dotted || length == 0) {
                return false;
            }
            *dotted = true;
            *name = c;
            length = 0;
        } else {
            length++;
        }
    }
}

bool
table_pattern_valid(const char *pattern)
{
    struct cursor name;
    bool dotted;
    return find_name(pattern, &name, &dotted);
}

bool
table_pattern_match(const char *pattern, const char *schema, const char *name)
{
    struct cursor at;
    bool dotted;
    if (!find_name(pattern, &at, &dotted) || !part_matches(at, name)) {
        return false;
    }
    return dotted ? part_matches((struct cursor){pattern, false}, schema)
                  : strcmp(schema, "public") == 0;
}

static bool
any_matches(const char *const *patterns, size_t len, const char *schema, const char *name)
{
    for (size_t i = 0; i < len; i++) {
        if (table_pattern_match(patterns[i], schema, name)) {
            return true;
        }
    }
    return false;
}

bool
table_filter_match(const struct table_filter *f, const char *schema, const char *name)
{
    if (f->include_len > 0 && !any_matches(f->include, f->include_len, schema, name)) {
        return false;
    }
    return !any_matches(f->exclude, f->exclude_len, schema, name);
}

bool
table_filter_is_all(const struct table_filter *f)
{
    bool all = f->include_len == 0;
    for (size_t i = 0; i < f->include_len && !all; i++) {
        all = strcmp(f->include[i], "*.*") == 0;
    }
    return all && f->exclude_len == 0;
}

/* A part of the pattern, up to its dot or end. */
static void
part_regex(struct cursor p, struct buf *out)
{
    for (struct token t = next(&p); t.kind != TOKEN_END && t.kind != TOKEN_DOT; t = next(&p)) {
        if (t.kind == TOKEN_STAR) {
            buf_str(out, "[^\\x01]*");
        } else if (t.kind == TOKEN_ANY) {
            buf_str(out, "[^\\x01]");
        } else {
            bool plain = (unsigned char)t.byte >= 0x80 || strchr("_ ", t.byte) ||
                         (t.byte >= '0' && t.byte <= '9') ||
                         ((t.byte | 0x20) >= 'a' && (t.byte | 0x20) <= 'z');
            buf_str(out, plain ? "" : "\\");
            buf_u8(out, (uint8_t)t.byte);
        }
    }
}

void
table_pattern_regex(const char *pattern, struct buf *out)
{
    struct cursor name;
    bool dotted;
    if (!find_name(pattern, &name, &dotted)) {
        buf_str(out, "^\\x01$");
        return;
    }
    buf_u8(out, '^');
    if (dotted) {
        part_regex((struct cursor){pattern, false}, out);
    } else {
        buf_str(out, "public");
    }
    buf_str(out, "\\x01");
    part_regex(name, out);
    buf_u8(out, '$');
}
