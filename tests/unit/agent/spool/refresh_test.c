/* SPDX-License-Identifier: Apache-2.0
 *
 * A spool read from outside while it grows, and one that is damaged read up to the damage.
 */
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/side_util.h"

struct fixture {
    struct fake_fs *fs;
    struct tide tide;
    struct spool_options o, look;
};

static int
set_up(void **state)
{
    static struct fixture fx;
    fx.fs = fake_fs_new();
    fx.o = small_options(fx.fs);
    fx.look = fx.o;
    fx.look.feed_id = 0;
    fx.look.read_only = fx.look.salvage = true;
    tide_init(&fx.tide, 17);
    *state = &fx;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fx = *state;
    tide_done(&fx->tide);
    fake_fs_free(fx->fs);
    return 0;
}

/* Takes what there is; a reader of the whole spool is given the feed record by record. */
static void
take(struct spool_reader *r, struct feed *got)
{
    struct err err = ERR_INIT;
    struct record rec;
    bool any = true;
    while (any) {
        ok(spool_reader_next(r, &rec, &any, &err));
        if (any) {
            feed_keep(got, &rec);
        }
    }
}

static void
a_reader_follows_a_growing_spool(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct feed got = {0};
    struct spool_reader *r;
    struct spool *writer = open_spool(&fx->o), *look = open_spool(&fx->look);
    ok(spool_reader_open(look, 0, &r, &err));
    for (int i = 0; i < 300; i++) {
        tide_run(&fx->tide, writer, 7);
        ok(i % 3 ? spool_flush(writer, &err) : spool_sync(writer, &err));
        ok(spool_refresh(look, &err));
        take(r, &got);
    }
    ok(tide_settle(&fx->tide, writer, &err));
    ok(spool_flush(writer, &err));
    ok(spool_refresh(look, &err));
    take(r, &got);
    check_read(&fx->tide.feed, 0, &got);
    assert_int_equal(spool_appended(look), fx->tide.feed.position);
    feed_done(&got);
    spool_reader_close(r);
    spool_close(look);
    spool_close(writer);
}

static void
a_reader_that_is_outrun_is_told(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct spool *writer = open_spool(&fx->o);
    tide_run(&fx->tide, writer, 5);
    ok(spool_sync(writer, &err));
    struct spool *look = open_spool(&fx->look);
    for (int i = 0; i < 20; i++) {
        tide_run(&fx->tide, writer, 100);
        ok(tide_settle(&fx->tide, writer, &err));
        ok(spool_sync(writer, &err));
        ok(spool_retire(writer, fx->tide.feed.position, &err));
    }
    fails(spool_refresh(look, &err), ERR_DATA);
    assert_non_null(strstr(err.text, "removed"));
    spool_close(look);
    spool_close(writer);
}

static void
bytes_that_are_being_written_are_not_taken_yet(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct spool *writer = open_spool(&fx->o), *look;
    tide_run(&fx->tide, writer, 20);
    ok(spool_sync(writer, &err));
    spool_close(writer);
    look = open_spool(&fx->look);
    uint64_t position = spool_appended(look);
    const struct fs *fs = fx->o.fs;
    int fd = fs->open(fs, DIR "/0000000001.seg", 2, 0);
    uint64_t size;
    assert_int_equal(fs->size(fs, fd, &size), 0);
    assert_int_equal(fs->pwrite_all(fs, fd, "TGBKhalf of a block", 19, size), 0);
    ok(spool_refresh(look, &err));
    assert_int_equal(spool_appended(look), position);
    fs->close(fs, fd);
    spool_close(look);
}

/* Fills some segments, damages `name` at `at` and gives what a reader gets in front of it. */
static void
read_damaged(struct fixture *fx, const char *path, size_t at, struct feed *got, struct err *out)
{
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool any = true;
    struct spool *writer = open_spool(&fx->o);
    tide_run(&fx->tide, writer, 600);
    ok(tide_settle(&fx->tide, writer, &err));
    ok(spool_sync(writer, &err));
    spool_close(writer);
    size_t len;
    uint8_t *bytes = fake_fs_file(fx->fs, path, &len);
    assert_true(bytes != NULL && at < len);
    bytes[at] ^= 8;
    struct spool *look = open_spool(&fx->look);
    ok(spool_reader_open(look, 0, &r, &err));
    bool good = true;
    while (good && any) {
        good = spool_reader_next(r, &rec, &any, &err);
        if (good && any) {
            feed_keep(got, &rec);
        }
    }
    *out = good && spool_damage(look) ? *spool_damage(look) : err;
    spool_reader_close(r);
    spool_close(look);
}

static void
check_front(struct fixture *fx, const struct feed *got, const struct err *err)
{
    assert_int_equal(err->class, ERR_FATAL);
    assert_non_null(strstr(err->text, "0000000003.seg"));
    assert_true(got->count > 0 && got->count < fx->tide.feed.count);
    for (size_t i = 0; i < got->count; i++) {
        assert_true(same_record(&got->all[i].rec, &fx->tide.feed.all[i].rec));
    }
}

static void
what_stands_in_front_of_a_damaged_header_is_read(void **state)
{
    struct fixture *fx = *state;
    struct feed got = {0};
    struct err err;
    fx->tide.streams_max = 1; /* schemas in side files would come in another place */
    read_damaged(fx, DIR "/0000000003.seg", 20, &got, &err);
    assert_true(got.count > 0 && got.count < fx->tide.feed.count);
    assert_non_null(strstr(err.text, "0000000003.seg"));
    feed_done(&got);
}

static void
what_stands_in_front_of_a_damaged_block_is_read(void **state)
{
    struct fixture *fx = *state;
    struct feed got = {0};
    struct err err;
    read_damaged(fx, DIR "/0000000003.seg", SEGMENT_HEADER_SIZE + 900, &got, &err);
    check_front(fx, &got, &err);
    feed_done(&got);
}

static void
without_salvage_a_damaged_spool_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct feed got = {0};
    struct err err;
    struct spool *s;
    read_damaged(fx, DIR "/0000000003.seg", 20, &got, &err);
    feed_done(&got);
    fx->look.salvage = false;
    fails(spool_open(&fx->look, &s, &err), ERR_FATAL);
    assert_null(s);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_reader_follows_a_growing_spool),
        T(a_reader_that_is_outrun_is_told),
        T(bytes_that_are_being_written_are_not_taken_yet),
        T(what_stands_in_front_of_a_damaged_header_is_read),
        T(what_stands_in_front_of_a_damaged_block_is_read),
        T(without_salvage_a_damaged_spool_is_refused),
    };
    int failed = cmocka_run_group_tests_name("spool refresh", tests, NULL, NULL);
    struct key_ring *ring = make_keys(KEY_HEX_A, NULL);
    util_keys = ring;
    failed += cmocka_run_group_tests_name("spool refresh, encrypted", tests, NULL, NULL);
    key_ring_free(ring);
    return failed;
}
