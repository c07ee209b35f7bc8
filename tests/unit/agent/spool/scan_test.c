/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking over the blocks of one file with buffers of all sizes.
 */
#include <errno.h>
#include <fcntl.h>

#include "agent/spool/block.h"
#include "agent/spool/scan.h"
#include "tests/lib/fake_fs.h"
#include "tests/lib/unit.h"

#define FILE_PATH "/f"
#define BASE      5000u

struct file {
    struct fake_fs *fs;
    int fd;
    uint8_t bytes[20000];
    size_t len;
    size_t payload[16]; /* lengths */
};

/* Blocks of one DATA record each, of these payload sizes. */
static void
build(struct file *f, const size_t *sizes, int n, uint64_t synced)
{
    static uint8_t zeros[8000];
    *f = (struct file){.fs = fake_fs_new(), .len = SEGMENT_HEADER_SIZE};
    for (int i = 0; i < n; i++) {
        struct record rec = {.kind = RECORD_DATA, .payload = {zeros, sizes[i]}};
        struct block_place where = {.offset = BASE + f->len, .synced = synced};
        size_t head = block_single(&rec, false, &where, f->bytes + f->len);
        f->payload[i] = head - BLOCK_HEADER_SIZE + sizes[i];
        f->len += head + sizes[i];
    }
}

static void
store(struct file *f)
{
    fake_fs_put(f->fs, FILE_PATH, f->bytes, f->len);
    f->fd = fake_fs_get(f->fs)->open(fake_fs_get(f->fs), FILE_PATH, O_RDONLY, 0);
}

static void
start(struct scan *sc, struct file *f, size_t cap)
{
    scan_init(sc, fake_fs_get(f->fs), cap);
    scan_file(sc, f->fd, BASE, f->len);
}

static const size_t sizes[] = {10, 0, 3000, 100, 7, 500, 499, 1, 6000, 20};
#define SIZES 10

static void
all_blocks_are_met_with_any_buffer(void **state)
{
    (void)state;
    struct file f;
    build(&f, sizes, SIZES, 0);
    store(&f);
    for (size_t cap = 256; cap < 9000; cap += 61) {
        struct scan sc;
        struct block_header h;
        struct slice payload;
        start(&sc, &f, cap);
        for (int i = 0; i < SIZES; i++) {
            assert_int_equal(scan_peek(&sc, &h), SCAN_OK);
            if (i % 3 == 2) {
                scan_skip(&sc, &h);
                continue;
            }
            assert_int_equal(scan_payload(&sc, &h, &payload), SCAN_OK);
            assert_int_equal(payload.len, f.payload[i]);
        }
        assert_int_equal(scan_peek(&sc, &h), SCAN_END);
        scan_done(&sc);
    }
    fake_fs_free(f.fs);
}

static void
scan_can_go_back(void **state)
{
    (void)state;
    struct file f;
    struct scan sc;
    struct block_header h;
    struct slice payload;
    build(&f, sizes, SIZES, 0);
    store(&f);
    start(&sc, &f, 300);
    while (scan_peek(&sc, &h) == SCAN_OK) {
        scan_skip(&sc, &h);
    }
    scan_seek(&sc, SEGMENT_HEADER_SIZE, sc.base + SEGMENT_HEADER_SIZE);
    assert_int_equal(scan_peek(&sc, &h), SCAN_OK);
    assert_int_equal(scan_payload(&sc, &h, &payload), SCAN_OK);
    assert_int_equal(payload.len, f.payload[0]);
    scan_done(&sc);
    fake_fs_free(f.fs);
}

static void
limit_hides_what_is_behind_it(void **state)
{
    (void)state;
    struct file f;
    struct scan sc;
    struct block_header h;
    build(&f, sizes, 2, 0);
    store(&f);
    start(&sc, &f, 300);
    uint64_t second = SEGMENT_HEADER_SIZE + BLOCK_HEADER_SIZE + f.payload[0];
    sc.limit = second;
    assert_int_equal(scan_peek(&sc, &h), SCAN_OK);
    scan_skip(&sc, &h);
    assert_int_equal(scan_peek(&sc, &h), SCAN_END);
    sc.limit = second + 10;
    assert_int_equal(scan_peek(&sc, &h), SCAN_INVALID);
    sc.limit = second + BLOCK_HEADER_SIZE;
    assert_int_equal(scan_peek(&sc, &h), SCAN_INVALID);
    sc.limit = f.len;
    assert_int_equal(scan_peek(&sc, &h), SCAN_OK);
    scan_done(&sc);
    fake_fs_free(f.fs);
}

static void
block_at_a_wrong_place_is_invalid(void **state)
{
    (void)state;
    struct file f;
    struct scan sc;
    struct block_header h;
    build(&f, sizes, 1, 0);
    store(&f);
    start(&sc, &f, 300);
    sc.log++;
    assert_int_equal(scan_peek(&sc, &h), SCAN_INVALID);
    assert_non_null(strstr(sc.why, "place"));
    scan_done(&sc);
    fake_fs_free(f.fs);
}

static void
errors_and_short_files_are_errors(void **state)
{
    (void)state;
    struct file f;
    struct scan sc;
    struct block_header h;
    struct slice payload;
    build(&f, sizes, 3, 0);
    store(&f);
    start(&sc, &f, 300);
    fake_fs_fail(f.fs, FAKE_PREAD, 1, EIO);
    assert_int_equal(scan_peek(&sc, &h), SCAN_ERROR);
    assert_int_equal(sc.rc, -EIO);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scan_peek(&sc, &h), SCAN_OK);
        scan_skip(&sc, &h);
    }
    assert_int_equal(scan_peek(&sc, &h), SCAN_OK);
    fake_fs_fail(f.fs, FAKE_PREAD, 1, EIO);
    assert_int_equal(scan_payload(&sc, &h, &payload), SCAN_ERROR);
    sc.limit = f.len + 1000; /* more than there is */
    scan_seek(&sc, f.len, sc.base + f.len);
    assert_int_equal(scan_peek(&sc, &h), SCAN_ERROR);
    scan_done(&sc);
    fake_fs_free(f.fs);
}

/* A block that stands behind byte `broken` and knows it to be durable is found, wherever the
 * buffer's border is. */
static void
witness_is_found_at_every_distance(void **state)
{
    (void)state;
    for (size_t size = 0; size < 700; size += 3) {
        const size_t two[] = {size, 20};
        struct file f;
        struct scan sc;
        bool found;
        build(&f, two, 2, BASE + SEGMENT_HEADER_SIZE + 1);
        store(&f);
        start(&sc, &f, 256);
        assert_int_equal(scan_find_witness(&sc, &found), SCAN_OK);
        assert_true(found);
        scan_done(&sc);
        fake_fs_free(f.fs);
        build(&f, two, 2, BASE + SEGMENT_HEADER_SIZE);
        store(&f);
        start(&sc, &f, 256);
        assert_int_equal(scan_find_witness(&sc, &found), SCAN_OK);
        assert_false(found); /* nothing says that this place was durable */
        scan_done(&sc);
        fake_fs_free(f.fs);
    }
}

static void
footer_is_a_witness_too(void **state)
{
    (void)state;
    for (size_t size = 0; size < 700; size += 5) {
        struct file f;
        struct scan sc;
        bool found;
        build(&f, &size, 1, 0);
        struct segment_footer footer = {.offset = BASE + f.len,
            .synced = BASE + SEGMENT_HEADER_SIZE + 1,
            .index = SEGMENT_HEADER_SIZE};
        segment_footer_encode(&footer, f.bytes + f.len);
        f.len += FOOTER_SIZE;
        store(&f);
        start(&sc, &f, 256);
        assert_int_equal(scan_find_witness(&sc, &found), SCAN_OK);
        assert_true(found);
        fake_fs_fail(f.fs, FAKE_PREAD, 1, EIO);
        scan_file(&sc, f.fd, BASE, f.len);
        assert_int_equal(scan_find_witness(&sc, &found), SCAN_ERROR);
        scan_done(&sc);
        fake_fs_free(f.fs);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_blocks_are_met_with_any_buffer),
        cmocka_unit_test(scan_can_go_back),
        cmocka_unit_test(limit_hides_what_is_behind_it),
        cmocka_unit_test(block_at_a_wrong_place_is_invalid),
        cmocka_unit_test(errors_and_short_files_are_errors),
        cmocka_unit_test(witness_is_found_at_every_distance),
        cmocka_unit_test(footer_is_a_witness_too),
    };
    return cmocka_run_group_tests_name("spool scan", tests, NULL, NULL);
}
