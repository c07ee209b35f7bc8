/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds recorded from real servers (tests/golden/pgoutput) against their canonical text. Run from
 * the root of the tree. With GOLDEN_WRITE=1 the expected files are written instead of compared.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/base/parse.h"
#include "decoders/decoder.h"
#include "tests/unit/decoders/messages.h"

#define DIR        "tests/golden/pgoutput/"
#define TEXT_MAX   (1 << 20)
#define LINE_BYTES (1 << 16)

struct feed {
    struct decoder *d;
    uint32_t last_ordinal;
    uint64_t last_commit;
    unsigned changes;
};

static void
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

static void
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

static void
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

static void
unhex(const char *line, struct buf *out)
{
    buf_reset(out);
    for (; isxdigit(line[0]) && isxdigit(line[1]); line += 2) {
        unsigned byte;
        assert_int_equal(sscanf(line, "%2x", &byte), 1);
        buf_u8(out, (uint8_t)byte);
    }
}

static struct record
recorded(const struct buf *bytes)
{
    struct record rec = record_of(bytes);
    struct reader r;
    reader_init(&r, rec.payload);
    reader_u8(&r);
    if (rec.kind == RECORD_COMMIT) {
        reader_bytes(&r, 9);
    }
    if (bytes->data[0] == 'M') {
        reader_u8(&r);
    }
    if (bytes->data[0] == 'M' || rec.kind == RECORD_BEGIN || rec.kind == RECORD_COMMIT) {
        rec.position = reader_u64(&r);
    }
    return rec;
}

/* What must hold for any feed. */
static void
check_change(struct feed *f, const struct change *c)
{
    assert_true(c->position.commit >= f->last_commit);
    if (c->kind == CHANGE_COMMIT) {
        assert_true(c->position.commit > f->last_commit);
    }
    if (c->position.ordinal != 0) {
        assert_int_equal(c->position.ordinal, f->last_ordinal + 1);
    }
    f->last_ordinal = c->position.ordinal;
    f->last_commit = c->position.commit;
    f->changes++;
}

static unsigned
decode_file(const char *name, struct buf *out)
{
    char path[128];
    char *line = malloc(LINE_BYTES);
    struct buf bytes;
    struct feed f = {0};
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), DIR "%s.hex", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    buf_init(&bytes, LINE_BYTES);
    assert_true(decoder_find("pgoutput")->open(&f.d, &err));
    while (fgets(line, LINE_BYTES, in)) {
        struct change c;
        bool produced;
        unhex(line, &bytes);
        if (bytes.len == 0) {
            continue;
        }
        struct record rec = recorded(&bytes);
        if (!decoder_feed(f.d, &rec, &c, &produced, &err)) {
            fail_msg("%s", err.text);
        }
        if (produced) {
            check_change(&f, &c);
            print_change(out, &c);
        }
    }
    decoder_free(f.d);
    buf_done(&bytes);
    free(line);
    fclose(in);
    return f.changes;
}

static void
write_expected(const char *path, struct buf *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text->data, 1, text->len, out), text->len);
    fclose(out);
}

static void
compare_with_expected(const char *name)
{
    char path[128];
    struct buf text, expected;
    buf_init(&text, TEXT_MAX);
    buf_init(&expected, TEXT_MAX);
    assert_true(decode_file(name, &text) > 0);
    assert_false(text.failed);
    snprintf(path, sizeof(path), DIR "%s.expected", name);
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

static void
postgresql_14_feeds_decode_as_expected(void **state)
{
    (void)state;
    compare_with_expected("pg14-text");
    compare_with_expected("pg14-binary");
}

static void
postgresql_15_feeds_decode_as_expected(void **state)
{
    (void)state;
    compare_with_expected("pg15-text");
    compare_with_expected("pg15-binary");
}

static void
postgresql_18_feeds_decode_as_expected(void **state)
{
    (void)state;
    compare_with_expected("pg18-text");
    compare_with_expected("pg18-binary");
}

static void
text_and_binary_hold_the_same_changes(void **state)
{
    (void)state;
    struct buf text, binary;
    buf_init(&text, TEXT_MAX);
    buf_init(&binary, TEXT_MAX);
    assert_int_equal(decode_file("pg15-text", &text), decode_file("pg15-binary", &binary));
    buf_done(&text);
    buf_done(&binary);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postgresql_14_feeds_decode_as_expected),
        cmocka_unit_test(postgresql_15_feeds_decode_as_expected),
        cmocka_unit_test(postgresql_18_feeds_decode_as_expected),
        cmocka_unit_test(text_and_binary_hold_the_same_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
