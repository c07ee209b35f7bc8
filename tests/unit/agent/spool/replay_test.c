/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments whose sums are all right but that say something impossible: a fault of the program that
 * wrote them.
 */
#include <errno.h>
#include <fcntl.h>

#include "agent/spool/block.h"
#include "agent/spool/replay.h"
#include "tests/lib/fake_fs.h"
#include "tests/lib/unit.h"

#define PATH "/0000000001.seg"

struct maker {
    struct fake_fs *fs;
    struct block block;
    struct segment seg;
    uint8_t bytes[4096];
    struct replay_result found;
    struct err err;
};

static void
make_new(struct maker *m)
{
    *m = (struct maker){.fs = fake_fs_new()};
    m->seg.header = (struct segment_header){.number = 1, .begin = 1, .position = 100};
    m->seg.size = SEGMENT_HEADER_SIZE;
    block_init(&m->block, 500);
}

static void
make_done(struct maker *m)
{
    block_done(&m->block);
    fake_fs_free(m->fs);
}

static void
add(struct maker *m, enum record_kind kind, uint64_t position, bool repeated)
{
    const struct record rec = {.kind = kind, .position = position, .received_us = 5};
    block_add(&m->block, &rec, repeated);
}

static struct block_place
here(const struct maker *m, uint64_t position, bool open)
{
    return (struct block_place){.offset = m->seg.size, .position = position, .open = open};
}

static void
close_block(struct maker *m, struct block_place where)
{
    struct slice bytes = block_close(&m->block, &where);
    memcpy(m->bytes + m->seg.size, bytes.data, bytes.len);
    m->seg.size += bytes.len;
    block_reset(&m->block);
}

static bool
replay(struct maker *m, bool newest)
{
    const struct fs *fs = fake_fs_get(m->fs);
    segment_header_encode(&m->seg.header, m->bytes);
    fake_fs_put(m->fs, PATH, m->bytes, m->seg.size);
    int fd = fs->open(fs, PATH, O_RDONLY, 0);
    struct replay in = {.fs = fs, .fd = fd, .path = PATH, .seg = &m->seg, .newest = newest};
    bool ok = replay_segment(&in, &m->found, &m->err);
    (void)fs->close(fs, fd);
    return ok;
}

static void
refused(struct maker *m, const char *text)
{
    assert_false(replay(m, true));
    assert_int_equal(m->err.class, ERR_FATAL);
    if (strstr(m->err.text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, m->err.text);
    }
    make_done(m);
}

static void
right_segment_is_accepted(void **state)
{
    (void)state;
    struct maker m;
    make_new(&m);
    add(&m, RECORD_SCHEMA, 1, true);
    close_block(&m, here(&m, 100, false));
    add(&m, RECORD_BEGIN, 101, false);
    close_block(&m, here(&m, 100, true));
    add(&m, RECORD_COMMIT, 102, false);
    close_block(&m, here(&m, 102, false));
    assert_true(replay(&m, true));
    assert_int_equal(m.found.blocks, 3);
    assert_int_equal(m.found.tally.records, 2);
    assert_int_equal(m.found.tally.commits, 1);
    assert_int_equal(m.found.order.position, 102);
    assert_int_equal(m.found.end, m.seg.size);
    assert_false(m.found.sealed);
    assert_false(replay(&m, false)); /* no footer */
    make_done(&m);
}

static void
order_rules_are_checked(void **state)
{
    (void)state;
    struct maker m;
    make_new(&m);
    add(&m, RECORD_DATA, 101, false);
    close_block(&m, here(&m, 100, false));
    refused(&m, "DATA outside");
    make_new(&m);
    add(&m, RECORD_MARK, 100, false);
    close_block(&m, here(&m, 100, false));
    refused(&m, "MARK does not move");
}

static void
header_of_a_block_must_fit_its_records(void **state)
{
    (void)state;
    struct block_place where;
    struct maker m;
    for (int i = 0; i < 3; i++) {
        make_new(&m);
        add(&m, RECORD_MARK, 101, false);
        where = here(&m, i == 0 ? 102 : 101, i == 1);
        where.synced = i == 2 ? where.offset + 1 : 0;
        close_block(&m, where);
        refused(&m, "does not fit");
    }
    make_new(&m);
    add(&m, RECORD_MARK, 101, false);
    m.block.commits = 1;
    close_block(&m, here(&m, 101, false));
    refused(&m, "does not fit");
    make_new(&m);
    add(&m, RECORD_MARK, 101, false);
    m.block.flags = BLOCK_SCHEMA;
    close_block(&m, here(&m, 101, false));
    refused(&m, "does not fit");
}

static void
number_of_records_must_be_exact(void **state)
{
    (void)state;
    struct maker m;
    make_new(&m);
    add(&m, RECORD_MARK, 101, false);
    m.block.records = 2;
    close_block(&m, here(&m, 101, false));
    refused(&m, "fewer records");
    make_new(&m);
    add(&m, RECORD_MARK, 101, false);
    add(&m, RECORD_MARK, 102, false);
    m.block.records = 1;
    close_block(&m, here(&m, 101, false));
    refused(&m, "more bytes");
}

static void
carried_schemas_stand_in_front_alone(void **state)
{
    (void)state;
    struct maker m;
    make_new(&m);
    add(&m, RECORD_MARK, 101, false);
    close_block(&m, here(&m, 101, false));
    add(&m, RECORD_SCHEMA, 1, true);
    close_block(&m, here(&m, 101, false));
    refused(&m, "carried schemas behind");
    make_new(&m);
    add(&m, RECORD_SCHEMA, 1, true);
    add(&m, RECORD_MARK, 101, false);
    close_block(&m, here(&m, 101, false));
    refused(&m, "repeated records");
}

#define END_SIZE (INDEX_HEADER_SIZE + INDEX_ENTRY_SIZE + FOOTER_SIZE)

/* A sealed segment; `change` of its footer before that is encoded. */
static void
seal_with(struct maker *m, void (*change)(struct segment_footer *f))
{
    struct index_entry e = {101, SEGMENT_HEADER_SIZE, SEGMENT_HEADER_SIZE};
    struct index ix = {0};
    struct codec codec = {0};
    struct slice end;
    make_new(m);
    add(m, RECORD_MARK, 101, false);
    close_block(m, here(m, 101, false));
    struct segment_footer f = {
        .offset = m->seg.size + INDEX_HEADER_SIZE + INDEX_ENTRY_SIZE,
        .position = 101,
        .tally = {.records = 1,
            .first_position = 101,
            .last_position = 101,
            .first_received_us = 5,
            .last_received_us = 5},
    };
    if (change != NULL) {
        change(&f);
    }
    e.position += f.tally.commits; /* of other_index */
    index_add(&ix, &e);
    assert_true(index_close(&ix, m->seg.size, &codec, &f, &end, &m->err));
    memcpy(m->bytes + m->seg.size, end.data, end.len);
    m->seg.size += end.len;
    index_done(&ix);
}

static void
other_index(struct segment_footer *f)
{
    f->tally.commits = 1;
}

static void
more_records(struct segment_footer *f)
{
    f->tally.records++;
}

static void
other_position(struct segment_footer *f)
{
    f->position++;
}

static void
is_open(struct segment_footer *f)
{
    f->open = true;
}

static void
other_place(struct segment_footer *f)
{
    f->offset++;
}

static void
footer_must_fit_the_segment(void **state)
{
    (void)state;
    struct maker m;
    seal_with(&m, NULL);
    assert_true(replay(&m, false));
    assert_true(m.found.sealed);
    make_done(&m);
    seal_with(&m, more_records);
    refused(&m, "footer does not fit");
    seal_with(&m, other_position);
    refused(&m, "footer does not fit");
    seal_with(&m, is_open);
    refused(&m, "footer does not fit");
    seal_with(&m, other_index);
    refused(&m, "index does not fit");
}

static void
wrong_footer_of_the_newest_is_a_torn_tail(void **state)
{
    (void)state;
    struct maker m;
    seal_with(&m, other_place);
    assert_true(replay(&m, true));
    assert_int_equal(m.found.torn, END_SIZE);
    assert_false(m.found.sealed);
    assert_false(replay(&m, false));
    m.seg.size--; /* not whole */
    assert_true(replay(&m, true));
    assert_int_equal(m.found.torn, END_SIZE - 1);
    make_done(&m);
    seal_with(&m, NULL);
    m.seg.size += 3; /* not at the end */
    assert_true(replay(&m, true));
    assert_int_equal(m.found.torn, END_SIZE + 3);
    make_done(&m);
}

static void
unreadable_file_is_an_error(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 4; nth++) {
        struct maker m;
        seal_with(&m, NULL);
        fake_fs_fail(m.fs, FAKE_PREAD, nth, EIO);
        assert_false(replay(&m, true));
        assert_non_null(strstr(m.err.text, "Input/output error"));
        make_done(&m);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_segment_is_accepted),
        cmocka_unit_test(order_rules_are_checked),
        cmocka_unit_test(header_of_a_block_must_fit_its_records),
        cmocka_unit_test(number_of_records_must_be_exact),
        cmocka_unit_test(carried_schemas_stand_in_front_alone),
        cmocka_unit_test(footer_must_fit_the_segment),
        cmocka_unit_test(wrong_footer_of_the_newest_is_a_torn_tail),
        cmocka_unit_test(unreadable_file_is_an_error),
    };
    return cmocka_run_group_tests_name("spool replay", tests, NULL, NULL);
}
