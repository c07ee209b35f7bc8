/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds recorded from real servers (tests/golden/pgoutput) against their canonical text. Run from
 * the root of the tree. With GOLDEN_WRITE=1 the expected files are written instead of compared.
 */
#include "agent/source/pg_feed.h"
#include "tests/lib/stream_keeper.h"
#include "tests/unit/decoders/golden.h"

#define DIR "tests/golden/pgoutput/"

struct feed {
    struct decoder *d;
    struct buf *out;
    struct pg_feed source;
    struct stream_keeper keeper;
    uint32_t last_ordinal;
    uint64_t last_commit;
    unsigned changes;
};

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

static void
decode(void *arg, const struct record *rec)
{
    struct feed *f = arg;
    struct err err = ERR_INIT;
    struct change c;
    bool produced;
    if (!decoder_feed(f->d, rec, &c, &produced, &err)) {
        fail_msg("%s", err.text);
    }
    if (produced) {
        check_change(f, &c);
        print_change(f->out, &c);
    }
}

/* As the source takes a message and the spool hands it out. */
static void
take(struct feed *f, struct buf *bytes)
{
    struct pg_message m = {.data = bytes->data, .len = bytes->len};
    struct err err = ERR_INIT;
    struct record rec;
    bool keep;
    if (!pg_feed_take(&f->source, &m, &rec, &keep, &err)) {
        fail_msg("%s", err.text);
    }
    if (!keep && bytes->data[0] == 'M') {
        /* Not for the spool, but the decoder must read it: the position stands in it. */
        struct reader r;
        reader_init(&r, slice_of(bytes->data + 2, bytes->len - 2));
        rec.position = reader_u64(&r);
        keep = true;
    }
    while (keep) {
        stream_keeper_take(&f->keeper, &rec);
        keep = pg_feed_pending(&f->source, &rec);
    }
}

static unsigned
decode_file(const char *name, struct buf *out)
{
    char path[128];
    char *line = malloc(LINE_BYTES);
    struct buf bytes;
    struct feed f = {.out = out, .keeper = {.emit = decode, .arg = &f}};
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), DIR "%s.hex", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    buf_init(&bytes, LINE_BYTES);
    assert_true(decoder_find("pgoutput")->open(&f.d, &err));
    while (fgets(line, LINE_BYTES, in)) {
        unhex(line, &bytes);
        if (bytes.len > 0) {
            take(&f, &bytes);
        }
    }
    assert_int_equal(f.keeper.len, 0);
    decoder_free(f.d);
    stream_keeper_done(&f.keeper);
    buf_done(&bytes);
    free(line);
    fclose(in);
    return f.changes;
}

static void
compare_with_expected(const char *name)
{
    golden_compare(DIR, name, decode_file);
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
transactions_sent_while_open_decode_as_expected(void **state)
{
    (void)state;
    compare_with_expected("pg14-stream");
    compare_with_expected("pg15-stream");
    compare_with_expected("pg18-stream");
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
        cmocka_unit_test(transactions_sent_while_open_decode_as_expected),
        cmocka_unit_test(text_and_binary_hold_the_same_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
