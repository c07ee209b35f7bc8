/* SPDX-License-Identifier: Apache-2.0
 *
 * Canonical text of decoded changes, for feeds that were recorded from real servers. With
 * GOLDEN_WRITE=1 the expected files are written instead of compared.
 */
#ifndef TG_TESTS_GOLDEN_H
#define TG_TESTS_GOLDEN_H

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/base/parse.h"
#include "decoders/decoder.h"
#include "tests/unit/decoders/messages.h"

#define TEXT_MAX   (1 << 20)
#define LINE_BYTES (1 << 16)

static inline void
print_bytes(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len && i < 40; i++) {
        if (s.data[i] == '\\') {
            buf_str(out, "\\\\");
        } else {
            buf_printf(out, isprint(s.data[i]) ? "%c" : "\\x%02x", s.data[i]);
        }
    }
    if (s.len > 40) {
        buf_printf(out, "... (%zu bytes)", s.len);
    }
}

static inline void
print_tuple(struct buf *out, const char *which, const struct relation *r, const struct tuple *t)
{
    buf_printf(out, " %s(", which);
    for (uint16_t i = 0; i < t->len; i++) {
        const struct value *v = &t->values[i];
        buf_printf(out, "%s%s%s:%" PRIu32 "=%c", i ? " " : "", r->columns[i].name,
            r->columns[i].key ? "!" : "", r->columns[i].type_oid, (int)v->status);
        if (v->status == VALUE_TEXT || v->status == VALUE_BINARY) {
            buf_str(out, "'");
            print_bytes(out, v->bytes);
            buf_str(out, "'");
        }
    }
    buf_str(out, ")");
}

static inline void
print_change(struct buf *out, const struct change *c)
{
    char position[POSITION_SIZE];
    buf_printf(out, "%s %s xid=%" PRIu32, change_kind_name(c->kind),
        position_format(c->position, position), c->xid);
    if (c->kind == CHANGE_BEGIN || c->kind == CHANGE_COMMIT) {
        buf_printf(out, " time=%" PRId64, c->commit_us);
    }
    if (c->relation) {
        buf_printf(out, " \"%s\".\"%s\" v%" PRIu32 " identity=%c", c->relation->schema,
            c->relation->name, c->relation->version, c->relation->identity);
        if (c->old_kind != OLD_NONE) {
            print_tuple(out, c->old_kind == OLD_KEY ? "key" : "old", c->relation, &c->old);
        }
        if (c->kind != CHANGE_DELETE) {
            print_tuple(out, "new", c->relation, &c->new);
        }
    }
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        buf_printf(out, " \"%s\".\"%s\"", c->truncated[i]->schema, c->truncated[i]->name);
    }
    if (c->kind == CHANGE_TRUNCATE) {
        buf_printf(out, "%s%s", c->cascade ? " cascade" : "",
            c->restart_identity ? " restart identity" : "");
    }
    if (c->kind == CHANGE_MESSAGE) {
        buf_printf(out, " %s'%s': ", c->transactional ? "transactional " : "", c->prefix);
        print_bytes(out, c->content);
    }
    buf_str(out, "\n");
}

static inline void
unhex(const char *line, struct buf *out)
{
    buf_reset(out);
    for (; isxdigit(line[0]) && isxdigit(line[1]); line += 2) {
        unsigned byte;
        assert_int_equal(sscanf(line, "%2x", &byte), 1);
        buf_u8(out, (uint8_t)byte);
    }
}

static inline void
write_expected(const char *path, struct buf *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text->data, 1, text->len, out), text->len);
    fclose(out);
}

/* Decodes DIR/NAME.hex by `decode`, which returns the number of changes. */
static inline void
golden_compare(const char *dir, const char *name, unsigned (*decode)(const char *, struct buf *))
{
    char path[128];
    struct buf text, expected;
    buf_init(&text, TEXT_MAX);
    buf_init(&expected, TEXT_MAX);
    assert_true(decode(name, &text) > 0);
    assert_false(text.failed);
    snprintf(path, sizeof(path), "%s%s.expected", dir, name);
    if (getenv("GOLDEN_WRITE")) {
        write_expected(path, &text);
    }
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    expected.len = fread(buf_reserve(&expected, TEXT_MAX), 1, TEXT_MAX, in);
    fclose(in);
    assert_string_equal(buf_cstr(&text), buf_cstr(&expected));
    buf_done(&text);
    buf_done(&expected);
}

#endif
