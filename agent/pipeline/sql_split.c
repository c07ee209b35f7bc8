/* SPDX-License-Identifier: Apache-2.0
 *
 * One scanner hands out tokens; everything else looks at kinds and words. A token's text is never
 * interpreted further than "is this unquoted word X".
 */
#include "agent/pipeline/sql_split.h"

#include <string.h>
#include <strings.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,      /* keyword or unquoted name */
    TOKEN_QUOTED,    /* string, quoted name */
    TOKEN_PARAMETER, /* $1 */
    TOKEN_OPEN,      /* ( [ */
    TOKEN_CLOSE,
    TOKEN_SEMICOLON,
    TOKEN_OTHER,
    TOKEN_BROKEN, /* the text ends inside of it */
};

struct token {
    enum token_kind kind;
    const char *at;
    size_t len;
};

struct scanner {
    const char *at, *end;
    bool escapes;
};

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
begins_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool
goes_on(char c)
{
    return begins_word(c) || is_digit(c) || c == '$';
}

static char
peek(const struct scanner *s, size_t n)
{
    return (size_t)(s->end - s->at) > n ? s->at[n] : '\0';
}

static bool
skip_block_comment(struct scanner *s)
{
    int depth = 0;
    do {
        if (peek(s, 0) == '/' && peek(s, 1) == '*') {
            depth++;
            s->at += 2;
        } else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            depth--;
            s->at += 2;
        } else if (s->at < s->end) {
            s->at++;
        } else {
            return false;
        }
    } while (depth > 0);
    return true;
}

/* False: inside of a comment. *newline: there was one. */
static bool
skip_space(struct scanner *s, bool blocks, bool *newline)
{
    *newline = false;
    while (s->at < s->end) {
        if (is_space(*s->at)) {
            *newline = *newline || *s->at == '\n' || *s->at == '\r';
            s->at++;
        } else if (*s->at == '-' && peek(s, 1) == '-') {
            while (s->at < s->end && *s->at != '\n' && *s->at != '\r') {
                s->at++;
            }
        } else if (blocks && *s->at == '/' && peek(s, 1) == '*') {
            if (!skip_block_comment(s)) {
                return false;
            }
        } else {
            break;
        }
    }
    return true;
}

/* Behind the opening quote. A string goes on in a further one when a line ends between them. */
static bool
skip_quoted(struct scanner *s, char quote, bool escapes)
{
    for (;;) {
        while (s->at < s->end && *s->at != quote) {
            s->at += escapes && *s->at == '\\' && s->at + 1 < s->end ? 2 : 1;
        }
        if (s->at >= s->end) {
            return false;
        }
        s->at++;
        if (peek(s, 0) == quote) {
            s->at++;
            continue;
        }
        struct scanner ahead = *s;
        bool newline;
        if (quote != '\'' || !skip_space(&ahead, false, &newline) || !newline ||
            peek(&ahead, 0) != '\'') {
            return true;
        }
        s->at = ahead.at + 1;
    }
}

/* At a '$' that begins no word. 0: no dollar quote begins here; else the length of its mark. */
static size_t
dollar_mark(const struct scanner *s)
{
    size_t n = 1;
    if (begins_word(peek(s, 1))) {
        while (begins_word(peek(s, n)) || is_digit(peek(s, n))) {
            n++;
        }
    }
    return peek(s, n) == '$' ? n + 1 : 0;
}

static enum token_kind
take_dollar(struct scanner *s)
{
    size_t mark = dollar_mark(s);
    if (mark > 0) {
        const char *body = s->at + mark;
        const char *close = memmem(body, (size_t)(s->end - body), s->at, mark);
        s->at = close ? close + mark : s->end;
        return close ? TOKEN_QUOTED : TOKEN_BROKEN;
    }
    s->at++;
    if (!is_digit(peek(s, 0))) {
        return TOKEN_OTHER;
    }
    while (is_digit(peek(s, 0))) {
        s->at++;
    }
    return TOKEN_PARAMETER;
}

static enum token_kind
take_word(struct scanner *s)
{
    const char *from = s->at;
    while (s->at < s->end && goes_on(*s->at)) {
        s->at++;
    }
    size_t len = (size_t)(s->at - from);
    bool e = len == 1 && (*from == 'e' || *from == 'E');
    bool prefix = e || (len == 1 && strchr("bBxXnN", *from));
    if (prefix && peek(s, 0) == '\'') {
        s->at++;
        return skip_quoted(s, '\'', e) ? TOKEN_QUOTED : TOKEN_BROKEN;
    }
    bool unicode = len == 1 && (*from == 'u' || *from == 'U') && peek(s, 0) == '&';
    if (unicode && (peek(s, 1) == '\'' || peek(s, 1) == '"')) {
        char quote = peek(s, 1);
        s->at += 2;
        return skip_quoted(s, quote, false) ? TOKEN_QUOTED : TOKEN_BROKEN;
    }
    return TOKEN_WORD;
}

static enum token_kind
take(struct scanner *s)
{
    char c = *s->at;
    if (c == '\'' || c == '"') {
        s->at++;
        return skip_quoted(s, c, c == '\'' && s->escapes) ? TOKEN_QUOTED : TOKEN_BROKEN;
    }
    if (begins_word(c)) {
        return take_word(s);
    }
    if (c == '$') {
        return take_dollar(s);
    }
    s->at++;
    if (is_digit(c)) {
        /* As one token, so that what sticks to it is no word. */
        while (goes_on(peek(s, 0)) && peek(s, 0) != '$') {
            s->at++;
        }
        return TOKEN_OTHER;
    }
    switch (c) {
    case '(':
    case '[':
        return TOKEN_OPEN;
    case ')':
    case ']':
        return TOKEN_CLOSE;
    case ';':
        return TOKEN_SEMICOLON;
    default:
        return TOKEN_OTHER;
    }
}

static struct token
next_token(struct scanner *s)
{
    bool newline;
    struct token t = {.kind = TOKEN_BROKEN};
    if (!skip_space(s, true, &newline)) {
        return t;
    }
    t.at = s->at;
    t.kind = s->at < s->end ? take(s) : TOKEN_END;
    t.len = (size_t)(s->at - t.at);
    return t;
}

static bool
is_word(const struct token *t, const char *word)
{
    return t->kind == TOKEN_WORD && t->len == strlen(word) && strncasecmp(t->at, word, t->len) == 0;
}

/* --- statements ----------------------------------------------------------------------------- */

static void
keep_word(struct sql_piece *p, const struct token *t)
{
    char *out = p->words[p->words_len++];
    size_t n = t->len < SQL_WORD_BYTES - 1 ? t->len : SQL_WORD_BYTES - 1;
    for (size_t i = 0; i < n; i++) {
        char c = t->at[i];
        out[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    out[n] = '\0';
}

static bool
makes_routine(const struct sql_piece *p)
{
    return sql_has_tag(p, "CREATE FUNCTION") || sql_has_tag(p, "CREATE PROCEDURE");
}

/* How deep a routine's body is in BEGIN and CASE. */
struct body {
    int depth;
    bool atomic_next; /* the word before was BEGIN */
};

static void
follow_body(struct body *b, const struct sql_piece *p, const struct token *t)
{
    bool was_begin = b->atomic_next;
    b->atomic_next = false;
    if (b->depth == 0) {
        if (was_begin && is_word(t, "atomic")) {
            b->depth = 1;
        }
        b->atomic_next = is_word(t, "begin") && makes_routine(p);
        return;
    }
    if (is_word(t, "begin") || is_word(t, "case")) {
        b->depth++;
    } else if (is_word(t, "end")) {
        b->depth--;
    }
}

bool
sql_next(const char **text, bool escapes, struct sql_piece *out, bool *found)
{
    struct scanner s = {.at = *text, .end = *text + strlen(*text), .escapes = escapes};
    struct body body = {0};
    int parens = 0;
    bool leading = true;
    memset(out, 0, sizeof(*out));
    *found = false;
    for (;;) {
        struct token t = next_token(&s);
        *text = s.at;
        if (t.kind == TOKEN_BROKEN) {
            return false;
        }
        if (t.kind == TOKEN_END) {
            return parens == 0 && body.depth == 0;
        }
        if (t.kind == TOKEN_SEMICOLON && parens == 0 && body.depth == 0) {
            if (*found) {
                return true;
            }
            continue;
        }
        out->at = *found ? out->at : t.at;
        out->len = (size_t)(t.at + t.len - out->at);
        *found = true;
        parens += t.kind == TOKEN_OPEN;
        parens -= t.kind == TOKEN_CLOSE;
        if (parens < 0) {
            return false;
        }
        out->parameters = out->parameters || t.kind == TOKEN_PARAMETER;
        leading = leading && t.kind == TOKEN_WORD && out->words_len < SQL_WORDS;
        if (leading) {
            keep_word(out, &t);
        }
        follow_body(&body, out, &t);
    }
}

/* --- tags ------------------------------------------------------------------------------------- */

static bool
may_stand_between(const char *word)
{
    static const char *const words[] = {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY",
        "UNLOGGED", "UNIQUE", "RECURSIVE", "CONSTRAINT", "TRUSTED", "PROCEDURAL", "DEFAULT"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

bool
sql_has_tag(const struct sql_piece *p, const char *tag)
{
    size_t w = 0;
    for (const char *at = tag; *at;) {
        size_t len = strcspn(at, " ");
        while (w > 0 && w < p->words_len &&
               !(strncmp(p->words[w], at, len) == 0 && !p->words[w][len]) &&
               may_stand_between(p->words[w])) {
            w++;
        }
        if (w >= p->words_len || strncmp(p->words[w], at, len) != 0 || p->words[w][len]) {
            return false;
        }
        w++;
        at += len;
        at += *at == ' ';
    }
    return true;
}

bool
sql_has_word(const struct sql_piece *p, bool escapes, const char *word)
{
    struct scanner s = {.at = p->at, .end = p->at + p->len, .escapes = escapes};
    int parens = 0;
    for (struct token t = next_token(&s); t.kind != TOKEN_END && t.kind != TOKEN_BROKEN;
         t = next_token(&s)) {
        parens += t.kind == TOKEN_OPEN;
        parens -= t.kind == TOKEN_CLOSE;
        if (parens == 0 && is_word(&t, word)) {
            return true;
        }
    }
    return false;
}

void
sql_without_word(const struct sql_piece *p, bool escapes, const char *word, struct buf *out)
{
    struct scanner s = {.at = p->at, .end = p->at + p->len, .escapes = escapes};
    const char *kept = p->at;
    int parens = 0;
    for (struct token t = next_token(&s); t.kind != TOKEN_END && t.kind != TOKEN_BROKEN;
         t = next_token(&s)) {
        parens += t.kind == TOKEN_OPEN;
        parens -= t.kind == TOKEN_CLOSE;
        if (parens == 0 && is_word(&t, word)) {
            buf_bytes(out, kept, (size_t)(t.at - kept));
            kept = t.at + t.len;
        }
    }
    buf_bytes(out, kept, (size_t)(p->at + p->len - kept));
}

/* Behind WHERE it may be the name of a column. */
void
sql_without_tablespace(const struct sql_piece *p, bool escapes, struct buf *out)
{
    struct scanner s = {.at = p->at, .end = p->at + p->len, .escapes = escapes};
    const char *kept = p->at;
    int parens = 0;
    bool had_parens = false;
    for (struct token t = next_token(&s); t.kind != TOKEN_END && t.kind != TOKEN_BROKEN;
         t = next_token(&s)) {
        parens += t.kind == TOKEN_OPEN;
        parens -= t.kind == TOKEN_CLOSE;
        had_parens = had_parens || t.kind == TOKEN_CLOSE;
        if (parens == 0 && is_word(&t, "where")) {
            break;
        }
        if (parens == 0 && had_parens && is_word(&t, "tablespace")) {
            struct token name = next_token(&s);
            buf_bytes(out, kept, (size_t)(t.at - kept));
            kept = name.at + name.len;
        }
    }
    buf_bytes(out, kept, (size_t)(p->at + p->len - kept));
}
