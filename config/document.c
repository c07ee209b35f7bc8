/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds the tree from libyaml's events. `open` is the container that takes the next value; a
 * mapping alternates between a key, kept in `key`, and the value that closes it. Invariant: `key`
 * is set only while `open` is a mapping that waits for a value.
 *
 * Limits keep a hostile file cheap: depth, members of a mapping (they are compared with each other
 * to find duplicates), and memory of the arena.
 */
#include "config/document.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX   12
#define MEMBERS_MAX 256
#define MEMORY_MAX  ((size_t)32 * 1024 * 1024)

struct builder {
    struct document *doc;
    const char *file;
    struct err *err;
    struct document_node *open; /* NULL: at the top */
    const char *key;
    struct mark key_at;
    int depth;
    int documents;
    bool ended;
};

bool
document_error(struct err *err, const char *file, struct mark at, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (file && at.line > 0) {
        return err_set(err, ERR_CONFIG, "%s:%u:%u: %s", file, at.line, at.column, text);
    }
    if (file) {
        return err_set(err, ERR_CONFIG, "%s: %s", file, text);
    }
    return err_set(err, ERR_CONFIG, "%s", text);
}

static struct mark
mark_of(const yaml_mark_t *m)
{
    return (struct mark){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

static bool
out_of_memory(struct builder *b, struct mark at)
{
    return document_error(b->err, b->file, at, "the file holds too many values");
}

static const struct document_node *
member(const struct document_node *map, const char *key)
{
    for (const struct document_node *n = map->first; n; n = n->next) {
        if (strcmp(n->key, key) == 0) {
            return n;
        }
    }
    return NULL;
}

static bool
take_key(struct builder *b, const char *text, struct mark at)
{
    const struct document_node *other = member(b->open, text);
    if (other) {
        return document_error(b->err, b->file, at, "duplicate key '%.80s', first given in line %u",
            text, other->key_at.line);
    }
    if (b->open->children >= MEMBERS_MAX) {
        return document_error(b->err, b->file, at, "more than %d keys in one place", MEMBERS_MAX);
    }
    b->key = arena_strdup(&b->doc->arena, text);
    b->key_at = at;
    return b->key ? true : out_of_memory(b, at);
}

/* Hangs a new node where the next value belongs. */
static struct document_node *
add_node(struct builder *b, enum document_kind kind, struct mark at)
{
    struct document_node *n = arena_zalloc(&b->doc->arena, sizeof(*n));
    if (!n) {
        out_of_memory(b, at);
        return NULL;
    }
    n->kind = kind;
    n->at = at;
    n->key = b->key;
    n->key_at = b->key_at;
    n->parent = b->open;
    b->key = NULL;
    if (!b->open) {
        b->doc->root = n;
        return n;
    }
    if (b->open->last) {
        b->open->last->next = n;
    } else {
        b->open->first = n;
    }
    b->open->last = n;
    b->open->children++;
    return n;
}

static bool
on_scalar(struct builder *b, const yaml_event_t *ev)
{
    struct mark at = mark_of(&ev->start_mark);
    const char *text = (const char *)ev->data.scalar.value;
    if (strlen(text) != ev->data.scalar.length) {
        return document_error(b->err, b->file, at, "a NUL byte inside a value");
    }
    if (b->open && b->open->kind == DOCUMENT_MAP && !b->key) {
        return take_key(b, text, at);
    }
    struct document_node *n = add_node(b, DOCUMENT_SCALAR, at);
    if (!n) {
        return false;
    }
    n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_strdup(&b->doc->arena, text);
    return n->text ? true : out_of_memory(b, at);
}

static bool
on_container(struct builder *b, const yaml_event_t *ev, enum document_kind kind)
{
    struct mark at = mark_of(&ev->start_mark);
    if (b->open && b->open->kind == DOCUMENT_MAP && !b->key) {
        return document_error(b->err, b->file, at, "a key must be a plain word");
    }
    if (++b->depth > DEPTH_MAX) {
        return document_error(b->err, b->file, at, "nested more than %d deep", DEPTH_MAX);
    }
    struct document_node *n = add_node(b, kind, at);
    if (!n) {
        return false;
    }
    b->open = n;
    return true;
}

static void
on_container_end(struct builder *b)
{
    assert(b->open); /* libyaml's events are balanced */
    b->open = b->open->parent;
    b->depth--;
}

/* Anchors and tags would be silently ignored by the rest: better to say that they do nothing. */
static bool
check_plain(
    struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct mark at = mark_of(&ev->start_mark);
    if (anchor) {
        return document_error(
            b->err, b->file, at, "anchors (&%.40s) are not supported", (const char *)anchor);
    }
    if (tag) {
        return document_error(
            b->err, b->file, at, "tags (%.40s) are not supported", (const char *)tag);
    }
    return true;
}

static bool
on_event(struct builder *b, const yaml_event_t *ev)
{
    struct mark at = mark_of(&ev->start_mark);
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return check_plain(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag) && on_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return check_plain(b, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag) &&
               on_container(b, ev, DOCUMENT_LIST);
    case YAML_MAPPING_START_EVENT:
        return check_plain(b, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag) &&
               on_container(b, ev, DOCUMENT_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_container_end(b);
        return true;
    case YAML_ALIAS_EVENT:
        return document_error(b->err, b->file, at,
            "aliases (*%.40s) are not supported; a value that begins with * must stand in quotes",
            (const char *)ev->data.alias.anchor);
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++ > 0) {
            return document_error(b->err, b->file, at, "more than one document in the file");
        }
        return true;
    case YAML_STREAM_END_EVENT:
        b->ended = true;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return true; /* no other event exists in this version of the library */
}

/* {dsn: ${env:X}} is the commonest way to write a value that YAML cannot read. */
static bool
line_has_reference(const char *text, size_t len, uint32_t line)
{
    const char *end = text + len;
    while (line > 1 && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        text = newline ? newline + 1 : end;
        line--;
    }
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    return memmem(text, (size_t)((newline ? newline : end) - text), "${", 2) != NULL;
}

static bool
parser_error(struct builder *b, const yaml_parser_t *p, const char *text, size_t len)
{
    const char *problem = p->problem ? p->problem : "cannot be read";
    struct mark at = mark_of(&p->problem_mark);
    if (p->error == YAML_MEMORY_ERROR) {
        return document_error(b->err, b->file, at, "out of memory");
    }
    if (p->error == YAML_READER_ERROR) {
        /* This kind of error knows the byte only. */
        at = (struct mark){1, 1};
        for (size_t i = 0; i < p->problem_offset; i++) {
            at.column++;
            if (text[i] == '\n') {
                at = (struct mark){at.line + 1, 1};
            }
        }
    }
    if (p->context && strcmp(p->context, "while scanning an alias") == 0) {
        at = mark_of(&p->context_mark);
        return document_error(
            b->err, b->file, at, "a value that begins with * must stand in quotes");
    }
    document_error(b->err, b->file, at, "not valid YAML: %s%s%s", p->context ? p->context : "",
        p->context ? ", " : "", problem);
    return line_has_reference(text, len, at.line)
               ? err_hint(b->err, "inside { } and [ ] a value with ${...} must stand in quotes")
               : false;
}

bool
document_parse(
    const char *text, size_t len, const char *file, struct document *out, struct err *err)
{
    *out = (struct document){0};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return err_set(err, ERR_CONFIG, "%s: out of memory", file);
    }
    arena_init(&out->arena, 16 * 1024, MEMORY_MAX);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);

    struct builder b = {.doc = out, .file = file, .err = err};
    bool ok = true;
    while (ok && !b.ended) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&parser, &ev)) {
            ok = parser_error(&b, &parser, text, len);
            break;
        }
        ok = on_event(&b, &ev);
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&parser);
    if (!ok) {
        document_done(out);
    }
    return ok;
}

void
document_done(struct document *d)
{
    arena_done(&d->arena);
    *d = (struct document){0};
}

bool
document_is_empty(const struct document_node *n)
{
    return n->kind == DOCUMENT_SCALAR && n->plain &&
           (n->text[0] == '\0' || strcmp(n->text, "~") == 0);
}
